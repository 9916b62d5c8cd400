/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_DENIAL_H
#define EGRESS_RESOLVER_DENIAL_H

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolver/rrset.h"
#include "src/base/name.h"

/* Proofs that names and types do not exist, by NSEC (RFC 4035 section 5.4) and NSEC3 (RFC 5155
 * section 8). */

#define DENIAL_RECORDS_MAX 8
#define DENIAL_HASH_SIZE 20
#define DENIAL_SALT_MAX 255

struct denial_nsec {
	struct name owner;
	struct name next;
	const ldns_rdf *types;
};

struct denial_nsec3 {
	uint8_t owner[DENIAL_HASH_SIZE];
	uint8_t next[DENIAL_HASH_SIZE];
	bool opt_out;
	const ldns_rdf *types; /* NULL: none, as of a name that only has others below it */
};

/* The records of one zone in a message, those whose signatures are right. They point into it. */
struct denial {
	struct name zone;
	unsigned n_nsec;
	struct denial_nsec nsec[DENIAL_RECORDS_MAX];
	unsigned n_nsec3;
	struct denial_nsec3 nsec3[DENIAL_RECORDS_MAX];
	unsigned iterations;
	size_t salt_size;
	uint8_t salt[DENIAL_SALT_MAX];
	uint32_t ttl;   /* the least of theirs, in seconds */
	enum ede wrong; /* of the first that can't be used; EDE_NONE: all can */
	struct validate_budget *budget;
};

enum denial_status {
	DENIAL_PROVED,
	DENIAL_INSECURE, /* there may be a delegation to an unsigned zone (opt-out), or too many
			    iterations */
	DENIAL_MISSING,
};

/* Takes the records from a section; `budget` must stay. */
void denial_gather(const ldns_rr_list *section, const struct zone_keys *keys, int64_t time,
	struct validate_budget *budget, struct denial *ret_denial);

/* Whether the name, which is in the zone, does not exist, and no wildcard makes it. */
enum denial_status denial_of_name(struct denial *denial, const struct name *name);

/* Whether it, or the wildcard that makes it, has no record of the type. */
enum denial_status denial_of_type(struct denial *denial, const struct name *name, uint16_t type);

/* Whether nothing closer to the name exists than the wildcard below its last `labels` labels. */
enum denial_status denial_of_closer(
	struct denial *denial, const struct name *name, unsigned labels);

/* Whether there is no DS record at a name below the zone's: *ret_cut, whether an unsigned zone
 * begins there. Never DENIAL_INSECURE but for iterations. */
enum denial_status denial_of_ds(struct denial *denial, const struct name *name, bool *ret_cut);

#endif
