/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/resolver/signed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { RSA_BITS = 2048, RECORD_TEXT = 512, WEEK = 604800 };

struct name signed_name(const char *text)
{
	ldns_rdf *rdf = ldns_dname_new_frm_str(text);
	struct reader reader;
	struct name name = {.length = 0};

	assert_non_null(rdf);
	reader = reader_over(ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	name_read(&reader, &name);
	assert_false(reader.failed);
	ldns_rdf_deep_free(rdf);
	return name;
}

void signed_zone_new(struct signed_zone *zone, const char *name, ldns_signing_algorithm algorithm)
{
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	zone->begins = SIGNED_NOW - WEEK;
	zone->expires = SIGNED_NOW + WEEK;
	zone->key = ldns_key_new_frm_algorithm(algorithm, RSA_BITS);
	assert_non_null(zone->key);
	ldns_key_set_pubkey_owner(zone->key, ldns_dname_new_frm_str(name));
	ldns_key_set_flags(zone->key, LDNS_KEY_ZONE_KEY);
	zone->dnskey = ldns_key2rr(zone->key);
	assert_non_null(zone->dnskey);
	ldns_rr_set_ttl(zone->dnskey, SIGNED_TTL);
	ldns_key_set_keytag(zone->key, ldns_calc_keytag(zone->dnskey));
	zone->ds = ldns_key_rr2ds(zone->dnskey, LDNS_SHA256);
	assert_non_null(zone->ds);
}

void signed_zone_free(struct signed_zone *zone)
{
	ldns_key_deep_free(zone->key);
	ldns_rr_free(zone->dnskey);
	ldns_rr_free(zone->ds);
}

void signed_anchor(struct anchors *anchors, const struct signed_zone *zone)
{
	anchors->count = 1;
	anchors->anchors[0].zone = signed_name(zone->name);
	anchors->anchors[0].ds = zone->ds;
}

void signed_begin(struct signed_message *message, const char *name, ldns_rr_type type)
{
	message->packet =
		ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_QR);
	assert_non_null(message->packet);
	message->size = 0;
}

static ldns_rr_list *sign(const struct signed_zone *zone, const ldns_rr_list *set)
{
	ldns_key_list *keys = ldns_key_list_new();
	ldns_rr_list *copy = ldns_rr_list_clone(set);
	ldns_rr_list *signatures;

	ldns_key_set_inception(zone->key, (uint32_t)zone->begins);
	ldns_key_set_expiration(zone->key, (uint32_t)zone->expires);
	ldns_key_list_push_key(keys, zone->key);
	signatures = ldns_sign_public(copy, keys);
	assert_int_equal(ldns_rr_list_rr_count(signatures), 1);
	ldns_key_list_set_key_count(keys, 0);
	ldns_key_list_free(keys);
	ldns_rr_list_deep_free(copy);
	return signatures;
}

static void put(struct signed_message *message, ldns_pkt_section section,
	const struct signed_zone *zone, const ldns_rr_list *set)
{
	ldns_rr_list *signatures = zone ? sign(zone, set) : ldns_rr_list_new();

	for (size_t i = 0; i < ldns_rr_list_rr_count(set); i++)
		ldns_pkt_push_rr(message->packet, section, ldns_rr_clone(ldns_rr_list_rr(set, i)));
	for (size_t i = 0; i < ldns_rr_list_rr_count(signatures); i++)
		ldns_pkt_push_rr(
			message->packet, section, ldns_rr_clone(ldns_rr_list_rr(signatures, i)));
	ldns_rr_list_deep_free(signatures);
}

static ldns_rr *record_of(const char *text)
{
	ldns_rr *record;

	assert_int_equal(ldns_rr_new_frm_str(&record, text, SIGNED_TTL, NULL, NULL), 0);
	return record;
}

void signed_put(struct signed_message *message, ldns_pkt_section section,
	const struct signed_zone *zone, const char *const records[])
{
	ldns_rr_list *set = ldns_rr_list_new();

	for (unsigned i = 0; records[i]; i++)
		ldns_rr_list_push_rr(set, record_of(records[i]));
	put(message, section, zone, set);
	ldns_rr_list_deep_free(set);
}

static void set_owner(ldns_rr *record, const char *owner)
{
	ldns_rdf_deep_free(ldns_rr_owner(record));
	ldns_rr_set_owner(record, ldns_dname_new_frm_str(owner));
}

void signed_put_expanded(struct signed_message *message, const struct signed_zone *zone,
	const char *record, const char *owner)
{
	ldns_rr_list *set = ldns_rr_list_new();
	ldns_rr_list *signatures;

	ldns_rr_list_push_rr(set, record_of(record));
	signatures = sign(zone, set);
	set_owner(ldns_rr_list_rr(set, 0), owner);
	set_owner(ldns_rr_list_rr(signatures, 0), owner);
	ldns_pkt_push_rr_list(message->packet, LDNS_SECTION_ANSWER, set);
	ldns_pkt_push_rr_list(message->packet, LDNS_SECTION_ANSWER, signatures);
	ldns_rr_list_free(set);
	ldns_rr_list_free(signatures);
}

void signed_put_keys(struct signed_message *message, const struct signed_zone *const zones[])
{
	ldns_rr_list *set = ldns_rr_list_new();

	for (unsigned i = 0; zones[i]; i++)
		ldns_rr_list_push_rr(set, ldns_rr_clone(zones[i]->dnskey));
	put(message, LDNS_SECTION_ANSWER, zones[0], set);
	ldns_rr_list_deep_free(set);
}

void signed_put_ds(struct signed_message *message, const struct signed_zone *parent,
	const struct signed_zone *zone)
{
	ldns_rr_list *set = ldns_rr_list_new();

	ldns_rr_list_push_rr(set, ldns_rr_clone(zone->ds));
	put(message, LDNS_SECTION_ANSWER, parent, set);
	ldns_rr_list_deep_free(set);
}

/* The base 32 digits before or after; no carry is needed but by chance in 32. */
static void move(char *digits, int by)
{
	static const char all[] = "0123456789abcdefghijklmnopqrstuv";
	size_t last = strlen(digits) - 1;

	for (;; last--) {
		long at = strchr(all, digits[last]) - all + by;

		digits[last] = all[(at + 32) % 32];
		if (at >= 0 && at < 32)
			return;
	}
}

void signed_hash(const char *name, unsigned iterations, int by, char out[SIGNED_HASH])
{
	static uint8_t salt[] = {0xab, 0xcd};
	ldns_rdf *owner = ldns_dname_new_frm_str(name);
	ldns_rdf *hash =
		ldns_nsec3_hash_name(owner, LDNS_SHA1, (uint16_t)iterations, sizeof(salt), salt);

	memcpy(out, ldns_rdf_data(hash) + 1, SIGNED_HASH - 1);
	out[SIGNED_HASH - 1] = '\0';
	if (by != 0)
		move(out, by);
	ldns_rdf_deep_free(owner);
	ldns_rdf_deep_free(hash);
}

void signed_put_nsec3(struct signed_message *message, const struct signed_zone *zone,
	const char *owner, bool covering, unsigned flags, unsigned iterations, const char *types)
{
	char first[SIGNED_HASH], next[SIGNED_HASH], text[RECORD_TEXT];
	ldns_rr_list *set;

	signed_hash(owner, iterations, covering ? -1 : 0, first);
	signed_hash(owner, iterations, 1, next);
	snprintf(text, sizeof(text), "%s.%s 600 IN NSEC3 1 %u %u abcd %s %s", first,
		strcmp(zone->name, ".") == 0 ? "" : zone->name, flags, iterations, next,
		*types ? types : "A");
	set = ldns_rr_list_new();
	ldns_rr_list_push_rr(set, record_of(text));
	if (!*types) /* which can't be written as text */
		ldns_rdf_deep_free(ldns_rr_pop_rdf(ldns_rr_list_rr(set, 0)));
	put(message, LDNS_SECTION_AUTHORITY, zone, set);
	ldns_rr_list_deep_free(set);
}

void signed_end(struct signed_message *message)
{
	uint8_t *wire;

	assert_int_equal(ldns_pkt2wire(&wire, message->packet, &message->size), 0);
	assert_true(message->size <= sizeof(message->bytes));
	memcpy(message->bytes, wire, message->size);
	free(wire);
	ldns_pkt_free(message->packet);
	message->packet = NULL;
}
