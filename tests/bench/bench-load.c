/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "src/base/text.h"
#include "tests/bench/bench.h"

/*
 * bench-load [OPTION...] PORT ZONE: asks the DNS server at 127.0.0.1 for A records of names in ZONE
 * as fast as it answers, or at a rate, and prints how many answers of each response code came a
 * second.
 *
 *	--names N	of N names by chance, each of which was asked once before; else every name
 *			is a new one
 *	--list FILE	names of a file, a line each, in place of generated ones
 *	--seconds N	how long (3)
 *	--window N	queries out at a time (512)
 *	--sockets N	they go out by, each with a port of its own (16)
 *	--rate N	queries a second, and the answers' latency
 *	--edns		with an OPT record
 *	--pid PID	of the server: its processor time for each answer, and how busy it was; any
 *			number, all their threads included
 *	--since TIME	none of the above: how long after that, in microseconds of the day's clock
 *			since 1970, the first answer came; asks each millisecond
 *
 * One thread; recvmmsg(2), and sendmsg(2) of many at once. "ceiling" is how many answers a second
 *it could have handled by the processor time it took itself: the server was the limit when that is
 *more than came, and the server was busy.
 */

enum {
	BATCH = 64,
	SOCKETS_MAX = 64,
	WINDOW_MAX = 1 << 14,
	PIDS_MAX = 16,
	MESSAGE_MAX = 512,
	HEADER = 12,
	DIGITS = 8,
	RCODES = 16,
	SERVFAIL = 2,
	LOST_MS = 500, /* without an answer */
	WARM_SECONDS = 120,
	SKIPPED = 77,
	BUFFER_BYTES = 4 << 20,
	LATENCIES_MAX = 1 << 20,
	FIRST_SECONDS = 30,
};

static const char *const rcode_names[RCODES] = {"noerror", "formerr", "servfail", "nxdomain",
	"notimp", "refused", "rcode6", "rcode7", "rcode8", "rcode9", "rcode10", "rcode11",
	"rcode12", "rcode13", "rcode14", "rcode15"};

/* A query that may be out: its place and its turn are its ID. */
struct query {
	uint64_t sent_ns; /* 0: not out */
	uint16_t turn;
};

struct socket {
	int fd;
	struct query *queries;
	uint16_t *free; /* places, the ones in use taken off its end */
	unsigned n_free;
};

static struct {
	uint16_t port;
	uint8_t zone[256]; /* wire form */
	size_t zone_size;
	uint8_t (*list)[256];
	size_t n_list;
	uint32_t names; /* 0: always new ones */
	unsigned seconds, window, n_sockets;
	uint32_t rate;
	uint64_t since_us;
	bool edns;
	pid_t pids[PIDS_MAX];
	unsigned n_pids;
} options = {.seconds = 3, .window = 512, .n_sockets = 16};

static struct socket sockets[SOCKETS_MAX];
static unsigned per_socket; /* places */
static uint64_t n_sent, n_lost, n_answers, n_rcodes[RCODES];
static uint32_t *latencies;
static size_t n_latencies;
static uint32_t fresh;

/* --- Names --- */

static size_t put_text(uint8_t *out, const char *name)
{
	uint8_t *start = out;

	for (size_t length; *name; name += length + (name[length] == '.')) {
		length = strcspn(name, ".");
		if (length == 0 || length > 63 || (size_t)(out - start) + length > 250)
			bench_fail("%s: no name", name);
		*out++ = (uint8_t)length;
		memcpy(out, name, length);
		out += length;
	}
	*out++ = 0;
	return (size_t)(out - start);
}

static void read_list(const char *path)
{
	FILE *in = fopen(path, "re");
	char line[256];

	for (int pass = 0; in && pass < 2; pass++, rewind(in)) {
		options.n_list = 0;
		while (fgets(line, sizeof(line), in)) {
			line[strcspn(line, "\n")] = '\0';
			if (options.list)
				put_text(options.list[options.n_list], line);
			options.n_list++;
		}
		if (!options.list)
			options.list = calloc(options.n_list + 1, sizeof(*options.list));
	}
	if (!in || !options.list || options.n_list == 0)
		bench_fail("%s: %s", path, strerror(errno));
	fclose(in);
}

/* "n00000042" and the zone, or a line of the list. */
static size_t put_name(uint8_t *out, uint32_t number)
{
	size_t size = 0;

	if (options.list) {
		const uint8_t *name = options.list[number % options.n_list];

		while (name[size] != 0)
			size += name[size] + 1u;
		memcpy(out, name, size + 1);
		return size + 1;
	}
	out[0] = DIGITS + 1;
	out[1] = 'n';
	for (unsigned i = DIGITS; i > 0; i--, number /= 10)
		out[1 + i] = (uint8_t)('0' + number % 10);
	memcpy(out + DIGITS + 2, options.zone, options.zone_size);
	return DIGITS + 2 + options.zone_size;
}

static size_t put_query(uint8_t *out, uint16_t id, uint32_t number)
{
	static const uint8_t type_and_class[4] = {0, 1, 0, 1};
	static const uint8_t opt[11] = {0, 0, 41, 4, 208};
	uint8_t head[HEADER] = {(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1};
	size_t size;

	head[11] = options.edns;
	memcpy(out, head, sizeof(head));
	size = HEADER + put_name(out + HEADER, number);
	memcpy(out + size, type_and_class, sizeof(type_and_class));
	size += sizeof(type_and_class);
	if (!options.edns)
		return size;
	memcpy(out + size, opt, sizeof(opt));
	return size + sizeof(opt);
}

/* --- Sending and receiving --- */

static void open_sockets(void)
{
	struct sockaddr_in there = {
		.sin_family = AF_INET,
		.sin_port = htons(options.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int size = BUFFER_BYTES;

	per_socket = options.window / options.n_sockets;
	for (unsigned i = 0; i < options.n_sockets; i++) {
		struct socket *at = &sockets[i];

		at->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (at->fd < 0 || connect(at->fd, (struct sockaddr *)&there, sizeof(there)) < 0)
			bench_fail("socket: %s", strerror(errno));
		setsockopt(at->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		at->queries = calloc(per_socket, sizeof(*at->queries));
		at->free = calloc(per_socket, sizeof(*at->free));
		if (!at->queries || !at->free)
			bench_fail("no memory");
		while (at->n_free < per_socket) {
			at->free[at->n_free] = (uint16_t)at->n_free;
			at->n_free++;
		}
	}
}

/* IDs count up by the number of places, so that a late answer is nobody's. */
static uint16_t id_of(const struct query *query, uint16_t place)
{
	return (uint16_t)(query->turn * per_socket + place);
}

static void note_answer(struct socket *at, const uint8_t *bytes, size_t size, uint64_t now)
{
	uint16_t id = (uint16_t)(bytes[0] << 8 | bytes[1]);
	uint16_t place = (uint16_t)(id % per_socket);
	struct query *query = &at->queries[place];

	if (size < HEADER || !query->sent_ns || id_of(query, place) != id)
		return;
	if (n_latencies < LATENCIES_MAX)
		latencies[n_latencies++] = (uint32_t)(now - query->sent_ns);
	query->sent_ns = 0;
	query->turn = (uint16_t)((query->turn + 1u) % (65536 / per_socket));
	at->free[at->n_free++] = place;
	n_answers++;
	n_rcodes[bytes[3] & 15]++;
}

/* How many came. */
static unsigned receive(struct socket *at)
{
	static uint8_t bytes[BATCH][MESSAGE_MAX];
	static struct iovec parts[BATCH];
	static struct mmsghdr heads[BATCH];
	uint64_t now;
	int count;

	for (unsigned i = 0; i < BATCH && !parts[i].iov_base; i++) {
		parts[i] = (struct iovec){bytes[i], MESSAGE_MAX};
		heads[i].msg_hdr.msg_iov = &parts[i];
		heads[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(at->fd, heads, BATCH, MSG_DONTWAIT, NULL);
	now = bench_ns();
	for (int i = 0; i < count; i++)
		note_answer(at, bytes[i], heads[i].msg_len, now);
	return count > 0 ? (unsigned)count : 0;
}

/* Messages of equal size, cut apart by the kernel behind most of its way: udp(7), UDP_SEGMENT. */
static int send_segments(int fd, struct iovec *parts, unsigned count)
{
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = {.head = {CMSG_LEN(sizeof(uint16_t)), SOL_UDP, UDP_SEGMENT}};
	struct msghdr message = {.msg_iov = parts,
		.msg_iovlen = count,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	uint16_t size = (uint16_t)parts[0].iov_len;

	memcpy(CMSG_DATA(&control.head), &size, sizeof(size));
	return (int)sendmsg(fd, &message, MSG_DONTWAIT);
}

/* Sends up to `most` queries, of the names that `next` tells. How many. */
static unsigned send_some(struct socket *at, unsigned most, uint32_t (*next)(void))
{
	static uint8_t bytes[BATCH][MESSAGE_MAX];
	static struct iovec parts[BATCH];
	static struct mmsghdr heads[BATCH];
	uint64_t now = bench_ns();
	unsigned count = 0;

	for (; count < BATCH && count < most && count < at->n_free; count++) {
		uint16_t place = at->free[at->n_free - 1 - count];
		uint16_t id = id_of(&at->queries[place], place);

		parts[count] = (struct iovec){bytes[count], put_query(bytes[count], id, next())};
		heads[count].msg_hdr.msg_iov = &parts[count];
		heads[count].msg_hdr.msg_iovlen = 1;
		at->queries[place].sent_ns = now;
	}
	if (count == 0)
		return 0;
	at->n_free -= count;
	if (options.list || send_segments(at->fd, parts, count) < 0)
		sendmmsg(at->fd, heads, count, MSG_DONTWAIT);
	n_sent += count;
	return count;
}

/* Gives up those that have been out for long. */
static void give_up(uint64_t now)
{
	for (unsigned i = 0; i < options.n_sockets; i++) {
		for (unsigned place = 0; place < per_socket; place++) {
			struct query *query = &sockets[i].queries[place];

			if (!query->sent_ns || now - query->sent_ns < LOST_MS * UINT64_C(1000000))
				continue;
			query->sent_ns = 0;
			query->turn = (uint16_t)((query->turn + 1u) % (65536 / per_socket));
			sockets[i].free[sockets[i].n_free++] = (uint16_t)place;
			n_lost++;
		}
	}
}

static void wait_for_answers(int wait_ms)
{
	struct pollfd pollers[SOCKETS_MAX];

	for (unsigned i = 0; i < options.n_sockets; i++)
		pollers[i] = (struct pollfd){.fd = sockets[i].fd, .events = POLLIN};
	poll(pollers, options.n_sockets, wait_ms);
}

/* --- What is asked --- */

static uint32_t warming;

static uint32_t next_to_warm(void)
{
	return warming++;
}

static uint32_t next_known(void)
{
	return bench_random(options.names);
}

static uint32_t next_fresh(void)
{
	return fresh++;
}

static unsigned turn(unsigned most, uint32_t (*next)(void))
{
	unsigned came = 0, left = most;

	for (unsigned i = 0; i < options.n_sockets; i++) {
		came += receive(&sockets[i]);
		left -= send_some(&sockets[i], left, next);
	}
	return came + (most - left);
}

static unsigned count_out(void)
{
	unsigned out = 0;

	for (unsigned i = 0; i < options.n_sockets; i++)
		out += per_socket - sockets[i].n_free;
	return out;
}

/* Until nothing is out any more. */
static void drain(void)
{
	while (count_out() > 0) {
		if (turn(0, next_fresh) == 0)
			wait_for_answers(10);
		give_up(bench_ns());
	}
}

/* Each name once, and those that got no answer, wherever they are, again with the rest. A server
 * that takes too long for that is left out. */
static void warm_up(void)
{
	uint64_t end = bench_ns() + WARM_SECONDS * UINT64_C(1000000000);

	for (int pass = 0; pass < 2; pass++) {
		warming = 0;
		while (warming < options.names) {
			unsigned left = options.names - warming;

			if (turn(left, next_to_warm) == 0) {
				wait_for_answers(10);
				give_up(bench_ns());
			}
			if (bench_ns() > end) {
				fprintf(stderr, "%u names took too long\n", options.names);
				exit(SKIPPED);
			}
		}
		drain();
	}
}

/* As many as may be out. */
static void run_fast(uint64_t end)
{
	uint32_t (*next)(void) = options.names ? next_known : next_fresh;
	uint64_t now = bench_ns(), looked = now;

	for (; now < end; now = bench_ns()) {
		if (turn(UINT32_MAX, next) == 0)
			wait_for_answers(1);
		if (now - looked < UINT64_C(100000000))
			continue;
		looked = now;
		give_up(bench_ns());
	}
}

/* One at a time, evenly. */
static void run_at_rate(uint64_t start, uint64_t end)
{
	uint32_t (*next)(void) = options.names ? next_known : next_fresh;
	uint64_t now = start, due = 0;
	unsigned at = 0;

	for (; now < end; now = bench_ns()) {
		for (unsigned i = 0; i < options.n_sockets; i++)
			receive(&sockets[i]);
		if ((now - start) * options.rate / 1000000000 < due)
			continue;
		send_some(&sockets[at], 1, next);
		at = (at + 1) % options.n_sockets;
		due++;
	}
}

/* --- Figures --- */

static uint64_t own_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* The first of the numbers that the file has. */
static uint64_t thread_ns(const char *path)
{
	char line[128] = "";
	uint64_t value = 0;
	FILE *in = fopen(path, "re");

	if (in && fgets(line, sizeof(line), in))
		line[strcspn(line, " ")] = '\0';
	if (in)
		fclose(in);
	/* A thread that has ended has none. */
	return text_to_number(text_of(line), UINT64_MAX, &value) == 0 ? value : 0;
}

/* Processor time that the server's processes took, in all their threads. */
static uint64_t server_ns(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < options.n_pids; i++) {
		char pattern[64];
		glob_t threads;

		snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", options.pids[i]);
		if (glob(pattern, 0, NULL, &threads) != 0)
			bench_fail("process %d is gone", options.pids[i]);
		for (size_t j = 0; j < threads.gl_pathc; j++)
			sum += thread_ns(threads.gl_pathv[j]);
		globfree(&threads);
	}
	return sum;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_latencies(void)
{
	if (n_latencies == 0)
		return;
	qsort(latencies, n_latencies, sizeof(*latencies), compare);
	size_t half = n_latencies / 2, most = n_latencies * 99 / 100;
	bench_print("p50", latencies[half] / 1e3, "us");
	bench_print("p99", latencies[most] / 1e3, "us");
}

static void measure(void)
{
	uint64_t server = server_ns(), own = own_ns(), start = bench_ns(), took;
	uint64_t end = start + options.seconds * UINT64_C(1000000000);

	n_sent = n_lost = n_answers = n_latencies = 0;
	memset(n_rcodes, 0, sizeof(n_rcodes));
	if (options.rate)
		run_at_rate(start, end);
	else
		run_fast(end);
	took = bench_ns() - start;
	own = own_ns() - own;
	server = server_ns() - server;
	if (n_answers == 0)
		bench_fail("no answers");
	for (unsigned i = 0; i < RCODES; i++)
		if (n_rcodes[i] > 0)
			bench_print(rcode_names[i], (double)n_rcodes[i] * 1e9 / (double)took, "/s");
	if (n_rcodes[SERVFAIL] * 100 > n_answers)
		fprintf(stderr, "bench-load: beware, %.0f %% of the answers are failures\n",
			100.0 * (double)n_rcodes[SERVFAIL] / (double)n_answers);
	if (n_lost > 0)
		bench_print("lost", 100.0 * (double)n_lost / (double)n_sent, "%");
	if (options.n_pids > 0) {
		bench_print("cpu", (double)server / 1e3 / (double)n_answers, "us");
		bench_print("busy", 100.0 * (double)server / (double)took, "%");
	}
	if (options.rate)
		print_latencies();
	else
		bench_print("ceiling", (double)n_answers * 1e9 / (double)own, "/s");
}

/* A server that does not listen yet refuses at once what is sent to it, which ends the waiting. */
static void measure_start(void)
{
	uint64_t begin = bench_ns(), asked = 0, now = begin, now_us;
	struct timespec day;

	for (; n_rcodes[0] == 0; now = bench_ns()) {
		bool due = now - asked >= 1000000;

		if (now - begin > FIRST_SECONDS * UINT64_C(1000000000))
			bench_fail("no answer within %d s", FIRST_SECONDS);
		turn(due, next_fresh);
		if (due)
			asked = now;
		give_up(bench_ns());
		wait_for_answers(1);
	}
	clock_gettime(CLOCK_REALTIME, &day);
	now_us = (uint64_t)day.tv_sec * 1000000 + (uint64_t)day.tv_nsec / 1000;
	bench_print("start", (double)(now_us - options.since_us) / 1e3, "ms");
}

/* --- The command line --- */

static uint32_t number_of(const char *text, uint32_t least, uint32_t most)
{
	uint64_t number;

	if (text_to_number(text_of(text), most, &number) < 0 || number < least)
		bench_fail("%s: expected %u to %u", text, least, most);
	return (uint32_t)number;
}

static void take_option(int letter, const char *argument)
{
	switch (letter) {
	case 'n':
		options.names = number_of(argument, 1, 99999999);
		break;
	case 'l':
		read_list(argument);
		break;
	case 't':
		options.seconds = number_of(argument, 1, 3600);
		break;
	case 'w':
		options.window = number_of(argument, 1, WINDOW_MAX);
		break;
	case 's':
		options.n_sockets = number_of(argument, 1, SOCKETS_MAX);
		break;
	case 'r':
		options.rate = number_of(argument, 1, 1000000);
		break;
	case 'e':
		options.edns = true;
		break;
	case 'b':
		if (text_to_number(text_of(argument), UINT64_MAX, &options.since_us) < 0)
			bench_fail("%s: no time", argument);
		break;
	case 'p':
		if (options.n_pids == PIDS_MAX)
			bench_fail("too many processes");
		options.pids[options.n_pids++] = (pid_t)number_of(argument, 1, INT32_MAX);
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option rows[] = {{"names", 1, 0, 'n'}, {"list", 1, 0, 'l'},
		{"seconds", 1, 0, 't'}, {"window", 1, 0, 'w'}, {"sockets", 1, 0, 's'},
		{"rate", 1, 0, 'r'}, {"edns", 0, 0, 'e'}, {"pid", 1, 0, 'p'}, {"since", 1, 0, 'b'},
		{0}};
	int letter;

	bench_begin();
	while ((letter = getopt_long(argc, argv, "", rows, NULL)) != -1)
		take_option(letter, optarg);
	if (argc - optind != 2 || options.window < options.n_sockets)
		bench_fail("usage: bench-load [OPTION...] PORT ZONE");
	options.port = (uint16_t)number_of(argv[optind], 1, 65535);
	options.zone_size = put_text(options.zone, argv[optind + 1]);
	if (options.list && !options.names)
		options.names = (uint32_t)options.n_list;
	latencies = malloc(LATENCIES_MAX * sizeof(*latencies));
	if (!latencies)
		bench_fail("no memory");
	open_sockets();
	fresh = (uint32_t)(bench_ns() / 1000000 % 50000000);
	if (options.since_us) {
		measure_start();
		return 0;
	}
	warm_up();
	measure();
	return 0;
}
