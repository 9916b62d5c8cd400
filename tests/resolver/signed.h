/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RESOLVER_SIGNED_H
#define EGRESS_TESTS_RESOLVER_SIGNED_H

#include <ldns/ldns.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/anchor.h"
#include "src/base/name.h"

/* Zones with keys, and messages with signatures made by them, in memory. */

#define SIGNED_NOW 1800000000 /* seconds since 1970 */
#define SIGNED_TTL 600
#define SIGNED_MAX 16384

struct signed_zone {
	char name[64];
	ldns_key *key;
	ldns_rr *dnskey;
	ldns_rr *ds;
	int64_t begins, expires; /* of signatures */
};

void signed_zone_new(struct signed_zone *zone, const char *name, ldns_signing_algorithm algorithm);
void signed_zone_free(struct signed_zone *zone);

/* The zone's DS record as the only anchor. */
void signed_anchor(struct anchors *anchors, const struct signed_zone *zone);

struct signed_message {
	ldns_pkt *packet;
	uint8_t bytes[SIGNED_MAX];
	size_t size;
};

/* Begins a response to (name, type). */
void signed_begin(struct signed_message *message, const char *name, ldns_rr_type type);

/* Adds an RRset of up to eight records as text, the last of them NULL, signed by `zone` unless that
 * is NULL. */
void signed_put(struct signed_message *message, ldns_pkt_section section,
	const struct signed_zone *zone, const char *const records[]);
#define ANSWER(message, zone, ...)                                                                 \
	signed_put(message, LDNS_SECTION_ANSWER, zone, (const char *const[]){__VA_ARGS__, NULL})
#define AUTHORITY(message, zone, ...)                                                              \
	signed_put(message, LDNS_SECTION_AUTHORITY, zone, (const char *const[]){__VA_ARGS__, NULL})

/* Adds a set that is made from the wildcard in `record`, for `owner`. */
void signed_put_expanded(struct signed_message *message, const struct signed_zone *zone,
	const char *record, const char *owner);

/* Adds the keys of zones, signed by the first. */
void signed_put_keys(struct signed_message *message, const struct signed_zone *const zones[]);

/* Adds copies of a zone's DS record, signed by its parent. */
void signed_put_ds(struct signed_message *message, const struct signed_zone *parent,
	const struct signed_zone *zone);

#define SIGNED_HASH 33

/* The hash of a name, with the salt "abcd", as base 32 digits, moved `by` one: -1, 0 or 1. */
void signed_hash(const char *name, unsigned iterations, int by, char out[SIGNED_HASH]);

/* Adds an NSEC3 record from a hash of `owner`, one less and one more if `covering`. */
void signed_put_nsec3(struct signed_message *message, const struct signed_zone *zone,
	const char *owner, bool covering, unsigned flags, unsigned iterations, const char *types);

/* Ends it: its bytes are there. */
void signed_end(struct signed_message *message);

struct name signed_name(const char *text);

#endif
