/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/assume/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

#define WAIT_MS 10000

static int here = -1;
static int world = -1;

static void enter(int space)
{
	CHECK(setns(space, CLONE_NEWNET) == 0);
}

static socklen_t endpoint(const char *address, uint16_t port, struct sockaddr_storage *ret_endpoint)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret_endpoint;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret_endpoint;

	memset(ret_endpoint, 0, sizeof(*ret_endpoint));
	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		return sizeof(*four);
	}
	CHECK(inet_pton(AF_INET6, address, &six->sin6_addr) == 1);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	return sizeof(*six);
}

int wire_listen_here(int type, const char *address, uint16_t port)
{
	struct sockaddr_storage where;
	socklen_t size = endpoint(address, port, &where);
	int fd = socket(where.ss_family, type | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&where, size) == 0);
	CHECK(type != SOCK_STREAM || listen(fd, 16) == 0);
	return fd;
}

int wire_listen(int type, const char *address, uint16_t port)
{
	int fd;

	enter(world);
	fd = wire_listen_here(type, address, port);
	enter(here);
	return fd;
}

int wire_connect(int type, const char *address, uint16_t port)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	struct sockaddr_storage where;
	socklen_t size = endpoint(address, port, &where);
	int fd = socket(where.ss_family, type | SOCK_CLOEXEC, 0);
	int error;

	CHECK(fd >= 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0);
	if (connect(fd, (struct sockaddr *)&where, size) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* An interface that was just set up drops what is sent, until its queue is ready: sends both ways
 * until something arrives. */
static void settle(void)
{
	int far = wire_listen(SOCK_DGRAM, "10.77.0.2", 9);
	int near = wire_listen_here(SOCK_DGRAM, "10.77.0.1", 9);
	bool there = false, back = false;
	struct sockaddr_storage to;
	socklen_t size = endpoint("10.77.0.1", 9, &to);
	char byte;

	CHECK(connect(far, (struct sockaddr *)&to, size) == 0);
	size = endpoint("10.77.0.2", 9, &to);
	CHECK(connect(near, (struct sockaddr *)&to, size) == 0);
	for (int i = 0; i < WAIT_MS / 10 && !(there && back); i++) {
		CHECK(send(near, "x", 1, 0) == 1 && send(far, "x", 1, 0) == 1);
		usleep(i > 0 ? 10000 : 0);
		there |= recv(far, &byte, 1, MSG_DONTWAIT) == 1;
		back |= recv(near, &byte, 1, MSG_DONTWAIT) == 1;
	}
	CHECK(there && back);
	close(near);
	close(far);
}

void wire_lay(void)
{
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(here >= 0);
	CHECK(unshare(CLONE_NEWNET) == 0);
	world = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(world >= 0);
	enter(here);
	CHECK(space_run("ip link add wire0 type veth peer name wire1 netns /proc/%d/fd/%d",
		getpid(), world));
	CHECK(space_run("ip address add 10.77.0.1/24 dev wire0 && "
			"ip address add fd77::1/64 dev wire0 nodad && ip link set wire0 up"));
	enter(world);
	CHECK(space_run("for n in 2 3; do ip address add 10.77.0.$n/24 dev wire1 && "
			"ip address add fd77::$n/64 dev wire1 nodad || exit 1; done; "
			"ip link set lo up && ip link set wire1 up"));
	enter(here);
	settle();
}

bool wire_carries(int from, int to)
{
	struct pollfd end = {.fd = to, .events = POLLIN};
	char byte = 0;

	return send(from, "x", 1, MSG_NOSIGNAL) == 1 && poll(&end, 1, WAIT_MS) == 1 &&
	       recv(to, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
}

int wire_error(int fd)
{
	struct pollfd end = {.fd = fd, .events = POLLIN};
	socklen_t size = sizeof(int);
	int error = 0;

	CHECK(poll(&end, 1, WAIT_MS) == 1);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
	return error;
}

void wire_load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message) == 0)
		return;
	dprintf(STDOUT_FILENO, "# %s\n", message ? message : text);
	CHECK(!"loaded");
}

unsigned long wire_packets(const char *comment)
{
	static const char before[] = "counter packets ";
	char *ruleset, *line, *rest, quoted[128];
	const char *count = NULL;
	unsigned long packets = 0;

	snprintf(quoted, sizeof(quoted), "comment \"%s\"", comment);
	CHECK(ruleset_read("t", &ruleset) == 0);
	for (line = strtok_r(ruleset, "\n", &rest); line && !count;
		line = strtok_r(NULL, "\n", &rest))
		count = strstr(line, quoted) ? strstr(line, before) : NULL;
	CHECK(count != NULL);
	packets = strtoul(count + strlen(before), NULL, 10);
	free(ruleset);
	return packets;
}

struct setlink_element wire_lease(const char *address, uint32_t mark, struct duration timeout)
{
	struct setlink_element element = {
		.key_size = 4, .has_mark = true, .mark = mark, .timeout = timeout};

	CHECK(inet_pton(AF_INET, address, element.key) == 1);
	return element;
}

struct setlink_element wire_mark(uint32_t mark)
{
	struct setlink_element element = {.key_size = sizeof(mark)};

	memcpy(element.key, &mark, sizeof(mark));
	return element;
}

int wire_add(struct setlink *link, const char *set, struct setlink_element element)
{
	setlink_begin(link, "t");
	setlink_add(link, set, &element);
	return setlink_commit(link);
}

int wire_delete(struct setlink *link, const char *set, struct setlink_element element)
{
	setlink_begin(link, "t");
	setlink_delete(link, set, &element);
	return setlink_commit(link);
}

struct only {
	struct setlink_element element;
	unsigned count;
};

static int take(void *context, const struct setlink_element *element)
{
	struct only *only = context;

	only->element = *element;
	only->count++;
	return 0;
}

struct setlink_element wire_only(struct setlink *link, const char *set, unsigned *ret_count)
{
	struct only only = {.count = 0};

	CHECK(setlink_dump(link, "t", set, take, &only) == 0);
	CHECK(only.count <= 1);
	CHECK(ret_count || only.count == 1);
	if (ret_count)
		*ret_count = only.count;
	return only.element;
}
