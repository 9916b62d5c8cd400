/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_RANGEMAP_H
#define EGRESS_KERNEL_RANGEMAP_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/text.h"
#include "src/kernel/netlink.h"

/* What an interval map has for a range of addresses. */
struct rangemap_entry {
	struct range range;
	const char *chain; /* "goto chain"; NULL: the mark */
	uint32_t mark;
	struct text comment; /* at most RANGEMAP_COMMENT_MAX bytes */
};

#define RANGEMAP_COMMENT_MAX 127

/* An interval map of an inet table, from the addresses of one family to marks or chains, and what
 * it is to hold: disjoint ranges in ascending order. What the entries point to stays as it is while
 * the map is filled or checked. */
struct rangemap {
	const char *table;
	const char *name;
	size_t count;
	struct rangemap_entry (*entry)(const void *context, size_t index);
	const void *context;
};

/*
 * Puts the entries into the map, which is there and empty, in as many transactions as it takes:
 * meant for a map that no rule uses yet. 0; -ENOENT when the kernel lacks the table, the map or a
 * chain; -EINVAL when an entry has addresses of both families, too long a comment, or a value that
 * is not of the map's kind; or another -errno. On an error the map holds a part.
 */
int rangemap_fill(struct netlink *netlink, const struct rangemap *map);

/*
 * Whether the map holds the entries: their number, where the kernel tells it (6.18 does), and both
 * ends and the value of each of them, or of about a thousand when there are more: walking a map
 * takes time that grows with the square of its size. 0, -ESTALE when it does not, -ENOENT when it
 * isn't there, or another -errno.
 */
int rangemap_check(struct netlink *netlink, const struct rangemap *map);

#endif
