/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/setlink.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Theory of operation
 *
 * A transaction is one datagram: NFNL_MSG_BATCH_BEGIN, one message per run of changes of the same
 * kind in the same set, NFNL_MSG_BATCH_END. It grows in a buffer that is allocated with the socket,
 * so that a commit costs one sendmsg() and one recv() and no allocation.
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

#define BATCH_MAX ((size_t)1 << 20)
#define REPLY_MAX ((size_t)1 << 15) /* the kernel fills dumps up to 32 KiB */

/* What the kernel takes of a socket's send buffer for itself (net/netlink/af_netlink.c). */
#define SEND_RESERVE 32

#define MESSAGE_SIZE (MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)))
#define ATTRIBUTE_SIZE(size) (MNL_ATTR_HDRLEN + MNL_ALIGN(size))

/* A list element, its key and its value in two nested attributes each, its time-out and how much of
 * that is left. */
#define ELEMENT_SIZE                                                                               \
	(MNL_ATTR_HDRLEN + MNL_ATTR_HDRLEN + ATTRIBUTE_SIZE(SETLINK_KEY_MAX) + MNL_ATTR_HDRLEN +   \
		ATTRIBUTE_SIZE(sizeof(uint32_t)) + 2 * ATTRIBUTE_SIZE(sizeof(uint64_t)))

/* The longest change: one element in a message of its own. */
#define CHANGE_SIZE                                                                                \
	(MESSAGE_SIZE + 2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN) + MNL_ATTR_HDRLEN + ELEMENT_SIZE)

struct setlink {
	struct mnl_socket *socket;
	size_t capacity;   /* bytes of `batch` that the socket can send at once */
	uint32_t sequence; /* of the message written last */
	int error;         /* first mistake while collecting; commit answers it */

	uint32_t first;          /* sequence of BATCH_BEGIN */
	size_t used;             /* bytes of `batch`; 0: no transaction */
	struct nlmsghdr *change; /* the last one in `batch`; NULL: none */
	struct nlattr *elements; /* its list of elements; NULL: it has none */
	const char *set;         /* its set */
	char table[NFT_NAME_MAXLEN];

	alignas(8) uint8_t reply[REPLY_MAX];
	alignas(8) uint8_t batch[BATCH_MAX];
};

/* What is being waited for, and what was learnt so far. */
struct exchange {
	uint32_t first; /* sequence numbers that belong to it */
	uint32_t last;
	void (*take)(struct exchange *exchange, const struct nlmsghdr *reply);
	bool ended; /* nothing more needs to be read */
	int error;  /* the first one */

	uint32_t generation; /* of the rulesets at a dump's first part, plus 1; 0: none yet */
	bool interrupted;    /* the generation changed on the way */
	setlink_visit *visit;
	void *context;
	int stop; /* what the visitor answered */
};

/* As much of a transaction as one sendmsg() takes. More than a few hundred elements need the larger
 * buffer that only CAP_NET_ADMIN may ask for; in a user namespace older kernels give less. */
static size_t send_capacity(const struct mnl_socket *socket)
{
	int fd = mnl_socket_get_fd(socket);
	int wanted = BATCH_MAX + SEND_RESERVE;
	int granted = 0;
	socklen_t size = sizeof(granted);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &granted, &size) || granted < SEND_RESERVE)
		return 0;
	return granted < wanted ? (size_t)granted - SEND_RESERVE : BATCH_MAX;
}

int setlink_open(struct setlink **ret_link)
{
	struct setlink *link = calloc(1, sizeof(*link));
	int error, one = 1;

	if (!link)
		return -ENOMEM;
	link->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!link->socket)
		goto failed;
	if (mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID))
		goto failed;
	/* Without it an error carries the refused message, which may be as long as a batch. */
	if (mnl_socket_setsockopt(link->socket, NETLINK_CAP_ACK, &one, sizeof(one)))
		goto failed;
	link->capacity = send_capacity(link->socket);
	*ret_link = link;
	return 0;

failed:
	error = -errno;
	setlink_close(link);
	return error;
}

void setlink_close(struct setlink *link)
{
	if (!link)
		return;
	if (link->socket)
		mnl_socket_close(link->socket);
	free(link);
}

void setlink_closep(struct setlink **link)
{
	setlink_close(*link);
	*link = NULL;
}

/* Writes the head of a message at `at`: type and subsystem in `type`, the subsystem of a batch in
 * `resource`. */
static struct nlmsghdr *put_message(
	struct setlink *link, void *at, uint16_t type, uint16_t flags, uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++link->sequence;
	generic->nfgen_family = resource ? NFPROTO_UNSPEC : NFPROTO_INET;
	generic->version = NFNETLINK_V0;
	generic->res_id = htobe16(resource);
	return message;
}

static uint16_t table_message(uint16_t message)
{
	return (NFNL_SUBSYS_NFTABLES << 8) | message;
}

void setlink_begin(struct setlink *link, const char *table)
{
	size_t length = strlen(table);
	const struct nlmsghdr *begin;

	link->error = length < sizeof(link->table) ? 0 : -ENAMETOOLONG;
	if (!link->error)
		memcpy(link->table, table, length + 1);
	begin = put_message(link, link->batch, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES);
	link->first = begin->nlmsg_seq;
	link->used = begin->nlmsg_len;
	link->change = NULL;
	link->elements = NULL;
	link->set = NULL;
}

size_t setlink_room(const struct setlink *link)
{
	size_t taken = link->used + MESSAGE_SIZE; /* and BATCH_END */

	if (!link->used || link->error || taken >= link->capacity)
		return 0;
	return (link->capacity - taken) / CHANGE_SIZE;
}

/* Whether one more change can be collected; if not, the commit will say why. */
static bool may_collect(struct setlink *link, const char *set)
{
	if (link->error)
		return false;
	if (!link->used)
		link->error = -EINVAL;
	else if (strlen(set) >= NFT_NAME_MAXLEN)
		link->error = -ENAMETOOLONG;
	else if (setlink_room(link) == 0)
		link->error = -EMSGSIZE;
	return !link->error;
}

static void start_change(struct setlink *link, uint16_t type, uint16_t flags, const char *set)
{
	void *end = link->batch + link->used;
	struct nlmsghdr *change = put_message(link, end, table_message(type), flags, 0);
	const struct nlattr *name;

	mnl_attr_put_strz(change, NFTA_SET_ELEM_LIST_TABLE, link->table);
	name = mnl_nlmsg_get_payload_tail(change);
	mnl_attr_put_strz(change, NFTA_SET_ELEM_LIST_SET, set);
	link->change = change;
	link->elements = NULL;
	link->set = mnl_attr_get_payload(name);
	link->used += change->nlmsg_len;
}

/* Whether an element can go into the list of the last change. A nested attribute counts its length
 * in 16 bits. */
static bool joins_change(const struct setlink *link, uint16_t type, const char *set)
{
	return link->elements && link->change->nlmsg_type == table_message(type) &&
	       link->elements->nla_len + ELEMENT_SIZE <= UINT16_MAX && strcmp(link->set, set) == 0;
}

static void put_data(struct nlmsghdr *message, uint16_t type, const void *bytes, size_t size)
{
	struct nlattr *data = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(message, data);
}

static void put_element(
	struct nlmsghdr *message, const struct setlink_element *element, bool with_value)
{
	struct nlattr *item = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	uint64_t timeout = htobe64((uint64_t)element->timeout.ms);

	put_data(message, NFTA_SET_ELEM_KEY, element->key, element->key_size);
	if (with_value && element->has_mark)
		put_data(message, NFTA_SET_ELEM_DATA, &element->mark, sizeof(element->mark));
	if (with_value && timeout) {
		mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT, timeout);
		/* Without it an element that is there with the same time-out isn't refreshed
		 * (nf_tables_api.c: nft_add_set_elem). */
		mnl_attr_put_u64(message, NFTA_SET_ELEM_EXPIRATION, timeout);
	}
	mnl_attr_nest_end(message, item);
}

static void collect(struct setlink *link, uint16_t type, uint16_t flags, const char *set,
	const struct setlink_element *element)
{
	size_t before;

	if (!may_collect(link, set))
		return;
	if (element->key_size == 0 || element->key_size > SETLINK_KEY_MAX ||
		element->timeout.ms < 0) {
		link->error = -EINVAL;
		return;
	}
	if (!joins_change(link, type, set)) {
		start_change(link, type, flags, set);
		before = link->change->nlmsg_len;
		link->elements = mnl_attr_nest_start(link->change, NFTA_SET_ELEM_LIST_ELEMENTS);
	} else {
		before = link->change->nlmsg_len;
	}
	put_element(link->change, element, type == NFT_MSG_NEWSETELEM);
	mnl_attr_nest_end(link->change, link->elements);
	link->used += link->change->nlmsg_len - before;
}

void setlink_add(struct setlink *link, const char *set, const struct setlink_element *element)
{
	collect(link, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, element);
}

void setlink_delete(struct setlink *link, const char *set, const struct setlink_element *element)
{
	collect(link, NFT_MSG_DELSETELEM, 0, set, element);
}

void setlink_flush(struct setlink *link, const char *set)
{
	if (may_collect(link, set))
		start_change(link, NFT_MSG_DELSETELEM, 0, set);
}

static int send_bytes(const struct setlink *link, const void *bytes, size_t size)
{
	ssize_t sent;

	do
		sent = mnl_socket_sendto(link->socket, bytes, size);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The size of the next datagram from the kernel, in `reply`; -EAGAIN when there is none. */
static ssize_t receive(struct setlink *link)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(mnl_socket_get_fd(link->socket), link->reply, REPLY_MAX,
			MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_size);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (from.nl_pid != 0) /* another process's */
			continue;
		return (size_t)size > REPLY_MAX ? -EPROTO : size;
	}
}

/* Hands the messages of `reply` that belong to the exchange to it, until it has ended. */
static void take_replies(struct setlink *link, struct exchange *exchange, int size)
{
	const struct nlmsghdr *reply = (const struct nlmsghdr *)link->reply;

	for (; mnl_nlmsg_ok(reply, size) && !exchange->ended; reply = mnl_nlmsg_next(reply, &size))
		if (reply->nlmsg_seq - exchange->first <= exchange->last - exchange->first)
			exchange->take(exchange, reply);
}

/*
 * Reads until the exchange has ended or the queue is empty; 0 or the exchange's first error.
 * -ENOBUFS when it has none and its end is missing. A full queue (ENOBUFS from the socket) loses
 * the later replies: those that are in it are still read.
 */
static int read_replies(struct setlink *link, struct exchange *exchange)
{
	while (!exchange->ended) {
		ssize_t size = receive(link);

		if (size == -ENOBUFS)
			continue;
		if (size < 0 && exchange->error)
			return exchange->error;
		if (size < 0)
			return size == -EAGAIN ? -ENOBUFS : (int)size;
		take_replies(link, exchange, (int)size);
	}
	return exchange->error;
}

static void note_error(struct exchange *exchange, int error)
{
	if (!exchange->error)
		exchange->error = error;
}

/* The error number, 0 or negative, at the head of an NLMSG_ERROR or NLMSG_DONE message. */
static int reply_error(const struct nlmsghdr *reply)
{
	int error;

	if (mnl_nlmsg_get_payload_len(reply) < sizeof(error))
		return -EPROTO;
	memcpy(&error, mnl_nlmsg_get_payload(reply), sizeof(error));
	return error;
}

static void take_verdict(struct exchange *exchange, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type != NLMSG_ERROR)
		return;
	note_error(exchange, reply_error(reply));
	if (reply->nlmsg_seq == exchange->last)
		exchange->ended = true;
}

int setlink_commit(struct setlink *link)
{
	struct exchange exchange = {.first = link->first, .take = take_verdict};
	const struct nlmsghdr *end;
	size_t used = link->used;
	int error;

	link->used = 0;
	if (link->error || !used || !link->change)
		return link->error;
	exchange.last = link->change->nlmsg_seq;
	link->change->nlmsg_flags |= NLM_F_ACK;
	end = put_message(link, link->batch + used, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES);
	error = send_bytes(link, link->batch, used + end->nlmsg_len);
	return error ? error : read_replies(link, &exchange);
}

/* Where the bytes of an NFTA_SET_ELEM_KEY or NFTA_SET_ELEM_DATA attribute go, at most `room`. */
struct data {
	void *bytes;
	size_t room;
	size_t size;
};

static int get_value(const struct nlattr *value, void *context)
{
	struct data *data = context;
	size_t size = mnl_attr_get_payload_len(value);

	if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || size > data->room)
		return MNL_CB_OK;
	memcpy(data->bytes, mnl_attr_get_payload(value), size);
	data->size = size;
	return MNL_CB_STOP;
}

/* The size of the value found; 0 when it is of another kind (a verdict) or too long. */
static size_t get_data(const struct nlattr *attribute, void *bytes, size_t room)
{
	struct data data = {.bytes = bytes, .room = room};

	mnl_attr_parse_nested(attribute, get_value, &data);
	return data.size;
}

/* What is left of an element's time; at least 1 ms, since 0 says that it has none. */
static struct duration get_expiration(const struct nlattr *attribute)
{
	uint64_t left = 0;

	if (mnl_attr_get_payload_len(attribute) == sizeof(left))
		left = be64toh(mnl_attr_get_u64(attribute));
	return (struct duration){.ms = left ? (int64_t)left : 1};
}

static uint32_t get_flags(const struct nlattr *attribute)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(uint32_t))
		return 0;
	return be32toh(mnl_attr_get_u32(attribute));
}

struct found {
	struct setlink_element element;
	uint32_t flags;
};

static int get_part(const struct nlattr *part, void *context)
{
	struct found *found = context;
	struct setlink_element *element = &found->element;
	uint32_t mark;

	switch (mnl_attr_get_type(part)) {
	case NFTA_SET_ELEM_KEY:
		element->key_size = get_data(part, element->key, sizeof(element->key));
		break;
	case NFTA_SET_ELEM_DATA:
		element->has_mark = get_data(part, &mark, sizeof(mark)) == sizeof(mark);
		element->mark = element->has_mark ? mark : 0;
		break;
	case NFTA_SET_ELEM_EXPIRATION:
		element->timeout = get_expiration(part);
		break;
	case NFTA_SET_ELEM_FLAGS:
		found->flags = get_flags(part);
		break;
	}
	return MNL_CB_OK;
}

/* Passes over what has no key of its own: the end of an interval, and the catch-all element. */
static int visit_element(const struct nlattr *item, void *context)
{
	struct exchange *exchange = context;
	struct found found = {.flags = 0};

	if (exchange->stop)
		return MNL_CB_STOP;
	mnl_attr_parse_nested(item, get_part, &found);
	if (found.element.key_size &&
		!(found.flags & (NFT_SET_ELEM_INTERVAL_END | NFT_SET_ELEM_CATCHALL)))
		exchange->stop = exchange->visit(exchange->context, &found.element);
	return MNL_CB_OK;
}

static int visit_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
		mnl_attr_parse_nested(attribute, visit_element, context);
	return MNL_CB_OK;
}

/* Each part of a dump carries the low bits of the generation. The kernel sets NLM_F_DUMP_INTR in
 * dumps of other things only (nf_tables_api.c: nf_tables_dump_set). */
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

static void take_elements(struct exchange *exchange, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == NLMSG_ERROR || reply->nlmsg_type == NLMSG_DONE) {
		note_error(exchange, reply_error(reply));
		exchange->ended = true;
	} else if (reply->nlmsg_type == table_message(NFT_MSG_NEWSETELEM)) {
		compare_generation(exchange, reply);
		mnl_attr_parse(reply, sizeof(struct nfgenmsg), visit_list, exchange);
	}
}

/* Sends a message of its own about a set, and reads what comes back. */
static int ask(struct setlink *link, uint16_t type, uint16_t flags, const char *table,
	const char *set, struct exchange *exchange)
{
	alignas(8) uint8_t bytes[CHANGE_SIZE];
	struct nlmsghdr *message;
	int error;

	if (strlen(table) >= NFT_NAME_MAXLEN || strlen(set) >= NFT_NAME_MAXLEN)
		return -ENAMETOOLONG;
	message = put_message(link, bytes, table_message(type), flags, 0);
	/* The same numbers as NFTA_SET_TABLE and NFTA_SET_NAME. */
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	exchange->first = message->nlmsg_seq;
	exchange->last = message->nlmsg_seq;
	error = send_bytes(link, bytes, message->nlmsg_len);
	return error ? error : read_replies(link, exchange);
}

int setlink_dump(struct setlink *link, const char *table, const char *set, setlink_visit *visit,
	void *context)
{
	struct exchange exchange = {.take = take_elements, .visit = visit, .context = context};
	int error = ask(link, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, set, &exchange);

	if (exchange.stop)
		return exchange.stop;
	if (error)
		return error;
	return exchange.interrupted ? -EINTR : 0;
}

int setlink_find(struct setlink *link, const char *table, const char *set)
{
	struct exchange exchange = {.take = take_verdict};

	return ask(link, NFT_MSG_GETSET, NLM_F_ACK, table, set, &exchange);
}
