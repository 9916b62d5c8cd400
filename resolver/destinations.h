/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_DESTINATIONS_H
#define EGRESS_RESOLVER_DESTINATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/hash.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/* What the kernel counts as the destinations of a session, and the keeper's record of it. */

enum { DESTINATION_BYTES = 16 };

/*
 * A destination, as an element of the kernel's set of them, which has the type of an IPv6 address:
 * a bare address, IPv4 as ::ffff:a.b.c.d; or a name, as 64 bits of its keyed hash, in 100::/7,
 * where nothing can be sent to. Whether it had a category is part of a name's: whoever reads the
 * set anew knows it.
 */
struct destination {
	uint8_t bytes[DESTINATION_BYTES];
};

struct destination destination_of_name(
	const struct hash_key *key, const struct name *name, bool unknown);

/* Of an element that somebody else made. */
bool destination_is_name(const struct destination *destination, bool *ret_unknown);
struct inaddr destination_address(const struct destination *destination);

struct destinations;

/* For `most` of them, or for many where that is more. 0, -ENOMEM or -errno of getrandom(2). */
int destinations_new(uint32_t most, struct destinations **ret_destinations);
void destinations_free(struct destinations *destinations);

/* Forgets all of them. */
void destinations_clear(struct destinations *destinations);

/* Whether it is on record; a name also when it had a category then and has none now, or now. */
bool destinations_has(
	const struct destinations *destinations, const struct destination *destination);

/* What finds no room is not remembered: it is counted again, which does nothing. */
void destinations_add(
	struct destinations *destinations, const struct destination *destination, bool unknown);

struct destinations_count {
	uint32_t all;
	uint32_t unknown; /* of these, those without a category */
};

struct destinations_count destinations_count(const struct destinations *destinations);

#endif
