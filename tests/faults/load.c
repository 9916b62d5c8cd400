/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *	load [--rate N] [--port PORT] [--sockets N] SERVER ZONE SECONDS
 *
 * A client that goes on asking, so many times a second, for names that nobody asked for before:
 * n0.ZONE, n1.ZONE and so on to n99999.ZONE, and over again. Into each address that it is given it
 * sends a datagram at once: one that is refused was given out closed. It asks from one socket, or
 * from several in turn, which are answered by different workers. Ends after as many seconds or on
 * SIGTERM, and prints
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
	SOCKETS_MAX = 64,
};

static struct {
	unsigned rate;
	uint16_t port;
	const char *zone;
	int64_t seconds;
	unsigned n_sockets;
} settings = {.rate = 200, .port = 443, .n_sockets = 1};

static struct pollfd sockets[SOCKETS_MAX];

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

static void ask(void)
{
	int fd = sockets[counts.asked % settings.n_sockets].fd;
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

/* Takes what comes within that time. */
static void wait_for_answers(int ms)
{
	poll(sockets, settings.n_sockets, ms);
	for (unsigned i = 0; i < settings.n_sockets; i++)
		take_answers(sockets[i].fd);
}

static void run(void)
{
	struct mono start = clock_now(), now = start;
	struct mono stop = mono_add(start, duration_seconds(settings.seconds));

	counts.last = start;
	while (!ended && mono_before(now, stop)) {
		int64_t due = mono_between(start, now).ms * settings.rate / 1000;

		while (counts.asked < due)
			ask();
		wait_for_answers(2);
		now = clock_now();
	}
	if (mono_between(counts.last, now).ms > counts.gap_ms)
		counts.gap_ms = mono_between(counts.last, now).ms;
	/* What is still on its way */
	stop = mono_add(now, (struct duration){LAST_MS});
	while (mono_before(now, stop) && counts.answered + counts.failed < counts.asked) {
		wait_for_answers(10);
		now = clock_now();
	}
}

static int usage(void)
{
	fputs("usage: load [--rate N] [--port PORT] [--sockets N] SERVER ZONE SECONDS\n", stderr);
	return EXIT_USAGE;
}

/* 0 or -errno. */
static int dial_all(const struct endpoint *server)
{
	for (unsigned i = 0; i < settings.n_sockets; i++) {
		int fd = dial(server);

		if (fd < 0)
			return fd;
		sockets[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return 0;
}

static bool take_options(int argc, char **argv)
{
	static const struct option options[] = {{"rate", required_argument, NULL, 'r'},
		{"port", required_argument, NULL, 'p'}, {"sockets", required_argument, NULL, 's'},
		{0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			settings.rate = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			settings.port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 's')
			settings.n_sockets = (unsigned)strtoul(optarg, NULL, 10);
		else
			return false;
	}
	return settings.n_sockets > 0 && settings.n_sockets <= SOCKETS_MAX;
}

int main(int argc, char **argv)
{
	struct endpoint server;

	if (!take_options(argc, argv) || argc - optind != 3 ||
		endpoint_from_text(text_of(argv[optind]), 53, &server) < 0)
		return usage();
	settings.zone = argv[optind + 1];
	settings.seconds = strtol(argv[optind + 2], NULL, 10);
	signal(SIGTERM, end);
	if (dial_all(&server) < 0)
		return usage();
	run();
	printf("asked %u answered %u failed %u lost %u closed %u gap %lld ms\n", counts.asked,
		counts.answered, counts.failed, counts.asked - counts.answered - counts.failed,
		counts.closed, (long long)counts.gap_ms);
	return counts.closed > 0 ? EXIT_CLOSED : 0;
}
