/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_NETLINK_H
#define EGRESS_KERNEL_NETLINK_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

/*
 * A socket to nf_tables, family inet (linux/netfilter/nf_tables.h): changes are collected and sent
 * as one transaction, of which all or nothing happens, and whose end the kernel acknowledges; and
 * questions are asked. What goes into the messages is the callers', by libmnl.
 */
struct netlink;

/* Opens the socket, for transactions of at most `batch_max` bytes; fewer where the system gives its
 * sockets less. The caller, and later whoever commits, needs CAP_NET_ADMIN. 0 or -errno. */
int netlink_open(size_t batch_max, struct netlink **ret_netlink);
void netlink_close(struct netlink *netlink);
void netlink_closep(struct netlink **netlink);

/* Starts a transaction; whatever was collected and not committed is forgotten. */
void netlink_begin(struct netlink *netlink);

/*
 * The generation of the network namespace's rulesets: each transaction that changes anything in any
 * table takes it to the next. 0 with one that isn't 0, or -errno. A transaction that was just begun
 * can be told to expect one: if another is in force its commit changes nothing and answers
 * -ERESTART. 0: any will do.
 */
int netlink_generation(struct netlink *netlink, uint32_t *ret_generation);
void netlink_expect(struct netlink *netlink, uint32_t generation);
uint32_t netlink_next_generation(uint32_t generation);

/* How many bytes of changes still fit; 0 also when there is no transaction, or it has failed. */
size_t netlink_room(const struct netlink *netlink);

/* Has the commit answer `error`, without sending anything, unless there was a mistake before. */
void netlink_fail(struct netlink *netlink, int error);

/* Adds a change, NFT_MSG_*, whose attributes are to follow, at most `size` bytes of them; then
 * netlink_changed() ends it. NULL: it doesn't fit, and the transaction has failed. */
struct nlmsghdr *netlink_change(
	struct netlink *netlink, uint16_t type, uint16_t flags, size_t size);
void netlink_changed(struct netlink *netlink);

/*
 * The same for an element of a set, of at most `size` bytes with its NFTA_LIST_ELEM: it joins the
 * list of the change before, if that has one of the same kind and set. netlink_listed() ends it.
 * Bounded by NETLINK_LIST beside `size`. `table` and `set` are shorter than NFT_NAME_MAXLEN.
 */
struct nlmsghdr *netlink_list(struct netlink *netlink, uint16_t type, uint16_t flags,
	const char *table, const char *set, size_t size);
void netlink_listed(struct netlink *netlink);
#define NETLINK_LIST 560

/*
 * Sends the transaction and waits for the kernel's acknowledgement that it took effect. 0; the
 * errno of the first change the kernel refused; -EMSGSIZE when more was collected than fits; or
 * what netlink_fail() was given. On an error nothing has changed, but for -ENOBUFS: the kernel had
 * no memory for its answer, and which it was is unknown. An empty transaction is 0. The next one
 * starts with netlink_begin().
 */
int netlink_commit(struct netlink *netlink);

/* Room for a question, which netlink_question() begins and attributes follow. */
struct netlink_question {
	alignas(8) uint8_t bytes[4096];
};
struct nlmsghdr *netlink_question(
	struct netlink *netlink, struct netlink_question *question, uint16_t type, uint16_t flags);

/* Called with each message of an answer, whose nlmsg_type is that of an NFT_MSG_*. A return value
 * other than 0 ends the answer and is passed on. */
typedef int netlink_take(void *context, const struct nlmsghdr *reply);

/*
 * Sends a question (NLM_F_DUMP, or NLM_F_ACK) and takes the answer; `take` may be NULL. It may
 * collect changes, but not commit them, nor ask. 0; what `take` returned; the kernel's error; or
 * -EINTR when any ruleset was changed meanwhile, so that parts of a dump may have been missed or
 * come twice; or -ENOBUFS when parts of the answer were lost.
 */
int netlink_ask(struct netlink *netlink, const struct nlmsghdr *question, netlink_take *take,
	void *context);

/* A netlink_take for NFT_MSG_GETSET: how many elements the set has, into an int64_t; older kernels
 * don't say, and it is left as it was. */
netlink_take netlink_take_count;

/*
 * The same in parts, for an answer that takes long: other work may be done between them, but
 * nothing be asked or committed with this socket, until *ret_ended. A part is what the kernel had
 * made ready when the one before was taken. -ENOBUFS: it had no memory for one. After an error, or
 * to leave the answer unread, close the socket.
 */
int netlink_dump_start(struct netlink *netlink, const struct nlmsghdr *question);
int netlink_dump_next(struct netlink *netlink, netlink_take *take, void *context, bool *ret_ended);

/* nlmsg_type of an NFT_MSG_*. */
uint16_t netlink_type(uint16_t message);

#endif
