/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of the way packets take: refusals, redirection, and what passes no hook. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

static void load_refusals(void)
{
	wire_lay();
	wire_load("table inet t {\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy drop;\n"
		  "		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		  "		oif lo accept\n"
		  "		tcp dport 81 counter reject with icmpx admin-prohibited comment "
		  "\"icmp\"\n"
		  "		meta l4proto tcp counter reject with tcp reset comment \"tcp\"\n"
		  "		meta l4proto udp counter reject with icmpx admin-prohibited "
		  "comment \"udp\"\n"
		  "	}\n"
		  "}\n");
}

/* connect() is answered at once: one SYN, none of those that follow after a second. */
static void refused_tcp(void)
{
	load_refusals();
	CHECK(wire_connect(SOCK_STREAM, "10.77.0.2", 80) == -ECONNREFUSED);
	CHECK(wire_packets("tcp") == 1);
	CHECK(wire_connect(SOCK_STREAM, "fd77::2", 80) == -ECONNREFUSED);
	CHECK(wire_packets("tcp") == 2);
}

/* The message for the first SYN comes while connect() holds the socket, and only the one for the
 * second, after a second, ends it. */
static void prohibited_tcp(void)
{
	load_refusals();
	CHECK(wire_connect(SOCK_STREAM, "10.77.0.2", 81) == -EHOSTUNREACH);
	CHECK(wire_packets("icmp") >= 2);
}

static void refused_udp(void)
{
	int four, six;

	load_refusals();
	four = wire_connect(SOCK_DGRAM, "10.77.0.2", 53);
	six = wire_connect(SOCK_DGRAM, "fd77::2", 53);
	CHECK(four >= 0 && six >= 0);
	CHECK(send(four, "x", 1, 0) < 0 && errno == EPERM);
	CHECK(wire_error(four) == EHOSTUNREACH);
	CHECK(send(six, "x", 1, 0) < 0 && errno == EPERM);
	CHECK(wire_error(six) == EACCES);
	CHECK(wire_packets("udp") == 2);
}

static void load_redirection(void)
{
	wire_lay();
	wire_load("table inet t {\n"
		  "	chain redirect-dns {\n"
		  "		type nat hook output priority -100; policy accept;\n"
		  "		meta l4proto { tcp, udp } th dport 53 dnat ip to 127.0.0.1:5300\n"
		  "		meta l4proto { tcp, udp } th dport 53 dnat ip6 to [::1]:5300\n"
		  "	}\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		th dport 5300 oifname \"wire0\" counter comment \"old-oif\"\n"
		  "		th dport 5300 oifname \"lo\" counter comment \"new-oif\"\n"
		  "		th dport 53 counter comment \"old-port\"\n"
		  "		th dport 5300 fib daddr type local counter comment \"local\"\n"
		  "	}\n"
		  "	chain leave {\n"
		  "		type filter hook postrouting priority filter; policy accept;\n"
		  "		th dport 5300 oifname \"lo\" counter comment \"leaves-by-lo\"\n"
		  "	}\n"
		  "}\n");
}

/* The datagram arrives here, and its answer comes from the address that was asked. */
static void asked_udp(const char *server, const char *resolver)
{
	int here = wire_listen_here(SOCK_DGRAM, resolver, 5300);
	int asker = wire_connect(SOCK_DGRAM, server, 53);
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte;

	CHECK(asker >= 0);
	CHECK(send(asker, "q", 1, 0) == 1);
	CHECK(wire_error(here) == 0);
	CHECK(recvfrom(here, &byte, 1, 0, (struct sockaddr *)&from, &size) == 1 && byte == 'q');
	CHECK(sendto(here, "x", 1, 0, (struct sockaddr *)&from, size) == 1);
	CHECK(wire_error(asker) == 0);
	CHECK(recv(asker, &byte, 1, 0) == 1 && byte == 'x');
	close(here);
	close(asker);
}

static void asked_tcp(const char *server, const char *resolver)
{
	int here = wire_listen_here(SOCK_STREAM, resolver, 5300);
	int asker = wire_connect(SOCK_STREAM, server, 53);
	int served = asker < 0 ? -1 : accept(here, NULL, NULL);

	CHECK(asker >= 0 && served >= 0);
	CHECK(wire_carries(asker, served) && wire_carries(served, asker));
	close(served);
	close(asker);
	close(here);
}

static void redirected(void)
{
	load_redirection();
	asked_udp("10.77.0.2", "127.0.0.1");
	asked_tcp("10.77.0.2", "127.0.0.1");
	asked_udp("10.77.0.99", "127.0.0.1"); /* nobody has this address */
	asked_udp("fd77::2", "::1");
	asked_tcp("fd77::2", "::1");
	asked_udp("127.0.0.53", "127.0.0.1");
}

/* The filter sees the new address and port, and the interface of before. */
static void interface_after_redirection(void)
{
	load_redirection();
	asked_udp("10.77.0.2", "127.0.0.1");
	CHECK(wire_packets("old-port") == 0);
	CHECK(wire_packets("local") == 1);
	CHECK(wire_packets("old-oif") == 1);
	CHECK(wire_packets("new-oif") == 0);
	CHECK(wire_packets("leaves-by-lo") == 1);
	asked_udp("fd77::2", "::1");
	CHECK(wire_packets("old-oif") == 2);
	CHECK(wire_packets("new-oif") == 0);
	CHECK(wire_packets("leaves-by-lo") == 2);
}

/* So a namespace needs a default route for its DNS to be redirected. */
static void no_route_no_redirection(void)
{
	int asker;

	load_redirection();
	CHECK(wire_connect(SOCK_DGRAM, "192.0.2.53", 53) == -ENETUNREACH);
	CHECK(wire_connect(SOCK_STREAM, "192.0.2.53", 53) == -ENETUNREACH);
	CHECK(space_run("ip route add default dev lo"));
	asked_udp("192.0.2.53", "127.0.0.1");
	asker = wire_connect(SOCK_DGRAM, "2001:db8::53", 53);
	CHECK(asker == -ENETUNREACH);
}

/* RFC 1071 */
static uint16_t checksum(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)byte[i] << 8 | byte[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Sends an empty UDP datagram to 10.77.0.2 beneath the IP layer. */
static int send_beneath(void)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} packet = {.ip = {.version = 4,
			    .ihl = 5,
			    .tot_len = htons(sizeof(packet)),
			    .ttl = 64,
			    .protocol = IPPROTO_UDP},
		.udp = {.dest = htons(4242), .len = htons(sizeof(struct udphdr))}};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("wire0"),
		.sll_halen = ETH_ALEN,
		.sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t sent;

	CHECK(fd >= 0);
	CHECK(inet_pton(AF_INET, "10.77.0.1", &packet.ip.saddr) == 1);
	CHECK(inet_pton(AF_INET, "10.77.0.2", &packet.ip.daddr) == 1);
	packet.ip.check = checksum(&packet.ip, sizeof(packet.ip));
	sent = sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return sent == sizeof(packet) ? 0 : -errno;
}

static void packet_sockets(void)
{
	int world, fd;
	char byte;

	wire_lay();
	world = wire_listen(SOCK_DGRAM, "10.77.0.2", 4242);
	wire_load("table inet t {\n"
		  "	chain output {\n"
		  "		type filter hook output priority filter; policy accept;\n"
		  "		udp dport 4242 counter drop comment \"output\"\n"
		  "	}\n"
		  "	chain leave {\n"
		  "		type filter hook postrouting priority filter; policy accept;\n"
		  "		udp dport 4242 counter drop comment \"postrouting\"\n"
		  "	}\n"
		  "}\n");
	fd = wire_connect(SOCK_DGRAM, "10.77.0.2", 4242);
	CHECK(fd >= 0 && send(fd, "", 0, 0) < 0 && errno == EPERM);
	CHECK(wire_packets("output") == 1);
	CHECK(send_beneath() == 0);
	CHECK(wire_error(world) == 0 && recv(world, &byte, 1, 0) == 0);
	CHECK(wire_packets("output") == 1 && wire_packets("postrouting") == 0);
}

/* Drops the datagrams of send_beneath() at the egress hook, behind other rules. */
static void drop_leaving(const char *before)
{
	char ruleset[512], *message;

	snprintf(ruleset, sizeof(ruleset),
		"table netdev e {\n"
		"	chain leave {\n"
		"		type filter hook egress device \"wire0\" priority filter;\n"
		"		%s\n"
		"		udp dport 4242 drop\n"
		"	}\n"
		"}\n",
		before);
	if (ruleset_load(ruleset, false, &message))
		space_skip_test("no egress hook (before kernel 5.16 or nft 1.0.1)");
}

static void packet_sockets_and_egress(void)
{
	wire_lay();
	CHECK(send_beneath() == 0);
	drop_leaving("");
	CHECK(send_beneath() == -ENOBUFS);
}

/* What was routed has its route where it leaves; what a packet socket sends has none. */
static void routes_at_egress(void)
{
	int fd, world;
	char byte;

	wire_lay();
	world = wire_listen(SOCK_DGRAM, "10.77.0.2", 4242);
	drop_leaving("meta rtclassid 0-4294967295 accept");
	CHECK(send_beneath() == -ENOBUFS);
	fd = wire_connect(SOCK_DGRAM, "10.77.0.2", 4242);
	CHECK(fd >= 0 && send(fd, "", 0, 0) == 0);
	CHECK(wire_error(world) == 0 && recv(world, &byte, 1, 0) == 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"a reset refuses a connection at once", refused_tcp, SPACE_USER},
		{"an ICMP message refuses one at its second packet only", prohibited_tcp,
			SPACE_USER},
		{"an ICMP message refuses a datagram at once", refused_udp, SPACE_USER},
		{"dnat in output reaches 127.0.0.1 and ::1", redirected, SPACE_USER},
		{"after it, output sees the interface of before", interface_after_redirection,
			SPACE_USER},
		{"without a route nothing is redirected", no_route_no_redirection, SPACE_USER},
		{"packet sockets pass no output hook", packet_sockets, SPACE_USER},
		{"they pass the egress hook", packet_sockets_and_egress, SPACE_USER},
		{"there only they have no route", routes_at_egress, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
