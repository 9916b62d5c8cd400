/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ZONES_H
#define EGRESS_RESOLVER_ZONES_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/anchor.h"
#include "resolver/rrset.h"
#include "src/base/clock.h"
#include "src/base/hash.h"

/* The chain of trust, as far as it is known: which names begin a zone, and what keys of theirs are
 * validated (RFC 4035 section 5.2). Without sockets: it says what is to be asked. */
struct zones;

/* `anchors` must stay. 0 or -ENOMEM. */
int zones_new(const struct anchors *anchors, const struct hash_key *key, struct zones **ret_zones);
void zones_free(struct zones *zones);

enum zones_status {
	ZONES_SECURE,   /* `keys` are those of the zone that the name is in */
	ZONES_ASK,      /* an answer to (`ask`, `type`) is to be learned first */
	ZONES_INSECURE, /* it is in a zone that is provably unsigned, or under no anchor; or has no
			   algorithm we know: `ede` says so */
};

struct zones_way {
	enum zones_status status;
	const struct zone_keys *keys; /* valid until the next zones_learn() */
	struct name ask;
	uint16_t type; /* DS or DNSKEY */
	enum ede ede;
};

/* How far the chain is known down to `name`. */
void zones_seek(
	struct zones *zones, const struct name *name, struct mono now, struct zones_way *ret_way);

/*
 * Learns from a message what it says of (`name`, `type`), which zones_seek() asked for. `time` is
 * in seconds since 1970. EDE_NONE, or what is wrong with it; then nothing is learned.
 */
enum ede zones_learn(struct zones *zones, const struct name *name, uint16_t type,
	const uint8_t *bytes, size_t size, int64_t time, struct mono now);

#endif
