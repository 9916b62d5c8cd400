/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of capabilities, netlink sockets and marks. */

#include <cap-ng.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/kernel/confine.h"
#include "src/kernel/setlink.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

#define OTHER 65534 /* nobody, everywhere */
#define MARK 0x42

/* Keeps these effective capabilities only; the permitted ones stay. */
static void set_effective(bool net_admin, bool net_raw)
{
	CHECK(capng_get_caps_process() == 0);
	CHECK(capng_update(net_admin ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, CAP_NET_ADMIN) ==
		0);
	CHECK(capng_update(net_raw ? CAPNG_ADD : CAPNG_DROP, CAPNG_EFFECTIVE, CAP_NET_RAW) == 0);
	CHECK(capng_apply(CAPNG_SELECT_CAPS) == 0);
}

static void netlink_checks_the_sender(void)
{
	struct setlink *link;

	wire_load("table inet t { set live { type mark; }; }");
	CHECK(setlink_open(&link) == 0);
	CHECK(wire_add(link, "live", wire_mark(1)) == 0);
	set_effective(false, true);
	CHECK(wire_add(link, "live", wire_mark(2)) == -EPERM);
	CHECK(setlink_find(link, "t", "live") == -EPERM);
	set_effective(true, true);
	CHECK(wire_add(link, "live", wire_mark(2)) == 0);
}

/* What the kernel says of a question about a set that isn't there, asked with or without naming the
 * kernel as its receiver. */
static int ask(const struct mnl_socket *link, bool with_address)
{
	uint8_t bytes[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	const struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	const struct nlmsgerr *answer;

	message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSET;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	generic->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, "t");
	mnl_attr_put_strz(message, NFTA_SET_NAME, "nowhere");
	CHECK(sendto(mnl_socket_get_fd(link), message, message->nlmsg_len, 0,
		      with_address ? (const struct sockaddr *)&to : NULL,
		      with_address ? sizeof(to) : 0) == (ssize_t)message->nlmsg_len);
	CHECK(mnl_socket_recvfrom(link, bytes, sizeof(bytes)) > 0);
	CHECK(message->nlmsg_type == NLMSG_ERROR);
	answer = mnl_nlmsg_get_payload(message);
	return answer->error;
}

/* Without an address the opener is checked as well (af_netlink.c: __netlink_ns_capable), since what
 * a program writes to a descriptor it was given must not carry its own rights. */
static void netlink_checks_the_opener(void)
{
	struct mnl_socket *link;

	wire_load("table inet t { set live { type mark; }; }");
	set_effective(false, true);
	link = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	CHECK(link != NULL);
	set_effective(true, true);
	CHECK(ask(link, false) == -EPERM);
	CHECK(ask(link, true) == -ENOENT);
	set_effective(false, true);
	CHECK(ask(link, true) == -EPERM);
}

/* A connected UDP socket with a mark, opened by who may set one. */
static int marked_socket(void)
{
	const int mark = MARK;
	int fd = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);

	CHECK(fd >= 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
	return fd;
}

static void load_counters(void)
{
	wire_load("table inet t {\n"
		  "	set resolver { typeof meta mark . meta skuid; }\n"
		  "	set other { typeof meta mark . meta skuid; }\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		udp dport 4242 meta mark 0x42 counter comment \"mark\"\n"
		  "		udp dport 4242 meta mark . meta skuid @resolver counter comment "
		  "\"resolver\"\n"
		  "		udp dport 4242 meta mark . meta skuid @other counter comment "
		  "\"other\"\n"
		  "	}\n"
		  "}\n");
}

static void add_pair(struct setlink *link, const char *set, uint32_t uid)
{
	struct setlink_element element = {.key_size = 8};
	const uint32_t pair[2] = {MARK, uid};

	memcpy(element.key, pair, sizeof(pair));
	CHECK(wire_add(link, set, element) == 0);
}

struct sender {
	struct confine confine;
	int marked; /* opened and marked before */
	int plain;
};

/* Without privileges a mark can be used, but none can be set. */
static void send_confined(void *context)
{
	struct sender *sender = context;
	const int mark = MARK;
	int own;

	CHECK(confine_self(&sender->confine) == 0);
	CHECK(send(sender->marked, "", 0, 0) == 0);
	CHECK(setsockopt(sender->plain, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0);
	CHECK(errno == EPERM);
	CHECK(send(sender->plain, "", 0, 0) == 0);
	own = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);
	CHECK(own >= 0);
	CHECK(setsockopt(own, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 && errno == EPERM);
	CHECK(send(own, "", 0, 0) == 0);
}

/* Opened by uid 0 of this namespace, used as whom `confine` says. */
static void open_then_send(struct confine confine)
{
	struct sender sender = {.confine = confine};
	struct setlink *link;

	load_counters();
	CHECK(setlink_open(&link) == 0);
	add_pair(link, "resolver", 0);
	add_pair(link, "other", OTHER);
	sender.marked = marked_socket();
	sender.plain = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);
	CHECK(sender.plain >= 0);
	CHECK(space_child(send_confined, &sender));
	CHECK(wire_packets("mark") == 1);
	CHECK(wire_packets("resolver") == 1);
	CHECK(wire_packets("other") == 0);
}

static void mark_outlives_privilege(void)
{
	open_then_send((struct confine){.uid = 0, .gid = 0});
}

static void skuid_is_the_openers(void)
{
	open_then_send((struct confine){.uid = OTHER, .gid = OTHER});
}

static void send_as_other(void *context)
{
	struct confine confine = {.uid = OTHER, .gid = OTHER, .keep_net_admin = true};

	(void)context;
	CHECK(confine_self(&confine) == 0);
	CHECK(send(marked_socket(), "", 0, 0) == 0);
}

/* The other way round: who opens after the change of user is that user. */
static void skuid_of_a_later_socket(void)
{
	struct setlink *link;

	load_counters();
	CHECK(setlink_open(&link) == 0);
	add_pair(link, "resolver", 0);
	add_pair(link, "other", OTHER);
	CHECK(space_child(send_as_other, NULL));
	CHECK(wire_packets("resolver") == 0);
	CHECK(wire_packets("other") == 1);
}

/* So a mark alone proves nothing: containers have CAP_NET_RAW. */
static void raw_may_set_marks(void)
{
	const int mark = MARK;
	int fd = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);

	CHECK(fd >= 0);
	set_effective(false, true);
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		space_skip_test("this kernel asks for CAP_NET_ADMIN (before 5.17)");
	set_effective(false, false);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 && errno == EPERM);
}

int main(void)
{
	const struct space_test tests[] = {
		{"a netlink socket's sender needs the capability", netlink_checks_the_sender,
			SPACE_USER},
		{"its opener needed it only where no address is given", netlink_checks_the_opener,
			SPACE_USER},
		{"a socket keeps its mark when privileges are gone", mark_outlives_privilege,
			SPACE_USER},
		{"skuid is the user's who opened the socket", skuid_is_the_openers, SPACE_ROOT},
		{"skuid of a socket opened as another user", skuid_of_a_later_socket, SPACE_ROOT},
		{"CAP_NET_RAW may set marks", raw_may_set_marks, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
