/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * relay ADDRESS:PORT ADDRESS:PORT DOMAIN
 *
 * Stands in front of a DNS server: takes queries by UDP at the first address, asks the second, and
 * hands the answers back. Of each query it prints a line with its type, how many bytes of the name,
 * in wire form, are in front of the domain, and the name; of each answer its size:
 *
 *	query 16 9 abcdefgh.example.com
 *	answer 212
 *
 * So a test sees what came that far, however it was packed.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/buf.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

enum { MESSAGE_MAX = 65535, HEADER_SIZE = 12 };

struct asker {
	struct sockaddr_storage address;
	socklen_t size;
};

struct relay {
	int front, back;
	struct name domain;
	struct asker askers[UINT16_MAX + 1]; /* by the query's ID */
	uint8_t message[MESSAGE_MAX];
};

static void print_query(const struct relay *relay, size_t size)
{
	struct reader reader = reader_over(relay->message, size);
	struct name name = {.length = 1};
	char text[NAME_TEXT];
	int in_front = -1;

	reader_seek(&reader, HEADER_SIZE);
	name_read(&reader, &name);
	unsigned type = reader_u16(&reader);

	if (reader.failed)
		type = 0;
	else if (name_is_below(&name, &relay->domain))
		in_front = name.length - relay->domain.length;
	printf("query %u %d %s\n", type, in_front, name_to_text(&name, text));
}

static uint16_t id_of(const struct relay *relay)
{
	return (uint16_t)(relay->message[0] << 8 | relay->message[1]);
}

static void take_query(struct relay *relay)
{
	struct asker asker = {.size = sizeof(asker.address)};
	ssize_t size = recvfrom(relay->front, relay->message, sizeof(relay->message), 0,
		(struct sockaddr *)&asker.address, &asker.size);

	if (size < HEADER_SIZE)
		return;
	print_query(relay, (size_t)size);
	relay->askers[id_of(relay)] = asker;
	send(relay->back, relay->message, (size_t)size, 0);
}

static void take_answer(struct relay *relay)
{
	ssize_t size = recv(relay->back, relay->message, sizeof(relay->message), 0);
	const struct asker *asker;

	if (size < HEADER_SIZE)
		return;
	printf("answer %zd\n", size);
	asker = &relay->askers[id_of(relay)];
	if (asker->size > 0)
		sendto(relay->front, relay->message, (size_t)size, 0,
			(const struct sockaddr *)&asker->address, asker->size);
}

/* A UDP socket, bound or connected to the address of a text. */
static int open_socket(
	const char *text, int (*attach)(int fd, const struct sockaddr *address, socklen_t size))
{
	struct sockaddr_storage address;
	struct endpoint endpoint;
	socklen_t size;
	int fd;

	if (endpoint_from_text(text_of(text), 0, &endpoint) < 0) {
		fprintf(stderr, "relay: '%s' is not ADDRESS:PORT\n", text);
		return -1;
	}
	size = endpoint_to_sockaddr(&endpoint, &address);
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || attach(fd, (struct sockaddr *)&address, size) < 0) {
		fprintf(stderr, "relay: %s: %s\n", text, strerror(errno));
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct relay relay;

	if (argc != 4 || name_from_text(text_of(argv[3]), &relay.domain) < 0) {
		fprintf(stderr, "usage: relay ADDRESS:PORT ADDRESS:PORT DOMAIN\n");
		return 2;
	}
	relay.front = open_socket(argv[1], bind);
	relay.back = open_socket(argv[2], connect);
	if (relay.front < 0 || relay.back < 0)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	for (;;) {
		struct pollfd pollers[] = {{.fd = relay.front, .events = POLLIN},
			{.fd = relay.back, .events = POLLIN}};

		if (poll(pollers, 2, -1) < 0)
			return 1;
		if (pollers[0].revents)
			take_query(&relay);
		if (pollers[1].revents)
			take_answer(&relay);
	}
}
