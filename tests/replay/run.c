/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "tests/replay/message.h"
#include "tests/replay/world.h"

/*
 * Theory of operation
 *
 * A step either lets something happen (a query, a reply, an acknowledgement, time) or says what the
 * engine must have done by then. Before the next thing happens everything that the engine did must
 * have been said: so "and nothing else" needs no words. What a step expects and what the engine did
 * are both made into text in one form, and the texts compared.
 */

enum {
	CLIENT_COOKIE = 8, /* bytes */
	NAMED_MAX = 400,   /* clients, and labels of outputs, in one script */
	NONE = -1,
};

/* A client of the script: a word, and what the engine knows it by. */
struct caller {
	struct text word;
	struct client client;
	bool edns; /* of its last query */
};

struct label {
	struct text word;
	size_t output;
};

struct run {
	const struct script *script;
	struct world *world;
	struct fault *fault;
	struct caller callers[NAMED_MAX];
	unsigned n_callers;
	struct label labels[NAMED_MAX];
	unsigned n_labels;
	ssize_t last_ask; /* index of the output, or NONE */
	ssize_t last_lease;
	uint16_t queries;
	struct message message;
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EAGAIN", EAGAIN},
	{"EBUSY", EBUSY},
	{"ENOENT", ENOENT},
	{"ENOSPC", ENOSPC},
	{"EPERM", EPERM},
	{"EDQUOT", EDQUOT},
	{"ENETUNREACH", ENETUNREACH},
};

/* -errno of an error's name, 0 if it is none. */
static int error_of(struct text word)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (text_is(word, errors[i].name))
			return -errors[i].number;
	}
	return 0;
}

static bool same_text(struct text a, struct text b)
{
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

static struct client make_client(unsigned index, bool stream)
{
	struct client client = {.stream = stream, .socket = index, .generation = 7 * index};

	if (stream)
		return client;
	client.size = sizeof(client.address.ip4);
	client.address.ip4 = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(20000 + index)),
		.sin_addr = {.s_addr = htonl(0xc6336400 + index)}, /* 198.51.100.0 */
	};
	return client;
}

/* The client that a word names on a transport; a new one the first time. NULL: too many. */
static struct caller *caller_of(struct run *run, struct text word, bool stream)
{
	struct caller *caller = run->callers;

	for (; caller < run->callers + run->n_callers; caller++) {
		if (same_text(caller->word, word) && caller->client.stream == stream)
			return caller;
	}
	if (run->n_callers == NAMED_MAX)
		return NULL;
	*caller = (struct caller){.word = word, .client = make_client(run->n_callers, stream)};
	run->n_callers++;
	return caller;
}

static const struct caller *caller_by_client(const struct run *run, const struct client *client)
{
	for (unsigned i = 0; i < run->n_callers; i++) {
		const struct client *known = &run->callers[i].client;

		if (known->stream == client->stream && known->socket == client->socket &&
			known->generation == client->generation && known->size == client->size &&
			memcmp(&known->address, &client->address, known->size) == 0)
			return &run->callers[i];
	}
	return NULL;
}

/* Whether so long a question has small letters only that this is no chance. */
static bool is_small(const struct output *output)
{
	size_t letters = 0;

	for (size_t i = 12; i + 5 < output->question_end; i++) {
		if (output->bytes[i] >= 'A' && output->bytes[i] <= 'Z')
			return false;
		letters += output->bytes[i] >= 'a' && output->bytes[i] <= 'z';
	}
	return letters >= 40;
}

static void print_question(const struct output *output, FILE *out)
{
	struct reader reader = reader_over(output->bytes, output->size);
	struct name name = {.length = 0};
	char text[NAME_TEXT], type[32];

	reader_seek(&reader, 12);
	name_read(&reader, &name);
	message_type_text(reader_u16(&reader), type);
	fprintf(out, "ask %u %s %s %s", output->upstream,
		output->kind == OUTPUT_ASK ? "udp" : "tcp", name_to_text(&name, text), type);
	if (output->size == output->question_end)
		fprintf(out, " plain");
	if (is_small(output))
		fprintf(out, " small");
	if (output->cookie_size > CLIENT_COOKIE)
		fprintf(out, " server-cookie");
	if (output->size % 128 == 0)
		fprintf(out, " padded");
	fputc('\n', out);
}

static void print_lease(const struct channel_request *request, FILE *out)
{
	char name[NAME_TEXT], address[INADDR_TEXT];

	fprintf(out, "lease %s %u", name_to_text(&request->lease.name, name), request->lease.ttl);
	for (unsigned i = 0; i < request->lease.count && i < CHANNEL_ADDRESSES_MAX; i++)
		fprintf(out, " %s", inaddr_to_text(&request->lease.addresses[i], address));
	fputc('\n', out);
}

static const char *const server_reports[] = {
	[ENGINE_SERVER_DOWN] = "down",
	[ENGINE_SERVER_UP] = "up",
	[ENGINE_SERVER_NO_CASE] = "no-case",
	[ENGINE_SERVER_NO_EDNS] = "no-edns",
	[ENGINE_SERVER_MISMATCH] = "mismatch",
};

static void print_output(const struct run *run, const struct output *output, FILE *out)
{
	const struct caller *caller;
	char name[NAME_TEXT];

	switch (output->kind) {
	case OUTPUT_ANSWER:
		caller = caller_by_client(run, &output->client);
		fprintf(out, "answer %.*s ", TEXT_ARG(caller ? caller->word : text_of("nobody")));
		message_describe(output->bytes, output->size, out);
		break;
	case OUTPUT_ASK:
	case OUTPUT_ASK_STREAM:
		print_question(output, out);
		break;
	case OUTPUT_LEASE:
		print_lease(&output->request, out);
		break;
	case OUTPUT_REPORT:
		fprintf(out, "report %s %s %s\n",
			output->report == ENGINE_OBSERVED ? "observed" : "wildcard",
			name_to_text(&output->name, name), output->rule);
		break;
	case OUTPUT_REPORT_SERVER:
		fprintf(out, "server %u %s\n", output->upstream,
			server_reports[output->server_report]);
		break;
	}
}

/* The text of an output, to be freed. */
static char *output_text(const struct run *run, const struct output *output)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	print_output(run, output, out);
	fclose(out);
	return text;
}

/* Nothing of what the engine did may be left unsaid. */
static int check_all_taken(struct run *run, unsigned line)
{
	size_t count;
	const struct output *outputs = world_outputs(run->world, &count);
	const char *broken = world_broken(run->world);

	if (broken)
		return fault_set(run->fault, line, "broken promise: %s", broken);
	for (size_t i = 0; i < count; i++) {
		char *text;

		if (outputs[i].taken || outputs[i].beside ||
			outputs[i].kind == OUTPUT_REPORT_SERVER)
			continue;
		text = output_text(run, &outputs[i]);
		fault_set(run->fault, line, "expected: nothing before this step\ngot: %s", text);
		free(text);
		return -EINVAL;
	}
	return 0;
}

/* Takes the first output with the text `expected`. If there is none: a fault that shows the first
 * one of the same kind of step, or the first of any kind. */
static int take(
	struct run *run, const struct script_line *line, const char *expected, size_t *ret_index)
{
	size_t count, word = strcspn(expected, " \n");
	struct output *outputs = world_outputs(run->world, &count);
	char *got = NULL;
	bool same_kind = false;

	for (size_t i = 0; i < count; i++) {
		char *text = outputs[i].taken ? NULL : output_text(run, &outputs[i]);

		if (!text)
			continue;
		if (strcmp(text, expected) == 0) {
			outputs[i].taken = true;
			*ret_index = i;
			free(text);
			free(got);
			return 0;
		}
		if (!got || (!same_kind && strncmp(text, expected, word + 1) == 0)) {
			same_kind = strncmp(text, expected, word + 1) == 0;
			free(got);
			got = text;
		} else {
			free(text);
		}
	}
	fault_set(
		run->fault, line->number, "expected: %sgot: %s", expected, got ? got : "nothing\n");
	free(got);
	return -EINVAL;
}

/* Expects the words of a step's head as they stand, without those with a '='. */
static int take_words(struct run *run, const struct script_step *step, size_t *ret_index)
{
	const struct script_line *line = &step->head;
	struct text key, value;
	char *expected = NULL;
	size_t size;
	FILE *out = open_memstream(&expected, &size);
	int error;

	if (!out)
		abort();
	for (size_t i = 0; i < line->n_words; i++) {
		if (!text_cut(line->words[i], '=', &key, &value))
			fprintf(out, "%s%.*s", i > 0 ? " " : "", TEXT_ARG(line->words[i]));
	}
	fputc('\n', out);
	fclose(out);
	error = take(run, line, expected, ret_index);
	free(expected);
	return error;
}

/* Remembers an output under the label of "as=LABEL". */
static int set_label(struct run *run, const struct script_line *line, size_t output)
{
	struct text word;

	if (!script_value(line, 1, "as", &word))
		return 0;
	if (run->n_labels == NAMED_MAX)
		return fault_set(run->fault, line->number, "too many labels");
	run->labels[run->n_labels++] = (struct label){.word = word, .output = output};
	return 0;
}

/* The output that "to=LABEL" names, or else the last one of its kind. NULL with the fault set. */
static const struct output *target(struct run *run, const struct script_line *line, ssize_t last)
{
	size_t count;
	const struct output *outputs = world_outputs(run->world, &count);
	struct text word;

	if (script_value(line, 1, "to", &word)) {
		last = NONE;
		for (unsigned i = 0; i < run->n_labels; i++) {
			if (same_text(run->labels[i].word, word))
				last = (ssize_t)run->labels[i].output;
		}
	}
	if (last != NONE)
		return &outputs[last];
	fault_set(run->fault, line->number, "nothing before that this could be meant for");
	return NULL;
}

static int do_query(struct run *run, const struct script_step *step)
{
	const struct script_line *line = &step->head;
	struct caller *caller;
	struct text value;
	int error;

	if (line->n_words < 3)
		return fault_set(run->fault, line->number, "query CLIENT NAME TYPE [option...]");
	caller = caller_of(run, line->words[1], script_has(line, 2, "tcp"));
	if (!caller)
		return fault_set(run->fault, line->number, "too many clients");
	error = message_query(
		step, 2, (uint16_t)(0x1000 + run->queries++), &run->message, run->fault);
	if (error < 0)
		return error;
	caller->edns = script_value(line, 2, "edns", &value);
	world_query(run->world, &caller->client, run->message.bytes, run->message.size);
	return 0;
}

/* Whether a message has the size that "max=N" and "min=N" of a step ask for. */
static int check_size(struct run *run, const struct script_line *line, size_t size)
{
	uint64_t least = 0, most = MESSAGE_MAX;
	struct text value;

	if (script_value(line, 2, "min", &value) && text_to_number(value, MESSAGE_MAX, &least) < 0)
		return fault_set(run->fault, line->number, "min= is not a number");
	if (script_value(line, 2, "max", &value) && text_to_number(value, MESSAGE_MAX, &most) < 0)
		return fault_set(run->fault, line->number, "max= is not a number");
	if (size < least || size > most)
		return fault_set(run->fault, line->number,
			"expected: %llu to %llu bytes\ngot: %zu bytes\n", (unsigned long long)least,
			(unsigned long long)most, size);
	return 0;
}

static int do_answer(struct run *run, const struct script_step *step)
{
	const struct script_line *line = &step->head;
	struct caller *caller;
	char *expected = NULL;
	size_t size, index, count;
	FILE *out;
	int error;

	if (line->n_words < 3)
		return fault_set(run->fault, line->number, "answer CLIENT RCODE [option...]");
	caller = caller_of(run, line->words[1], script_has(line, 2, "tcp"));
	out = open_memstream(&expected, &size);
	if (!caller || !out)
		abort();
	fprintf(out, "answer %.*s ", TEXT_ARG(caller->word));
	error = message_expected(step, 2, caller->edns, out, run->fault);
	fclose(out);
	if (error == 0)
		error = take(run, line, expected, &index);
	free(expected);
	if (error < 0)
		return error;
	return check_size(run, line, world_outputs(run->world, &count)[index].size);
}

static int do_ask(struct run *run, const struct script_step *step)
{
	size_t index;
	int error = take_words(run, step, &index);

	if (error < 0)
		return error;
	run->last_ask = (ssize_t)index;
	return set_label(run, &step->head, index);
}

static int do_lease(struct run *run, const struct script_step *step)
{
	size_t index;
	int error = take_words(run, step, &index);

	if (error < 0)
		return error;
	run->last_lease = (ssize_t)index;
	return set_label(run, &step->head, index);
}

static int do_report(struct run *run, const struct script_step *step)
{
	size_t index;

	return take_words(run, step, &index);
}

static struct message_asked asked_by(const struct output *ask)
{
	return (struct message_asked){
		.id = (uint16_t)(ask->bytes[0] << 8 | ask->bytes[1]),
		.question = ask->bytes + 12,
		.question_size = ask->question_end - 12,
		.cookie = ask->cookie_size >= CLIENT_COOKIE ? ask->cookie : NULL,
	};
}

static int do_reply(struct run *run, const struct script_step *step)
{
	const struct script_line *line = &step->head;
	const struct output *ask = target(run, line, run->last_ask);
	struct message_asked asked;
	unsigned upstream, socket;
	int error;

	if (!ask)
		return -EINVAL;
	asked = asked_by(ask);
	error = message_reply(step, 1, &asked, &run->message, run->fault);
	if (error < 0)
		return error;
	upstream = ask->upstream + script_has(line, 2, "wrong-server");
	socket = ask->socket + script_has(line, 2, "wrong-socket");
	if (ask->kind == OUTPUT_ASK)
		world_reply(run->world, upstream, socket, run->message.bytes, run->message.size);
	else
		world_stream_reply(
			run->world, upstream, ask->ticket, run->message.bytes, run->message.size);
	return 0;
}

static int do_unreachable(struct run *run, const struct script_step *step)
{
	const struct output *ask = target(run, &step->head, run->last_ask);

	if (!ask)
		return -EINVAL;
	world_unreachable(run->world, ask->upstream, ask->socket);
	return 0;
}

/* "disconnect [closed|untrusted]" */
static int do_disconnect(struct run *run, const struct script_step *step)
{
	const struct output *ask = target(run, &step->head, run->last_ask);
	enum engine_stream_failure why = ENGINE_STREAM_BROKEN;

	if (!ask)
		return -EINVAL;
	if (script_has(&step->head, 1, "closed"))
		why = ENGINE_STREAM_CLOSED;
	if (script_has(&step->head, 1, "untrusted"))
		why = ENGINE_STREAM_UNTRUSTED;
	world_stream_failed(run->world, ask->upstream, ask->ticket, why);
	return 0;
}

/* "some=1,3": of the addresses that were asked for, counted from 1. */
static int leased_some(struct run *run, const struct script_line *line, uint32_t ticket,
	uint32_t seconds, struct text which)
{
	uint64_t opened = 0, number;
	struct text item;

	while (which.length > 0) {
		text_cut(which, ',', &item, &which);
		if (text_to_number(item, CHANNEL_ADDRESSES_MAX, &number) < 0 || number == 0)
			return fault_set(run->fault, line->number, "some=NUMBER,...");
		opened |= UINT64_C(1) << (number - 1);
	}
	world_leased_some(run->world, ticket, seconds, opened);
	return 0;
}

static int do_forget(struct run *run, const struct script_step *step)
{
	(void)step;
	world_forget(run->world);
	return 0;
}

static int do_leased(struct run *run, const struct script_step *step)
{
	const struct script_line *line = &step->head;
	const struct output *lease = target(run, line, run->last_lease);
	int status = line->n_words > 1 ? error_of(line->words[1]) : 0;
	uint64_t seconds = 0;
	struct text value;

	if (!lease)
		return -EINVAL;
	if (line->n_words < 2 ||
		(status == 0 && text_to_number(line->words[1], UINT32_MAX, &seconds) < 0) ||
		(status != 0 && script_value(line, 2, "seconds", &value) &&
			text_to_number(value, UINT32_MAX, &seconds) < 0))
		return fault_set(run->fault, line->number, "leased SECONDS or ERROR");
	if (script_value(line, 2, "some", &value))
		return leased_some(run, line, lease->request.ticket, (uint32_t)seconds, value);
	world_leased(run->world, lease->request.ticket + script_has(line, 2, "wrong-ticket"),
		status, (uint32_t)seconds);
	return 0;
}

static int read_span(struct run *run, const struct script_line *line, struct duration *ret_span)
{
	if (line->n_words == 2 && text_to_duration(line->words[1], ret_span) == 0)
		return 0;
	return fault_set(run->fault, line->number, "a time such as 1500ms or 60s is missing");
}

static int do_wait(struct run *run, const struct script_step *step)
{
	struct duration span;
	int error = read_span(run, &step->head, &span);

	if (error == 0)
		world_wait(run->world, span);
	return error;
}

static int do_silence(struct run *run, const struct script_step *step)
{
	struct duration span;
	int error = read_span(run, &step->head, &span);

	if (error < 0)
		return error;
	if (world_wait_for_output(run->world, span))
		return 0;
	return fault_set(run->fault, step->head.number,
		"expected: the engine gives up waiting\ngot: nothing within that time\n");
}

static int do_nothing(struct run *run, const struct script_step *step)
{
	return check_all_taken(run, step->head.number);
}

/* "fail ask|ask-tcp|lease ERROR", and "fail ask works". */
static int do_fail(struct run *run, const struct script_step *step)
{
	static const struct {
		const char *name;
		enum world_output kind;
	} kinds[] = {{"ask", OUTPUT_ASK}, {"ask-tcp", OUTPUT_ASK_STREAM}, {"lease", OUTPUT_LEASE}};
	const struct script_line *line = &step->head;

	for (size_t i = 0; i < 3 && line->n_words == 3; i++) {
		int error = error_of(line->words[2]);

		if (!text_is(line->words[1], kinds[i].name) ||
			(error == 0 && !text_is(line->words[2], "works")))
			continue;
		world_fail(run->world, kinds[i].kind, error);
		return 0;
	}
	return fault_set(
		run->fault, line->number, "fail ask|ask-tcp|lease ERROR, or 'works' for the error");
}

static const struct {
	const char *name;
	bool happens; /* so all that the engine did before must have been said */
	int (*run)(struct run *run, const struct script_step *step);
} verbs[] = {
	{"query", true, do_query},
	{"reply", true, do_reply},
	{"unreachable", true, do_unreachable},
	{"disconnect", true, do_disconnect},
	{"forget", true, do_forget},
	{"leased", true, do_leased},
	{"fail", true, do_fail},
	{"wait", true, do_wait},
	{"silence", true, do_silence},
	{"nothing", true, do_nothing},
	{"answer", false, do_answer},
	{"ask", false, do_ask},
	{"lease", false, do_lease},
	{"report", false, do_report},
	{"server", false, do_report},
};

static int run_step(struct run *run, const struct script_step *step)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		int error = 0;

		if (!text_is(step->head.words[0], verbs[i].name))
			continue;
		if (verbs[i].happens)
			error = check_all_taken(run, step->head.number);
		return error < 0 ? error : verbs[i].run(run, step);
	}
	return fault_set(
		run->fault, step->head.number, "no such step: %.*s", TEXT_ARG(step->head.words[0]));
}

static int run_steps(struct run *run)
{
	const struct script *script = run->script;
	unsigned line = 0;

	for (size_t i = 0; i < script->n_steps; i++) {
		int error = run_step(run, &script->steps[i]);

		line = script->steps[i].head.number;
		if (error < 0)
			return error;
	}
	world_end(run->world);
	return check_all_taken(run, line);
}

int run_script(struct arena *arena, const struct script *script, struct fault *fault)
{
	struct run *run = arena_alloc(arena, sizeof(*run));
	const struct world_policy policy = {
		script->path, script->policy, script->overrides, script->n_overrides};
	struct compiled compiled;
	char *messages = NULL;
	size_t size;
	FILE *out = open_memstream(&messages, &size);
	int error;

	if (!run || !out)
		abort();
	*run = (struct run){.script = script, .fault = fault, .last_ask = NONE, .last_lease = NONE};
	error = world_compile(arena, &policy, out, &compiled);
	if (error == 0)
		error = world_new(&compiled, &run->world);
	fclose(out);
	if (error < 0)
		fault_set(fault, 1, "the policy: %s\n%s", strerror(-error), messages);
	else
		error = run_steps(run);
	free(messages);
	world_free(run->world);
	return error;
}
