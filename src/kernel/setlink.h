/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_SETLINK_H
#define EGRESS_KERNEL_SETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"

/*
 * Elements of nftables sets, over netlink (linux/netfilter/nf_tables.h): changes are collected and
 * sent as one transaction, of which all or nothing happens, and whose end the kernel acknowledges.
 */
struct setlink;

struct netlink;

#define SETLINK_KEY_MAX 64

/* An element of a set, or of a map whose values are marks. */
struct setlink_element {
	uint8_t key[SETLINK_KEY_MAX]; /* as the kernel keeps it: addresses in network order, marks
					 and user ids in host order, each field padded to 4 bytes */
	size_t key_size;
	bool has_mark; /* a map's element: `mark` is its value */
	uint32_t mark;
	struct duration timeout; /* 0: none */
};

/* Opens the socket. The caller, and later whoever commits, needs CAP_NET_ADMIN. 0 or -errno. */
int setlink_open(struct setlink **ret_link);
void setlink_close(struct setlink *link);
void setlink_closep(struct setlink **link);

/* The socket, for other changes in the transaction, and other questions. */
struct netlink *setlink_netlink(struct setlink *link);

/* Starts a transaction on the inet table `table`; whatever was collected and not committed is
 * forgotten. */
void setlink_begin(struct setlink *link, const char *table);

/* The same as netlink_expect() and netlink_generation(). */
void setlink_expect(struct setlink *link, uint32_t generation);
int setlink_generation(struct setlink *link, uint32_t *ret_generation);

/* How many more elements surely fit into this transaction (over a thousand at its start). */
size_t setlink_room(const struct setlink *link);

/* Collects. Adding what exists with the same mark succeeds, and gives it the new time-out on
 * kernels since 6.12 (before: add, delete and add it in one transaction); with another mark commit
 * fails with -EEXIST (kernel: nft_add_set_elem), into a full set with -ENFILE. Deleting what
 * doesn't exist makes commit fail with -ENOENT. */
void setlink_add(struct setlink *link, const char *set, const struct setlink_element *element);
void setlink_delete(struct setlink *link, const char *set, const struct setlink_element *element);

/* Collects: all elements of the set go. */
void setlink_flush(struct setlink *link, const char *set);

/*
 * Sends the transaction and waits for the kernel's acknowledgement that it took effect. 0; the
 * errno of the first change the kernel refused (-ENOENT: no such table, set or element); -EMSGSIZE
 * when more was collected than fits; -EINVAL or -ENAMETOOLONG for a change that can't be sent. On
 * an error nothing has changed, but for -ENOBUFS: the kernel had no memory for its answer, and
 * which it was is unknown. An empty transaction is 0. The next one starts with setlink_begin().
 */
int setlink_commit(struct setlink *link);

/* Called for each element; `timeout` is what is left of it. A return value other than 0 ends the
 * walk and is passed on. */
typedef int setlink_visit(void *context, const struct setlink_element *element);

/*
 * Walks the elements of a set; of intervals only their first keys. The visitor may collect changes
 * with this link, but not commit them, nor walk. 0, -ENOENT, the visitor's value, -EINTR when any
 * ruleset was changed meanwhile, so that elements may have been missed or visited twice, or -errno.
 */
int setlink_dump(struct setlink *link, const char *table, const char *set, setlink_visit *visit,
	void *context);

/* The same in parts, with the conditions of netlink_dump_start(). */
int setlink_dump_start(struct setlink *link, const char *table, const char *set);
int setlink_dump_next(struct setlink *link, setlink_visit *visit, void *context, bool *ret_ended);

/* The element of a set that has `wanted`'s key. 0, -ENOENT (no such table, set or element; one
 * whose time is over is none) or -errno. */
int setlink_get(struct setlink *link, const char *table, const char *set,
	const struct setlink_element *wanted, struct setlink_element *ret_element);

/*
 * Whether an element that is added again gets its new time-out (kernels since 6.12), found out by
 * trying, in a table `probe` that has no chains, belongs to this socket and is removed again. 0 or
 * -errno: -EEXIST when there is such a table, -EOPNOTSUPP or -EINVAL where a table can't belong to
 * anybody, which is before 5.12.
 */
int setlink_probe_refresh(struct setlink *link, const char *probe, bool *ret_refreshes);

/* How many elements a set has, those whose time is over included until they are collected. 0;
 * -EOPNOTSUPP where the kernel doesn't tell it (6.18 does); or -errno. */
int setlink_count(struct setlink *link, const char *table, const char *set, size_t *ret_count);

/* Whether the inet table has a set of that name. 0, -ENOENT or -errno. */
int setlink_find(struct setlink *link, const char *table, const char *set);

#endif
