/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/kernel-counters.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "src/kernel/message.h"
#include "src/kernel/netlink.h"

struct walk {
	kernel_counters_visit *visit;
	void *context;
};

struct found {
	char name[NFT_NAME_MAXLEN];
	uint64_t packets;
	uint64_t bytes;
	bool counts;
};

static int get_value(const struct nlattr *attribute, void *context)
{
	struct found *found = context;

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_COUNTER_PACKETS:
		found->packets = attribute_u64(attribute);
		found->counts = true;
		break;
	case NFTA_COUNTER_BYTES:
		found->bytes = attribute_u64(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int get_part(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	size_t size = mnl_attr_get_payload_len(attribute);

	switch (mnl_attr_get_type(attribute)) {
	case NFTA_OBJ_NAME:
		if (size > sizeof(found->name) - 1)
			size = sizeof(found->name) - 1;
		memcpy(found->name, mnl_attr_get_payload(attribute), size);
		break;
	case NFTA_OBJ_DATA:
		mnl_attr_parse_nested(attribute, get_value, found);
		break;
	}
	return MNL_CB_OK;
}

static int take_counter(void *context, const struct nlmsghdr *reply)
{
	const struct walk *walk = context;
	struct found found = {.counts = false};

	if (reply->nlmsg_type != netlink_type(NFT_MSG_NEWOBJ))
		return 0;
	message_attributes(reply, sizeof(struct nfgenmsg), get_part, &found);
	if (!found.counts || found.name[0] == '\0')
		return 0;
	return walk->visit(walk->context, found.name, found.packets, found.bytes);
}

int kernel_counters_walk(
	struct netlink *netlink, const char *table, kernel_counters_visit *visit, void *context)
{
	struct walk walk = {visit, context};
	struct netlink_question bytes;
	struct nlmsghdr *question;

	if (strlen(table) >= NFT_NAME_MAXLEN)
		return -ENAMETOOLONG;
	question = netlink_question(netlink, &bytes, NFT_MSG_GETOBJ, NLM_F_DUMP);
	mnl_attr_put_strz(question, NFTA_OBJ_TABLE, table);
	mnl_attr_put_u32(question, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	return netlink_ask(netlink, question, take_counter, &walk);
}
