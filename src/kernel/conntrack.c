/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/conntrack.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/message.h"
#include "src/kernel/netns.h"

/*
 * Theory of operation
 *
 * One dump is asked for and read to its end. The kernel makes its parts as they are read
 * (net/netlink/af_netlink.c: netlink_recvmsg), so that the next one is always there: nothing waits
 * here. CTA_MARK with CTA_MARK_MASK has been a filter since before there was CTA_FILTER
 * (net/netfilter/nf_conntrack_netlink.c: ctnetlink_alloc_filter); as a kernel that doesn't know it
 * would tell all flows, marks are compared here again.
 *
 * Where a flow goes is read from its reply direction: that is the address after any translation,
 * and so what the filter hooks, which come behind it, have judged.
 *
 * Who is told of beginnings and ends reads messages that the kernel sends by itself to those who
 * joined their groups, which takes a capability, and reading them none. A flow begins when its
 * first packet has passed all rules, so it has its mark. The messages have no numbers: when the
 * socket's buffer was full that is all that is known. The kernel tells only of flows that began
 * while somebody listened (net.netfilter.nf_conntrack_events is 2, "auto", unless it was changed).
 *
 * A walk that its visitor ends is read to its end all the same: a socket has one dump at a time.
 */

#define REPLY_MAX ((size_t)1 << 15) /* the kernel fills dumps up to 32 KiB */
#define ENDS_BYTES (4 << 20)        /* of messages that may wait */

struct conntrack {
	struct mnl_socket *socket;
	uint32_t sequence;
	alignas(8) uint8_t reply[REPLY_MAX];
};

struct walk {
	uint32_t mark;
	uint32_t mask;
	conntrack_visit *visit;
	void *context;
	int stop; /* what the visitor answered */
};

/* A flow as far as it was read. */
struct found {
	struct conntrack_flow flow;
	bool has_address;
};

static int open_socket(uint32_t groups, struct conntrack **ret_conntrack)
{
	struct conntrack *conntrack = calloc(1, sizeof(*conntrack));
	int error;

	if (!conntrack)
		return -ENOMEM;
	conntrack->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (conntrack->socket &&
		mnl_socket_bind(conntrack->socket, groups, MNL_SOCKET_AUTOPID) == 0) {
		*ret_conntrack = conntrack;
		return 0;
	}
	error = -errno;
	conntrack_close(conntrack);
	return error;
}

int conntrack_open(struct conntrack **ret_conntrack)
{
	return open_socket(0, ret_conntrack);
}

int conntrack_open_ends(struct conntrack **ret_conntrack)
{
	const int bytes = ENDS_BYTES;
	int error =
		open_socket(NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_DESTROY, ret_conntrack);

	if (error)
		return error;
	/* In a user namespace as much as others may have. */
	if (setsockopt(conntrack_fd(*ret_conntrack), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		    sizeof(bytes)) < 0)
		setsockopt(
			conntrack_fd(*ret_conntrack), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return 0;
}

int conntrack_count_bytes(void)
{
	int error = netns_set("net/netfilter/nf_conntrack_acct", "1");
	int stamped = netns_set("net/netfilter/nf_conntrack_timestamp", "1");

	return error ? error : stamped;
}

int conntrack_fd(const struct conntrack *conntrack)
{
	return mnl_socket_get_fd(conntrack->socket);
}

void conntrack_close(struct conntrack *conntrack)
{
	if (!conntrack)
		return;
	if (conntrack->socket)
		mnl_socket_close(conntrack->socket);
	free(conntrack);
}

/* --- A flow --- */

static int read_ip(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	const uint8_t *bytes = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == CTA_IP_V4_SRC && size == 4)
		found->flow.to = inaddr_from_ip4(bytes);
	else if (mnl_attr_get_type(attribute) == CTA_IP_V6_SRC && size == 16)
		found->flow.to = inaddr_from_ip6(bytes);
	else
		return MNL_CB_OK;
	found->has_address = true;
	return MNL_CB_OK;
}

static int read_protocol(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	size_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == CTA_PROTO_NUM && size == sizeof(uint8_t))
		found->flow.protocol = mnl_attr_get_u8(attribute);
	else if (mnl_attr_get_type(attribute) == CTA_PROTO_SRC_PORT && size == sizeof(uint16_t))
		found->flow.port = be16toh(mnl_attr_get_u16(attribute));
	return MNL_CB_OK;
}

static int read_tuple(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == CTA_TUPLE_IP)
		mnl_attr_parse_nested(attribute, read_ip, context);
	else if (mnl_attr_get_type(attribute) == CTA_TUPLE_PROTO)
		mnl_attr_parse_nested(attribute, read_protocol, context);
	return MNL_CB_OK;
}

static int read_tcp(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	uint8_t state;

	if (mnl_attr_get_type(attribute) != CTA_PROTOINFO_TCP_STATE ||
		mnl_attr_get_payload_len(attribute) != sizeof(state))
		return MNL_CB_OK;
	state = mnl_attr_get_u8(attribute);
	found->flow.over = state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
	return MNL_CB_OK;
}

static int read_protocol_state(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == CTA_PROTOINFO_TCP)
		mnl_attr_parse_nested(attribute, read_tcp, context);
	return MNL_CB_OK;
}

static int read_flow(const struct nlattr *attribute, void *context)
{
	struct found *found = context;

	switch (mnl_attr_get_type(attribute)) {
	case CTA_TUPLE_REPLY:
		mnl_attr_parse_nested(attribute, read_tuple, found);
		break;
	case CTA_TUPLE_ORIG:
		found->flow.tuple = attribute;
		break;
	case CTA_ZONE:
		found->flow.zone = attribute;
		break;
	case CTA_MARK:
		found->flow.mark = attribute_u32(attribute);
		break;
	case CTA_ID:
		found->flow.id = attribute_u32(attribute);
		break;
	case CTA_STATUS:
		found->flow.answered = attribute_u32(attribute) & IPS_SEEN_REPLY;
		break;
	case CTA_PROTOINFO:
		mnl_attr_parse_nested(attribute, read_protocol_state, found);
		break;
	}
	return MNL_CB_OK;
}

struct counted {
	uint64_t bytes;
	uint64_t packets;
};

static int read_counter(const struct nlattr *attribute, void *context)
{
	struct counted *counted = context;

	if (mnl_attr_get_type(attribute) == CTA_COUNTERS_BYTES)
		counted->bytes = attribute_u64(attribute);
	else if (mnl_attr_get_type(attribute) == CTA_COUNTERS_PACKETS)
		counted->packets = attribute_u64(attribute);
	return MNL_CB_OK;
}

static void read_counters(const struct nlattr *attribute, struct conntrack_flow *flow)
{
	struct counted counted = {0, 0};

	mnl_attr_parse_nested(attribute, read_counter, &counted);
	flow->has_bytes = true;
	if (mnl_attr_get_type(attribute) == CTA_COUNTERS_ORIG) {
		flow->bytes_out = counted.bytes;
		flow->packets_out = counted.packets;
	} else {
		flow->bytes_in = counted.bytes;
		flow->packets_in = counted.packets;
	}
}

static int read_time(const struct nlattr *attribute, void *context)
{
	struct found *found = context;

	if (mnl_attr_get_type(attribute) == CTA_TIMESTAMP_START)
		found->flow.started = attribute_u64(attribute);
	else if (mnl_attr_get_type(attribute) == CTA_TIMESTAMP_STOP)
		found->flow.stopped = attribute_u64(attribute);
	return MNL_CB_OK;
}

static int read_account(const struct nlattr *attribute, void *context)
{
	struct found *found = context;

	switch (mnl_attr_get_type(attribute)) {
	case CTA_COUNTERS_ORIG:
	case CTA_COUNTERS_REPLY:
		read_counters(attribute, &found->flow);
		break;
	case CTA_TIMESTAMP:
		mnl_attr_parse_nested(attribute, read_time, found);
		break;
	}
	return MNL_CB_OK;
}

static void take_flow(struct walk *walk, const struct nlmsghdr *message, bool begins)
{
	struct found found = {.flow.begins = begins};

	if (walk->stop || message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK)
		return;
	message_attributes(message, sizeof(struct nfgenmsg), read_flow, &found);
	message_attributes(message, sizeof(struct nfgenmsg), read_account, &found);
	if (found.has_address && (found.flow.mark & walk->mask) == (walk->mark & walk->mask))
		walk->stop = walk->visit(walk->context, &found.flow);
}

/* --- The dump --- */

/* The message to send, in `bytes`. */
static struct nlmsghdr *put_head(
	struct conntrack *conntrack, uint8_t *bytes, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(head, sizeof(*generic));

	head->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	head->nlmsg_flags = NLM_F_REQUEST | flags;
	head->nlmsg_seq = ++conntrack->sequence;
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	return head;
}

static int send_message(struct conntrack *conntrack, const struct nlmsghdr *message)
{
	ssize_t sent;

	do
		sent = mnl_socket_sendto(conntrack->socket, message, message->nlmsg_len);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int ask(struct conntrack *conntrack, const struct walk *walk)
{
	alignas(8) uint8_t bytes[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *question =
		put_head(conntrack, bytes, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);

	if (walk->mask != 0) {
		mnl_attr_put_u32(question, CTA_MARK, htobe32(walk->mark));
		mnl_attr_put_u32(question, CTA_MARK_MASK, htobe32(walk->mask));
	}
	return send_message(conntrack, question);
}

/* The size of the next datagram from the kernel, or -errno. */
static ssize_t receive(struct conntrack *conntrack)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(mnl_socket_get_fd(conntrack->socket), conntrack->reply,
			REPLY_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_size);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? -EIO : -errno;
		if (from.nl_pid != 0) /* another process's */
			continue;
		return (size_t)size > REPLY_MAX ? -EPROTO : size;
	}
}

/* Takes the messages of one datagram. 1: there is more to come; 0: that was all; or -errno. */
static int take_part(struct conntrack *conntrack, struct walk *walk, int size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)conntrack->reply;

	for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
		if (message->nlmsg_seq != conntrack->sequence)
			continue;
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return message_error(message);
		take_flow(walk, message, false);
	}
	return 1;
}

int conntrack_walk(struct conntrack *conntrack, uint32_t mark, uint32_t mask,
	conntrack_visit *visit, void *context)
{
	struct walk walk = {.mark = mark, .mask = mask, .visit = visit, .context = context};
	int more = ask(conntrack, &walk);

	if (more < 0)
		return more;
	do {
		ssize_t size = receive(conntrack);

		more = size < 0 ? (int)size : take_part(conntrack, &walk, (int)size);
	} while (more > 0);
	return walk.stop ? walk.stop : more;
}

/* --- Beginnings and ends --- */

enum {
	MESSAGE_NEW = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
	MESSAGE_END = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
};

/* Changes of a flow come as the same message, without these. */
static bool is_beginning(const struct nlmsghdr *message)
{
	const uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;

	return message->nlmsg_type == MESSAGE_NEW && (message->nlmsg_flags & flags) == flags;
}

void conntrack_take_ends(const void *bytes, size_t size, conntrack_visit *visit, void *context)
{
	struct walk walk = {.visit = visit, .context = context};
	const struct nlmsghdr *message = bytes;
	int left = (int)size;

	for (; message_is_whole(message, left); message = mnl_nlmsg_next(message, &left)) {
		bool begins = is_beginning(message);

		if ((begins || message->nlmsg_type == MESSAGE_END) &&
			mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
			take_flow(&walk, message, begins);
	}
}

int conntrack_read_ends(struct conntrack *conntrack, conntrack_visit *visit, void *context)
{
	ssize_t size = receive(conntrack);

	/* That is what an empty socket is to a walk. */
	if (size == -EIO)
		return 0;
	if (size < 0)
		return (int)size;
	conntrack_take_ends(conntrack->reply, (size_t)size, visit, context);
	return 1;
}

/* --- Changes --- */

/* Without NLM_F_CREATE a flow that isn't there is an error. */
int conntrack_unmark(struct conntrack *conntrack, const struct conntrack_flow *flow)
{
	alignas(8) uint8_t bytes[MNL_NLMSG_HDRLEN + 512];
	uint8_t family = inaddr_is_ip4(&flow->to) ? AF_INET : AF_INET6;
	struct nlmsghdr *change = put_head(conntrack, bytes, IPCTNL_MSG_CT_NEW, NLM_F_ACK, family);
	struct walk nothing = {.stop = 1};
	int error;

	if (!flow->tuple ||
		!mnl_attr_put_check(change, sizeof(bytes), CTA_TUPLE_ORIG | NLA_F_NESTED,
			mnl_attr_get_payload_len(flow->tuple), mnl_attr_get_payload(flow->tuple)))
		return -EINVAL;
	if (flow->zone &&
		!mnl_attr_put_check(change, sizeof(bytes), CTA_ZONE,
			mnl_attr_get_payload_len(flow->zone), mnl_attr_get_payload(flow->zone)))
		return -EINVAL;
	if (!mnl_attr_put_u32_check(change, sizeof(bytes), CTA_MARK, 0))
		return -EINVAL;
	error = send_message(conntrack, change);
	while (!error) {
		ssize_t size = receive(conntrack);

		error = size < 0 ? (int)size : take_part(conntrack, &nothing, (int)size);
		if (error <= 0)
			break;
		error = 0;
	}
	return error == -ENOENT ? 0 : error;
}
