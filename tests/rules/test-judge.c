/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/judge.h"
#include "src/base/arena.h"
#include "tests/rules/chance.h"
#include "tests/rules/layered.h"

static int setup(void **state)
{
	return arena_new(256 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

struct row {
	const char *destination;
	const char *address; /* of a name; or NULL */
	enum verdict verdict;
	const char *rule;
};

static void expect_rows(const struct layers *layers, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		layered_expect(layers, rows[i].destination, rows[i].address, rows[i].verdict,
			rows[i].rule);
}

#define EXPECT(layers, ...)                                                                        \
	do {                                                                                       \
		static const struct row rows[] = {__VA_ARGS__};                                    \
		expect_rows(layers, rows, sizeof(rows) / sizeof(rows[0]));                         \
	} while (0)

#define PERMIT VERDICT_PERMIT
#define FLAG VERDICT_FLAG
#define OBSERVE VERDICT_OBSERVE
#define REFUSE VERDICT_REFUSE

static void refuse_to_load(struct arena *arena, const char *base, const char *part)
{
	const char *const texts[] = {base, NULL};
	const struct layers *layers;
	const char *said;

	if (layered_try(arena, texts, &layers, &said) != -EINVAL || !strstr(said, part))
		fail_msg("\"%s\" is not in:\n%s\nof:\n%s", part, said, base);
}

/* --- Names --- */

static void test_the_more_specific_host_wins(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [\n"
		"{host = '**.example.com'},\n"       /* 1: 2 literal labels */
		"{host = 'api.example.com'},\n"      /* 2: exact */
		"{host = '*.cdn.example.com'},\n"    /* 3: 3 literal labels */
		"{host = 'img-*.example.com'},\n"    /* 4: 2 labels, 4 characters more than 1 */
		"{host = 'img-eu-*.example.com'},\n" /* 5: 7 more */
		"{host_pattern = 'example'},\n"      /* 6 */
		"]\n");

	EXPECT(layers, {"api.example.com:443", NULL, PERMIT, "allow-2"},
		{"www.example.com:443", NULL, PERMIT, "allow-1"},
		{"a.b.c.example.com:443", NULL, PERMIT, "allow-1"},
		{"a.cdn.example.com:443", NULL, PERMIT, "allow-3"},
		{"a.b.cdn.example.com:443", NULL, PERMIT, "allow-1"},
		{"img-1.example.com:443", NULL, PERMIT, "allow-4"},
		{"img-eu-1.example.com:443", NULL, PERMIT, "allow-5"},
		{"example.com:443", NULL, PERMIT, "allow-6"},
		{"example.net:443", NULL, PERMIT, "allow-6"},
		{"api.example.org:443", NULL, PERMIT, "allow-6"},
		{"github.com:443", NULL, REFUSE, "default-deny"});
}

static void test_how_deep_wildcards_reach(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = '*.one.example'}, {host = '**.deep.example'},\n"
		"{host = 's3.*.example.com'}, {host = '**.s3-*.example.net'}]\n");

	EXPECT(layers, {"one.example:443", NULL, REFUSE, "default-deny"},
		{"a.one.example:443", NULL, PERMIT, "allow-1"},
		{"b.a.one.example:443", NULL, REFUSE, "default-deny"},
		{"deep.example:443", NULL, REFUSE, "default-deny"},
		{"a.deep.example:443", NULL, PERMIT, "allow-2"},
		{"b.a.deep.example:443", NULL, PERMIT, "allow-2"},
		{"xdeep.example:443", NULL, REFUSE, "default-deny"},
		{"s3.eu.example.com:443", NULL, PERMIT, "allow-3"},
		{"s3.eu.west.example.com:443", NULL, REFUSE, "default-deny"},
		{"a.b.s3-eu.example.net:443", NULL, PERMIT, "allow-4"},
		{"s3-eu.example.net:443", NULL, REFUSE, "default-deny"});
}

static void test_deny_beats_allow_when_as_specific(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = '*.example.com'}, {host = 'a-*.example.net'},\n"
		"{host_pattern = '^build-'}, {host = 'x.example.org'}, {host = '*.b.example'}]\n"
		"deny = [{host = '**.example.com'}, {host = '*-a.example.net'},\n"
		"{host_pattern = '-1$|^build-9'}, {host = '**.example.org'}]\n");

	EXPECT(layers, {"a.example.com:443", NULL, REFUSE, "deny-1"},
		{"a-a.example.net:443", NULL, REFUSE, "deny-2"},
		{"a-b.example.net:443", NULL, PERMIT, "allow-2"},
		{"build-7:443", NULL, PERMIT, "allow-3"}, {"build-1:443", NULL, REFUSE, "deny-3"},
		/* But not what is more specific. */
		{"x.example.org:443", NULL, PERMIT, "allow-4"},
		{"y.example.org:443", NULL, REFUSE, "deny-4"});
}

/* Of entries that decide alike only the name of the rule is at stake. */
static void test_ties_within_an_action(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = '**.example.com'}, {host = '*.example.com'},\n"
		"{host = 'ab*.example.net'}, {host = 'a*b.example.net'},\n"
		"{host = '**.*.example.org'}, {host = '*.*.example.org'},\n"
		"{host_pattern = '^c'}, {host_pattern = 'c$'}]\n");

	EXPECT(layers, {"a.example.com:443", NULL, PERMIT, "allow-2"},
		{"b.a.example.com:443", NULL, PERMIT, "allow-1"},
		{"abb.example.net:443", NULL, PERMIT, "allow-3"},
		{"b.a.example.org:443", NULL, PERMIT, "allow-6"},
		{"c.b.a.example.org:443", NULL, PERMIT, "allow-5"},
		{"cc:443", NULL, PERMIT, "allow-7"});
}

static void test_case_and_trailing_dot(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = 'API.Example.COM.'}, {host = '*.EXAMPLE.net.'}]\n"
		"deny = [{host = 'Bad.Example.NET'}]\n");

	EXPECT(layers, {"api.example.com:443", NULL, PERMIT, "allow-1"},
		{"aPi.eXample.Com.:443", NULL, PERMIT, "allow-1"},
		{"A.example.NET:443", NULL, PERMIT, "allow-2"},
		{"bad.example.net.:443", NULL, REFUSE, "deny-1"},
		{"BAD.EXAMPLE.NET:443", NULL, REFUSE, "deny-1"});
}

/* A pattern that gives up at its match limit is no reason to permit, and one to refuse. */
static void test_patterns_that_give_up(void **state)
{
	static const char name[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:443";
	const struct layers *layers =
		layered_base(*state, "allow = [{host_pattern = '^((a+[.]?)+)+$'}]\n");

	layered_expect(layers, "aaaa.aaaa:443", NULL, PERMIT, "allow-1");
	layers = layered_base(*state, "allow = [{host_pattern = '^((a+[.]?)+)+[bc]$'}]\n");
	layered_expect(layers, name, NULL, REFUSE, "default-deny");
	layers = layered_base(*state, "allow = [{host_pattern = '.'}]\n"
				      "deny = [{host_pattern = '^((a+[.]?)+)+[bc]$'}]\n");
	layered_expect(layers, name, NULL, REFUSE, "deny-1");
	layered_expect(layers, "x:443", NULL, PERMIT, "allow-1");
}

/* --- Ports --- */

static void test_ports(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = 'a.example'},\n"
		"{host = 'a.example', ports = ['tcp/8000-8002', 'udp/53', 'icmp/echo']}]\n"
		"deny = [{host = '**.example.com'}, {host = 'a.example', ports = ['8003-9000']}]\n"
		"[network]\nblock = []\n");
	const struct inaddr address = inaddr_from_ip4((const uint8_t[]){10, 0, 0, 1});
	struct judgement judgement;
	struct question question = {.address = &address, .protocol = PROTOCOL_OTHER};

	EXPECT(layers, {"a.example:443", NULL, PERMIT, "allow-1"},
		{"udp/a.example:443", NULL, REFUSE, "default-deny"},
		{"a.example:8000", NULL, PERMIT, "allow-2"},
		{"a.example:7999", NULL, REFUSE, "default-deny"},
		{"a.example:8003", NULL, REFUSE, "deny-2"},
		{"a.example:9000", NULL, REFUSE, "deny-2"},
		{"a.example:9001", NULL, REFUSE, "default-deny"},
		{"udp/a.example:53", NULL, PERMIT, "allow-2"},
		{"icmp/a.example", NULL, PERMIT, "allow-2"},
		{"x.example.com:25", NULL, REFUSE, "deny-1"},
		{"icmp/x.example.com", NULL, REFUSE, "deny-1"});
	/* A denial without ports, and a class, are about every protocol. */
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.layers[0].kind, FOUND_NOTHING);
	layers = layered_base(*state, "deny = [{ip = '10.0.0.0/24'}]\n");
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.layers[0].kind, FOUND_ADDRESS);
	layers = layered_base(*state, "");
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.layers[0].kind, FOUND_CLASS);
}

/* --- Addresses --- */

static void test_the_narrower_range_wins(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{ip = '203.0.0.0/8'}, {ip = '203.0.114.0/24'},\n"
		"{ip = '203.0.114.10-203.0.114.19'}, {ip = '2600::/12'}, {ip = '::/0'}]\n"
		"deny = [{ip = '203.0.114.0/28'}, {ip = '203.0.114.16/29'}, {ip = '2600::/16'},\n"
		"{ip = '202.128.0.0-203.127.255.255'}]\n");

	EXPECT(layers, {"203.1.1.1:443", NULL, REFUSE, "deny-4"}, /* as wide as allow-1 */
		{"203.0.114.200:443", NULL, PERMIT, "allow-2"},
		{"203.0.114.1:443", NULL, REFUSE, "deny-1"},
		{"203.0.114.10:443", NULL, PERMIT, "allow-3"}, /* 10 addresses, not 16 */
		{"203.0.114.16:443", NULL, REFUSE, "deny-2"},  /* 8 */
		{"[2600::1]:443", NULL, REFUSE, "deny-3"},
		{"[2601::1]:443", NULL, PERMIT, "allow-4"},
		{"[2a00::1]:443", NULL, PERMIT, "allow-5"},
		/* ::/0 has no IPv4 address in it. */
		{"9.8.7.6:443", NULL, REFUSE, "default-deny"});
}

/* A range that runs past the IPv4-mapped addresses does not count them: it is the narrower here. */
static void test_ranges_around_ip4(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{ip = '::2-2600::1'}]\n"
		"deny = [{ip = '1::-2600:ffff:ffff:ffff:ffff:ffff:7fff:ffff'}]\n"
		"[network]\nblock = []\n");

	EXPECT(layers, {"[2000::1]:443", NULL, PERMIT, "allow-1"},
		{"[2600::2]:443", NULL, REFUSE, "deny-1"},
		{"9.9.1.1:443", NULL, REFUSE, "default-deny"});
}

static void test_classes_are_denials(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{ip = '10.0.0.0/8'}, {ip = '10.1.0.0/16'}, {ip = '0.0.0.0/0'},\n"
		"{ip = '169.254.0.0/15'}]\n"
		"deny = [{ip = '172.16.0.0/12', score = 0.1}]\n");

	EXPECT(layers, {"10.0.0.1:443", NULL, REFUSE, "block-private"},
		{"10.1.0.1:443", NULL, PERMIT, "allow-2"},
		{"10.1.0.1:80", NULL, REFUSE, "block-private"},
		{"9.8.7.6:443", NULL, PERMIT, "allow-3"},
		{"169.254.169.254:443", NULL, REFUSE, "block-metadata"},
		{"169.254.1.1:443", NULL, REFUSE, "block-link-local"},
		/* A denial that permits does not open a class by being as wide. */
		{"172.16.0.1:443", NULL, REFUSE, "block-private"},
		{"8.8.8.8:443", NULL, REFUSE, "block-doh"});
	layers = layered_base(*state, "allow = [{ip = '0.0.0.0/0'}]\n"
				      "[network]\nblock = ['metadata']\n");
	EXPECT(layers, {"10.0.0.1:443", NULL, PERMIT, "allow-1"},
		{"169.254.169.254:443", NULL, REFUSE, "block-metadata"});
}

/* However an inside address is written, it is the inside address. */
static void test_disguised_addresses(void **state)
{
	static const char *const blocked[] = {"10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
		"64:ff9b::a00:1", "2002:a00:1::1", "2001:0:102:304::f5ff:fffe", "::10.0.0.1",
		"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
		"2002:a9fe:a9fe::", "127.0.0.1", "::1", "::", "0.0.0.0", "fd00:ec2::254"};
	const struct layers *layers = layered_base(
		*state, "allow = [{ip = ['0.0.0.0/0', '::/0']}, {host = 'a.example'}]\n");

	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
		struct inaddr address;
		struct question question = {.address = &address, .port = 443};
		struct judgement judgement;

		/* Bare. */
		assert_int_equal(inaddr_from_text(text_of(blocked[i]), &address), 0);
		judge(layers, &question, &judgement);
		if (judgement.verdict != REFUSE)
			fail_msg("permitted: %s", blocked[i]);
		/* As what a permitted name is said to have. */
		judgement = layered_judge(layers, "a.example:443", blocked[i]);
		if (judgement.verdict != REFUSE)
			fail_msg("believed: %s", blocked[i]);
		assert_true(judgement.layers[0].disbelieved);
	}
}

/* A name is not believed to have an address inside a tunnel either, even if only the class of what
 * is inside is blocked. */
static void test_tunnels(void **state)
{
	const struct layers *layers = layered_base(
		*state, "allow = [{host = 'a.example'}]\n[network]\nblock = ['metadata']\n");

	EXPECT(layers, {"a.example:443", "10.0.0.1", PERMIT, "allow-1"},
		{"a.example:443", "2002:a00:1::1", PERMIT, "allow-1"},
		{"a.example:443", "2002:a9fe:a9fe::1", REFUSE, "allow-1:addresses"},
		{"a.example:443", "2001::102:304:5601:5601", REFUSE, "allow-1:addresses"},
		{"a.example:443", "::a9fe:a9fe", REFUSE, "allow-1:addresses"});
}

/* Octal and shortened forms, which programs may take for an address, are none to a policy, and no
 * names either. */
static void test_odd_forms(void **state)
{
	static const char *const forms[] = {"0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433",
		"127.1", "0300.0250.1.1", "010.0.0.1", "0x7f00000a"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		refuse_to_load(*state, arena_printf(*state, "allow = [{host = '%s'}]\n", forms[i]),
			"[E020]");
		refuse_to_load(*state, arena_printf(*state, "allow = [{ip = '%s'}]\n", forms[i]),
			"[E021]");
	}
}

/* Whoever asks for such a name asks for a name like any other. */
static void test_odd_forms_as_names(void **state)
{
	static const char *const forms[] = {"0177.0.0.1", "0x7f000001", "2130706433", "127.1"};
	const struct layers *strict = layered_base(*state, "allow = [{ip = '127.0.0.1'}]\n");
	const struct layers *broad =
		layered_base(*state, "allow = [{host = '**', broad = true}]\n");

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct name name;
		struct question question = {.name = &name, .protocol = PROTOCOL_TCP, .port = 443};
		struct judgement judgement;
		char rule[RULE_ID_MAX];

		assert_int_equal(name_from_text(text_of(forms[i]), &name), 0);
		judge(strict, &question, &judgement);
		assert_int_equal(judgement.verdict, VERDICT_REFUSE);
		assert_string_equal(judgement_rule(strict, &judgement, rule), "default-deny");
		judge(broad, &question, &judgement);
		assert_string_equal(judgement_rule(broad, &judgement, rule), "allow-1");
	}
}

/* --- Names with addresses --- */

static void test_which_addresses_are_believed(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = 'public.example'}, {host = 'any.example', addresses = 'any'},\n"
		"{host = 'inside.example', addresses = ['10.0.0.0/8', 'fd00::/8']},\n"
		"{host_pattern = '^pattern'}]\n");

	EXPECT(layers, {"public.example:443", "192.0.1.1", PERMIT, "allow-1"},
		{"public.example:443", "10.0.0.1", REFUSE, "allow-1:addresses"},
		{"public.example:443", "fd00::1", REFUSE, "allow-1:addresses"},
		{"any.example:443", "10.0.0.1", PERMIT, "allow-2"},
		{"any.example:443", "169.254.169.254", PERMIT, "allow-2"},
		{"inside.example:443", "10.0.0.1", PERMIT, "allow-3"},
		{"inside.example:443", "::ffff:10.0.0.1", PERMIT, "allow-3"},
		{"inside.example:443", "192.168.0.1", REFUSE, "allow-3:addresses"},
		{"inside.example:443", "192.0.1.1", REFUSE, "allow-3:addresses"},
		{"pattern.example:443", "10.0.0.1", REFUSE, "allow-4:addresses"});
}

/* [dns.hosts] is the policy's own word. */
static void test_embedded_addresses_are_believed(void **state)
{
	const struct layers *layers = layered_base(*state, "allow = [{host = 'db.example'}]\n");
	struct name name;
	const struct inaddr address = inaddr_from_ip4((const uint8_t[]){10, 0, 0, 1});
	struct question question = {&name, &address, false, PROTOCOL_TCP, 443};
	struct judgement judgement;

	assert_int_equal(name_from_text(text_of("db.example"), &name), 0);
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.verdict, REFUSE);
	question.embedded = true;
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.verdict, PERMIT);
	/* Not by a layer that refuses the address as such. */
	layers = layered_two(
		*state, "allow = [{host = 'db.example'}]\n", "deny = [{ip = '10.0.0.0/8'}]\n");
	judge(layers, &question, &judgement);
	assert_int_equal(judgement.verdict, REFUSE);
}

/* A host goes before any address; a layer that does not know the name judges the address. */
static void test_names_go_before_addresses(void **state)
{
	const struct layers *layers = layered_base(*state,
		"mode = 'denylist'\nallow = [{host = 'a.example', addresses = 'any'},\n"
		"{ip = '198.18.7.0/24'}]\n"
		"deny = [{ip = '9.0.0.0/8'}, {host = 'b.example'}]\n[score]\nunknown = 0\n");

	EXPECT(layers, {"a.example:443", NULL, PERMIT, "allow-1"},
		{"a.example:443", "9.1.1.1", PERMIT, "allow-1"},
		{"9.1.1.1:443", NULL, REFUSE, "deny-1"},
		{"b.example:443", "198.18.7.1", REFUSE, "deny-2"},
		{"198.18.7.1:443", NULL, PERMIT, "allow-2"},
		{"c.example:443", NULL, PERMIT, "default-permit"},
		{"c.example:443", "7.7.7.7", PERMIT, "default-permit"},
		{"c.example:443", "9.1.1.1", REFUSE, "deny-1"},
		{"c.example:443", "10.1.1.1", REFUSE, "block-private"},
		{"c.example:443", "198.18.7.1", PERMIT, "allow-2"},
		/* On another port than the entry's the name is as unknown as any. */
		{"a.example:80", "9.1.1.1", REFUSE, "deny-1"},
		{"a.example:80", "7.7.7.7", PERMIT, "default-permit"});
	/* Where no entry names the port, names open nothing. */
	layers = layered_base(*state, "deny = [{host = 'a.example', score = 0.7},\n"
				      "{ip = '9.0.0.0/8'}]\nallow = [{host = 'b.example'}]\n"
				      "[score]\nunknown = 0.5\n");
	EXPECT(layers, {"a.example:443", "9.1.1.1", FLAG, "deny-1"},
		{"a.example:80", "9.1.1.1", REFUSE, "deny-2"},
		{"a.example:80", "7.7.7.7", FLAG, "deny-1"});
}

/* --- Scores --- */

static void test_scores_decide(void **state)
{
	const struct layers *layers = layered_base(*state,
		"allow = [{host = 'poor.example', score = 1.0}, {host = 'fair.example', score = "
		"0.5},\n"
		"{host = 'good.example'}]\n"
		"deny = [{host = 'bad.example'}, {host = 'odd.example', score = 0.7, ports = "
		"443},\n"
		"{host = 'mild.example', score = -3, ports = 443}]\n");

	EXPECT(layers, {"poor.example:443", NULL, REFUSE, "allow-1"},
		{"fair.example:443", NULL, FLAG, "allow-2"},
		{"good.example:443", NULL, PERMIT, "allow-3"},
		{"bad.example:443", NULL, REFUSE, "deny-1"},
		{"odd.example:443", NULL, FLAG, "deny-2"},
		{"mild.example:443", NULL, PERMIT, "deny-3"});
	layers = layered_base(*state,
		"mode = 'denylist'\ndeny = [{host_pattern = '^.{0,3}[.]tk$', score = 3.0},\n"
		"{host = 'a.example', score = 2.9}]\n");
	EXPECT(layers, {"abc.tk:443", NULL, REFUSE, "deny-1"},
		{"a.example:443", NULL, FLAG, "deny-2"},
		{"b.example:443", NULL, FLAG, "default-permit"});
}

static void test_observing(void **state)
{
	const struct layers *layers =
		layered_base(*state, "enforcement = 'observe'\nallow = [{host = "
				     "'a.example'}]\ndeny = [{host = 'b.example'}]\n");

	EXPECT(layers, {"a.example:443", NULL, PERMIT, "allow-1"},
		{"b.example:443", NULL, OBSERVE, "deny-1"},
		{"c.example:443", NULL, OBSERVE, "default-deny"},
		{"a.example:443", "10.0.0.1", OBSERVE, "allow-1:addresses"},
		{"10.0.0.1:443", NULL, OBSERVE, "block-private"});
	/* Another layer's refusals stand. */
	layers = layered_two(*state, "enforcement = 'observe'\nallow = [{host = 'a.example'}]\n",
		"deny = [{host = 'b.example'}, {host = 'a.example'}]\n");
	EXPECT(layers, {"a.example:443", NULL, REFUSE, "o1:deny-2"},
		{"b.example:443", NULL, REFUSE, "o1:deny-1"},
		{"c.example:443", NULL, OBSERVE, "default-deny"});
	layers = layered_two(*state, "allow = [{host = 'a.example'}]\n",
		"enforcement = 'observe'\ndeny = [{host = 'a.example'}]\n");
	EXPECT(layers, {"a.example:443", NULL, OBSERVE, "o1:deny-1"},
		{"b.example:443", NULL, REFUSE, "default-deny"});
}

/* --- Layers --- */

static void test_disjoint_allow_lists_refuse_all(void **state)
{
	const struct layers *layers =
		layered_two(*state, "allow = [{host = 'a.example'}, {ip = '9.0.0.0/24'}]\n",
			"allow = [{host = 'b.example'}, {ip = '9.0.1.0/24'}]\n");

	EXPECT(layers, {"a.example:443", NULL, REFUSE, "o1:default-deny"},
		{"b.example:443", NULL, REFUSE, "default-deny"},
		{"c.example:443", NULL, REFUSE, "default-deny"},
		{"9.0.0.1:443", NULL, REFUSE, "o1:default-deny"},
		{"9.0.1.1:443", NULL, REFUSE, "default-deny"});
}

static void test_a_narrower_wildcard_narrows(void **state)
{
	const struct layers *layers = layered_two(*state, "allow = [{host = '**.example.com'}]\n",
		"allow = [{host = '*.api.example.com'}]\n");

	EXPECT(layers, {"a.api.example.com:443", NULL, PERMIT, "allow-1"},
		{"api.example.com:443", NULL, REFUSE, "o1:default-deny"},
		{"www.example.com:443", NULL, REFUSE, "o1:default-deny"});
	/* And a wider one does not widen. */
	layers = layered_two(*state, "allow = [{host = '*.api.example.com'}]\n",
		"allow = [{host = '**.example.com'}]\n");
	EXPECT(layers, {"a.api.example.com:443", NULL, PERMIT, "allow-1"},
		{"www.example.com:443", NULL, REFUSE, "default-deny"});
}

static void test_overrides_only_narrow(void **state)
{
	static const char base[] = "allow = [{host = '**.example.com', ports = ['443', '80']},\n"
				   "{ip = '10.1.0.0/16'}]\n";
	const struct layers *layers = layered_two(*state, base, "");

	/* One that says nothing changes nothing. */
	EXPECT(layers, {"a.example.com:443", NULL, PERMIT, "allow-1"},
		{"10.1.0.1:443", NULL, PERMIT, "allow-2"},
		{"a.example.org:443", NULL, REFUSE, "default-deny"});
	layers = layered_two(*state, base, "allow = []\n");
	EXPECT(layers, {"a.example.com:443", NULL, REFUSE, "o1:default-deny"},
		{"10.1.0.1:443", NULL, REFUSE, "o1:default-deny"});
	/* Default ports of an override are only tcp/443. */
	layers = layered_two(*state, base, "allow = [{host = '**.example.com'}]\n");
	EXPECT(layers, {"a.example.com:443", NULL, PERMIT, "allow-1"},
		{"a.example.com:80", NULL, REFUSE, "o1:default-deny"});
	/* Only addresses allowed: a name by itself is unknown. */
	layers = layered_two(*state, base, "allow = [{ip = '0.0.0.0/0'}]\n");
	EXPECT(layers, {"a.example.com:443", NULL, REFUSE, "o1:default-deny"},
		{"a.example.com:443", "9.9.1.1", PERMIT, "allow-1"},
		{"10.1.0.1:443", NULL, PERMIT, "allow-2"});
	/* A port that only it names is none on which the base's names open anything. */
	layers = layered_two(*state,
		"mode = 'denylist'\n[[deny]]\nhost = 'a.example'\nscore = -1\n"
		"[[deny]]\nip = '9.9.0.0/16'\n",
		"mode = 'denylist'\n[[allow]]\nip = '10.1.0.0/16'\nports = ['tcp/22']\n");
	EXPECT(layers, {"a.example:22", NULL, FLAG, "deny-1"},
		{"a.example:22", "9.9.1.1", REFUSE, "deny-2"},
		{"a.example:22", "9.1.1.1", FLAG, "default-permit"});
	/* Addresses denied narrow what names open. */
	layers = layered_two(*state, base, "deny = [{ip = '9.9.1.0/24'}]\n");
	EXPECT(layers, {"a.example.com:443", NULL, PERMIT, "allow-1"},
		{"a.example.com:443", "9.9.2.1", PERMIT, "allow-1"},
		{"a.example.com:443", "9.9.1.1", REFUSE, "o1:deny-1"});
	/* So do the classes an override blocks. */
	layers = layered_two(*state,
		"allow = [{host = 'a.example', addresses = 'any'}, {ip = '10.1.0.0/16'}]\n",
		"[network]\nblock = ['private']\n");
	EXPECT(layers, {"a.example:443", "10.1.0.1", REFUSE, "o1:block-private"},
		{"a.example:443", "169.254.169.254", PERMIT, "allow-1"},
		{"10.1.0.1:443", NULL, REFUSE, "o1:block-private"});
}

static void test_the_first_layer_with_the_verdict_has_the_rule(void **state)
{
	static const char *const texts[] = {
		"mode = 'denylist'\ndeny = [{host = 'both.example'}]\n[score]\nunknown = 0\n",
		"deny = [{host = 'both.example'}, {host = 'one.example'},\n"
		"{host = 'flagged.example', score = 0.6}]\n",
		"deny = [{host = 'both.example'}, {host = 'one.example'}]\n", NULL};
	const struct layers *layers = layered(*state, texts);
	struct judgement judgement;
	unsigned layer = 77;

	EXPECT(layers, {"both.example:443", NULL, REFUSE, "deny-1"},
		{"one.example:443", NULL, REFUSE, "o1:deny-2"},
		{"flagged.example:443", NULL, FLAG, "o1:deny-3"},
		{"other.example:443", NULL, PERMIT, "default-permit"});
	judgement = layered_judge(layers, "one.example:443", NULL);
	assert_true(judgement_layer(layers, &judgement, &layer));
	assert_int_equal(layer, 1);
	judgement = layered_judge(layers, "other.example:443", NULL);
	assert_false(judgement_layer(layers, &judgement, &layer));
	assert_int_equal(layer, 1);
}

/* "*github.com" is no ending of text: '*' stays in its label, and a label before "com" is nobody's
 * in particular. */
static void test_a_star_is_not_an_ending(void **state)
{
	const struct layers *layers;

	refuse_to_load(*state, "allow = [{host = '*github.com'}]\n", "[E024]");
	layers = layered_base(*state, "allow = [{host = '*.github.com'}]\n");
	EXPECT(layers, {"evilgithub.com:443", NULL, REFUSE, "default-deny"},
		{"evil.github.com.example:443", NULL, REFUSE, "default-deny"},
		{"github.com:443", NULL, REFUSE, "default-deny"},
		{"api.github.com:443", NULL, PERMIT, "allow-1"});
	layers = layered_base(*state, "allow = [{host = '*github.com', broad = true}]\n");
	EXPECT(layers, {"evilgithub.com:443", NULL, PERMIT, "allow-1"},
		{"api.github.com:443", NULL, REFUSE, "default-deny"});
}

/* --- What is found on the way --- */

struct log {
	struct finding findings[32];
	size_t count;
};

static void note(void *context, const struct finding *finding)
{
	struct log *log = context;

	assert_true(log->count < 32);
	log->findings[log->count++] = *finding;
}

static void test_visit(void **state)
{
	const struct layers *layers = layered_base(*state,
		"[[allow]]\nhost = ['**.example.com', 'a.example.com']\nhost_pattern = '^a'\n"
		"ip = ['10.0.0.0/8', '10.1.0.0/16']\n"
		"[[allow]]\nhost = 'b.example.com'\n"
		"[[allow]]\nhost = 'a.example.com'\nports = ['80']\n"
		"[[deny]]\nhost = '*.example.com'\n");
	struct name name;
	const struct inaddr address = inaddr_from_ip4((const uint8_t[]){10, 1, 0, 1});
	struct question question = {&name, &address, false, PROTOCOL_TCP, 443};
	struct log log = {.count = 0};

	assert_int_equal(name_from_text(text_of("a.example.com"), &name), 0);
	judge_visit(&layers->layers[0], &question, note, &log);
	assert_int_equal(log.count, 5);
	/* Of each entry the best of a kind. */
	assert_int_equal(log.findings[0].kind, FOUND_HOST);
	assert_string_equal(log.findings[0].entry->id, "allow-1");
	assert_int_equal(log.findings[0].host.kind, HOST_EXACT);
	assert_int_equal(log.findings[0].place.column, 27);
	assert_int_equal(log.findings[1].kind, FOUND_PATTERN);
	assert_non_null(log.findings[1].pattern);
	assert_int_equal(log.findings[2].kind, FOUND_ADDRESS);
	assert_int_equal(log.findings[2].range.first.bytes[13], 1);
	assert_int_equal(log.findings[3].kind, FOUND_HOST);
	assert_string_equal(log.findings[3].entry->id, "deny-1");
	assert_int_equal(log.findings[4].kind, FOUND_CLASS);
	assert_null(log.findings[4].entry);
	assert_true(judge_beats(&log.findings[0], &log.findings[3]));
	assert_true(judge_is_closer(&log.findings[0], &log.findings[3]));
	assert_true(judge_beats(&log.findings[3], &log.findings[1]));
	assert_true(judge_beats(&log.findings[1], &log.findings[2]));
	assert_true(judge_beats(&log.findings[2], &log.findings[4]));
	assert_false(judge_beats(&log.findings[4], &log.findings[2]));
	assert_false(judge_beats(&log.findings[4], &log.findings[4]));
	/* And nothing of names without a name. */
	log.count = 0;
	question.name = NULL;
	judge_visit(&layers->layers[0], &question, note, &log);
	assert_int_equal(log.count, 2);
}

static void test_lists(void **state)
{
	static const char lines[] = "a.example\n*.b.example\n# none\n10.1.0.0/16\n\n9.0.0.1\n";
	char path[] = "egress-list-XXXXXX";
	int fd = mkstemp(path);
	const struct layers *layers;
	struct judgement judgement;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
	close(fd);
	layers = layered_base(*state, arena_printf(*state,
					      "allow = [{list = '%s'}, {host = 'x.b.example'}]\n"
					      "deny = [{ip = '9.0.0.0/24'}]\n",
					      path));
	unlink(path);
	EXPECT(layers, {"a.example:443", NULL, PERMIT, "allow-1"},
		{"y.b.example:443", NULL, PERMIT, "allow-1"},
		{"x.b.example:443", NULL, PERMIT, "allow-2"},
		{"c.example:443", NULL, REFUSE, "default-deny"},
		{"10.1.2.3:443", NULL, PERMIT, "allow-1"},
		{"10.2.2.3:443", NULL, REFUSE, "block-private"},
		{"9.0.0.1:443", NULL, PERMIT, "allow-1"}, {"9.0.0.2:443", NULL, REFUSE, "deny-1"});
	judgement = layered_judge(layers, "y.b.example:443", NULL);
	assert_int_equal(judgement.layers[0].place.line, 2);
	assert_non_null(strstr(judgement.layers[0].place.file, "egress-list-"));
	assert_int_equal(layered_judge(layers, "9.0.0.1:443", NULL).layers[0].place.line, 6);
}

/* --- What holds of any policies --- */

enum { ROUNDS = 400, QUESTIONS = 60 };

static void fail_at_random(struct arena *arena, const char *what, const char *const *texts,
	const struct question *question)
{
	for (size_t i = 0; texts[i]; i++)
		print_error("--- layer %zu\n%s", i, texts[i]);
	fail_msg("%s: %s", what, chance_question_text(arena, question));
}

static bool permits(const struct layers *layers, const struct question *question)
{
	struct judgement judgement;

	judge(layers, question, &judgement);
	return judgement.verdict != VERDICT_REFUSE;
}

/* What all layers permit together, each permits alone: the base as a policy of its own, an override
 * on top of a base that permits everything. */
static void test_layers_only_narrow(void **state)
{
	static const char everything[] =
		"mode = 'denylist'\n[score]\nunknown = 0\n[network]\nblock = []\n";
	struct chance chance = chance_new();
	unsigned permitted = 0, refused = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		const char *texts[CHANCE_LAYERS + 1], *said;
		const struct layers *all = chance_layers(&chance, *state, texts);
		const struct layers *alone[CHANCE_LAYERS];

		for (size_t i = 0; i < all->n_layers; i++) {
			const char *const two[] = {
				i > 0 ? everything : texts[0], i > 0 ? texts[i] : NULL, NULL};

			/* One that only means something beside another is left out. */
			if (layered_try(*state, two, &alone[i], &said) < 0)
				alone[i] = NULL;
		}
		for (unsigned i = 0; i < QUESTIONS; i++) {
			struct chance_room room;
			struct question question = chance_question(&chance, &room);

			if (!permits(all, &question)) {
				refused++;
				continue;
			}
			permitted++;
			for (size_t j = 0; j < all->n_layers; j++)
				if (alone[j] && !permits(alone[j], &question))
					fail_at_random(*state, "wider", texts, &question);
		}
		arena_reset(*state);
	}
	assert_true(permitted > ROUNDS && refused > ROUNDS);
}

/* The winner beats all else that matches, or is as good; and of three the order is one. */
static void test_winners_win(void **state)
{
	struct chance chance = chance_new();

	for (unsigned round = 0; round < ROUNDS; round++) {
		const char *texts[CHANCE_LAYERS + 1];
		const struct layers *layers = chance_layers(&chance, *state, texts);

		for (unsigned i = 0; i < QUESTIONS; i++) {
			struct chance_room room;
			struct question question = chance_question(&chance, &room);
			struct finding winner = judge_layer(&layers->layers[0], &question);
			struct log log = {.count = 0};

			judge_visit(&layers->layers[0], &question, note, &log);
			assert_int_equal(winner.kind == FOUND_NOTHING, log.count == 0);
			for (size_t j = 0; j < log.count; j++)
				if (judge_beats(&log.findings[j], &winner))
					fail_at_random(*state, "beaten", texts, &question);
			for (size_t j = 0; j + 2 < log.count; j++)
				if (judge_beats(&log.findings[j], &log.findings[j + 1]) &&
					judge_beats(&log.findings[j + 1], &log.findings[j + 2]) &&
					!judge_beats(&log.findings[j], &log.findings[j + 2]))
					fail_at_random(*state, "no order", texts, &question);
		}
		arena_reset(*state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_more_specific_host_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_how_deep_wildcards_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_deny_beats_allow_when_as_specific, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ties_within_an_action, setup, teardown),
		cmocka_unit_test_setup_teardown(test_case_and_trailing_dot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patterns_that_give_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_narrower_range_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges_around_ip4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_are_denials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disguised_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tunnels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_forms_as_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_which_addresses_are_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_embedded_addresses_are_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_go_before_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scores_decide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_disjoint_allow_lists_refuse_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_narrower_wildcard_narrows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrides_only_narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_first_layer_with_the_verdict_has_the_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_star_is_not_an_ending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_visit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers_only_narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_winners_win, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
