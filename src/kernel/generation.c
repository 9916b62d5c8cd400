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

/*
 * Theory of operation
 *
 * The kernel knows which generation is in force: it refuses to delete a set that a rule uses
 * (EBUSY), and so the others are found by trying to delete them all. That tells what is in force
 * from what somebody left half-made, whatever they had come to, and needs no record that could be
 * wrong. Deleting takes no look at the elements, but for the chains they name.
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
#define ATTRIBUTE_SIZE(size) (MNL_ATTR_HDRLEN + MNL_ALIGN(size))

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
};

/* Names of the table's objects that may have to go. */
struct names {
	const char *table;
	struct arena *arena;
	struct name *first;
};

/* What a set or a chain says of itself; the attributes that both have carry the same numbers. */
struct object {
	const char *table;
	const char *name;
	uint32_t flags;
	bool has_hook;
	bool is_used;
};

static const char *get_string(const struct nlattr *attribute)
{
	return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0 ? NULL
								     : mnl_attr_get_str(attribute);
}

static uint32_t get_number(const struct nlattr *attribute)
{
	return mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? 0
							      : ntohl(mnl_attr_get_u32(attribute));
}

static int get_set_part(const struct nlattr *attribute, void *context)
{
	struct object *set = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_SET_TABLE:
		set->table = get_string(attribute);
		break;
	case NFTA_SET_NAME:
		set->name = get_string(attribute);
		break;
	case NFTA_SET_FLAGS:
		set->flags = get_number(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int get_chain_part(const struct nlattr *attribute, void *context)
{
	struct object *chain = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_CHAIN_TABLE:
		chain->table = get_string(attribute);
		break;
	case NFTA_CHAIN_NAME:
		chain->name = get_string(attribute);
		break;
	case NFTA_CHAIN_HOOK:
		chain->has_hook = true;
		break;
	case NFTA_CHAIN_USE:
		chain->is_used = get_number(attribute) != 0;
		break;
	}
	return MNL_CB_OK;
}

static int keep_name(struct names *names, const struct object *object)
{
	struct name *name;

	if (!object->table || !object->name || strcmp(object->table, names->table) != 0)
		return 0;
	name = arena_alloc(names->arena, sizeof(*name));
	if (!name)
		return -ENOMEM;
	name->text = arena_strndup(names->arena, object->name, strlen(object->name));
	if (!name->text)
		return -ENOMEM;
	name->next = names->first;
	names->first = name;
	return 0;
}

static int take_set(void *context, const struct nlmsghdr *reply)
{
	const uint32_t wanted = NFT_SET_MAP | NFT_SET_INTERVAL;
	struct object set = {.flags = 0};

	mnl_attr_parse(reply, sizeof(struct nfgenmsg), get_set_part, &set);
	return (set.flags & wanted) == wanted && (set.flags & NFT_SET_ANONYMOUS) == 0
		       ? keep_name(context, &set)
		       : 0;
}

static int take_chain(void *context, const struct nlmsghdr *reply)
{
	struct object chain = {.flags = 0};

	mnl_attr_parse(reply, sizeof(struct nfgenmsg), get_chain_part, &chain);
	return chain.has_hook || chain.is_used ? 0 : keep_name(context, &chain);
}

/* Lists sets (NFT_MSG_GETSET) or chains. A list that something came between may lack some. */
static int list(struct netlink *netlink, uint16_t type, netlink_take *take, struct names *names)
{
	struct netlink_question bytes;
	int error = -EINTR;

	for (int i = 0; i < DUMPS_MAX && error == -EINTR; i++) {
		struct nlmsghdr *question = netlink_question(netlink, &bytes, type, NLM_F_DUMP);

		names->first = NULL;
		if (type == NFT_MSG_GETSET)
			mnl_attr_put_strz(question, NFTA_SET_TABLE, names->table);
		error = netlink_ask(netlink, question, take, names);
	}
	return error;
}

/* --- What goes --- */

/* Deletes an object in a transaction of its own. All messages have the table's name in attribute 1
 * (NFTA_SET_TABLE, NFTA_CHAIN_TABLE), and the object's in `name_type`. */
static int delete (struct netlink *netlink, uint16_t type, uint16_t flags, const char *table,
	uint16_t name_type, const char *name)
{
	struct nlmsghdr *change;

	netlink_begin(netlink);
	change = netlink_change(netlink, type, flags, 2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN));
	if (change) {
		mnl_attr_put_strz(change, NFTA_SET_TABLE, table);
		mnl_attr_put_strz(change, name_type, name);
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

/* Deletes the maps that no rule uses; *ret_taken is 1 << number for those that stay. */
static int sweep_maps(struct netlink *netlink, struct names *names, uint64_t *ret_taken)
{
	uint64_t taken = 1;
	int error = list(netlink, NFT_MSG_GETSET, take_set, names);

	for (const struct name *name = names->first; name && error == 0; name = name->next) {
		error = delete (
			netlink, NFT_MSG_DELSET, 0, names->table, NFTA_SET_NAME, name->text);
		if (error == -EBUSY)
			taken |= (uint64_t)1 << number_of(name->text);
		if (error == -EBUSY || error == -ENOENT)
			error = 0;
	}
	*ret_taken = taken;
	return error;
}

/* With NLM_F_NONREC a chain that has got a rule meanwhile stays, and so does the rule. */
static int sweep_chains(struct netlink *netlink, struct names *names)
{
	int error = list(netlink, NFT_MSG_GETCHAIN, take_chain, names);

	for (const struct name *name = names->first; name && error == 0; name = name->next) {
		error = delete (netlink, NFT_MSG_DELCHAIN, NLM_F_NONREC, names->table,
			NFTA_CHAIN_NAME, name->text);
		if (error == -EBUSY || error == -ENOENT)
			error = 0;
	}
	return error;
}

int generation_sweep(struct netlink *netlink, const char *table, unsigned *ret_free)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct names names = {.table = table};
	uint64_t taken = 1;
	int error = strlen(table) < NFT_NAME_MAXLEN ? 0 : -ENAMETOOLONG;

	if (error == 0)
		error = arena_new(NAMES_MAX, &arena);
	if (error < 0)
		return error;
	names.arena = arena;
	error = sweep_maps(netlink, &names, &taken);
	if (error == 0)
		error = sweep_chains(netlink, &names);
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
