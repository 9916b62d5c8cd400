/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_NETNS_H
#define EGRESS_KERNEL_NETNS_H

#include <sys/types.h>

/* User and network namespaces (user_namespaces(7), network_namespaces(7)). */

/* Which user and group of a new user namespace are which of its parent. */
struct netns_ids {
	/* So many, from 0 on, are themselves, which takes CAP_SETUID and CAP_SETGID in the parent.
	 * 0: only what follows. */
	unsigned all;
	uid_t inside_uid;
	gid_t inside_gid;
	uid_t outside_uid; /* as the parent has it; who isn't privileged there can only name himself
			    */
	gid_t outside_gid;
};

/* Gives the user namespace of process `pid` (0: the caller's own) its ids, once. 0 or -errno. */
int netns_map_ids(pid_t pid, const struct netns_ids *ids);

/* How many ids root has here, from 0 on: all of them, or a container's. 0 for who isn't root, or
 * has no other. */
unsigned netns_roots_ids(void);

/* Sets the network namespace's loopback up. 0 or -errno. */
int netns_raise_loopback(void);

/* Writes a sysctl of the network namespace, as "net/ipv4/ip_forward". 0 or -errno. */
int netns_set(const char *name, const char *value);

#endif
