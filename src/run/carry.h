/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_CARRY_H
#define EGRESS_RUN_CARRY_H

#include "src/run/forward.h"

/* Bytes and datagrams between those that come in at listening sockets, and the services that these
 * are for. */

/*
 * Carries until nobody gives sockets to the targets any more: `asker` is asked for them
 * (src/kernel/porter.h). `sockets` listen, without blocking, as relay_listen() opens them. 0 or
 * -errno. No system calls but a worker's (src/kernel/syscalls.h).
 */
int carry_serve(const struct forward_list *list, int sockets[][FORWARD_LISTEN], int asker);

#endif
