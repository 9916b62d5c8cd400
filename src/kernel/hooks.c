/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/hooks.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "src/kernel/message.h"
#include "src/kernel/netlink.h"

/*
 * Theory of operation
 *
 * All chains of all families are listed; one that is at a hook has NFTA_CHAIN_HOOK. iptables(8) of
 * today makes such chains as well; the older kind shows in /proc/net/ip_tables_names and
 * ip6_tables_names once it has been used.
 *
 * A list that a change of any ruleset came between may lack some, and is made anew: runs that start
 * together do that to each other.
 */

enum { DUMPS_MAX = 100 }; /* of a ruleset that changes meanwhile */

struct search {
	const char *own;
	bool found;
};

struct chain {
	char table[NFT_TABLE_MAXNAMELEN];
	bool is_at_forward;
};

static int read_hook(const struct nlattr *attribute, void *context)
{
	struct chain *chain = context;

	if (mnl_attr_get_type(attribute) == NFTA_HOOK_HOOKNUM)
		chain->is_at_forward = attribute_u32(attribute) == NF_INET_FORWARD;
	return MNL_CB_OK;
}

static int read_attribute(const struct nlattr *attribute, void *context)
{
	struct chain *chain = context;

	if (mnl_attr_get_type(attribute) == NFTA_CHAIN_HOOK)
		return mnl_attr_parse_nested(attribute, read_hook, context);
	if (mnl_attr_get_type(attribute) == NFTA_CHAIN_TABLE &&
		mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(chain->table, sizeof(chain->table), "%s", mnl_attr_get_str(attribute));
	return MNL_CB_OK;
}

static int take_chain(void *context, const struct nlmsghdr *reply)
{
	struct search *search = context;
	struct chain chain = {.table = ""};
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(reply);

	if (mnl_nlmsg_get_payload_len(reply) < sizeof(*head) ||
		(head->nfgen_family != NFPROTO_INET && head->nfgen_family != NFPROTO_IPV4 &&
			head->nfgen_family != NFPROTO_IPV6))
		return 0;
	(void)message_attributes(reply, sizeof(*head), read_attribute, &chain);
	if (chain.is_at_forward && strncmp(chain.table, search->own, strlen(search->own)) != 0)
		search->found = true;
	return 0;
}

/* Until one is found, or a list is whole. */
static int list_chains(struct netlink *netlink, struct search *search)
{
	struct netlink_question bytes;
	int error = -EINTR;

	for (int i = 0; i < DUMPS_MAX && error == -EINTR && !search->found; i++) {
		struct nlmsghdr *question =
			netlink_question(netlink, &bytes, NFT_MSG_GETCHAIN, NLM_F_DUMP);
		struct nfgenmsg *head = mnl_nlmsg_get_payload(question);

		head->nfgen_family = NFPROTO_UNSPEC;
		error = netlink_ask(netlink, question, take_chain, search);
	}
	return search->found ? 0 : error;
}

/* Whether the older ip_tables has the table `filter`, where chains at the hook are. */
static bool has_legacy_filter(const char *path)
{
	FILE *names = fopen(path, "re");
	char line[64];
	bool found = false;

	while (names && !found && fgets(line, sizeof(line), names))
		found = strcmp(line, "filter\n") == 0;
	if (names)
		fclose(names);
	return found;
}

int hooks_judge_forwarded(const char *own, bool *ret_judged)
{
	__attribute__((cleanup(netlink_closep))) struct netlink *netlink = NULL;
	struct search search = {.own = own};
	int error = netlink_open(0, &netlink);

	if (!error)
		error = list_chains(netlink, &search);
	if (error)
		return error;
	*ret_judged = search.found || has_legacy_filter("/proc/self/net/ip_tables_names") ||
		      has_legacy_filter("/proc/self/net/ip6_tables_names");
	return 0;
}
