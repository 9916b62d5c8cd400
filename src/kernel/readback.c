/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/readback.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"
#include "src/base/text.h"
#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * nft has rules and elements in its own words, and the kernel as expressions of its machine, but
 * names and comments come back as they were written, and a rule has a line, at depth two, of its
 * own. So both sides are brought down to objects with a digest: over the comments, for a set
 * without order, since the kernel has elements in its own, for a chain in their order and with the
 * number of rules. In the text an object begins with a line at depth one and ends with the brace at
 * that depth; it is indented with tabs.
 *
 * The kernel is asked directly: nft fetches the elements of all sets of a table whatever of it is
 * to be listed, which takes more than a minute where an interval map has a million.
 *
 * Comments lie in the user data that libnftables keeps with rules and elements, where they are the
 * first kind: type, length, value with its NUL.
 */

enum {
	COMMENT_TYPE = 0, /* libnftnl: NFTNL_UDATA_RULE_COMMENT, NFTNL_UDATA_SET_ELEM_COMMENT */
	READS_MAX = 10,   /* of a ruleset that changes meanwhile */
	HEAD_MAX = sizeof("chain ") + NFT_NAME_MAXLEN,
};

/* What an object is, and what is in it, of either side. */
struct object {
	struct text head; /* "chain judge" */
	size_t place;     /* in the text */
	uint64_t wanted;
	uint64_t held;
	bool has_elements;
	bool is_there;
};

struct objects {
	struct object *list; /* sorted by head, once the text is read */
	size_t count;
	size_t room;
};

static const struct hash_key plain_key;

static const char drop_policy[] = "policy drop;";
static const char before_comment[] = "comment \"";

static bool is_chain(const struct object *object)
{
	return text_starts(object->head, "chain ");
}

static uint64_t add_comment(const struct object *object, uint64_t digest, struct text comment)
{
	uint64_t hash = hash_bytes(&plain_key, comment.start, comment.length);

	return is_chain(object) ? digest * 31 + hash : digest + hash;
}

/* --- The text --- */

/* Takes a line off the text. */
static bool next_line(struct text *text, struct text *ret_line)
{
	if (text->length == 0)
		return false;
	text_cut(*text, '\n', ret_line, text);
	return true;
}

/* "\tchain judge {": the object's head. */
static bool is_head(struct text line, struct text *ret_head)
{
	static const char end[] = " {";
	size_t end_length = strlen(end);

	if (!text_starts(line, "\tchain ") && !text_starts(line, "\tset ") &&
		!text_starts(line, "\tmap "))
		return false;
	if (line.length < end_length ||
		memcmp(line.start + line.length - end_length, end, end_length) != 0)
		return false;
	*ret_head = (struct text){line.start + 1, line.length - 1 - end_length};
	return true;
}

/* A rule, or a chain's type, starts at depth two; what goes on from it doesn't, but for a brace. */
static bool starts_rule(struct text line)
{
	return text_starts(line, "\t\t") && line.length > 2 && line.start[2] != '\t' &&
	       line.start[2] != '}';
}

/* Adds what the line says. */
static void digest_line(struct object *object, struct text line)
{
	bool ordered = is_chain(object);
	size_t skip = strlen(before_comment);

	if (ordered && starts_rule(line))
		object->wanted++;
	if (ordered && memmem(line.start, line.length, drop_policy, strlen(drop_policy)))
		object->wanted++;
	for (;;) {
		const char *at = memmem(line.start, line.length, before_comment, skip);
		struct text comment;

		if (!at)
			return;
		line.length -= (size_t)(at + skip - line.start);
		line.start = at + skip;
		if (!text_cut(line, '"', &comment, &line))
			return;
		object->wanted = add_comment(object, object->wanted, comment);
		object->has_elements = !ordered;
	}
}

static int add_object(struct objects *objects, struct text head)
{
	if (objects->count == objects->room) {
		size_t room = objects->room ? 2 * objects->room : 64;
		struct object *list = reallocarray(objects->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		objects->list = list;
		objects->room = room;
	}
	objects->list[objects->count] = (struct object){.head = head, .place = objects->count};
	objects->count++;
	return 0;
}

static int compare_heads(const void *a, const void *b)
{
	const struct text *one = &((const struct object *)a)->head;
	const struct text *other = &((const struct object *)b)->head;
	size_t shorter = one->length < other->length ? one->length : other->length;
	int order = memcmp(one->start, other->start, shorter);

	if (order != 0)
		return order;
	return (one->length > other->length) - (one->length < other->length);
}

static int read_text(const char *string, struct objects *objects)
{
	struct text rest = text_of(string), line, head;
	bool inside = false;

	while (next_line(&rest, &line)) {
		if (is_head(line, &head)) {
			if (add_object(objects, head) < 0)
				return -ENOMEM;
			inside = true;
		} else if (text_is(line, "\t}")) {
			inside = false;
		} else if (inside) {
			digest_line(&objects->list[objects->count - 1], line);
		}
	}
	if (objects->count > 0)
		qsort(objects->list, objects->count, sizeof(*objects->list), compare_heads);
	return 0;
}

/* --- The kernel --- */

/* What is looked at of a message, or of an element. */
struct part {
	const char *table;
	const char *name; /* a rule: of its chain */
	uint32_t policy;
	uint32_t flags;
	bool has_hook;
	struct text comment;
};

/* Which attributes those are; 0 is none's number. */
struct parts {
	uint16_t table;
	uint16_t name;
	uint16_t policy;
	uint16_t flags;
	uint16_t hook;
	uint16_t user_data;
};

static const struct parts chain_parts = {
	.table = NFTA_CHAIN_TABLE,
	.name = NFTA_CHAIN_NAME,
	.policy = NFTA_CHAIN_POLICY,
	.hook = NFTA_CHAIN_HOOK,
};
static const struct parts set_parts = {
	.table = NFTA_SET_TABLE,
	.name = NFTA_SET_NAME,
	.flags = NFTA_SET_FLAGS,
};
static const struct parts rule_parts = {
	.table = NFTA_RULE_TABLE,
	.name = NFTA_RULE_CHAIN,
	.user_data = NFTA_RULE_USERDATA,
};
static const struct parts element_parts = {
	.flags = NFTA_SET_ELEM_FLAGS,
	.user_data = NFTA_SET_ELEM_USERDATA,
};

/* The comment in user data. */
static struct text get_comment(const struct nlattr *attribute)
{
	const uint8_t *data = mnl_attr_get_payload(attribute);
	size_t left = mnl_attr_get_payload_len(attribute);

	while (left >= 2 && left - 2 >= data[1]) {
		const char *value = (const char *)data + 2;

		if (data[0] == COMMENT_TYPE)
			return (struct text){value, strnlen(value, data[1])};
		left -= 2U + data[1];
		data += 2 + data[1];
	}
	return (struct text){"", 0};
}

struct sorting {
	const struct parts *parts;
	struct part part;
};

static int get_part(const struct nlattr *attribute, void *context)
{
	struct sorting *sorting = context;
	const struct parts *parts = sorting->parts;
	struct part *part = &sorting->part;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type == parts->table)
		part->table = attribute_string(attribute);
	else if (type == parts->name)
		part->name = attribute_string(attribute);
	else if (type == parts->policy)
		part->policy = attribute_u32(attribute);
	else if (type == parts->flags)
		part->flags = attribute_u32(attribute);
	else if (type == parts->hook)
		part->has_hook = true;
	else if (type == parts->user_data)
		part->comment = get_comment(attribute);
	return MNL_CB_OK;
}

/* A walk of the table's chains, sets or rules, or of a set's elements. */
struct walk {
	uint8_t family; /* NFPROTO_* */
	const char *table;
	struct objects *objects;
	struct object *set; /* whose elements they are */
};

/* The object of the text that a message is about, or NULL. */
static struct object *find_object(
	const struct walk *walk, const char *kind, const struct part *part)
{
	char head[HEAD_MAX];
	struct object key;
	int length;

	if (!part->table || !part->name || strcmp(part->table, walk->table) != 0)
		return NULL;
	length = snprintf(head, sizeof(head), "%s %s", kind, part->name);
	if (length < 0 || (size_t)length >= sizeof(head) || walk->objects->count == 0)
		return NULL;
	key.head = (struct text){head, (size_t)length};
	return bsearch(&key, walk->objects->list, walk->objects->count, sizeof(key), compare_heads);
}

static struct part read_message(const struct nlmsghdr *reply, const struct parts *parts)
{
	struct sorting sorting = {.parts = parts, .part = {.policy = UINT32_MAX}};

	message_attributes(reply, sizeof(struct nfgenmsg), get_part, &sorting);
	return sorting.part;
}

static int take_chain(void *context, const struct nlmsghdr *reply)
{
	struct part part = read_message(reply, &chain_parts);
	struct object *chain = find_object(context, "chain", &part);

	if (!chain)
		return 0;
	chain->is_there = true;
	chain->held = (uint64_t)part.has_hook + (part.policy == NF_DROP);
	return 0;
}

static int take_rule(void *context, const struct nlmsghdr *reply)
{
	struct part part = read_message(reply, &rule_parts);
	struct object *chain = find_object(context, "chain", &part);

	if (chain && part.comment.length > 0)
		chain->held = add_comment(chain, chain->held + 1, part.comment);
	else if (chain)
		chain->held++;
	return 0;
}

static int take_set(void *context, const struct nlmsghdr *reply)
{
	struct part part = read_message(reply, &set_parts);
	const char *kind = (part.flags & NFT_SET_MAP) != 0 ? "map" : "set";
	struct object *set = find_object(context, kind, &part);

	if (set)
		set->is_there = true;
	return 0;
}

static int get_element(const struct nlattr *item, void *context)
{
	const struct walk *walk = context;
	struct sorting sorting = {.parts = &element_parts, .part = {.comment = {"", 0}}};

	mnl_attr_parse_nested(item, get_part, &sorting);
	if ((sorting.part.flags & NFT_SET_ELEM_INTERVAL_END) == 0)
		walk->set->held = add_comment(walk->set, walk->set->held, sorting.part.comment);
	return MNL_CB_OK;
}

static int get_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
		mnl_attr_parse_nested(attribute, get_element, context);
	return MNL_CB_OK;
}

static int take_elements(void *context, const struct nlmsghdr *reply)
{
	message_attributes(reply, sizeof(struct nfgenmsg), get_list, context);
	return 0;
}

/* Asks for all of a kind, of the table or of the walk's set. Attribute 1 is the table's name in all
 * those messages; a question for chains has none, and is answered with those of all tables. */
static int ask(struct netlink *netlink, uint16_t type, netlink_take *take, struct walk *walk)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(netlink, &bytes, type, NLM_F_DUMP);
	struct nfgenmsg *generic = mnl_nlmsg_get_payload(question);
	char name[HEAD_MAX];

	generic->nfgen_family = walk->family;
	if (type != NFT_MSG_GETCHAIN)
		mnl_attr_put_strz(question, NFTA_SET_TABLE, walk->table);
	if (walk->set) {
		snprintf(name, sizeof(name), "%.*s", TEXT_ARG(walk->set->head));
		mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_SET, strchr(name, ' ') + 1);
	}
	return netlink_ask(netlink, question, take, walk);
}

/* Notes an interruption, by which some may be missing, and goes on. */
static int note_interruption(int error, bool *interrupted)
{
	if (error != -EINTR)
		return error;
	*interrupted = true;
	return 0;
}

static int read_elements(struct netlink *netlink, struct walk *walk, bool *interrupted)
{
	int error = 0;

	for (size_t i = 0; i < walk->objects->count && error == 0; i++) {
		walk->set = &walk->objects->list[i];
		if (walk->set->has_elements && walk->set->is_there)
			error = note_interruption(
				ask(netlink, NFT_MSG_GETSETELEM, take_elements, walk), interrupted);
	}
	return error;
}

/* Reads what the kernel holds of the objects. */
static int read_kernel(struct netlink *netlink, uint8_t family, const char *table,
	struct objects *objects, bool *ret_interrupted)
{
	struct walk walk = {.family = family, .table = table, .objects = objects};
	bool interrupted = false;
	int error;

	for (size_t i = 0; i < objects->count; i++) {
		objects->list[i].is_there = false;
		objects->list[i].held = 0;
	}
	error = note_interruption(ask(netlink, NFT_MSG_GETCHAIN, take_chain, &walk), &interrupted);
	if (error == 0)
		error = note_interruption(
			ask(netlink, NFT_MSG_GETRULE, take_rule, &walk), &interrupted);
	if (error == 0)
		error = note_interruption(
			ask(netlink, NFT_MSG_GETSET, take_set, &walk), &interrupted);
	if (error == 0)
		error = read_elements(netlink, &walk, &interrupted);
	*ret_interrupted = interrupted;
	return error == -ENOENT ? 0 : error; /* then it isn't there */
}

/* The first object of the text that the kernel hasn't, or has otherwise; NULL: none. */
static const struct object *find_difference(const struct objects *objects)
{
	const struct object *first = NULL;

	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->list[i];

		if (object->is_there && object->held == object->wanted)
			continue;
		if (!first || object->place < first->place)
			first = object;
	}
	return first;
}

static int compare(struct netlink *netlink, uint8_t family, const char *table,
	struct objects *objects, char **ret_object)
{
	const struct object *difference = NULL;
	bool interrupted = true;
	char *name;

	for (int i = 0; i < READS_MAX && interrupted; i++) {
		int error = read_kernel(netlink, family, table, objects, &interrupted);

		if (error < 0)
			return error;
		difference = find_difference(objects);
		if (!difference)
			return 0;
	}
	name = strndup(difference->head.start, difference->head.length);
	if (!name)
		return -ENOMEM;
	*ret_object = name;
	return -ESTALE;
}

static int compare_family(struct netlink *netlink, uint8_t family, const char *table,
	const char *written, char **ret_object)
{
	struct objects objects = {0};
	int error = strlen(table) < NFT_NAME_MAXLEN ? read_text(written, &objects) : -ENAMETOOLONG;

	if (error == 0)
		error = compare(netlink, family, table, &objects, ret_object);
	free(objects.list);
	return error;
}

int readback_compare(
	struct netlink *netlink, const char *table, const char *written, char **ret_object)
{
	return compare_family(netlink, NFPROTO_INET, table, written, ret_object);
}

int readback_compare_link(
	struct netlink *netlink, const char *table, const char *written, char **ret_object)
{
	return compare_family(netlink, NFPROTO_NETDEV, table, written, ret_object);
}

bool readback_has_link(struct netlink *netlink, const char *table)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(netlink, &bytes, NFT_MSG_GETTABLE, NLM_F_ACK);
	struct nfgenmsg *generic = mnl_nlmsg_get_payload(question);

	if (strlen(table) >= NFT_NAME_MAXLEN)
		return false;
	generic->nfgen_family = NFPROTO_NETDEV;
	mnl_attr_put_strz(question, NFTA_TABLE_NAME, table);
	return netlink_ask(netlink, question, NULL, NULL) == 0;
}
