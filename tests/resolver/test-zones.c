/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "resolver/zones.h"
#include "tests/resolver/signed.h"

/* What is learned of zones from messages that their parents and they have signed: forms that are of
 * no use, bounds, and a table that is full. What follows for answers is in test-validate.c. */

enum { RECORD_TEXT = 256, SECOND = 1000 };

#define EXAMPLE "example.test."

static struct signed_zone root, test, example;
static struct anchors anchors;
static struct zones *zones;
static struct signed_message message;
static struct mono now;

static enum ede learn(const char *name, ldns_rr_type type)
{
	struct name own = signed_name(name);

	signed_end(&message);
	return zones_learn(
		zones, &own, (uint16_t)type, message.bytes, message.size, SIGNED_NOW, now);
}

/* From the keys of zones, signed by the first. */
static enum ede learn_keys(const struct signed_zone *const keys[])
{
	signed_begin(&message, keys[0]->name, LDNS_RR_TYPE_DNSKEY);
	signed_put_keys(&message, keys);
	return learn(keys[0]->name, LDNS_RR_TYPE_DNSKEY);
}

static enum ede learn_zone_keys(const struct signed_zone *zone)
{
	return learn_keys((const struct signed_zone *const[]){zone, NULL});
}

/* The root's keys, and what that zone has said of test. */
static void learn_chain(void)
{
	assert_int_equal(learn_zone_keys(&root), EDE_NONE);
	signed_begin(&message, "test.", LDNS_RR_TYPE_DS);
	signed_put_ds(&message, &root, &test);
	assert_int_equal(learn("test.", LDNS_RR_TYPE_DS), EDE_NONE);
	assert_int_equal(learn_zone_keys(&test), EDE_NONE);
}

static int set_up(void **state)
{
	static const struct hash_key key = {{1, 2}};

	(void)state;
	now = (struct mono){1000 * SECOND};
	signed_zone_new(&root, ".", LDNS_SIGN_ECDSAP256SHA256);
	signed_zone_new(&test, "test.", LDNS_SIGN_ED25519);
	signed_zone_new(&example, EXAMPLE, LDNS_SIGN_ECDSAP256SHA256);
	signed_anchor(&anchors, &root);
	if (zones_new(&anchors, &key, &zones) != 0)
		return -1;
	learn_chain();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	zones_free(zones);
	signed_zone_free(&root);
	signed_zone_free(&test);
	signed_zone_free(&example);
	return 0;
}

static struct zones_way seek(const char *name)
{
	struct name own = signed_name(name);
	struct zones_way way;

	zones_seek(zones, &own, now, &way);
	return way;
}

static void expect_asked(const char *name, const char *asked, ldns_rr_type type)
{
	struct name own = signed_name(asked);
	struct zones_way way = seek(name);

	assert_int_equal(way.status, ZONES_ASK);
	assert_true(name_equal(&way.ask, &own));
	assert_int_equal(way.type, type);
}

static void expect_insecure(const char *name, enum ede ede)
{
	struct zones_way way = seek(name);

	assert_int_equal(way.status, ZONES_INSECURE);
	assert_int_equal(way.ede, ede);
}

/* The name is in that zone. */
static void expect_zone(const char *name, const struct signed_zone *zone)
{
	struct name own = signed_name(zone->name);
	struct zones_way way = seek(name);

	assert_int_equal(way.status, ZONES_SECURE);
	assert_true(name_equal(&way.keys->zone, &own));
}

/* What test. says of a name: there is no DS record. */
static enum ede learn_no_ds(const char *name, const char *nsec)
{
	signed_begin(&message, name, LDNS_RR_TYPE_DS);
	AUTHORITY(&message, &test, nsec);
	return learn(name, LDNS_RR_TYPE_DS);
}

/* --- DS records --- */

/* Of the example's key with other fields, but for those that are 0 or NULL. */
static const char *ds_text(
	char *text, unsigned tag_more, unsigned algorithm, unsigned digest, const char *hash)
{
	char *own = ldns_rdf2str(ldns_rr_rdf(example.ds, 3));

	snprintf(text, RECORD_TEXT, EXAMPLE " 600 IN DS %u %u %u %s",
		(ldns_calc_keytag(example.dnskey) + tag_more) & 0xffff,
		algorithm ? algorithm : LDNS_ECDSAP256SHA256, digest ? digest : LDNS_SHA256,
		hash ? hash : own);
	free(own);
	return text;
}

static enum ede learn_ds(const char *const records[])
{
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_put(&message, LDNS_SECTION_ANSWER, &test, records);
	return learn(EXAMPLE, LDNS_RR_TYPE_DS);
}

#define LEARN_DS(...) learn_ds((const char *const[]){__VA_ARGS__, NULL})

#define SHA1_OF_NONE "0000000000000000000000000000000000000000"
#define SHA256_OF_NONE SHA1_OF_NONE "000000000000000000000000"

/* RFC 4035 section 5.2: a zone of which nothing can be checked is as one without signatures. */
static void ds_records_of_no_use(void **state)
{
	char one[RECORD_TEXT], two[RECORD_TEXT];

	(void)state;
	assert_int_equal(LEARN_DS(ds_text(one, 0, 0, LDNS_SHA1, SHA1_OF_NONE)), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_DIGEST);
	assert_int_equal(LEARN_DS(ds_text(one, 0, LDNS_RSASHA1, 0, NULL)), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_ALGORITHM);
	assert_int_equal(LEARN_DS(ds_text(one, 0, LDNS_RSASHA1, 0, NULL),
				 ds_text(two, 0, 0, LDNS_SHA1, SHA1_OF_NONE)),
		EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_DIGEST);
	/* Cut off behind the tag, the algorithm and the kind of digest. */
	assert_int_equal(LEARN_DS(EXAMPLE " 600 IN DS \\# 2 0001"), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_ALGORITHM);
	assert_int_equal(LEARN_DS(EXAMPLE " 600 IN DS \\# 3 00010d"), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_ALGORITHM);
	assert_int_equal(LEARN_DS(EXAMPLE " 600 IN DS \\# 4 00010d02"), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_UNKNOWN_ALGORITHM);
	/* One among them is enough. */
	assert_int_equal(
		LEARN_DS(EXAMPLE " 600 IN DS \\# 4 00010d02",
			ds_text(one, 0, LDNS_RSASHA1, 0, NULL), ds_text(two, 0, 0, 0, NULL)),
		EDE_NONE);
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DNSKEY);
	assert_int_equal(learn_zone_keys(&example), EDE_NONE);
	expect_zone(EXAMPLE, &example);
	/* What is known isn't learned again. */
	assert_int_equal(learn_zone_keys(&example), EDE_INDETERMINATE);
}

/* A key is the one that all of a DS record is of. */
static void keys_that_a_ds_record_is_not_of(void **state)
{
	char text[RECORD_TEXT];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(LEARN_DS(ds_text(text, i == 0, i == 1 ? LDNS_RSASHA256 : 0, 0,
					 i == 2 ? SHA256_OF_NONE : NULL)),
			EDE_NONE);
		assert_int_equal(learn_zone_keys(&example), EDE_DNSKEY_MISSING);
		expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DNSKEY);
	}
	/* Nor has a zone keys before its parent has said of which. */
	assert_int_equal(learn_no_ds(EXAMPLE, EXAMPLE " 600 IN NSEC test. A RRSIG NSEC"), EDE_NONE);
	assert_int_equal(learn_zone_keys(&example), EDE_INDETERMINATE);
	expect_zone(EXAMPLE, &test);
	now.ms += 500 * SECOND;
	learn_chain();
	now.ms += 500 * SECOND;
	assert_int_equal(learn_zone_keys(&example), EDE_INDETERMINATE);
}

/* Some zone may have any number of DS records with the tag of its key (CVE-2023-50387). */
static void digests_are_bounded(void **state)
{
	char texts[9][RECORD_TEXT], hash[] = SHA256_OF_NONE;
	const char *records[10] = {NULL};

	(void)state;
	for (unsigned wrong = 7; wrong <= 8; wrong++) {
		for (unsigned i = 0; i < wrong; i++) {
			hash[0] = (char)('0' + i);
			records[i] = ds_text(texts[i], 0, 0, 0, hash);
		}
		records[wrong] = ds_text(texts[wrong], 0, 0, 0, NULL);
		assert_int_equal(learn_ds(records), EDE_NONE);
		assert_int_equal(
			learn_zone_keys(&example), wrong < 8 ? EDE_NONE : EDE_DNSKEY_MISSING);
	}
}

static void ds_records_of_a_wildcard_are_bogus(void **state)
{
	char text[RECORD_TEXT], record[RECORD_TEXT + 8];

	(void)state;
	ds_text(text, 0, 0, 0, NULL);
	snprintf(record, sizeof(record), "*.test.%s", strchr(text, ' '));
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_put_expanded(&message, &test, record, EXAMPLE);
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_BOGUS);
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DS);
}

/* --- No DS records --- */

/* Whoever has an alias is in its parent's zone. */
static void an_alias_begins_no_zone(void **state)
{
	(void)state;
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	ANSWER(&message, &root, EXAMPLE " 600 IN CNAME www.test.");
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_BOGUS);
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	ANSWER(&message, &test, EXAMPLE " 600 IN CNAME www.test.");
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_NONE);
	expect_zone(EXAMPLE, &test);
}

static void proofs_that_are_wrong_or_too_much(void **state)
{
	(void)state;
	test.expires = SIGNED_NOW - 1;
	assert_int_equal(learn_no_ds(EXAMPLE, EXAMPLE " 600 IN NSEC test. NS RRSIG NSEC"),
		EDE_SIGNATURE_EXPIRED);
	test.expires = SIGNED_NOW + 1000;
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_put_nsec3(&message, &test, EXAMPLE, false, 0, 51, "A RRSIG");
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_NONE);
	expect_insecure(EXAMPLE, EDE_NSEC3_ITERATIONS);
}

/* Without the keys of the zone above nothing is believed. */
static void nothing_is_learned_out_of_turn(void **state)
{
	(void)state;
	now.ms += 601 * SECOND;
	assert_int_equal(
		learn_no_ds(EXAMPLE, EXAMPLE " 600 IN NSEC test. A RRSIG NSEC"), EDE_INDETERMINATE);
	expect_asked(EXAMPLE, ".", LDNS_RR_TYPE_DNSKEY);
	assert_int_equal(learn_zone_keys(&root), EDE_NONE);
	expect_asked(EXAMPLE, "test.", LDNS_RR_TYPE_DS);
	assert_int_equal(learn_zone_keys(&test), EDE_INDETERMINATE);
}

/* --- Bounds --- */

static void messages_have_a_size(void **state)
{
	char text[RECORD_TEXT];

	(void)state;
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_put_ds(&message, &test, &example);
	for (unsigned i = 0; i < 520; i++) {
		snprintf(text, sizeof(text), EXAMPLE " 600 IN A 198.51.%u.%u", i / 256, i % 256);
		ANSWER(&message, NULL, text);
	}
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_BOGUS);
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DS);
}

static void a_zone_has_so_many_keys(void **state)
{
	enum { MANY = ZONE_KEYS_MAX + 4 };
	static struct signed_zone many[MANY];
	const struct signed_zone *keys[MANY + 1] = {NULL};
	struct zones_way way;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		signed_zone_new(&many[i], EXAMPLE, LDNS_SIGN_ED25519);
		keys[i] = &many[i];
	}
	signed_begin(&message, EXAMPLE, LDNS_RR_TYPE_DS);
	signed_put_ds(&message, &test, &many[0]);
	assert_int_equal(learn(EXAMPLE, LDNS_RR_TYPE_DS), EDE_NONE);
	assert_int_equal(learn_keys(keys), EDE_NONE);
	way = seek(EXAMPLE);
	assert_int_equal(way.status, ZONES_SECURE);
	assert_int_equal(way.keys->n_keys, ZONE_KEYS_MAX);
	for (unsigned i = 0; i < MANY; i++)
		signed_zone_free(&many[i]);
}

static void times_have_bounds(void **state)
{
	char text[RECORD_TEXT], record[RECORD_TEXT];

	(void)state;
	/* Keys are believed for as long as the parent's word for them lasts. */
	ds_text(text, 0, 0, 0, NULL);
	snprintf(record, sizeof(record), EXAMPLE " 20 %s", strstr(text, "IN DS"));
	assert_int_equal(LEARN_DS(record), EDE_NONE);
	assert_int_equal(learn_zone_keys(&example), EDE_NONE);
	now.ms += 19 * SECOND;
	expect_zone(EXAMPLE, &example);
	now.ms += SECOND;
	expect_asked(EXAMPLE, EXAMPLE, LDNS_RR_TYPE_DS);
	/* Long enough for the next question. */
	assert_int_equal(learn_no_ds("x.test.", "x.test. 1 IN NSEC test. A RRSIG NSEC"), EDE_NONE);
	now.ms += 10 * SECOND - 1;
	expect_zone("x.test.", &test);
	now.ms++;
	expect_asked("x.test.", "x.test.", LDNS_RR_TYPE_DS);
	/* And no longer than a day. */
	assert_int_equal(
		learn_no_ds("x.test.", "x.test. 200000 IN NSEC test. A RRSIG NSEC"), EDE_NONE);
	now.ms += 86399 * SECOND;
	learn_chain();
	expect_zone("x.test.", &test);
	now.ms += SECOND;
	expect_asked("x.test.", "x.test.", LDNS_RR_TYPE_DS);
}

/* What lives longest stays, and what has no place is asked for again. */
static void the_table_may_be_full(void **state)
{
	enum { NAMES = 2000, PLACES = 1024 };
	char name[32], nsec[RECORD_TEXT];
	unsigned known = 0;

	(void)state;
	assert_int_equal(
		learn_no_ds("stays.test.", "stays.test. 500 IN NSEC test. A RRSIG NSEC"), EDE_NONE);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.test.", i);
		snprintf(nsec, sizeof(nsec), "%s 60 IN NSEC test. A RRSIG NSEC", name);
		assert_int_equal(learn_no_ds(name, nsec), EDE_NONE);
		expect_zone(name, &test);
	}
	expect_zone("stays.test.", &test);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.test.", i);
		if (seek(name).status == ZONES_SECURE)
			known++;
		else
			expect_asked(name, name, LDNS_RR_TYPE_DS);
	}
	assert_in_range(known, PLACES / 2, PLACES);
	now.ms += 60 * SECOND;
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.test.", i);
		expect_asked(name, name, LDNS_RR_TYPE_DS);
	}
	expect_zone("stays.test.", &test);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ds_records_of_no_use),
		TEST(keys_that_a_ds_record_is_not_of),
		TEST(digests_are_bounded),
		TEST(ds_records_of_a_wildcard_are_bogus),
		TEST(an_alias_begins_no_zone),
		TEST(proofs_that_are_wrong_or_too_much),
		TEST(nothing_is_learned_out_of_turn),
		TEST(messages_have_a_size),
		TEST(a_zone_has_so_many_keys),
		TEST(times_have_bounds),
		TEST(the_table_may_be_full),
	};

	return cmocka_run_group_tests_name("zones", tests, NULL, NULL);
}
