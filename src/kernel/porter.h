/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_PORTER_H
#define EGRESS_KERNEL_PORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/inaddr.h"

/* Sockets to DNS servers that are opened in another network namespace, by a process there, the
 * porter, and handed over. */

/* Two ends of what the porter is asked by; both are closed on exec. 0 or -errno. */
int porter_pair(int *ret_porter, int *ret_asker);

/*
 * The porter: answers requests that come in at its end with sockets of its own network namespace,
 * connected (or, of TCP, connecting) to one of `servers`, and to nothing else. 0 when nobody can
 * ask any more, or -errno.
 */
int porter_serve(int porter, const struct endpoint *servers, size_t n_servers);

/* The other end, an inherited descriptor: makes it fit for porter_ask(). 0, or -ENOTSOCK or another
 * -errno when it is none. */
int porter_adopt(int asker);

/*
 * Asks for a socket to `server`: non-blocking, closed on exec. 0; -EPERM when the porter does not
 * serve that server; -EPIPE when there is no porter any more; -ETIMEDOUT when it takes longer than
 * a second; or why it has none. One process may ask at a time.
 */
int porter_ask(int asker, const struct endpoint *server, bool stream, int *ret_socket);

#endif
