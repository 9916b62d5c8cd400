/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/rrset.h"

#include <string.h>

#include "src/base/buf.h"

/*
 * Theory of operation
 *
 * ldns does the arithmetic and the canonical form (RFC 4034 section 6); what a signature may stand
 * for is decided here: signer, labels, times, and how much of it is tried. A signature names its
 * key by a tag of 16 bits, which several keys may share: at most KEYS_TRIED of them are tried for
 * one signature, and every try is paid for from the budget.
 *
 * Algorithms are those that RFC 8624 section 3.1 has validators implement, without SHA-1: a zone
 * with nothing else counts as unsigned. RSA keys below 1024 bits prove nothing, and above 4096 cost
 * too much.
 */

enum {
	KEYS_TRIED = 2,
	KEY_ZONE = 0x0100,    /* RFC 4034 section 2.1.1 */
	KEY_REVOKED = 0x0080, /* RFC 5011 section 2.1 */
	KEY_PROTOCOL = 3,
	RSA_BITS_MIN = 1024,
	RSA_BITS_MAX = 4096,
	RSA_EXPONENT_MAX = 8, /* octets */
	DNSKEY_FIELDS = 4,
	RRSIG_FIELDS = 9,
};

bool rrset_knows_algorithm(unsigned algorithm)
{
	switch (algorithm) {
	case LDNS_RSASHA256:
	case LDNS_RSASHA512:
	case LDNS_ECDSAP256SHA256:
	case LDNS_ECDSAP384SHA384:
	case LDNS_ED25519:
	case LDNS_ED448:
		return true;
	default:
		return false;
	}
}

bool rrset_knows_digest(unsigned digest)
{
	return digest == LDNS_SHA256 || digest == LDNS_SHA384;
}

bool rrset_name(const ldns_rdf *rdf, struct name *ret_name)
{
	if (!rdf)
		return false;
	struct reader reader = reader_over(ldns_rdf_data(rdf), ldns_rdf_size(rdf));

	name_read(&reader, ret_name);
	return !reader.failed;
}

bool rrset_substitute(const ldns_rr *dname, const struct name *owner, const struct name *name,
	struct name *ret_made)
{
	struct name target;
	unsigned kept = name->length - owner->length;

	if (!rrset_name(ldns_rr_rdf(dname, 0), &target) || kept + target.length > NAME_WIRE_MAX)
		return false;
	memcpy(ret_made->wire, name->wire, kept);
	memcpy(ret_made->wire + kept, target.wire, target.length);
	ret_made->length = (uint8_t)(kept + target.length);
	return true;
}

/* Whether a record is the owner's, and of the Internet. */
static bool is_of(const ldns_rr *record, const struct name *owner)
{
	struct name name;

	return ldns_rr_get_class(record) == LDNS_RR_CLASS_IN && ldns_rr_rd_count(record) > 0 &&
	       rrset_name(ldns_rr_owner(record), &name) && name_equal(&name, owner);
}

static bool is_signature_of(const ldns_rr *record, ldns_rr_type type)
{
	return ldns_rr_get_type(record) == LDNS_RR_TYPE_RRSIG &&
	       ldns_rr_rd_count(record) == RRSIG_FIELDS &&
	       ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(record)) == type;
}

static void add_record(struct rrset *set, ldns_rr *record)
{
	if (set->n_records == RRSET_RECORDS_MAX)
		set->too_many = true;
	else
		set->records[set->n_records++] = record;
}

bool rrset_find(const ldns_rr_list *section, const struct name *owner, ldns_rr_type type,
	struct rrset *ret_set)
{
	ret_set->owner = *owner;
	ret_set->type = type;
	ret_set->too_many = false;
	ret_set->n_records = 0;
	ret_set->n_signatures = 0;
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
		ldns_rr *record = ldns_rr_list_rr(section, i);
		bool signature = is_signature_of(record, type);

		if ((!signature && ldns_rr_get_type(record) != type) || !is_of(record, owner))
			continue;
		if (!signature)
			add_record(ret_set, record);
		else if (ret_set->n_signatures < RRSET_SIGNATURES_MAX)
			ret_set->signatures[ret_set->n_signatures++] = record;
	}
	return ret_set->n_records > 0;
}

bool rrset_of_first(const ldns_rr_list *section, size_t index, struct rrset *ret_set)
{
	ldns_rr *record = ldns_rr_list_rr(section, index);
	struct name owner;

	return rrset_name(ldns_rr_owner(record), &owner) &&
	       rrset_find(section, &owner, ldns_rr_get_type(record), ret_set) &&
	       ret_set->records[0] == record;
}

bool rrset_signer(
	const struct rrset *set, const struct name *owner, bool strictly, struct name *ret_signer)
{
	bool found = false;

	for (unsigned i = 0; i < set->n_signatures; i++) {
		struct name signer;

		if (!rrset_name(ldns_rr_rrsig_signame(set->signatures[i]), &signer) ||
			!name_is_below(owner, &signer) ||
			(strictly && name_equal(owner, &signer)) ||
			(found && signer.length <= ret_signer->length))
			continue;
		*ret_signer = signer;
		found = true;
	}
	return found;
}

/* RFC 3110 section 2: the exponent's length in one octet, or in the two behind a zero. */
static bool is_fitting_rsa(const ldns_rdf *data)
{
	struct reader reader = reader_over(ldns_rdf_data(data), ldns_rdf_size(data));
	size_t exponent = reader_u8(&reader);
	size_t bits;

	if (exponent == 0)
		exponent = reader_u16(&reader);
	reader_bytes(&reader, exponent);
	bits = reader_left(&reader) * 8;
	return !reader.failed && exponent > 0 && exponent <= RSA_EXPONENT_MAX &&
	       bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
}

bool rrset_key_is_usable(const ldns_rr *key)
{
	unsigned flags, algorithm;

	if (ldns_rr_get_type(key) != LDNS_RR_TYPE_DNSKEY || ldns_rr_rd_count(key) != DNSKEY_FIELDS)
		return false;
	flags = ldns_rdf2native_int16(ldns_rr_dnskey_flags(key));
	algorithm = ldns_rdf2native_int8(ldns_rr_dnskey_algorithm(key));
	if (!(flags & KEY_ZONE) || flags & KEY_REVOKED || !rrset_knows_algorithm(algorithm) ||
		ldns_rdf2native_int8(ldns_rr_dnskey_protocol(key)) != KEY_PROTOCOL)
		return false;
	return (algorithm != LDNS_RSASHA256 && algorithm != LDNS_RSASHA512) ||
	       is_fitting_rsa(ldns_rr_dnskey_key(key));
}

/* --- Signatures --- */

/* Labels that a signature counts: without the root's, and without a wildcard's. */
static unsigned signed_labels(const struct name *owner)
{
	unsigned labels = name_labels(owner);

	return labels > 0 && owner->wire[0] == 1 && owner->wire[1] == '*' ? labels - 1 : labels;
}

/* RFC 4034 section 3.1.5: times are serial numbers. */
static enum ede check_time(const ldns_rr *signature, uint32_t time)
{
	uint32_t expires = ldns_rdf2native_int32(ldns_rr_rrsig_expiration(signature));
	uint32_t begins = ldns_rdf2native_int32(ldns_rr_rrsig_inception(signature));

	if ((int32_t)(expires - time) < 0)
		return EDE_SIGNATURE_EXPIRED;
	return (int32_t)(time - begins) < 0 ? EDE_SIGNATURE_EARLY : EDE_NONE;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t ttl_of(const struct rrset *set, const ldns_rr *signature, uint32_t time)
{
	uint32_t ttl = ldns_rdf2native_int32(ldns_rr_rrsig_origttl(signature));
	uint32_t expires = ldns_rdf2native_int32(ldns_rr_rrsig_expiration(signature));

	for (unsigned i = 0; i < set->n_records; i++)
		ttl = least(ttl, ldns_rr_ttl(set->records[i]));
	return ttl > INT32_MAX ? 0 : least(ttl, expires - time);
}

/* Whether the signature is one that the zone may make for the set (RFC 4035 section 5.3.1). */
static enum ede check_form(
	const struct rrset *set, const ldns_rr *signature, const struct name *zone, int64_t time)
{
	unsigned algorithm = ldns_rdf2native_int8(ldns_rr_rrsig_algorithm(signature));
	unsigned labels = ldns_rdf2native_int8(ldns_rr_rrsig_labels(signature));
	struct name signer;

	if (!rrset_name(ldns_rr_rrsig_signame(signature), &signer) || !name_equal(&signer, zone) ||
		labels > signed_labels(&set->owner) || labels < name_labels(zone))
		return EDE_BOGUS;
	if (!rrset_knows_algorithm(algorithm))
		return EDE_UNKNOWN_ALGORITHM;
	return check_time(signature, (uint32_t)time);
}

/* One signature against one key; what they allocate is ldns's affair. */
static bool is_right(const struct rrset *set, const ldns_rr *signature, ldns_rr *key)
{
	ldns_rr_list *records = ldns_rr_list_new();
	ldns_rr_list *keys = ldns_rr_list_new();
	bool right = records && keys && ldns_rr_list_push_rr(keys, key);

	for (unsigned i = 0; i < set->n_records && right; i++)
		right = ldns_rr_list_push_rr(records, set->records[i]);
	right = right &&
		ldns_verify_rrsig_keylist_notime(records, signature, keys, NULL) == LDNS_STATUS_OK;
	ldns_rr_list_free(records);
	ldns_rr_list_free(keys);
	return right;
}

static bool is_key_of(const ldns_rr *signature, const ldns_rr *key)
{
	return ldns_rdf_compare(
		       ldns_rr_rrsig_algorithm(signature), ldns_rr_dnskey_algorithm(key)) == 0 &&
	       ldns_rdf2native_int16(ldns_rr_rrsig_keytag(signature)) == ldns_calc_keytag(key);
}

static enum ede try_keys(const struct rrset *set, const ldns_rr *signature,
	const struct zone_keys *keys, struct validate_budget *budget)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < keys->n_keys && tried < KEYS_TRIED; i++) {
		if (!is_key_of(signature, keys->keys[i]))
			continue;
		if (budget->signatures == 0)
			return EDE_BOGUS;
		budget->signatures--;
		tried++;
		if (is_right(set, signature, keys->keys[i]))
			return EDE_NONE;
	}
	return tried > 0 ? EDE_BOGUS : EDE_DNSKEY_MISSING;
}

enum ede rrset_verify(const struct rrset *set, const struct zone_keys *keys, int64_t time,
	struct validate_budget *budget, struct verified *ret_verified)
{
	enum ede first = EDE_NONE;

	if (set->too_many || !name_is_below(&set->owner, &keys->zone))
		return EDE_BOGUS;
	for (unsigned i = 0; i < set->n_signatures; i++) {
		const ldns_rr *signature = set->signatures[i];
		enum ede ede = check_form(set, signature, &keys->zone, time);

		if (ede == EDE_NONE)
			ede = try_keys(set, signature, keys, budget);
		if (ede == EDE_NONE) {
			unsigned labels = ldns_rdf2native_int8(ldns_rr_rrsig_labels(signature));

			*ret_verified = (struct verified){
				.labels = labels,
				.wildcard = labels < signed_labels(&set->owner),
				.ttl = ttl_of(set, signature, (uint32_t)time),
			};
			return EDE_NONE;
		}
		if (first == EDE_NONE)
			first = ede;
	}
	return first == EDE_NONE ? EDE_RRSIGS_MISSING : first;
}
