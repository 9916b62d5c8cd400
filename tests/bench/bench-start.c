/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * How long a program takes that runs another one, and how much goes through a connection.
 *
 *	bench-start start NAME COUNT PROGRAM [ARGUMENT]...	runs that so many times, behind its
 *		arguments this program's own name and "now": medians of the time until that
 *		runs (NAME-start), and until all is over (NAME-all)
 *	bench-start now			when that is, on standard output, for the mode above
 *	bench-start serve PORT		sends what there is to each connection, until it ends, or
 *		takes what comes, as its first byte says
 *	bench-start stream SECONDS ADDRESS PORT	what such a connection carries each way
 */

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/inaddr.h"
#include "tests/bench/bench.h"

enum { RUNS_MAX = 1000, PIECE = 1 << 17 };

static uint64_t number(const char *word, uint64_t max)
{
	uint64_t value;

	if (text_to_number(text_of(word), max, &value) != 0 || value == 0)
		bench_fail("'%s' is no number", word);
	return value;
}

/* --- Starting --- */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_median(const char *name, const char *what, uint64_t *spans, size_t count)
{
	char label[64];

	size_t middle = count / 2;

	qsort(spans, count, sizeof(*spans), compare);
	snprintf(label, sizeof(label), "%s-%s", name, what);
	bench_print(label, (double)spans[middle] / 1e6, "ms");
}

/* The program writes to `output`. */
static pid_t spawn(char **arguments, int output)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	if (posix_spawn_file_actions_init(&actions) != 0 ||
		posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) != 0)
		bench_fail("no memory");
	error = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
	if (error)
		bench_fail("%s: %s", arguments[0], strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void run_once(char **arguments, uint64_t *ret_started, uint64_t *ret_ended)
{
	char line[64] = "";
	int ends[2], status;
	uint64_t began;
	ssize_t got;
	pid_t pid;

	if (pipe(ends) < 0)
		bench_fail("pipe: %s", strerror(errno));
	began = bench_ns();
	pid = spawn(arguments, ends[1]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail("%s: status %d", arguments[0], status);
	*ret_ended = bench_ns() - began;
	close(ends[1]);
	got = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	if (got <= 0)
		bench_fail("%s has run nothing", arguments[0]);
	*ret_started = strtoull(line, NULL, 10) - began;
}

static void start(int argc, char **argv)
{
	uint64_t started[RUNS_MAX], ended[RUNS_MAX];
	size_t count = (size_t)number(argv[1], RUNS_MAX), n_arguments = (size_t)argc - 2;
	char **arguments = calloc((size_t)argc + 1, sizeof(*arguments));
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (!arguments || length < 0)
		bench_fail("%s", strerror(errno));
	self[length] = '\0';
	memcpy(arguments, argv + 2, n_arguments * sizeof(*arguments));
	arguments[n_arguments] = self;
	arguments[n_arguments + 1] = (char[]){"now"};
	for (size_t i = 0; i < count; i++)
		run_once(arguments, &started[i], &ended[i]);
	print_median(argv[0], "start", started, count);
	print_median(argv[0], "all", ended, count);
	free(arguments);
}

/* --- Streaming --- */

static uint8_t piece[PIECE];

/* Until the other side has had enough. */
static void give(int fd)
{
	while (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
		;
}

static void __attribute__((noreturn)) answer(int fd)
{
	char direction;

	if (recv(fd, &direction, 1, 0) != 1)
		_exit(1);
	if (direction == 'd')
		give(fd);
	while (recv(fd, piece, sizeof(piece), 0) > 0)
		;
	_exit(0);
}

static void serve(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_port = htons((uint16_t)number(port, UINT16_MAX));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0)
		bench_fail("port %s: %s", port, strerror(errno));
	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			bench_fail("accept: %s", strerror(errno));
		if (fork() == 0)
			answer(client);
		close(client);
	}
}

static int connect_to(const char *address, const char *port)
{
	struct endpoint at = {.port = (uint16_t)number(port, UINT16_MAX)};
	struct sockaddr_storage name;
	socklen_t size;
	int fd;

	if (inaddr_from_text(text_of(address), &at.address) != 0)
		bench_fail("'%s' is no address", address);
	size = endpoint_to_sockaddr(&at, &name);
	fd = socket(name.ss_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, size) < 0)
		bench_fail("%s: %s", address, strerror(errno));
	return fd;
}

/* Sends 'u'p or takes 'd'own for so long. */
static void stream(uint64_t ns, char direction, const char *address, const char *port)
{
	int fd = connect_to(address, port);
	uint64_t began = bench_ns(), now = began, bytes = 0;

	if (send(fd, &direction, 1, 0) != 1)
		bench_fail("send: %s", strerror(errno));
	while (now - began < ns) {
		ssize_t size = direction == 'u' ? send(fd, piece, sizeof(piece), 0)
						: recv(fd, piece, sizeof(piece), 0);

		if (size <= 0)
			bench_fail("the connection has ended");
		bytes += (uint64_t)size;
		now = bench_ns();
	}
	close(fd);
	bench_print(direction == 'u' ? "up" : "down",
		(double)bytes / 1e6 / ((double)(now - began) / 1e9), "MB/s");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "now") == 0) {
		printf("%llu\n", (unsigned long long)bench_ns());
		return 0;
	}
	bench_begin();
	if (argc >= 5 && strcmp(argv[1], "start") == 0) {
		start(argc - 2, argv + 2);
	} else if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		serve(argv[2]);
	} else if (argc == 5 && strcmp(argv[1], "stream") == 0) {
		uint64_t ns = number(argv[2], 3600) * UINT64_C(1000000000);

		stream(ns, 'u', argv[3], argv[4]);
		stream(ns, 'd', argv[3], argv[4]);
	} else {
		bench_fail("usage: see the head of tests/bench/bench-start.c");
	}
	return 0;
}
