/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/resolver/keeping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/counters.h"
#include "resolver/keeper.h"
#include "resolver/namering.h"
#include "rules/nft.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

enum { SLOW_S = 40 };

struct keeping keeping;

static const struct hash_key names_key = {{7, 8}};

const char keeping_policy[] = "version = 1\n"
			      "name = \"k\"\n"
			      "[[allow]]\n"
			      "host = [\"a.test\", \"*.wild.test\"]\n"
			      "[[allow]]\n"
			      "host = \"both.test\"\n"
			      "ports = [\"tcp/443\", \"udp/9\"]\n"
			      "[network]\n"
			      "block = [\"private\"]\n"
			      "[dns]\n"
			      "upstream = [\"127.0.0.53:5353\"]\n"
			      "min_lease = \"100s\"\n"
			      "max_lease = \"1000s\"\n"
			      "grace = \"50s\"\n";

/* --- The kernel --- */

void keeping_load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message) != 0)
		fail_msg("%s", message);
}

struct looking {
	struct setlink_element wanted; /* its key */
	struct setlink_element found;
	unsigned count;
};

static int look(void *context, const struct setlink_element *element)
{
	struct looking *looking = context;

	looking->count++;
	if (element->key_size == looking->wanted.key_size &&
		memcmp(element->key, looking->wanted.key, element->key_size) == 0)
		looking->found = *element;
	return 0;
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

static struct setlink_element element_of(const char *text)
{
	struct setlink_element element = {.has_mark = true};
	struct inaddr address = address_of(text);
	const uint8_t *raw = inaddr_raw(&address, &element.key_size);

	memcpy(element.key, raw, element.key_size);
	return element;
}

/* Looks through a map, once more when the keeper changed it meanwhile. */
static struct looking look_in(const char *map, struct setlink_element wanted)
{
	struct looking looking = {.count = 0};
	int error = -EINTR;

	for (unsigned i = 0; i < 100 && error == -EINTR; i++) {
		looking = (struct looking){.wanted = wanted};
		error = setlink_dump(
			keeping.kernel, keeping.compiled.plan->table, map, look, &looking);
	}
	assert_int_equal(error, 0);
	return looking;
}

unsigned keeping_count(const char *map)
{
	return look_in(map, (struct setlink_element){.key_size = 0}).count;
}

/* The lease of the address; its mark is 0 when there is none. */
struct setlink_element keeping_lease_in(const char *map, const char *address)
{
	return look_in(map, element_of(address)).found;
}

void keeping_put(const char *map, const char *address, uint32_t mark, int64_t seconds)
{
	struct setlink_element element = element_of(address);

	element.mark = mark;
	element.timeout = duration_seconds(seconds);
	setlink_begin(keeping.kernel, keeping.compiled.plan->table);
	setlink_add(keeping.kernel, map, &element);
	assert_int_equal(setlink_commit(keeping.kernel), 0);
}

uint32_t keeping_mark(unsigned rule)
{
	return keeping.compiled.plan->rules[rule].mark;
}

bool keeping_has_mark(void)
{
	const uint32_t key[] = {KEEPING_MARK, 0};
	struct looking looking = {.wanted = {.key_size = sizeof(key)}};

	memcpy(looking.wanted.key, key, sizeof(key));
	if (setlink_dump(keeping.kernel, keeping.compiled.plan->table,
		    keeping.compiled.plan->resolver_set, look, &looking) != 0)
		return false;
	return looking.count == 1 && looking.found.key_size == sizeof(key);
}

/* --- The keeper --- */

void keeping_make_channels(void)
{
	for (unsigned i = 0; i < KEEPING_WORKERS; i++) {
		memset(&keeping.channels[i], 0, sizeof(keeping.channels[i]));
		assert_int_equal(channel_make(&keeping.keeper_ends[i], &keeping.channels[i].fd), 0);
	}
	assert_int_equal(channel_make(&keeping.control_end, &keeping.control), 0);
}

static void wait_readable(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&poller, 1, KEEPING_PATIENCE_MS), 1);
}

void keeping_start(bool alone)
{
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(keeping.leash, O_CLOEXEC), 0);
	fflush(NULL);
	keeping.keeper = fork();
	if (keeping.keeper == 0) {
		struct keeper_config config = {
			.compiled = keeping.compiled,
			.confine = {.keep_net_admin = true, .empty_root = true},
			.mark = KEEPING_MARK,
			.destinations_key = keeping.destinations_key,
			.names = keeping.names,
			.counters = counters_of(keeping.counters, 0),
			.alone = alone,
			.channels = keeping.keeper_ends,
			.n_channels = KEEPING_WORKERS,
			.control = keeping.control_end,
			.leases_max = keeping.leases_max,
			.never_in_place = keeping.never_in_place,
			.porter = keeping.porter,
			.ready = ready[1],
			.leash = keeping.leash[0],
		};

		for (unsigned i = 0; i < KEEPING_WORKERS; i++)
			close(keeping.channels[i].fd);
		close(keeping.leash[1]);
		close(keeping.control);
		/* The refusals that the tests provoke aren't news. */
		close(STDERR_FILENO);
		_exit(keeper_run(&config));
	}
	for (unsigned i = 0; i < KEEPING_WORKERS; i++)
		close(keeping.keeper_ends[i]);
	close(keeping.control_end);
	close(ready[1]);
	wait_readable(ready[0]);
	close(ready[0]);
}

void keeping_hang_up(unsigned worker)
{
	if (keeping.channels[worker].fd >= 0)
		close(keeping.channels[worker].fd);
	keeping.channels[worker].fd = -1;
}

int keeping_status(void)
{
	int status;

	assert_int_equal(waitpid(keeping.keeper, &status, 0), keeping.keeper);
	for (unsigned i = 0; i < 2; i++)
		if (keeping.leash[i] >= 0)
			close(keeping.leash[i]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void keeping_stop(void)
{
	for (unsigned i = 0; i < KEEPING_WORKERS; i++)
		keeping_hang_up(i);
	assert_int_equal(keeping_status(), 0);
}

int keeping_set_up(void **state)
{
	(void)state;
	keeping_load("add table inet egress-k\ndelete table inet egress-k\n");
	keeping_load(keeping.ruleset);
	assert_int_equal(namering_new(NAMERING_BYTES, &names_key, &keeping.names), 0);
	assert_int_equal(counters_new(1, &keeping.counters), 0);
	keeping_make_channels();
	return 0;
}

int keeping_set_up_and_start(void **state)
{
	keeping_set_up(state);
	keeping_start(true);
	return 0;
}

int keeping_tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KEEPING_WORKERS; i++)
		keeping_hang_up(i);
	close(keeping.control);
	keeping.leases_max = 0;
	namering_free(keeping.names);
	keeping.names = NULL;
	counters_free(keeping.counters);
	keeping.counters = NULL;
	return 0;
}

/* --- Requests --- */

struct channel_request keeping_request(const char *name, uint32_t ttl, const char *addresses)
{
	struct channel_request request;
	struct text rest = text_of(addresses), item;

	memset(&request, 0, sizeof(request));
	request.op = CHANNEL_LEASE;
	request.ticket = ++keeping.tickets;
	request.lease.ttl = ttl;
	assert_int_equal(name_from_text(text_of(name), &request.lease.name), 0);
	while (rest.length > 0) {
		text_cut(rest, ' ', &item, &rest);
		assert_int_equal(
			inaddr_from_text(item, &request.lease.addresses[request.lease.count++]), 0);
	}
	return request;
}

void keeping_send(unsigned worker, const struct channel_request *request)
{
	assert_int_equal(channel_send_request(&keeping.channels[worker], request), 0);
	assert_int_equal(channel_flush(&keeping.channels[worker]), 0);
}

struct channel_reply keeping_receive(unsigned worker, uint32_t ticket, int *ret_fd)
{
	struct channel_reply reply;

	if (channel_untaken(&keeping.channels[worker]) == 0)
		wait_readable(keeping.channels[worker].fd);
	assert_int_equal(channel_receive_reply(&keeping.channels[worker], &reply, ret_fd), 0);
	assert_int_equal(reply.ticket, ticket);
	return reply;
}

struct channel_reply keeping_ask(const struct channel_request *request)
{
	struct channel_reply reply;
	int fd;

	keeping_send(0, request);
	reply = keeping_receive(0, request->ticket, &fd);
	assert_int_equal(reply.op, CHANNEL_LEASED);
	assert_int_equal(fd, -1);
	return reply;
}

struct channel_reply keeping_ask_lease(const char *name, uint32_t ttl, const char *addresses)
{
	struct channel_request request = keeping_request(name, ttl, addresses);

	return keeping_ask(&request);
}

struct control_request keeping_control(uint32_t op)
{
	struct control_request request;

	memset(&request, 0, sizeof(request));
	request.op = op;
	request.ticket = ++keeping.tickets;
	return request;
}

struct control_reply keeping_ask_control(const struct control_request *request)
{
	struct control_reply reply;

	assert_int_equal(control_send_request(keeping.control, request), 0);
	wait_readable(keeping.control);
	assert_int_equal(control_receive_reply(keeping.control, &reply), 0);
	assert_int_equal(reply.op, request->op);
	assert_int_equal(reply.ticket, request->ticket);
	return reply;
}

void keeping_await_gauge(uint64_t count)
{
	const struct counters *counters = counters_of(keeping.counters, 0);

	for (unsigned i = 0; i < KEEPING_PATIENCE_MS / 10 && counters->leases != count; i++)
		poll(NULL, 0, 10);
	assert_int_equal(counters->leases, count);
}

void keeping_assert_leased(struct channel_reply reply, uint32_t seconds)
{
	assert_int_equal(reply.status, 0);
	assert_in_range(reply.seconds, seconds - SLOW_S, seconds);
}

void keeping_assert_lasts(const char *map, const char *address, uint32_t mark, int64_t seconds)
{
	struct setlink_element lease = keeping_lease_in(map, address);

	assert_int_equal(lease.mark, mark);
	assert_in_range(lease.timeout.ms, (seconds - SLOW_S) * 1000, seconds * 1000);
}

/* --- The program --- */

/* A file in memory with the text. */
static int make_file(const char *text)
{
	int fd = memfd_create("override", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return fd;
}

int keeping_compile(struct arena *arena, const char *policy, const char *override)
{
	struct diag *diag = diag_new(arena);
	int fd = override ? make_file(override) : -1;
	const char *path = arena_printf(arena, "/proc/self/fd/%d", fd);
	const struct compile_options options = {
		.policy = "k.toml",
		.text = policy,
		.size = strlen(policy),
		.overrides = &path,
		.n_overrides = override ? 1 : 0,
	};
	FILE *out;
	size_t size;
	int error = compile_policy(arena, &options, diag, &keeping.compiled);

	close(fd);
	diag_print(diag, stderr);
	if (error)
		return error;
	free(keeping.ruleset);
	out = open_memstream(&keeping.ruleset, &size);
	error = nft_write(keeping.compiled.plan, NULL, out);
	fclose(out);
	return error;
}

int keeping_open(void)
{
	return setlink_open(&keeping.kernel);
}

void keeping_close(void)
{
	setlink_close(keeping.kernel);
	free(keeping.ruleset);
}

int keeping_run(const char *policy, int (*run)(void))
{
	struct arena *arena;
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (arena_new(64 << 20, &arena) != 0 || keeping_compile(arena, policy, NULL) != 0 ||
		keeping_open() != 0)
		return 1;
	failed = run();
	keeping_close();
	arena_free(arena);
	return failed;
}
