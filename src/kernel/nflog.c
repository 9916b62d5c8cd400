/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/nflog.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * One socket holds the group, and what it hasn't read waits in its buffer. The kernel numbers what
 * it sends (NFULA_SEQ); a gap is what found no room there. It looks at who asks for a group, and
 * not at who reads: so the socket is opened by a process with CAP_NET_ADMIN and read by one without
 * (net/netfilter/nfnetlink_log.c: nfulnl_recv_config; tried on Linux 6.18).
 *
 * A group that another socket has is answered with EPERM, like a missing privilege: which of the
 * two it is shows in a request that is about no group.
 *
 * The kernel would collect packets for a second before it sends them, and what it has collected
 * can't be asked for. It is told to send each at once: they are few, as the ruleset bounds their
 * rate.
 */

enum {
	RECEIVE_BYTES = 4 << 20, /* that may wait */
	COPY_BYTES = 128,        /* of a packet: its headers */
	COLLECTED = 1,           /* packets in a message */
	MESSAGE_BYTES = 1 << 15,
	REPLY_MAX = 1 << 16,
};

struct nflog {
	struct mnl_socket *socket;
	uint32_t sequence; /* of the requests */
	bool counts;       /* a packet has come: */
	uint32_t next;     /* number of the one behind it */
	alignas(8) uint8_t reply[REPLY_MAX];
};

/* --- Opening --- */

static struct nlmsghdr *put_head(struct nflog *nflog, uint8_t *bytes, uint16_t group)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(head, sizeof(*generic));

	head->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	head->nlmsg_seq = ++nflog->sequence;
	generic->nfgen_family = AF_UNSPEC;
	generic->version = NFNETLINK_V0;
	generic->res_id = htobe16(group);
	return head;
}

/* Sends a request and reads its acknowledgement; packets that come before are passed over. */
static int ask(struct nflog *nflog, const struct nlmsghdr *request)
{
	unsigned id = mnl_socket_get_portid(nflog->socket);

	if (mnl_socket_sendto(nflog->socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(nflog->socket, nflog->reply, REPLY_MAX);
		const struct nlmsghdr *message = (const struct nlmsghdr *)nflog->reply;

		if (size < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (size < 0)
			return -errno;
		if (message->nlmsg_type != NLMSG_ERROR)
			continue;
		return mnl_cb_run(nflog->reply, (size_t)size, nflog->sequence, id, NULL, NULL) < 0
			       ? -errno
			       : 0;
	}
}

/* Asks for what everybody with the privilege may: to bind a protocol family, which has had no
 * effect since Linux 2.6.32. */
static int ask_nothing(struct nflog *nflog)
{
	alignas(8) uint8_t bytes[256] = {0};
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_PF_BIND};
	struct nlmsghdr *request = put_head(nflog, bytes, 0);

	mnl_attr_put(request, NFULA_CFG_CMD, sizeof(command), &command);
	return ask(nflog, request);
}

static int bind_group(struct nflog *nflog, uint16_t group)
{
	alignas(8) uint8_t bytes[256] = {0};
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	struct nlmsghdr *request = put_head(nflog, bytes, group);

	mnl_attr_put(request, NFULA_CFG_CMD, sizeof(command), &command);
	return ask(nflog, request);
}

static int configure(struct nflog *nflog, uint16_t group, uint16_t flags)
{
	alignas(8) uint8_t bytes[256] = {0};
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htobe32(COPY_BYTES), .copy_mode = NFULNL_COPY_PACKET};
	struct nlmsghdr *request = put_head(nflog, bytes, group);

	mnl_attr_put(request, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(request, NFULA_CFG_NLBUFSIZ, htobe32(MESSAGE_BYTES));
	mnl_attr_put_u32(request, NFULA_CFG_QTHRESH, htobe32(COLLECTED));
	mnl_attr_put_u16(request, NFULA_CFG_FLAGS, htobe16(flags));
	return ask(nflog, request);
}

static int open_socket(struct nflog *nflog)
{
	const int bytes = RECEIVE_BYTES;
	int fd;

	nflog->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nflog->socket || mnl_socket_bind(nflog->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(nflog->socket);
	/* In a user namespace as much as others may have. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return 0;
}

int nflog_open(uint16_t group, struct nflog **ret_nflog)
{
	struct nflog *nflog = calloc(1, sizeof(*nflog));
	int error;

	if (!nflog)
		return -ENOMEM;
	error = open_socket(nflog);
	if (!error)
		error = ask_nothing(nflog);
	if (!error) {
		error = bind_group(nflog, group);
		error = error == -EPERM ? -EBUSY : error;
	}
	if (!error) {
		error = configure(nflog, group, NFULNL_CFG_F_SEQ | NFULNL_CFG_F_CONNTRACK);
		/* A kernel that tells nothing of the connection */
		if (error == -EOPNOTSUPP)
			error = configure(nflog, group, NFULNL_CFG_F_SEQ);
	}
	if (error)
		nflog_close(nflog);
	else
		*ret_nflog = nflog;
	return error;
}

void nflog_close(struct nflog *nflog)
{
	if (!nflog)
		return;
	if (nflog->socket)
		mnl_socket_close(nflog->socket);
	free(nflog);
}

int nflog_fd(const struct nflog *nflog)
{
	return mnl_socket_get_fd(nflog->socket);
}

/* --- Reading --- */

struct found {
	struct nflog_record record;
	bool has_packet;
	bool has_sequence;
	uint32_t sequence;
};

static bool read_number(const struct nlattr *attribute, uint32_t *ret_number)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(uint32_t))
		return false;
	*ret_number = be32toh(mnl_attr_get_u32(attribute));
	return true;
}

/* The kernel ends it with a NUL, which is not counted on. */
static void read_prefix(const struct nlattr *attribute, struct nflog_record *record)
{
	size_t size = mnl_attr_get_payload_len(attribute);

	if (size > NFLOG_PREFIX - 1)
		size = NFLOG_PREFIX - 1;
	memcpy(record->prefix, mnl_attr_get_payload(attribute), size);
	record->prefix[size] = '\0';
}

static int read_connection(const struct nlattr *attribute, void *context)
{
	struct found *found = context;

	if (mnl_attr_get_type(attribute) == CTA_MARK)
		read_number(attribute, &found->record.mark);
	return MNL_CB_OK;
}

static int read_attribute(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	struct nflog_record *record = &found->record;

	switch (mnl_attr_get_type(attribute)) {
	case NFULA_PREFIX:
		read_prefix(attribute, record);
		break;
	case NFULA_PAYLOAD:
		found->has_packet =
			packet_read(mnl_attr_get_payload(attribute),
				mnl_attr_get_payload_len(attribute), &record->packet) == 0;
		break;
	case NFULA_UID:
		record->has_user = read_number(attribute, &record->user);
		break;
	case NFULA_GID:
		record->has_group = read_number(attribute, &record->group);
		break;
	case NFULA_IFINDEX_OUTDEV:
		read_number(attribute, &record->interface);
		break;
	case NFULA_SEQ:
		found->has_sequence = read_number(attribute, &found->sequence);
		break;
	case NFULA_CT:
		mnl_attr_parse_nested(attribute, read_connection, found);
		break;
	}
	return MNL_CB_OK;
}

/* How many packets are missing before this one. */
static uint64_t missing_before(struct nflog *nflog, uint32_t sequence)
{
	uint32_t missing;

	if (!nflog)
		return 0;
	missing = nflog->counts ? sequence - nflog->next : 0;
	nflog->counts = true;
	nflog->next = sequence + 1;
	/* Numbers that run backwards are another group's life. */
	return missing < UINT32_MAX / 2 ? missing : 0;
}

void nflog_take(struct nflog *nflog, const void *bytes, size_t size, nflog_visit *visit,
	void *context, uint64_t *ret_lost)
{
	const struct nlmsghdr *message = bytes;
	int left = (int)size;
	uint64_t lost = 0;

	for (; message_is_whole(message, left); message = mnl_nlmsg_next(message, &left)) {
		struct found found = {.has_packet = false};

		if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
			mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
			continue;
		message_attributes(message, sizeof(struct nfgenmsg), read_attribute, &found);
		if (found.has_sequence)
			lost += missing_before(nflog, found.sequence);
		if (found.has_packet)
			visit(context, &found.record);
	}
	*ret_lost = lost;
}

int nflog_read(struct nflog *nflog, nflog_visit *visit, void *context, uint64_t *ret_lost)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(nflog_fd(nflog), nflog->reply, REPLY_MAX, MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_size);

		/* What found no room is known by its number. */
		if (size < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (size < 0 && errno == EAGAIN) {
			*ret_lost = 0;
			return 0;
		}
		if (size < 0)
			return -errno;
		if (from.nl_pid != 0) /* another process's */
			continue;
		nflog_take(nflog, nflog->reply, (size_t)size, visit, context, ret_lost);
		return 1;
	}
}
