/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/veth.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/decide.h"
#include "src/base/fd.h"
#include "src/base/memstream.h"
#include "src/kernel/hooks.h"
#include "src/kernel/iface.h"
#include "src/kernel/netns.h"
#include "src/kernel/ruleset.h"

/*
 * Theory of operation
 *
 * The pair has a network of its own: of IPv4 a /30 out of 198.19.0.0/16, which no network of
 * others' uses (RFC 2544), of IPv6 a /126 with a prefix drawn by chance (RFC 4193). The host sends
 * what comes from it on under its own address.
 *
 * Nothing of the host's is changed but what is new. It forwards already, at the interfaces its
 * default routes go out of, or there is no such link: to make a host a router for its whole network
 * is not for the run of a command, and could not be undone by a process that is killed. The ruleset
 * belongs to a socket (flag "owner") and goes with it, the interfaces go with the command's
 * namespace, and what is set for them goes with them. To remove them takes the kernel some 50 ms,
 * which nobody has to wait for; what the command leaves behind loses its routes, and nothing that
 * it sends is forwarded under the host's name.
 *
 * Whether packets are forwarded in the end is for all chains at that hook to say, and a verdict of
 * ours does not overrule theirs. Where there are any, container engines' and firewalls', this link
 * is made only for who insists.
 *
 * To the pair's own addresses, and to the one the host's traffic has, nothing listens: that is what
 * it would be like with pasta(1), where the command's namespace has that address.
 */

#define TABLE_PREFIX "egress-run-"

enum { TRIES = 64, PICKY_TRIES = 32 };

static int fail(struct veth_reason *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct veth_reason *why, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
	return error;
}

/* --- The host --- */

static bool is_set(const char *name)
{
	char path[128];
	CLEANUP_FD int fd = -1;
	char value = '0';

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &value, 1) == 1 && value != '0';
}

static bool forwards(enum plan_family family, const char *interface)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/conf/%s/forwarding", family == PLAN_IP4 ? "ipv4" : "ipv6",
		interface);
	return is_set(name) && (family == PLAN_IP4 || is_set("ipv6/conf/all/forwarding"));
}

/* The interface takes packets of that many bytes. */
static int find_mtu(const char *interface, unsigned *ret_mtu)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_mtu = 0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		return -errno;
	*ret_mtu = (unsigned)request.ifr_mtu;
	return 0;
}

/* How the family leaves the host. No way at all is no failure. */
static int look_out(
	struct iface *iface, enum plan_family family, struct veth *veth, struct veth_reason *why)
{
	static const char *const elsewhere[PLAN_FAMILIES] = {"203.0.113.1", "2001:db8::1"};
	char interface[IF_NAMESIZE];
	struct iface_route route = {.out = 0};
	struct inaddr to;
	unsigned mtu = 0;
	int error = inaddr_from_text(text_of(elsewhere[family]), &to);

	if (!error)
		error = iface_find_route(iface, &to, &route);
	if (error == -ENETUNREACH)
		return 0;
	if (!error && !if_indextoname(route.out, interface))
		error = -errno;
	if (!error)
		error = find_mtu(interface, &mtu);
	if (error)
		return fail(why, error, "%s", strerror(-error));
	if (!forwards(family, interface))
		return fail(why, -EPERM, "the host does not forward %s at %s, see sysctl(8), %s",
			family == PLAN_IP4 ? "IPv4" : "IPv6", interface,
			family == PLAN_IP4 ? "net.ipv4.ip_forward"
					   : "net.ipv6.conf.all.forwarding");
	if (veth->mtu == 0 || mtu < veth->mtu)
		veth->mtu = mtu;
	veth->families[family].used = true;
	veth->families[family].has_source = route.has_source;
	veth->families[family].source = route.source;
	return 0;
}

/* --- Choosing --- */

/* Both ends, in a network drawn by chance. */
static int draw(enum plan_family family, struct veth_family *pair)
{
	uint8_t bytes[16] = {198, 19};
	bool is_ip4 = family == PLAN_IP4;
	uint8_t *last = is_ip4 ? &bytes[3] : &bytes[15];

	if (is_ip4) {
		if (getrandom(bytes + 2, 2, 0) != 2)
			return -EIO;
		*last = *last & 0xfc;
	} else {
		bytes[0] = 0xfd;
		if (getrandom(bytes + 1, 7, 0) != 7)
			return -EIO;
	}
	*last = *last | 1;
	pair->host.address = is_ip4 ? inaddr_from_ip4(bytes) : inaddr_from_ip6(bytes);
	*last = (uint8_t)(*last + 1);
	pair->inner.address = is_ip4 ? inaddr_from_ip4(bytes) : inaddr_from_ip6(bytes);
	pair->host.length = pair->inner.length = is_ip4 ? 30 : 126;
	return 0;
}

static bool is_refused(const struct plan *plan, const struct inaddr *address)
{
	return decide(plan, DECIDE_REST, address).verdict == VERDICT_REFUSE;
}

static int choose_pair(struct iface *iface, const struct plan *plan, enum plan_family family,
	struct veth_family *pair)
{
	for (int i = 0; i < TRIES; i++) {
		bool host_free = false, inner_free = false;
		int error = draw(family, pair);

		if (!error)
			error = iface_is_free(iface, &pair->host.address, &host_free);
		if (!error)
			error = iface_is_free(iface, &pair->inner.address, &inner_free);
		if (error)
			return error;
		/* What the command may want to reach is not for its own link, if that can be. */
		if (host_free && inner_free &&
			(i >= PICKY_TRIES || (is_refused(plan, &pair->host.address) &&
						     is_refused(plan, &pair->inner.address))))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

static int choose_names(struct veth *veth)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	snprintf(veth->name, sizeof(veth->name), "egress%08x", number);
	snprintf(veth->table, sizeof(veth->table), TABLE_PREFIX "%08x", number);
	return 0;
}

static int choose_all(struct iface *iface, const struct plan *plan, struct veth *veth)
{
	int error = choose_names(veth);

	for (unsigned family = 0; family < PLAN_FAMILIES && !error; family++)
		if (veth->families[family].used)
			error = choose_pair(iface, plan, family, &veth->families[family]);
	return error;
}

/* Whether others may drop what is forwarded. */
static int expect_no_others(struct veth_reason *why)
{
	bool judged = false;
	int error = hooks_judge_forwarded(TABLE_PREFIX, &judged);

	if (error)
		return fail(why, error, "%s", strerror(-error));
	return judged ? fail(why, -EBUSY, "other rules of the host's judge what it forwards") : 0;
}

int veth_choose(
	const struct plan *plan, bool insists, struct veth *ret_veth, struct veth_reason *ret_why)
{
	__attribute__((cleanup(iface_closep))) struct iface *iface = NULL;
	struct veth veth = {.mtu = 0};
	int error;

	if (geteuid() != 0)
		return fail(ret_why, -EPERM, "it takes root");
	error = iface_open(&iface);
	if (error)
		return fail(ret_why, error, "%s", strerror(-error));
	for (unsigned family = 0; family < PLAN_FAMILIES && !error; family++)
		error = look_out(iface, family, &veth, ret_why);
	if (!error && !veth.families[PLAN_IP4].used && !veth.families[PLAN_IP6].used)
		error = fail(ret_why, -ENETUNREACH, "the host has no default route");
	if (!error && !insists)
		error = expect_no_others(ret_why);
	if (error)
		return error;
	error = choose_all(iface, plan, &veth);
	if (error)
		return fail(ret_why, error, "no address: %s", strerror(-error));
	*ret_veth = veth;
	return 0;
}

/* --- The ruleset on the host --- */

static void write_family(const struct veth *veth, enum plan_family family, FILE *out)
{
	const struct veth_family *pair = &veth->families[family];
	const char *ip = family == PLAN_IP4 ? "ip" : "ip6";
	char host[INADDR_TEXT], inner[INADDR_TEXT], source[INADDR_TEXT];

	if (!pair->used)
		return;
	inaddr_to_text(&pair->host.address, host);
	inaddr_to_text(&pair->inner.address, inner);
	inaddr_to_text(pair->has_source ? &pair->source : &pair->host.address, source);
	fprintf(out, "add rule inet %s nat %s saddr %s masquerade\n", veth->table, ip, inner);
	fprintf(out,
		"add rule inet %s input iifname %s %s daddr %s reject with icmpx "
		"admin-prohibited\n",
		veth->table, veth->name, ip, host);
	fprintf(out,
		"add rule inet %s input iifname %s %s daddr %s reject with icmpx "
		"admin-prohibited\n",
		veth->table, veth->name, ip, source);
	fprintf(out, "add rule inet %s forward iifname %s %s saddr %s accept\n", veth->table,
		veth->name, ip, inner);
}

/* What comes from the pair goes on if it has the pair's own address; answers come back. */
static void write_ruleset(const struct veth *veth, FILE *out)
{
	const char *table = veth->table, *name = veth->name;

	fprintf(out, "add table inet %s { flags owner; }\n", table);
	fprintf(out, "add chain inet %s nat { type nat hook postrouting priority srcnat; }\n",
		table);
	fprintf(out, "add chain inet %s input { type filter hook input priority filter; }\n",
		table);
	fprintf(out, "add chain inet %s forward { type filter hook forward priority filter; }\n",
		table);
	fprintf(out,
		"add rule inet %s input iifname %s icmpv6 type { nd-neighbor-solicit, "
		"nd-neighbor-advert } accept\n",
		table, name);
	fprintf(out,
		"add rule inet %s input iifname %s fib daddr type != { local, unicast } drop\n",
		table, name);
	fprintf(out, "add rule inet %s input iifname %s ip6 daddr fe80::/10 drop\n", table, name);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		write_family(veth, family, out);
	fprintf(out, "add rule inet %s forward iifname %s drop\n", table, name);
	fprintf(out, "add rule inet %s forward oifname %s ct state established,related accept\n",
		table, name);
	fprintf(out, "add rule inet %s forward oifname %s drop\n", table, name);
}

static int load_ruleset(struct veth *veth, struct veth_reason *why)
{
	char *text = NULL, *message = NULL;
	size_t size;
	FILE *out = memstream_open(&text, &size);
	int error = out ? 0 : -ENOMEM;

	if (out) {
		write_ruleset(veth, out);
		error = fclose(out) == 0 ? 0 : -ENOMEM;
	}
	if (!error)
		error = ruleset_hold(text, &veth->ruleset, &message);
	if (error)
		fail(why, error, "cannot load a ruleset: %s", message ? message : strerror(-error));
	free(message);
	free(text);
	return error;
}

/* --- Making it --- */

static int set(const struct veth *veth, const char *family, const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, veth->name, name);
	return netns_set(path, value);
}

/* A host may have no IPv6 at all. */
static int set_up(const struct veth *veth)
{
	bool has_ip6 = veth->families[PLAN_IP6].used;
	int error = 0;

	if (veth->families[PLAN_IP4].used)
		error = set(veth, "ipv4", "forwarding", "1");
	(void)set(veth, "ipv6", "accept_ra", "0");
	(void)set(veth, "ipv6", "accept_dad", "0");
	if (has_ip6 && !error)
		error = set(veth, "ipv6", "forwarding", "1");
	if (!has_ip6)
		(void)set(veth, "ipv6", "disable_ipv6", "1");
	return error;
}

static int add_addresses(struct iface *iface, const struct veth *veth, bool inner)
{
	int error = 0;

	for (unsigned family = 0; family < PLAN_FAMILIES && !error; family++) {
		const struct veth_family *pair = &veth->families[family];

		if (pair->used)
			error = iface_add_address(iface, inner ? VETH_INNER : veth->name,
				inner ? &pair->inner : &pair->host);
	}
	return error;
}

int veth_make(struct veth *veth, pid_t pid, struct veth_reason *ret_why)
{
	__attribute__((cleanup(iface_closep))) struct iface *iface = NULL;
	int error = iface_open(&iface);

	if (!error)
		error = iface_add_pair(iface, veth->name, VETH_INNER, pid, veth->mtu);
	if (error)
		return fail(ret_why, error, "cannot make interfaces: %s", strerror(-error));
	error = set_up(veth);
	if (!error)
		error = add_addresses(iface, veth, false);
	if (!error)
		error = iface_raise(iface, veth->name);
	if (error)
		fail(ret_why, error, "cannot set the interface up: %s", strerror(-error));
	else
		error = load_ruleset(veth, ret_why);
	if (error)
		(void)iface_remove(iface, veth->name);
	return error;
}

void veth_end(struct veth *veth)
{
	if (!veth->ruleset)
		return;
	(void)set(veth, "ipv4", "forwarding", "0");
	ruleset_let_go(veth->ruleset);
	veth->ruleset = NULL;
}

/* --- Inside --- */

int veth_enter(const struct veth *veth)
{
	__attribute__((cleanup(iface_closep))) struct iface *iface = NULL;
	int error = iface_open(&iface);

	if (!error)
		error = add_addresses(iface, veth, true);
	if (!error)
		error = iface_raise(iface, VETH_INNER);
	for (unsigned family = 0; family < PLAN_FAMILIES && !error; family++)
		if (veth->families[family].used)
			error = iface_add_default_route(
				iface, &veth->families[family].host.address);
	return error;
}

void veth_cut(const struct veth *veth)
{
	__attribute__((cleanup(iface_closep))) struct iface *iface = NULL;

	if (iface_open(&iface) != 0)
		return;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (veth->families[family].used)
			(void)iface_remove_default_route(
				iface, &veth->families[family].host.address);
}
