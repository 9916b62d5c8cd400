/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/denial.h"

#include <ldns/sha1.h>
#include <string.h>

#include "src/base/buf.h"

/*
 * Theory of operation
 *
 * An NSEC record says that no name is between two; an NSEC3 record the same of hashes of names.
 * Both say which types the first has. Only records whose signatures are right come in, and of these
 * a record that belongs to the parent's side of a delegation, or has a DNAME, says nothing of what
 * is below it (RFC 6840 section 4.1).
 *
 * Hashes are paid for from the budget, and more than ITERATIONS_MAX iterations are not made: such a
 * zone counts as unsigned (RFC 9276 section 3.2). The closest encloser is looked for upwards from
 * the name, so a long name costs one hash for each of its labels (CVE-2023-50868).
 */

enum {
	ITERATIONS_MAX = 50,
	HASH_SHA1 = 1,
	OPT_OUT = 1,
	NSEC_FIELDS = 2,
	NSEC3_FIELDS = 6, /* one less without types: ldns has no empty field */
	HASH_TEXT = 32,   /* base 32 digits of a hash */
};

/* RFC 4034 section 4.1.2 */
static bool has_type(const ldns_rdf *types, uint16_t type)
{
	struct reader reader = reader_over(NULL, 0);

	if (types)
		reader = reader_over(ldns_rdf_data(types), ldns_rdf_size(types));
	while (reader_left(&reader) > 0) {
		unsigned window = reader_u8(&reader);
		size_t size = reader_u8(&reader);
		const uint8_t *bits = reader_bytes(&reader, size);
		size_t at = (type & 0xff) / 8;

		if (bits && window == type >> 8)
			return at < size && bits[at] & 0x80 >> type % 8;
	}
	return false;
}

static bool is_delegation(const ldns_rdf *types)
{
	return has_type(types, LDNS_RR_TYPE_NS) && !has_type(types, LDNS_RR_TYPE_SOA);
}

/* Whether a record with these types says nothing of the names below its own. */
static bool is_end(const ldns_rdf *types)
{
	return is_delegation(types) || has_type(types, LDNS_RR_TYPE_DNAME);
}

/* Whether a record with these types, of the name itself, denies `type`. DS is the parent's; all
 * else is not. */
static bool denies(const ldns_rdf *types, uint16_t type)
{
	if (has_type(types, type) || has_type(types, LDNS_RR_TYPE_CNAME))
		return false;
	return type == LDNS_RR_TYPE_DS ? !has_type(types, LDNS_RR_TYPE_SOA) : !is_delegation(types);
}

/* RFC 4034 section 6.1 */
static int compare(const struct name *a, const struct name *b)
{
	unsigned n_a = name_labels(a), n_b = name_labels(b);

	for (unsigned i = 1; i <= n_a && i <= n_b; i++) {
		const uint8_t *at_a = a->wire + name_label_offset(a, n_a - i);
		const uint8_t *at_b = b->wire + name_label_offset(b, n_b - i);
		int order = memcmp(at_a + 1, at_b + 1, *at_a < *at_b ? *at_a : *at_b);

		if (order == 0)
			order = *at_a - *at_b;
		if (order != 0)
			return order;
	}
	return (int)n_a - (int)n_b;
}

/* The last `labels` labels. */
static struct name suffix(const struct name *name, unsigned labels)
{
	unsigned offset = name_label_offset(name, name_labels(name) - labels);
	struct name above = {.length = (uint8_t)(name->length - offset)};

	memcpy(above.wire, name->wire + offset, above.length);
	return above;
}

/* False: it would be too long, so it can't exist. */
static bool wildcard_below(const struct name *above, struct name *ret_wildcard)
{
	if (above->length + 2 > NAME_WIRE_MAX)
		return false;
	ret_wildcard->length = (uint8_t)(above->length + 2);
	ret_wildcard->wire[0] = 1;
	ret_wildcard->wire[1] = '*';
	memcpy(ret_wildcard->wire + 2, above->wire, above->length);
	return true;
}

static unsigned common_labels(const struct name *a, const struct name *b)
{
	unsigned labels = name_labels(a);

	while (labels > 0) {
		struct name above = suffix(a, labels);

		if (name_is_below(b, &above))
			break;
		labels--;
	}
	return labels;
}

/* --- Reading the records --- */

/* RFC 4648 section 7; false for what is no hash. */
static bool read_hash(const struct name *owner, uint8_t hash[DENIAL_HASH_SIZE])
{
	uint64_t bits = 0;

	if (owner->wire[0] != HASH_TEXT)
		return false;
	for (unsigned i = 0; i < HASH_TEXT; i++) {
		uint8_t c = owner->wire[1 + i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'v')))
			return false;
		bits = bits << 5 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		if (i % 8 != 7)
			continue;
		for (unsigned j = 0; j < 5; j++)
			hash[i / 8 * 5 + j] = (uint8_t)(bits >> (32 - 8 * j));
		bits = 0;
	}
	return true;
}

/* A hash or a salt, behind its length. */
static const uint8_t *counted(const ldns_rdf *rdf, size_t *ret_size)
{
	struct reader reader = reader_over(ldns_rdf_data(rdf), ldns_rdf_size(rdf));

	*ret_size = reader_u8(&reader);
	return reader_bytes(&reader, *ret_size);
}

static void add_nsec(struct denial *denial, const struct rrset *set)
{
	struct denial_nsec *nsec = &denial->nsec[denial->n_nsec];
	const ldns_rr *record = set->records[0];

	if (ldns_rr_rd_count(record) != NSEC_FIELDS ||
		!rrset_name(ldns_rr_rdf(record, 0), &nsec->next))
		return;
	nsec->owner = set->owner;
	nsec->types = ldns_rr_rdf(record, 1);
	denial->n_nsec++;
}

/* The records of a zone that go together have the same salt and iterations. */
static bool fits(struct denial *denial, unsigned iterations, const uint8_t *salt, size_t salt_size)
{
	if (denial->n_nsec3 > 0)
		return denial->iterations == iterations && denial->salt_size == salt_size &&
		       memcmp(denial->salt, salt, salt_size) == 0;
	denial->iterations = iterations;
	denial->salt_size = salt_size;
	memcpy(denial->salt, salt, salt_size);
	return true;
}

static void add_nsec3(struct denial *denial, const struct rrset *set)
{
	struct denial_nsec3 *nsec3 = &denial->nsec3[denial->n_nsec3];
	const ldns_rr *record = set->records[0];
	struct name above = name_parent(&set->owner);
	const uint8_t *salt, *next;
	size_t salt_size, next_size;

	if (ldns_rr_rd_count(record) < NSEC3_FIELDS - 1 || !name_equal(&above, &denial->zone) ||
		!read_hash(&set->owner, nsec3->owner) ||
		ldns_rdf2native_int8(ldns_rr_rdf(record, 0)) != HASH_SHA1)
		return;
	nsec3->opt_out = ldns_rdf2native_int8(ldns_rr_rdf(record, 1)) & OPT_OUT;
	salt = counted(ldns_rr_rdf(record, 3), &salt_size);
	next = counted(ldns_rr_rdf(record, 4), &next_size);
	if (!salt || !next || next_size != DENIAL_HASH_SIZE ||
		!fits(denial, ldns_rdf2native_int16(ldns_rr_rdf(record, 2)), salt, salt_size))
		return;
	memcpy(nsec3->next, next, next_size);
	nsec3->types = ldns_rr_rdf(record, NSEC3_FIELDS - 1);
	denial->n_nsec3++;
}

static void add(
	struct denial *denial, const struct rrset *set, const struct zone_keys *keys, int64_t time)
{
	struct verified verified;
	struct name signer;
	enum ede ede;

	/* Of another zone: no concern here. */
	if (!rrset_signer(set, &set->owner, false, &signer) || !name_equal(&signer, &keys->zone))
		return;
	ede = rrset_verify(set, keys, time, denial->budget, &verified);
	if (ede == EDE_NONE && (set->n_records != 1 || verified.wildcard))
		ede = EDE_BOGUS;
	if (ede != EDE_NONE) {
		denial->wrong = denial->wrong == EDE_NONE ? ede : denial->wrong;
		return;
	}
	if (verified.ttl < denial->ttl)
		denial->ttl = verified.ttl;
	if (set->type == LDNS_RR_TYPE_NSEC)
		add_nsec(denial, set);
	else
		add_nsec3(denial, set);
}

void denial_gather(const ldns_rr_list *section, const struct zone_keys *keys, int64_t time,
	struct validate_budget *budget, struct denial *ret_denial)
{
	unsigned seen = 0;

	*ret_denial = (struct denial){
		.zone = keys->zone, .ttl = UINT32_MAX, .wrong = EDE_NONE, .budget = budget};
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		ldns_rr_type type = ldns_rr_get_type(ldns_rr_list_rr(section, i));
		struct rrset set;

		if (type != LDNS_RR_TYPE_NSEC && type != LDNS_RR_TYPE_NSEC3)
			continue;
		if (seen++ == DENIAL_RECORDS_MAX)
			return;
		if (rrset_of_first(section, i, &set))
			add(ret_denial, &set, keys, time);
	}
}

/* --- NSEC --- */

static bool covers(const struct denial_nsec *nsec, const struct name *name)
{
	if (compare(&nsec->owner, name) >= 0)
		return false;
	/* The last one of the zone leads back to its beginning. */
	if (compare(&nsec->owner, &nsec->next) < 0 && compare(name, &nsec->next) >= 0)
		return false;
	return !is_end(nsec->types) || !name_is_below(name, &nsec->owner);
}

/* The record between whose names the name would be. */
static const struct denial_nsec *find_cover(const struct denial *denial, const struct name *name)
{
	for (unsigned i = 0; i < denial->n_nsec; i++)
		if (covers(&denial->nsec[i], name))
			return &denial->nsec[i];
	return NULL;
}

static const struct denial_nsec *find_own(const struct denial *denial, const struct name *name)
{
	for (unsigned i = 0; i < denial->n_nsec; i++)
		if (name_equal(&denial->nsec[i].owner, name))
			return &denial->nsec[i];
	return NULL;
}

/* Labels of the closest encloser of a name that the record covers. */
static unsigned encloser_labels(const struct denial_nsec *nsec, const struct name *name)
{
	unsigned by_owner = common_labels(name, &nsec->owner);
	unsigned by_next = common_labels(name, &nsec->next);

	return by_owner > by_next ? by_owner : by_next;
}

/* The wildcard that would make a name that is covered. */
static bool nsec_wildcard(
	const struct denial *denial, const struct name *name, struct name *ret_wildcard)
{
	const struct denial_nsec *cover = find_cover(denial, name);
	struct name encloser;

	/* With names below it, it exists, if only as an empty one. */
	if (!cover || name_is_below(&cover->next, name))
		return false;
	encloser = suffix(name, encloser_labels(cover, name));
	return wildcard_below(&encloser, ret_wildcard);
}

static bool nsec_of_name(const struct denial *denial, const struct name *name)
{
	struct name wildcard;

	return nsec_wildcard(denial, name, &wildcard) && find_cover(denial, &wildcard);
}

static bool nsec_of_type(const struct denial *denial, const struct name *name, uint16_t type)
{
	const struct denial_nsec *own = find_own(denial, name);
	const struct denial_nsec *cover;
	struct name wildcard;

	if (own)
		return denies(own->types, type);
	cover = find_cover(denial, name);
	if (cover && name_is_below(&cover->next, name))
		return true;
	own = nsec_wildcard(denial, name, &wildcard) ? find_own(denial, &wildcard) : NULL;
	return own && denies(own->types, type);
}

static bool nsec_of_closer(const struct denial *denial, const struct name *name, unsigned labels)
{
	const struct denial_nsec *cover = find_cover(denial, name);

	return cover && !name_is_below(&cover->next, name) &&
	       encloser_labels(cover, name) == labels;
}

/* --- NSEC3 --- */

/* RFC 5155 section 5. False: the budget is spent. */
static bool hash_name(struct denial *denial, const struct name *name, uint8_t hash[])
{
	uint8_t bytes[NAME_WIRE_MAX + DENIAL_SALT_MAX];
	size_t size = name->length;

	if (denial->budget->hashes == 0)
		return false;
	denial->budget->hashes--;
	memcpy(bytes, name->wire, size);
	for (unsigned i = 0; i <= denial->iterations; i++) {
		memcpy(bytes + size, denial->salt, denial->salt_size);
		ldns_sha1(bytes, (unsigned)(size + denial->salt_size), hash);
		memcpy(bytes, hash, DENIAL_HASH_SIZE);
		size = DENIAL_HASH_SIZE;
	}
	return true;
}

static bool covers_hash(const struct denial_nsec3 *nsec3, const uint8_t hash[])
{
	bool behind = memcmp(nsec3->owner, hash, DENIAL_HASH_SIZE) < 0;
	bool before = memcmp(hash, nsec3->next, DENIAL_HASH_SIZE) < 0;
	bool last = memcmp(nsec3->owner, nsec3->next, DENIAL_HASH_SIZE) >= 0;

	return last ? behind || before : behind && before;
}

/* The record of the name, or the one that covers it; NULL: neither is there. */
static const struct denial_nsec3 *find_hash(
	struct denial *denial, const struct name *name, bool covering)
{
	uint8_t hash[DENIAL_HASH_SIZE];

	if (!hash_name(denial, name, hash))
		return NULL;
	for (unsigned i = 0; i < denial->n_nsec3; i++) {
		const struct denial_nsec3 *nsec3 = &denial->nsec3[i];

		if (covering ? covers_hash(nsec3, hash)
			     : memcmp(nsec3->owner, hash, DENIAL_HASH_SIZE) == 0)
			return nsec3;
	}
	return NULL;
}

/* RFC 5155 section 8.3: the closest encloser of a name that has no record itself, and the record
 * that covers the next closer one. */
static const struct denial_nsec3 *find_encloser(
	struct denial *denial, const struct name *name, struct name *ret_encloser)
{
	unsigned least = name_labels(&denial->zone);

	for (unsigned labels = name_labels(name); labels-- > least;) {
		struct name encloser = suffix(name, labels);
		struct name closer = suffix(name, labels + 1);
		const struct denial_nsec3 *found = find_hash(denial, &encloser, false);

		if (!found)
			continue;
		*ret_encloser = encloser;
		return is_end(found->types) ? NULL : find_hash(denial, &closer, true);
	}
	return NULL;
}

static enum denial_status by_cover(const struct denial_nsec3 *cover, bool rest)
{
	if (!cover || !rest)
		return DENIAL_MISSING;
	return cover->opt_out ? DENIAL_INSECURE : DENIAL_PROVED;
}

static enum denial_status nsec3_of_name(struct denial *denial, const struct name *name)
{
	struct name encloser, wildcard;
	const struct denial_nsec3 *cover = find_encloser(denial, name, &encloser);
	bool none = cover &&
		    (!wildcard_below(&encloser, &wildcard) || find_hash(denial, &wildcard, true));

	return by_cover(cover, none);
}

static enum denial_status nsec3_of_type(
	struct denial *denial, const struct name *name, uint16_t type)
{
	const struct denial_nsec3 *own = find_hash(denial, name, false);
	const struct denial_nsec3 *cover;
	struct name encloser, wildcard;

	if (own)
		return denies(own->types, type) ? DENIAL_PROVED : DENIAL_MISSING;
	cover = find_encloser(denial, name, &encloser);
	own = cover && wildcard_below(&encloser, &wildcard) ? find_hash(denial, &wildcard, false)
							    : NULL;
	return by_cover(cover, own && denies(own->types, type));
}

static enum denial_status nsec3_of_closer(
	struct denial *denial, const struct name *name, unsigned labels)
{
	struct name closer = suffix(name, labels + 1);

	return by_cover(find_hash(denial, &closer, true), true);
}

/* --- Either --- */

static enum denial_status too_much(const struct denial *denial)
{
	return denial->n_nsec3 > 0 && denial->iterations > ITERATIONS_MAX ? DENIAL_INSECURE
									  : DENIAL_MISSING;
}

enum denial_status denial_of_name(struct denial *denial, const struct name *name)
{
	if (nsec_of_name(denial, name))
		return DENIAL_PROVED;
	if (denial->n_nsec3 == 0 || too_much(denial) == DENIAL_INSECURE)
		return too_much(denial);
	return nsec3_of_name(denial, name);
}

enum denial_status denial_of_type(struct denial *denial, const struct name *name, uint16_t type)
{
	if (nsec_of_type(denial, name, type))
		return DENIAL_PROVED;
	if (denial->n_nsec3 == 0 || too_much(denial) == DENIAL_INSECURE)
		return too_much(denial);
	return nsec3_of_type(denial, name, type);
}

enum denial_status denial_of_closer(struct denial *denial, const struct name *name, unsigned labels)
{
	if (nsec_of_closer(denial, name, labels))
		return DENIAL_PROVED;
	if (denial->n_nsec3 == 0 || too_much(denial) == DENIAL_INSECURE)
		return too_much(denial);
	return nsec3_of_closer(denial, name, labels);
}

/* What the parent says of the name itself: no cut, or one without DS. */
static enum denial_status ds_by_types(const ldns_rdf *types, bool *ret_cut)
{
	if (!denies(types, LDNS_RR_TYPE_DS))
		return DENIAL_MISSING;
	*ret_cut = has_type(types, LDNS_RR_TYPE_NS);
	return DENIAL_PROVED;
}

static enum denial_status nsec3_of_ds(struct denial *denial, const struct name *name, bool *ret_cut)
{
	const struct denial_nsec3 *own = find_hash(denial, name, false);
	struct name encloser;

	if (own)
		return ds_by_types(own->types, ret_cut);
	own = find_encloser(denial, name, &encloser);
	if (!own)
		return DENIAL_MISSING;
	*ret_cut = own->opt_out;
	return DENIAL_PROVED;
}

enum denial_status denial_of_ds(struct denial *denial, const struct name *name, bool *ret_cut)
{
	const struct denial_nsec *own = find_own(denial, name);

	if (own)
		return ds_by_types(own->types, ret_cut);
	if (find_cover(denial, name)) {
		*ret_cut = false;
		return DENIAL_PROVED;
	}
	if (denial->n_nsec3 == 0 || too_much(denial) == DENIAL_INSECURE)
		return too_much(denial);
	return nsec3_of_ds(denial, name, ret_cut);
}
