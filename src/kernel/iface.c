/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/iface.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/message.h"

/*
 * Theory of operation
 *
 * One request at a time, each acknowledged. A question about a route has one answer, which stands
 * in for the acknowledgement.
 *
 * RTM_F_FIB_MATCH asks for the entry of the routing table instead of what would be done with a
 * packet: its length is 0 for a default route.
 */

enum { ROOM = 8192 };

struct iface {
	struct mnl_socket *socket;
	uint32_t sequence;
	alignas(8) uint8_t bytes[ROOM];
};

int iface_open(struct iface **ret_iface)
{
	struct iface *iface = calloc(1, sizeof(*iface));
	int error;

	if (!iface)
		return -ENOMEM;
	iface->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (iface->socket && mnl_socket_bind(iface->socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		*ret_iface = iface;
		return 0;
	}
	error = -errno;
	iface_close(iface);
	return error;
}

void iface_close(struct iface *iface)
{
	if (!iface)
		return;
	if (iface->socket)
		mnl_socket_close(iface->socket);
	free(iface);
}

void iface_closep(struct iface **iface)
{
	iface_close(*iface);
	*iface = NULL;
}

static struct nlmsghdr *begin(struct iface *iface, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(iface->bytes);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++iface->sequence;
	return message;
}

/* Sends what was begun; what the kernel answers is taken by `take`, which may be NULL. 0 or
 * -errno. */
static int ask(struct iface *iface, const struct nlmsghdr *message, mnl_cb_t take, void *context)
{
	unsigned port = mnl_socket_get_portid(iface->socket);
	int result = MNL_CB_OK;

	if (mnl_socket_sendto(iface->socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (result == MNL_CB_OK) {
		ssize_t got = mnl_socket_recvfrom(iface->socket, iface->bytes, ROOM);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		result =
			mnl_cb_run(iface->bytes, (size_t)got, iface->sequence, port, take, context);
	}
	return result < 0 ? -errno : 0;
}

/* --- Routes --- */

struct found {
	struct rtmsg head;
	struct iface_route route;
};

static int read_attribute(const struct nlattr *attribute, void *context)
{
	struct iface_route *route = context;
	const uint8_t *bytes = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == RTA_OIF && size == sizeof(uint32_t))
		route->out = mnl_attr_get_u32(attribute);
	if (mnl_attr_get_type(attribute) != RTA_PREFSRC || (size != 4 && size != 16))
		return MNL_CB_OK;
	route->has_source = true;
	route->source = size == 4 ? inaddr_from_ip4(bytes) : inaddr_from_ip6(bytes);
	return MNL_CB_OK;
}

static int read_route(const struct nlmsghdr *message, void *context)
{
	struct found *found = context;

	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(found->head))
		return MNL_CB_OK;
	memcpy(&found->head, mnl_nlmsg_get_payload(message), sizeof(found->head));
	(void)message_attributes(message, sizeof(found->head), read_attribute, &found->route);
	return MNL_CB_STOP;
}

/* -ENETUNREACH: there is none. */
static int find(struct iface *iface, const struct inaddr *to, unsigned flags, struct found *ret)
{
	struct nlmsghdr *message = begin(iface, RTM_GETROUTE, 0);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	struct found found = {.head = {.rtm_type = RTN_UNSPEC}};
	size_t size;
	const uint8_t *bytes = inaddr_raw(to, &size);
	int error;

	head->rtm_family = size == 4 ? AF_INET : AF_INET6;
	head->rtm_dst_len = (uint8_t)(8 * size);
	head->rtm_flags = flags;
	mnl_attr_put(message, RTA_DST, size, bytes);
	error = ask(iface, message, read_route, &found);
	/* Routes that say so: unreachable, prohibit and, of IPv4, blackhole. */
	if (error == -EHOSTUNREACH || error == -EACCES || error == -EINVAL)
		error = -ENETUNREACH;
	if (!error)
		*ret = found;
	return error;
}

int iface_find_route(struct iface *iface, const struct inaddr *to, struct iface_route *ret_route)
{
	struct found found;
	int error = find(iface, to, 0, &found);

	if (!error && (found.head.rtm_type != RTN_UNICAST || found.route.out == 0))
		error = -ENETUNREACH;
	if (!error)
		*ret_route = found.route;
	return error;
}

int iface_is_free(struct iface *iface, const struct inaddr *address, bool *ret_free)
{
	struct found found;
	int error = find(iface, address, RTM_F_FIB_MATCH, &found);

	if (error && error != -ENETUNREACH)
		return error;
	*ret_free = error || found.head.rtm_dst_len == 0;
	return 0;
}

/* --- Interfaces --- */

static struct ifinfomsg *put_head(struct nlmsghdr *message)
{
	struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	head->ifi_family = AF_UNSPEC;
	return head;
}

/* What IFLA_LINKINFO of a veth has about the other one. */
static void put_peer(struct nlmsghdr *message, const char *peer, pid_t pid, unsigned mtu)
{
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO), *data, *other;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(message, VETH_INFO_PEER);
	put_head(message);
	mnl_attr_put_strz(message, IFLA_IFNAME, peer);
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	mnl_attr_put_u32(message, IFLA_NET_NS_PID, (uint32_t)pid);
	mnl_attr_nest_end(message, other);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

int iface_add_pair(struct iface *iface, const char *name, const char *peer, pid_t pid, unsigned mtu)
{
	struct nlmsghdr *message = begin(iface, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);

	if (strlen(name) >= IF_NAMESIZE || strlen(peer) >= IF_NAMESIZE)
		return -EINVAL;
	put_head(message);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	put_peer(message, peer, pid, mtu);
	return ask(iface, message, NULL, NULL);
}

static int index_of(const char *name, unsigned *ret_index)
{
	*ret_index = if_nametoindex(name);
	return *ret_index > 0 ? 0 : -errno;
}

int iface_remove(struct iface *iface, const char *name)
{
	unsigned index;
	int error = index_of(name, &index);
	struct nlmsghdr *message;

	if (error)
		return error;
	message = begin(iface, RTM_DELLINK, NLM_F_ACK);
	put_head(message)->ifi_index = (int)index;
	return ask(iface, message, NULL, NULL);
}

int iface_raise(struct iface *iface, const char *name)
{
	unsigned index;
	int error = index_of(name, &index);
	struct nlmsghdr *message;
	struct ifinfomsg *head;

	if (error)
		return error;
	message = begin(iface, RTM_NEWLINK, NLM_F_ACK);
	head = put_head(message);
	head->ifi_index = (int)index;
	head->ifi_flags = head->ifi_change = IFF_UP;
	return ask(iface, message, NULL, NULL);
}

int iface_add_address(struct iface *iface, const char *name, const struct prefix *prefix)
{
	unsigned index;
	int error = index_of(name, &index);
	size_t size;
	const uint8_t *bytes = inaddr_raw(&prefix->address, &size);
	struct nlmsghdr *message;
	struct ifaddrmsg *head;

	if (error)
		return error;
	message = begin(iface, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->ifa_family = size == 4 ? AF_INET : AF_INET6;
	head->ifa_prefixlen = prefix->length;
	head->ifa_flags = IFA_F_PERMANENT | (size == 4 ? 0 : IFA_F_NODAD);
	head->ifa_index = index;
	mnl_attr_put(message, IFA_LOCAL, size, bytes);
	mnl_attr_put(message, IFA_ADDRESS, size, bytes);
	return ask(iface, message, NULL, NULL);
}

static int change_default_route(
	struct iface *iface, uint16_t type, uint16_t flags, const struct inaddr *gateway)
{
	struct nlmsghdr *message = begin(iface, type, NLM_F_ACK | flags);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	size_t size;
	const uint8_t *bytes = inaddr_raw(gateway, &size);

	head->rtm_family = size == 4 ? AF_INET : AF_INET6;
	head->rtm_table = RT_TABLE_MAIN;
	head->rtm_protocol = RTPROT_STATIC;
	head->rtm_scope = RT_SCOPE_UNIVERSE;
	head->rtm_type = RTN_UNICAST;
	mnl_attr_put(message, RTA_GATEWAY, size, bytes);
	return ask(iface, message, NULL, NULL);
}

int iface_add_default_route(struct iface *iface, const struct inaddr *gateway)
{
	return change_default_route(iface, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, gateway);
}

int iface_remove_default_route(struct iface *iface, const struct inaddr *gateway)
{
	return change_default_route(iface, RTM_DELROUTE, 0, gateway);
}
