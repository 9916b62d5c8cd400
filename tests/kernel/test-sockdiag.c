/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/sockdiag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CGROUP = 21, SEQUENCE = 7 };

/* --- Answers at hand --- */

static struct packet packet_of(uint8_t protocol)
{
	return (struct packet){
		.protocol = protocol, .has_ports = true, .source_port = 40000, .port = 443};
}

/* The answer to a question about packet_of(). */
static size_t put_answer(uint8_t *bytes, uint8_t state, uint64_t cgroup)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	struct inet_diag_msg *found = mnl_nlmsg_put_extra_header(head, sizeof(*found));

	head->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	head->nlmsg_seq = SEQUENCE;
	found->idiag_state = state;
	found->idiag_uid = 1000;
	found->id.idiag_sport = htons(40000);
	found->id.idiag_dport = htons(443);
	mnl_attr_put_u8(head, INET_DIAG_SHUTDOWN, 0);
	if (cgroup > 0)
		mnl_attr_put_u64(head, CGROUP, cgroup);
	return head->nlmsg_len;
}

static int take(const void *bytes, size_t size, uint8_t protocol, struct sockdiag_owner *ret_owner)
{
	const struct packet packet = packet_of(protocol);

	return sockdiag_take(bytes, size, SEQUENCE, &packet, ret_owner);
}

static void test_answer(void **state)
{
	alignas(8) uint8_t bytes[512];
	struct sockdiag_owner owner = {0, 0};
	size_t size = put_answer(bytes, TCP_ESTABLISHED, 4711);

	(void)state;
	assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), 0);
	assert_int_equal(owner.user, 1000);
	assert_int_equal(owner.cgroup, 4711);
}

/* What is found in place of the packet's own socket is none. */
static void test_other_sockets(void **state)
{
	static const uint8_t states[] = {TCP_LISTEN, TCP_TIME_WAIT};
	alignas(8) uint8_t bytes[512];
	struct inet_diag_msg *found = (struct inet_diag_msg *)(void *)(bytes + NLMSG_HDRLEN);
	struct sockdiag_owner owner = {77, 77};
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(states); i++) {
		size = put_answer(bytes, states[i], 4711);
		assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), -ENOENT);
	}
	size = put_answer(bytes, TCP_ESTABLISHED, 4711);
	found->id.idiag_sport = htons(40001);
	assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), -ENOENT);
	assert_int_equal(take(bytes, size, IPPROTO_UDP, &owner), -ENOENT);
	size = put_answer(bytes, TCP_ESTABLISHED, 4711);
	found->id.idiag_dport = htons(80);
	assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), -ENOENT);
	assert_int_equal(take(bytes, size, IPPROTO_UDP, &owner), -ENOENT);
	/* One of UDP that is not connected sends anywhere. */
	found->id.idiag_dport = 0;
	assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), -ENOENT);
	assert_int_equal(owner.user, 77);
	assert_int_equal(owner.cgroup, 77);
	assert_int_equal(take(bytes, size, IPPROTO_UDP, &owner), 0);
}

static void test_without_cgroup(void **state)
{
	alignas(8) uint8_t bytes[512];
	struct sockdiag_owner owner;
	size_t size = put_answer(bytes, TCP_ESTABLISHED, 0);
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)bytes;

	(void)state;
	assert_int_equal(take(bytes, size, IPPROTO_TCP, &owner), -ENODATA);
	/* Of another size */
	mnl_attr_put_u32(head, CGROUP, 4711);
	assert_int_equal(take(bytes, head->nlmsg_len, IPPROTO_TCP, &owner), -ENODATA);
	head->nlmsg_seq++;
	assert_int_equal(take(bytes, head->nlmsg_len, IPPROTO_TCP, &owner), -EAGAIN);
}

static void test_errors(void **state)
{
	static const struct {
		int told;
		int expected;
	} rows[] = {{-ENOENT, -ENOENT}, {-EPERM, -EPERM}, {0, -EPROTO}, {5, -EPROTO},
		{INT32_MIN, -EPROTO}};
	alignas(8) uint8_t bytes[512];
	struct sockdiag_owner owner;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
		struct nlmsgerr *error = mnl_nlmsg_put_extra_header(head, sizeof(*error));

		head->nlmsg_type = NLMSG_ERROR;
		head->nlmsg_seq = SEQUENCE;
		error->error = rows[i].told;
		assert_int_equal(
			take(bytes, head->nlmsg_len, IPPROTO_TCP, &owner), rows[i].expected);
		head->nlmsg_len = NLMSG_HDRLEN;
		assert_int_equal(take(bytes, NLMSG_HDRLEN, IPPROTO_TCP, &owner), -EPROTO);
	}
}

/* Every length of the message and of its parts, each in a block of its own size. */
static void test_hostile_lengths(void **state)
{
	alignas(8) uint8_t whole[512] = {0};
	const size_t size = put_answer(whole, TCP_ESTABLISHED, 4711);
	struct sockdiag_owner owner;

	(void)state;
	for (size_t cut = 0; cut <= size; cut++) {
		uint8_t *bytes = malloc(cut ? cut : 1);
		uint32_t told = (uint32_t)cut;

		assert_non_null(bytes);
		memcpy(bytes, whole, cut);
		assert_int_equal(take(bytes, cut, IPPROTO_TCP, &owner), cut < size ? -EPROTO : 0);
		/* The same, and the message says so. */
		if (cut >= sizeof(told))
			memcpy(bytes, &told, sizeof(told));
		assert_true(take(bytes, cut, IPPROTO_TCP, &owner) == 0 || cut < size);
		free(bytes);
	}
	for (uint64_t told = 0; told < UINT64_C(1) << 32; told = told < 600 ? told + 1 : told * 3) {
		uint8_t *bytes = malloc(size);
		uint32_t length = (uint32_t)told;

		assert_non_null(bytes);
		memcpy(bytes, whole, size);
		memcpy(bytes, &length, sizeof(length));
		if (take(bytes, size, IPPROTO_TCP, &owner) == 0)
			assert_true(length <= size);
		free(bytes);
	}
	for (unsigned length = 0; length < 65536; length++) {
		uint16_t told = (uint16_t)length;
		uint8_t *bytes = malloc(size);

		assert_non_null(bytes);
		memcpy(bytes, whole, size);
		memcpy(bytes + NLMSG_HDRLEN + sizeof(struct inet_diag_msg), &told, sizeof(told));
		(void)take(bytes, size, IPPROTO_TCP, &owner);
		free(bytes);
	}
}

/* --- Real sockets --- */

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t size = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	return ntohs(at.sin_port);
}

static int make(int type)
{
	struct sockaddr_in at = loopback(0);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static struct packet sent(int type, uint16_t from, uint16_t to)
{
	const struct in_addr here = {htonl(INADDR_LOOPBACK)};

	return (struct packet){
		.source = inaddr_from_ip4((const uint8_t *)&here),
		.to = inaddr_from_ip4((const uint8_t *)&here),
		.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
		.has_ports = true,
		.source_port = from,
		.port = to,
	};
}

static void expect_own(struct sockdiag *sockdiag, const struct packet *packet)
{
	struct sockdiag_owner owner;

	assert_int_equal(sockdiag_find(sockdiag, packet, 0, &owner), 0);
	assert_int_equal(owner.user, geteuid());
	assert_true(owner.cgroup > 0);
}

static void test_tcp(void **state)
{
	int listener = make(SOCK_STREAM), fd = make(SOCK_STREAM);
	struct sockaddr_in at = loopback(port_of(listener));
	struct sockdiag_owner owner;
	struct sockdiag *sockdiag;
	struct packet packet, back;

	(void)state;
	assert_int_equal(sockdiag_open(&sockdiag), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	packet = sent(SOCK_STREAM, port_of(fd), port_of(listener));
	expect_own(sockdiag, &packet);
	/* By a reset: what ends in order is there for a while. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(fd);
	assert_int_equal(sockdiag_find(sockdiag, &packet, 0, &owner), -ENOENT);
	/* Nothing was ever sent from there, but somebody listens. */
	back = sent(SOCK_STREAM, port_of(listener), 1);
	assert_int_equal(sockdiag_find(sockdiag, &back, 0, &owner), -ENOENT);
	packet.protocol = IPPROTO_ICMP;
	assert_int_equal(sockdiag_find(sockdiag, &packet, 0, &owner), -EPROTONOSUPPORT);
	close(listener);
	sockdiag_close(sockdiag);
}

/* Connected or not; and by an interface that it was not bound to. */
static void test_udp(void **state)
{
	int fd = make(SOCK_DGRAM);
	struct sockaddr_in at = loopback(9);
	struct sockdiag_owner owner;
	struct sockdiag *sockdiag;
	struct packet packet = sent(SOCK_DGRAM, port_of(fd), 9);

	(void)state;
	assert_int_equal(sockdiag_open(&sockdiag), 0);
	expect_own(sockdiag, &packet);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	expect_own(sockdiag, &packet);
	assert_int_equal(sockdiag_find(sockdiag, &packet, 1, &owner), 0);
	packet.port = 10;
	assert_int_equal(sockdiag_find(sockdiag, &packet, 0, &owner), -ENOENT);
	packet.port = 9;
	close(fd);
	assert_int_equal(sockdiag_find(sockdiag, &packet, 0, &owner), -ENOENT);
	sockdiag_close(sockdiag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_other_sockets),
		cmocka_unit_test(test_without_cgroup),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
