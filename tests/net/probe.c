/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A client that says exactly what became of it. What comes back is printed on standard output; on
 * failure that is the name of the errno ("EHOSTUNREACH"), or "TIMEOUT" when nothing came at all.
 * The time-out is long, so that a test which expects to be rejected at once looks at the errno and
 * never at a clock.
 *
 *	probe tcp ADDRESS PORT         connects and says "hello"
 *	probe udp ADDRESS PORT         sends "hello"
 *	probe echo ADDRESS             sends an ICMP echo request
 *	probe hold ADDRESS PORT        connects, then sends each line of standard input
 *	probe flood ADDRESS PORT COUNT as many flows of one datagram each: how many were refused
 *	probe dns ADDRESS[:PORT] NAME TYPE [tcp]  asks, TYPE being A or AAAA
 *
 * Exit status: 0 answered, 1 rejected, 2 timed out, 64 wrong usage.
 */

#include <errno.h>
#include <getopt.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/base/inaddr.h"
#include "tests/net/question.h"

#define EXIT_REJECTED 1
#define EXIT_SILENT 2
#define EXIT_USAGE 64
#define MESSAGE_MAX 65535

/* How sockets are made: from the options. */
static struct {
	unsigned wait; /* seconds */
	unsigned mark; /* SO_MARK, 0: none */
	long uid;      /* whose the sockets are, -1: ours */
	uint16_t from; /* port of the next one, 0: one that the kernel draws */
} settings = {.wait = 15, .uid = -1};

static int failed(int err)
{
	if (err == EAGAIN || err == ETIMEDOUT || err == EINPROGRESS) {
		puts("TIMEOUT");
		return EXIT_SILENT;
	}
	puts(strerrorname_np(err));
	return EXIT_REJECTED;
}

static int bind_port(int fd, sa_family_t family)
{
	const struct sockaddr_in6 ip6 = {.sin6_family = family, .sin6_port = htons(settings.from)};
	const struct sockaddr_in ip4 = {.sin_family = family, .sin_port = htons(settings.from)};

	if (settings.from == 0)
		return 0;
	settings.from++;
	return family == AF_INET ? bind(fd, (const struct sockaddr *)&ip4, sizeof(ip4))
				 : bind(fd, (const struct sockaddr *)&ip6, sizeof(ip6));
}

/* A socket with the settings, connected. The descriptor, or -errno. */
static int dial(int type, int protocol, const struct endpoint *to)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(to, &address);
	struct timeval wait = {.tv_sec = settings.wait};
	CLEANUP_FD int fd = -1;

	/* A ruleset takes who opened a socket for its user: net/netfilter/nft_meta.c, f_cred. */
	if (settings.uid >= 0)
		setfsuid((uid_t)settings.uid);
	fd = socket(address.ss_family, type | SOCK_CLOEXEC, protocol);
	/* Time-outs of a socket bound its blocking connect() too. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	if (settings.mark &&
		setsockopt(fd, SOL_SOCKET, SO_MARK, &settings.mark, sizeof(settings.mark)) < 0)
		return -errno;
	if (bind_port(fd, address.ss_family) < 0 ||
		connect(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	return fd_steal(&fd);
}

static int say(int fd, const char *line)
{
	char answer[4096];
	ssize_t size;

	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return failed(errno);
	size = recv(fd, answer, sizeof(answer) - 1, 0);
	if (size < 0)
		return failed(errno);
	if (size == 0) {
		puts("CLOSED");
		return EXIT_REJECTED;
	}
	answer[size] = '\0';
	puts(answer);
	return 0;
}

static bool parse_endpoint(char **argv, struct endpoint *ret_to)
{
	uint64_t port;

	if (inaddr_from_text(text_of(argv[0]), &ret_to->address) < 0 ||
		text_to_number(text_of(argv[1]), 65535, &port) < 0)
		return false;
	ret_to->port = (uint16_t)port;
	return true;
}

static int run_exchange(int type, char **argv)
{
	struct endpoint to;
	CLEANUP_FD int fd = -1;

	if (!parse_endpoint(argv, &to))
		return EXIT_USAGE;
	fd = dial(type, 0, &to);
	return fd < 0 ? failed(-fd) : say(fd, "hello");
}

static int run_tcp(int argc, char **argv)
{
	(void)argc;
	return run_exchange(SOCK_STREAM, argv);
}

static int run_udp(int argc, char **argv)
{
	(void)argc;
	return run_exchange(SOCK_DGRAM, argv);
}

static int run_hold(int argc, char **argv)
{
	struct endpoint to;
	char line[1024];
	CLEANUP_FD int fd = -1;

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!parse_endpoint(argv, &to))
		return EXIT_USAGE;
	fd = dial(SOCK_STREAM, 0, &to);
	if (fd < 0)
		return failed(-fd);
	puts("connected");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		say(fd, line);
	}
	return 0;
}

static int run_echo(int argc, char **argv)
{
	struct endpoint to = {.port = 0};
	uint8_t request[16] = {0}, answer[256];
	CLEANUP_FD int fd = -1;
	bool ip4;

	(void)argc;
	if (inaddr_from_text(text_of(argv[0]), &to.address) < 0)
		return EXIT_USAGE;
	ip4 = inaddr_is_ip4(&to.address);
	fd = dial(SOCK_DGRAM, ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, &to);
	if (fd < 0)
		return failed(-fd);
	request[0] = ip4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	if (send(fd, request, sizeof(request), 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
		return failed(errno);
	puts(answer[0] == (ip4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) ? "echo" : "not an echo");
	return 0;
}

static int run_flood(int argc, char **argv)
{
	struct endpoint to;
	uint64_t count, refused = 0;

	(void)argc;
	if (!parse_endpoint(argv, &to) || text_to_number(text_of(argv[2]), UINT32_MAX, &count) < 0)
		return EXIT_USAGE;
	for (uint64_t i = 0; i < count; i++) {
		CLEANUP_FD int fd = dial(SOCK_DGRAM, 0, &to);

		if (fd < 0)
			return failed(-fd);
		if (send(fd, "flood", 5, 0) < 0)
			refused++;
	}
	printf("%ju refused\n", (uintmax_t)refused);
	return refused ? EXIT_REJECTED : 0;
}

/* Receives until `size` bytes are there. 0 or -errno, -ECONNRESET at the end of the stream. */
static int receive_all(int fd, uint8_t *out, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = recv(fd, out + done, size - done, 0);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		done += (size_t)n;
	}
	return 0;
}

/* Sends a query and receives the answer's bytes. Their number, or -errno. */
static ssize_t exchange(int fd, bool stream, const struct writer *query, uint8_t *out)
{
	uint8_t length[2];
	ssize_t size;
	int err;

	/* The query lies behind two bytes for its length, which UDP leaves out. */
	size = stream ? send(fd, query->start, query->pos, MSG_NOSIGNAL)
		      : send(fd, query->start + 2, query->pos - 2, MSG_NOSIGNAL);
	if (size < 0)
		return -errno;
	if (!stream) {
		size = recv(fd, out, MESSAGE_MAX, 0);
		return size < 0 ? -errno : size;
	}
	err = receive_all(fd, length, 2);
	if (err < 0)
		return err;
	size = length[0] << 8 | length[1];
	err = receive_all(fd, out, (size_t)size);
	return err < 0 ? err : size;
}

static void print_reply(const struct reply *reply)
{
	static const char *const rcodes[16] = {
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
	char address[INADDR_TEXT];

	if (rcodes[reply->rcode])
		fputs(rcodes[reply->rcode], stdout);
	else
		printf("RCODE%u", reply->rcode);
	if (reply->truncated)
		fputs(" truncated", stdout);
	for (size_t i = 0; i < reply->n_addresses; i++)
		printf(" %s", inaddr_to_text(&reply->addresses[i], address));
	if (reply->has_error)
		printf(" (EDE %u: %s)", reply->error, reply->error_text);
	putchar('\n');
}

static int run_dns(int argc, char **argv)
{
	static uint8_t answer[MESSAGE_MAX];
	uint8_t bytes[512];
	struct writer query = writer_over(bytes, sizeof(bytes));
	bool stream = argc > 3 && strcmp(argv[3], "tcp") == 0;
	uint16_t type = strcmp(argv[2], "AAAA") == 0 ? QUESTION_AAAA : QUESTION_A;
	struct endpoint server;
	struct reply reply;
	struct name name;
	CLEANUP_FD int fd = -1;
	ssize_t size;

	if (endpoint_from_text(text_of(argv[0]), 53, &server) < 0 ||
		name_from_text(text_of(argv[1]), &name) < 0)
		return EXIT_USAGE;
	writer_u16(&query, 0);
	question_write(&query, (uint16_t)getpid(), &name, type);
	writer_u16_at(&query, 0, (uint16_t)(query.pos - 2));
	fd = dial(stream ? SOCK_STREAM : SOCK_DGRAM, 0, &server);
	if (fd < 0)
		return failed(-fd);
	size = exchange(fd, stream, &query, answer);
	if (size < 0)
		return failed((int)-size);
	if (reply_read(answer, (size_t)size, type, &reply) < 0) {
		puts("EBADMSG");
		return EXIT_REJECTED;
	}
	print_reply(&reply);
	return 0;
}

static const struct command {
	const char *name;
	int least;
	int most;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"tcp", 2, 2, run_tcp},
	{"udp", 2, 2, run_udp},
	{"echo", 1, 1, run_echo},
	{"hold", 2, 2, run_hold},
	{"flood", 3, 3, run_flood},
	{"dns", 3, 4, run_dns},
};

static int usage(void)
{
	fputs("usage: probe [--wait SECONDS] [--mark NUMBER] [--uid UID] [--from PORT]\n"
	      "       tcp|udp|hold ADDRESS PORT | echo ADDRESS | flood ADDRESS PORT COUNT |\n"
	      "       dns ADDRESS[:PORT] NAME TYPE [tcp]\n",
		stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"wait", required_argument, NULL, 'w'},
		{"mark", required_argument, NULL, 'm'}, {"uid", required_argument, NULL, 'u'},
		{"from", required_argument, NULL, 'f'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'w')
			settings.wait = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'm')
			settings.mark = (unsigned)strtoul(optarg, NULL, 0);
		else if (option == 'u')
			settings.uid = strtol(optarg, NULL, 10);
		else if (option == 'f')
			settings.from = (uint16_t)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];
		int status;

		if (strcmp(argv[0], command->name) != 0 || argc - 1 < command->least ||
			argc - 1 > command->most)
			continue;
		status = command->run(argc - 1, argv + 1);
		return status == EXIT_USAGE ? usage() : status;
	}
	return usage();
}
