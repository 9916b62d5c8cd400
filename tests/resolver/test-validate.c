/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "resolver/validate.h"
#include "tests/resolver/signed.h"

/*
 * A root, test., example.test. and other.test., signed, and plain.test., unsigned; the messages
 * that an upstream would send about them; and the answer to one question, which each test makes.
 */

enum { REPLIES_MAX = 24, ASKED_MAX = 32 };

static struct signed_zone root, test, example, other, stranger;
static struct anchors anchors;
static struct zones *zones;

struct reply {
	struct name name;
	uint16_t type;
	struct signed_message message;
};

static struct reply replies[REPLIES_MAX];
static unsigned n_replies;
static struct signed_message answer;

static unsigned n_asked;
static enum ede learned; /* of the last message that was not believed */
static int64_t at_time;
static struct validate_budget budget;

/* A reply to be written, in the place of an earlier one to the same question. */
static struct signed_message *reply_to(const char *name, ldns_rr_type type)
{
	struct name own = signed_name(name);
	unsigned i = 0;

	while (i < n_replies && (replies[i].type != type || !name_equal(&replies[i].name, &own)))
		i++;
	assert_true(i < REPLIES_MAX);
	if (i == n_replies)
		n_replies++;
	replies[i].name = own;
	replies[i].type = (uint16_t)type;
	signed_begin(&replies[i].message, name, type);
	return &replies[i].message;
}

static void publish(const struct signed_zone *parent, const struct signed_zone *zone)
{
	struct signed_message *message;

	if (parent) {
		message = reply_to(zone->name, LDNS_RR_TYPE_DS);
		signed_put_ds(message, parent, zone);
		signed_end(message);
	}
	message = reply_to(zone->name, LDNS_RR_TYPE_DNSKEY);
	signed_put_keys(message, (const struct signed_zone *const[]){zone, NULL});
	signed_end(message);
}

/* NODATA for the DS of a name, by an NSEC record. */
static void no_ds(const char *name, const struct signed_zone *signer, const char *nsec)
{
	struct signed_message *message = reply_to(name, LDNS_RR_TYPE_DS);

	AUTHORITY(message, signer, nsec);
	signed_end(message);
}

static int set_up_with(ldns_signing_algorithm algorithm)
{
	static const struct hash_key key = {{1, 2}};

	n_replies = 0;
	n_asked = 0;
	learned = EDE_NONE;
	at_time = SIGNED_NOW;
	budget = validate_budget();
	signed_zone_new(&root, ".", LDNS_SIGN_ECDSAP256SHA256);
	signed_zone_new(&test, "test.", LDNS_SIGN_ED25519);
	signed_zone_new(&example, "example.test.", algorithm);
	signed_zone_new(&other, "other.test.", LDNS_SIGN_ECDSAP256SHA256);
	signed_zone_new(&stranger, "example.test.", LDNS_SIGN_ECDSAP256SHA256);
	signed_anchor(&anchors, &root);
	publish(NULL, &root);
	publish(&root, &test);
	publish(&test, &example);
	publish(&test, &other);
	no_ds("plain.test.", &test, "plain.test. 600 IN NSEC test. NS RRSIG NSEC");
	return zones_new(&anchors, &key, &zones);
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(LDNS_SIGN_ECDSAP256SHA256);
}

static int tear_down(void **state)
{
	(void)state;
	zones_free(zones);
	signed_zone_free(&root);
	signed_zone_free(&test);
	signed_zone_free(&example);
	signed_zone_free(&other);
	signed_zone_free(&stranger);
	return 0;
}

/* Learns what was asked for. False: nobody answers, or it is not believed. */
static bool learn(const struct validate_verdict *verdict)
{
	static const struct mono now = {1000};

	n_asked++;
	for (unsigned i = 0; i < n_replies; i++) {
		struct reply *reply = &replies[i];

		if (reply->type != verdict->type || !name_equal(&reply->name, &verdict->ask))
			continue;
		learned = zones_learn(zones, &reply->name, reply->type, reply->message.bytes,
			reply->message.size, at_time, now);
		return learned == EDE_NONE;
	}
	return false;
}

static struct validate_verdict verdict_on(const char *name, ldns_rr_type type)
{
	static const struct mono now = {1000};
	struct name own = signed_name(name);
	struct validate_verdict verdict = {.status = VALIDATE_ASK};

	for (unsigned i = 0; i < ASKED_MAX; i++) {
		validate(zones, answer.bytes, answer.size, &own, (uint16_t)type, at_time, now,
			&budget, &verdict);
		if (verdict.status != VALIDATE_ASK || !learn(&verdict))
			return verdict;
	}
	fail_msg("it asks without end");
	return verdict;
}

static void expect(const char *name, ldns_rr_type type, enum validate_status status, enum ede ede)
{
	struct validate_verdict verdict;

	signed_end(&answer);
	verdict = verdict_on(name, type);
	assert_int_equal(verdict.status, status);
	assert_int_equal(verdict.ede, ede);
}

static void begin(const char *name, ldns_rr_type type)
{
	signed_begin(&answer, name, type);
}

static void begin_none(const char *name, ldns_rr_type type)
{
	begin(name, type);
	ldns_pkt_set_rcode(answer.packet, LDNS_RCODE_NXDOMAIN);
}

#define WWW "www.example.test."
#define WWW_A "www.example.test. 600 IN A 192.0.2.1"

static void answer_www(const struct signed_zone *signer)
{
	begin(WWW, LDNS_RR_TYPE_A);
	ANSWER(&answer, signer, WWW_A);
}

static void secure(const char *name, ldns_rr_type type)
{
	expect(name, type, VALIDATE_SECURE, EDE_NONE);
}

static void bogus(const char *name, ldns_rr_type type, enum ede ede)
{
	expect(name, type, VALIDATE_BOGUS, ede);
}

/* --- Signatures --- */

static void good_answer_is_secure(void **state)
{
	struct validate_verdict verdict;

	(void)state;
	answer_www(&example);
	signed_end(&answer);
	verdict = verdict_on(WWW, LDNS_RR_TYPE_A);
	assert_int_equal(verdict.status, VALIDATE_SECURE);
	assert_int_equal(verdict.ttl, SIGNED_TTL);
	assert_false(verdict.denied);
	/* Root's keys, and DS and keys of two zones. */
	assert_int_equal(n_asked, 5);
	answer_www(&example);
	secure(WWW, LDNS_RR_TYPE_A);
	assert_int_equal(n_asked, 5);
}

static void algorithms(void **state)
{
	static const ldns_signing_algorithm all[] = {LDNS_SIGN_RSASHA256, LDNS_SIGN_RSASHA512,
		LDNS_SIGN_ECDSAP256SHA256, LDNS_SIGN_ECDSAP384SHA384, LDNS_SIGN_ED25519};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tear_down(state);
		set_up_with(all[i]);
		answer_www(&example);
		secure(WWW, LDNS_RR_TYPE_A);
	}
}

static void sha1_counts_as_unsigned(void **state)
{
	tear_down(state);
	set_up_with(LDNS_SIGN_RSASHA1);
	answer_www(&example);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_UNKNOWN_ALGORITHM);
}

static void wrong_key(void **state)
{
	(void)state;
	answer_www(&stranger);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_DNSKEY_MISSING);
}

static void key_without_ds(void **state)
{
	struct signed_message *message = reply_to("example.test.", LDNS_RR_TYPE_DNSKEY);

	(void)state;
	signed_put_keys(message, (const struct signed_zone *const[]){&stranger, NULL});
	signed_end(message);
	answer_www(&stranger);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_ASK, EDE_NONE);
	assert_int_equal(learned, EDE_DNSKEY_MISSING);
}

/* A stranger's key beside the right one, in a set that the right one has not signed. */
static void smuggled_key(void **state)
{
	struct signed_message *message = reply_to("example.test.", LDNS_RR_TYPE_DNSKEY);

	(void)state;
	signed_put_keys(message, (const struct signed_zone *const[]){&stranger, &example, NULL});
	signed_end(message);
	answer_www(&stranger);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_ASK, EDE_NONE);
	assert_int_equal(learned, EDE_DNSKEY_MISSING);
}

static void rollover(void **state)
{
	struct signed_message *message = reply_to("example.test.", LDNS_RR_TYPE_DNSKEY);

	(void)state;
	signed_put_keys(message, (const struct signed_zone *const[]){&example, &stranger, NULL});
	signed_end(message);
	answer_www(&stranger);
	secure(WWW, LDNS_RR_TYPE_A);
	answer_www(&example);
	secure(WWW, LDNS_RR_TYPE_A);
}

static void expired_and_early(void **state)
{
	(void)state;
	example.expires = SIGNED_NOW - 1;
	answer_www(&example);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_SIGNATURE_EXPIRED);
	example.expires = SIGNED_NOW + 2000;
	example.begins = SIGNED_NOW + 1;
	answer_www(&example);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_SIGNATURE_EARLY);
}

static void ttl_ends_with_the_signature(void **state)
{
	struct validate_verdict verdict;

	(void)state;
	example.expires = SIGNED_NOW + 7;
	answer_www(&example);
	signed_end(&answer);
	verdict = verdict_on(WWW, LDNS_RR_TYPE_A);
	assert_int_equal(verdict.status, VALIDATE_SECURE);
	assert_int_equal(verdict.ttl, 7);
}

static void stripped(void **state)
{
	(void)state;
	no_ds(WWW, &example, WWW " 600 IN NSEC example.test. A RRSIG NSEC");
	answer_www(NULL);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_RRSIGS_MISSING);
}

static void added_record(void **state)
{
	(void)state;
	answer_www(&example);
	ANSWER(&answer, NULL, "www.example.test. 600 IN A 198.51.100.66");
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
}

static void changed_record(void **state)
{
	uint8_t *at;

	(void)state;
	answer_www(&example);
	signed_end(&answer);
	at = memmem(answer.bytes, answer.size, (const uint8_t[]){192, 0, 2, 1}, 4);
	assert_non_null(at);
	at[3] = 66;
	assert_int_equal(verdict_on(WWW, LDNS_RR_TYPE_A).status, VALIDATE_BOGUS);
}

/* A zone's keys are good for names below it only. */
static void signed_by_another_zone(void **state)
{
	(void)state;
	answer_www(&other);
	no_ds(WWW, &example, WWW " 600 IN NSEC example.test. A RRSIG NSEC");
	bogus(WWW, LDNS_RR_TYPE_A, EDE_RRSIGS_MISSING);
}

/* Nor has a name keys that begins no zone. */
static void signed_by_no_zone(void **state)
{
	static struct signed_zone nobody;

	(void)state;
	signed_zone_new(&nobody, WWW, LDNS_SIGN_ED25519);
	no_ds(WWW, &example, WWW " 600 IN NSEC example.test. A RRSIG NSEC");
	answer_www(&nobody);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
	signed_zone_free(&nobody);
}

/* Many signatures and keys with one tag (CVE-2023-50387). */
static void work_is_bounded(void **state)
{
	unsigned before;

	(void)state;
	answer_www(&example);
	for (unsigned i = 0; i < 60; i++) {
		ldns_rr *copy = ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_answer(answer.packet), 1));
		uint8_t *bytes = ldns_rdf_data(ldns_rr_rdf(copy, 8));

		bytes[5] ^= (uint8_t)(i + 1);
		ldns_rr_list_push_rr(ldns_pkt_answer(answer.packet), copy);
	}
	ldns_rr_free(ldns_rr_list_pop_rr(ldns_pkt_answer(answer.packet)));
	ldns_pkt_set_ancount(
		answer.packet, (uint16_t)ldns_rr_list_rr_count(ldns_pkt_answer(answer.packet)));
	/* The right one comes first: it is spoilt too. */
	ldns_rdf_data(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(answer.packet), 1), 8))[7] ^= 1;
	before = budget.signatures;
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
	assert_in_range(before - budget.signatures, 1, RRSET_SIGNATURES_MAX);
}

static void spent_budget_is_bogus(void **state)
{
	(void)state;
	budget.signatures = 0;
	answer_www(&example);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
}

/* --- The chain of trust --- */

static void unsigned_delegation(void **state)
{
	(void)state;
	begin("www.plain.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, NULL, "www.plain.test. 600 IN A 192.0.2.1");
	expect("www.plain.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_RRSIGS_MISSING);
}

/* That the signed zone is unsigned can't be said without a proof, nor with another's. */
static void forged_absence_of_ds(void **state)
{
	(void)state;
	no_ds("example.test.", NULL, "example.test. 600 IN NSEC test. NS RRSIG NSEC");
	answer_www(NULL);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_ASK, EDE_NONE);
	assert_int_equal(learned, EDE_NSEC_MISSING);
	no_ds("example.test.", &test, "plain.test. 600 IN NSEC test. NS RRSIG NSEC");
	answer_www(NULL);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_ASK, EDE_NONE);
	assert_int_equal(learned, EDE_NSEC_MISSING);
	/* The apex's own record, which has no DS ever. */
	no_ds("example.test.", &test, "example.test. 600 IN NSEC test. NS SOA RRSIG NSEC DNSKEY");
	answer_www(NULL);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_ASK, EDE_NONE);
	assert_int_equal(learned, EDE_NSEC_MISSING);
}

static void opt_out_is_insecure(void **state)
{
	struct signed_message *message = reply_to("plain.test.", LDNS_RR_TYPE_DS);

	(void)state;
	signed_put_nsec3(message, &test, "test.", false, 1, 1, "NS SOA RRSIG DNSKEY NSEC3PARAM");
	signed_put_nsec3(message, &test, "plain.test.", true, 1, 1, "NS DS RRSIG");
	signed_end(message);
	begin("plain.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, NULL, "plain.test. 600 IN A 192.0.2.1");
	expect("plain.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_RRSIGS_MISSING);
}

static void names_between_zones(void **state)
{
	(void)state;
	no_ds("b.example.test.", &example,
		"a.example.test. 600 IN NSEC a.b.example.test. A RRSIG NSEC");
	no_ds("a.b.example.test.", &example,
		"a.b.example.test. 600 IN NSEC example.test. A RRSIG NSEC");
	begin("a.b.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, NULL, "a.b.example.test. 600 IN A 192.0.2.1");
	bogus("a.b.example.test.", LDNS_RR_TYPE_A, EDE_RRSIGS_MISSING);
}

static void nothing_is_trusted_beside_the_anchor(void **state)
{
	(void)state;
	signed_anchor(&anchors, &other);
	answer_www(&example);
	expect(WWW, LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_INDETERMINATE);
}

static void anchor_below_the_root(void **state)
{
	(void)state;
	signed_anchor(&anchors, &example);
	answer_www(&example);
	secure(WWW, LDNS_RR_TYPE_A);
	assert_int_equal(n_asked, 1);
}

/* --- Aliases and wildcards --- */

#define ALIAS "alias.example.test. 600 IN CNAME www.other.test."
#define ALIAS_END "www.other.test. 600 IN A 192.0.2.9"

static void alias_into_another_zone(void **state)
{
	(void)state;
	begin("alias.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, ALIAS);
	ANSWER(&answer, &other, ALIAS_END);
	secure("alias.example.test.", LDNS_RR_TYPE_A);
}

static void every_step_is_validated(void **state)
{
	(void)state;
	begin("alias.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &stranger, ALIAS);
	ANSWER(&answer, &other, ALIAS_END);
	bogus("alias.example.test.", LDNS_RR_TYPE_A, EDE_DNSKEY_MISSING);
	begin("alias.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, "alias.example.test. 600 IN CNAME www.plain.test.");
	ANSWER(&answer, NULL, "www.plain.test. 600 IN A 192.0.2.9");
	expect("alias.example.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_RRSIGS_MISSING);
}

static void aliases_in_a_circle(void **state)
{
	(void)state;
	begin("a.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, "a.example.test. 600 IN CNAME b.example.test.");
	ANSWER(&answer, &example, "b.example.test. 600 IN CNAME a.example.test.");
	bogus("a.example.test.", LDNS_RR_TYPE_A, EDE_BOGUS);
}

#define DNAME "old.example.test. 600 IN DNAME other.test."

static void dname(void **state)
{
	(void)state;
	begin("www.old.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, DNAME);
	ANSWER(&answer, NULL, "www.old.example.test. 600 IN CNAME www.other.test.");
	ANSWER(&answer, &other, ALIAS_END);
	secure("www.old.example.test.", LDNS_RR_TYPE_A);
	/* It leads elsewhere than the DNAME says. */
	begin("www.old.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, DNAME);
	ANSWER(&answer, NULL, "www.old.example.test. 600 IN CNAME mail.other.test.");
	ANSWER(&answer, &other, "mail.other.test. 600 IN A 192.0.2.9");
	bogus("www.old.example.test.", LDNS_RR_TYPE_A, EDE_BOGUS);
}

/* Of two DNAME records the reader of answers takes the first: no proof covers for that. */
static void two_dnames(void **state)
{
	(void)state;
	begin("www.example.test.", LDNS_RR_TYPE_A);
	ANSWER(&answer, NULL, "example.test. 600 IN DNAME other.test.");
	ANSWER(&answer, NULL, "example.test. 600 IN DNAME plain.test.");
	AUTHORITY(&answer, &example, WWW " 600 IN NSEC example.test. AAAA RRSIG NSEC");
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
}

/* A name has one alias, and what a DNAME makes of one is no longer than names are. */
static void aliases_that_cannot_be(void **state)
{
	char name[256], record[256];

	(void)state;
	begin(WWW, LDNS_RR_TYPE_A);
	ANSWER(&answer, &example, WWW " 600 IN CNAME a.other.test.",
		WWW " 600 IN CNAME www.other.test.");
	ANSWER(&answer, &other, ALIAS_END);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
	snprintf(name, sizeof(name), "%063u.%063u.%060u.old.example.test.", 1, 2, 3);
	begin(name, LDNS_RR_TYPE_A);
	snprintf(record, sizeof(record), "old.example.test. 600 IN DNAME %063u.other.test.", 4);
	ANSWER(&answer, &example, record);
	bogus(name, LDNS_RR_TYPE_A, EDE_BOGUS);
}

static void messages_have_a_size(void **state)
{
	const unsigned before = budget.signatures;
	char record[64];

	(void)state;
	answer_www(&example);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(record, sizeof(record), WWW " 600 IN A 198.51.%u.%u", i / 256, i % 256);
		ANSWER(&answer, NULL, record);
	}
	bogus(WWW, LDNS_RR_TYPE_A, EDE_BOGUS);
	assert_int_equal(budget.signatures, before);
	assert_int_equal(n_asked, 0);
}

#define WILD "*.w.example.test. 600 IN A 192.0.2.7"
#define WILD_NSEC "*.w.example.test. 600 IN NSEC z.example.test. A RRSIG NSEC"

static void wildcard(void **state)
{
	(void)state;
	begin("a.w.example.test.", LDNS_RR_TYPE_A);
	signed_put_expanded(&answer, &example, WILD, "a.w.example.test.");
	AUTHORITY(&answer, &example, WILD_NSEC);
	secure("a.w.example.test.", LDNS_RR_TYPE_A);
	begin("a.w.example.test.", LDNS_RR_TYPE_A);
	signed_put_expanded(&answer, &example, WILD, "a.w.example.test.");
	bogus("a.w.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	/* There is something closer: *.b.w.example.test would answer. */
	begin("a.b.w.example.test.", LDNS_RR_TYPE_A);
	signed_put_expanded(&answer, &example, WILD, "a.b.w.example.test.");
	AUTHORITY(&answer, &example, "b.w.example.test. 600 IN NSEC z.example.test. A RRSIG NSEC");
	bogus("a.b.w.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
}

static void wildcard_by_nsec3(void **state)
{
	(void)state;
	begin("a.w.example.test.", LDNS_RR_TYPE_A);
	signed_put_expanded(&answer, &example, WILD, "a.w.example.test.");
	signed_put_nsec3(&answer, &example, "a.w.example.test.", true, 0, 1, "A RRSIG");
	secure("a.w.example.test.", LDNS_RR_TYPE_A);
	begin("a.w.example.test.", LDNS_RR_TYPE_A);
	signed_put_expanded(&answer, &example, WILD, "a.w.example.test.");
	signed_put_nsec3(&answer, &example, "b.w.example.test.", true, 0, 1, "A RRSIG");
	bogus("a.w.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
}

/* --- What does not exist --- */

#define APEX_NSEC "example.test. 600 IN NSEC m.example.test. NS SOA RRSIG NSEC DNSKEY"
#define LAST_NSEC "m.example.test. 600 IN NSEC example.test. A RRSIG NSEC"

static void no_name(void **state)
{
	struct validate_verdict verdict;

	(void)state;
	begin_none("zz.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, LAST_NSEC);
	AUTHORITY(&answer, &example, APEX_NSEC);
	signed_end(&answer);
	verdict = verdict_on("zz.example.test.", LDNS_RR_TYPE_A);
	assert_int_equal(verdict.status, VALIDATE_SECURE);
	assert_true(verdict.denied);
	/* A wildcard might make it. */
	begin_none("zz.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, LAST_NSEC);
	bogus("zz.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	/* Another name. */
	begin_none("c.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, LAST_NSEC);
	bogus("c.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	begin_none("zz.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &stranger, LAST_NSEC);
	AUTHORITY(&answer, &stranger, APEX_NSEC);
	bogus("zz.example.test.", LDNS_RR_TYPE_A, EDE_DNSKEY_MISSING);
}

static void no_data(void **state)
{
	(void)state;
	begin("m.example.test.", LDNS_RR_TYPE_AAAA);
	AUTHORITY(&answer, &example, LAST_NSEC);
	secure("m.example.test.", LDNS_RR_TYPE_AAAA);
	begin("m.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, LAST_NSEC);
	bogus("m.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	/* An alias has every type, at its target. */
	begin("m.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, "m.example.test. 600 IN NSEC example.test. CNAME RRSIG NSEC");
	bogus("m.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	/* The parent's side of a delegation knows nothing of it. */
	begin("example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &test, "example.test. 600 IN NSEC m.test. NS DS RRSIG NSEC");
	bogus("example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	begin_none("m.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &test, "example.test. 600 IN NSEC test. NS DS RRSIG NSEC");
	AUTHORITY(&answer, &test, "test. 600 IN NSEC example.test. NS SOA RRSIG NSEC");
	bogus("m.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
}

static void no_data_at_empty_names_and_wildcards(void **state)
{
	(void)state;
	begin("e.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, "d.example.test. 600 IN NSEC a.e.example.test. A RRSIG NSEC");
	secure("e.example.test.", LDNS_RR_TYPE_A);
	/* It exists: so it isn't NXDOMAIN. */
	begin_none("e.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, "d.example.test. 600 IN NSEC a.e.example.test. A RRSIG NSEC");
	AUTHORITY(&answer, &example, APEX_NSEC);
	bogus("e.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	begin("a.w.example.test.", LDNS_RR_TYPE_AAAA);
	AUTHORITY(&answer, &example, WILD_NSEC);
	secure("a.w.example.test.", LDNS_RR_TYPE_AAAA);
	begin("a.w.example.test.", LDNS_RR_TYPE_A);
	AUTHORITY(&answer, &example, WILD_NSEC);
	bogus("a.w.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
}

static void put_no_name_nsec3(unsigned flags, unsigned iterations, bool wildcard)
{
	begin_none("x.y.example.test.", LDNS_RR_TYPE_A);
	signed_put_nsec3(
		&answer, &example, "example.test.", false, flags, iterations, "NS SOA RRSIG");
	signed_put_nsec3(&answer, &example, "y.example.test.", true, flags, iterations, "A RRSIG");
	if (wildcard)
		signed_put_nsec3(
			&answer, &example, "*.example.test.", true, flags, iterations, "A RRSIG");
}

static void no_name_by_nsec3(void **state)
{
	(void)state;
	put_no_name_nsec3(0, 5, true);
	secure("x.y.example.test.", LDNS_RR_TYPE_A);
	put_no_name_nsec3(0, 5, false);
	bogus("x.y.example.test.", LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	put_no_name_nsec3(1, 5, true);
	expect("x.y.example.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_NSEC3_ITERATIONS);
	put_no_name_nsec3(0, 50, true);
	secure("x.y.example.test.", LDNS_RR_TYPE_A);
	put_no_name_nsec3(0, 51, true);
	expect("x.y.example.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_NSEC3_ITERATIONS);
}

static void no_data_by_nsec3(void **state)
{
	(void)state;
	begin(WWW, LDNS_RR_TYPE_AAAA);
	signed_put_nsec3(&answer, &example, WWW, false, 0, 1, "A RRSIG");
	secure(WWW, LDNS_RR_TYPE_AAAA);
	begin(WWW, LDNS_RR_TYPE_A);
	signed_put_nsec3(&answer, &example, WWW, false, 0, 1, "A RRSIG");
	bogus(WWW, LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	begin("a.w.example.test.", LDNS_RR_TYPE_AAAA);
	signed_put_nsec3(&answer, &example, "w.example.test.", false, 0, 1, "");
	signed_put_nsec3(&answer, &example, "a.w.example.test.", true, 0, 1, "A RRSIG");
	signed_put_nsec3(&answer, &example, "*.w.example.test.", false, 0, 1, "A RRSIG");
	secure("a.w.example.test.", LDNS_RR_TYPE_AAAA);
}

/* A name of many labels costs no more hashes than the budget has (CVE-2023-50868). */
static void hashes_are_bounded(void **state)
{
	char name[256] = "";

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		strcat(name, "a.");
	strcat(name, "example.test.");
	begin_none(name, LDNS_RR_TYPE_A);
	signed_put_nsec3(&answer, &example, "example.test.", false, 0, 50, "NS SOA RRSIG");
	signed_put_nsec3(&answer, &example, "a.example.test.", true, 0, 50, "A RRSIG");
	signed_put_nsec3(&answer, &example, "*.example.test.", true, 0, 50, "A RRSIG");
	bogus(name, LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	assert_int_equal(budget.hashes, 0);
}

static void no_proof_at_all(void **state)
{
	(void)state;
	no_ds(WWW, &example, WWW " 600 IN NSEC example.test. A RRSIG NSEC");
	begin_none(WWW, LDNS_RR_TYPE_A);
	bogus(WWW, LDNS_RR_TYPE_A, EDE_NSEC_MISSING);
	begin_none("www.plain.test.", LDNS_RR_TYPE_A);
	expect("www.plain.test.", LDNS_RR_TYPE_A, VALIDATE_INSECURE, EDE_RRSIGS_MISSING);
}

static void junk(void **state)
{
	(void)state;
	memset(answer.bytes, 0xc0, 64);
	answer.size = 64;
	assert_int_equal(verdict_on(WWW, LDNS_RR_TYPE_A).status, VALIDATE_BOGUS);
	answer.size = 0;
	assert_int_equal(verdict_on(WWW, LDNS_RR_TYPE_A).status, VALIDATE_BOGUS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_answer_is_secure),
		TEST(algorithms),
		TEST(sha1_counts_as_unsigned),
		TEST(wrong_key),
		TEST(key_without_ds),
		TEST(smuggled_key),
		TEST(rollover),
		TEST(expired_and_early),
		TEST(ttl_ends_with_the_signature),
		TEST(stripped),
		TEST(added_record),
		TEST(changed_record),
		TEST(signed_by_another_zone),
		TEST(signed_by_no_zone),
		TEST(work_is_bounded),
		TEST(spent_budget_is_bogus),
		TEST(unsigned_delegation),
		TEST(forged_absence_of_ds),
		TEST(opt_out_is_insecure),
		TEST(names_between_zones),
		TEST(nothing_is_trusted_beside_the_anchor),
		TEST(anchor_below_the_root),
		TEST(alias_into_another_zone),
		TEST(every_step_is_validated),
		TEST(aliases_in_a_circle),
		TEST(dname),
		TEST(two_dnames),
		TEST(aliases_that_cannot_be),
		TEST(messages_have_a_size),
		TEST(wildcard),
		TEST(wildcard_by_nsec3),
		TEST(no_name),
		TEST(no_data),
		TEST(no_data_at_empty_names_and_wildcards),
		TEST(no_name_by_nsec3),
		TEST(no_data_by_nsec3),
		TEST(hashes_are_bounded),
		TEST(no_proof_at_all),
		TEST(junk),
	};

	return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
