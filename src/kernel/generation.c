/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/generation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/base/arena.h"
#include "src/base/text.h"
#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * The kernel knows which generation is in force: it refuses to delete a set that a rule uses
 * (EBUSY), and so the others are found by trying to delete them all. That tells what is in force
 * from what somebody left half-made, whatever they had come to, and needs no record that could be
 * wrong. Deleting takes no look at the elements, but for the chains and objects they name.
 *
 * The same tells what a policy before had and the one in force has not: sets of port groups, chains
 * of refusals, limits, quotas. Sets go first, since their elements may be all that leads to the
 * others. A ruleset that is loaded empties all chains of its table, so a chain with rules is in
 * force, or somebody else's.
 *
 * The lock is a table of that name with the owner flag (kernel 5.12): nobody else can change it,
 * and it goes with its owner's socket. What locks by name in the file system or among sockets could
 * be taken by those who are to be confined; this takes CAP_NET_ADMIN.
 */

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

enum {
	LOCK_STEP_MS = 20,
	DUMPS_MAX = 100, /* of a ruleset that changes meanwhile */
	NUMBERS = 64,    /* of generations that are told apart */
};

#define NAMES_MAX ((size_t)64 << 20) /* bytes of names, more than a table can have by mistake */

/* --- The lock --- */

static int try_lock(struct netlink *netlink, const char *name)
{
	struct netlink_question bytes;
	struct nlmsghdr *question, *change;
	int error;

	netlink_begin(netlink);
	change = netlink_change(netlink, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
		ATTRIBUTE_SIZE(NFT_NAME_MAXLEN) + ATTRIBUTE_SIZE(sizeof(uint32_t)));
	if (change) {
		mnl_attr_put_strz(change, NFTA_TABLE_NAME, name);
		mnl_attr_put_u32(change, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
		netlink_changed(netlink);
	}
	error = netlink_commit(netlink);
	if (error == -EEXIST)
		return -EBUSY;
	if (error != -EPERM)
		return error;
	/* That is said of another's table as well. */
	question = netlink_question(netlink, &bytes, NFT_MSG_GETTABLE, NLM_F_ACK);
	mnl_attr_put_strz(question, NFTA_TABLE_NAME, name);
	return netlink_ask(netlink, question, NULL, NULL) == -EPERM ? -EPERM : -EBUSY;
}

int generation_lock(struct netlink *netlink, const char *table, struct duration patience)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
	const struct mono end = mono_add(clock_now(), patience);
	char name[NFT_NAME_MAXLEN];
	int error;

	if (snprintf(name, sizeof(name), "%s.lock", table) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	for (;;) {
		error = try_lock(netlink, name);
		if (error != -EBUSY || !mono_before(clock_now(), end))
			return error;
		nanosleep(&step, NULL);
	}
}

/* --- What is there --- */

struct name {
	struct name *next;
	char *text;
	uint32_t type; /* of an object: NFT_OBJECT_* */
};

/* Names of the table's objects that may have to go. */
struct names {
	const char *table;
	const char *const *kept; /* sets that stay, ended by NULL */
	struct arena *arena;
	struct name *first;
};

/* What a set, a chain or an object says of itself. */
struct thing {
	const char *table;
	const char *name;
	uint32_t flags;
	uint32_t type;
	bool has_hook;
	bool is_used;
};

static int get_set_part(const struct nlattr *attribute, void *context)
{
	struct thing *set = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_SET_TABLE:
		set->table = attribute_string(attribute);
		break;
	case NFTA_SET_NAME:
		set->name = attribute_string(attribute);
		break;
	case NFTA_SET_FLAGS:
		set->flags = attribute_u32(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int get_chain_part(const struct nlattr *attribute, void *context)
{
	struct thing *chain = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_CHAIN_TABLE:
		chain->table = attribute_string(attribute);
		break;
	case NFTA_CHAIN_NAME:
		chain->name = attribute_string(attribute);
		break;
	case NFTA_CHAIN_HOOK:
		chain->has_hook = true;
		break;
	case NFTA_CHAIN_USE:
		chain->is_used = attribute_u32(attribute) != 0;
		break;
	}
	return MNL_CB_OK;
}

static int get_object_part(const struct nlattr *attribute, void *context)
{
	struct thing *object = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_OBJ_TABLE:
		object->table = attribute_string(attribute);
		break;
	case NFTA_OBJ_NAME:
		object->name = attribute_string(attribute);
		break;
	case NFTA_OBJ_TYPE:
		object->type = attribute_u32(attribute);
		break;
	case NFTA_OBJ_USE:
		object->is_used = attribute_u32(attribute) != 0;
		break;
	}
	return MNL_CB_OK;
}

static int note_name(struct names *names, const struct thing *thing)
{
	struct name *name;

	if (!thing->table || !thing->name || strcmp(thing->table, names->table) != 0)
		return 0;
	name = arena_alloc(names->arena, sizeof(*name));
	if (!name)
		return -ENOMEM;
	name->text = arena_strndup(names->arena, thing->name, strlen(thing->name));
	if (!name->text)
		return -ENOMEM;
	name->type = thing->type;
	name->next = names->first;
	names->first = name;
	return 0;
}

static bool is_kept(const struct names *names, const char *set)
{
	for (const char *const *kept = names->kept; set && *kept; kept++)
		if (strcmp(set, *kept) == 0)
			return true;
	return false;
}

static int take_set(void *context, const struct nlmsghdr *reply)
{
	const struct names *names = context;
	struct thing set = {.flags = 0};

	message_attributes(reply, sizeof(struct nfgenmsg), get_set_part, &set);
	if ((set.flags & NFT_SET_ANONYMOUS) != 0 || is_kept(names, set.name))
		return 0;
	return note_name(context, &set);
}

static int take_chain(void *context, const struct nlmsghdr *reply)
{
	struct thing chain = {.flags = 0};

	message_attributes(reply, sizeof(struct nfgenmsg), get_chain_part, &chain);
	return chain.has_hook || chain.is_used ? 0 : note_name(context, &chain);
}

static int take_object(void *context, const struct nlmsghdr *reply)
{
	struct thing object = {.flags = 0};

	message_attributes(reply, sizeof(struct nfgenmsg), get_object_part, &object);
	return object.is_used ? 0 : note_name(context, &object);
}

/* What is swept, in this order. All messages have the table's name in attribute 1. With
 * NLM_F_NONREC a chain that has got a rule meanwhile stays, and so does the rule. */
static const struct kind {
	uint16_t list;
	uint16_t delete;
	uint16_t flags;
	uint16_t name_attribute;
	uint16_t type_attribute; /* 0: it has none */
	netlink_take *take;
} kinds[] = {
	{NFT_MSG_GETSET, NFT_MSG_DELSET, 0, NFTA_SET_NAME, 0, take_set},
	{NFT_MSG_GETCHAIN, NFT_MSG_DELCHAIN, NLM_F_NONREC, NFTA_CHAIN_NAME, 0, take_chain},
	{NFT_MSG_GETOBJ, NFT_MSG_DELOBJ, 0, NFTA_OBJ_NAME, NFTA_OBJ_TYPE, take_object},
};

/* Lists what is of the kind and may have to go. A list that something came between may lack some.
 * -ENOENT: there is no such table, of which only sets tell. */
static int list(struct netlink *netlink, const struct kind *kind, struct names *names)
{
	struct netlink_question bytes;
	int error = -EINTR;

	for (int i = 0; i < DUMPS_MAX && error == -EINTR; i++) {
		struct nlmsghdr *question =
			netlink_question(netlink, &bytes, kind->list, NLM_F_DUMP);

		names->first = NULL;
		if (kind->list == NFT_MSG_GETSET)
			mnl_attr_put_strz(question, NFTA_SET_TABLE, names->table);
		error = netlink_ask(netlink, question, kind->take, names);
	}
	return error;
}

/* --- What goes --- */

/* Deletes one in a transaction of its own. */
static int delete_one(struct netlink *netlink, const struct kind *kind, const char *table,
	const struct name *name)
{
	struct nlmsghdr *change;

	netlink_begin(netlink);
	change = netlink_change(netlink, kind->delete, kind->flags,
		2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN) + ATTRIBUTE_SIZE(sizeof(uint32_t)));
	if (change) {
		mnl_attr_put_strz(change, NFTA_SET_TABLE, table);
		mnl_attr_put_strz(change, kind->name_attribute, name->text);
		if (kind->type_attribute != 0)
			mnl_attr_put_u32(change, kind->type_attribute, htonl(name->type));
		netlink_changed(netlink);
	}
	return netlink_commit(netlink);
}

/* The number at the end of an interval map's name, or 0. */
static unsigned number_of(const char *name)
{
	const char *dot = strrchr(name, '.');
	uint64_t number;

	if (!dot || text_to_number(text_of(dot + 1), NUMBERS - 1, &number) < 0)
		return 0;
	return (unsigned)number;
}

/* Deletes what is of the kind and nothing uses; adds 1 << number to *taken for names that stay. */
static int sweep(
	struct netlink *netlink, const struct kind *kind, struct names *names, uint64_t *taken)
{
	int error = list(netlink, kind, names);

	for (const struct name *name = names->first; name && error == 0; name = name->next) {
		error = delete_one(netlink, kind, names->table, name);
		if (error == -EBUSY)
			*taken |= (uint64_t)1 << number_of(name->text);
		if (error == -EBUSY || error == -ENOENT)
			error = 0;
	}
	return error;
}

int generation_sweep(
	struct netlink *netlink, const char *table, const char *const *kept, unsigned *ret_free)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct names names = {.table = table, .kept = kept};
	uint64_t taken = 1;
	int error = strlen(table) < NFT_NAME_MAXLEN ? 0 : -ENAMETOOLONG;

	if (error == 0)
		error = arena_new(NAMES_MAX, &arena);
	if (error < 0)
		return error;
	names.arena = arena;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && error == 0; i++)
		error = sweep(netlink, &kinds[i], &names, &taken);
	if (error == 0 && ~taken == 0)
		return -ENOSPC;
	if (error == 0)
		*ret_free = (unsigned)__builtin_ctzll(~taken);
	else if (error == -ENOENT)
		*ret_free = 0;
	return error == -ENOENT ? 0 : error;
}

int generation_remove_empty(struct netlink *netlink, const char *table)
{
	struct nlmsghdr *change;
	int error;

	if (strlen(table) >= NFT_NAME_MAXLEN)
		return -ENAMETOOLONG;
	netlink_begin(netlink);
	change = netlink_change(
		netlink, NFT_MSG_DELTABLE, NLM_F_NONREC, ATTRIBUTE_SIZE(NFT_NAME_MAXLEN));
	if (change) {
		mnl_attr_put_strz(change, NFTA_TABLE_NAME, table);
		netlink_changed(netlink);
	}
	error = netlink_commit(netlink);
	return error == -ENOENT ? 0 : error;
}
