/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_KEEPER_SOCKET_H
#define EGRESS_RESOLVER_KEEPER_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/inaddr.h"

/* A socket to the server, UDP connected or TCP connecting, which does not block: with the mark,
 * which takes CAP_NET_ADMIN; or, unless `porter` is 0, from there (porter_ask()). A descriptor or
 * -errno. */
int keeper_socket(const struct endpoint *server, bool stream, uint32_t mark, int porter);

#endif
