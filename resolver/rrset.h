/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_RRSET_H
#define EGRESS_RESOLVER_RRSET_H

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolver/msg.h"
#include "src/base/name.h"

/* RRsets of a message that ldns has parsed, and their signatures (RFC 4034, RFC 4035 section 5.3).
 */

#define RRSET_RECORDS_MAX 64
#define RRSET_SIGNATURES_MAX 8
#define ZONE_KEYS_MAX 16

/* The records point into the message. */
struct rrset {
	struct name owner;
	ldns_rr_type type;
	bool too_many; /* some had no room: it can't be verified */
	unsigned n_records;
	unsigned n_signatures;
	ldns_rr *records[RRSET_RECORDS_MAX];
	ldns_rr *signatures[RRSET_SIGNATURES_MAX];
};

/* What validating may still cost: a stranger decides how many signatures and hashes a message
 * calls for (CVE-2023-50387, CVE-2023-50868). */
struct validate_budget {
	unsigned signatures;
	unsigned hashes;
};

/* A zone's keys that have been validated. */
struct zone_keys {
	struct name zone;
	unsigned n_keys;
	ldns_rr *keys[ZONE_KEYS_MAX];
};

/* A domain name of ldns as ours. False for one that is none. */
bool rrset_name(const ldns_rdf *rdf, struct name *ret_name);

/* The name that the owner's DNAME makes of one below it (RFC 6672 section 2.2). False: none, or one
 * that is too long. */
bool rrset_substitute(const ldns_rr *dname, const struct name *owner, const struct name *name,
	struct name *ret_made);

/* Looks for the records and signatures of that owner and type. False: there are no such records. */
bool rrset_find(const ldns_rr_list *section, const struct name *owner, ldns_rr_type type,
	struct rrset *ret_set);

/* The same, for the set of the record `index` of a section; false if that is no first record of a
 * set, or none. */
bool rrset_of_first(const ldns_rr_list *section, size_t index, struct rrset *ret_set);

/* The zone closest to `owner`, and not below it, that a signature says it is of. `strictly`: nor
 * the same. False: no signature does. */
bool rrset_signer(
	const struct rrset *set, const struct name *owner, bool strictly, struct name *ret_signer);

/* Of a signature that is right. */
struct verified {
	unsigned labels; /* of the owner that was signed, see RFC 4034 section 3.1.3 */
	bool wildcard;   /* the set was made from a wildcard's */
	uint32_t ttl;    /* in seconds: RFC 4035 section 5.3.3 */
};

/*
 * Whether a signature of the set, by one of the zone's keys, is right at `time` (seconds since
 * 1970): EDE_NONE, or what is wrong (RFC 8914).
 */
enum ede rrset_verify(const struct rrset *set, const struct zone_keys *keys, int64_t time,
	struct validate_budget *budget, struct verified *ret_verified);

/* Whether a zone's key can be of use: a zone key, not revoked, of an algorithm and size that is
 * supported. */
bool rrset_key_is_usable(const ldns_rr *key);

/* Whether signatures of the algorithm can be checked; and keys by digests of the kind. */
bool rrset_knows_algorithm(unsigned algorithm);
bool rrset_knows_digest(unsigned digest);

#endif
