/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/sockdiag.h"

#include <endian.h>
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

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * A question names both ends of a connection, and the kernel looks the socket up as it does for a
 * packet that comes in (net/ipv4/inet_diag.c: inet_diag_find_one_icsk; net/ipv4/udp_diag.c:
 * udp_dump_one). It does so while the question is sent, so that the answer waits when send(2)
 * returns: nothing here ever waits.
 *
 * Looking up as for packets means that what is found may be another socket. Of TCP one that listens
 * at the same port is found when the connection's own is gone: its state says so, and it is none.
 * Of UDP any is found that would get the answer, which is the one that was sent from, unless
 * several share the port. Of sockets that have been closed and only wait (TIME_WAIT) the kernel
 * knows neither user nor control group.
 *
 * In a question about UDP the ends are swapped, in both families; udp_diag.c calls that historical
 * reasons. The interface matters to sockets that were bound to one, which are not found otherwise.
 *
 * A socket of this kind lists, to anybody, all of the namespace's sockets; to end connections with
 * it takes CAP_NET_ADMIN of who opened it and of who asks.
 */

enum {
	REPLY_MAX = 8192,
	QUESTION_MAX = 256,
	STALE_MAX = 16,        /* answers to earlier questions that are passed over */
	ATTRIBUTE_CGROUP = 21, /* INET_DIAG_CGROUP_ID, since Linux 5.9 */
};

struct sockdiag {
	struct mnl_socket *socket;
	uint32_t sequence;
	alignas(8) uint8_t reply[REPLY_MAX];
};

int sockdiag_open(struct sockdiag **ret_sockdiag)
{
	struct sockdiag *sockdiag = calloc(1, sizeof(*sockdiag));
	int error;

	if (!sockdiag)
		return -ENOMEM;
	sockdiag->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (sockdiag->socket && mnl_socket_bind(sockdiag->socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		*ret_sockdiag = sockdiag;
		return 0;
	}
	error = -errno;
	sockdiag_close(sockdiag);
	return error;
}

void sockdiag_close(struct sockdiag *sockdiag)
{
	if (!sockdiag)
		return;
	if (sockdiag->socket)
		mnl_socket_close(sockdiag->socket);
	free(sockdiag);
}

int sockdiag_fd(const struct sockdiag *sockdiag)
{
	return mnl_socket_get_fd(sockdiag->socket);
}

/* --- The question --- */

struct end {
	const struct inaddr *address;
	uint16_t port;
};

static bool is_ip4(const struct packet *packet)
{
	return inaddr_is_ip4(&packet->source) && inaddr_is_ip4(&packet->to);
}

static void put_address(__be32 out[4], const struct inaddr *address, bool ip4)
{
	if (ip4)
		memcpy(out, address->bytes + 12, 4);
	else
		memcpy(out, address->bytes, 16);
}

static void fill(struct inet_diag_req_v2 *question, const struct packet *packet, uint32_t interface)
{
	const struct end here = {&packet->source, packet->source_port};
	const struct end there = {&packet->to, packet->port};
	bool swapped = packet->protocol == IPPROTO_UDP, ip4 = is_ip4(packet);
	const struct end *first = swapped ? &there : &here, *second = swapped ? &here : &there;

	memset(question, 0, sizeof(*question));
	question->sdiag_family = ip4 ? AF_INET : AF_INET6;
	question->sdiag_protocol = packet->protocol;
	question->idiag_states = ~0u;
	question->id.idiag_sport = htobe16(first->port);
	question->id.idiag_dport = htobe16(second->port);
	put_address(question->id.idiag_src, first->address, ip4);
	put_address(question->id.idiag_dst, second->address, ip4);
	question->id.idiag_if = interface;
	question->id.idiag_cookie[0] = question->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

static int ask(struct sockdiag *sockdiag, const struct packet *packet, uint32_t interface)
{
	alignas(8) uint8_t bytes[QUESTION_MAX];
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	ssize_t sent;

	head->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	head->nlmsg_flags = NLM_F_REQUEST;
	head->nlmsg_seq = ++sockdiag->sequence;
	fill(mnl_nlmsg_put_extra_header(head, sizeof(struct inet_diag_req_v2)), packet, interface);
	do
		sent = mnl_socket_sendto(sockdiag->socket, head, head->nlmsg_len);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* --- The answer --- */

static int read_attribute(const struct nlattr *attribute, void *context)
{
	struct sockdiag_owner *owner = context;

	if (mnl_attr_get_type(attribute) == ATTRIBUTE_CGROUP &&
		mnl_attr_get_payload_len(attribute) == sizeof(uint64_t))
		owner->cgroup = mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

static int read_error(const struct nlmsghdr *message)
{
	int error = message_error(message);

	return error < 0 && error >= -4095 ? error : -EPROTO;
}

/* Whether what was found has sent the packet, or can have. */
static bool is_sender(const struct inet_diag_msg *found, const struct packet *packet)
{
	if (be16toh(found->id.idiag_sport) != packet->source_port)
		return false;
	if (packet->protocol == IPPROTO_UDP)
		return found->id.idiag_dport == 0 || be16toh(found->id.idiag_dport) == packet->port;
	return found->idiag_state != TCP_LISTEN && found->idiag_state != TCP_TIME_WAIT &&
	       be16toh(found->id.idiag_dport) == packet->port;
}

int sockdiag_take(const void *bytes, size_t size, uint32_t sequence, const struct packet *packet,
	struct sockdiag_owner *ret_owner)
{
	const struct nlmsghdr *message = bytes;
	struct inet_diag_msg found;
	struct sockdiag_owner owner = {.cgroup = 0};

	if (size > REPLY_MAX || !message_is_whole(message, (int)size))
		return -EPROTO;
	if (message->nlmsg_seq != sequence)
		return -EAGAIN;
	if (message->nlmsg_type == NLMSG_ERROR)
		return read_error(message);
	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		mnl_nlmsg_get_payload_len(message) < sizeof(found))
		return -EPROTO;
	memcpy(&found, mnl_nlmsg_get_payload(message), sizeof(found));
	if (!is_sender(&found, packet))
		return -ENOENT;
	owner.user = found.idiag_uid;
	message_attributes(message, sizeof(found), read_attribute, &owner);
	if (owner.cgroup == 0)
		return -ENODATA;
	*ret_owner = owner;
	return 0;
}

/* Reads the answer, which waits; -EAGAIN: it is one to an earlier question. */
static int receive(
	struct sockdiag *sockdiag, const struct packet *packet, struct sockdiag_owner *ret_owner)
{
	struct sockaddr_nl from = {.nl_family = AF_NETLINK};
	socklen_t from_size = sizeof(from);
	ssize_t size = recvfrom(sockdiag_fd(sockdiag), sockdiag->reply, REPLY_MAX, MSG_DONTWAIT,
		(struct sockaddr *)&from, &from_size);

	if (size < 0)
		return errno == EAGAIN ? -EIO : errno == EINTR ? -EAGAIN : -errno;
	if (from.nl_pid != 0) /* another process's */
		return -EAGAIN;
	return sockdiag_take(sockdiag->reply, (size_t)size, sockdiag->sequence, packet, ret_owner);
}

int sockdiag_find(struct sockdiag *sockdiag, const struct packet *packet, uint32_t interface,
	struct sockdiag_owner *ret_owner)
{
	int error;

	if (!packet->has_ports ||
		(packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP))
		return -EPROTONOSUPPORT;
	error = ask(sockdiag, packet, interface);
	if (error)
		return error;
	for (unsigned i = 0; i < STALE_MAX; i++) {
		error = receive(sockdiag, packet, ret_owner);
		if (error != -EAGAIN)
			return error;
	}
	return -EIO;
}
