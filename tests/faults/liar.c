/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *	liar ADDRESS
 *
 * A DNS server that does what the first label of the name says, up to a hyphen: see the table at
 * the end. Its good addresses are 198.18.7.1 and so on, those that must never be believed
 * 198.18.66.1 and so on. Prints "ready" when it listens, on port 53 over UDP and TCP.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

enum {
	MESSAGE_MAX = 65535,
	UDP_MAX = 1232,
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_DNAME = 39,
	CLASS_IN = 1,
	CLASS_CHAOS = 3,
	OWNER = 0xc00c, /* a pointer to the question's name */
	GOOD = 7,
	BAD = 66,
	HEADER = 12,
	SLOW_MS = 1200,
	DRIP_MS = 300,
	CHAIN = 20,
	COPIES = 500,
};

/* A query, and whom to answer. */
struct query {
	int fd;
	const struct sockaddr_storage *from; /* NULL: a TCP connection */
	socklen_t from_size;
	uint16_t id;
	uint16_t type;
	struct name name;
	uint8_t question[NAME_WIRE_MAX + 4]; /* as it came, letter case included */
	size_t question_size;
};

static struct endpoint own;

/* ---- Messages ---- */

static void put_head(struct writer *out, uint16_t id, const struct query *query, uint16_t flags)
{
	writer_u16(out, id);
	writer_u16(out, 0x8180 | flags);
	writer_u16(out, 1);
	writer_u16(out, 0); /* answers, counted as they come */
	writer_u16(out, 0);
	writer_u16(out, 0);
	writer_bytes(out, query->question, query->question_size);
}

/* Counts one more record in the answer (3) or additional section (5). */
static void count(struct writer *out, unsigned section)
{
	uint16_t value = (uint16_t)(out->start[2 * section] << 8 | out->start[2 * section + 1]);

	writer_u16_at(out, (size_t)2 * section, (uint16_t)(value + 1));
}

static void put_address(struct writer *out, uint32_t ttl, unsigned net, unsigned host)
{
	const uint8_t address[4] = {198, 18, (uint8_t)(net + host / 256), (uint8_t)host};

	writer_u16(out, OWNER);
	writer_u16(out, TYPE_A);
	writer_u16(out, CLASS_IN);
	writer_u32(out, ttl);
	writer_u16(out, sizeof(address));
	writer_bytes(out, address, sizeof(address));
	count(out, 3);
}

static void put_other(struct writer *out, const char *owner, unsigned section)
{
	const uint8_t address[4] = {198, 18, BAD, 1};
	struct name name;

	name_from_text(text_of(owner), &name);
	name_write(out, &name);
	writer_u16(out, TYPE_A);
	writer_u16(out, CLASS_IN);
	writer_u32(out, 300);
	writer_u16(out, sizeof(address));
	writer_bytes(out, address, sizeof(address));
	count(out, section);
}

/* A record whose data is a name; its owner is OWNER or a name as text. */
static void put_name(
	struct writer *out, const char *owner, uint16_t type, const char *target, unsigned section)
{
	struct name name;

	if (owner) {
		name_from_text(text_of(owner), &name);
		name_write(out, &name);
	} else {
		writer_u16(out, OWNER);
	}
	writer_u16(out, type);
	writer_u16(out, CLASS_IN);
	writer_u32(out, 300);
	name_from_text(text_of(target), &name);
	writer_u16(out, name.length);
	name_write(out, &name);
	count(out, section);
}

static void put_alias(struct writer *out, const char *owner, const char *target)
{
	put_name(out, owner, TYPE_CNAME, target, 3);
}

/* ---- Sending ---- */

static void send_bytes(const struct query *query, int fd, const uint8_t *bytes, size_t size)
{
	const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};

	if (query->from) {
		sendto(fd, bytes, size, 0, (const struct sockaddr *)query->from, query->from_size);
		return;
	}
	send(fd, length, sizeof(length), MSG_NOSIGNAL | MSG_MORE);
	send(fd, bytes, size, MSG_NOSIGNAL);
}

/* Truncated where it is too long for a datagram. */
static void send_message(const struct query *query, struct writer *out)
{
	size_t size = out->pos;

	if (query->from && size > UDP_MAX) {
		out->start[2] |= 0x02;
		memset(out->start + 6, 0, 6);
		size = HEADER + query->question_size;
	}
	send_bytes(query, query->fd, out->start, size);
}

static uint8_t room[MESSAGE_MAX];

static struct writer begin(const struct query *query)
{
	struct writer out = writer_over(room, sizeof(room));

	put_head(&out, query->id, query, 0);
	return out;
}

static void answer_with(const struct query *query, uint32_t ttl, unsigned net)
{
	struct writer out = begin(query);

	if (query->type == TYPE_A)
		put_address(&out, ttl, net, 1);
	send_message(query, &out);
}

/* ---- What it does ---- */

static void tell_truth(const struct query *query)
{
	answer_with(query, 300, GOOD);
}

static void say_nothing(const struct query *query)
{
	(void)query;
}

static void be_slow(const struct query *query)
{
	usleep(SLOW_MS * 1000);
	tell_truth(query);
}

static void use_wrong_id(const struct query *query)
{
	struct query other = *query;

	other.id ^= 1;
	answer_with(&other, 300, BAD);
}

static void use_wrong_port(const struct query *query)
{
	struct endpoint from = {.address = own.address};
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&from, &address);
	struct query other = *query;

	if (!query->from)
		return;
	other.fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (other.fd >= 0 && bind(other.fd, (struct sockaddr *)&address, size) == 0)
		answer_with(&other, 300, BAD);
}

static void change_question(const struct query *query)
{
	struct query other = *query;

	other.question[1] ^= 1;
	answer_with(&other, 300, BAD);
}

static void change_case(const struct query *query)
{
	struct query other = *query;

	for (size_t i = 0; i + 4 < other.question_size; i++)
		if (other.question[i] >= 'A' && other.question[i] <= 'Z')
			other.question[i] += 'a' - 'A';
	answer_with(&other, 300, GOOD);
}

static void drop_question(const struct query *query)
{
	struct query other = *query;
	struct writer out = writer_over(room, sizeof(room));

	other.question_size = 0;
	put_head(&out, query->id, &other, 0);
	writer_u16_at(&out, 4, 0);
	put_other(&out, "noquestion-1.lie.example", 3);
	send_message(query, &out);
}

static void answer_for_another(const struct query *query)
{
	struct writer out = begin(query);

	put_other(&out, "www.lab.example", 3);
	send_message(query, &out);
}

static void add_another(const struct query *query)
{
	struct writer out = begin(query);

	put_address(&out, 300, GOOD, 1);
	put_other(&out, "good-2.lie.example", 3);
	put_other(&out, "good-2.lie.example", 5);
	send_message(query, &out);
}

static void alias_itself(const struct query *query)
{
	struct writer out = begin(query);

	put_alias(&out, NULL, "loop-2.lie.example");
	put_alias(&out, "loop-2.lie.example", "loop-1.lie.example");
	put_other(&out, "loop-3.lie.example", 3);
	send_message(query, &out);
}

static void alias_nothing(const struct query *query)
{
	struct writer out = begin(query);

	put_alias(&out, NULL, "nowhere.far.example");
	put_other(&out, "elsewhere.far.example", 3);
	send_message(query, &out);
}

/* Longer than anybody follows. */
static void alias_many(const struct query *query)
{
	struct writer out = begin(query);
	char owner[32], target[32];

	put_alias(&out, NULL, "link-0.lie.example");
	for (unsigned i = 0; i < CHAIN; i++) {
		snprintf(owner, sizeof(owner), "link-%u.lie.example", i);
		snprintf(target, sizeof(target), "link-%u.lie.example", i + 1);
		put_alias(&out, owner, target);
	}
	put_other(&out, target, 3);
	send_message(query, &out);
}

static void alias_denied(const struct query *query)
{
	struct writer out = begin(query);

	put_alias(&out, NULL, "denied.far.example");
	put_other(&out, "denied.far.example", 3);
	send_message(query, &out);
}

/* Everything in the zone lies below itself. */
static void alias_zone(const struct query *query)
{
	struct writer out = begin(query);

	put_name(&out, "lie.example", TYPE_DNAME, "deeper.lie.example", 3);
	put_alias(&out, NULL, "dname-1.deeper.lie.example");
	put_alias(&out, "dname-1.deeper.lie.example", "dname-1.lie.example");
	put_other(&out, "dname-2.lie.example", 3);
	send_message(query, &out);
}

/* Somebody else is to be asked, and lives there. */
static void refer(const struct query *query)
{
	struct writer out = begin(query);

	put_name(&out, "lie.example", TYPE_NS, "www.lab.example", 4);
	put_other(&out, "www.lab.example", 5);
	send_message(query, &out);
}

static void use_wrong_class(const struct query *query)
{
	struct writer out = begin(query);
	size_t record = out.pos;

	put_address(&out, 300, BAD, 1);
	writer_u16_at(&out, record + 4, CLASS_CHAOS);
	send_message(query, &out);
}

static void alias_inside(const struct query *query)
{
	const uint8_t inside[4] = {10, 0, 0, 1};
	struct writer out = begin(query);

	put_address(&out, 300, GOOD, 1);
	memcpy(out.start + out.pos - sizeof(inside), inside, sizeof(inside));
	send_message(query, &out);
}

/* As many addresses as its label says. */
static void say_many(const struct query *query)
{
	struct writer out = begin(query);
	char text[NAME_TEXT];
	long count_of = strtol(strchr(name_to_text(&query->name, text), '-') + 1, NULL, 10);

	for (unsigned i = 0; i < count_of && i < 4000; i++)
		put_address(&out, 300, GOOD, i);
	send_message(query, &out);
}

static void say_no_time(const struct query *query)
{
	answer_with(query, 0, GOOD);
}

static void say_negative_time(const struct query *query)
{
	answer_with(query, UINT32_C(1) << 31, GOOD);
}

static void say_all_time(const struct query *query)
{
	answer_with(query, UINT32_MAX, GOOD);
}

static void fail(const struct query *query)
{
	struct writer out = begin(query);

	out.start[3] |= 2;
	send_message(query, &out);
}

static void refuse(const struct query *query)
{
	struct writer out = begin(query);

	out.start[3] |= 5;
	send_message(query, &out);
}

static void send_noise(const struct query *query)
{
	struct writer out = begin(query);

	for (size_t i = HEADER; i < 500; i++)
		room[i] = (uint8_t)(i * 167);
	send_bytes(query, query->fd, out.start, 500);
}

static void send_half(const struct query *query)
{
	struct writer out = begin(query);

	put_address(&out, 300, BAD, 1);
	send_bytes(query, query->fd, out.start, out.pos - 3);
}

static void send_loop(const struct query *query)
{
	struct writer out = begin(query);

	writer_u16(&out, (uint16_t)(0xc000 | out.pos));
	writer_u16(&out, TYPE_A);
	count(&out, 3);
	send_bytes(query, query->fd, out.start, out.pos);
}

static void always_truncate(const struct query *query)
{
	struct writer out = begin(query);

	out.start[2] |= 0x02;
	if (query->from)
		send_message(query, &out);
}

/* Over TCP: a frame that is announced and doesn't come. */
static void stop_halfway(const struct query *query)
{
	const uint8_t announced[3] = {0x10, 0x00, 0x00};

	always_truncate(query);
	if (query->from)
		return;
	send(query->fd, announced, sizeof(announced), MSG_NOSIGNAL);
	usleep(5000 * 1000);
}

static void hang_up(const struct query *query)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	always_truncate(query);
	if (query->from)
		return;
	setsockopt(query->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	_exit(0);
}

/* Over TCP: a byte now and then, which is never enough. */
static void drip(const struct query *query)
{
	const uint8_t length[2] = {0x10, 0x00};

	always_truncate(query);
	if (query->from)
		return;
	for (unsigned i = 0; i < 200; i++) {
		if (send(query->fd, &length[i > 0], 1, MSG_NOSIGNAL) < 0)
			return;
		usleep(DRIP_MS * 1000);
	}
}

static void repeat(const struct query *query)
{
	for (unsigned i = 0; i < COPIES; i++)
		tell_truth(query);
}

/* Guesses of the ID, as somebody makes who can't see the query, and then the answer. */
static void guess_first(const struct query *query)
{
	struct query other = *query;

	for (unsigned i = 1; i <= 100; i++) {
		other.id = (uint16_t)(query->id + i);
		answer_with(&other, 300, BAD);
	}
	tell_truth(query);
}

static const struct behaviour {
	const char *label;
	void (*answer)(const struct query *query);
} behaviours[] = {
	{"good", tell_truth},
	{"silent", say_nothing},
	{"slow", be_slow},
	{"id", use_wrong_id},
	{"port", use_wrong_port},
	{"question", change_question},
	{"case", change_case},
	{"noquestion", drop_question},
	{"other", answer_for_another},
	{"added", add_another},
	{"loop", alias_itself},
	{"nowhere", alias_nothing},
	{"links", alias_many},
	{"denied", alias_denied},
	{"dname", alias_zone},
	{"referral", refer},
	{"class", use_wrong_class},
	{"inside", alias_inside},
	{"many", say_many},
	{"ttl0", say_no_time},
	{"ttl31", say_negative_time},
	{"ttl32", say_all_time},
	{"servfail", fail},
	{"refused", refuse},
	{"noise", send_noise},
	{"half", send_half},
	{"pointer", send_loop},
	{"truncated", always_truncate},
	{"halfway", stop_halfway},
	{"reset", hang_up},
	{"drip", drip},
	{"repeat", repeat},
	{"guess", guess_first},
};

/* ---- Serving ---- */

static bool read_query(const uint8_t *bytes, size_t size, struct query *query)
{
	struct reader reader = reader_over(bytes, size);

	query->id = reader_u16(&reader);
	reader_seek(&reader, HEADER);
	name_read(&reader, &query->name);
	query->type = reader_u16(&reader);
	reader_u16(&reader);
	query->question_size = reader.pos - HEADER;
	if (reader.failed || query->question_size > sizeof(query->question))
		return false;
	memcpy(query->question, bytes + HEADER, query->question_size);
	return true;
}

static void answer(const struct query *query)
{
	char text[NAME_TEXT];

	name_to_text(&query->name, text);
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		size_t length = strlen(behaviours[i].label);

		if (strncmp(text, behaviours[i].label, length) == 0 && text[length] == '-')
			behaviours[i].answer(query);
	}
}

/* Each in a process of its own, so that one may take its time. */
static void take_datagram(int fd)
{
	static uint8_t bytes[MESSAGE_MAX];
	struct sockaddr_storage from;
	struct query query = {.fd = fd, .from = &from, .from_size = sizeof(from)};
	ssize_t size =
		recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &query.from_size);

	if (size < 0 || !read_query(bytes, (size_t)size, &query) || fork() != 0)
		return;
	answer(&query);
	_exit(0);
}

static void take_connection(int listener)
{
	const struct timeval wait = {.tv_sec = 10};
	int fd = accept(listener, NULL, NULL);
	struct query query = {.fd = fd};
	uint8_t length[2], bytes[1024];

	if (fd < 0 || fork() != 0) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	while (recv(fd, length, 2, MSG_WAITALL) == 2) {
		size_t size = (size_t)(length[0] << 8 | length[1]);

		if (size > sizeof(bytes) || recv(fd, bytes, size, MSG_WAITALL) != (ssize_t)size)
			break;
		if (read_query(bytes, size, &query))
			answer(&query);
	}
	_exit(0);
}

static int listen_as(int type)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&own, &address);
	int one = 1, fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&address, size) < 0 ||
		(type == SOCK_STREAM && listen(fd, 64) < 0)) {
		perror("liar");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd sockets[2];

	if (argc != 2 || endpoint_from_text(text_of(argv[1]), 53, &own) < 0)
		return 64;
	signal(SIGCHLD, SIG_IGN);
	sockets[0] = (struct pollfd){listen_as(SOCK_DGRAM), POLLIN, 0};
	sockets[1] = (struct pollfd){listen_as(SOCK_STREAM), POLLIN, 0};
	puts("ready");
	fflush(stdout);
	while (poll(sockets, 2, -1) >= 0 || errno == EINTR) {
		if (sockets[0].revents)
			take_datagram(sockets[0].fd);
		if (sockets[1].revents)
			take_connection(sockets[1].fd);
	}
	return 1;
}
