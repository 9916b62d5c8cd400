/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/setlink.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "src/kernel/message.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * What a set's elements look like in messages. Transactions and their answers:
 * src/kernel/netlink.c.
 */

/* Some thousands of elements. */
#define BATCH_MAX ((size_t)1 << 20)

/* A list element, its key and its value in two nested attributes each, its time-out and how much of
 * that is left. */
#define ELEMENT_SIZE                                                                               \
	(MNL_ATTR_HDRLEN + MNL_ATTR_HDRLEN + ATTRIBUTE_SIZE(SETLINK_KEY_MAX) + MNL_ATTR_HDRLEN +   \
		ATTRIBUTE_SIZE(sizeof(uint32_t)) + 2 * ATTRIBUTE_SIZE(sizeof(uint64_t)))

/* The longest change: one element in a message of its own. */
#define CHANGE_SIZE (NETLINK_LIST + ELEMENT_SIZE)

/* A lease, as put_element() puts it: one with a key of that size, a value and a time-out. Others
 * differ in these bytes only. */
struct mould {
	size_t key_size; /* 0: there is none yet */
	size_t size;
	uint8_t bytes[ELEMENT_SIZE];
};

struct setlink {
	struct netlink *netlink;
	char table[NFT_NAME_MAXLEN]; /* of the transaction */
	struct mould mould;
};

/* A walk of a set's elements. */
struct walk {
	setlink_visit *visit;
	void *context;
	int stop; /* what the visitor answered */
};

int setlink_open(struct setlink **ret_link)
{
	struct setlink *link = calloc(1, sizeof(*link));
	int error = link ? netlink_open(BATCH_MAX, &link->netlink) : -ENOMEM;

	if (error == 0)
		*ret_link = link;
	else
		free(link);
	return error;
}

void setlink_close(struct setlink *link)
{
	if (!link)
		return;
	netlink_close(link->netlink);
	free(link);
}

void setlink_closep(struct setlink **link)
{
	setlink_close(*link);
	*link = NULL;
}

struct netlink *setlink_netlink(struct setlink *link)
{
	return link->netlink;
}

void setlink_begin(struct setlink *link, const char *table)
{
	size_t length = strlen(table);

	netlink_begin(link->netlink);
	if (length < sizeof(link->table))
		memcpy(link->table, table, length + 1);
	else
		netlink_fail(link->netlink, -ENAMETOOLONG);
}

void setlink_expect(struct setlink *link, uint32_t generation)
{
	netlink_expect(link->netlink, generation);
}

int setlink_generation(struct setlink *link, uint32_t *ret_generation)
{
	return netlink_generation(link->netlink, ret_generation);
}

size_t setlink_room(const struct setlink *link)
{
	return netlink_room(link->netlink) / CHANGE_SIZE;
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

/* Where in it the key is, behind the headers of three attributes, and what follows. */
enum {
	KEY_AT = 3 * MNL_ATTR_HDRLEN,
	MARK_AT = KEY_AT + 2 * MNL_ATTR_HDRLEN, /* and the key */
	TIMEOUT_AT = MARK_AT + sizeof(uint32_t) + MNL_ATTR_HDRLEN,
	EXPIRATION_AT = TIMEOUT_AT + sizeof(uint64_t) + MNL_ATTR_HDRLEN,
};

static bool is_lease(const struct setlink_element *element)
{
	return element->has_mark && element->timeout.ms > 0 && element->key_size % MNL_ALIGNTO == 0;
}

/* The same as put_element() with the value, but for all the calls. */
static void put_lease(
	struct nlmsghdr *message, struct mould *mould, const struct setlink_element *element)
{
	uint8_t *at = mnl_nlmsg_get_payload_tail(message);
	uint64_t timeout = htobe64((uint64_t)element->timeout.ms);

	if (mould->key_size != element->key_size) {
		put_element(message, element, true);
		mould->key_size = element->key_size;
		mould->size = (size_t)((uint8_t *)mnl_nlmsg_get_payload_tail(message) - at);
		memcpy(mould->bytes, at, mould->size);
		return;
	}
	memcpy(at, mould->bytes, mould->size);
	memcpy(at + KEY_AT, element->key, element->key_size);
	memcpy(at + MARK_AT + element->key_size, &element->mark, sizeof(element->mark));
	memcpy(at + TIMEOUT_AT + element->key_size, &timeout, sizeof(timeout));
	memcpy(at + EXPIRATION_AT + element->key_size, &timeout, sizeof(timeout));
	message->nlmsg_len += (uint32_t)mould->size;
}

static void collect(struct setlink *link, uint16_t type, uint16_t flags, const char *set,
	const struct setlink_element *element)
{
	struct nlmsghdr *message;

	if (strlen(set) >= NFT_NAME_MAXLEN) {
		netlink_fail(link->netlink, -ENAMETOOLONG);
	} else if (element->key_size == 0 || element->key_size > SETLINK_KEY_MAX ||
		   element->timeout.ms < 0) {
		netlink_fail(link->netlink, -EINVAL);
	} else {
		message = netlink_list(link->netlink, type, flags, link->table, set, ELEMENT_SIZE);
		if (!message)
			return;
		if (type == NFT_MSG_NEWSETELEM && is_lease(element))
			put_lease(message, &link->mould, element);
		else
			put_element(message, element, type == NFT_MSG_NEWSETELEM);
		netlink_listed(link->netlink);
	}
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
	const size_t size = 2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN);
	struct nlmsghdr *message;

	if (strlen(set) >= NFT_NAME_MAXLEN) {
		netlink_fail(link->netlink, -ENAMETOOLONG);
		return;
	}
	message = netlink_change(link->netlink, NFT_MSG_DELSETELEM, 0, size);
	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, link->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	netlink_changed(link->netlink);
}

int setlink_commit(struct setlink *link)
{
	return netlink_commit(link->netlink);
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
	uint64_t left = attribute_u64(attribute);

	return (struct duration){.ms = left ? (int64_t)left : 1};
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
		found->flags = attribute_u32(part);
		break;
	}
	return MNL_CB_OK;
}

/* Passes over what has no key of its own: the end of an interval, and the catch-all element. */
static int visit_element(const struct nlattr *item, void *context)
{
	struct walk *walk = context;
	struct found found = {.flags = 0};

	mnl_attr_parse_nested(item, get_part, &found);
	if (found.element.key_size &&
		!(found.flags & (NFT_SET_ELEM_INTERVAL_END | NFT_SET_ELEM_CATCHALL)))
		walk->stop = walk->visit(walk->context, &found.element);
	return walk->stop ? MNL_CB_STOP : MNL_CB_OK;
}

static int visit_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
		mnl_attr_parse_nested(attribute, visit_element, context);
	return MNL_CB_OK;
}

static int take_elements(void *context, const struct nlmsghdr *reply)
{
	struct walk *walk = context;

	if (reply->nlmsg_type == netlink_type(NFT_MSG_NEWSETELEM))
		message_attributes(reply, sizeof(struct nfgenmsg), visit_list, walk);
	return walk->stop;
}

/* A question about a set, or, unless `wanted` is NULL, about its element; NULL: a name is too long.
 */
static struct nlmsghdr *put_question(struct setlink *link, struct netlink_question *bytes,
	uint16_t type, uint16_t flags, const char *table, const char *set,
	const struct setlink_element *wanted)
{
	struct nlmsghdr *question;

	if (strlen(table) >= NFT_NAME_MAXLEN || strlen(set) >= NFT_NAME_MAXLEN)
		return NULL;
	question = netlink_question(link->netlink, bytes, type, flags);
	/* The same numbers as NFTA_SET_TABLE and NFTA_SET_NAME. */
	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_SET, set);
	if (wanted) {
		struct nlattr *list = mnl_attr_nest_start(question, NFTA_SET_ELEM_LIST_ELEMENTS);

		put_element(question, wanted, false);
		mnl_attr_nest_end(question, list);
	}
	return question;
}

static int ask(struct setlink *link, uint16_t type, uint16_t flags, const char *table,
	const char *set, const struct setlink_element *wanted, struct walk *walk)
{
	struct netlink_question bytes;
	const struct nlmsghdr *question =
		put_question(link, &bytes, type, flags, table, set, wanted);

	if (!question)
		return -ENAMETOOLONG;
	return netlink_ask(link->netlink, question, walk ? take_elements : NULL, walk);
}

int setlink_dump(struct setlink *link, const char *table, const char *set, setlink_visit *visit,
	void *context)
{
	struct walk walk = {.visit = visit, .context = context};

	return ask(link, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, set, NULL, &walk);
}

int setlink_dump_start(struct setlink *link, const char *table, const char *set)
{
	struct netlink_question bytes;
	const struct nlmsghdr *question =
		put_question(link, &bytes, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, set, NULL);

	return question ? netlink_dump_start(link->netlink, question) : -ENAMETOOLONG;
}

int setlink_dump_next(struct setlink *link, setlink_visit *visit, void *context, bool *ret_ended)
{
	struct walk walk = {.visit = visit, .context = context};

	return netlink_dump_next(link->netlink, take_elements, &walk, ret_ended);
}

int setlink_find(struct setlink *link, const char *table, const char *set)
{
	return ask(link, NFT_MSG_GETSET, NLM_F_ACK, table, set, NULL, NULL);
}

static int note_element(void *context, const struct setlink_element *element)
{
	struct setlink_element *found = context;

	*found = *element;
	return 0;
}

int setlink_get(struct setlink *link, const char *table, const char *set,
	const struct setlink_element *wanted, struct setlink_element *ret_element)
{
	struct setlink_element found = {.key_size = 0};
	struct walk walk = {.visit = note_element, .context = &found};
	int error;

	if (wanted->key_size == 0 || wanted->key_size > SETLINK_KEY_MAX)
		return -EINVAL;
	error = ask(link, NFT_MSG_GETSETELEM, NLM_F_ACK, table, set, wanted, &walk);
	if (error && error != -EINTR)
		return error;
	if (found.key_size == 0)
		return -ENOENT;
	*ret_element = found;
	return 0;
}

int setlink_count(struct setlink *link, const char *table, const char *set, size_t *ret_count)
{
	struct netlink_question bytes;
	const struct nlmsghdr *question =
		put_question(link, &bytes, NFT_MSG_GETSET, NLM_F_ACK, table, set, NULL);
	int64_t count = -1;
	int error = question ? netlink_ask(link->netlink, question, netlink_take_count, &count)
			     : -ENAMETOOLONG;

	if (!error && count < 0)
		error = -EOPNOTSUPP;
	if (!error)
		*ret_count = (size_t)count;
	return error;
}

/* --- The probe --- */

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

enum { PROBE_SHORT_S = 100, PROBE_LONG_S = 1000 };

static const char probe_set[] = "probe";

static void put_probe_table(struct setlink *link, const char *name)
{
	struct nlmsghdr *change =
		netlink_change(link->netlink, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
			ATTRIBUTE_SIZE(NFT_NAME_MAXLEN) + ATTRIBUTE_SIZE(sizeof(uint32_t)));

	if (!change)
		return;
	mnl_attr_put_strz(change, NFTA_TABLE_NAME, name);
	mnl_attr_put_u32(change, NFTA_TABLE_FLAGS, htobe32(NFT_TABLE_F_OWNER));
	netlink_changed(link->netlink);
}

static void put_probe_set(struct setlink *link, const char *table)
{
	struct nlmsghdr *change = netlink_change(link->netlink, NFT_MSG_NEWSET, NLM_F_CREATE,
		2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN) + 4 * ATTRIBUTE_SIZE(sizeof(uint32_t)));

	if (!change)
		return;
	mnl_attr_put_strz(change, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(change, NFTA_SET_NAME, probe_set);
	mnl_attr_put_u32(change, NFTA_SET_FLAGS, htobe32(NFT_SET_TIMEOUT));
	mnl_attr_put_u32(change, NFTA_SET_KEY_TYPE, 0);
	mnl_attr_put_u32(change, NFTA_SET_KEY_LEN, htobe32(sizeof(uint32_t)));
	mnl_attr_put_u32(change, NFTA_SET_ID, htobe32(1));
	netlink_changed(link->netlink);
}

static void remove_probe(struct setlink *link, const char *name)
{
	struct nlmsghdr *change;

	netlink_begin(link->netlink);
	change =
		netlink_change(link->netlink, NFT_MSG_DELTABLE, 0, ATTRIBUTE_SIZE(NFT_NAME_MAXLEN));
	if (change) {
		mnl_attr_put_strz(change, NFTA_TABLE_NAME, name);
		netlink_changed(link->netlink);
	}
	netlink_commit(link->netlink);
}

int setlink_probe_refresh(struct setlink *link, const char *probe, bool *ret_refreshes)
{
	struct setlink_element element = {.key = {1}, .key_size = sizeof(uint32_t)}, found;
	int error;

	setlink_begin(link, probe);
	if (strlen(probe) < NFT_NAME_MAXLEN) {
		put_probe_table(link, probe);
		put_probe_set(link, probe);
	}
	element.timeout = duration_seconds(PROBE_SHORT_S);
	setlink_add(link, probe_set, &element);
	error = setlink_commit(link);
	if (error)
		return error;
	setlink_begin(link, probe);
	element.timeout = duration_seconds(PROBE_LONG_S);
	setlink_add(link, probe_set, &element);
	error = setlink_commit(link);
	if (!error)
		error = setlink_get(link, probe, probe_set, &element, &found);
	if (!error)
		*ret_refreshes = found.timeout.ms > PROBE_SHORT_S * 1000;
	remove_probe(link, probe);
	return error;
}
