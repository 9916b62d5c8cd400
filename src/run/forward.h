/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_FORWARD_H
#define EGRESS_RUN_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/inaddr.h"

/* Ports of one network namespace whose connections or datagrams go to a service of another: from
 * the host in (--publish), or to the host's loopback (--loopback). */

enum {
	FORWARDS_MAX = 64,
	/* Of an address family each. */
	FORWARD_LISTEN = 2,
	FORWARD_TARGETS = 2,
};

struct forward {
	bool stream;                              /* TCP; else UDP */
	struct endpoint listen[FORWARD_LISTEN];   /* where it is listened */
	size_t n_listen;                          /* of two the second may be missing */
	struct endpoint targets[FORWARD_TARGETS]; /* of the loopback, in the order they are
						     tried */
};

struct forward_list {
	struct forward rows[FORWARDS_MAX];
	size_t count;
};

/*
 * Adds what --publish says: "8080", "8080:80" (the port inside), "0.0.0.0:8080" or "[::]:8080:80"
 * (an address of the host, in place of its loopback's two), with "udp/" or "tcp/" before it, and
 * more of these behind commas. 0; -EINVAL when it is none; or -ENOSPC. After an error the list may
 * have the first of them.
 */
int forward_add_published(struct forward_list *list, const char *word);

/*
 * Adds what --loopback says: "5432", with "udp/" or "tcp/" before it, and more behind commas. 0;
 * -EINVAL; -ENOSPC; or -EPERM for port 53, which is the resolver's inside.
 */
int forward_add_loopback(struct forward_list *list, const char *word);

#endif
