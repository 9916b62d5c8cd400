/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/ceiling.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "src/kernel/message.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * A set that is declared again, as it is but for its size, gets that size (nf_tables_api.c:
 * nf_tables_newset(), nft_set_is_same()), whatever is in it. A quota that is declared again gets
 * the number of bytes, and keeps what was used (nft_quota.c: nft_quota_obj_update()).
 */

enum { NAMES_SIZE = 2 * ATTRIBUTE_SIZE(NFT_NAME_MAXLEN), TRIES = 10 };

static bool are_names(const char *table, const char *name)
{
	return strlen(table) < NFT_NAME_MAXLEN && strlen(name) < NFT_NAME_MAXLEN;
}

/* --- Sets --- */

static int get_description(const struct nlattr *attribute, void *context)
{
	struct ceiling_set *set = context;

	if (mnl_attr_get_type(attribute) == NFTA_SET_DESC_SIZE)
		set->size = attribute_u32(attribute);
	return MNL_CB_OK;
}

static int get_set_part(const struct nlattr *attribute, void *context)
{
	struct ceiling_set *set = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_SET_FLAGS:
		set->flags = attribute_u32(attribute);
		break;
	case NFTA_SET_KEY_TYPE:
		set->key_type = attribute_u32(attribute);
		break;
	case NFTA_SET_KEY_LEN:
		set->key_size = attribute_u32(attribute);
		break;
	case NFTA_SET_DESC:
		mnl_attr_parse_nested(attribute, get_description, set);
		break;
	}
	return MNL_CB_OK;
}

static int take_set(void *context, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == netlink_type(NFT_MSG_NEWSET))
		message_attributes(reply, sizeof(struct nfgenmsg), get_set_part, context);
	return 0;
}

int ceiling_read_set(
	struct netlink *netlink, const char *table, const char *name, struct ceiling_set *ret_set)
{
	struct ceiling_set set = {.key_size = 0};
	struct netlink_question bytes;
	struct nlmsghdr *question;
	int error;

	if (!are_names(table, name))
		return -ENAMETOOLONG;
	question = netlink_question(netlink, &bytes, NFT_MSG_GETSET, NLM_F_ACK);
	mnl_attr_put_strz(question, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(question, NFTA_SET_NAME, name);
	error = netlink_ask(netlink, question, take_set, &set);
	if (error && error != -EINTR)
		return error;
	if (set.key_size == 0)
		return -ENOENT;
	*ret_set = set;
	return 0;
}

void ceiling_put_size(struct netlink *netlink, const char *table, const char *name,
	const struct ceiling_set *set, uint32_t size)
{
	struct nlmsghdr *change;
	struct nlattr *description;

	if (!are_names(table, name)) {
		netlink_fail(netlink, -ENAMETOOLONG);
		return;
	}
	change = netlink_change(netlink, NFT_MSG_NEWSET, NLM_F_CREATE,
		NAMES_SIZE + 6 * ATTRIBUTE_SIZE(sizeof(uint32_t)));
	if (!change)
		return;
	mnl_attr_put_strz(change, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(change, NFTA_SET_NAME, name);
	mnl_attr_put_u32(change, NFTA_SET_FLAGS, htobe32(set->flags));
	mnl_attr_put_u32(change, NFTA_SET_KEY_TYPE, htobe32(set->key_type));
	mnl_attr_put_u32(change, NFTA_SET_KEY_LEN, htobe32(set->key_size));
	mnl_attr_put_u32(change, NFTA_SET_ID, htobe32(1));
	description = mnl_attr_nest_start(change, NFTA_SET_DESC);
	mnl_attr_put_u32(change, NFTA_SET_DESC_SIZE, htobe32(size));
	mnl_attr_nest_end(change, description);
	netlink_changed(netlink);
}

/* --- Quotas --- */

struct found_quota {
	struct ceiling_quota quota;
	bool found;
};

static int get_quota_part(const struct nlattr *attribute, void *context)
{
	struct found_quota *found = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_QUOTA_BYTES:
		found->quota.bytes = attribute_u64(attribute);
		found->found = true;
		break;
	case NFTA_QUOTA_CONSUMED:
		found->quota.used = attribute_u64(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int get_object_part(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_OBJ_DATA)
		mnl_attr_parse_nested(attribute, get_quota_part, context);
	return MNL_CB_OK;
}

static int take_quota(void *context, const struct nlmsghdr *reply)
{
	if (reply->nlmsg_type == netlink_type(NFT_MSG_NEWOBJ))
		message_attributes(reply, sizeof(struct nfgenmsg), get_object_part, context);
	return 0;
}

int ceiling_read_quota(struct netlink *netlink, const char *table, const char *name,
	struct ceiling_quota *ret_quota)
{
	struct found_quota found = {.found = false};
	struct netlink_question bytes;
	struct nlmsghdr *question;
	int error;

	if (!are_names(table, name))
		return -ENAMETOOLONG;
	question = netlink_question(netlink, &bytes, NFT_MSG_GETOBJ, NLM_F_ACK);
	mnl_attr_put_strz(question, NFTA_OBJ_TABLE, table);
	mnl_attr_put_strz(question, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(question, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_QUOTA));
	error = netlink_ask(netlink, question, take_quota, &found);
	if (error && error != -EINTR)
		return error;
	if (!found.found)
		return -ENOENT;
	*ret_quota = found.quota;
	return 0;
}

void ceiling_put_quota(struct netlink *netlink, const char *table, const char *name, uint64_t bytes)
{
	struct nlmsghdr *change;
	struct nlattr *data;

	if (!are_names(table, name)) {
		netlink_fail(netlink, -ENAMETOOLONG);
		return;
	}
	change = netlink_change(netlink, NFT_MSG_NEWOBJ, NLM_F_CREATE,
		NAMES_SIZE + 3 * ATTRIBUTE_SIZE(sizeof(uint32_t)) +
			ATTRIBUTE_SIZE(sizeof(uint64_t)));
	if (!change)
		return;
	mnl_attr_put_strz(change, NFTA_OBJ_TABLE, table);
	mnl_attr_put_strz(change, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(change, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_QUOTA));
	data = mnl_attr_nest_start(change, NFTA_OBJ_DATA);
	mnl_attr_put_u64(change, NFTA_QUOTA_BYTES, htobe64(bytes));
	mnl_attr_put_u32(change, NFTA_QUOTA_FLAGS, htobe32(NFT_QUOTA_F_INV));
	mnl_attr_nest_end(change, data);
	netlink_changed(netlink);
}

static int reset_once(struct netlink *netlink, const char *table)
{
	struct netlink_question bytes;
	struct nlmsghdr *question;

	if (!are_names(table, ""))
		return -ENAMETOOLONG;
	question = netlink_question(netlink, &bytes, NFT_MSG_GETOBJ_RESET, NLM_F_DUMP);
	mnl_attr_put_strz(question, NFTA_OBJ_TABLE, table);
	mnl_attr_put_u32(question, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_QUOTA));
	return netlink_ask(netlink, question, NULL, NULL);
}

int ceiling_reset_quotas(struct netlink *netlink, const char *table)
{
	int error = -EINTR;

	/* Some may have been missed when another ruleset changed meanwhile. */
	for (unsigned i = 0; i < TRIES && error == -EINTR; i++)
		error = reset_once(netlink, table);
	return error;
}
