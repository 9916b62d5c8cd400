/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolver/channel.h"
#include "resolver/keeper.h"
#include "resolver/namering.h"
#include "rules/nft.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/text.h"
#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/bench/bench.h"
#include "tests/kernel/space.h"

/*
 * bench-leases WHO BATCH: the CPU time that a lease takes who opens it. WHO is "keeper", for the
 * keeper with this program as its worker, which asks for BATCH leases, of a name and an address
 * that are new each, and waits for all of them; "apart", for a process that is asked for them the
 * same way, and adds the elements without a look at what it is asked for; or "bare", for a program
 * that nobody asks, and that does nothing but put BATCH elements at a time into the same map.
 *
 * bench-leases WHO idle: how long one lease takes, a hundred a second, the median and what one in a
 * hundred exceeds. WHO may also be "echo", for a process that is asked and answers at once without
 * a transaction. So bare and echo are what no keeper on this machine can do without.
 */

enum {
	LEASES = 200000,
	NUMBER_DIGITS = 8,
	IDLE_LEASES = 300,
	IDLE_MS = 10,
};

static const char policy_text[] = "version = 1\n"
				  "name = \"bench\"\n"
				  "[[allow]]\n"
				  "host = [\"a.example.com\", \"*.b.example.com\"]\n"
				  "[dns]\n"
				  "upstream = [\"127.0.0.53:5353\"]\n";

#define MAP "tcp-443-leases4"

/* Starts who is asked for leases, at the other end of a channel. */
typedef pid_t start_other(const struct compiled *compiled, int other_end, int worker_end);

static void must(bool well, const char *what)
{
	if (!well)
		bench_fail("%s: %s", what, strerror(errno));
}

static void load(struct compiled *ret_compiled)
{
	const struct compile_options options = {
		.policy = "bench.toml", .text = policy_text, .size = strlen(policy_text)};
	struct arena *arena;
	char *text = NULL, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	must(out && arena_new((size_t)64 << 20, &arena) == 0, "memory");
	if (compile_policy(arena, &options, diag_new(arena), ret_compiled) != 0)
		bench_fail("the policy is wrong");
	must(nft_write(ret_compiled->plan, NULL, out) == 0, "ruleset");
	fclose(out);
	if (ruleset_load(text, false, &message) != 0)
		bench_fail("%s", message ? message : "cannot load the ruleset");
	free(text);
}

static uint32_t address_of(size_t number)
{
	return htonl((uint32_t)(0x14000000 + number));
}

static double cpu_time(clockid_t clock)
{
	struct timespec time;

	must(clock_gettime(clock, &time) == 0, "clock");
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print(double start, double end, double cpu)
{
	bench_print("cpu", cpu / LEASES * 1e6, "us/lease");
	bench_print("rate", LEASES / (end - start), "leases/s");
}

/* --- Bare --- */

/* One transaction, from address number `first` on. */
static void open_bare(struct setlink *link, const struct plan *plan, size_t first, size_t batch)
{
	struct setlink_element lease = {.key_size = 4,
		.has_mark = true,
		.mark = plan->rules[0].mark,
		.timeout = duration_seconds(330)};

	setlink_begin(link, plan->table);
	for (size_t i = first; i < first + batch; i++) {
		uint32_t address = address_of(i);

		memcpy(lease.key, &address, sizeof(address));
		setlink_add(link, MAP, &lease);
	}
	must(setlink_commit(link) == 0, "transaction");
}

static void run_bare(const struct compiled *compiled, size_t batch)
{
	double start = cpu_time(CLOCK_MONOTONIC), before = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
	struct setlink *link;

	must(setlink_open(&link) == 0, "netlink");
	for (size_t i = 0; i < LEASES; i += batch)
		open_bare(link, compiled->plan, i, batch);
	setlink_close(link);
	print(start, cpu_time(CLOCK_MONOTONIC), cpu_time(CLOCK_PROCESS_CPUTIME_ID) - before);
}

/* --- The keeper --- */

static pid_t start_keeper(const struct compiled *compiled, int keeper_end, int worker_end)
{
	int ready[2], leash[2];
	struct keeper_config config = {
		.compiled = *compiled,
		.confine = {.keep_net_admin = true, .empty_root = true},
		.mark = 1,
		.alone = true,
		.channels = &keeper_end,
		.n_channels = 1,
		.control = -1,
	};
	const struct hash_key key = {{1, 2}};
	char byte;
	pid_t pid;

	must(namering_new(NAMERING_BYTES, &key, &config.names) == 0, "names");
	must(pipe(ready) == 0 && pipe(leash) == 0, "pipe");
	config.ready = ready[1];
	config.leash = leash[0];
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(worker_end);
		close(leash[1]);
		_exit(keeper_run(&config));
	}
	close(keeper_end);
	close(ready[1]);
	close(leash[0]);
	must(read(ready[0], &byte, 1) == 1, "keeper");
	return pid;
}

/* --- A process apart --- */

/* All requests that wait: how many; 0: nobody asks any more. */
static size_t await_requests(int end, struct channel_request requests[2 * CHANNEL_OUT_MAX])
{
	struct pollfd poller = {.fd = end, .events = POLLIN};
	size_t count = 0;
	int got = 1;

	must(poll(&poller, 1, -1) > 0, "poll");
	while (got > 0 && count <= CHANNEL_OUT_MAX) {
		got = channel_receive_requests(end, requests + count);
		count += got > 0 ? (size_t)got : 0;
	}
	return count;
}

/* Answers as many requests. */
static void answer_apart(int end, const struct channel_request *requests, size_t count)
{
	static struct channel_reply replies[2 * CHANNEL_OUT_MAX];

	for (size_t i = 0; i < count; i++)
		replies[i] =
			(struct channel_reply){.op = CHANNEL_LEASED, .ticket = requests[i].ticket};
	for (size_t i = 0; i < count; i += CHANNEL_OUT_MAX) {
		size_t left = count - i;

		must(channel_send_replies(end, replies + i,
			     left < CHANNEL_OUT_MAX ? (unsigned)left : CHANNEL_OUT_MAX) == 0,
			"reply");
	}
}

/* Opens what it is asked for. */
static void serve_apart(const struct plan *plan, int end)
{
	static struct channel_request requests[2 * CHANNEL_OUT_MAX];
	struct setlink_element lease = {.key_size = 4,
		.has_mark = true,
		.mark = plan->rules[0].mark,
		.timeout = duration_seconds(330)};
	struct setlink *link;
	size_t count;

	must(setlink_open(&link) == 0, "netlink");
	while ((count = await_requests(end, requests)) > 0) {
		setlink_begin(link, plan->table);
		for (size_t i = 0; i < count; i++) {
			memcpy(lease.key, &requests[i].lease.addresses[0].bytes[12],
				lease.key_size);
			setlink_add(link, MAP, &lease);
		}
		must(setlink_commit(link) == 0, "transaction");
		answer_apart(end, requests, count);
	}
	setlink_close(link);
}

/* Opens nothing. */
static void serve_echo(const struct plan *plan, int end)
{
	static struct channel_request requests[2 * CHANNEL_OUT_MAX];
	size_t count;

	(void)plan;
	while ((count = await_requests(end, requests)) > 0)
		answer_apart(end, requests, count);
}

static pid_t start_serving(void serve(const struct plan *plan, int end),
	const struct compiled *compiled, int other_end, int worker_end)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0) {
		close(worker_end);
		serve(compiled->plan, other_end);
		_exit(0);
	}
	close(other_end);
	return pid;
}

static pid_t start_apart(const struct compiled *compiled, int other_end, int worker_end)
{
	return start_serving(serve_apart, compiled, other_end, worker_end);
}

static pid_t start_echo(const struct compiled *compiled, int other_end, int worker_end)
{
	return start_serving(serve_echo, compiled, other_end, worker_end);
}

/* --- Who asks --- */

/* What differs from request to request is put into one that was made once: the keeper is what is
 * measured. */
static void ask(struct channel *channel, size_t number)
{
	static struct channel_request request = {.op = CHANNEL_LEASE};
	uint32_t address = address_of(number);

	if (request.lease.count == 0) {
		request.lease.ttl = 300;
		request.lease.count = 1;
		must(name_from_text(text_of("n00000000.b.example.com"), &request.lease.name) == 0,
			"name");
	}
	request.ticket = (uint32_t)number;
	request.lease.addresses[0] = inaddr_from_ip4((const uint8_t *)&address);
	/* Behind the length and the letter */
	for (size_t i = 0, left = number; i < NUMBER_DIGITS; i++, left /= 10)
		request.lease.name.wire[1 + NUMBER_DIGITS - i] = (uint8_t)('0' + left % 10);
	must(channel_send_request(channel, &request) == 0, "request");
}

static void receive(struct channel *channel, size_t count)
{
	while (count > 0) {
		struct channel_reply reply;
		struct pollfd poller = {.fd = channel->fd, .events = POLLIN};
		int passed, error = channel_receive_reply(channel, &reply, &passed);

		if (error == -EAGAIN) {
			poll(&poller, 1, -1);
			continue;
		}
		if (error || reply.op != CHANNEL_LEASED || reply.status != 0)
			bench_fail("a lease was refused");
		count--;
	}
}

static void run_asked(const struct compiled *compiled, start_other *start_it, size_t batch)
{
	struct channel channel = {.n_out = 0};
	int other_end, status;
	clockid_t clock;
	double start, end, before, after;
	pid_t pid;

	must(channel_make(&other_end, &channel.fd) == 0, "channel");
	pid = start_it(compiled, other_end, channel.fd);
	must(clock_getcpuclockid(pid, &clock) == 0, "clock");
	start = cpu_time(CLOCK_MONOTONIC);
	before = cpu_time(clock);
	for (size_t i = 0; i < LEASES; i += batch) {
		for (size_t j = i; j < i + batch; j++)
			ask(&channel, j);
		must(channel_flush(&channel) == 0, "requests");
		receive(&channel, batch);
	}
	after = cpu_time(clock);
	end = cpu_time(CLOCK_MONOTONIC);
	close(channel.fd);
	must(waitpid(pid, &status, 0) == pid && status == 0, "the other end");
	print(start, end, after - before);
}

/* --- Idle --- */

/* How long a lease takes, in seconds. */
static double time_lease(struct channel *channel, size_t number)
{
	double start = cpu_time(CLOCK_MONOTONIC);

	ask(channel, number);
	must(channel_flush(channel) == 0, "request");
	receive(channel, 1);
	return cpu_time(CLOCK_MONOTONIC) - start;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void print_idle(double times[IDLE_LEASES])
{
	qsort(times, IDLE_LEASES, sizeof(times[0]), compare);
	bench_print("lease", times[IDLE_LEASES / 2] * 1e6, "us");
	bench_print("lease-p99", times[IDLE_LEASES * 99 / 100] * 1e6, "us");
}

static void run_bare_idle(const struct compiled *compiled)
{
	static double times[IDLE_LEASES];
	struct setlink *link;

	must(setlink_open(&link) == 0, "netlink");
	for (size_t i = 0; i < IDLE_LEASES; i++) {
		double start;

		poll(NULL, 0, IDLE_MS);
		start = cpu_time(CLOCK_MONOTONIC);
		open_bare(link, compiled->plan, i, 1);
		times[i] = cpu_time(CLOCK_MONOTONIC) - start;
	}
	setlink_close(link);
	print_idle(times);
}

static void run_idle(const struct compiled *compiled, start_other *start)
{
	static double times[IDLE_LEASES];
	struct channel channel = {.n_out = 0};
	int keeper_end, status;
	pid_t pid;

	must(channel_make(&keeper_end, &channel.fd) == 0, "channel");
	pid = start(compiled, keeper_end, channel.fd);
	for (size_t i = 0; i < IDLE_LEASES; i++) {
		poll(NULL, 0, IDLE_MS);
		times[i] = time_lease(&channel, i);
	}
	close(channel.fd);
	must(waitpid(pid, &status, 0) == pid && status == 0, "the other end");
	print_idle(times);
}

static void run(const struct compiled *compiled, start_other *start, size_t batch)
{
	if (batch == 0 && start)
		run_idle(compiled, start);
	else if (batch == 0)
		run_bare_idle(compiled);
	else if (start)
		run_asked(compiled, start, batch);
	else
		run_bare(compiled, batch);
}

static const struct opener {
	const char *name;
	start_other *start;
} openers[] = {
	{"keeper", start_keeper},
	{"apart", start_apart},
	{"echo", start_echo},
	{"bare", NULL},
};

int main(int argc, char **argv)
{
	bool idle = argc == 3 && strcmp(argv[2], "idle") == 0;
	size_t batch = argc == 3 && !idle ? strtoul(argv[2], NULL, 10) : 0;
	const struct opener *opener = NULL;
	struct compiled compiled;
	int error;

	for (size_t i = 0; argc == 3 && i < sizeof(openers) / sizeof(openers[0]); i++)
		if (strcmp(openers[i].name, argv[1]) == 0)
			opener = &openers[i];
	if (!opener || (!idle && (batch == 0 || batch > CHANNEL_OUT_MAX || LEASES % batch != 0)))
		bench_fail("usage: bench-leases keeper|apart|echo|bare BATCH|idle");
	bench_begin();
	error = space_enter();
	if (error)
		return space_skip("no network namespace", error);
	load(&compiled);
	run(&compiled, opener->start, batch);
	return 0;
}
