/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/validate.h"

#include <string.h>

#include "resolver/answer.h"
#include "resolver/denial.h"

/*
 * Theory of operation
 *
 * The answer is walked as answer.c walks it: from the question's name along CNAME and DNAME
 * records to the end, and each RRset on the way is checked, with the keys of the zone that signed
 * it. So what is validated is what can be given out, and whatever else is in the message does not
 * matter. The walk is made twice: first it only looks for the zones' keys, which may have to be
 * asked for, and nothing is spent; then the signatures are verified.
 *
 * An RRset without signatures is not wrong by that: if the way down to its owner ends in a zone
 * that is provably unsigned, the answer is insecure, else its signatures were taken away. A CNAME
 * that a DNAME makes has no signature of its own: it is right if the DNAME says just that
 * (RFC 6672 section 5.3.1). A set made from a wildcard needs a proof that nothing closer exists.
 */

enum {
	SIGNATURES_MAX = 40, /* eight aliases with a proof each, and tags shared by two keys */
	HASHES_MAX = 40,
	RECORDS_MAX = 512,
};

struct walk {
	struct zones *zones;
	const ldns_pkt *packet;
	int64_t time;
	struct mono now;
	struct validate_budget *budget;
	struct name at;
	bool verify; /* the second time */
	struct validate_verdict *verdict;
};

struct validate_budget validate_budget(void)
{
	return (struct validate_budget){.signatures = SIGNATURES_MAX, .hashes = HASHES_MAX};
}

/* The walk ends here: false, for whoever walks. */
static bool end(struct walk *walk, enum validate_status status, enum ede ede)
{
	walk->verdict->status = status;
	walk->verdict->ede = ede;
	return false;
}

static void keep_smaller(struct walk *walk, uint32_t ttl)
{
	if (ttl < walk->verdict->ttl)
		walk->verdict->ttl = ttl;
}

/* The keys of the zone that signed; NULL: the walk ended. */
static const struct zone_keys *keys_of(struct walk *walk, const struct name *signer)
{
	struct validate_verdict *verdict = walk->verdict;
	struct zones_way way;

	zones_seek(walk->zones, signer, walk->now, &way);
	if (way.status == ZONES_SECURE && name_equal(&way.keys->zone, signer))
		return way.keys;
	if (way.status == ZONES_SECURE) {
		end(walk, VALIDATE_BOGUS, EDE_BOGUS);
	} else if (way.status == ZONES_INSECURE) {
		end(walk, VALIDATE_INSECURE, way.ede);
	} else {
		end(walk, VALIDATE_ASK, EDE_NONE);
		verdict->ask = way.ask;
		verdict->type = way.type;
	}
	return NULL;
}

/* Of what should have been signed, and isn't: `ede`, unless its zone need not be. */
static bool end_unsigned(struct walk *walk, const struct name *owner, enum ede ede)
{
	struct zones_way way;

	zones_seek(walk->zones, owner, walk->now, &way);
	if (way.status == ZONES_SECURE)
		return end(walk, VALIDATE_BOGUS, ede);
	if (way.status == ZONES_INSECURE)
		return end(walk, VALIDATE_INSECURE, way.ede);
	walk->verdict->ask = way.ask;
	walk->verdict->type = way.type;
	return end(walk, VALIDATE_ASK, EDE_NONE);
}

static bool take_denial(struct walk *walk, const struct denial *denial, enum denial_status status)
{
	if (status == DENIAL_INSECURE)
		return end(walk, VALIDATE_INSECURE, EDE_NSEC3_ITERATIONS);
	if (status == DENIAL_MISSING)
		return end(walk, VALIDATE_BOGUS,
			denial->wrong == EDE_NONE ? EDE_NSEC_MISSING : denial->wrong);
	keep_smaller(walk, denial->ttl);
	return true;
}

static bool check_wildcard(struct walk *walk, const struct zone_keys *keys,
	const struct name *owner, const struct verified *verified)
{
	struct denial denial;

	if (!verified->wildcard)
		return true;
	denial_gather(ldns_pkt_authority(walk->packet), keys, walk->time, walk->budget, &denial);
	return take_denial(walk, &denial, denial_of_closer(&denial, owner, verified->labels));
}

/* A set of the answer. True: it is right, as far as this walk looks. */
static bool check_set(struct walk *walk, const struct rrset *set)
{
	/* The parent's (RFC 4035 section 2.4). */
	bool above = set->type == LDNS_RR_TYPE_DS;
	const struct zone_keys *keys;
	struct verified verified;
	struct name signer;
	enum ede ede;

	if (!rrset_signer(set, &set->owner, above, &signer))
		return end_unsigned(walk, &set->owner, EDE_RRSIGS_MISSING);
	keys = keys_of(walk, &signer);
	if (!keys || !walk->verify)
		return keys != NULL;
	ede = rrset_verify(set, keys, walk->time, walk->budget, &verified);
	if (ede != EDE_NONE)
		return end(walk, VALIDATE_BOGUS, ede);
	keep_smaller(walk, verified.ttl);
	return check_wildcard(walk, keys, &set->owner, &verified);
}

/* --- Aliases --- */

/* The closest DNAME above the name. */
static bool find_dname(const struct walk *walk, struct rrset *ret_set)
{
	for (struct name above = walk->at; above.length > 1;) {
		above = name_parent(&above);
		if (rrset_find(ldns_pkt_answer(walk->packet), &above, LDNS_RR_TYPE_DNAME, ret_set))
			return true;
	}
	return false;
}

/* Goes on by the DNAME; `target`: what a CNAME without signatures says, or NULL. */
static bool follow_dname(struct walk *walk, const struct rrset *dname, const struct name *target)
{
	struct name made;

	if (dname->n_records != 1 ||
		!rrset_substitute(dname->records[0], &dname->owner, &walk->at, &made) ||
		(target && !name_equal(target, &made)))
		return end(walk, VALIDATE_BOGUS, EDE_BOGUS);
	if (!check_set(walk, dname))
		return false;
	walk->at = made;
	return true;
}

/* One alias on. False with *ret_end: there is none. False without: the walk ended. */
static bool follow(struct walk *walk, bool *ret_end)
{
	struct rrset cname, dname;
	struct name target;
	bool alias =
		rrset_find(ldns_pkt_answer(walk->packet), &walk->at, LDNS_RR_TYPE_CNAME, &cname);

	*ret_end = !alias && !find_dname(walk, &dname);
	if (*ret_end)
		return false;
	if (!alias)
		return follow_dname(walk, &dname, NULL);
	if (cname.n_records != 1 || !rrset_name(ldns_rr_rdf(cname.records[0], 0), &target))
		return end(walk, VALIDATE_BOGUS, EDE_BOGUS);
	if (cname.n_signatures == 0 && find_dname(walk, &dname))
		return follow_dname(walk, &dname, &target);
	if (!check_set(walk, &cname))
		return false;
	walk->at = target;
	return true;
}

/* --- What is not there --- */

/* The zone closest to the name that signed a proof. */
static bool find_denier(const struct walk *walk, bool strictly, struct name *ret_signer)
{
	const ldns_rr_list *authority = ldns_pkt_authority(walk->packet);
	bool found = false;

	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		const ldns_rr *record = ldns_rr_list_rr(authority, i);
		struct rrset set = {
			.n_signatures = 1, .signatures = {ldns_rr_list_rr(authority, i)}};
		ldns_rr_type covered;
		struct name signer;

		if (ldns_rr_get_type(record) != LDNS_RR_TYPE_RRSIG || ldns_rr_rd_count(record) < 9)
			continue;
		covered = ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(record));
		if ((covered != LDNS_RR_TYPE_NSEC && covered != LDNS_RR_TYPE_NSEC3) ||
			!rrset_signer(&set, &walk->at, strictly, &signer) ||
			(found && signer.length <= ret_signer->length))
			continue;
		*ret_signer = signer;
		found = true;
	}
	return found;
}

static bool check_denial(struct walk *walk, uint16_t type)
{
	bool none = ldns_pkt_get_rcode(walk->packet) == LDNS_RCODE_NXDOMAIN;
	const struct zone_keys *keys;
	enum denial_status status;
	struct denial denial;
	struct name signer;

	if (!find_denier(walk, type == LDNS_RR_TYPE_DS, &signer))
		return end_unsigned(walk, &walk->at, EDE_NSEC_MISSING);
	keys = keys_of(walk, &signer);
	if (!keys || !walk->verify)
		return keys != NULL;
	denial_gather(ldns_pkt_authority(walk->packet), keys, walk->time, walk->budget, &denial);
	status = none ? denial_of_name(&denial, &walk->at)
		      : denial_of_type(&denial, &walk->at, type);
	return take_denial(walk, &denial, status);
}

/* --- The walk --- */

static bool walk_answer(struct walk *walk, uint16_t type)
{
	bool aliases = type != LDNS_RR_TYPE_CNAME && type != LDNS_RR_TYPE_DNAME;
	bool at_end = !aliases;
	struct rrset set;

	for (unsigned i = 0; !at_end && i <= ANSWER_ALIASES_MAX; i++)
		if (!follow(walk, &at_end) && !at_end)
			return false;
	if (!at_end)
		return end(walk, VALIDATE_BOGUS, EDE_BOGUS);
	walk->verdict->at = walk->at;
	walk->verdict->denied =
		!rrset_find(ldns_pkt_answer(walk->packet), &walk->at, (ldns_rr_type)type, &set);
	return walk->verdict->denied ? check_denial(walk, type) : check_set(walk, &set);
}

static void walk_twice(struct walk *walk, const struct name *name, uint16_t type)
{
	for (unsigned i = 0; i < 2; i++) {
		walk->verify = i > 0;
		walk->at = *name;
		walk->verdict->ttl = INT32_MAX;
		if (!walk_answer(walk, type))
			return;
	}
	end(walk, VALIDATE_SECURE, EDE_NONE);
}

void validate(struct zones *zones, const uint8_t *bytes, size_t size, const struct name *name,
	uint16_t type, int64_t time, struct mono now, struct validate_budget *budget,
	struct validate_verdict *ret_verdict)
{
	struct walk walk = {
		.zones = zones,
		.time = time,
		.now = now,
		.budget = budget,
		.verdict = ret_verdict,
	};
	ldns_pkt *packet;

	if (ldns_wire2pkt(&packet, bytes, size) != LDNS_STATUS_OK) {
		end(&walk, VALIDATE_BOGUS, EDE_BOGUS);
		return;
	}
	walk.packet = packet;
	if ((size_t)ldns_pkt_ancount(packet) + ldns_pkt_nscount(packet) > RECORDS_MAX)
		end(&walk, VALIDATE_BOGUS, EDE_BOGUS);
	else
		walk_twice(&walk, name, type);
	ldns_pkt_free(packet);
}
