/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of connection marks before a connection is answered, and of a socket's user. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

/* Datagrams of one flow that nobody answers: how many were sent, of `count`. */
static unsigned send_flow(const char *address, uint16_t port, unsigned count)
{
	int fd = wire_connect(SOCK_DGRAM, address, port);
	unsigned sent = 0;

	CHECK(fd >= 0);
	for (unsigned i = 0; i < count; i++)
		sent += send(fd, "x", 1, 0) == 1;
	close(fd);
	return sent;
}

/* So a datagram that is not answered is judged once a flow, not once a packet. */
static void mark_of_an_unanswered_flow(void)
{
	int silent;

	wire_lay();
	wire_load("table inet t {\n"
		  "	set live { type mark; elements = { 7 } }\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		udp dport 4242 ct state established counter comment \"answered\"\n"
		  "		udp dport 4242 ct state established,new ct mark @live counter "
		  "accept comment \"live\"\n"
		  "		udp dport 4242 ct mark set 7 ct mark @live counter accept comment "
		  "\"judged\"\n"
		  "	}\n"
		  "}\n");
	silent = wire_listen(SOCK_DGRAM, "10.77.0.2", 4242);
	CHECK(send_flow("10.77.0.2", 4242, 5) == 5);
	CHECK(wire_packets("judged") == 1);
	CHECK(wire_packets("live") == 4);
	CHECK(wire_packets("answered") == 0);
	CHECK(send_flow("10.77.0.2", 4242, 2) == 2);
	CHECK(wire_packets("judged") == 2);
	close(silent);
}

/* A mark is the connection's, and a connection whose first packet goes nowhere never was. */
static void a_refused_packet_leaves_no_mark(void)
{
	wire_lay();
	wire_load("table inet t {\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		udp dport 4242 ct mark 7 counter comment \"marked\"\n"
		  "		udp dport 4242 ct mark set 7 ct mark 7 counter reject with icmpx "
		  "admin-prohibited comment \"refused\"\n"
		  "	}\n"
		  "}\n");
	CHECK(send_flow("10.77.0.2", 4242, 3) == 0);
	CHECK(wire_packets("refused") >= 1);
	CHECK(wire_packets("marked") == 0);
}

/* Where the connection was there before, it keeps what it was given before it was refused. */
static void a_refused_packet_of_a_connection_leaves_its_mark(void)
{
	static const char rules[] =
		"flush table inet t\n"
		"table inet t {\n"
		"	chain output {\n"
		"		udp dport 4242 ct mark 7 counter comment \"marked\"\n"
		"		udp dport 4242 ct mark set %u drop\n"
		"	}\n"
		"}\n";
	char text[512];
	int fd, silent;

	wire_lay();
	silent = wire_listen(SOCK_DGRAM, "10.77.0.2", 4242);
	/* without a rule that asks for it there is no connection tracking */
	wire_load("table inet t {\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		ct state new accept\n"
		  "	}\n"
		  "}\n");
	fd = wire_connect(SOCK_DGRAM, "10.77.0.2", 4242);
	CHECK(fd >= 0 && send(fd, "x", 1, 0) == 1);
	snprintf(text, sizeof(text), rules, 7);
	wire_load(text);
	CHECK(send(fd, "x", 1, 0) < 0);
	CHECK(wire_packets("marked") == 0);
	CHECK(send(fd, "x", 1, 0) < 0);
	CHECK(wire_packets("marked") == 1);
	snprintf(text, sizeof(text), rules, 0);
	wire_load(text);
	CHECK(send(fd, "x", 1, 0) < 0 && send(fd, "x", 1, 0) < 0);
	CHECK(wire_packets("marked") == 1);
	close(fd);
	close(silent);
}

/* A rule that sets a mark goes on without one, and one that asks for it does not match. */
static void untracked_packets_take_no_mark(void)
{
	wire_load("table inet t {\n"
		  "	chain first {\n"
		  "		type filter hook output priority -300; policy accept;\n"
		  "		udp dport 4242 notrack\n"
		  "	}\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		udp dport 4242 ct mark set 7 counter comment \"set\"\n"
		  "		udp dport 4242 ct mark set 7 ct mark 7 counter comment \"got\"\n"
		  "		udp dport 4242 ct state new counter comment \"new\"\n"
		  "	}\n"
		  "}\n");
	send_flow("127.0.0.1", 4242, 1);
	CHECK(wire_packets("set") == 1);
	CHECK(wire_packets("got") == 0);
	CHECK(wire_packets("new") == 0);
}

/* A reset that the kernel makes comes from no socket that somebody opened. */
static void packets_without_a_socket_have_no_user(void)
{
	wire_load("table inet t {\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		tcp flags rst counter comment \"reset\"\n"
		  "		tcp flags rst meta skuid 0 counter comment \"reset-user\"\n"
		  "		tcp flags rst meta skuid != 0 counter comment \"reset-other\"\n"
		  "		tcp flags syn meta skuid 0 counter comment \"user\"\n"
		  "	}\n"
		  "}\n");
	CHECK(wire_connect(SOCK_STREAM, "127.0.0.1", 81) == -ECONNREFUSED);
	CHECK(wire_packets("user") == 1);
	CHECK(wire_packets("reset") == 1);
	CHECK(wire_packets("reset-user") == 0 && wire_packets("reset-other") == 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"an unanswered flow has the mark of its first packet", mark_of_an_unanswered_flow,
			SPACE_USER},
		{"a refused packet leaves no mark", a_refused_packet_leaves_no_mark, SPACE_USER},
		{"one of a connection that was there does",
			a_refused_packet_of_a_connection_leaves_its_mark, SPACE_USER},
		{"untracked packets take no mark", untracked_packets_take_no_mark, SPACE_USER},
		{"packets without a socket have no user", packets_without_a_socket_have_no_user,
			SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
