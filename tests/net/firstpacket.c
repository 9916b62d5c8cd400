/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * No first packet lost. Resolves fresh names n0.ZONE, n1.ZONE, ... and, in the moment that an
 * answer arrives, connects over TCP and sends a datagram to the address in it: for each name once
 * for its A and once for its AAAA record. An address that isn't open by then shows as a rejected
 * connection (its errno), a retransmitted SYN or a datagram without an answer; all are counted,
 * none is repeated. Only the DNS question itself, over UDP, is asked again when no answer comes.
 *
 * With --strangers N each Nth question is followed by a try at what isn't permitted, in turns: the
 * address that was given last, at another port; an address that no name has; and a name outside of
 * the zone. Whatever comes back from there counts as accepted.
 *
 * A task is one question and the two connections that follow it; `window` tasks run at a time, so
 * that the number of open sockets is bounded. Connections end with a reset: no TIME_WAIT is left
 * that could use up ports.
 */

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/inaddr.h"
#include "tests/net/question.h"

#define WINDOW_MAX 256 /* the low byte of a DNS ID is the task's slot */
#define SERVERS_MAX 16
#define ASK_MS 10000
#define ASK_TRIES 3
#define TRY_MS 10000
#define STRANGER_MS 2000
#define STRANGER_ZONE "strangers.example"
#define STRANGER_PORT 80 /* somebody listens there */
#define COMPLAINTS_MAX 10

enum stage { STAGE_FREE, STAGE_ASKING, STAGE_TRYING };

struct task {
	enum stage stage;
	bool stranger; /* is not permitted */
	uint32_t number;
	uint16_t type;
	uint16_t id;
	unsigned server;
	unsigned tries;
	struct mono deadline;
	int tcp; /* -1: done */
	int udp;
};

/* What an epoll event is about: the kind above, slot or server below. */
enum event_kind { EVENT_DNS, EVENT_TCP, EVENT_UDP };

static struct {
	uint32_t names;
	uint32_t first;
	uint32_t strangers; /* one for so many questions; 0: none */
	unsigned window;
	uint16_t port;
	const char *zone;
	int servers[SERVERS_MAX];
	unsigned n_servers;
} settings = {.names = 100000, .window = 64, .port = 443, .zone = "n.example"};

static struct {
	uintmax_t answered, asked_again, unresolved;
	uintmax_t connected, tcp_rejected, retransmitted, tcp_silent;
	uintmax_t echoed, udp_rejected, udp_silent;
	uintmax_t accepted, refused, no_address, ignored; /* strangers */
} tally;

static struct task tasks[WINDOW_MAX];
static uint64_t next_job; /* name * 2 + family */
static uint64_t next_stranger;
static struct inaddr last_given;
static uint16_t generation;
static int poller;

static void complain(const struct task *task, const char *what, const char *why)
{
	static unsigned complaints;

	if (complaints++ < COMPLAINTS_MAX)
		fprintf(stderr, "%sn%u.%s %s: %s: %s\n", task->stranger ? "a stranger at " : "",
			task->number, settings.zone, task->type == QUESTION_A ? "A" : "AAAA", what,
			why);
}

static void fatal(const char *what)
{
	fprintf(stderr, "firstpacket: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint32_t events, enum event_kind kind, unsigned index)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
		fatal("epoll_ctl");
}

static void ask(struct task *task)
{
	char text[NAME_TEXT];
	uint8_t bytes[512];
	struct writer query = writer_over(bytes, sizeof(bytes));
	struct name name;

	snprintf(text, sizeof(text), "n%u.%s", task->number,
		task->stranger ? STRANGER_ZONE : settings.zone);
	if (name_from_text(text_of(text), &name) < 0) {
		errno = EINVAL;
		fatal(text);
	}
	question_write(&query, task->id, &name, task->type);
	task->tries++;
	task->deadline = mono_add(clock_now(), (struct duration){.ms = ASK_MS});
	if (send(settings.servers[task->server], bytes, query.pos, 0) < 0 && task->tries == 1)
		complain(task, "question", strerrorname_np(errno));
}

static void prepare(unsigned slot)
{
	struct task *task = &tasks[slot];

	*task = (struct task){.stage = STAGE_ASKING,
		.number = settings.first + (uint32_t)(next_job / 2),
		.type = next_job % 2 ? QUESTION_AAAA : QUESTION_A,
		.id = (uint16_t)(generation << 8 | slot),
		.server = slot % settings.n_servers,
		.tcp = -1,
		.udp = -1};
	generation++;
}

static void start(unsigned slot)
{
	prepare(slot);
	next_job++;
	ask(&tasks[slot]);
}

static void finish_if_done(struct task *task)
{
	if (task->stage == STAGE_TRYING && task->tcp < 0 && task->udp < 0)
		task->stage = STAGE_FREE;
}

static void close_tcp(struct task *task)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(task->tcp, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	fd_closep(&task->tcp);
}

static void tcp_rejected(struct task *task, int err)
{
	if (task->stranger) {
		tally.refused++;
	} else {
		tally.tcp_rejected++;
		complain(task, "tcp", strerrorname_np(err));
	}
	close_tcp(task);
}

static void udp_rejected(struct task *task, int err)
{
	if (task->stranger) {
		tally.refused++;
	} else {
		tally.udp_rejected++;
		complain(task, "udp", strerrorname_np(err));
	}
	fd_closep(&task->udp);
}

/* Connects and sends there at once. */
static void try_endpoint(struct task *task, unsigned slot, struct endpoint to)
{
	struct sockaddr_storage where;
	socklen_t size = endpoint_to_sockaddr(&to, &where);

	task->stage = STAGE_TRYING;
	task->deadline = mono_add(clock_now(), (struct duration){.ms = TRY_MS});
	task->tcp = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	task->udp = socket(where.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (task->tcp < 0 || task->udp < 0)
		fatal("socket");
	watch(task->tcp, EPOLLOUT, EVENT_TCP, slot);
	watch(task->udp, EPOLLIN, EVENT_UDP, slot);
	if (connect(task->tcp, (struct sockaddr *)&where, size) < 0 && errno != EINPROGRESS)
		tcp_rejected(task, errno);
	if (connect(task->udp, (struct sockaddr *)&where, size) < 0 ||
		send(task->udp, "first", 5, 0) < 0)
		udp_rejected(task, errno);
	finish_if_done(task);
}

/* An address of the zone's networks that no name has. */
static struct inaddr nobody(const struct task *task)
{
	const uint8_t low = (uint8_t)next_stranger, high = (uint8_t)(next_stranger >> 8);
	const uint8_t ip4[4] = {198, 19, (uint8_t)(192 + high % 64), low};
	const uint8_t ip6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x01, 0x01, [14] = high, [15] = low};

	return task->type == QUESTION_A ? inaddr_from_ip4(ip4) : inaddr_from_ip6(ip6);
}

static void start_stranger(unsigned slot)
{
	struct task *task = &tasks[slot];
	struct endpoint to = {.address = last_given, .port = STRANGER_PORT};

	prepare(slot);
	task->stranger = true;
	switch (next_stranger++ % 3) {
	case 0:
		if (tally.answered > 0)
			break;
		/* fallthrough */
	case 1:
		to = (struct endpoint){.address = nobody(task), .port = settings.port};
		break;
	default:
		ask(task);
		return;
	}
	try_endpoint(task, slot, to);
	task->deadline = mono_add(clock_now(), (struct duration){.ms = STRANGER_MS});
}

static void accepted(struct task *task, const char *what)
{
	tally.accepted++;
	complain(task, what, "accepted");
}

static void serve_tcp(struct task *task)
{
	struct tcp_info info;
	socklen_t size = sizeof(int), info_size = sizeof(info);
	int err = 0;

	if (task->stage != STAGE_TRYING || task->tcp < 0)
		return;
	if (getsockopt(task->tcp, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		fatal("SO_ERROR");
	if (err) {
		tcp_rejected(task, err);
	} else if (task->stranger) {
		accepted(task, "tcp");
		close_tcp(task);
	} else {
		tally.connected++;
		if (getsockopt(task->tcp, IPPROTO_TCP, TCP_INFO, &info, &info_size) == 0 &&
			info.tcpi_total_retrans > 0) {
			tally.retransmitted++;
			complain(task, "tcp", "connected after a retransmission");
		}
		close_tcp(task);
	}
	finish_if_done(task);
}

static void serve_udp(struct task *task)
{
	char echo[512];

	if (task->stage != STAGE_TRYING || task->udp < 0)
		return;
	if (recv(task->udp, echo, sizeof(echo), 0) >= 0) {
		if (task->stranger)
			accepted(task, "udp");
		else
			tally.echoed++;
		fd_closep(&task->udp);
	} else if (errno != EAGAIN) {
		udp_rejected(task, errno);
	}
	finish_if_done(task);
}

static void unresolved(struct task *task, const char *why)
{
	tally.unresolved++;
	complain(task, "dns", why);
	task->stage = STAGE_FREE;
}

static void serve_reply(const uint8_t *bytes, size_t size)
{
	unsigned slot = size >= 2 ? bytes[1] : WINDOW_MAX;
	struct task *task = &tasks[slot % WINDOW_MAX];
	struct reply reply;

	if (slot >= settings.window || task->stage != STAGE_ASKING ||
		reply_read(bytes, size, task->type, &reply) < 0 || reply.id != task->id)
		return;
	if (task->stranger) {
		if (reply.n_addresses > 0)
			accepted(task, "dns");
		tally.no_address += reply.n_addresses == 0;
		task->stage = STAGE_FREE;
		return;
	}
	if (reply.n_addresses == 0) {
		unresolved(task, reply.has_error ? reply.error_text : "no address");
		return;
	}
	tally.answered++;
	last_given = reply.addresses[0];
	try_endpoint(task, slot, (struct endpoint){last_given, settings.port});
}

static void serve_dns(int fd)
{
	for (unsigned i = 0; i < WINDOW_MAX; i++) {
		uint8_t bytes[4096];
		ssize_t size = recv(fd, bytes, sizeof(bytes), 0);

		if (size < 0)
			return;
		serve_reply(bytes, (size_t)size);
	}
}

static void ignore(struct task *task)
{
	tally.ignored += (task->stage == STAGE_ASKING) + (task->tcp >= 0) + (task->udp >= 0);
	fd_closep(&task->tcp);
	fd_closep(&task->udp);
	task->stage = STAGE_FREE;
}

static void time_out(struct task *task)
{
	if (task->stranger) {
		ignore(task);
		return;
	}
	if (task->stage == STAGE_ASKING) {
		if (task->tries < ASK_TRIES) {
			tally.asked_again++;
			ask(task);
		} else {
			unresolved(task, "no answer");
		}
		return;
	}
	if (task->tcp >= 0) {
		tally.tcp_silent++;
		complain(task, "tcp", "timed out");
		close_tcp(task);
	}
	if (task->udp >= 0) {
		tally.udp_silent++;
		complain(task, "udp", "no answer");
		fd_closep(&task->udp);
	}
	finish_if_done(task);
}

static bool is_strangers_turn(void)
{
	return settings.strangers > 0 && next_job / settings.strangers > next_stranger;
}

/* Starts new tasks in free slots and ends those past their time. False: all is done. */
static bool turn_over(void)
{
	struct mono now = clock_now();
	bool busy = false;

	for (unsigned slot = 0; slot < settings.window; slot++) {
		struct task *task = &tasks[slot];

		if (task->stage != STAGE_FREE && mono_before(task->deadline, now))
			time_out(task);
		if (task->stage == STAGE_FREE && is_strangers_turn())
			start_stranger(slot);
		else if (task->stage == STAGE_FREE && next_job < (uint64_t)settings.names * 2)
			start(slot);
		busy |= task->stage != STAGE_FREE;
	}
	return busy;
}

static void serve(const struct epoll_event *event)
{
	unsigned index = (uint32_t)event->data.u64;

	switch ((enum event_kind)(event->data.u64 >> 32)) {
	case EVENT_DNS:
		serve_dns(settings.servers[index]);
		break;
	case EVENT_TCP:
		serve_tcp(&tasks[index]);
		break;
	case EVENT_UDP:
		serve_udp(&tasks[index]);
		break;
	}
}

static void run(void)
{
	struct epoll_event events[WINDOW_MAX];

	while (turn_over()) {
		int n = epoll_wait(poller, events, WINDOW_MAX, 100);

		if (n < 0 && errno != EINTR)
			fatal("epoll_wait");
		for (int i = 0; i < n; i++)
			serve(&events[i]);
	}
}

static void open_server(const char *argument)
{
	struct sockaddr_storage where;
	struct endpoint server;
	int fd;

	if (endpoint_from_text(text_of(argument), 53, &server) < 0) {
		errno = EINVAL;
		fatal(argument);
	}
	endpoint_to_sockaddr(&server, &where);
	fd = socket(where.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		fatal(argument);
	watch(fd, EPOLLIN, EVENT_DNS, settings.n_servers);
	settings.servers[settings.n_servers++] = fd;
}

static void report(struct duration took)
{
	double seconds = (double)(took.ms > 0 ? took.ms : 1) / 1000;

	printf("%u names, window %u: %.1f s, %.0f names/s\n", settings.names, settings.window,
		seconds, settings.names / seconds);
	printf("dns: %ju answered, %ju asked again, %ju unresolved\n", tally.answered,
		tally.asked_again, tally.unresolved);
	printf("tcp: %ju connected, %ju rejected, %ju retransmitted, %ju timed out\n",
		tally.connected, tally.tcp_rejected, tally.retransmitted, tally.tcp_silent);
	printf("udp: %ju answered, %ju rejected, %ju unanswered\n", tally.echoed,
		tally.udp_rejected, tally.udp_silent);
	if (settings.strangers > 0)
		printf("strangers: %ju accepted, %ju rejected, %ju without an address, "
		       "%ju unanswered\n",
			tally.accepted, tally.refused, tally.no_address, tally.ignored);
}

static int usage(void)
{
	fputs("usage: firstpacket [--names N] [--first N] [--strangers N] [--window N] "
	      "[--port PORT] [--zone ZONE] SERVER[:PORT]...\n",
		stderr);
	return 64;
}

static uint32_t number_of(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

/* Returns the index of the first server in argv, or -1. */
static int read_options(int argc, char **argv)
{
	static const struct option options[] = {{"names", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},
		{"strangers", required_argument, NULL, 's'},
		{"window", required_argument, NULL, 'w'}, {"port", required_argument, NULL, 'p'},
		{"zone", required_argument, NULL, 'z'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			settings.names = number_of(optarg);
		else if (option == 'f')
			settings.first = number_of(optarg);
		else if (option == 's')
			settings.strangers = number_of(optarg);
		else if (option == 'w')
			settings.window = number_of(optarg);
		else if (option == 'p')
			settings.port = (uint16_t)number_of(optarg);
		else if (option == 'z')
			settings.zone = optarg;
		else
			return -1;
	}
	if (optind == argc || argc - optind > SERVERS_MAX || settings.window == 0 ||
		settings.window > WINDOW_MAX)
		return -1;
	return optind;
}

int main(int argc, char **argv)
{
	int first = read_options(argc, argv);
	struct mono began;

	if (first < 0)
		return usage();
	poller = epoll_create1(EPOLL_CLOEXEC);
	for (int i = first; i < argc; i++)
		open_server(argv[i]);
	began = clock_now();
	run();
	report(mono_between(began, clock_now()));
	return tally.unresolved || tally.tcp_rejected || tally.retransmitted || tally.tcp_silent ||
	       tally.udp_rejected || tally.udp_silent || tally.accepted;
}
