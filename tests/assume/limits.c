/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of rates, quotas, dates, and of sets that packets fill. */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

/* Sends a datagram each to `count` ports from `first` on; nobody answers but with an error. */
static void send_to(const char *address, uint16_t first, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = wire_connect(SOCK_DGRAM, address, (uint16_t)(first + i));

		CHECK(fd >= 0);
		(void)send(fd, "x", 1, 0);
		close(fd);
	}
}

/* The table with a chain output of these rules, about UDP. */
static void load(const char *objects, const char *rules)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"add table inet t\nflush table inet t\n"
		"table inet t {\n"
		"%s\n"
		"chain output {\n"
		"type filter hook output priority filter; policy accept;\n"
		"meta l4proto != udp accept\n"
		"%s\n"
		"}\n}\n",
		objects, rules);
	wire_load(text);
}

/* Whether nft lists the words, of table t. */
static bool lists(const char *words)
{
	char *text;
	bool found;

	CHECK(ruleset_read("t", &text) == 0);
	found = strstr(text, words) != NULL;
	free(text);
	return found;
}

static const char rate_rules[] = "limit name \"l\" counter comment \"over\"\n"
				 "counter comment \"all\"";

static void a_burst_is_what_passes_at_once(void)
{
	load("limit l { rate over 10/day burst 10 packets; }", rate_rules);
	send_to("127.0.0.1", 2000, 15);
	CHECK(wire_packets("all") == 15);
	CHECK(wire_packets("over") == 5);
}

/* So a rate's value is in its name. */
static void a_limit_outlives_its_rules_and_never_changes(void)
{
	load("limit l { rate over 10/day burst 10 packets; }", rate_rules);
	send_to("127.0.0.1", 2000, 8);
	load("limit l { rate over 10/day burst 10 packets; }", rate_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 6);
	load("limit l { rate over 100/day burst 100 packets; }", rate_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 8);
	CHECK(lists("rate over 10/day"));
}

static const char quota_rules[] = "quota name \"q\" counter comment \"over\"\n"
				  "counter comment \"all\"";

/* A datagram of one byte has 29 with its headers. */
static void a_quota_outlives_its_rules_and_changes(void)
{
	load("quota q { over 290 bytes; }", quota_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 0);
	load("quota q { over 290 bytes; }", quota_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 6);
	load("quota q { over 2900 bytes; }", quota_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 0);
	CHECK(lists("used 696 bytes"));
	load("quota q { over 29 bytes; }", quota_rules);
	send_to("127.0.0.1", 2000, 8);
	CHECK(wire_packets("over") == 8);
}

static void a_quota_has_63_bits(void)
{
	char *message = NULL;

	load("quota q { over 9223372036854775807 bytes; }", quota_rules);
	CHECK(ruleset_load("table inet t { quota r { over 9223372036854775808 bytes; }; }", false,
		      &message) != 0);
	free(message);
}

static const char slot_set[] = "set slots { type mark; size 1000; flags dynamic; }";
static const char slot_rules[] =
	"meta nfproto ipv4 add @slots { jhash ip daddr mod 0x7fffffff seed 0x65677265 offset 1 } "
	"counter accept comment \"slot\"\n"
	"counter comment \"full\"";

/* Sends to 10,000 addresses, in an order of its own. */
static void send_everywhere(unsigned sender, atomic_uint *start)
{
	char address[32];

	++*start;
	while (*start < 4)
		continue;
	for (unsigned i = 0; i < 10000; i++) {
		unsigned at = (i + 2500 * sender) % 10000;

		snprintf(address, sizeof(address), "127.1.%u.%u", at / 200, at % 200 + 1);
		send_to(address, 2000, 1);
	}
	_exit(0);
}

/* Elements of the first set that nft lists, of a type that is listed as 0x... */
static unsigned count_elements(void)
{
	char *text, *at, *end;
	unsigned count = 0;

	CHECK(ruleset_read("t", &text) == 0);
	at = strstr(text, "elements = {");
	end = at ? strchr(at, '}') : NULL;
	while (at && (at = strstr(at, "0x")) && at < end) {
		at += 2;
		count++;
	}
	free(text);
	return count;
}

/* However many packets come at the same time, a set takes as many as its size says. */
static void a_set_that_packets_fill_is_never_overfull(void)
{
	atomic_uint *start = mmap(
		NULL, sizeof(*start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	CHECK(start != MAP_FAILED);
	load(slot_set, slot_rules);
	for (unsigned i = 0; i < 4; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0)
			send_everywhere(i, start);
	}
	for (unsigned i = 0; i < 4; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(count_elements() == 1000);
	CHECK(wire_packets("slot") >= 1000);
	CHECK(wire_packets("slot") + wire_packets("full") == 40000);
}

/* The same seed finds the same elements; a full set still knows what it has. */
static void slots_are_found_again(void)
{
	load("set slots { type mark; size 2; flags dynamic; }", slot_rules);
	send_to("127.0.0.1", 2000, 3);
	send_to("127.0.0.2", 2000, 3);
	send_to("127.0.0.3", 2000, 3);
	CHECK(wire_packets("slot") == 6);
	CHECK(wire_packets("full") == 3);
	CHECK(count_elements() == 2);
	load("set slots { type mark; size 2; flags dynamic; }", slot_rules);
	send_to("127.0.0.1", 2000, 1);
	send_to("127.0.0.2", 2000, 1);
	send_to("127.0.0.3", 2000, 1);
	CHECK(wire_packets("slot") == 2);
	CHECK(wire_packets("full") == 1);
}

static void a_set_takes_another_size(void)
{
	load("set slots { type mark; size 1; flags dynamic; }", slot_rules);
	send_to("127.0.0.1", 2000, 1);
	load("set slots { type mark; size 2; flags dynamic; }", slot_rules);
	send_to("127.0.0.2", 2000, 1);
	if (wire_packets("full") == 1)
		space_skip_test("this kernel keeps the old size");
	send_to("127.0.0.3", 2000, 1);
	CHECK(wire_packets("slot") == 1 && wire_packets("full") == 1);
}

/* A rule that finds no room ends before its verdict, whichever way its limit is written. */
static void a_rate_for_each_address(void)
{
	static const char set[] =
		"set recent { type ipv4_addr; size 2; flags dynamic,timeout; timeout 60s; }";

	load(set, "meta nfproto ipv4 update @recent { ip daddr limit rate over 3/day burst 3 "
		  "packets } counter accept comment \"over\"\n"
		  "meta nfproto ipv4 ip daddr != @recent counter accept comment \"no-room\"\n"
		  "counter comment \"below\"");
	send_to("127.0.0.1", 2000, 5);
	send_to("127.0.0.2", 2000, 4);
	CHECK(wire_packets("over") == 3);
	CHECK(wire_packets("below") == 6);
	CHECK(wire_packets("no-room") == 0);
	send_to("127.0.0.3", 2000, 4);
	CHECK(wire_packets("over") == 3);
	CHECK(wire_packets("below") == 6);
	CHECK(wire_packets("no-room") == 4);
}

/* A number is seconds since 1970, wherever who loads it lives. */
static void dates_are_absolute(void)
{
	char rules[256];
	long now = (long)time(NULL);

	CHECK(setenv("TZ", "Asia/Tokyo", 1) == 0);
	tzset();
	snprintf(rules, sizeof(rules),
		"meta time >= %ld counter comment \"past\"\n"
		"meta time >= %ld counter comment \"future\"",
		now - 100, now + 100);
	load("", rules);
	send_to("127.0.0.1", 2000, 1);
	CHECK(wire_packets("past") == 1);
	CHECK(wire_packets("future") == 0);
}

/* A chain on a hook is deleted with what leads from it, if it was there or not. */
static void chains_on_hooks_are_deleted(void)
{
	static const char without[] = "add table inet t\n"
				      "add chain inet t output\n"
				      "flush table inet t\n"
				      "delete chain inet t output\n"
				      "table inet t { chain other { counter; }; }\n";

	wire_load(without);
	wire_load(without);
	load("chain other { drop; }", "goto other");
	CHECK(lists("hook output"));
	wire_load(without);
	CHECK(!lists("hook output") && lists("chain other"));
	send_to("127.0.0.1", 2000, 1);
}

int main(void)
{
	const struct space_test tests[] = {
		{"a burst is what passes at once", a_burst_is_what_passes_at_once, SPACE_USER},
		{"a limit outlives its rules and never changes",
			a_limit_outlives_its_rules_and_never_changes, SPACE_USER},
		{"a quota outlives its rules and changes", a_quota_outlives_its_rules_and_changes,
			SPACE_USER},
		{"a quota has 63 bits", a_quota_has_63_bits, SPACE_USER},
		{"a set that packets fill is never overfull",
			a_set_that_packets_fill_is_never_overfull, SPACE_USER},
		{"slots are found again", slots_are_found_again, SPACE_USER},
		{"a set takes another size", a_set_takes_another_size, SPACE_USER},
		{"a rate for each address, and no room", a_rate_for_each_address, SPACE_USER},
		{"dates are absolute", dates_are_absolute, SPACE_USER},
		{"chains on hooks are deleted", chains_on_hooks_are_deleted, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
