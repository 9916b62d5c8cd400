/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "resolver/denial.h"
#include "resolver/validate.h"
#include "tests/resolver/signed.h"

/* Records that a zone has signed, and what follows from them, or does not. The usual proofs are in
 * test-validate.c. */

enum { RECORD_TEXT = 256, WEEK = 604800 };

#define ZONE "example.test."
#define WWW "www.example.test."
#define APEX ZONE " 600 IN NSEC b.example.test. NS SOA RRSIG NSEC"

static struct signed_zone zone;
static struct zone_keys keys;
static struct signed_message message;
static struct validate_budget budget;
static struct denial denial;
static ldns_pkt *packet;

static void begin(void)
{
	ldns_pkt_free(packet);
	packet = NULL;
	budget = validate_budget();
	signed_begin(&message, WWW, LDNS_RR_TYPE_A);
}

static int set_up(void **state)
{
	(void)state;
	signed_zone_new(&zone, ZONE, LDNS_SIGN_ED25519);
	keys = (struct zone_keys){.zone = signed_name(ZONE), .n_keys = 1};
	keys.keys[0] = zone.dnskey;
	packet = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ldns_pkt_free(packet);
	signed_zone_free(&zone);
	return 0;
}

static void add(const char *record)
{
	AUTHORITY(&message, &zone, record);
}

/* Gathers from the message as it comes over the wire. */
static void gather(void)
{
	signed_end(&message);
	assert_int_equal(ldns_wire2pkt(&packet, message.bytes, message.size), LDNS_STATUS_OK);
	denial_gather(ldns_pkt_authority(packet), &keys, SIGNED_NOW, &budget, &denial);
}

static enum denial_status of_name(const char *name)
{
	struct name own = signed_name(name);

	return denial_of_name(&denial, &own);
}

static enum denial_status of_type(const char *name, uint16_t type)
{
	struct name own = signed_name(name);

	return denial_of_type(&denial, &own, type);
}

static enum denial_status of_closer(const char *name, unsigned labels)
{
	struct name own = signed_name(name);

	return denial_of_closer(&denial, &own, labels);
}

static enum denial_status of_ds(const char *name, bool *ret_cut)
{
	struct name own = signed_name(name);

	return denial_of_ds(&denial, &own, ret_cut);
}

/* --- Records --- */

/* A window for each 256 types (RFC 4034 section 4.1.2). */
static void types_are_in_windows(void **state)
{
	static const struct {
		const char *types;
		uint16_t type;
		bool denied;
	} rows[] = {
		{"A RRSIG NSEC", LDNS_RR_TYPE_A, false},
		{"A RRSIG NSEC", LDNS_RR_TYPE_AAAA, true},
		{"A RRSIG NSEC", 255, true},
		{"A RRSIG NSEC", 257, true},
		{"RRSIG NSEC TYPE257", LDNS_RR_TYPE_A, true},
		{"RRSIG NSEC TYPE257", 257, false},
		{"RRSIG NSEC TYPE257", 258, true},
		{"RRSIG NSEC TYPE257", 513, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[RECORD_TEXT];

		begin();
		snprintf(text, sizeof(text), WWW " 600 IN NSEC " ZONE " %s", rows[i].types);
		add(text);
		gather();
		assert_int_equal(of_type(WWW, rows[i].type),
			rows[i].denied ? DENIAL_PROVED : DENIAL_MISSING);
	}
}

/* The name of the zone, and behind it what is left of the types: there are none. */
static void types_that_are_cut_off(void **state)
{
#define NEXT "076578616d706c65047465737400"
	static const char *const records[] = {
		WWW " 600 IN NSEC \\# 15 " NEXT "00",
		WWW " 600 IN NSEC \\# 16 " NEXT "0006",
		WWW " 600 IN NSEC \\# 17 " NEXT "000640",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		begin();
		add(records[i]);
		gather();
		assert_int_equal(denial.n_nsec, 1);
		assert_int_equal(of_type(WWW, LDNS_RR_TYPE_DNAME), DENIAL_PROVED);
	}
	/* Without the field it is no such record. */
	begin();
	add(WWW " 600 IN NSEC \\# 14 " NEXT);
	gather();
	assert_int_equal(denial.n_nsec, 0);
	assert_int_equal(of_type(WWW, LDNS_RR_TYPE_DNAME), DENIAL_MISSING);
}

/* What the name's own NSEC3 record says, in this form, beside one of the usual form. */
struct form {
	size_t kept; /* digits of its hash, and what stands behind them */
	const char *behind;
	unsigned algorithm, iterations;
	const char *salt;
	size_t next; /* digits */
	bool proves;
};

static enum denial_status verdict_on(const struct form *form)
{
	char own[SIGNED_HASH], next[SIGNED_HASH], text[RECORD_TEXT];

	begin();
	signed_put_nsec3(&message, &zone, "other.example.test.", false, 0, 1, "A RRSIG");
	signed_hash(WWW, 1, 0, own);
	signed_hash(WWW, 1, 1, next);
	snprintf(text, sizeof(text), "%.*s%s" ZONE " 600 IN NSEC3 %u 0 %u %s %.*s A RRSIG",
		(int)form->kept, own, form->behind, form->algorithm, form->iterations, form->salt,
		(int)form->next, next);
	add(text);
	gather();
	assert_int_equal(denial.wrong, EDE_NONE);
	assert_int_equal(denial.n_nsec3, form->proves ? 2 : 1);
	return of_type(WWW, LDNS_RR_TYPE_AAAA);
}

static void hashes_in_other_forms_prove_nothing(void **state)
{
	static const struct form forms[] = {
		{32, ".", 1, 1, "abcd", 32, true},
		/* Not SHA-1 */
		{32, ".", 2, 1, "abcd", 32, false},
		/* Not below the zone itself */
		{32, ".sub.", 1, 1, "abcd", 32, false},
		/* Not a hash: too long, too short, and digits that are none */
		{32, "0.", 1, 1, "abcd", 32, false},
		{31, ".", 1, 1, "abcd", 32, false},
		{31, "w.", 1, 1, "abcd", 32, false},
		{31, "-.", 1, 1, "abcd", 32, false},
		{31, ":.", 1, 1, "abcd", 32, false},
		{31, "`.", 1, 1, "abcd", 32, false},
		/* Not by the same parameters as the other one */
		{32, ".", 1, 2, "abcd", 32, false},
		{32, ".", 1, 1, "abce", 32, false},
		{32, ".", 1, 1, "ab", 32, false},
		{32, ".", 1, 1, "-", 32, false},
		/* The next hash is shorter */
		{32, ".", 1, 1, "abcd", 16, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		assert_int_equal(
			verdict_on(&forms[i]), forms[i].proves ? DENIAL_PROVED : DENIAL_MISSING);
	/* One that ends behind its iterations. */
	begin();
	add("00000000000000000000000000000000." ZONE " 600 IN NSEC3 \\# 4 01000001");
	gather();
	assert_int_equal(denial.n_nsec3, 0);
}

/* A zone has one such record of a name, and of itself: none comes from a wildcard. */
static void sets_of_several_and_of_wildcards_are_bogus(void **state)
{
	const ldns_rr_list *answer;

	(void)state;
	begin();
	AUTHORITY(&message, &zone, WWW " 600 IN NSEC a.example.test. RRSIG NSEC",
		WWW " 600 IN NSEC b.example.test. RRSIG NSEC");
	gather();
	assert_int_equal(denial.n_nsec, 0);
	assert_int_equal(denial.wrong, EDE_BOGUS);
	begin();
	signed_put_expanded(
		&message, &zone, "*.example.test. 600 IN NSEC " ZONE " RRSIG NSEC", WWW);
	gather();
	answer = ldns_pkt_answer(packet);
	denial_gather(answer, &keys, SIGNED_NOW, &budget, &denial);
	assert_int_equal(denial.n_nsec, 0);
	assert_int_equal(denial.wrong, EDE_BOGUS);
}

static void the_first_that_is_wrong_is_told(void **state)
{
	(void)state;
	begin();
	zone.expires = SIGNED_NOW - 1;
	add(APEX);
	zone.expires = SIGNED_NOW + WEEK;
	zone.begins = SIGNED_NOW + 1;
	add(WWW " 600 IN NSEC " ZONE " A RRSIG NSEC");
	zone.begins = SIGNED_NOW - WEEK;
	add("x.example.test. 600 IN NSEC " ZONE " A RRSIG NSEC");
	gather();
	assert_int_equal(denial.wrong, EDE_SIGNATURE_EXPIRED);
	assert_int_equal(denial.n_nsec, 1);
}

/* More than any proof takes are not looked at. */
static void records_are_bounded(void **state)
{
	(void)state;
	for (unsigned others = DENIAL_RECORDS_MAX - 1; others <= DENIAL_RECORDS_MAX; others++) {
		char text[RECORD_TEXT];

		begin();
		for (unsigned i = 0; i < others; i++) {
			snprintf(text, sizeof(text),
				"a%u.example.test. 600 IN NSEC b%u.example.test. A RRSIG NSEC", i,
				i);
			add(text);
		}
		add(WWW " 600 IN NSEC " ZONE " A RRSIG NSEC");
		gather();
		assert_int_equal(of_type(WWW, LDNS_RR_TYPE_AAAA),
			others < DENIAL_RECORDS_MAX ? DENIAL_PROVED : DENIAL_MISSING);
	}
}

/* --- Names between two --- */

/* What is delegated, or renamed as a whole, is another's to deny; what is beside it is not. */
static void names_below_an_end_are_not_denied(void **state)
{
	static const struct {
		const char *types;
		bool ends;
	} rows[] = {{"A", false}, {"NS", true}, {"DNAME", true}, {"NS DNAME", true}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[RECORD_TEXT];

		begin();
		add(APEX);
		snprintf(text, sizeof(text),
			"b.example.test. 600 IN NSEC d.example.test. %s RRSIG NSEC", rows[i].types);
		add(text);
		gather();
		assert_int_equal(of_name("c.example.test."), DENIAL_PROVED);
		/* No wildcard at that end, since the next name is none. */
		assert_int_equal(of_closer("x.b.example.test.", 3),
			rows[i].ends ? DENIAL_MISSING : DENIAL_PROVED);
	}
}

/* A wildcard's answer is for names of which nothing closer exists than what the wildcard is below.
 */
static void what_is_closer_than_a_wildcard(void **state)
{
	(void)state;
	begin();
	add("b.example.test. 600 IN NSEC d.example.test. A RRSIG NSEC");
	add("d.example.test. 600 IN NSEC a.e.example.test. A RRSIG NSEC");
	gather();
	assert_int_equal(of_closer("c.example.test.", 2), DENIAL_PROVED);
	assert_int_equal(of_closer("x.c.example.test.", 2), DENIAL_PROVED);
	assert_int_equal(of_closer("x.c.example.test.", 3), DENIAL_MISSING);
	/* It has names below it, and so it is there. */
	assert_int_equal(of_closer("e.example.test.", 2), DENIAL_MISSING);
	assert_int_equal(of_name("e.example.test."), DENIAL_MISSING);
	assert_int_equal(of_type("e.example.test.", LDNS_RR_TYPE_A), DENIAL_PROVED);
}

static void a_name_that_is_not_there_begins_no_zone(void **state)
{
	bool cut = true;

	(void)state;
	begin();
	add("b.example.test. 600 IN NSEC d.example.test. A RRSIG NSEC");
	add("d.example.test. 600 IN NSEC e.example.test. NS RRSIG NSEC");
	add("e.example.test. 600 IN NSEC " ZONE " NS DS RRSIG NSEC");
	gather();
	assert_int_equal(of_ds("c.example.test.", &cut), DENIAL_PROVED);
	assert_false(cut);
	assert_int_equal(of_ds("d.example.test.", &cut), DENIAL_PROVED);
	assert_true(cut);
	assert_int_equal(of_ds("e.example.test.", &cut), DENIAL_MISSING);
	/* Below a delegation the zone has nothing to say. */
	assert_int_equal(of_ds("x.d.example.test.", &cut), DENIAL_MISSING);
}

/* --- Hashes between two --- */

/* The last record of a zone leads back to its first one. */
static void the_last_hash_leads_to_the_first(void **state)
{
	static const char first[SIGNED_HASH] = "00000000000000000000000000000000";
	static const char last[SIGNED_HASH] = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";
	char before[SIGNED_HASH], own[SIGNED_HASH], behind[SIGNED_HASH];
	const struct {
		const char *owner, *next;
		bool covers;
	} rows[] = {
		{before, behind, true},
		{first, last, true},
		{before, first, true},
		{last, behind, true},
		{before, before, true}, /* all but itself */
		{behind, before, false},
		{last, first, false},
		{last, before, false},
		{behind, first, false},
		{behind, last, false},
		{first, before, false},
		{own, behind, false}, /* it is there */
		{own, own, false},
		{before, own, false},
	};

	(void)state;
	signed_hash(WWW, 1, -1, before);
	signed_hash(WWW, 1, 0, own);
	signed_hash(WWW, 1, 1, behind);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[RECORD_TEXT];

		begin();
		snprintf(text, sizeof(text), "%s." ZONE " 600 IN NSEC3 1 0 1 abcd %s A RRSIG",
			rows[i].owner, rows[i].next);
		add(text);
		gather();
		assert_int_equal(
			of_closer(WWW, 2), rows[i].covers ? DENIAL_PROVED : DENIAL_MISSING);
	}
}

/* The closest encloser must be the zone's own, and let names be below it. */
static void an_encloser_that_ends_the_zone(void **state)
{
	static const struct {
		const char *types;
		bool ends;
	} rows[] = {{"A RRSIG", false}, {"", false}, {"NS", true}, {"A DNAME RRSIG", true},
		{"NS SOA RRSIG", false}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum denial_status status = rows[i].ends ? DENIAL_MISSING : DENIAL_PROVED;
		bool cut = true;

		begin();
		signed_put_nsec3(&message, &zone, "y.example.test.", false, 0, 1, rows[i].types);
		signed_put_nsec3(&message, &zone, "x.y.example.test.", true, 0, 1, "A RRSIG");
		signed_put_nsec3(&message, &zone, "*.y.example.test.", true, 0, 1, "A RRSIG");
		gather();
		assert_int_equal(of_name("x.y.example.test."), status);
		assert_int_equal(of_ds("x.y.example.test.", &cut), status);
		assert_int_equal(cut, rows[i].ends);
	}
	/* Nor may it be missing. */
	begin();
	signed_put_nsec3(&message, &zone, "x.y.example.test.", true, 0, 1, "A RRSIG");
	gather();
	assert_int_equal(of_name("x.y.example.test."), DENIAL_MISSING);
	assert_int_equal(of_ds("x.y.example.test.", &(bool){false}), DENIAL_MISSING);
}

/* More work than RFC 9276 has validators do: the zone is as one without signatures. */
static void iterations_are_bounded(void **state)
{
	bool cut = false;

	(void)state;
	for (unsigned iterations = 50; iterations <= 51; iterations++) {
		enum denial_status status = iterations > 50 ? DENIAL_INSECURE : DENIAL_PROVED;
		const unsigned hashes = validate_budget().hashes;

		begin();
		signed_put_nsec3(&message, &zone, WWW, true, 0, iterations, "A RRSIG");
		signed_put_nsec3(&message, &zone, "b.example.test.", false, 0, iterations, "NS");
		gather();
		assert_int_equal(of_closer(WWW, 2), status);
		assert_int_equal(of_type("b.example.test.", LDNS_RR_TYPE_DS), status);
		assert_int_equal(of_ds("b.example.test.", &cut), status);
		assert_int_equal(cut, iterations <= 50);
		assert_int_equal(budget.hashes, iterations > 50 ? hashes : hashes - 3);
		cut = false;
	}
}

/* A wildcard's own record says what it has. */
static void a_wildcard_has_types(void **state)
{
	(void)state;
	begin();
	signed_put_nsec3(&message, &zone, ZONE, false, 0, 1, "NS SOA RRSIG");
	signed_put_nsec3(&message, &zone, WWW, true, 0, 1, "A RRSIG");
	signed_put_nsec3(&message, &zone, "*.example.test.", false, 0, 1, "A RRSIG");
	gather();
	assert_int_equal(of_type(WWW, LDNS_RR_TYPE_AAAA), DENIAL_PROVED);
	assert_int_equal(of_type(WWW, LDNS_RR_TYPE_A), DENIAL_MISSING);
}

static void without_a_budget_nothing_is_proved(void **state)
{
	(void)state;
	begin();
	signed_put_nsec3(&message, &zone, WWW, false, 0, 1, "A RRSIG");
	gather();
	budget.hashes = 0;
	assert_int_equal(of_type(WWW, LDNS_RR_TYPE_AAAA), DENIAL_MISSING);
	assert_int_equal(of_closer(WWW, 2), DENIAL_MISSING);
	budget.hashes = 1;
	assert_int_equal(of_type(WWW, LDNS_RR_TYPE_AAAA), DENIAL_PROVED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(types_are_in_windows),
		TEST(types_that_are_cut_off),
		TEST(hashes_in_other_forms_prove_nothing),
		TEST(sets_of_several_and_of_wildcards_are_bogus),
		TEST(the_first_that_is_wrong_is_told),
		TEST(records_are_bounded),
		TEST(names_below_an_end_are_not_denied),
		TEST(what_is_closer_than_a_wildcard),
		TEST(a_name_that_is_not_there_begins_no_zone),
		TEST(the_last_hash_leads_to_the_first),
		TEST(an_encloser_that_ends_the_zone),
		TEST(iterations_are_bounded),
		TEST(a_wildcard_has_types),
		TEST(without_a_budget_nothing_is_proved),
	};

	return cmocka_run_group_tests_name("denial", tests, NULL, NULL);
}
