/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of connections, their marks, and what ends them. */

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/kernel/setlink.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

static struct setlink *kernel;

/* The shape of the rulesets this project writes: a lease's value is its rule's mark. */
static const char table_text[] =
	"table inet t {\n"
	"	map leases { type ipv4_addr : mark; flags timeout; }\n"
	"	set live { type mark; }\n"
	"	chain output {\n"
	"		type filter hook output priority filter; policy accept;\n"
	"		oif lo accept\n"
	"		ct state established ct mark @live counter accept comment \"live\"\n"
	"		ct mark set ip daddr map @leases ct mark @live counter accept comment "
	"\"lease\"\n"
	"		ct state invalid counter comment \"invalid\"\n"
	"		meta l4proto tcp counter reject with tcp reset comment \"refused-tcp\"\n"
	"		meta l4proto udp counter reject with icmpx admin-prohibited comment "
	"\"refused-udp\"\n"
	"	}\n"
	"}\n";

static void lease(const char *address, uint32_t mark)
{
	CHECK(wire_add(kernel, "leases", wire_lease(address, mark, duration_seconds(3600))) == 0);
}

/* Two leases of two rules, both in force. */
static void set_up(void)
{
	wire_lay();
	wire_load(table_text);
	CHECK(setlink_open(&kernel) == 0);
	CHECK(wire_add(kernel, "live", wire_mark(11)) == 0);
	CHECK(wire_add(kernel, "live", wire_mark(12)) == 0);
	lease("10.77.0.2", 11);
	lease("10.77.0.3", 12);
}

struct flow {
	int near;
	int far;
};

static struct flow open_tcp(const char *address)
{
	int listener = wire_listen(SOCK_STREAM, address, 80);
	struct flow flow = {.near = wire_connect(SOCK_STREAM, address, 80)};

	CHECK(flow.near >= 0);
	flow.far = accept(listener, NULL, NULL);
	CHECK(flow.far >= 0);
	close(listener);
	CHECK(wire_carries(flow.near, flow.far));
	CHECK(wire_carries(flow.far, flow.near));
	return flow;
}

/* The far end is connected back, so that an answer makes the flow an established one. */
static struct flow open_udp(const char *address)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct flow flow = {.far = wire_listen(SOCK_DGRAM, address, 53)};
	char byte;

	flow.near = wire_connect(SOCK_DGRAM, address, 53);
	CHECK(flow.near >= 0);
	CHECK(send(flow.near, "x", 1, 0) == 1);
	CHECK(wire_error(flow.far) == 0);
	CHECK(recvfrom(flow.far, &byte, 1, 0, (struct sockaddr *)&from, &size) == 1);
	CHECK(connect(flow.far, (struct sockaddr *)&from, size) == 0);
	CHECK(wire_carries(flow.far, flow.near));
	CHECK(wire_carries(flow.near, flow.far));
	return flow;
}

static void must_be_cut_tcp(struct flow flow)
{
	CHECK(send(flow.near, "y", 1, MSG_NOSIGNAL) == 1);
	CHECK(wire_error(flow.near) == ECONNRESET);
	CHECK(recv(flow.far, &(char){0}, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static void revocation_cuts_a_rules_flows(void)
{
	struct flow cut, other, cut_udp, other_udp;
	unsigned long leased;

	set_up();
	cut = open_tcp("10.77.0.2");
	other = open_tcp("10.77.0.3");
	cut_udp = open_udp("10.77.0.2");
	other_udp = open_udp("10.77.0.3");
	leased = wire_packets("lease");
	CHECK(wire_packets("live") > 0 && leased > 0);
	CHECK(wire_packets("refused-tcp") == 0 && wire_packets("refused-udp") == 0);

	CHECK(wire_delete(kernel, "live", wire_mark(11)) == 0);
	must_be_cut_tcp(cut);
	CHECK(send(cut_udp.near, "y", 1, 0) < 0 && errno == EPERM);
	CHECK(recv(cut_udp.far, &(char){0}, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	CHECK(wire_connect(SOCK_STREAM, "10.77.0.2", 81) == -ECONNREFUSED);
	CHECK(wire_packets("refused-tcp") >= 2 && wire_packets("refused-udp") == 1);

	CHECK(wire_carries(other.near, other.far) && wire_carries(other.far, other.near));
	CHECK(wire_carries(other_udp.near, other_udp.far));
	CHECK(wire_packets("lease") == leased); /* none of them was judged anew */
}

/* What a rule's end has cut stays in place when the rule comes back. */
static void a_rule_that_comes_back(void)
{
	struct flow flow;

	set_up();
	flow = open_udp("10.77.0.2");
	CHECK(wire_delete(kernel, "live", wire_mark(11)) == 0);
	CHECK(send(flow.near, "y", 1, 0) < 0 && errno == EPERM);
	CHECK(wire_add(kernel, "live", wire_mark(11)) == 0);
	getsockopt(flow.near, SOL_SOCKET, SO_ERROR, &(int){0}, &(socklen_t){sizeof(int)});
	CHECK(wire_carries(flow.near, flow.far));
}

static void a_lease_that_ends_leaves_its_flow(void)
{
	struct setlink_element element = wire_lease("10.77.0.2", 11, (struct duration){20});
	struct flow flow, udp;
	unsigned count = 1;

	set_up();
	CHECK(wire_delete(kernel, "leases", wire_lease("10.77.0.3", 12, (struct duration){0})) ==
		0);
	flow = open_tcp("10.77.0.2");
	udp = open_udp("10.77.0.2");
	setlink_begin(kernel, "t");
	setlink_delete(kernel, "leases", &element);
	setlink_add(kernel, "leases", &element);
	CHECK(setlink_commit(kernel) == 0);
	for (int i = 0; i < 1000 && count > 0; i++) {
		wire_only(kernel, "leases", &count);
		usleep(10000);
	}
	CHECK(count == 0);
	CHECK(wire_carries(flow.near, flow.far) && wire_carries(flow.far, flow.near));
	CHECK(wire_carries(udp.near, udp.far) && wire_carries(udp.far, udp.near));
	CHECK(wire_packets("refused-tcp") == 0 && wire_packets("refused-udp") == 0);
	CHECK(wire_connect(SOCK_STREAM, "10.77.0.2", 81) == -ECONNREFUSED);
}

/* Forgets every connection of this namespace. */
static void forget_connections(void)
{
	uint8_t bytes[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	struct mnl_socket *link = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);

	CHECK(link != NULL);
	message->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	generic->nfgen_family = AF_UNSPEC;
	CHECK(mnl_socket_sendto(link, message, message->nlmsg_len) > 0);
	CHECK(mnl_socket_recvfrom(link, bytes, sizeof(bytes)) > 0);
	CHECK(message->nlmsg_type == NLMSG_ERROR && answer->error == 0);
	mnl_socket_close(link);
}

static void set_loose(const char *value)
{
	int fd = open("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, value, 1) == 1);
	close(fd);
}

static void loose_judges_the_middle_anew(void)
{
	struct flow flow;
	unsigned long leased;

	set_up();
	set_loose("1");
	flow = open_tcp("10.77.0.2");
	leased = wire_packets("lease");
	forget_connections();
	CHECK(wire_carries(flow.near, flow.far)); /* under its lease, as a new connection */
	CHECK(wire_packets("lease") > leased);
	CHECK(wire_packets("invalid") == 0);

	CHECK(wire_delete(kernel, "leases", wire_lease("10.77.0.2", 11, (struct duration){0})) ==
		0);
	CHECK(wire_carries(flow.near, flow.far)); /* a lease's end alone cuts nothing */
	forget_connections();
	must_be_cut_tcp(flow);
	CHECK(wire_packets("invalid") == 0);
}

static void strict_refuses_the_middle(void)
{
	struct flow flow;

	set_up();
	set_loose("0");
	flow = open_tcp("10.77.0.2");
	forget_connections();
	must_be_cut_tcp(flow); /* although its lease is there */
	CHECK(wire_packets("invalid") > 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"deleting a mark from the live set cuts its flows and no others",
			revocation_cuts_a_rules_flows, SPACE_USER},
		{"a mark that comes back lets its flows go on", a_rule_that_comes_back, SPACE_USER},
		{"a lease that ends leaves its flows alone", a_lease_that_ends_leaves_its_flow,
			SPACE_USER},
		{"with tcp_loose the middle of a connection is judged as new",
			loose_judges_the_middle_anew, SPACE_USER},
		{"without tcp_loose it is invalid", strict_refuses_the_middle, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
