/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/replay/ledger.h"

#define START_MS 1000000
#define FIRST_SOCKET 100
#define TICKS_MAX 100000 /* at one moment: more is a loop without end */

enum { KINDS = OUTPUT_REPORT_SERVER + 1, OVERRIDES_MAX = 8 };

struct world {
	struct engine *engine;
	struct guard *guard;
	struct ledger *ledger;
	struct mono now;
	int wanted_ms; /* from `now`, as engine_tick() returns it */
	struct output *outputs;
	size_t n_outputs;
	unsigned sockets;
	int failing[KINDS];
	char broken[512];
};

static void set_broken(struct world *world, const char *what)
{
	if (what && !world->broken[0])
		snprintf(world->broken, sizeof(world->broken), "%s", what);
}

/* A new output with a copy of the bytes; a test without memory can only end. */
static struct output *add_output(
	struct world *world, enum world_output kind, const uint8_t *bytes, size_t size)
{
	size_t count = world->n_outputs;
	struct output *output = world->outputs;

	if ((count & (count - 1)) == 0)
		output = realloc(output, (count ? 2 * count : 1) * sizeof(*output));
	if (!output)
		abort();
	world->outputs = output;
	output += world->n_outputs++;
	*output = (struct output){.kind = kind, .size = size, .failed = world->failing[kind] != 0};
	if (size > 0) {
		output->bytes = malloc(size);
		if (!output->bytes)
			abort();
		memcpy(output->bytes, bytes, size);
	}
	return output;
}

static int64_t on_time(void *context)
{
	const struct world *world = context;

	return WORLD_TIME + (world->now.ms - START_MS) / 1000;
}

static void on_report(
	void *context, enum engine_report what, const struct name *name, const char *rule)
{
	struct output *output = add_output(context, OUTPUT_REPORT, NULL, 0);

	output->report = what;
	output->name = *name;
	output->rule = rule;
}

static void on_reply(void *context, const struct client *client, const uint8_t *bytes, size_t size)
{
	struct world *world = context;

	add_output(world, OUTPUT_ANSWER, bytes, size)->client = *client;
	set_broken(world, ledger_reply(world->ledger, client, bytes, size, world->now));
}

/* Whether the output before, which nobody has looked at yet, is the same question. */
static bool is_beside(const struct world *world)
{
	const struct output *before = world->outputs + world->n_outputs - 2;

	return world->n_outputs > 1 && !before->taken && !before->failed &&
	       (before->kind == OUTPUT_ASK || before->kind == OUTPUT_ASK_STREAM) &&
	       memcmp(before->bytes, before[1].bytes, 2) == 0;
}

/* Finds what replies repeat: the question, and the cookie if there is one, which is the first
 * option. */
static void dissect(struct output *output)
{
	struct reader reader = reader_over(output->bytes, output->size);
	struct name name;
	size_t size;

	reader_seek(&reader, 12);
	name_read(&reader, &name);
	reader_u32(&reader);
	output->question_end = reader.pos;
	reader_seek(&reader, reader.pos + 11);
	if (reader_u16(&reader) != 10)
		return;
	size = reader_u16(&reader);
	output->cookie = reader_bytes(&reader, size);
	output->cookie_size = size;
}

static int on_ask(
	void *context, unsigned upstream, const uint8_t *bytes, size_t size, unsigned *ret_socket)
{
	struct world *world = context;
	struct output *output = add_output(world, OUTPUT_ASK, bytes, size);

	set_broken(world, ledger_ask(world->ledger, upstream, bytes, size));
	dissect(output);
	output->beside = is_beside(world);
	output->upstream = upstream;
	if (output->failed)
		return world->failing[OUTPUT_ASK];
	output->socket = FIRST_SOCKET + world->sockets++;
	*ret_socket = output->socket;
	return 0;
}

static int on_ask_stream(
	void *context, unsigned upstream, uint32_t ticket, const uint8_t *bytes, size_t size)
{
	struct world *world = context;
	struct output *output = add_output(world, OUTPUT_ASK_STREAM, bytes, size);

	set_broken(world, ledger_ask(world->ledger, upstream, bytes, size));
	dissect(output);
	output->beside = is_beside(world);
	output->upstream = upstream;
	output->ticket = ticket;
	return world->failing[OUTPUT_ASK_STREAM];
}

static void on_report_server(
	void *context, enum engine_server_report what, unsigned upstream, unsigned count)
{
	struct output *output = add_output(context, OUTPUT_REPORT_SERVER, NULL, 0);

	(void)count;
	output->server_report = what;
	output->upstream = upstream;
}

static int on_lease(void *context, const struct channel_request *request)
{
	struct world *world = context;
	struct output *output = add_output(world, OUTPUT_LEASE, NULL, 0);

	output->request = *request;
	set_broken(world, ledger_lease(world->ledger, request));
	return world->failing[OUTPUT_LEASE];
}

/* A file in memory with the text; a test without memory can only end. */
static int make_file(struct text text)
{
	int fd = memfd_create("override", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text.start, text.length) != (ssize_t)text.length)
		abort();
	return fd;
}

int world_compile(struct arena *arena, const struct world_policy *policy, FILE *errors,
	struct compiled *ret_compiled)
{
	struct diag *diag = diag_new(arena);
	const char *paths[OVERRIDES_MAX];
	int fds[OVERRIDES_MAX];
	const struct compile_options options = {
		.policy = policy->file,
		.text = policy->base.start,
		.size = policy->base.length,
		.overrides = paths,
		.n_overrides = policy->n_overrides,
		.now = WORLD_TIME,
	};
	int error = diag && policy->n_overrides <= OVERRIDES_MAX ? 0 : -ENOMEM;

	if (error)
		return error;
	for (size_t i = 0; i < policy->n_overrides; i++) {
		fds[i] = make_file(policy->overrides[i]);
		paths[i] = arena_printf(arena, "/proc/self/fd/%d", fds[i]);
	}
	error = compile_policy(arena, &options, diag, ret_compiled);
	for (size_t i = 0; i < policy->n_overrides; i++)
		close(fds[i]);
	if (error < 0)
		diag_print(diag, errors);
	return error;
}

int world_new(const struct compiled *compiled, struct world **ret_world)
{
	struct engine_config config = {
		.compiled = *compiled, .key = {{1, 2}}, .cache_bytes = 1 << 20};
	struct world *world = calloc(1, sizeof(*world));
	int error;

	if (!world)
		return -ENOMEM;
	world->now.ms = START_MS;
	world->wanted_ms = -1;
	world->ledger = ledger_new(&config.compiled);
	config.io = (struct engine_io){
		.context = world,
		.time = on_time,
		.report = on_report,
		.reply = on_reply,
		.ask = on_ask,
		.ask_stream = on_ask_stream,
		.report_server = on_report_server,
		.lease = on_lease,
	};
	error = world->ledger ? guard_new(compiled->layers, &world->guard) : -ENOMEM;
	config.guard = world->guard;
	if (error == 0)
		error = engine_new(&config, &world->engine);
	if (error < 0) {
		world_free(world);
		return error;
	}
	*ret_world = world;
	return 0;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	if (world->engine)
		engine_free(world->engine);
	guard_free(world->guard);
	ledger_free(world->ledger);
	for (size_t i = 0; i < world->n_outputs; i++)
		free(world->outputs[i].bytes);
	free(world->outputs);
	free(world);
}

const char *world_broken(const struct world *world)
{
	return world->broken[0] ? world->broken : NULL;
}

struct output *world_outputs(struct world *world, size_t *ret_count)
{
	*ret_count = world->n_outputs;
	return world->outputs;
}

void world_fail(struct world *world, enum world_output kind, int error)
{
	world->failing[kind] = error;
}

/* Does all that is due now, as the worker does after each wake-up. */
static void tick(struct world *world)
{
	for (unsigned i = 0; i < TICKS_MAX; i++) {
		world->wanted_ms = engine_tick(world->engine, world->now);
		if (world->wanted_ms != 0)
			return;
	}
	set_broken(world, "the engine wants to be called again and again");
	world->wanted_ms = -1;
}

/* A copy in memory of its own, so that AddressSanitizer sees a read past its end. */
static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

void world_query(
	struct world *world, const struct client *client, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = copy_of(bytes, size);
	bool owed = ledger_query(world->ledger, client, copy, size);

	if (engine_query(world->engine, client, copy, size, world->now) != owed)
		set_broken(world, "the engine does not tell queries from what gets no reply");
	free(copy);
	tick(world);
}

void world_queries(struct world *world, struct engine_message *messages, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ledger_query(
			world->ledger, messages[i].client, messages[i].bytes, messages[i].size);
	engine_queries(world->engine, messages, count, world->now);
	for (unsigned i = 0; i < count; i++)
		if (messages[i].reply_size > 0)
			on_reply(world, messages[i].client, messages[i].reply,
				messages[i].reply_size);
	tick(world);
}

void world_reply(
	struct world *world, unsigned upstream, unsigned socket, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = copy_of(bytes, size);

	engine_reply(world->engine, upstream, socket, copy, size, world->now);
	free(copy);
	tick(world);
}

void world_unreachable(struct world *world, unsigned upstream, unsigned socket)
{
	engine_unreachable(world->engine, upstream, socket, world->now);
	tick(world);
}

void world_stream_reply(
	struct world *world, unsigned upstream, uint32_t ticket, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = copy_of(bytes, size);

	engine_stream_reply(world->engine, upstream, ticket, copy, size, world->now);
	free(copy);
	tick(world);
}

void world_stream_failed(
	struct world *world, unsigned upstream, uint32_t ticket, enum engine_stream_failure why)
{
	engine_stream_failed(world->engine, upstream, ticket, why, world->now);
	tick(world);
}

static void leased(struct world *world, const struct channel_reply *reply)
{
	ledger_leased(world->ledger, reply, world->now);
	engine_leased(world->engine, reply, world->now);
	tick(world);
}

void world_leased(struct world *world, uint32_t ticket, int32_t status, uint32_t seconds)
{
	struct channel_reply reply = {.op = CHANNEL_LEASED,
		.ticket = ticket,
		.status = status,
		.seconds = seconds,
		.opened = status ? 0 : UINT64_MAX};

	leased(world, &reply);
}

void world_leased_some(struct world *world, uint32_t ticket, uint32_t seconds, uint64_t opened)
{
	struct channel_reply reply = {
		.op = CHANNEL_LEASED, .ticket = ticket, .seconds = seconds, .opened = opened};

	leased(world, &reply);
}

void world_forget(struct world *world)
{
	engine_forget(world->engine);
	tick(world);
}

/* Goes on to `end`, or to the moment before it when the engine wants to be called. */
static void step_time(struct world *world, struct mono end)
{
	struct mono next = end;

	if (world->wanted_ms >= 0)
		next = mono_add(world->now, (struct duration){.ms = world->wanted_ms});
	world->now = mono_before(next, end) ? next : end;
	if (world->wanted_ms >= 0 && !mono_before(world->now, next))
		tick(world);
	else if (world->wanted_ms >= 0)
		world->wanted_ms = (int)mono_between(world->now, next).ms;
}

void world_wait(struct world *world, struct duration span)
{
	struct mono end = mono_add(world->now, span);

	while (mono_before(world->now, end))
		step_time(world, end);
}

bool world_wait_for_output(struct world *world, struct duration span)
{
	struct mono end = mono_add(world->now, span);
	size_t before = world->n_outputs;

	while (mono_before(world->now, end) && world->n_outputs == before)
		step_time(world, end);
	return world->n_outputs > before;
}

void world_end(struct world *world)
{
	set_broken(world, ledger_end(world->ledger));
}
