/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A client that asks for A records all the time, and counts what becomes of each question:
 *
 *	asker SERVER RATE NAME=ANSWER|ANSWER...
 *
 * RATE is questions a second, of the names in turn. An ANSWER is an address, NODATA, or an rcode:
 * what the question may be answered with. When standard input ends it asks no more, waits for what
 * is out, and prints
 *
 *	asked 10000 lost 0 twice 0 wrong 0
 *
 * and, on standard error, some that went wrong. Exit status: 0 all had one right answer, 1 not,
 * 64 wrong usage.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"
#include "tests/net/question.h"

enum {
	NAMES_MAX = 16,
	ROUND = 50000,      /* questions of one socket, so that no ID comes twice in it */
	PATIENCE_MS = 6000, /* longer than the resolver tries */
	TOLD_MAX = 20,
	EXIT_USAGE = 64,
};

struct subject {
	struct name name;
	const char *text;
	const char *answers;
};

static struct subject subjects[NAMES_MAX];
static unsigned n_subjects;
static struct endpoint server;
static unsigned rate;

static struct {
	unsigned long asked, lost, twice, wrong;
	unsigned told;
} counts;

/* Of each question of the round. */
static uint8_t answered[ROUND];

static void tell(const char *what, unsigned id, const char *answer)
{
	if (counts.told++ < TOLD_MAX)
		fprintf(stderr, "%s: %s %s\n", subjects[id % n_subjects].text, what, answer);
}

static const char *answer_of(const struct reply *reply, char *out)
{
	static const char *const rcodes[16] = {[0] = "NODATA",
		[1] = "FORMERR",
		[2] = "SERVFAIL",
		[3] = "NXDOMAIN",
		[5] = "REFUSED"};

	if (reply->rcode == 0 && reply->n_addresses == 1)
		return inaddr_to_text(&reply->addresses[0], out);
	if (reply->n_addresses > 0 || !rcodes[reply->rcode & 15])
		return "MIXED";
	return rcodes[reply->rcode & 15];
}

static bool is_right(const struct subject *subject, const char *answer)
{
	struct text rest = text_of(subject->answers), one;
	bool more = true;

	while (more) {
		more = text_cut(rest, '|', &one, &rest);
		if (text_is(one, answer))
			return true;
	}
	return false;
}

static void take(const uint8_t *bytes, size_t size, unsigned n_asked)
{
	char text[INADDR_TEXT];
	struct reply reply;
	const char *answer;

	if (reply_read(bytes, size, QUESTION_A, &reply) != 0 || reply.id >= n_asked) {
		counts.wrong++;
		return;
	}
	answer = answer_of(&reply, text);
	if (answered[reply.id]++ > 0) {
		counts.twice++;
		tell("twice", reply.id, answer);
	}
	if (!is_right(&subjects[reply.id % n_subjects], answer)) {
		counts.wrong++;
		tell("wrong", reply.id, answer);
	}
}

static void ask(int fd, unsigned id)
{
	uint8_t bytes[512];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	question_write(&writer, (uint16_t)id, &subjects[id % n_subjects].name, QUESTION_A);
	answered[id] = 0;
	counts.asked++;
	if (send(fd, bytes, writer.pos, 0) < 0)
		tell("not sent", id, strerror(errno));
}

static void receive(int fd, unsigned n_asked)
{
	uint8_t bytes[4096];
	ssize_t size;

	while ((size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		take(bytes, (size_t)size, n_asked);
}

static unsigned count_missing(unsigned n_asked)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < n_asked; i++)
		missing += answered[i] == 0;
	return missing;
}

static int dial(void)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&server, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 1 << 20;

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0) {
		perror("asker");
		exit(EXIT_USAGE);
	}
	return fd;
}

/* Asks over one socket, and waits for all answers. Whether to go on. */
static bool run_round(void)
{
	struct mono start = clock_now(), end;
	unsigned n_asked = 0;
	int fd = dial();
	bool over = false;

	while (!over && n_asked < ROUND) {
		struct pollfd fds[] = {
			{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
		int64_t due = mono_between(start, clock_now()).ms * rate / 1000;
		char byte;

		while (n_asked < ROUND && n_asked < due)
			ask(fd, n_asked++);
		if (poll(fds, 2, 1) > 0 && fds[1].revents)
			over = read(STDIN_FILENO, &byte, 1) <= 0;
		receive(fd, n_asked);
	}
	end = mono_add(clock_now(), (struct duration){PATIENCE_MS});
	while (count_missing(n_asked) > 0 && mono_before(clock_now(), end)) {
		poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10);
		receive(fd, n_asked);
	}
	for (unsigned i = 0; i < n_asked; i++)
		if (answered[i] == 0)
			tell("lost", i, "");
	counts.lost += count_missing(n_asked);
	close(fd);
	return !over;
}

static bool read_arguments(int argc, char **argv)
{
	if (argc < 4 || argc > 3 + NAMES_MAX ||
		endpoint_from_text(text_of(argv[1]), 53, &server) != 0)
		return false;
	rate = (unsigned)strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++) {
		struct subject *subject = &subjects[n_subjects++];
		char *equals = strchr(argv[i], '=');

		if (!equals)
			return false;
		*equals = '\0';
		subject->text = argv[i];
		subject->answers = equals + 1;
		if (name_from_text(text_of(argv[i]), &subject->name) != 0)
			return false;
	}
	return rate > 0;
}

int main(int argc, char **argv)
{
	if (!read_arguments(argc, argv))
		return EXIT_USAGE;
	while (run_round())
		;
	printf("asked %lu lost %lu twice %lu wrong %lu\n", counts.asked, counts.lost, counts.twice,
		counts.wrong);
	return counts.lost + counts.twice + counts.wrong > 0;
}
