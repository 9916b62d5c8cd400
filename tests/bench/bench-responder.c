/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/text.h"
#include "tests/bench/bench.h"

/*
 * bench-responder echo|epoll|address PORT: a DNS server on 127.0.0.1 that does next to nothing,
 * until it is killed. "echo" sends each query back as its own answer: what the sockets alone cost;
 * "epoll" waits by epoll(7) for that, as who has more than one socket must. "address" gives every
 * name an address made of the digits in its first label, for an hour: an upstream server that is
 * faster than who asks it.
 */

enum {
	BATCH = 64,
	QUERY_MAX = 512,
	REPLY_MAX = QUERY_MAX + 16, /* and an A record */
	HEADER = 12,
	BUFFER_BYTES = 4 << 20,
	TTL = 3600,
};

struct batch {
	struct mmsghdr heads[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_in from[BATCH];
	uint8_t bytes[BATCH][REPLY_MAX];
};

/* Where the first question ends; 0 for none that can be. */
static size_t question_end(const uint8_t *bytes, size_t size)
{
	size_t at = HEADER;

	while (at < size && bytes[at] != 0 && bytes[at] < 64)
		at += bytes[at] + 1u;
	return at + 5 <= size && bytes[at] == 0 ? at + 5 : 0;
}

/* 16.0.0.0 and so many on: 1 << 26 of them, none of which is anybody's own. */
static uint32_t address_of(const uint8_t *label)
{
	uint32_t number = 0;

	for (unsigned i = 1; i <= label[0]; i++)
		if (label[i] >= '0' && label[i] <= '9')
			number = number * 10 + (label[i] - '0');
	return (UINT32_C(16) << 24) + (number & ((1u << 26) - 1));
}

/* Turns the query into its answer. Returns the size. */
static size_t answer(uint8_t *bytes, size_t size)
{
	static const uint8_t record[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, TTL >> 8, TTL & 255, 0, 4};
	size_t end = question_end(bytes, size);
	uint32_t address;

	bytes[2] |= 0x80;
	bytes[3] = 0x80;
	if (end == 0)
		return size;
	memset(bytes + 6, 0, 6);
	if (bytes[end - 3] != 1) /* not of type A */
		return end;
	bytes[7] = 1;
	address = htonl(address_of(bytes + HEADER));
	memcpy(bytes + end, record, sizeof(record));
	memcpy(bytes + end + sizeof(record), &address, sizeof(address));
	return end + sizeof(record) + sizeof(address);
}

static void prepare(struct batch *batch)
{
	for (unsigned i = 0; i < BATCH; i++) {
		batch->parts[i] = (struct iovec){batch->bytes[i], QUERY_MAX};
		batch->heads[i].msg_hdr = (struct msghdr){
			.msg_iov = &batch->parts[i],
			.msg_iovlen = 1,
			.msg_name = &batch->from[i],
		};
	}
}

static int receive(int fd, struct batch *batch)
{
	int count;

	for (unsigned i = 0; i < BATCH; i++) {
		batch->parts[i].iov_len = QUERY_MAX;
		batch->heads[i].msg_hdr.msg_namelen = sizeof(batch->from[i]);
	}
	count = recvmmsg(fd, batch->heads, BATCH, MSG_WAITFORONE, NULL);
	if (count < 0)
		bench_fail("receive: %s", strerror(errno));
	return count;
}

static void send_all(int fd, struct batch *batch, int count)
{
	for (int done = 0; done < count;) {
		int sent = sendmmsg(fd, batch->heads + done, (unsigned)(count - done), 0);

		done += sent > 0 ? sent : 1;
	}
}

static int watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		bench_fail("epoll: %s", strerror(errno));
	return epoll;
}

/* Waits by `epoll` unless that is -1. */
static void __attribute__((noreturn))
serve(int fd, int epoll, size_t (*turn)(uint8_t *bytes, size_t size))
{
	static struct batch batch;
	struct epoll_event event;

	prepare(&batch);
	for (;;) {
		int count;

		if (epoll >= 0)
			epoll_wait(epoll, &event, 1, -1);
		count = receive(fd, &batch);

		for (int i = 0; i < count; i++)
			batch.parts[i].iov_len = turn(batch.bytes[i], batch.heads[i].msg_len);
		send_all(fd, &batch, count);
	}
}

static size_t echo(uint8_t *bytes, size_t size)
{
	bytes[2] |= 0x80;
	return size;
}

static int open_socket(uint16_t port)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER_BYTES;

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		bench_fail("port %u: %s", port, strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

int main(int argc, char **argv)
{
	bool echoes = argc == 3 && strcmp(argv[1], "echo") == 0;
	bool polls = argc == 3 && strcmp(argv[1], "epoll") == 0;
	uint64_t port;
	int fd;

	bench_begin();
	if (argc != 3 || (!echoes && !polls && strcmp(argv[1], "address") != 0) ||
		text_to_number(text_of(argv[2]), UINT16_MAX, &port) < 0)
		bench_fail("usage: bench-responder echo|epoll|address PORT");
	fd = open_socket((uint16_t)port);
	serve(fd, polls ? watch(fd) : -1, echoes || polls ? echo : answer);
}
