/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *	load [--rate N] [--port PORT] SERVER ZONE SECONDS
 *
 * A client that goes on asking, N times a second, for names that nobody asked for before: n0.ZONE,
 * n1.ZONE and so on to n99999.ZONE, and over again. Into each address that it is given it sends a
 *datagram at once: one that is refused was given out closed. Ends after as many seconds or on
 *SIGTERM, and prints
 *
 *	asked A answered B failed C lost D closed E gap F ms
 *
 * answered: with addresses; failed: SERVFAIL and other refusals; lost: no answer at all; gap: the
 * longest time between two answers. Exit status 1 when one was closed.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/inaddr.h"
#include "tests/net/question.h"

enum {
	EXIT_CLOSED = 1,
	EXIT_USAGE = 64,
	LAST_MS = 3000,
	NAMES = 100000, /* that the lab has, see zone_names() */
};

static struct {
	unsigned rate;
	uint16_t port;
	const char *zone;
	int64_t seconds;
} settings = {.rate = 200, .port = 443};

static struct {
	uint32_t asked;
	uint32_t answered;
	uint32_t failed;
	uint32_t closed;
	struct mono last; /* answer */
	int64_t gap_ms;
} counts;

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static int dial(const struct endpoint *to)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(to, &address);
	CLEANUP_FD int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	return fd_steal(&fd);
}

static void ask(int fd)
{
	uint8_t bytes[512];
	struct writer query = writer_over(bytes, sizeof(bytes));
	struct name name;
	char text[300];

	snprintf(text, sizeof(text), "n%u.%s", counts.asked % NAMES, settings.zone);
	if (name_from_text(text_of(text), &name) < 0)
		exit(EXIT_USAGE);
	question_write(&query, (uint16_t)counts.asked, &name, QUESTION_A);
	counts.asked++;
	/* Where nobody listens that's an error, of this question or the one before. */
	if (send(fd, bytes, query.pos, 0) < 0)
		(void)send(fd, bytes, query.pos, 0);
}

/* Whether a datagram to the address is refused. */
static bool is_closed(const struct inaddr *address)
{
	const struct endpoint to = {.address = *address, .port = settings.port};
	CLEANUP_FD int fd = dial(&to);

	return fd < 0 || send(fd, "x", 1, 0) < 0;
}

static void note_answer(const struct reply *reply, struct mono now)
{
	char text[INADDR_TEXT];

	if (reply->rcode != 0 || reply->n_addresses == 0) {
		counts.failed++;
		return;
	}
	counts.answered++;
	if (mono_between(counts.last, now).ms > counts.gap_ms)
		counts.gap_ms = mono_between(counts.last, now).ms;
	counts.last = now;
	for (size_t i = 0; i < reply->n_addresses; i++) {
		if (!is_closed(&reply->addresses[i]))
			continue;
		counts.closed++;
		fprintf(stderr, "closed: %s\n", inaddr_to_text(&reply->addresses[i], text));
	}
}

static void take_answers(int fd)
{
	uint8_t bytes[4096];
	struct reply reply;
	ssize_t size;

	/* An error is what became of a question; there may be answers behind it. */
	while ((size = recv(fd, bytes, sizeof(bytes), 0)) >= 0 || errno == ECONNREFUSED)
		if (size >= 0 && reply_read(bytes, (size_t)size, QUESTION_A, &reply) == 0)
			note_answer(&reply, clock_now());
}

static void run(int fd)
{
	struct mono start = clock_now(), now = start;
	struct mono stop = mono_add(start, duration_seconds(settings.seconds));

	counts.last = start;
	while (!ended && mono_before(now, stop)) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		int64_t due = mono_between(start, now).ms * settings.rate / 1000;

		while (counts.asked < due)
			ask(fd);
		poll(&poller, 1, 2);
		take_answers(fd);
		now = clock_now();
	}
	if (mono_between(counts.last, now).ms > counts.gap_ms)
		counts.gap_ms = mono_between(counts.last, now).ms;
	/* What is still on its way */
	stop = mono_add(now, (struct duration){LAST_MS});
	while (mono_before(now, stop) && counts.answered + counts.failed < counts.asked) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};

		poll(&poller, 1, 10);
		take_answers(fd);
		now = clock_now();
	}
}

static int usage(void)
{
	fputs("usage: load [--rate N] [--port PORT] SERVER ZONE SECONDS\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rate", required_argument, NULL, 'r'},
		{"port", required_argument, NULL, 'p'}, {0}};
	struct endpoint server;
	CLEANUP_FD int fd = -1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			settings.rate = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			settings.port = (uint16_t)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (argc - optind != 3 || endpoint_from_text(text_of(argv[optind]), 53, &server) < 0)
		return usage();
	settings.zone = argv[optind + 1];
	settings.seconds = strtol(argv[optind + 2], NULL, 10);
	signal(SIGTERM, end);
	fd = dial(&server);
	if (fd < 0)
		return usage();
	run(fd);
	printf("asked %u answered %u failed %u lost %u closed %u gap %lld ms\n", counts.asked,
		counts.answered, counts.failed, counts.asked - counts.answered - counts.failed,
		counts.closed, (long long)counts.gap_ms);
	return counts.closed > 0 ? EXIT_CLOSED : 0;
}
