/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/nflog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernel/space.h"

static const char table_text[] =
	"table inet t {\n"
	"	chain output {\n"
	"		type filter hook output priority filter;\n"
	"		udp dport 1001 ct mark set 0x101 log prefix \"egress-x allow \" group 5\n"
	"		udp dport 1002 log prefix \"egress-x default-deny \" group 5 drop\n"
	"	}\n"
	"}\n";

static struct nflog *nflog;

struct seen {
	struct nflog_record last;
	unsigned count;
};

static void see(void *context, const struct nflog_record *record)
{
	struct seen *seen = context;

	seen->last = *record;
	seen->count++;
}

static int set_up(void **state)
{
	(void)state;
	return nflog_open(5, &nflog);
}

static int tear_down(void **state)
{
	(void)state;
	nflog_close(nflog);
	return 0;
}

static void send_to(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	/* What is dropped is told as EPERM. */
	sendto(fd, "x", 1, 0, (struct sockaddr *)&at, sizeof(at));
	close(fd);
}

/* Waits until as many have come. */
static struct seen await(unsigned count)
{
	struct pollfd poller = {.fd = nflog_fd(nflog), .events = POLLIN};
	struct seen seen = {.count = 0};
	uint64_t lost;

	while (seen.count < count && poll(&poller, 1, 10000) > 0) {
		assert_int_equal(nflog_read(nflog, see, &seen, &lost), 1);
		assert_int_equal(lost, 0);
	}
	assert_int_equal(seen.count, count);
	return seen;
}

static void packets_are_told(void **state)
{
	struct seen seen;
	char text[INADDR_TEXT];
	uint64_t lost = 1;

	(void)state;
	assert_int_equal(nflog_read(nflog, see, &seen, &lost), 0);
	assert_int_equal(lost, 0);
	send_to(1002);
	seen = await(1);
	assert_string_equal(seen.last.prefix, "egress-x default-deny ");
	assert_string_equal(inaddr_to_text(&seen.last.packet.to, text), "127.0.0.1");
	assert_int_equal(seen.last.packet.protocol, IPPROTO_UDP);
	assert_true(seen.last.packet.has_ports);
	assert_int_equal(seen.last.packet.port, 1002);
	assert_true(seen.last.packet.source_port > 0);
	assert_true(seen.last.has_user && seen.last.has_group);
	assert_int_equal(seen.last.user, geteuid());
	assert_int_equal(seen.last.mark, 0);
	send_to(1001);
	seen = await(1);
	assert_string_equal(seen.last.prefix, "egress-x allow ");
	/* Not every kernel tells it (CONFIG_NETFILTER_NETLINK_GLUE_CT). */
	assert_true(seen.last.mark == 0x101 || seen.last.mark == 0);
}

static void a_group_has_one_owner(void **state)
{
	struct nflog *other;

	(void)state;
	assert_int_equal(nflog_open(5, &other), -EBUSY);
	assert_int_equal(nflog_open(6, &other), 0);
	nflog_close(other);
	send_to(1002);
	await(1);
}

/* What was sent while nobody read waits. */
static void packets_wait(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		send_to(1002);
	await(100);
}

/* Without a capability a process reads what one with it has opened. */
static void reading_takes_no_capability(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	send_to(1002);
	pid = fork();
	if (pid == 0) {
		struct pollfd poller = {.fd = nflog_fd(nflog), .events = POLLIN};
		struct seen seen = {.count = 0};
		struct nflog *other;
		uint64_t lost;

		capng_clear(CAPNG_SELECT_CAPS);
		if (capng_apply(CAPNG_SELECT_CAPS) != 0 || nflog_open(7, &other) != -EPERM)
			_exit(1);
		poll(&poller, 1, 10000);
		_exit(nflog_read(nflog, see, &seen, &lost) == 1 && seen.count == 1 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- Messages by hand --- */

/* A message with a packet's number and 60 bytes of payload, as the kernel writes them. */
static size_t make_message(uint8_t *out, uint32_t sequence)
{
	uint8_t payload[60] = {0x45, 0, 0, 60, 0, 0, 0, 0, 64, IPPROTO_UDP};
	uint16_t *halves = (uint16_t *)(void *)out;
	uint32_t *words = (uint32_t *)(void *)out;

	memset(out, 0, 256);
	halves[2] = 4 << 8; /* NFNL_SUBSYS_ULOG, NFULNL_MSG_PACKET */
	halves[10] = 8;     /* NFULA_SEQ */
	halves[11] = 12;
	words[6] = htonl(sequence);
	halves[14] = 4 + sizeof(payload); /* NFULA_PAYLOAD */
	halves[15] = 9;
	memcpy(out + 32, payload, sizeof(payload));
	words[0] = 32 + sizeof(payload);
	return words[0];
}

/* Whoever has the capability in this namespace may send to the socket. */
static void what_others_send_is_passed_over(void **state)
{
	static _Alignas(8) uint8_t message[256];
	size_t size = make_message(message, 1);
	struct sockaddr_nl to;
	socklen_t to_size = sizeof(to);
	struct seen seen = {.count = 0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	uint64_t lost;

	(void)state;
	assert_int_equal(getsockname(nflog_fd(nflog), (struct sockaddr *)&to, &to_size), 0);
	assert_int_equal(sendto(fd, message, size, 0, (const struct sockaddr *)&to, to_size), size);
	assert_int_equal(nflog_read(nflog, see, &seen, &lost), 0);
	assert_int_equal(seen.count, 0);
	send_to(1002);
	await(1);
	close(fd);
}

static void a_connections_mark_is_read(void **state)
{
	static _Alignas(8) uint8_t message[256];
	size_t size = make_message(message, 1);
	uint16_t *halves = (uint16_t *)(void *)(message + size);
	uint32_t *words = (uint32_t *)(void *)message;
	struct seen seen = {.count = 0};
	uint64_t lost;

	(void)state;
	halves[0] = 12; /* NFULA_CT, of CTA_MARK */
	halves[1] = 18 | NLA_F_NESTED;
	halves[2] = 8;
	halves[3] = 8;
	words[size / 4 + 2] = htonl(0x4711);
	words[0] = (uint32_t)size + 12;
	nflog_take(nflog, message, size + 12, see, &seen, &lost);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last.mark, 0x4711);
}

static uint64_t take(uint32_t sequence)
{
	static _Alignas(8) uint8_t message[256];
	struct seen seen = {.count = 0};
	size_t size = make_message(message, sequence);
	uint64_t lost;

	nflog_take(nflog, message, size, see, &seen, &lost);
	assert_int_equal(seen.count, 1);
	return lost;
}

static void gaps_are_counted(void **state)
{
	(void)state;
	assert_int_equal(take(7), 0);
	assert_int_equal(take(8), 0);
	assert_int_equal(take(12), 3);
	assert_int_equal(take(3), 0);
	assert_int_equal(take(4), 0);
	assert_int_equal(take(UINT32_MAX), 0);
	assert_int_equal(take(0), 0);
}

/* Whatever a message's bytes are, reading them ends and stays within them. */
static void hostile_messages(void **state)
{
	uint8_t whole[256];
	size_t size = make_message(whole, 1);

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		size_t length = (size_t)space_draw() % (size + 1);
		uint8_t *bytes = malloc(length + 1);
		struct seen seen = {.count = 0};
		uint64_t lost;

		memcpy(bytes, whole, length);
		for (uint32_t change = space_draw() % 4 + 1; change > 0 && length > 0; change--)
			bytes[(size_t)space_draw() % length] = (uint8_t)space_draw();
		nflog_take(nflog, bytes, length, see, &seen, &lost);
		if (seen.count > 0)
			assert_non_null(memchr(seen.last.prefix, '\0', NFLOG_PREFIX));
		free(bytes);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_are_told),
		TEST(a_group_has_one_owner),
		TEST(packets_wait),
		TEST(reading_takes_no_capability),
		TEST(what_others_send_is_passed_over),
		TEST(a_connections_mark_is_read),
		TEST(gaps_are_counted),
		TEST(hostile_messages),
	};
	int status;

	if (!space_enter_with("nflog", table_text, &status))
		return status;
	return cmocka_run_group_tests_name("nflog", tests, NULL, NULL);
}
