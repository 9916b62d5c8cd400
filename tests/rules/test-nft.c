/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/nft-link.h"
#include "rules/nft-text.h"
#include "rules/nft.h"
#include "src/base/arena.h"
#include "tests/rules/layered.h"
#include "tests/rules/ruleset.h"
#include "tests/rules/sketch.h"

static int setup(void **state)
{
	return arena_new(64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* Default deny needs no rule of the policy. */
static void test_empty_policy(void **state)
{
	static const char *const lines[] = {NULL};
	const char *text = ruleset_sketch(*state, sketch_policy(*state, lines));

	ruleset_has(text, "table inet egress-sketch {");
	ruleset_has(text, "type filter hook output priority filter; policy drop;");
	ruleset_has(text, "type filter hook forward priority filter; policy drop;");
	ruleset_body(text, "chain judge", "\t\tgoto default-deny comment \"default-deny\"\n");
	ruleset_body(text, "chain refuse",
		"\t\tmeta l4proto tcp reject with tcp reset comment \"refuse\"\n"
		"\t\treject with icmpx admin-prohibited comment \"refuse\"\n");
	ruleset_has_not(text, "vmap");
	ruleset_has_not(text, "elements");
	ruleset_has_not(text, "dnat");
	ruleset_has_not(text, "block-");
	ruleset_has_not(text, "upstream");
	ruleset_has_not(text, "chain permit");
	ruleset_has_not(text, "observed");
	ruleset_has_not(text, "flagged");
	ruleset_has_not(text, "spend");
}

/* Only what a family has is written for it. */
static void test_families(void **state)
{
	static const char *const lines[] = {"2001:db8::/32 : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const char *text;

	sketch_listen(*state, policy, "127.0.0.1:5300");
	sketch_upstream(*state, policy, "[2001:db8::53]:5353");
	text = ruleset_sketch(*state, policy);
	ruleset_has(text, "map tcp-443-addresses6 {");
	ruleset_has_not(text, "tcp-443-addresses4");
	ruleset_has(text, "map tcp-443-leases4 {");
	ruleset_body(text, "chain redirect-dns",
		"\t\ttype nat hook output priority -101; policy accept;\n"
		"\t\tmeta mark . meta skuid @resolver ip6 daddr . meta l4proto . th dport "
		"@upstream6 return comment \"resolver\"\n"
		"\t\tmeta nfproto ipv4 udp dport 53 dnat ip to 127.0.0.1:5300 comment \"dns\"\n"
		"\t\tmeta nfproto ipv4 tcp dport 53 dnat ip to 127.0.0.1:5300 comment \"dns\"\n");
	ruleset_has(text, "2001:db8::53 . udp . 5353 comment \"resolver\",");
	ruleset_has(text, "2001:db8::53 . tcp . 5353 comment \"resolver\"\n");
	ruleset_has_not(text, "upstream4");
}

static void test_ports(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443 udp/443 icmp/echo",
		"b.example : tcp/8000-8100", "c.example : udp/443", NULL};
	const char *text = ruleset_sketch(*state, sketch_policy(*state, lines));

	ruleset_body(text, "chain judge",
		"\t\ttcp dport 443 jump tcp-443 comment \"judge: port\"\n"
		"\t\ticmp type echo-request jump tcp-443 comment \"judge: echo\"\n"
		"\t\ticmpv6 type echo-request jump tcp-443 comment \"judge: echo\"\n"
		"\t\ttcp dport 8000-8100 jump tcp-8000-8100 comment \"judge: ports\"\n"
		"\t\tudp dport 443 jump udp-443 comment \"judge: port\"\n"
		"\t\tgoto default-deny comment \"default-deny\"\n");

	static const char *const echo[] = {"a.example : icmp/echo", NULL};

	text = ruleset_sketch(*state, sketch_policy(*state, echo));
	ruleset_has(text, "icmp type echo-request jump icmp-echo");
	ruleset_has_not(text, "tcp dport");
}

/* The order in a group: leases, the policy's own addresses, refused ones; then those of all ports.
 */
static void test_order(void **state)
{
	static const char *const lines[] = {
		"10.0.0.0/8 : tcp/443", "deny 10.1.0.0/16 : tcp/443", "deny 10.2.0.0/16", NULL};
	const char *text = ruleset_sketch(*state, sketch_policy(*state, lines));

	ruleset_body(text, "chain tcp-443",
		"\t\tct mark set ip daddr map @tcp-443-leases4 ct mark @live accept comment "
		"\"tcp-443: names\"\n"
		"\t\tct mark set ip6 daddr map @tcp-443-leases6 ct mark @live accept comment "
		"\"tcp-443: names\"\n"
		"\t\tct mark set ip daddr map @tcp-443-addresses4 ct mark @live accept comment "
		"\"tcp-443: addresses\"\n"
		"\t\tip daddr vmap @tcp-443-refused4 comment \"tcp-443: refused\"\n");
	ruleset_body(text, "chain judge",
		"\t\ttcp dport 443 jump tcp-443 comment \"judge: port\"\n"
		"\t\tip daddr vmap @refused4 comment \"judge: refused\"\n"
		"\t\tgoto default-deny comment \"default-deny\"\n");
	ruleset_has(text, "10.1.0.0/16 comment \"deny-1\" : goto deny-1\n");
	ruleset_has(text, "10.2.0.0/16 comment \"deny-2\" : goto deny-2\n");
	ruleset_has(text, "add chain inet egress-sketch deny-1\n");
	ruleset_body(text, "chain deny-1",
		"\t\tlimit rate 20/second burst 50 packets log prefix \"egress-sketch deny-1 \" "
		"group 0 comment \"deny-1\"\n"
		"\t\tcounter name \"deny-1\" goto refuse comment \"deny-1\"\n");
	ruleset_has(text, "\tcounter deny-1 {\n\t\tpackets 0 bytes 0\n\t}\n");
}

/* An entry that permits, but for the ports of nobody else. */
static void test_permitted_on_all_ports(void **state)
{
	static const char *const lines[] = {
		"10.0.0.0/8 : tcp/443", "deny 11.0.0.0/8 ; score=0.0", NULL};
	const char *text = ruleset_sketch(*state, sketch_policy(*state, lines));

	ruleset_body(text, "chain judge",
		"\t\ttcp dport 443 jump tcp-443 comment \"judge: port\"\n"
		"\t\tct mark set ip daddr map @addresses4 ct mark @live accept comment "
		"\"judge: addresses\"\n"
		"\t\tgoto default-deny comment \"default-deny\"\n");
}

/* A plan whose texts a test may change. */
struct changeable {
	struct plan plan;
	struct policy policy;
	struct plan_rule rule;
};

static struct changeable *change(struct arena *arena, const struct plan *plan)
{
	struct changeable *made = arena_alloc(arena, sizeof(*made));

	assert_non_null(made);
	made->plan = *plan;
	made->policy = *plan->policy;
	made->rule = plan->rules[0];
	made->plan.policy = &made->policy;
	made->plan.rules = &made->rule;
	assert_int_equal(plan->n_rules, 1);
	return made;
}

static const char *const one_line[] = {"a.example : tcp/443", NULL};

/* nft has no escapes: what a policy says can't leave its comment. */
static void test_hostile_text(void **state)
{
	struct changeable *made =
		change(*state, sketch_plan(*state, sketch_policy(*state, one_line)));
	const char *text;

	made->policy.file = "x\"\n\\flush ruleset\x7f\xc3\xa4";
	made->rule.place.file = "dir/y\"; }\nflush ruleset";
	text = ruleset_of(*state, &made->plan, NULL);
	ruleset_has(text, "of x???flush ruleset???, compiled by");
	ruleset_has(text, "comment \"allow-1 a.example tcp/443, y?; }?flush ruleset:10\"");
	ruleset_has_not(text, "\nflush ruleset");
}

/* Names that go in as they are, are held to be plain. */
static void test_hostile_names(void **state)
{
	static const char *const bad[] = {"x\" accept", "x\ny", "x\x7f", "x\xc3\xa4"};
	struct changeable *made =
		change(*state, sketch_plan(*state, sketch_policy(*state, one_line)));
	const char *name;
	FILE *out = fopen("/dev/null", "w");

	assert_non_null(out);
	assert_int_equal(nft_write(&made->plan, NULL, out), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		name = bad[i];
		made->rule.id = name;
		assert_int_equal(nft_write(&made->plan, NULL, out), -EINVAL);
		made->rule.id = "allow-1";
		made->policy.scope.cgroups = &name;
		made->policy.scope.n_cgroups = 1;
		assert_int_equal(nft_write(&made->plan, NULL, out), -EINVAL);
		made->policy.scope.n_cgroups = 0;
		made->policy.scope.interfaces = &name;
		made->policy.scope.n_interfaces = 1;
		assert_int_equal(nft_write(&made->plan, NULL, out), -EINVAL);
		made->policy.scope.n_interfaces = 0;
	}
	fclose(out);
}

/* nft takes comments of up to 127 bytes. */
static void test_long_comments(void **state)
{
	static const char *const lines[] = {
		"a23456789-a23456789-a23456789-a23456789-a23456789-a23456789.example b.example "
		": tcp/10000-20000 udp/10000-20000 tcp/30000-40000",
		NULL};
	struct changeable *made = change(*state, sketch_plan(*state, sketch_policy(*state, lines)));
	const char *text, *comment, *end;
	char file[300];

	memset(file, 'f', sizeof(file) - 1);
	file[sizeof(file) - 1] = '\0';
	made->rule.place.file = file;
	made->rule.place.line = UINT32_MAX;
	made->rule.id = "o15:a-profile-with-a-long-name:allow-16777216";
	text = ruleset_of(*state, &made->plan, NULL);
	for (comment = text; (comment = strstr(comment, "comment \"")); comment = end) {
		comment += strlen("comment \"");
		end = strchr(comment, '"');
		assert_true(end - comment <= 127);
	}
}

/* --- What holds of every ruleset ---------------------------------------------------------------
 */

/* A policy with everything in it that makes rules. */
static const char rich[] = "name = \"rich\"\n"
			   "[scope]\n"
			   "users = [1000]\n"
			   "groups = [100]\n"
			   "interfaces = [\"docker0\"]\n"
			   "sources = [\"10.88.0.0/16\", \"fd88::/64\"]\n"
			   "[[allow]]\n"
			   "host = \"a.example\"\n"
			   "connections = \"60/minute\"\n"
			   "bytes = \"1 GiB\"\n"
			   "expires = 2027-01-31\n"
			   "[[allow]]\n"
			   "ip = [\"11.2.0.0/16\", \"2600:2::/32\"]\n"
			   "score = 0.7\n"
			   "[[deny]]\n"
			   "ip = \"11.2.0.1\"\n"
			   "[dns]\n"
			   "listen = [\"127.0.0.1:5300\", \"[::1]:5300\", \"10.88.0.1:5300\"]\n"
			   "upstream = [\"udp://192.0.2.53\", \"udp://[2001:db8::53]\"]\n"
			   "[limits]\n"
			   "connections = \"600/minute\"\n"
			   "connections_per_destination = \"60/hour\"\n"
			   "bytes = \"2 GiB\"\n"
			   "[budget]\n"
			   "destinations = 200\n"
			   "on_exceed = \"refuse\"\n"
			   "[audit]\n"
			   "allowed = true\n";
static const char observing[] = "enforcement = \"observe\"\n"
				"[[deny]]\n"
				"ip = \"11.2.0.128/25\"\n"
				"[limits]\n"
				"connections = \"10/second\"\n";

/* A set or map within a rule ends with the rule, under packets that are at work on it; and a rule
 * without a comment cannot be told when it is read back. */
static void check_rule(const char *line, size_t length)
{
	const char *brace = memchr(line, '{', length);
	bool dynamic = strstr(line, " update @") || strstr(line, " add @");

	if (brace && (!dynamic || memchr(brace + 1, '{', length - (size_t)(brace + 1 - line))))
		fail_msg("a set of its own: %.*s", (int)length, line);
	if (!memmem(line, length, " comment \"", 10) && strncmp(line, "\t\ttype ", 7) != 0)
		fail_msg("no comment: %.*s", (int)length, line);
}

static void check_rules(const char *text)
{
	bool in_chain = false;
	unsigned rules = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		if (strncmp(line, "\tchain ", 7) == 0)
			in_chain = true;
		else if (strcmp(line, "\t}") == 0)
			in_chain = false;
		else if (in_chain && ++rules)
			check_rule(line, strlen(line));
		text += length + (text[length] == '\n');
	}
	assert_true(rules > 10);
}

static void test_every_rule(void **state)
{
	check_rules(ruleset_one(*state, RULESET_BARE));
	check_rules(ruleset_one(*state, rich));
	check_rules(ruleset_two(*state, rich, observing));
	check_rules(ruleset_one(*state, "mode = \"denylist\"\n" RULESET_BARE));
}

static void test_deterministic(void **state)
{
	assert_string_equal(
		ruleset_two(*state, rich, observing), ruleset_two(*state, rich, observing));
	assert_string_not_equal(ruleset_two(*state, rich, observing), ruleset_one(*state, rich));
	ruleset_has(ruleset_two(*state, rich, observing), "\n# narrowed by o1.toml\n");
}

static void test_failed_write(void **state)
{
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, one_line));
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	assert_int_equal(nft_write(plan, NULL, out), -EIO);
	fclose(out);
}

static const char *link_of(
	struct arena *arena, const struct plan *plan, const char *const *interfaces, size_t count)
{
	char *text, *copy;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(nft_write_link(plan, interfaces, count, out), 0);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	return copy;
}

#define RAW_DROP "[network]\nraw = \"drop\"\nblock = []\n"

/* Whichever layer says it. What an interface may be called is any bytes but a few. */
static void test_frames(void **state)
{
	static const char *const names[] = {"lo", "eth0.5", "a_b+c"}, *const bad[] = {"e\"h"};
	const struct plan *plan = sketch_plan_of(*state, layered_base(*state, RAW_DROP));
	FILE *out = fopen("/dev/full", "w");
	const char *text = link_of(*state, plan, names, 3);

	assert_true(plan->drops_raw);
	ruleset_body(text, "chain frames",
		"\t\tmeta rtclassid 0-4294967295 accept comment \"routed\"\n"
		"\t\tmeta protocol arp meta skuid 0-4294967295 counter drop comment \"arp of "
		"programs\"\n"
		"\t\tmeta protocol arp accept comment \"arp\"\n"
		"\t\tcounter drop comment \"raw\"\n");
	ruleset_body(text, "chain link-eth0.5",
		"\t\ttype filter hook egress device \"eth0.5\" priority filter; policy drop;\n"
		"\t\tgoto frames comment \"frames\"\n");
	ruleset_has(text, "\tchain link-lo {\n");
	ruleset_has(text, "\tchain link-a_5fb_2bc {\n");
	assert_non_null(out);
	assert_int_equal(nft_write_link(plan, bad, 1, out), -EINVAL);
	assert_int_equal(nft_write_link(plan, names, 3, out), -EIO);
	fclose(out);
	ruleset_has(ruleset_one(*state, RAW_DROP), "comment \"guessed marks\"\n");
	ruleset_has_not(ruleset_one(*state, RULESET_BARE), "guessed marks");
	assert_false(sketch_plan_of(*state, layered_base(*state, RULESET_BARE))->drops_raw);
	assert_true(sketch_plan_of(*state, layered_two(*state, RULESET_BARE, RAW_DROP))->drops_raw);
	assert_true(
		sketch_plan_of(*state, layered_two(*state, RAW_DROP, "[network]\nraw = \"pass\"\n"))
			->drops_raw);
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

/* The kernel takes an IPv4-mapped address for IPv6, this tree does not. */
static void test_around_mapped_block(void **state)
{
	static const char *const lines[] = {"::/0 : tcp/1", NULL};
	const char *text = ruleset_sketch(*state, sketch_policy(*state, lines));

	ruleset_has(text, "\t\t\t::-::fffe:ffff:ffff comment \"allow-1\" : 0x");
	ruleset_has(text, "\t\t\t::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff comment");
	ruleset_has_not(text, "::/80");
}

static void assert_range(const char *text)
{
	struct range range;
	char out[INADDR_TEXT];

	assert_int_equal(range_from_text(text_of(text), &range), 0);
	assert_string_equal(nft_range_text(&range, out), text);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_range("0.0.0.0/0");
	assert_range("10.0.0.0/8");
	assert_range("10.0.0.0-10.255.255.254");
	assert_range("10.0.0.1-10.0.0.2");
	assert_range("10.0.0.2/31");
	assert_range("100.200.9.255");
	assert_range("2001:db8::/32");
	assert_range("2001:db8:0:1::");
	assert_range("2001:0:0:1::1");
	assert_range("1:2:3:4:5:6:7:8");
	assert_range("1:0:3:4:5:6:7:8");
	assert_range("::1:2:3:4:5:6");
	assert_range("1:2:3:4:5:6::");
	assert_range("::");
	assert_range("::1");
	assert_range("::a9fe:a9fe");
	assert_range("fe80::-fe80::a9fe:a9fd");
	assert_range("8000::/1");
}

/* Whatever is written is read as the range it was: at random, and near the borders of prefixes. */
static void test_ranges_read_back(void **state)
{
	uint64_t number = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct range range, read;
		uint8_t first[16], last[16];
		char text[INADDR_TEXT];
		unsigned kept;

		for (unsigned j = 0; j < 16; j++) {
			number = number * UINT64_C(6364136223846793005) + 1442695040888963407u;
			first[j] = number >> 63 ? (uint8_t)(number >> 50) : 0;
		}
		kept = (unsigned)(number >> 40) % 17;
		memcpy(last, first, 16);
		memset(last + kept, 0xff, 16 - kept);
		if (number >> 39 & 1)
			last[15] ^= 1;
		if (number >> 38 & 1)
			memset(first + kept, 0, 16 - kept);
		if (memcmp(first, last, 16) > 0)
			continue;
		first[0] |= 0x20;
		last[0] |= 0x20;
		if (i % 2 == 0)
			range = (struct range){inaddr_from_ip6(first), inaddr_from_ip6(last)};
		else
			range = (struct range){
				inaddr_from_ip4(first + 12), inaddr_from_ip4(last + 12)};
		if (inaddr_compare(&range.first, &range.last) > 0)
			continue;
		nft_range_text(&range, text);
		if (range_from_text(text_of(text), &read) < 0 ||
			memcmp(&read, &range, sizeof(range)) != 0)
			fail_msg("%s is not what it was", text);
	}
}

/* --- Options -----------------------------------------------------------------------------------
 */

static const char *without_elements(struct arena *arena, const char *text, unsigned generation)
{
	const struct nft_options options = {.elements = false, .generation = generation};

	return ruleset_of(arena, sketch_plan_of(arena, layered_base(arena, text)), &options);
}

/* The interval maps are somebody else's to fill: not emptied either. */
static void test_without_elements(void **state)
{
	const char *text = without_elements(*state, rich, 0);

	ruleset_body(
		text, "map tcp-443-addresses4", "\t\ttype ipv4_addr : mark\n\t\tflags interval\n");
	ruleset_has_not(text, "flush map inet egress-rich tcp-443-addresses4");
	ruleset_has_not(text, "flush map inet egress-rich refused4");
	ruleset_has(text, "flush set inet egress-rich live\n");
	ruleset_has(text, "add chain inet egress-rich deny-1\n");
	ruleset_has(text, "0x");
}

static void test_generation(void **state)
{
	const struct nft_options options = {.elements = true, .generation = 7};
	const struct plan *plan = sketch_plan_of(*state, layered_base(*state, rich));
	const char *text = ruleset_of(*state, plan, &options);
	char name[NFT_NAME];

	ruleset_has(text, "map tcp-443-addresses4.7 {");
	ruleset_has(text, "map @tcp-443-addresses4.7 ");
	ruleset_has(text, "flush map inet egress-rich refused4.7\n");
	ruleset_has(text, "vmap @refused4.7 ");
	ruleset_has_not(text, "addresses4 ");
	ruleset_has_not(text, "refused4 ");
	ruleset_has(text, "map tcp-443-leases4 {");
	ruleset_has(without_elements(*state, rich, 8), "vmap @refused6.8 ");
	assert_string_equal(nft_map_name(&options, "refused4", name), "refused4.7");
	assert_string_equal(nft_map_name(NULL, "refused4", name), "refused4");
}

/* --- Scope -------------------------------------------------------------------------------------
 */

static void test_no_scope(void **state)
{
	const char *text = ruleset_one(*state, RULESET_BARE);

	ruleset_has_not(text, "out-of-scope");
	ruleset_has_not(text, "hook prerouting");
	ruleset_has_not(text, "hook input");
	ruleset_has(text, "add chain inet egress-default input\n");
	ruleset_has(text, "\ndelete chain inet egress-default input\n");
	ruleset_has(text, "\ndelete chain inet egress-default redirect-forwarded\n");
	ruleset_has_not(text, "chain inet egress-default output\n");
	ruleset_body(text, "chain forward",
		"\t\ttype filter hook forward priority filter; policy drop;\n"
		"\t\tct state established,new ct mark @live accept comment \"live\"\n"
		"\t\tct state established ct direction reply accept comment \"reply\"\n"
		"\t\tct state related jump icmp-errors comment \"icmp-error\"\n"
		"\t\tfib saddr . iif oif missing counter drop comment \"foreign-source\"\n"
		"\t\tgoto judge comment \"judge\"\n");
}

static void test_local_scope(void **state)
{
	const char *text =
		ruleset_one(*state, "[scope]\nusers = [1000, 1001]\ngroups = [100]\n" RULESET_BARE);

	ruleset_body(text, "chain output",
		"\t\ttype filter hook output priority filter; policy drop;\n"
		"\t\tct state established,new ct mark @live accept comment \"live\"\n"
		"\t\tmeta skuid 1000 goto sent comment \"scope: user\"\n"
		"\t\tmeta skuid 1001 goto sent comment \"scope: user\"\n"
		"\t\tmeta skgid 100 goto sent comment \"scope: group\"\n"
		"\t\tmeta mark != 0 meta mark . meta skuid @resolver meta mark set 0 comment "
		"\"resolver\"\n"
		"\t\taccept comment \"out-of-scope\"\n");
	ruleset_body(text, "chain sent",
		"\t\tct state established ct direction reply accept comment \"reply\"\n"
		"\t\tct state related jump icmp-errors comment \"icmp-error\"\n"
		"\t\tct state related ct direction reply tcp flags rst accept comment \"refuse\"\n"
		"\t\tmeta l4proto icmpv6 jump neighbour comment \"neighbour\"\n"
		"\t\tfib saddr type != local counter drop comment \"foreign-source\"\n"
		"\t\tip daddr 127.0.0.1 udp dport 5300 accept comment \"dns\"\n"
		"\t\tip daddr 127.0.0.1 tcp dport 5300 accept comment \"dns\"\n"
		"\t\toif lo meta mark . meta skuid @resolver meta mark set 0 accept comment "
		"\"resolver\"\n"
		"\t\tip daddr 127.0.0.11 ct direction original counter goto refuse comment "
		"\"docker-dns\"\n"
		"\t\toif lo accept comment \"loopback\"\n"
		"\t\tgoto judge comment \"judge\"\n");
	ruleset_body(text, "chain redirect-dns",
		"\t\ttype nat hook output priority -101; policy accept;\n"
		"\t\tmeta skuid 1000 goto to-resolver comment \"scope: user\"\n"
		"\t\tmeta skuid 1001 goto to-resolver comment \"scope: user\"\n"
		"\t\tmeta skgid 100 goto to-resolver comment \"scope: group\"\n");
	ruleset_has_not(text, "hook forward");
	ruleset_has_not(text, "hook input");
	ruleset_has(text, "\ndelete chain inet egress-default forward\n");
	ruleset_has(text, "\ndelete chain inet egress-default input\n");
}

/* The loader asks the machine for a control group, so this one is put in by hand. */
static void test_cgroups(void **state)
{
	static const char *groups[] = {"agent.slice", "system.slice/a\\x2db.service"};
	struct changeable *made =
		change(*state, sketch_plan(*state, sketch_policy(*state, one_line)));
	const char *text;

	made->policy.scope.cgroups = groups;
	made->policy.scope.n_cgroups = 2;
	text = ruleset_of(*state, &made->plan, NULL);
	ruleset_body(text, "chain output",
		"\t\ttype filter hook output priority filter; policy drop;\n"
		"\t\tct state established,new ct mark @live accept comment \"live\"\n"
		"\t\tsocket cgroupv2 level 1 \"agent.slice\" goto sent comment \"scope: control "
		"group\"\n"
		"\t\tsocket cgroupv2 level 2 \"system.slice/a\\x2db.service\" goto sent comment "
		"\"scope: control group\"\n"
		"\t\tmeta mark != 0 meta mark . meta skuid @resolver meta mark set 0 comment "
		"\"resolver\"\n"
		"\t\taccept comment \"out-of-scope\"\n");
}

/* A resolver that listens on all of this host's addresses has a port only. */
static void test_forwarded_scope(void **state)
{
	struct plan plan = *sketch_plan_of(
		*state, layered_base(*state,
				"[scope]\ninterfaces = [\"docker0\"]\nsources = [\"fd88::/64\"]\n"
				"[network]\nblock = []\n"
				"[dns]\nlisten = [\"127.0.0.1:5300\", \"10.88.0.1:5300\"]\n"));
	const char *text;

	plan.family[PLAN_IP6].redirect_port = 5301;
	text = ruleset_of(*state, &plan, NULL);
	ruleset_body(text, "chain forward",
		"\t\ttype filter hook forward priority filter; policy drop;\n"
		"\t\tct state established,new ct mark @live accept comment \"live\"\n"
		"\t\tiifname \"docker0\" goto passing comment \"scope: interface\"\n"
		"\t\tip6 saddr fd88::/64 goto passing comment \"scope: source\"\n"
		"\t\taccept comment \"out-of-scope\"\n");
	ruleset_body(text, "chain passing",
		"\t\tct state established ct direction reply accept comment \"reply\"\n"
		"\t\tct state related jump icmp-errors comment \"icmp-error\"\n"
		"\t\tfib saddr . iif oif missing counter drop comment \"foreign-source\"\n"
		"\t\tgoto judge comment \"judge\"\n");
	ruleset_body(text, "chain input",
		"\t\ttype filter hook input priority filter; policy accept;\n"
		"\t\tiifname \"lo\" accept comment \"loopback\"\n"
		"\t\tct state established,new ct mark @live accept comment \"live\"\n"
		"\t\tiifname \"docker0\" goto arriving comment \"scope: interface\"\n"
		"\t\tip6 saddr fd88::/64 goto arriving comment \"scope: source\"\n"
		"\t\taccept comment \"out-of-scope\"\n");
	ruleset_body(text, "chain arriving",
		"\t\tct state established ct direction reply accept comment \"reply\"\n"
		"\t\tct state related jump icmp-errors comment \"icmp-error\"\n"
		"\t\tmeta l4proto icmpv6 jump neighbour comment \"neighbour\"\n"
		"\t\tfib saddr . iif oif missing counter drop comment \"foreign-source\"\n"
		"\t\tip daddr 10.88.0.1 udp dport 5300 accept comment \"dns\"\n"
		"\t\tip daddr 10.88.0.1 tcp dport 5300 accept comment \"dns\"\n"
		"\t\tmeta nfproto ipv6 udp dport 5301 accept comment \"dns\"\n"
		"\t\tmeta nfproto ipv6 tcp dport 5301 accept comment \"dns\"\n"
		"\t\tgoto judge comment \"judge\"\n");
	ruleset_body(text, "chain redirect-forwarded",
		"\t\ttype nat hook prerouting priority -101; policy accept;\n"
		"\t\tiifname \"docker0\" goto to-resolver-here comment \"scope: interface\"\n"
		"\t\tip6 saddr fd88::/64 goto to-resolver-here comment \"scope: source\"\n");
	ruleset_body(text, "chain to-resolver-here",
		"\t\tmeta nfproto ipv4 udp dport 53 dnat ip to 10.88.0.1:5300 comment \"dns\"\n"
		"\t\tmeta nfproto ipv4 tcp dport 53 dnat ip to 10.88.0.1:5300 comment \"dns\"\n"
		"\t\tmeta nfproto ipv6 udp dport 53 redirect to :5301 comment \"dns\"\n"
		"\t\tmeta nfproto ipv6 tcp dport 53 redirect to :5301 comment \"dns\"\n");
	ruleset_has_not(text, "hook output");
	ruleset_has(text, "\ndelete chain inet egress-default output\n");
	ruleset_has(text, "\ndelete chain inet egress-default redirect-dns\n");
}

/* Where the resolver could serve others, it is asked only by those in scope. */
static void test_resolver_for_others(void **state)
{
	static const char listen[] = "[network]\nblock = []\n"
				     "[dns]\nlisten = [\"10.88.0.1:5300\"]\n";
	const char *local = arena_printf(*state, "[scope]\nusers = [1000]\n%s", listen);

	ruleset_has_not(ruleset_one(*state, listen), "hook prerouting");
	ruleset_has_not(ruleset_one(*state, local), "hook prerouting");
}

/* Loopback alone serves nobody who comes in from elsewhere: their DNS is judged. */
static void test_forwarded_scope_without_resolver(void **state)
{
	const char *text =
		ruleset_one(*state, "[scope]\ninterfaces = [\"docker0\"]\n" RULESET_BARE);

	ruleset_has_not(text, "hook prerouting");
	ruleset_has(text, "\ndelete chain inet egress-default redirect-forwarded\n");
	ruleset_has(text, "hook input");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_families, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permitted_on_all_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_comments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deterministic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_around_mapped_block, setup, teardown),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ranges_read_back),
		cmocka_unit_test_setup_teardown(test_without_elements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwarded_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resolver_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_forwarded_scope_without_resolver, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
