/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/netlink.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * A transaction is one datagram: NFNL_MSG_BATCH_BEGIN, one message per change, NFNL_MSG_BATCH_END.
 * Elements of one set that follow each other share a message. It grows in a buffer that is
 * allocated with the socket, so that a commit costs one sendmsg() and one recv() and no allocation.
 *
 * nfnetlink (net/netfilter/nfnetlink.c: nfnetlink_rcv_batch) works inside sendmsg(): when that
 * returns, the transaction has happened or not, and every reply is in the queue. Replies are
 * therefore read without waiting, and nothing here can hang.
 *
 * Which replies come: an error for every message that was refused, in their order, then for the
 * last change the acknowledgement asked of it by NLM_F_ACK (an error, if it was refused itself).
 * Kernels before 6.10 don't acknowledge BATCH_END, hence the last change. Its acknowledgement
 * says only that this one change was well-formed: the transaction took effect when nothing was
 * refused before it. What goes wrong with the whole (no permission, no memory, a commit that
 * fails) is an error for BATCH_BEGIN, after which nothing more may come: then the queue is empty.
 *
 * Every message has a sequence number of its own. What is left in the queue from an earlier
 * transaction that failed carries numbers outside the present one's and is passed over.
 */

#define REPLY_MAX ((size_t)1 << 15) /* the kernel fills dumps up to 32 KiB */

#define SET_COUNT 20 /* NFTA_SET_COUNT, which older headers lack */

/* What the kernel takes of a socket's send buffer for itself (net/netlink/af_netlink.c). */
#define SEND_RESERVE 32

#define MESSAGE_SIZE (MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)))

/* What is being waited for, and what was learnt so far. */
struct exchange {
	uint32_t first; /* sequence numbers that belong to it */
	uint32_t last;
	bool ended; /* nothing more needs to be read */
	int error;  /* the first one */
	bool lossy; /* a reply was lost */

	uint32_t generation; /* of the rulesets at an answer's first part, plus 1; 0: none yet */
	bool interrupted;    /* the generation changed on the way */
	netlink_take *take;
	void *context;
	int stop; /* what the taker answered */
};

struct netlink {
	struct mnl_socket *socket;
	size_t capacity;   /* bytes of `batch` that the socket can send at once */
	uint32_t sequence; /* of the message written last */
	int error;         /* first mistake while collecting; commit answers it */

	uint32_t first;          /* sequence of BATCH_BEGIN */
	size_t used;             /* bytes of `batch`; 0: no transaction */
	struct nlmsghdr *change; /* the last one in `batch`; NULL: none */
	struct nlattr *elements; /* its list of elements; NULL: it has none */
	const char *table;       /* their table and set, in the message */
	const char *set;

	struct exchange dump; /* in parts */

	alignas(8) uint8_t reply[REPLY_MAX];
	alignas(8) uint8_t batch[];
};

uint16_t netlink_type(uint16_t message)
{
	return (NFNL_SUBSYS_NFTABLES << 8) | message;
}

/* As much of a transaction as one sendmsg() takes. More than a few hundred elements need the larger
 * buffer that only CAP_NET_ADMIN of the first user namespace may ask for. */
static size_t send_capacity(const struct mnl_socket *socket, size_t batch_max)
{
	int fd = mnl_socket_get_fd(socket);
	int wanted = (int)batch_max + SEND_RESERVE;
	int granted = 0;
	socklen_t size = sizeof(granted);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &granted, &size) || granted < SEND_RESERVE)
		return 0;
	return granted < wanted ? (size_t)granted - SEND_RESERVE : batch_max;
}

int netlink_open(size_t batch_max, struct netlink **ret_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink) + batch_max);
	int error, one = 1;

	if (!netlink)
		return -ENOMEM;
	netlink->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!netlink->socket)
		goto failed;
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID))
		goto failed;
	/* Without it an error carries the refused message, which may be as long as a batch. */
	if (mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &one, sizeof(one)))
		goto failed;
	netlink->capacity = send_capacity(netlink->socket, batch_max);
	*ret_netlink = netlink;
	return 0;

failed:
	error = -errno;
	netlink_close(netlink);
	return error;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

void netlink_closep(struct netlink **netlink)
{
	netlink_close(*netlink);
	*netlink = NULL;
}

/* Writes the head of a message at `at`: type and subsystem in `type`, the subsystem of a batch in
 * `resource`. */
static struct nlmsghdr *put_message(
	struct netlink *netlink, void *at, uint16_t type, uint16_t flags, uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++netlink->sequence;
	generic->nfgen_family = resource ? NFPROTO_UNSPEC : NFPROTO_INET;
	generic->version = NFNETLINK_V0;
	generic->res_id = htobe16(resource);
	return message;
}

void netlink_begin(struct netlink *netlink)
{
	const struct nlmsghdr *begin =
		put_message(netlink, netlink->batch, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES);

	netlink->error = 0;
	netlink->first = begin->nlmsg_seq;
	netlink->used = begin->nlmsg_len;
	netlink->change = NULL;
	netlink->elements = NULL;
}

void netlink_expect(struct netlink *netlink, uint32_t generation)
{
	struct nlmsghdr *begin = (struct nlmsghdr *)netlink->batch;

	if (!netlink->used || netlink->change || netlink->used != begin->nlmsg_len)
		netlink_fail(netlink, -EINVAL);
	else if (generation != 0)
		mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htobe32(generation));
	netlink->used = begin->nlmsg_len;
}

uint32_t netlink_next_generation(uint32_t generation)
{
	return generation == UINT32_MAX ? 1 : generation + 1;
}

size_t netlink_room(const struct netlink *netlink)
{
	size_t taken = netlink->used + MESSAGE_SIZE; /* and BATCH_END */

	if (!netlink->used || netlink->error || taken >= netlink->capacity)
		return 0;
	return netlink->capacity - taken;
}

void netlink_fail(struct netlink *netlink, int error)
{
	if (!netlink->error)
		netlink->error = error;
}

/* Whether `size` bytes more can be collected; if not, the commit will say why. */
static bool may_collect(struct netlink *netlink, size_t size)
{
	if (!netlink->used)
		netlink_fail(netlink, -EINVAL);
	else if (netlink_room(netlink) < size)
		netlink_fail(netlink, -EMSGSIZE);
	return !netlink->error;
}

struct nlmsghdr *netlink_change(struct netlink *netlink, uint16_t type, uint16_t flags, size_t size)
{
	if (!may_collect(netlink, MESSAGE_SIZE + size))
		return NULL;
	netlink->change =
		put_message(netlink, netlink->batch + netlink->used, netlink_type(type), flags, 0);
	netlink->elements = NULL;
	return netlink->change;
}

void netlink_changed(struct netlink *netlink)
{
	const uint8_t *end = mnl_nlmsg_get_payload_tail(netlink->change);

	netlink->used = (size_t)(end - netlink->batch);
}

/* Whether an element can go into the list of the last change. A nested attribute counts its length
 * in 16 bits. */
static bool joins_list(const struct netlink *netlink, uint16_t type, uint16_t flags,
	const char *table, const char *set, size_t size)
{
	return netlink->elements && netlink->change->nlmsg_type == netlink_type(type) &&
	       netlink->change->nlmsg_flags == (NLM_F_REQUEST | flags) &&
	       netlink->elements->nla_len + size <= UINT16_MAX && strcmp(netlink->set, set) == 0 &&
	       strcmp(netlink->table, table) == 0;
}

struct nlmsghdr *netlink_list(struct netlink *netlink, uint16_t type, uint16_t flags,
	const char *table, const char *set, size_t size)
{
	struct nlmsghdr *change;

	if (!may_collect(netlink, size + NETLINK_LIST))
		return NULL;
	if (joins_list(netlink, type, flags, table, set, size))
		return netlink->change;
	change = netlink_change(netlink, type, flags, size + NETLINK_LIST - MESSAGE_SIZE);
	if (!change)
		return NULL;
	netlink->table = (const char *)mnl_nlmsg_get_payload_tail(change) + MNL_ATTR_HDRLEN;
	mnl_attr_put_strz(change, NFTA_SET_ELEM_LIST_TABLE, table);
	netlink->set = (const char *)mnl_nlmsg_get_payload_tail(change) + MNL_ATTR_HDRLEN;
	mnl_attr_put_strz(change, NFTA_SET_ELEM_LIST_SET, set);
	netlink->elements = mnl_attr_nest_start(change, NFTA_SET_ELEM_LIST_ELEMENTS);
	return change;
}

void netlink_listed(struct netlink *netlink)
{
	mnl_attr_nest_end(netlink->change, netlink->elements);
	netlink_changed(netlink);
}

static int send_bytes(const struct netlink *netlink, const void *bytes, size_t size)
{
	ssize_t sent;

	do
		sent = mnl_socket_sendto(netlink->socket, bytes, size);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The size of the next datagram from the kernel, in `reply`; -EAGAIN when there is none. */
static ssize_t receive(struct netlink *netlink)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(mnl_socket_get_fd(netlink->socket), netlink->reply,
			REPLY_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_size);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (from.nl_pid != 0) /* another process's */
			continue;
		return (size_t)size > REPLY_MAX ? -EPROTO : size;
	}
}

static void note_error(struct exchange *exchange, int error)
{
	if (!exchange->error)
		exchange->error = error;
}

/* Each part of a dump carries the low bits of the generation. The kernel sets NLM_F_DUMP_INTR in
 * dumps of some things only (nf_tables_api.c: nf_tables_dump_set). */
static void compare_generation(struct exchange *exchange, const struct nlmsghdr *part)
{
	const struct nfgenmsg *generic = mnl_nlmsg_get_payload(part);

	if (mnl_nlmsg_get_payload_len(part) < sizeof(*generic))
		return;
	if (!exchange->generation)
		exchange->generation = generic->res_id + 1U;
	if (exchange->generation != generic->res_id + 1U)
		exchange->interrupted = true;
}

static void take_reply(struct exchange *exchange, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == NLMSG_ERROR || reply->nlmsg_type == NLMSG_DONE) {
		note_error(exchange, message_error(reply));
		exchange->ended = reply->nlmsg_seq == exchange->last;
	} else if (exchange->take && !exchange->stop &&
		   reply->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES) {
		compare_generation(exchange, reply);
		exchange->stop = exchange->take(exchange->context, reply);
	}
}

/* Hands the messages of `reply` that belong to the exchange to it, until it has ended. */
static void take_replies(struct netlink *netlink, struct exchange *exchange, int size)
{
	const struct nlmsghdr *reply = (const struct nlmsghdr *)netlink->reply;

	for (; mnl_nlmsg_ok(reply, size) && !exchange->ended; reply = mnl_nlmsg_next(reply, &size))
		if (reply->nlmsg_seq - exchange->first <= exchange->last - exchange->first)
			take_reply(exchange, reply);
}

/*
 * Reads until the exchange has ended or the queue is empty; 0 or the exchange's first error.
 * -ENOBUFS when it has none and a reply is missing: there was no memory for it, or no room in the
 * queue (ENOBUFS from the socket). What is in the queue is still read. Without all replies nothing
 * is known: the end may say that all is well when the error before it was lost.
 */
static int read_replies(struct netlink *netlink, struct exchange *exchange)
{
	while (!exchange->ended) {
		ssize_t size = receive(netlink);

		exchange->lossy |= size == -ENOBUFS;
		if (size == -ENOBUFS)
			continue;
		if (size < 0 && exchange->error)
			return exchange->error;
		if (size < 0)
			return size == -EAGAIN ? -ENOBUFS : (int)size;
		take_replies(netlink, exchange, (int)size);
	}
	return exchange->lossy && !exchange->error ? -ENOBUFS : exchange->error;
}

int netlink_commit(struct netlink *netlink)
{
	struct exchange exchange = {.first = netlink->first};
	const struct nlmsghdr *end;
	size_t used = netlink->used;
	int error;

	netlink->used = 0;
	if (netlink->error || !used || !netlink->change)
		return netlink->error;
	exchange.last = netlink->change->nlmsg_seq;
	netlink->change->nlmsg_flags |= NLM_F_ACK;
	end = put_message(
		netlink, netlink->batch + used, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES);
	error = send_bytes(netlink, netlink->batch, used + end->nlmsg_len);
	return error ? error : read_replies(netlink, &exchange);
}

struct nlmsghdr *netlink_question(
	struct netlink *netlink, struct netlink_question *question, uint16_t type, uint16_t flags)
{
	/* libmnl leaves what attributes are filled up with as it is. */
	memset(question, 0, sizeof(*question));
	return put_message(netlink, question->bytes, netlink_type(type), flags, 0);
}

int netlink_ask(
	struct netlink *netlink, const struct nlmsghdr *question, netlink_take *take, void *context)
{
	struct exchange exchange = {
		.first = question->nlmsg_seq,
		.last = question->nlmsg_seq,
		.take = take,
		.context = context,
	};
	int error = send_bytes(netlink, question, question->nlmsg_len);

	if (error == 0)
		error = read_replies(netlink, &exchange);
	if (exchange.stop)
		return exchange.stop;
	if (error)
		return error;
	return exchange.interrupted ? -EINTR : 0;
}

int netlink_dump_start(struct netlink *netlink, const struct nlmsghdr *question)
{
	netlink->dump = (struct exchange){
		.first = question->nlmsg_seq,
		.last = question->nlmsg_seq,
	};
	return send_bytes(netlink, question, question->nlmsg_len);
}

/* The kernel makes the next part while it hands out this one (af_netlink.c: netlink_recvmsg); when
 * that failed nothing more would come. */
int netlink_dump_next(struct netlink *netlink, netlink_take *take, void *context, bool *ret_ended)
{
	struct exchange *dump = &netlink->dump;
	ssize_t size = receive(netlink);

	if (size < 0)
		return size == -EAGAIN ? -ENOBUFS : (int)size;
	dump->take = take;
	dump->context = context;
	take_replies(netlink, dump, (int)size);
	if (dump->stop || dump->error)
		return dump->stop ? dump->stop : dump->error;
	*ret_ended = dump->ended;
	return dump->ended && dump->interrupted ? -EINTR : 0;
}

static int read_generation(const struct nlattr *attribute, void *context)
{
	uint32_t *generation = context;

	if (mnl_attr_get_type(attribute) == NFTA_GEN_ID &&
		mnl_attr_get_payload_len(attribute) == sizeof(*generation))
		*generation = be32toh(mnl_attr_get_u32(attribute));
	return MNL_CB_OK;
}

static int take_generation(void *context, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == netlink_type(NFT_MSG_NEWGEN))
		message_attributes(reply, sizeof(struct nfgenmsg), read_generation, context);
	return 0;
}

int netlink_generation(struct netlink *netlink, uint32_t *ret_generation)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(netlink, &bytes, NFT_MSG_GETGEN, NLM_F_ACK);
	uint32_t generation = 0;
	int error = netlink_ask(netlink, question, take_generation, &generation);

	if (!error && generation == 0)
		error = -EPROTO;
	if (!error)
		*ret_generation = generation;
	return error;
}

static int get_count(const struct nlattr *attribute, void *context)
{
	int64_t *count = context;

	if (mnl_attr_get_type(attribute) == SET_COUNT &&
		mnl_attr_get_payload_len(attribute) == sizeof(uint32_t))
		*count = be32toh(mnl_attr_get_u32(attribute));
	return MNL_CB_OK;
}

int netlink_take_count(void *context, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == netlink_type(NFT_MSG_NEWSET))
		message_attributes(reply, sizeof(struct nfgenmsg), get_count, context);
	return 0;
}
