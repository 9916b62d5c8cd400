/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_CEILING_H
#define EGRESS_KERNEL_CEILING_H

#include <stdint.h>

/*
 * Ceilings that are in force, and may be raised without forgetting what was spent of them: the
 * sizes of sets, and quotas, of an inet table. Changes are collected into the transaction that the
 * netlink has begun (src/kernel/netlink.h).
 */

struct netlink;

/* A set, as far as the kernel has to be told again what it is. */
struct ceiling_set {
	uint32_t flags;
	uint32_t key_type;
	uint32_t key_size;
	uint32_t size; /* elements at most; 0: any number */
};

/* 0, -ENOENT or -errno. */
int ceiling_read_set(
	struct netlink *netlink, const char *table, const char *name, struct ceiling_set *ret_set);

/*
 * Collects: the set, which is as `set` says, may have `size` elements. A kernel that does not
 * change the size of a set (before 6.5) takes it without an error, and nothing becomes of it: read
 * the set again to see.
 */
void ceiling_put_size(struct netlink *netlink, const char *table, const char *name,
	const struct ceiling_set *set, uint32_t size);

struct ceiling_quota {
	uint64_t bytes;
	uint64_t used; /* as the kernel tells it: no more than `bytes` */
};

/* 0, -ENOENT or -errno. */
int ceiling_read_quota(struct netlink *netlink, const char *table, const char *name,
	struct ceiling_quota *ret_quota);

/* Collects: the quota, which matches what is over it, is another one; what was used stays so. */
void ceiling_put_quota(
	struct netlink *netlink, const char *table, const char *name, uint64_t bytes);

/* Nothing of the table's quotas is used, at once; after -errno it may be of some. 0 or -errno. */
int ceiling_reset_quotas(struct netlink *netlink, const char *table);

#endif
