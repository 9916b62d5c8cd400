/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

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

/* --- Limits ------------------------------------------------------------------------------------
 */

static const char limited[] = "[[allow]]\n"
			      "host = \"a.example\"\n"
			      "connections = \"60/minute\"\n"
			      "bytes = \"1 KiB\"\n"
			      "expires = 2027-01-31T00:00:00Z\n" RULESET_BARE;

static void test_entry_limits(void **state)
{
	const char *text = ruleset_one(*state, limited);

	ruleset_body(text, "map opening",
		"\t\ttype mark : verdict\n\t\telements = {\n"
		"\t\t\t0x% comment \"allow-1\" : jump open-%\n\t\t}\n");
	ruleset_body(text, "map spending",
		"\t\ttype mark : verdict\n\t\telements = {\n"
		"\t\t\t0x% comment \"allow-1\" : jump spend-%\n\t\t}\n");
	ruleset_has(text, "-60-minute {\n\t\trate over 60/minute burst 60 packets\n\t}\n");
	ruleset_has(text, " {\n\t\tover 1024 bytes\n\t}\n");
	ruleset_has(text, "\t\tct direction original quota name \"bytes-");
	ruleset_has(text, "\t\tmeta time >= 1801353600 goto expired-");
	ruleset_has(text, "\t\tlimit name \"connections-");
	ruleset_has(text, "log prefix \"egress-default allow-1:connections \" group");
	ruleset_has(text, "log prefix \"egress-default allow-1:bytes \" group");
	ruleset_has(text, "log prefix \"egress-default allow-1:expired \" group");
	ruleset_has(text, "counter name \"allow-1.connections\" ct mark set 0x0 goto refuse "
			  "comment \"allow-1:connections\"");
	ruleset_has(text, "ct state established,new ct mark @live goto ongoing comment \"live\"");
	ruleset_has(text, "@tcp-443-leases4 ct mark @live goto permit comment");
	ruleset_body(text, "chain permit",
		"\t\tct state new ct mark vmap @opening comment \"entries\"\n"
		"\t\tjump spend comment \"spend\"\n"
		"\t\taccept comment \"permit\"\n");
	ruleset_body(text, "chain spend", "\t\tct mark vmap @spending comment \"entries\"\n");
	ruleset_body(text, "chain ongoing",
		"\t\tjump spend comment \"spend\"\n\t\taccept comment \"ongoing\"\n");
}

/* Only entries with a limit are in the maps, under both of their marks. */
static void test_entries_without_limits(void **state)
{
	const char *text = ruleset_one(*state,
		"[[allow]]\nip = \"11.1.0.0/16\"\n"
		"[[allow]]\nip = \"11.2.0.0/16\"\nconnections = \"5/second\"\nscore = 0.7\n"
		"[[allow]]\nip = \"11.3.0.0/16\"\nbytes = \"5 KiB\"\n" RULESET_BARE);

	ruleset_body(text, "map opening",
		"\t\ttype mark : verdict\n\t\telements = {\n"
		"\t\t\t0x% comment \"allow-2\" : jump open-%,\n"
		"\t\t\t0x% comment \"allow-2\" : jump open-%\n\t\t}\n");
	ruleset_body(text, "map spending",
		"\t\ttype mark : verdict\n\t\telements = {\n"
		"\t\t\t0x% comment \"allow-3\" : jump spend-%\n\t\t}\n");
}

static void test_limits(void **state)
{
	const char *text =
		ruleset_one(*state, RULESET_BARE "[limits]\n"
						 "connections = \"600/hour\"\n"
						 "connections_per_destination = \"5/day\"\n"
						 "bytes = \"2 KiB\"\n");

	ruleset_body(text, "limit limit-connections-600-hour",
		"\t\trate over 600/hour burst 600 packets\n");
	ruleset_body(text, "quota limit-bytes", "\t\tover 2048 bytes\n");
	ruleset_body(text, "set recent6-5-day",
		"\t\ttype ipv6_addr\n\t\tsize 262144\n\t\tflags dynamic,timeout\n"
		"\t\ttimeout 86400s\n");
	ruleset_body(text, "chain permit",
		"\t\tct state new meta nfproto ipv4 update @recent4-5-day { ip daddr limit rate "
		"over 5/day burst 5 packets } goto limit-destination comment "
		"\"limit-destination\"\n"
		"\t\tct state new meta nfproto ipv4 ip daddr != @recent4-5-day goto "
		"limit-destination comment \"limit-destination: no room\"\n"
		"\t\tct state new meta nfproto ipv6 update @recent6-5-day { ip6 daddr limit rate "
		"over 5/day burst 5 packets } goto limit-destination comment "
		"\"limit-destination\"\n"
		"\t\tct state new meta nfproto ipv6 ip6 daddr != @recent6-5-day goto "
		"limit-destination comment \"limit-destination: no room\"\n"
		"\t\tct state new limit name \"limit-connections-600-hour\" goto "
		"limit-connections comment \"limit-connections\"\n"
		"\t\tjump spend comment \"spend\"\n"
		"\t\taccept comment \"permit\"\n");
	ruleset_body(text, "chain spend",
		"\t\tct direction original quota name \"limit-bytes\" goto limit-bytes comment "
		"\"limit-bytes\"\n");
	ruleset_has(text, "counter name \"limit-connections\" ct mark set 0x0 goto refuse "
			  "comment \"limit-connections\"");
	ruleset_has(text, "counter name \"limit-destination\" ct mark set 0x0 goto refuse "
			  "comment \"limit-destination\"");
	ruleset_has(text, "counter name \"limit-bytes\" goto refuse comment \"limit-bytes\"");
	ruleset_has_not(text, "opening");
	ruleset_has_not(text, "spending");
}

/* The kernel's quota has 63 bits, its clock counts 2^63 nanoseconds. */
static void test_what_the_kernel_cannot_hold(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;
	const char *text;

	policy->entries[0].bytes = UINT64_MAX;
	policy->entries[0].expires = INT64_C(9223372036);
	plan = sketch_plan(*state, policy);
	text = ruleset_of(*state, plan, NULL);
	ruleset_has(text, "over 9223372036854775807 bytes");
	ruleset_has_not(text, "meta time");
	policy->entries[0].expires = INT64_C(9223372035);
	text = ruleset_sketch(*state, policy);
	ruleset_has(text, "meta time >= 9223372035 goto expired-");
}

/* Who only observes limits nobody, unless an enforcing layer sets the limit, too. */
static void test_observed_limits(void **state)
{
	static const char limits[] = "[limits]\n"
				     "connections = \"10/second\"\n"
				     "connections_per_destination = \"5/second\"\n"
				     "bytes = \"1 KiB\"\n";
	const char *observe =
		arena_printf(*state, "enforcement = \"observe\"\n%s%s", limited, limits);
	const char *text = ruleset_one(*state, observe);

	ruleset_has_not(text, "goto refuse");
	ruleset_has(text, "quota name \"limit-bytes\" jump limit-bytes comment");
	ruleset_has(text, "limit name \"limit-connections-10-second\" jump limit-connections");
	ruleset_has(text, "packets } jump limit-destination");
	ruleset_has(text, "counter name \"allow-1.bytes\" return comment \"allow-1:bytes\"");
	ruleset_has(text, "counter name \"allow-1.expired\" return comment \"allow-1:expired\"");
	ruleset_has(
		text, "counter name \"limit-connections\" return comment \"limit-connections\"");
	text = ruleset_two(*state, observe, "[limits]\nconnections = \"20/second\"\n");
	ruleset_has(text, "limit name \"limit-connections-10-second\" goto limit-connections");
	ruleset_has(text, "quota name \"limit-bytes\" jump limit-bytes comment");
}

/* An override's entry limits the rules of the base whose all it permits, together. */
static void test_limits_of_overrides(void **state)
{
	static const char base[] = "[[allow]]\nip = \"11.1.0.0/16\"\nbytes = \"1 KiB\"\n"
				   "[[allow]]\nip = \"11.2.0.0/16\"\n" RULESET_BARE;
	static const char override[] = "[[allow]]\nip = \"11.0.0.0/8\"\nbytes = \"2 KiB\"\n"
				       "connections = \"5/second\"\nexpires = 2027-01-31\n";
	const char *text = ruleset_two(*state, base, override);

	ruleset_body(text, "map opening",
		"\t\ttype mark : verdict\n\t\telements = {\n"
		"\t\t\t0x% comment \"allow-1\" : jump open-%,\n"
		"\t\t\t0x% comment \"allow-2\" : jump open-%\n\t\t}\n");
	ruleset_has(text, "# o1:allow-1\n\tlimit connections-");
	ruleset_has(text, "# o1:allow-1\n\tquota bytes-");
	ruleset_has(text, " comment \"o1:allow-1\"\n\t}\n\n\t# packets of one entry\n");
	ruleset_has(text, "counter name \"o1.allow-1.connections\" ct mark set 0x0 goto refuse "
			  "comment \"o1:allow-1:connections\"");
	ruleset_has(
		text, "counter name \"o1.allow-1.bytes\" goto refuse comment \"o1:allow-1:bytes\"");
	ruleset_has(text,
		"counter name \"o1.allow-1.expired\" goto refuse comment \"o1:allow-1:expired\"");
	text = ruleset_two(
		*state, base, arena_printf(*state, "enforcement = \"observe\"\n%s", override));
	ruleset_has(text, "counter name \"o1.allow-1.connections\" return comment "
			  "\"o1:allow-1:connections\"");
	ruleset_has(text, "counter name \"o1.allow-1.bytes\" return comment \"o1:allow-1:bytes\"");
	ruleset_has(
		text, "counter name \"o1.allow-1.expired\" return comment \"o1:allow-1:expired\"");
	ruleset_has(text, "counter name \"allow-1.bytes\" goto refuse comment \"allow-1:bytes\"");
}

static void test_budget(void **state)
{
	static const char base[] =
		"[[allow]]\nip = \"192.0.2.0/24\"\n" RULESET_BARE "[budget]\ndestinations = 200\n";
	const char *text =
		ruleset_one(*state, arena_printf(*state, "%son_exceed = \"refuse\"\n", base));

	ruleset_body(text, "set destinations-200",
		"\t\ttype ipv6_addr\n\t\tsize 200\n\t\tflags dynamic\n");
	ruleset_has(text, "@tcp-443-leases4 ct mark @live accept comment");
	ruleset_has(text, "@tcp-443-addresses4 ct mark @live goto permit-address comment");
	ruleset_body(text, "chain permit-address",
		"\t\tmeta nfproto @extended meta nfproto != @raised goto budget-destinations "
		"comment "
		"\"budget-destinations\"\n"
		"\t\tmeta nfproto ipv4 add @destinations-200 { @nh,32,128 & 0xffffffff | "
		"0xffff00000000 } accept comment \"budget-destinations\"\n"
		"\t\tmeta nfproto ipv6 add @destinations-200 { ip6 daddr } accept comment "
		"\"budget-destinations\"\n"
		"\t\tgoto budget-destinations comment \"budget-destinations: no room\"\n");
	ruleset_body(text, "chain count-names",
		"\t\ttype filter hook output priority raw; policy accept;\n"
		"\t\toif != lo accept comment \"elsewhere\"\n"
		"\t\tip daddr 127.0.0.1 udp dport 9 udp length 24 meta nfproto @extended meta "
		"nfproto != @raised drop comment \"budget-destinations\"\n"
		"\t\tip daddr 127.0.0.1 udp dport 9 udp length 24 meta mark . meta skuid @resolver "
		"add @destinations-200 { @th,64,128 } drop comment \"budget-destinations\"\n"
		"\t\tip daddr 127.0.0.1 udp dport 9 udp length 24 drop comment "
		"\"budget-destinations: no room\"\n");
	ruleset_has(text, "flush set inet egress-default raised\n");
	ruleset_has_not(text, "flush set inet egress-default extended\n");
	ruleset_has_not(ruleset_one(*state, RULESET_BARE), "\tchain count-names {");
	ruleset_body(text, "counter budget-destinations", "\t\tpackets 0 bytes 0\n");
	ruleset_has(text, "counter name \"budget-destinations\" ct mark set 0x0 goto refuse "
			  "comment \"budget-destinations\"");
	ruleset_has_not(ruleset_one(*state, RULESET_BARE), "destinations");
	ruleset_has_not(
		ruleset_one(*state,
			arena_printf(*state,
				"enforcement = \"observe\"\n%son_exceed = \"refuse\"\n", base)),
		"goto refuse");
}

/* What is sent has one quota for each ceiling; connections have an element each. */
static void test_session_budget(void **state)
{
	static const char base[] = RULESET_BARE "[limits]\nbytes = \"2 KiB\"\n"
						"[budget]\nbytes = \"1 KiB\"\nconnections = 7\n";
	const char *text =
		ruleset_one(*state, arena_printf(*state, "%son_exceed = \"refuse\"\n", base));

	ruleset_body(text, "quota limit-bytes", "\t\tover 2048 bytes\n");
	ruleset_body(text, "quota budget-bytes", "\t\tover 1024 bytes\n");
	ruleset_body(text, "map session", "\t\ttype mark : mark\n");
	ruleset_body(text, "set connections-7",
		"\t\ttypeof ct id . meta time\n\t\tsize 7\n\t\tflags dynamic\n");
	ruleset_body(text, "chain connection",
		"\t\tmeta nfproto @extended meta nfproto != @raised goto budget-connections "
		"comment "
		"\"budget-connections\"\n"
		"\t\tadd @connections-7 { ct id . meta time } return comment "
		"\"budget-connections\"\n"
		"\t\tgoto budget-connections comment \"budget-connections: no room\"\n");
	ruleset_has(text, "ct state new jump connection comment");
	ruleset_has(text, "counter name \"budget-connections\" ct mark set 0x0 goto refuse ");
	ruleset_has(text, "quota name \"budget-bytes\" goto budget-bytes comment");
	ruleset_has(text, "counter name \"budget-bytes\" goto refuse comment");
	ruleset_has_not(text, "set destinations");
	text = ruleset_one(*state, base);
	ruleset_has(text, "counter name \"budget-connections\" return comment");
	ruleset_has(text, "quota name \"budget-bytes\" jump budget-bytes comment");
	ruleset_has(text, "quota name \"limit-bytes\" goto limit-bytes comment");
	ruleset_has(text, "limit rate 1/minute burst 5 packets log prefix \"egress-default "
			  "budget-bytes \" group 5");
	ruleset_has_not(ruleset_one(*state, RULESET_BARE), "session");
}

/* Where destinations have no ceiling they are counted for the share, and none is too many. */
static void test_share_alone(void **state)
{
	const char *text = ruleset_one(*state,
		"[[allow]]\nip = \"11.1.0.0/16\"\n" RULESET_BARE "[budget]\nunknown_share = 0.5\n"
		"on_exceed = \"refuse\"\n");

	ruleset_body(text, "set destinations",
		"\t\ttype ipv6_addr\n\t\tsize 65536\n\t\tflags dynamic\n");
	ruleset_has(text, "accept comment \"budget-destinations: no room\"");
	ruleset_has_not(text, "goto budget-destinations");
}

/* A budget that only reports counts just as well, and lets everything through. */
static void test_flagging_budget(void **state)
{
	const char *text = ruleset_one(*state,
		"[[allow]]\nip = \"11.1.0.0/16\"\n" RULESET_BARE "[budget]\ndestinations = 5\n");

	ruleset_body(
		text, "set destinations-5", "\t\ttype ipv6_addr\n\t\tsize 5\n\t\tflags dynamic\n");
	ruleset_has(text, "@tcp-443-addresses4 ct mark @live goto permit-address comment");
	ruleset_body(text, "counter budget-destinations", "\t\tpackets 0 bytes 0\n");
	ruleset_body(text, "chain budget-destinations",
		"\t\tlimit rate 20/second burst 50 packets log prefix \"egress-default "
		"budget-destinations \" group 5 comment \"budget-destinations\"\n"
		"\t\tcounter name \"budget-destinations\" accept comment "
		"\"budget-destinations\"\n");
}

/* --- Permitting --------------------------------------------------------------------------------
 */

static void test_flagged_and_audited(void **state)
{
	const char *text =
		ruleset_one(*state, "[[allow]]\nip = \"192.0.2.0/24\"\nscore = 0.7\n" RULESET_BARE
				    "[audit]\nallowed = true\nnflog_group = 9\n");

	ruleset_body(text, "set flagged",
		"\t\ttype mark\n\t\telements = {\n\t\t\t0x% comment \"allow-1\"\n\t\t}\n");
	ruleset_has(text, " comment \"allow-1 (reported) 192.0.2.0/24 tcp/443, base.toml:2\"\n");
	ruleset_body(text, "chain permit",
		"\t\tct state new ct mark @flagged limit rate 20/second burst 50 packets log "
		"prefix \"egress-default flag \" group 9 comment \"flag\"\n"
		"\t\tct state new ct mark @flagged counter name \"flag\" comment \"flag\"\n"
		"\t\tct state new log prefix \"egress-default allow \" group 9 counter name "
		"\"allow\" comment \"allow\"\n"
		"\t\taccept comment \"permit\"\n");
	ruleset_has(text, "ct state established,new ct mark @live accept comment \"live\"");
	text = ruleset_one(*state, RULESET_BARE "[audit]\nallowed = true\n");
	ruleset_body(text, "chain permit",
		"\t\tct state new log prefix \"egress-default allow \" group 5 counter name "
		"\"allow\" comment \"allow\"\n"
		"\t\taccept comment \"permit\"\n");
}

/* Metrics count what is permitted, and log nothing. */
static void test_counted_for_metrics(void **state)
{
	const char *text = ruleset_one(*state,
		"[metrics]\nlisten = \"127.0.0.1:9533\"\n[[allow]]\nip = \"11.1.0.0/16\"\n");

	ruleset_has(text, "ct mark @live goto permit comment");
	ruleset_has(text, "\tcounter permit {\n\t\tpackets 0 bytes 0\n\t}\n");
	ruleset_body(text, "chain permit",
		"\t\tct state new counter name \"permit\" comment \"permit\"\n"
		"\t\taccept comment \"permit\"\n");
	ruleset_has_not(ruleset_one(*state, "[[allow]]\nip = \"11.1.0.0/16\"\n"), "permit {");
}

/* The mark in the element is the one that is reported. */
static void test_flagged_element(void **state)
{
	const char *text =
		ruleset_one(*state, "[[allow]]\nip = \"11.1.0.0/16\"\nscore = 0.7\n" RULESET_BARE);
	char element[128];
	const char *set = strstr(text, "set flagged {");

	assert_non_null(set);
	set = strstr(set, "0x");
	assert_non_null(set);
	snprintf(element, sizeof(element), "11.1.0.0/16 comment \"allow-1\" : %.10s\n", set);
	ruleset_has(text, element);
}

static void test_default_permit(void **state)
{
	static const char denylist[] =
		"mode = \"denylist\"\n" RULESET_BARE "[score]\nunknown = 0.0\n";
	const char *text = ruleset_one(*state, denylist);

	ruleset_body(text, "chain judge", "\t\tgoto default-permit comment \"default-permit\"\n");
	ruleset_body(text, "chain default-permit",
		"\t\tudp dport 53 goto other-dns comment \"dns\"\n"
		"\t\ttcp dport 53 goto other-dns comment \"dns\"\n"
		"\t\tct mark set 0x% ct mark @live accept comment \"default-permit\"\n"
		"\t\taccept comment \"untracked\"\n");
	ruleset_has(text, "counter name \"dns\" goto refuse comment \"dns\"");
	text = ruleset_one(
		*state, arena_printf(*state, "%s[limits]\nbytes = \"1 KiB\"\n", denylist));
	ruleset_body(text, "chain default-permit",
		"\t\tudp dport 53 goto other-dns comment \"dns\"\n"
		"\t\ttcp dport 53 goto other-dns comment \"dns\"\n"
		"\t\tct mark set 0x% ct mark @live goto permit comment \"default-permit\"\n"
		"\t\tcounter goto refuse comment \"untracked\"\n");
}

static void test_observed(void **state)
{
	const char *text = ruleset_one(*state,
		"enforcement = \"observe\"\n[[deny]]\nip = \"192.0.2.0/24\"\n" RULESET_BARE);

	ruleset_has(text, "192.0.2.0/24 comment \"deny-1\" : goto deny-1\n");
	ruleset_has(text, "counter name \"deny-1\" goto observed comment \"deny-1\"");
	ruleset_has(text, "counter name \"default-deny\" goto observed comment \"default-deny\"");
	ruleset_has(text, " comment \"what only an observing layer would refuse\"\n");
	ruleset_body(text, "chain observed",
		"\t\tct mark set 0x% ct mark @live accept comment \"observed\"\n"
		"\t\taccept comment \"untracked\"\n");
	ruleset_has_not(text, "goto refuse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entry_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_without_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_the_kernel_cannot_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_of_overrides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flagging_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_session_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flagged_and_audited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counted_for_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flagged_element, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_permit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
