/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COOKIE_H
#define EGRESS_RESOLVER_COOKIE_H

#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/inaddr.h"

/* DNS cookies (RFC 7873): what tells a client that a reply comes from who it asked. */

#define COOKIE_CLIENT_SIZE 8
#define COOKIE_SERVER_SIZE 16
#define COOKIE_SIZE (COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE)

/* Makes the server's part of `cookie`, whose client's part is there, as RFC 9018 section 4 has it:
 * for the client at `address`, at `time` in seconds since 1970. */
void cookie_make(const struct hash_key *key, const struct inaddr *address, int64_t time,
	uint8_t cookie[COOKIE_SIZE]);

#endif
