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

#include "rules/backend.h"
#include "src/base/arena.h"
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

/* The ruleset of the policy, in the arena. */
static const char *write_nft(struct arena *arena, const struct policy *policy)
{
	const struct plan *plan = sketch_plan(arena, policy);
	const char *copy;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(backend_find("nft")->write(plan, out), 0);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	return copy;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not there: %s", part);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("there: %s", part);
}

static void test_backends(void **state)
{
	(void)state;
	assert_non_null(backend_find("nft"));
	assert_string_equal(backend_find("nft")->name, "nft");
	assert_null(backend_find("nf"));
	assert_null(backend_find(""));
}

/* Default deny needs no rule of the policy. */
static void test_empty_policy(void **state)
{
	static const char *const lines[] = {NULL};
	const char *text = write_nft(*state, sketch_policy(*state, lines));

	assert_has(text, "table inet egress-sketch {");
	assert_has(text, "type filter hook output priority filter; policy drop;");
	assert_has(text, "type filter hook forward priority filter; policy drop;");
	assert_has(text, "goto default-deny comment \"default-deny\"");
	assert_has(text, "reject with icmpx admin-prohibited");
	assert_has_not(text, "vmap");
	assert_has_not(text, "elements");
	assert_has_not(text, "dnat");
	assert_has_not(text, "block-");
	assert_has_not(text, "upstream");
}

/* Only what a family has is written for it. */
static void test_families(void **state)
{
	static const char *const lines[] = {"2001:db8::/32 : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const char *text;

	sketch_listen(*state, policy, "127.0.0.1:5300");
	sketch_upstream(*state, policy, "[2001:db8::53]:5353");
	text = write_nft(*state, policy);
	assert_has(text, "map tcp-443-addresses6 {");
	assert_has_not(text, "tcp-443-addresses4");
	assert_has(text, "map tcp-443-leases4 {");
	assert_has(text, "meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 dnat ip to "
			 "127.0.0.1:5300 comment \"dns\"");
	assert_has_not(text, "dnat ip6");
	assert_has(text, "2001:db8::53 . udp . 5353 comment \"resolver\",");
	assert_has(text, "2001:db8::53 . tcp . 5353 comment \"resolver\"\n");
	assert_has_not(text, "upstream4");
}

static void test_ports(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443 udp/443 icmp/echo",
		"b.example : tcp/8000-8100", "c.example : udp/443", NULL};
	const char *text = write_nft(*state, sketch_policy(*state, lines));

	assert_has(text, "\t\ttcp dport 443 jump tcp-443 comment \"judge: port\"\n"
			 "\t\ticmp type echo-request jump tcp-443 comment \"judge: echo\"\n"
			 "\t\ticmpv6 type echo-request jump tcp-443 comment \"judge: echo\"\n"
			 "\t\ttcp dport 8000-8100 jump tcp-8000-8100 comment \"judge: ports\"\n"
			 "\t\tudp dport 443 jump udp-443 comment \"judge: port\"\n");

	static const char *const echo[] = {"a.example : icmp/echo", NULL};

	text = write_nft(*state, sketch_policy(*state, echo));
	assert_has_not(text, "dport");
	assert_has(text, "icmp type echo-request jump icmp-echo");
}

/* nft has no escapes: what a policy says can't leave its comment. */
static void test_hostile_text(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const char *text;

	policy->file = "x\"\n\\flush ruleset\x7f\xc3\xa4";
	policy->allow[0].place.file = "dir/y\"; }\nflush ruleset";
	text = write_nft(*state, policy);
	assert_has(text, "of x???flush ruleset???, compiled by");
	assert_has(text, "comment \"allow-1 a.example tcp/443, y?; }?flush ruleset:10\"");
	assert_has_not(text, "\nflush ruleset");
}

/* nft takes comments of up to 127 bytes. */
static void test_long_comments(void **state)
{
	static const char *const lines[] = {
		"a23456789-a23456789-a23456789-a23456789-a23456789-a23456789.example b.example "
		": tcp/10000-20000 udp/10000-20000 tcp/30000-40000",
		NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const char *text, *comment, *end;
	char file[300];

	memset(file, 'f', sizeof(file) - 1);
	file[sizeof(file) - 1] = '\0';
	policy->allow[0].place.file = file;
	policy->allow[0].place.line = UINT32_MAX;
	policy->allow[0].id = "allow-16777216";
	text = write_nft(*state, policy);
	for (comment = text; (comment = strstr(comment, "comment \"")); comment = end) {
		comment += strlen("comment \"");
		end = strchr(comment, '"');
		assert_true(end - comment <= 127);
	}
}

/* The kernel takes an IPv4-mapped address for IPv6, this tree does not. */
static void test_around_mapped_block(void **state)
{
	static const char *const lines[] = {"::/0 : tcp/1", NULL};
	const char *text = write_nft(*state, sketch_policy(*state, lines));

	assert_has(text, "\t\t\t::-::fffe:ffff:ffff comment \"allow-1\" : 0x");
	assert_has(text, "\t\t\t::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff comment");
	assert_has_not(text, "::/80");
}

static void test_deterministic(void **state)
{
	static const char *const lines[] = {
		"a.example b.example 10.0.0.0/8 : tcp/443", "c.example : tcp/1", NULL};
	struct policy *policy = sketch_policy(*state, lines);

	policy->block = CLASS_ALL;
	assert_string_equal(write_nft(*state, policy), write_nft(*state, policy));
}

static void test_failed_write(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	assert_int_equal(backend_find("nft")->write(plan, out), -EIO);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backends),
		cmocka_unit_test_setup_teardown(test_empty_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_families, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_comments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_around_mapped_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deterministic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_write, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
