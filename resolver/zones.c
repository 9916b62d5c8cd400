/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/zones.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denial.h"

/*
 * Theory of operation
 *
 * From the deepest trust anchor down to the name that is sought, each label may begin a zone or
 * not: its parent's zone says so by a DS record, or by a proof that there is none. A zone that has
 * DS records has keys, of which one must be what a DS record says, and have signed the others. So
 * the way to a zone is a DS question for each label and a DNSKEY question for each zone; what was
 * learned is kept for as long as its TTLs say, in a table of fixed size. What doesn't fit there
 * gives way to what lives longer, and is asked again.
 *
 * A message is believed only by the keys of the zone above, which were validated before it, so the
 * table is filled from the top. All that a message may cost is in its budget.
 */

enum {
	BUCKETS = 256, /* a power of two */
	WAYS = 4,
	SIGNATURES_MAX = 16,
	HASHES_MAX = 40,
	DIGESTS_MAX = 8,
	RECORDS_MAX = 512, /* of a message that is looked at */
	TTL_MIN = 10,      /* the next question is answered by then */
	TTL_MAX = 86400,
	DS_FIELDS = 4,
};

enum zone_state {
	ZONE_UNKNOWN,
	ZONE_NO_CUT,    /* no zone begins here */
	ZONE_UNSIGNED,  /* one does, and ends the chain of trust */
	ZONE_DELEGATED, /* one does, with these DS records */
	ZONE_SIGNED,    /* and these keys */
};

struct zone {
	enum zone_state state;
	enum ede ede; /* why it is unsigned */
	struct mono expires;
	struct zone_keys known; /* keys, or DS records */
};

struct zones {
	const struct anchors *anchors;
	struct hash_key key;
	struct zone zones[BUCKETS][WAYS];
};

int zones_new(const struct anchors *anchors, const struct hash_key *key, struct zones **ret_zones)
{
	struct zones *zones = calloc(1, sizeof(*zones));

	if (!zones)
		return -ENOMEM;
	zones->anchors = anchors;
	zones->key = *key;
	*ret_zones = zones;
	return 0;
}

static void clear(struct zone *zone)
{
	for (unsigned i = 0; i < zone->known.n_keys; i++)
		ldns_rr_free(zone->known.keys[i]);
	zone->known.n_keys = 0;
	zone->state = ZONE_UNKNOWN;
}

void zones_free(struct zones *zones)
{
	if (!zones)
		return;
	for (unsigned i = 0; i < BUCKETS * WAYS; i++)
		clear(&zones->zones[i / WAYS][i % WAYS]);
	free(zones);
}

static struct zone *bucket_of(struct zones *zones, const struct name *name)
{
	return zones->zones[hash_bytes(&zones->key, name->wire, name->length) % BUCKETS];
}

/* NULL: nothing is known of it any more. */
static struct zone *find(struct zones *zones, const struct name *name, struct mono now)
{
	struct zone *bucket = bucket_of(zones, name);

	for (unsigned i = 0; i < WAYS; i++) {
		struct zone *zone = &bucket[i];

		if (zone->state != ZONE_UNKNOWN && name_equal(&zone->known.zone, name))
			return mono_before(now, zone->expires) ? zone : NULL;
	}
	return NULL;
}

/* A place for what is known of the name: its own, else that of what expires first. */
static struct zone *place_for(struct zones *zones, const struct name *name)
{
	struct zone *bucket = bucket_of(zones, name);
	struct zone *place = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct zone *zone = &bucket[i];

		if (zone->state != ZONE_UNKNOWN && name_equal(&zone->known.zone, name)) {
			place = zone;
			break;
		}
		if (!place || (place->state != ZONE_UNKNOWN &&
				      (zone->state == ZONE_UNKNOWN ||
					      mono_before(zone->expires, place->expires))))
			place = zone;
	}
	return place;
}

/* Keeps what was found out; takes the records of `known`. */
static void keep(struct zones *zones, enum zone_state state, const struct zone_keys *known,
	enum ede ede, uint32_t ttl, struct mono now)
{
	struct zone *zone = place_for(zones, &known->zone);

	if (ttl < TTL_MIN)
		ttl = TTL_MIN;
	if (ttl > TTL_MAX)
		ttl = TTL_MAX;
	clear(zone);
	zone->state = state;
	zone->ede = ede;
	zone->expires = mono_add(now, duration_seconds(ttl));
	zone->known = *known;
}

/* --- The way down --- */

static void ask(struct zones_way *way, const struct name *name, uint16_t type)
{
	way->status = ZONES_ASK;
	way->ask = *name;
	way->type = type;
}

static void end_insecure(struct zones_way *way, enum ede ede)
{
	way->status = ZONES_INSECURE;
	way->ede = ede;
}

/* One label further down. False: the way ends. */
static bool step(struct zones *zones, const struct name *name, bool anchored, struct mono now,
	struct zones_way *way)
{
	const struct zone *zone = find(zones, name, now);
	bool lacks_keys = anchored ? !zone || zone->state != ZONE_SIGNED
				   : zone && zone->state == ZONE_DELEGATED;

	if (lacks_keys) {
		ask(way, name, LDNS_RR_TYPE_DNSKEY);
	} else if (!zone) {
		ask(way, name, LDNS_RR_TYPE_DS);
	} else if (zone->state == ZONE_UNSIGNED) {
		end_insecure(way, zone->ede);
	} else {
		if (zone->state == ZONE_SIGNED)
			way->keys = &zone->known;
		return true;
	}
	return false;
}

void zones_seek(
	struct zones *zones, const struct name *name, struct mono now, struct zones_way *ret_way)
{
	const struct name *anchor = anchors_above(zones->anchors, name);
	unsigned above;

	*ret_way = (struct zones_way){.status = ZONES_SECURE, .ede = EDE_NONE};
	if (!anchor) {
		end_insecure(ret_way, EDE_INDETERMINATE);
		return;
	}
	above = name_labels(name) - name_labels(anchor);
	for (unsigned i = 0; i <= above; i++) {
		unsigned offset = name_label_offset(name, above - i);
		struct name at = {.length = (uint8_t)(name->length - offset)};

		memcpy(at.wire, name->wire + offset, at.length);
		if (!step(zones, &at, i == 0, now, ret_way))
			return;
	}
}

/* --- Messages --- */

struct lesson {
	struct zones *zones;
	const struct name *name;
	const ldns_pkt *packet;
	int64_t time;
	struct mono now;
	struct validate_budget budget;
};

/* The keys of the zone that the name's parent is in; NULL: they aren't known. */
static const struct zone_keys *keys_above(const struct lesson *lesson)
{
	struct name parent = name_parent(lesson->name);
	struct zones_way way;

	zones_seek(lesson->zones, &parent, lesson->now, &way);
	return way.status == ZONES_SECURE ? way.keys : NULL;
}

static void keep_state(
	const struct lesson *lesson, enum zone_state state, enum ede ede, uint32_t ttl)
{
	const struct zone_keys none = {.zone = *lesson->name};

	keep(lesson->zones, state, &none, ede, ttl, lesson->now);
}

/* Keeps copies of those records that `usable` says. False: there are none. */
static bool keep_records(const struct lesson *lesson, enum zone_state state,
	const struct rrset *set, bool (*usable)(const ldns_rr *record), uint32_t ttl)
{
	struct zone_keys known = {.zone = *lesson->name};

	for (unsigned i = 0; i < set->n_records && known.n_keys < ZONE_KEYS_MAX; i++) {
		ldns_rr *copy = usable(set->records[i]) ? ldns_rr_clone(set->records[i]) : NULL;

		if (copy)
			known.keys[known.n_keys++] = copy;
	}
	if (known.n_keys == 0)
		return false;
	keep(lesson->zones, state, &known, EDE_NONE, ttl, lesson->now);
	return true;
}

static bool knows_algorithm_of(const ldns_rr *ds)
{
	return ldns_rr_rd_count(ds) == DS_FIELDS &&
	       rrset_knows_algorithm(ldns_rdf2native_int8(ldns_rr_rdf(ds, 1)));
}

static bool ds_is_usable(const ldns_rr *ds)
{
	return knows_algorithm_of(ds) &&
	       rrset_knows_digest(ldns_rdf2native_int8(ldns_rr_rdf(ds, 2)));
}

/* RFC 4035 section 5.2: with no algorithm that is known the zone is as if unsigned. */
static void learn_delegation(const struct lesson *lesson, const struct rrset *set, uint32_t ttl)
{
	bool known = false;

	if (keep_records(lesson, ZONE_DELEGATED, set, ds_is_usable, ttl))
		return;
	for (unsigned i = 0; i < set->n_records; i++)
		known |= knows_algorithm_of(set->records[i]);
	keep_state(lesson, ZONE_UNSIGNED, known ? EDE_UNKNOWN_DIGEST : EDE_UNKNOWN_ALGORITHM, ttl);
}

static enum ede learn_no_ds(struct lesson *lesson, const struct zone_keys *above)
{
	struct denial denial;
	bool cut = false;

	denial_gather(
		ldns_pkt_authority(lesson->packet), above, lesson->time, &lesson->budget, &denial);
	switch (denial_of_ds(&denial, lesson->name, &cut)) {
	case DENIAL_PROVED:
		keep_state(
			lesson, cut ? ZONE_UNSIGNED : ZONE_NO_CUT, EDE_RRSIGS_MISSING, denial.ttl);
		return EDE_NONE;
	case DENIAL_INSECURE:
		keep_state(lesson, ZONE_UNSIGNED, EDE_NSEC3_ITERATIONS, denial.ttl);
		return EDE_NONE;
	default:
		return denial.wrong == EDE_NONE ? EDE_NSEC_MISSING : denial.wrong;
	}
}

static enum ede learn_ds(struct lesson *lesson)
{
	const ldns_rr_list *answer = ldns_pkt_answer(lesson->packet);
	const struct zone_keys *above = keys_above(lesson);
	struct verified verified;
	struct rrset set;
	bool alias = false;
	enum ede ede;

	if (!above)
		return EDE_INDETERMINATE;
	if (!rrset_find(answer, lesson->name, LDNS_RR_TYPE_DS, &set)) {
		/* The owner of an alias begins no zone (RFC 1034 section 3.6.2). */
		alias = rrset_find(answer, lesson->name, LDNS_RR_TYPE_CNAME, &set);
		if (!alias)
			return learn_no_ds(lesson, above);
	}
	ede = rrset_verify(&set, above, lesson->time, &lesson->budget, &verified);
	if (ede != EDE_NONE)
		return ede;
	if (alias)
		keep_state(lesson, ZONE_NO_CUT, EDE_NONE, verified.ttl);
	else if (verified.wildcard)
		return EDE_BOGUS;
	else
		learn_delegation(lesson, &set, verified.ttl);
	return EDE_NONE;
}

/* Whether the DS record is of the key. */
static bool matches(const ldns_rr *ds, const ldns_rr *key, unsigned *digests)
{
	ldns_rr *own;
	bool same;

	if (!rrset_key_is_usable(key) ||
		ldns_rdf2native_int16(ldns_rr_rdf(ds, 0)) != ldns_calc_keytag(key) ||
		ldns_rdf_compare(ldns_rr_rdf(ds, 1), ldns_rr_dnskey_algorithm(key)) != 0 ||
		*digests == 0)
		return false;
	--*digests;
	own = ldns_key_rr2ds(key, (ldns_hash)ldns_rdf2native_int8(ldns_rr_rdf(ds, 2)));
	same = own && ldns_rdf_compare(ldns_rr_rdf(own, 3), ldns_rr_rdf(ds, 3)) == 0;
	ldns_rr_free(own);
	return same;
}

/* The DS records that the zone's keys are believed by, from its parent or an anchor. */
static unsigned trusted(const struct lesson *lesson, const ldns_rr *ds[], uint32_t *ret_ttl)
{
	const struct anchors *anchors = lesson->zones->anchors;
	const struct zone *zone = find(lesson->zones, lesson->name, lesson->now);
	unsigned count = 0;

	for (size_t i = 0; i < anchors->count && count < ZONE_KEYS_MAX; i++)
		if (name_equal(&anchors->anchors[i].zone, lesson->name))
			ds[count++] = anchors->anchors[i].ds;
	*ret_ttl = TTL_MAX;
	if (count > 0 || !zone || zone->state != ZONE_DELEGATED)
		return count;
	*ret_ttl = (uint32_t)(mono_between(lesson->now, zone->expires).ms / 1000);
	for (unsigned i = 0; i < zone->known.n_keys; i++)
		ds[count++] = zone->known.keys[i];
	return count;
}

/* Those keys of the set that a DS record is of. */
static void find_entry_points(
	const struct rrset *set, const ldns_rr *ds[], unsigned n_ds, struct zone_keys *entry)
{
	unsigned digests = DIGESTS_MAX;

	for (unsigned i = 0; i < n_ds; i++)
		for (unsigned j = 0; j < set->n_records && entry->n_keys < ZONE_KEYS_MAX; j++)
			if (matches(ds[i], set->records[j], &digests))
				entry->keys[entry->n_keys++] = set->records[j];
}

static enum ede learn_keys(struct lesson *lesson)
{
	struct zone_keys entry = {.zone = *lesson->name};
	const ldns_rr *ds[ZONE_KEYS_MAX];
	struct verified verified;
	struct rrset set;
	uint32_t ttl;
	unsigned n_ds = trusted(lesson, ds, &ttl);
	enum ede ede;

	if (n_ds == 0)
		return EDE_INDETERMINATE;
	if (!rrset_find(ldns_pkt_answer(lesson->packet), lesson->name, LDNS_RR_TYPE_DNSKEY, &set))
		return EDE_DNSKEY_MISSING;
	find_entry_points(&set, ds, n_ds, &entry);
	if (entry.n_keys == 0)
		return EDE_DNSKEY_MISSING;
	ede = rrset_verify(&set, &entry, lesson->time, &lesson->budget, &verified);
	if (ede != EDE_NONE)
		return ede;
	if (verified.wildcard)
		return EDE_BOGUS;
	keep_records(lesson, ZONE_SIGNED, &set, rrset_key_is_usable,
		verified.ttl < ttl ? verified.ttl : ttl);
	return EDE_NONE;
}

static size_t records_of(const ldns_pkt *packet)
{
	return (size_t)ldns_pkt_ancount(packet) + ldns_pkt_nscount(packet);
}

enum ede zones_learn(struct zones *zones, const struct name *name, uint16_t type,
	const uint8_t *bytes, size_t size, int64_t time, struct mono now)
{
	struct lesson lesson = {
		.zones = zones,
		.name = name,
		.time = time,
		.now = now,
		.budget = {.signatures = SIGNATURES_MAX, .hashes = HASHES_MAX},
	};
	ldns_pkt *packet;
	enum ede ede;

	if (ldns_wire2pkt(&packet, bytes, size) != LDNS_STATUS_OK)
		return EDE_BOGUS;
	lesson.packet = packet;
	if (records_of(packet) > RECORDS_MAX)
		ede = EDE_BOGUS;
	else
		ede = type == LDNS_RR_TYPE_DS ? learn_ds(&lesson) : learn_keys(&lesson);
	ldns_pkt_free(packet);
	return ede;
}
