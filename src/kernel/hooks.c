/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/hooks.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * All chains of all families are listed; one that is at a hook has NFTA_CHAIN_HOOK. iptables(8) of
 * today makes such chains as well; the older kind shows in /proc/net/ip_tables_names and
 * ip6_tables_names once it has been used.
 */

#define REPLY_MAX ((size_t)1 << 15) /* the kernel fills dumps up to 32 KiB */

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

static int read_chain(const struct nlmsghdr *message, void *context)
{
	struct search *search = context;
	struct chain chain = {.table = ""};
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*head) ||
		(head->nfgen_family != NFPROTO_INET && head->nfgen_family != NFPROTO_IPV4 &&
			head->nfgen_family != NFPROTO_IPV6))
		return MNL_CB_OK;
	(void)message_attributes(message, sizeof(*head), read_attribute, &chain);
	if (chain.is_at_forward && strncmp(chain.table, search->own, strlen(search->own)) != 0)
		search->found = true;
	return MNL_CB_OK;
}

static int list_chains(struct mnl_socket *socket, struct search *search)
{
	alignas(8) uint8_t bytes[REPLY_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *head;
	int result = MNL_CB_OK;

	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = NFPROTO_UNSPEC;
	head->version = NFNETLINK_V0;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (result == MNL_CB_OK) {
		ssize_t got = mnl_socket_recvfrom(socket, bytes, sizeof(bytes));

		if (got < 0)
			return -errno;
		result = mnl_cb_run(
			bytes, (size_t)got, 1, mnl_socket_get_portid(socket), read_chain, search);
	}
	return result < 0 ? -errno : 0;
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
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct search search = {.own = own};
	int error = socket ? list_chains(socket, &search) : -errno;

	if (socket)
		mnl_socket_close(socket);
	if (error)
		return error;
	*ret_judged = search.found || has_legacy_filter("/proc/self/net/ip_tables_names") ||
		      has_legacy_filter("/proc/self/net/ip6_tables_names");
	return 0;
}
