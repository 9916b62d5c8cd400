/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of sockets as the kernel tells of them (sock_diag(7)): whose packets were
 * refused, who has connections, and who had those that are over. */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/kernel/nflog.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

enum { GROUP = 7 };

/* Since Linux 5.9. */
#define CGROUP_ID 21

static struct nflog *logged;

static const char table_text[] =
	"table inet t {\n"
	"	chain output {\n"
	"		type filter hook output priority filter; policy accept;\n"
	"		oif lo accept\n"
	"		th dport 80 accept\n"
	"		meta l4proto { tcp, udp } log prefix \"t refused\" group 7\n"
	"		meta l4proto tcp reject with tcp reset\n"
	"		meta l4proto udp reject with icmpx admin-prohibited\n"
	"	}\n"
	"}\n";

static void set_up(void)
{
	wire_lay();
	CHECK(nflog_open(GROUP, &logged) == 0);
	wire_load(table_text);
}

static void keep_packet(void *context, const struct nflog_record *record)
{
	*(struct packet *)context = record->packet;
}

/* The packet that was refused last, as soon as anybody can know of it. */
static struct packet read_refused(void)
{
	struct packet packet = {.port = 0};
	uint64_t lost;

	while (nflog_read(logged, keep_packet, &packet, &lost) == 0)
		;
	CHECK(packet.has_ports);
	return packet;
}

struct answer {
	int error; /* of the kernel */
	uint32_t user;
	uint8_t state;
	uint64_t cgroup; /* 0: not told */
};

static int on_attribute(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == CGROUP_ID)
		((struct answer *)context)->cgroup = mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

/* What the kernel says of the socket whose packets the packet is one of. */
static struct answer ask(const struct packet *packet, uint8_t protocol)
{
	char bytes[8192];
	struct nlmsghdr *header = mnl_nlmsg_put_header(bytes);
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	struct mnl_socket *socket = mnl_socket_open(NETLINK_SOCK_DIAG);
	/* Of UDP source and destination are swapped (net/ipv4/udp_diag.c). */
	const struct packet back = {.source = packet->to,
		.to = packet->source,
		.source_port = packet->port,
		.port = packet->source_port};
	const struct packet *near = protocol == IPPROTO_UDP ? &back : packet;
	struct answer answer = {.error = 0};
	ssize_t size;

	CHECK(socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0);
	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST;
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = protocol;
	request->idiag_states = ~0u;
	request->id.idiag_sport = htons(near->source_port);
	request->id.idiag_dport = htons(near->port);
	memcpy(request->id.idiag_src, near->source.bytes + 12, 4);
	memcpy(request->id.idiag_dst, near->to.bytes + 12, 4);
	request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	CHECK(mnl_socket_sendto(socket, header, header->nlmsg_len) > 0);
	size = mnl_socket_recvfrom(socket, bytes, sizeof(bytes));
	CHECK(size > 0);
	header = (struct nlmsghdr *)bytes;
	if (header->nlmsg_type == NLMSG_ERROR) {
		answer.error = ((struct nlmsgerr *)mnl_nlmsg_get_payload(header))->error;
	} else {
		const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

		answer.user = message->idiag_uid;
		answer.state = message->idiag_state;
		mnl_attr_parse(header, sizeof(*message), on_attribute, &answer);
	}
	mnl_socket_close(socket);
	return answer;
}

static int open_here(int type, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);

	CHECK(fd >= 0);
	to.sin_addr.s_addr = htonl(0x0a4d0002);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		CHECK(type == SOCK_STREAM && errno == ECONNREFUSED);
	return fd;
}

/* The refusal reaches the socket before the report of it can be read: whose it was is not known any
 * more, although the process has it still. */
static void a_refused_tcp_socket_is_forgotten_at_once(void)
{
	int fd;
	struct packet packet;

	set_up();
	fd = open_here(SOCK_STREAM, 81);
	packet = read_refused();
	CHECK(packet.port == 81);
	CHECK(ask(&packet, IPPROTO_TCP).error == -ENOENT);
	close(fd);
}

/* One of datagrams lives on, if its process lets it. */
static void a_refused_udp_socket_is_there_until_it_is_closed(void)
{
	int fd;
	struct packet packet;
	struct answer answer;

	set_up();
	fd = open_here(SOCK_DGRAM, 81);
	CHECK(send(fd, "x", 1, 0) < 0 && errno == EPERM);
	packet = read_refused();
	answer = ask(&packet, IPPROTO_UDP);
	CHECK(answer.error == 0 && answer.cgroup != 0);
	close(fd);
	CHECK(ask(&packet, IPPROTO_UDP).error == -ENOENT);
}

/* The addresses and ports of a connected socket. */
static struct packet packet_of(int fd)
{
	struct sockaddr_in near, far;
	socklen_t size = sizeof(near);
	struct packet packet = {.has_ports = true};

	CHECK(getsockname(fd, (struct sockaddr *)&near, &size) == 0);
	CHECK(getpeername(fd, (struct sockaddr *)&far, &size) == 0);
	packet.source = inaddr_from_ip4((const uint8_t *)&near.sin_addr);
	packet.to = inaddr_from_ip4((const uint8_t *)&far.sin_addr);
	packet.source_port = ntohs(near.sin_port);
	packet.port = ntohs(far.sin_port);
	return packet;
}

/* Of a connection that goes on the control group is known; of one that is over, which the kernel
 * tells of minutes later, nothing. */
static void only_connections_that_go_on_have_a_control_group(void)
{
	int listener, fd, far;
	struct answer answer;
	struct packet packet;

	set_up();
	listener = wire_listen(SOCK_STREAM, "10.77.0.2", 80);
	fd = open_here(SOCK_STREAM, 80);
	far = accept(listener, NULL, NULL);
	CHECK(far >= 0);
	packet = packet_of(fd);
	answer = ask(&packet, IPPROTO_TCP);
	CHECK(answer.error == 0 && answer.state == 1);
	CHECK(answer.cgroup != 0);
	close(far);
	close(fd);
	answer = ask(&packet, IPPROTO_TCP);
	CHECK(answer.error == -ENOENT || answer.cgroup == 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"who refused TCP was of is forgotten at once",
			a_refused_tcp_socket_is_forgotten_at_once, SPACE_USER},
		{"who refused UDP was of is known until it is closed",
			a_refused_udp_socket_is_there_until_it_is_closed, SPACE_USER},
		{"only connections that go on have a control group",
			only_connections_that_go_on_have_a_control_group, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
