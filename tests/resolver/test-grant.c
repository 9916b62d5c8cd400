/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "resolver/grant.h"
#include "src/base/arena.h"
#include "tests/replay/world.h"

/* What a policy grants, before and after its entries expire; the rest is in tests/replay. */

enum { SOON = 600, LATER = 1200 };

static const char base[] = "version = 1\n"
			   "[[allow]]\n" /* 1 */
			   "host = \"soon.example.com\"\n"
			   "expires = 2027-01-01T00:10:00Z\n"
			   "[[allow]]\n" /* 2 */
			   "host = [\"soon.example.com\", \"*.example.net\", \"db.internal\"]\n"
			   "ports = [\"udp/53\"]\n"
			   "expires = 2027-01-01T00:20:00Z\n"
			   "[[allow]]\n" /* 3 */
			   "host = [\"stays.example.com\", \"listed.example.com\"]\n"
			   "addresses = [\"192.0.2.0/24\", \"10.0.0.0/8\"]\n"
			   "[[allow]]\n" /* 4 */
			   "ip = \"203.0.113.0/24\"\n"
			   "[[allow]]\n" /* 5 */
			   "host = \"mail.example.com\"\n"
			   "ports = [\"tcp/25\"]\n"
			   "[[deny]]\n"
			   "host = [\"**.evil.example\", \"*.example.net\"]\n"
			   "ports = [\"tcp/25\"]\n"
			   "[network]\n"
			   "block = [\"private\"]\n"
			   "[dns]\n"
			   "upstream = []\n"
			   "[dns.hosts]\n"
			   "\"db.internal\" = [\"10.1.2.3\"]\n";

static const char override[] = "version = 1\n"
			       "[[deny]]\n"
			       "host = [\"**.evil.example\", \"**.worse.example\"]\n"
			       "[[deny]]\n"
			       "ip = [\"192.0.2.66\", \"10.66.0.0/16\"]\n"
			       "[network]\n"
			       "block = [\"loopback\"]\n";

static struct arena *arena;
static struct compiled compiled;
static struct grants *grants;

static int set_up(void **state)
{
	(void)state;
	return arena_new((size_t)64 << 20, &arena);
}

static int tear_down(void **state)
{
	(void)state;
	grants_free(grants);
	arena_free(arena);
	grants = NULL;
	return 0;
}

/* `second` may be NULL. */
static void use(const char *first, const char *second)
{
	const struct text overrides[] = {text_of(second ? second : "")};
	const struct world_policy policy = {"base", text_of(first), overrides, second != NULL};

	grants_free(grants);
	grants = NULL;
	assert_int_equal(world_compile(arena, &policy, stderr, &compiled), 0);
	assert_int_equal(grants_new(&compiled, &grants), 0);
}

static int set_up_both(void **state)
{
	int error = set_up(state);

	if (!error)
		use(base, override);
	return error;
}

static struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

static bool ask(const char *text, int64_t after, struct match_result *ret_result)
{
	struct name name = name_of(text);

	return grants_name(grants, &name, WORLD_TIME + after, ret_result);
}

/* What the name gets with an address: the rules of its leases, "" without any, NULL when the
 * address is refused. */
static const char *grant(
	const char *name_text, const char *address_text, int64_t after, struct grant *ret_grant)
{
	struct name name = name_of(name_text);
	struct inaddr address = address_of(address_text);
	struct match_result result;
	static char text[1000];

	grants_name(grants, &name, WORLD_TIME + after, &result);
	if (!grants_address(grants, &result, match_host(compiled.match, &name), &address,
		    WORLD_TIME + after, ret_grant))
		return NULL;
	text[0] = '\0';
	for (unsigned i = 0; i < ret_grant->n_leases; i++) {
		const struct match_lease *lease = &ret_grant->leases[i];
		const struct plan_rule *rule = &compiled.plan->rules[lease->rule];
		size_t length = strlen(text);

		assert_int_equal(lease->mark, rule->mark);
		snprintf(text + length, sizeof(text) - length, "%s%s %s", i ? ", " : "", rule->id,
			compiled.plan->groups[lease->group].name);
	}
	return text;
}

static void a_name_is_refused_when_its_last_entry_has_expired(void **state)
{
	struct match_result result;

	(void)state;
	assert_true(grants_expire(grants));
	assert_true(ask("soon.example.com", 0, &result));
	assert_true(ask("soon.example.com", SOON - 1, &result));
	assert_true(ask("soon.example.com", SOON, &result));
	assert_true(ask("soon.example.com", LATER - 1, &result));
	assert_false(ask("soon.example.com", LATER, &result));
	assert_string_equal(strchr(result.rule, ':'), ":expired");
	assert_true(ask("stays.example.com", LATER, &result));
	assert_true(ask("a.example.net", LATER - 1, &result));
	assert_false(ask("a.example.net", LATER, &result));
	assert_string_equal(result.rule, "allow-2:expired");
}

static void what_has_expired_is_not_leased(void **state)
{
	struct grant got;

	(void)state;
	assert_string_equal(grant("soon.example.com", "198.51.100.1", SOON - 1, &got),
		"allow-1 tcp-443, allow-2 udp-53");
	assert_int_equal(got.expires, WORLD_TIME + SOON);
	assert_string_equal(
		grant("soon.example.com", "198.51.100.1", SOON, &got), "allow-2 udp-53");
	assert_int_equal(got.expires, WORLD_TIME + LATER);
	assert_null(grant("soon.example.com", "198.51.100.1", LATER, &got));
	assert_string_equal(
		grant("stays.example.com", "192.0.2.1", LATER, &got), "allow-3 tcp-443");
	assert_int_equal(got.expires, INT64_MAX);
}

static void hosts_of_the_policy_have_its_addresses_and_no_others(void **state)
{
	struct grant got;

	(void)state;
	assert_string_equal(grant("db.internal", "10.1.2.3", 0, &got), "allow-2 udp-53");
	assert_null(grant("db.internal", "10.1.2.4", 0, &got));
	assert_null(grant("db.internal", "198.51.100.1", 0, &got));
	assert_null(grant("db.internal", "10.1.2.3", LATER, &got));
	assert_null(grant("soon.example.com", "10.1.2.3", 0, &got));
}

static const char *refusal(const char *name_text, const char *address_text)
{
	struct name name = name_of(name_text);
	struct inaddr address = address_of(address_text);
	struct match_result result;
	struct grant got;

	assert_true(grants_name(grants, &name, WORLD_TIME, &result));
	assert_false(grants_address(grants, &result, NULL, &address, WORLD_TIME, &got));
	return grants_refusal(grants, &result, &address);
}

static void a_refused_address_has_its_rule(void **state)
{
	(void)state;
	assert_string_equal(refusal("soon.example.com", "10.1.2.3"), "block-private");
	assert_string_equal(refusal("soon.example.com", "64:ff9b::10.1.2.3"), "block-private");
	assert_string_equal(refusal("soon.example.com", "127.0.0.1"), "o1:block-loopback");
	assert_string_equal(refusal("soon.example.com", "192.0.2.66"), "o1:deny-2");
	assert_string_equal(refusal("listed.example.com", "10.66.1.1"), "o1:deny-2");
	assert_string_equal(refusal("listed.example.com", "198.51.100.1"), "allow-3:addresses");
}

static const char *alias(const char *name_text, const char *target_text)
{
	struct name name = name_of(name_text), target = name_of(target_text);
	struct match_result result;

	assert_true(grants_name(grants, &name, WORLD_TIME, &result));
	return grants_alias(grants, &result, &target);
}

static void only_a_denied_target_refuses(void **state)
{
	(void)state;
	assert_null(alias("stays.example.com", "unknown.example.org"));
	assert_null(alias("stays.example.com", "soon.example.com"));
	assert_string_equal(alias("stays.example.com", "a.evil.example"), "o1:deny-1");
	/* Denied on port 25, and permitted on another. */
	assert_null(alias("stays.example.com", "a.example.net"));
	assert_string_equal(alias("mail.example.com", "a.example.net"), "deny-1");
}

/* Of a denylist: what no entry has is not opened for a name, so the target alone decides. */
static void a_target_that_is_permitted_itself_does_not_refuse(void **state)
{
	(void)state;
	use("version = 1\nmode = \"denylist\"\n"
	    "[[allow]]\nhost = \"x.example.net\"\n[[allow]]\nhost = \"www.example.org\"\n"
	    "ports = [\"tcp/25\"]\n[[deny]]\nhost = \"**.example.net\"\n",
		NULL);
	assert_null(alias("www.example.com", "x.example.net"));
	assert_string_equal(alias("www.example.com", "y.example.net"), "deny-1");
	assert_string_equal(alias("www.example.org", "x.example.net"), "deny-1");
}

static void a_denied_name_has_the_rule_that_denies_it(void **state)
{
	struct match_result result;

	(void)state;
	assert_false(ask("a.evil.example", 0, &result));
	assert_string_equal(result.rule, "deny-1");
	assert_false(ask("unknown.example.org", 0, &result));
	assert_string_equal(result.rule, "default-deny");
	/* Denied as well, but nothing would permit it. */
	assert_false(ask("a.worse.example", 0, &result));
	assert_string_equal(result.rule, "default-deny");
}

/* An entry of any layer may be the first to expire: of the name, or of the address. */
static void all_entries_behind_a_lease_count(void **state)
{
	static const char *const times[] = {"", "expires = 2027-01-01T00:10:00Z\n"};
	char first[200], second[200];
	struct grant got;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(first, sizeof(first),
			"version = 1\nmode = \"denylist\"\n[[allow]]\nip = \"192.0.2.0/24\"\n%s"
			"[network]\nblock = []\n",
			times[i & 1]);
		snprintf(second, sizeof(second),
			"version = 1\n[[allow]]\nhost = \"www.example.com\"\n%s", times[i >> 1]);
		use(first, second);
		assert_string_equal(
			grant("www.example.com", "192.0.2.1", 0, &got), "allow-1 tcp-443");
		assert_int_equal(got.expires, i == 0 ? INT64_MAX : WORLD_TIME + SOON);
		assert_int_equal(grant("www.example.com", "192.0.2.1", SOON, &got) != NULL, i == 0);
	}
}

/* Where a layer only observes, an entry that expires in it refuses nothing. */
static void what_expires_in_an_observing_layer_stays_permitted(void **state)
{
	struct match_result result;
	struct grant got;

	(void)state;
	use("version = 1\n[[allow]]\nhost = \"www.example.com\"\n[network]\nblock = []\n",
		"version = 1\nenforcement = \"observe\"\n[[allow]]\nhost = \"www.example.com\"\n"
		"expires = 2027-01-01T00:10:00Z\n");
	assert_true(ask("www.example.com", SOON, &result));
	assert_string_equal(
		grant("www.example.com", "198.51.100.1", SOON, &got), "allow-1 tcp-443");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_both, tear_down)
#define TEST_OF_OTHERS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_refused_when_its_last_entry_has_expired),
		TEST(what_has_expired_is_not_leased),
		TEST(hosts_of_the_policy_have_its_addresses_and_no_others),
		TEST(a_refused_address_has_its_rule),
		TEST(only_a_denied_target_refuses),
		TEST_OF_OTHERS(a_target_that_is_permitted_itself_does_not_refuse),
		TEST(a_denied_name_has_the_rule_that_denies_it),
		TEST_OF_OTHERS(all_entries_behind_a_lease_count),
		TEST_OF_OTHERS(what_expires_in_an_observing_layer_stays_permitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
