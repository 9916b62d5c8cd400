/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_RELAY_H
#define EGRESS_RUN_RELAY_H

#include <sys/types.h>

#include "src/run/forward.h"

/* The two processes behind a list of forwards: a porter (src/kernel/porter.h) in the network
 * namespace that has the services, and the relay, which listens in the other one. */

/* Sockets that listen, by the forward they are for. */
struct relay {
	const struct forward_list *list;
	int sockets[FORWARDS_MAX][FORWARD_LISTEN]; /* -1: none */
};

/*
 * Opens them, in the caller's network namespace. 0; or -errno, with what can't be listened at in
 * *ret_where and nothing open: -EADDRINUSE when somebody else does.
 */
int relay_listen(
	const struct forward_list *list, struct relay *ret_relay, struct endpoint *ret_where);
void relay_close(struct relay *relay);

/*
 * Starts the relay: a process that has the sockets, asks at `asker` for those to the targets, and
 * nothing else; it ends with the caller. 0 or -errno.
 */
int relay_start(const struct relay *relay, int asker, pid_t *ret_process);

/* Starts the porter of the targets, which belongs into their namespace, with its end of the pair.
 * It ends with the caller. 0 or -errno. */
int relay_start_porter(const struct forward_list *list, int porter, pid_t *ret_process);

/* The same for any list of endpoints. */
int relay_start_porter_to(
	const struct endpoint *servers, size_t n_servers, int porter, pid_t *ret_process);

#endif
