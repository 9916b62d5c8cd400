/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/rangemap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * To the kernel an interval is two elements: its first address, with the value, and the address
 * behind its last, with NFT_SET_ELEM_INTERVAL_END; neighbours have an end and a beginning of the
 * same address. What goes up to the family's last address has no end
 * (net/netfilter/nft_set_rbtree.c). Both go in one transaction: a beginning behind one that has no
 * end yet is refused.
 *
 * When a transaction is committed, the kernel may go through all of the map's elements, so a large
 * map costs time for each of its transactions: they are as long as the socket lets them be. Asking
 * for an element costs a look-up.
 *
 * The comment lies in the user data that libnftables keeps with elements: type, length, value.
 *
 * A list is long and its entries differ in their addresses: so an entry's attributes are written
 * once for all that follow with the same value (struct form).
 */

enum {
	KEY_MAX = 16,
	COMMENT_TYPE = 0, /* libnftnl: NFTNL_UDATA_SET_ELEM_COMMENT */
	CHECK_MAX = 1024, /* entries that are looked up */
};

#define KEY_SIZE (MNL_ATTR_HDRLEN + ATTRIBUTE_SIZE(KEY_MAX))
#define FLAGS_SIZE ATTRIBUTE_SIZE(sizeof(uint32_t))
#define VALUE_SIZE                                                                                 \
	(2 * MNL_ATTR_HDRLEN + ATTRIBUTE_SIZE(sizeof(uint32_t)) + ATTRIBUTE_SIZE(NFT_NAME_MAXLEN))
#define COMMENT_SIZE ATTRIBUTE_SIZE(2 + RANGEMAP_COMMENT_MAX + 1)

/* The two elements of an interval. */
#define FIRST_SIZE (MNL_ATTR_HDRLEN + KEY_SIZE + VALUE_SIZE + COMMENT_SIZE)
#define END_SIZE (MNL_ATTR_HDRLEN + KEY_SIZE + FLAGS_SIZE)

/* An interval as its two elements. */
struct interval {
	uint8_t first[KEY_MAX];
	uint8_t end[KEY_MAX];
	size_t size; /* of both */
	bool has_end;
};

/* The next number of `size` bytes; false if there is none. */
static bool increment(uint8_t *bytes, size_t size)
{
	while (size-- > 0)
		if (++bytes[size] != 0)
			return true;
	return false;
}

static int make_interval(const struct range *range, struct interval *ret_interval)
{
	struct interval interval = {.size = 0};
	size_t last_size;
	const uint8_t *first = inaddr_raw(&range->first, &interval.size);
	const uint8_t *last = inaddr_raw(&range->last, &last_size);

	if (last_size != interval.size)
		return -EINVAL;
	memcpy(interval.first, first, interval.size);
	memcpy(interval.end, last, interval.size);
	interval.has_end = increment(interval.end, interval.size);
	*ret_interval = interval;
	return 0;
}

static void put_key(struct nlmsghdr *message, const uint8_t *key, size_t size)
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, key);
	mnl_attr_nest_end(message, data);
}

static void put_value(struct nlmsghdr *message, const struct rangemap_entry *entry)
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA), *verdict;

	if (entry->chain) {
		verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, entry->chain);
		mnl_attr_nest_end(message, verdict);
	} else {
		mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(entry->mark), &entry->mark);
	}
	mnl_attr_nest_end(message, data);
}

static void put_comment(struct nlmsghdr *message, struct text comment)
{
	uint8_t data[2 + RANGEMAP_COMMENT_MAX + 1];

	data[0] = COMMENT_TYPE;
	data[1] = (uint8_t)(comment.length + 1);
	memcpy(data + 2, comment.start, comment.length);
	data[2 + comment.length] = '\0';
	mnl_attr_put(message, NFTA_SET_ELEM_USERDATA, 2 + comment.length + 1, data);
}

static void put_first(struct nlmsghdr *message, const struct interval *interval,
	const struct rangemap_entry *entry)
{
	struct nlattr *item = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	put_key(message, interval->first, interval->size);
	put_value(message, entry);
	put_comment(message, entry->comment);
	mnl_attr_nest_end(message, item);
}

static void put_end(struct nlmsghdr *message, const struct interval *interval)
{
	struct nlattr *item = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	put_key(message, interval->end, interval->size);
	mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(message, item);
}

static bool is_named(const char *name)
{
	return strlen(name) < NFT_NAME_MAXLEN;
}

/* Both elements of an entry, as they go into messages: those of the next one differ in their keys
 * only, unless it has another value. */
struct form {
	struct rangemap_entry entry; /* whose value and comment they have */
	size_t key_size;             /* 0: nothing is written yet */
	size_t first_size;           /* of the first element; the end follows */
	size_t size;                 /* of both */
	alignas(struct nlmsghdr) uint8_t bytes[MNL_NLMSG_HDRLEN + FIRST_SIZE + END_SIZE];
};

/* Where the key begins in an element: it comes first. */
#define KEY_OFFSET (3 * MNL_ATTR_HDRLEN)

static bool has_value(const struct form *form, const struct rangemap_entry *entry)
{
	return form->entry.chain == entry->chain && form->entry.mark == entry->mark &&
	       form->entry.comment.start == entry->comment.start &&
	       form->entry.comment.length == entry->comment.length;
}

static int write_form(
	struct form *form, const struct interval *interval, const struct rangemap_entry *entry)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(form->bytes);

	if (entry->comment.length > RANGEMAP_COMMENT_MAX ||
		(entry->chain && !is_named(entry->chain)))
		return -EINVAL;
	put_first(message, interval, entry);
	form->first_size = mnl_nlmsg_get_payload_len(message);
	put_end(message, interval);
	form->size = mnl_nlmsg_get_payload_len(message);
	form->key_size = interval->size;
	form->entry = *entry;
	return 0;
}

/* Adds what is in the form to the message, with the interval's keys. */
static void put_form(
	struct nlmsghdr *message, const struct form *form, const struct interval *interval)
{
	uint8_t *at = mnl_nlmsg_get_payload_tail(message);
	size_t size = interval->has_end ? form->size : form->first_size;

	memcpy(at, form->bytes + MNL_NLMSG_HDRLEN, size);
	memcpy(at + KEY_OFFSET, interval->first, interval->size);
	if (interval->has_end)
		memcpy(at + form->first_size + KEY_OFFSET, interval->end, interval->size);
	message->nlmsg_len += (uint32_t)size;
}

/* Collects both elements of an entry. */
static int add_entry(struct netlink *netlink, const struct rangemap *map, struct form *form,
	const struct rangemap_entry *entry)
{
	struct interval interval;
	struct nlmsghdr *message;
	int error = make_interval(&entry->range, &interval);

	if (error == 0 && (form->key_size != interval.size || !has_value(form, entry)))
		error = write_form(form, &interval, entry);
	if (error < 0)
		return error;
	message = netlink_list(netlink, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, map->table,
		map->name, FIRST_SIZE + END_SIZE);
	if (!message)
		return -EMSGSIZE;
	put_form(message, form, &interval);
	netlink_listed(netlink);
	return 0;
}

int rangemap_fill(struct netlink *netlink, const struct rangemap *map)
{
	int error = is_named(map->table) && is_named(map->name) ? 0 : -ENAMETOOLONG;
	struct form form = {.key_size = 0};

	netlink_begin(netlink);
	for (size_t i = 0; i < map->count && error == 0; i++) {
		const struct rangemap_entry entry = map->entry(map->context, i);

		if (netlink_room(netlink) < NETLINK_LIST + FIRST_SIZE + END_SIZE) {
			error = netlink_commit(netlink);
			netlink_begin(netlink);
		}
		if (error == 0)
			error = add_entry(netlink, map, &form, &entry);
	}
	return error < 0 ? error : netlink_commit(netlink);
}

/* --- What the kernel holds --- */

/* An element that the kernel told. */
struct found {
	uint8_t key[KEY_MAX];
	size_t key_size;
	uint32_t flags;
	uint32_t mark;
	bool has_mark;
	char chain[NFT_NAME_MAXLEN]; /* "": none */
};

/* The elements of an entry, as they were asked for. */
struct answer {
	struct found found[2];
	unsigned count;
};

static int get_verdict(const struct nlattr *part, void *context)
{
	struct found *found = context;
	size_t size = mnl_attr_get_payload_len(part);

	if (mnl_attr_get_type(part) == NFTA_VERDICT_CHAIN && size > 0 && size <= NFT_NAME_MAXLEN) {
		memcpy(found->chain, mnl_attr_get_payload(part), size);
		found->chain[size - 1] = '\0';
	}
	return MNL_CB_OK;
}

static int get_value(const struct nlattr *part, void *context)
{
	struct found *found = context;

	if (mnl_attr_get_type(part) == NFTA_DATA_VERDICT)
		return mnl_attr_parse_nested(part, get_verdict, found);
	if (mnl_attr_get_type(part) == NFTA_DATA_VALUE &&
		mnl_attr_get_payload_len(part) == sizeof(found->mark)) {
		memcpy(&found->mark, mnl_attr_get_payload(part), sizeof(found->mark));
		found->has_mark = true;
	}
	return MNL_CB_OK;
}

static int get_key(const struct nlattr *part, void *context)
{
	struct found *found = context;
	size_t size = mnl_attr_get_payload_len(part);

	if (mnl_attr_get_type(part) == NFTA_DATA_VALUE && size <= KEY_MAX) {
		memcpy(found->key, mnl_attr_get_payload(part), size);
		found->key_size = size;
	}
	return MNL_CB_OK;
}

static int get_part(const struct nlattr *part, void *context)
{
	struct found *found = context;

	switch (mnl_attr_get_type(part)) {
	case NFTA_SET_ELEM_KEY:
		return mnl_attr_parse_nested(part, get_key, found);
	case NFTA_SET_ELEM_DATA:
		return mnl_attr_parse_nested(part, get_value, found);
	case NFTA_SET_ELEM_FLAGS:
		found->flags = attribute_u32(part);
		return MNL_CB_OK;
	}
	return MNL_CB_OK;
}

static int get_element(const struct nlattr *item, void *context)
{
	struct answer *answer = context;

	if (answer->count < 2)
		mnl_attr_parse_nested(item, get_part, &answer->found[answer->count++]);
	return MNL_CB_OK;
}

static int get_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
		return mnl_attr_parse_nested(attribute, get_element, context);
	return MNL_CB_OK;
}

static int take_elements(void *context, const struct nlmsghdr *reply)
{
	message_attributes(reply, sizeof(struct nfgenmsg), get_list, context);
	return 0;
}

/* A question about the map; what of it is asked follows. */
static struct nlmsghdr *question_of(struct netlink *netlink, const struct rangemap *map,
	uint16_t type, struct netlink_question *bytes)
{
	struct nlmsghdr *question = netlink_question(netlink, bytes, type, NLM_F_ACK);

	/* The same numbers as NFTA_SET_ELEM_LIST_TABLE and NFTA_SET_ELEM_LIST_SET. */
	mnl_attr_put_strz(question, NFTA_SET_TABLE, map->table);
	mnl_attr_put_strz(question, NFTA_SET_NAME, map->name);
	return question;
}

static bool is_first(const struct found *found, const struct interval *interval,
	const struct rangemap_entry *entry)
{
	if (found->key_size != interval->size || (found->flags & NFT_SET_ELEM_INTERVAL_END) != 0 ||
		memcmp(found->key, interval->first, interval->size) != 0)
		return false;
	if (entry->chain)
		return strcmp(found->chain, entry->chain) == 0;
	return found->has_mark && found->mark == entry->mark;
}

static bool is_end(const struct found *found, const struct interval *interval)
{
	return found->key_size == interval->size &&
	       (found->flags & NFT_SET_ELEM_INTERVAL_END) != 0 &&
	       memcmp(found->key, interval->end, interval->size) == 0;
}

/* Asks for the elements of an entry. */
static int ask_entry(struct netlink *netlink, const struct rangemap *map,
	const struct interval *interval, struct answer *answer)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = question_of(netlink, map, NFT_MSG_GETSETELEM, &bytes);
	struct nlattr *list = mnl_attr_nest_start(question, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *item = mnl_attr_nest_start(question, NFTA_LIST_ELEM);
	int error;

	put_key(question, interval->first, interval->size);
	mnl_attr_nest_end(question, item);
	if (interval->has_end)
		put_end(question, interval);
	mnl_attr_nest_end(question, list);
	error = netlink_ask(netlink, question, take_elements, answer);
	return error == -EINTR ? 0 : error; /* both came, and nothing is missed by a change */
}

/* Whether the next entry begins where the interval ends. */
static bool is_adjoined(const struct rangemap *map, size_t index, const struct interval *interval)
{
	struct rangemap_entry next;
	struct interval after;

	if (index + 1 >= map->count)
		return false;
	next = map->entry(map->context, index + 1);
	return make_interval(&next.range, &after) == 0 && after.size == interval->size &&
	       memcmp(after.first, interval->end, after.size) == 0;
}

/* An end cannot be asked for where another interval begins; but then it is there, since no interval
 * begins behind one that has no end. */
static int check_entry(struct netlink *netlink, const struct rangemap *map, size_t index)
{
	const struct rangemap_entry entry = map->entry(map->context, index);
	struct answer answer = {.count = 0};
	struct interval interval;
	int error = make_interval(&entry.range, &interval);

	if (error < 0)
		return error;
	if (is_adjoined(map, index, &interval))
		interval.has_end = false;
	error = ask_entry(netlink, map, &interval, &answer);
	if (error < 0)
		return error == -ENOENT ? -ESTALE : error;
	if (answer.count != 1U + interval.has_end || !is_first(&answer.found[0], &interval, &entry))
		return -ESTALE;
	return !interval.has_end || is_end(&answer.found[1], &interval) ? 0 : -ESTALE;
}

/* The kernel counts pairs of elements, and so leaves an interval without an end out. */
static int check_count(struct netlink *netlink, const struct rangemap *map)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = question_of(netlink, map, NFT_MSG_GETSET, &bytes);
	struct interval last = {.has_end = true};
	int64_t held = -1;
	int error = netlink_ask(netlink, question, netlink_take_count, &held);

	if (error == 0 && map->count > 0) {
		const struct rangemap_entry entry = map->entry(map->context, map->count - 1);

		error = make_interval(&entry.range, &last);
	}
	if (error < 0)
		return error;
	return held < 0 || held == (int64_t)map->count - !last.has_end ? 0 : -ESTALE;
}

int rangemap_check(struct netlink *netlink, const struct rangemap *map)
{
	size_t step = 1 + map->count / CHECK_MAX;
	int error = check_count(netlink, map);

	for (size_t i = 0; i < map->count && error == 0; i += step)
		error = check_entry(netlink, map, i);
	if (error == 0 && map->count > 0)
		error = check_entry(netlink, map, map->count - 1);
	return error;
}
