/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_IFACE_H
#define EGRESS_KERNEL_IFACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/inaddr.h"

/* Network interfaces, their addresses and the routes of the caller's network namespace
 * (rtnetlink(7)). What changes them takes CAP_NET_ADMIN there. */
struct iface;

/* 0 or -errno. */
int iface_open(struct iface **ret_iface);
void iface_close(struct iface *iface);
void iface_closep(struct iface **iface);

/* The way of a packet to somewhere. */
struct iface_route {
	unsigned out;    /* index of the interface */
	bool has_source; /* which address it would have as its sender */
	struct inaddr source;
};

/* 0; -ENETUNREACH when there is no such way, or it is to this host or to many; or -errno. */
int iface_find_route(struct iface *iface, const struct inaddr *to, struct iface_route *ret_route);

/* Whether no route but a default one leads to the address: as far as this host knows nobody has it.
 * 0 or -errno. */
int iface_is_free(struct iface *iface, const struct inaddr *address, bool *ret_free);

/* Makes a pair of virtual Ethernet interfaces (veth(4)) of that MTU, which are down: one here, and
 * one in the network namespace of process `pid`. 0; -EEXIST when there is one of either name; or
 * -errno. */
int iface_add_pair(
	struct iface *iface, const char *name, const char *peer, pid_t pid, unsigned mtu);

/* Removes it, and with it the other one of a pair; takes some 50 ms. 0 or -errno. */
int iface_remove(struct iface *iface, const char *name);

/* Gives it an address that works at once. 0 or -errno. */
int iface_add_address(struct iface *iface, const char *name, const struct prefix *prefix);

/* 0 or -errno. */
int iface_raise(struct iface *iface, const char *name);

/* What has no other way goes to `gateway`; or does so no more. 0 or -errno. */
int iface_add_default_route(struct iface *iface, const struct inaddr *gateway);
int iface_remove_default_route(struct iface *iface, const struct inaddr *gateway);

#endif
