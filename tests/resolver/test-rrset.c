/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "resolver/rrset.h"
#include "resolver/validate.h"
#include "tests/resolver/signed.h"

/* What is asked of a key and of a signature before, and beside, the arithmetic. */

/* Fields of a DNSKEY, and of an RRSIG (RFC 4034 sections 2.1 and 3.1). */
enum { FLAGS = 0, PROTOCOL = 1, PUBLIC_KEY = 3 };
enum { ALGORITHM = 1, LABELS = 2, SIGNER = 7 };

#define WWW "www.example.test."
#define WWW_A WWW " 600 IN A 192.0.2.1"

static struct signed_zone zone;
static struct zone_keys keys;
static struct signed_message message;
static struct validate_budget budget;

static int set_up(void **state)
{
	(void)state;
	signed_zone_new(&zone, "example.test.", LDNS_SIGN_ECDSAP256SHA256);
	keys = (struct zone_keys){.zone = signed_name("example.test."), .n_keys = 1};
	keys.keys[0] = zone.dnskey;
	budget = validate_budget();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	signed_zone_free(&zone);
	return 0;
}

static void set_field(ldns_rr *record, size_t field, ldns_rdf *value)
{
	assert_non_null(value);
	ldns_rdf_deep_free(ldns_rr_set_rdf(record, value, field));
}

/* --- Keys --- */

static void some_keys_prove_nothing(void **state)
{
	static const struct {
		uint16_t flags;
		uint8_t protocol;
		uint8_t algorithm;
		bool usable;
	} rows[] = {
		{0x0100, 3, LDNS_ED25519, true},
		{0x0101, 3, LDNS_ED25519, true},
		{0x0000, 3, LDNS_ED25519, false}, /* not a zone's */
		{0x0180, 3, LDNS_ED25519, false}, /* revoked */
		{0x0100, 2, LDNS_ED25519, false}, /* not of DNSSEC */
		{0x0100, 3, LDNS_RSASHA1, false}, /* SHA-1 */
		{0x0100, 3, LDNS_RSAMD5, false},  /* worse */
		{0x0100, 3, LDNS_PRIVATEDNS, false},
		{0x0100, 3, LDNS_ED448, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ldns_rr *key = ldns_rr_clone(zone.dnskey);

		set_field(key, FLAGS, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, rows[i].flags));
		set_field(
			key, PROTOCOL, ldns_native2rdf_int8(LDNS_RDF_TYPE_INT8, rows[i].protocol));
		set_field(key, 2, ldns_native2rdf_int8(LDNS_RDF_TYPE_ALG, rows[i].algorithm));
		assert_int_equal(rrset_key_is_usable(key), rows[i].usable);
		ldns_rr_free(key);
	}
	assert_false(rrset_key_is_usable(zone.ds));
}

/* RFC 3110 section 2: the exponent's length in one octet, or zero and two; exponent, modulus. */
static void rsa_keys_have_bounds(void **state)
{
	static const struct {
		uint8_t head[12];
		size_t head_size;
		size_t modulus;
		bool usable;
	} rows[] = {
		{{3, 1, 0, 1}, 4, 128, true},
		{{0, 0, 3, 1, 0, 1}, 6, 256, true},
		{{3, 1, 0, 1}, 4, 512, true},
		{{8, 1, 0, 0, 0, 0, 0, 0, 1}, 9, 256, true},
		{{3, 1, 0, 1}, 4, 127, false},                    /* too short to prove anything */
		{{3, 1, 0, 1}, 4, 513, false},                    /* too long to bear */
		{{9, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 10, 256, false}, /* the same */
		{{0, 0, 0}, 3, 256, false},                       /* no exponent */
		{{255, 1}, 2, 128, false},                        /* longer than all there is */
		{{0, 255, 255}, 3, 256, false},
		{{0}, 1, 0, false},
		{{3, 1, 0, 1}, 4, 0, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ldns_rr *key = ldns_rr_clone(zone.dnskey);
		uint8_t bytes[12 + 513];
		size_t size = rows[i].head_size + rows[i].modulus;

		memset(bytes, 0xaa, sizeof(bytes));
		memcpy(bytes, rows[i].head, rows[i].head_size);
		set_field(key, 2, ldns_native2rdf_int8(LDNS_RDF_TYPE_ALG, LDNS_RSASHA256));
		set_field(key, PUBLIC_KEY, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_B64, size, bytes));
		assert_int_equal(rrset_key_is_usable(key), rows[i].usable);
		ldns_rr_free(key);
	}
}

/* --- Signatures --- */

/* What the keys say of the message's set, which `spoil` has changed a field of if it is none. */
static enum ede verdict_with(const char *owner, size_t field, ldns_rdf *spoil)
{
	const ldns_rr_list *answer = ldns_pkt_answer(message.packet);
	struct name name = signed_name(owner);
	struct verified verified;
	struct rrset set;
	enum ede ede;

	assert_true(rrset_find(answer, &name, LDNS_RR_TYPE_A, &set));
	assert_int_equal(set.n_signatures, 1);
	if (spoil)
		set_field(set.signatures[0], field, spoil);
	ede = rrset_verify(&set, &keys, SIGNED_NOW, &budget, &verified);
	signed_end(&message);
	return ede;
}

static void begin(void)
{
	signed_begin(&message, WWW, LDNS_RR_TYPE_A);
	ANSWER(&message, &zone, WWW_A);
}

/* None of it costs a try. */
static void what_a_signature_says_is_checked_first(void **state)
{
	const unsigned before = budget.signatures;
	ldns_rdf *other = ldns_dname_new_frm_str("test.");

	(void)state;
	begin();
	assert_int_equal(
		verdict_with(WWW, LABELS, ldns_native2rdf_int8(LDNS_RDF_TYPE_INT8, 4)), EDE_BOGUS);
	begin();
	assert_int_equal(
		verdict_with(WWW, LABELS, ldns_native2rdf_int8(LDNS_RDF_TYPE_INT8, 1)), EDE_BOGUS);
	begin();
	assert_int_equal(verdict_with(WWW, SIGNER, other), EDE_BOGUS);
	begin();
	assert_int_equal(
		verdict_with(WWW, ALGORITHM, ldns_native2rdf_int8(LDNS_RDF_TYPE_ALG, LDNS_RSASHA1)),
		EDE_UNKNOWN_ALGORITHM);
	signed_begin(&message, "www.other.test.", LDNS_RR_TYPE_A);
	ANSWER(&message, &zone, "www.other.test. 600 IN A 192.0.2.1");
	assert_int_equal(verdict_with("www.other.test.", 0, NULL), EDE_BOGUS);
	assert_int_equal(budget.signatures, before);
	begin();
	assert_int_equal(verdict_with(WWW, 0, NULL), EDE_NONE);
	assert_int_equal(budget.signatures, before - 1);
}

/* A key with the same tag, which is a sum of words of 16 bits, by another order of these. */
static ldns_rr *impostor(unsigned number)
{
	ldns_rr *key = ldns_rr_clone(zone.dnskey);
	uint8_t *bytes = ldns_rdf_data(ldns_rr_rdf(key, PUBLIC_KEY)), *words = bytes, word[2];

	do
		words = bytes + 4 * (size_t)(number++ % 16);
	while (memcmp(words, words + 2, 2) == 0);
	memcpy(word, words, 2);
	memcpy(words, words + 2, 2);
	memcpy(words + 2, word, 2);
	assert_int_equal(ldns_calc_keytag(key), ldns_calc_keytag(zone.dnskey));
	return key;
}

/* Of as many as anybody likes (CVE-2023-50387) two are tried. */
static void few_keys_of_one_tag_are_tried(void **state)
{
	const unsigned before = budget.signatures;
	ldns_rr *impostors[ZONE_KEYS_MAX - 1];
	const unsigned count = sizeof(impostors) / sizeof(impostors[0]);

	(void)state;
	for (unsigned i = 0; i < count; i++)
		impostors[i] = impostor(i);
	keys.keys[0] = impostors[0];
	keys.keys[1] = zone.dnskey;
	keys.n_keys = 2;
	begin();
	assert_int_equal(verdict_with(WWW, 0, NULL), EDE_NONE);
	assert_int_equal(budget.signatures, before - 2);
	for (unsigned i = 0; i < count; i++)
		keys.keys[i] = impostors[i];
	keys.keys[count] = zone.dnskey;
	keys.n_keys = count + 1;
	begin();
	assert_int_equal(verdict_with(WWW, 0, NULL), EDE_BOGUS);
	assert_int_equal(budget.signatures, before - 4);
	for (unsigned i = 0; i < count; i++)
		ldns_rr_free(impostors[i]);
}

/* --- Sets --- */

static void sets_have_a_size(void **state)
{
	const unsigned before = budget.signatures;
	char texts[RRSET_RECORDS_MAX + 1][64];
	const char *records[RRSET_RECORDS_MAX + 2] = {NULL};

	(void)state;
	for (unsigned i = 0; i <= RRSET_RECORDS_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), WWW " 600 IN A 192.0.2.%u", i);
		records[i] = texts[i];
	}
	signed_begin(&message, WWW, LDNS_RR_TYPE_A);
	signed_put(&message, LDNS_SECTION_ANSWER, &zone, records);
	assert_int_equal(verdict_with(WWW, 0, NULL), EDE_BOGUS);
	assert_int_equal(budget.signatures, before);
	records[RRSET_RECORDS_MAX] = NULL;
	signed_begin(&message, WWW, LDNS_RR_TYPE_A);
	signed_put(&message, LDNS_SECTION_ANSWER, &zone, records);
	assert_int_equal(verdict_with(WWW, 0, NULL), EDE_NONE);
}

/* Of another class it is another set, and beside a zone's own name its parent may have signed. */
static void what_belongs_to_a_set(void **state)
{
	struct name www = signed_name(WWW), apex = signed_name("example.test."), signer;
	struct rrset set;

	(void)state;
	begin();
	assert_true(rrset_find(ldns_pkt_answer(message.packet), &www, LDNS_RR_TYPE_A, &set));
	assert_true(rrset_signer(&set, &www, true, &signer));
	assert_true(name_equal(&signer, &apex));
	assert_true(rrset_signer(&set, &apex, false, &signer));
	assert_false(rrset_signer(&set, &apex, true, &signer));
	assert_false(rrset_find(ldns_pkt_answer(message.packet), &apex, LDNS_RR_TYPE_A, &set));
	ldns_rr_set_class(ldns_rr_list_rr(ldns_pkt_answer(message.packet), 0), LDNS_RR_CLASS_CH);
	assert_false(rrset_find(ldns_pkt_answer(message.packet), &www, LDNS_RR_TYPE_A, &set));
	signed_end(&message);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(some_keys_prove_nothing),
		TEST(rsa_keys_have_bounds),
		TEST(what_a_signature_says_is_checked_first),
		TEST(few_keys_of_one_tag_are_tried),
		TEST(sets_have_a_size),
		TEST(what_belongs_to_a_set),
	};

	return cmocka_run_group_tests_name("rrset", tests, NULL, NULL);
}
