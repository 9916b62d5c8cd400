/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The services of the lab's outside world. It listens on a list of TCP and UDP ports, on every
 * address of both families that its namespace accepts (routes of type local make whole prefixes the
 * namespace's own), and tells whoever reaches it which address and port were reached: so that a
 * test sees that what it sent arrived where it was sent.
 *
 * TCP: a request that starts with "GET " gets an HTTP answer, anything else comes back behind the
 * head "ADDRESS PORT from ADDRESS PORT: ". UDP: a datagram comes back in the same way, from the
 * address that it was sent to. "ready" on standard output says that all ports are open.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/inaddr.h"
#include "src/base/text.h"

#define PAYLOAD_MAX 4096
#define HEAD_MAX (2 * INADDR_TEXT + 32)
#define EVENTS_MAX 256
#define ROUND_MAX 64 /* what one wake-up takes from one socket, so that all get their turn */

/* A descriptor in the epoll set and what to do when it has something. */
struct source {
	int fd;
	uint16_t port;
	void (*serve)(int epoll, struct source *source);
};

static const char *head_text(const struct endpoint *reached, const struct endpoint *from, char *out)
{
	char here[INADDR_TEXT], there[INADDR_TEXT];

	snprintf(out, HEAD_MAX, "%s %u from %s %u: ", inaddr_to_text(&reached->address, here),
		reached->port, inaddr_to_text(&from->address, there), from->port);
	return out;
}

static int watch(int epoll, int fd, uint16_t port, void (*serve)(int, struct source *))
{
	struct source *source = malloc(sizeof(*source));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	if (!source)
		return -ENOMEM;
	*source = (struct source){.fd = fd, .port = port, .serve = serve};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int err = -errno;

		free(source);
		return err;
	}
	return 0;
}

static void drop(struct source *source)
{
	close(source->fd);
	free(source);
}

static bool ends_of(int fd, struct endpoint *ret_reached, struct endpoint *ret_from)
{
	struct sockaddr_storage here, there;
	socklen_t here_size = sizeof(here), there_size = sizeof(there);

	return getsockname(fd, (struct sockaddr *)&here, &here_size) == 0 &&
	       getpeername(fd, (struct sockaddr *)&there, &there_size) == 0 &&
	       endpoint_from_sockaddr((struct sockaddr *)&here, ret_reached) == 0 &&
	       endpoint_from_sockaddr((struct sockaddr *)&there, ret_from) == 0;
}

/* An HTTP answer; the connection ends when the client closes it. False: the client is gone. */
static bool answer_http(int fd, const struct endpoint *reached)
{
	char address[INADDR_TEXT], body[HEAD_MAX], out[HEAD_MAX + 256];
	int size = snprintf(body, sizeof(body), "reached %s port %u\n",
		inaddr_to_text(&reached->address, address), reached->port);

	size = snprintf(out, sizeof(out),
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
		"Connection: close\r\n\r\n%s",
		size, body);
	return send(fd, out, (size_t)size, MSG_NOSIGNAL) == size && shutdown(fd, SHUT_WR) == 0;
}

static bool answer_tcp(int fd, const char *said, size_t size)
{
	struct endpoint reached, from;
	char out[HEAD_MAX + PAYLOAD_MAX];
	size_t head;

	if (!ends_of(fd, &reached, &from))
		return false;
	if (size >= 4 && memcmp(said, "GET ", 4) == 0)
		return answer_http(fd, &reached);
	head = strlen(head_text(&reached, &from, out));
	memcpy(out + head, said, size);
	return send(fd, out, head + size, MSG_NOSIGNAL) == (ssize_t)(head + size);
}

static void serve_connection(int epoll, struct source *source)
{
	char said[PAYLOAD_MAX];
	ssize_t size = recv(source->fd, said, sizeof(said), 0);

	(void)epoll;
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0 || !answer_tcp(source->fd, said, (size_t)size))
		drop(source);
}

static void serve_listener(int epoll, struct source *source)
{
	for (int i = 0; i < ROUND_MAX; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (watch(epoll, fd, source->port, serve_connection) < 0)
			close(fd);
	}
}

/* Sends the datagram back with the address that it came to as its source; `message` is as
 * recvmsg(2) left it. */
static void answer_udp(struct source *source, struct msghdr *message, const char *said, size_t size)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct endpoint reached = {.port = source->port}, from;
	struct in6_pktinfo info;
	char head[HEAD_MAX];
	struct iovec parts[2];

	if (!control || control->cmsg_level != IPPROTO_IPV6 || control->cmsg_type != IPV6_PKTINFO)
		return;
	memcpy(&info, CMSG_DATA(control), sizeof(info));
	reached.address = inaddr_from_ip6(info.ipi6_addr.s6_addr);
	if (endpoint_from_sockaddr(message->msg_name, &from) < 0)
		return;
	/* The interface is the route's business: the address lies on none. */
	info.ipi6_ifindex = 0;
	memcpy(CMSG_DATA(control), &info, sizeof(info));
	message->msg_controllen = CMSG_SPACE(sizeof(info));

	head_text(&reached, &from, head);
	parts[0] = (struct iovec){.iov_base = head, .iov_len = strlen(head)};
	parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)said, .iov_len = size};
	message->msg_iov = parts;
	message->msg_iovlen = 2;
	if (sendmsg(source->fd, message, MSG_NOSIGNAL) < 0)
		perror("world: sendmsg");
}

static void serve_datagrams(int epoll, struct source *source)
{
	(void)epoll;
	for (int i = 0; i < ROUND_MAX; i++) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct sockaddr_storage from;
		char said[PAYLOAD_MAX];
		struct iovec part = {.iov_base = said, .iov_len = sizeof(said)};
		struct msghdr message = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control)};
		ssize_t size = recvmsg(source->fd, &message, 0);

		if (size < 0)
			return;
		answer_udp(source, &message, said, (size_t)size);
	}
}

/* A socket of both families on all addresses. The descriptor, or -errno. */
static int open_port(int type, uint16_t port)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
	const int on = 1, off = 0, buffer = 4 << 20;
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (type == SOCK_DGRAM &&
		(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0))
		goto fail;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		goto fail;
	if (type == SOCK_STREAM && listen(fd, 4096) < 0)
		goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

static int serve_port(int epoll, uint16_t port)
{
	int tcp = open_port(SOCK_STREAM, port), udp, err;

	if (tcp < 0)
		return tcp;
	udp = open_port(SOCK_DGRAM, port);
	if (udp < 0)
		return udp;
	err = watch(epoll, tcp, port, serve_listener);
	return err < 0 ? err : watch(epoll, udp, port, serve_datagrams);
}

/* "443" or "8000-8010". 0 or -errno, -EINVAL for text that is neither. */
static int serve_ports(int epoll, const char *argument)
{
	struct text first, last;
	uint64_t from, to;
	int err;

	if (!text_cut(text_of(argument), '-', &first, &last))
		last = first;
	if (text_to_number(first, 65535, &from) < 0 || text_to_number(last, 65535, &to) < 0)
		return -EINVAL;
	for (uint64_t port = from; port <= to; port++) {
		err = serve_port(epoll, (uint16_t)port);
		if (err < 0)
			return err;
	}
	return 0;
}

static int run(int epoll)
{
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

		if (n < 0 && errno != EINTR) {
			perror("world: epoll_wait");
			return 1;
		}
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			source->serve(epoll, source);
		}
	}
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct rlimit files;

	if (argc < 2) {
		fputs("usage: world PORT[-PORT]...\n", stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (int i = 1; i < argc; i++) {
		int err = serve_ports(epoll, argv[i]);

		if (err < 0) {
			fprintf(stderr, "world: %s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	return run(epoll);
}
