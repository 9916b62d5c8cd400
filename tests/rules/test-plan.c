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

#include "rules/flatten.h"
#include "rules/match.h"
#include "rules/plan.h"
#include "src/base/arena.h"
#include "tests/rules/sketch.h"

enum { PROTOCOLS = PROTOCOL_ICMP_ECHO + 1 };

static int setup(void **state)
{
	return arena_new(64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* A fixed sequence (Knuth's MMIX constants), so that a failure can be repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

static bool entry_has_port(const struct entry *entry, unsigned protocol, unsigned port)
{
	for (size_t i = 0; i < entry->n_ports; i++)
		if (entry->ports[i].protocol == protocol && entry->ports[i].first <= port &&
			port <= entry->ports[i].last)
			return true;
	return false;
}

static bool same_entries(const struct policy *policy, const unsigned a[2], const unsigned b[2])
{
	for (size_t i = 0; i < policy->n_allow; i++)
		if (entry_has_port(&policy->allow[i], a[0], a[1]) !=
			entry_has_port(&policy->allow[i], b[0], b[1]))
			return false;
	return true;
}

/* Group of a port by walking all groups; -1: none. It must be in one at most. */
static int group_of(const struct plan *plan, unsigned protocol, unsigned port)
{
	int found = -1;

	for (size_t i = 0; i < plan->n_groups; i++) {
		const struct plan_group *group = &plan->groups[i];

		for (size_t j = 0; j < group->n_ports; j++) {
			if (group->ports[j].protocol != protocol || port < group->ports[j].first ||
				port > group->ports[j].last)
				continue;
			assert_int_equal(found, -1);
			found = (int)i;
		}
	}
	return found;
}

/* One port against the definition of the partition; `points` are all ports that are looked at. */
static void check_port(
	const struct plan *plan, const unsigned at[2], unsigned (*points)[2], size_t n_points)
{
	const struct policy *policy = plan->policy;
	int group = group_of(plan, at[0], at[1]);
	unsigned found = 99;
	bool named = false;

	for (size_t i = 0; i < policy->n_allow; i++) {
		bool has = entry_has_port(&policy->allow[i], at[0], at[1]);

		named |= has;
		if (group >= 0)
			assert_int_equal(has, plan->rule_groups[i] >> group & 1);
	}
	assert_int_equal(named, group >= 0);
	assert_int_equal(match_port(plan, at[0], (uint16_t)at[1], &found), named);
	if (named)
		assert_int_equal(found, group);
	for (size_t i = 0; named && i < n_points; i++)
		assert_int_equal(same_entries(policy, at, points[i]),
			group_of(plan, points[i][0], points[i][1]) == group);
}

static void random_ports(struct entry *entry)
{
	entry->n_ports = 1 + random_below(4);
	for (size_t i = 0; i < entry->n_ports; i++) {
		unsigned protocol = random_below(PROTOCOLS);
		unsigned first = random_below(2) ? random_below(20) : 65535 - random_below(10);
		unsigned last = first + random_below(8);

		if (last > 65535 || random_below(10) == 0)
			last = 65535;
		if (protocol == PROTOCOL_ICMP_ECHO)
			first = last = 0;
		entry->ports[i] = (struct port_range){
			.protocol = protocol, .first = (uint16_t)first, .last = (uint16_t)last};
	}
}

static void test_partition_is_coarsest(void **state)
{
	static const char *const lines[] = {"a.example : tcp/1 tcp/2 tcp/3 tcp/4",
		"b.example : tcp/1 tcp/2 tcp/3 tcp/4", "c.example : tcp/1 tcp/2 tcp/3 tcp/4",
		"d.example : tcp/1 tcp/2 tcp/3 tcp/4", NULL};
	unsigned points[PROTOCOLS * 60][2];
	size_t n_points = 0;

	random_state = 1;
	for (unsigned protocol = 0; protocol < PROTOCOL_ICMP_ECHO; protocol++)
		for (unsigned port = 0; port < 60; port++, n_points++) {
			points[n_points][0] = protocol;
			points[n_points][1] = port < 40 ? port : 65535 - (port - 40);
		}
	points[n_points][0] = PROTOCOL_ICMP_ECHO;
	points[n_points++][1] = 0;

	for (unsigned round = 0; round < 150; round++) {
		struct policy *policy = sketch_policy(*state, lines);
		const struct plan *plan;

		for (size_t i = 0; i < policy->n_allow; i++)
			random_ports(&policy->allow[i]);
		plan = sketch_plan(*state, policy);
		for (size_t i = 0; i < n_points; i++)
			check_port(plan, points[i], points, n_points);
		for (size_t i = 1; i < plan->n_groups; i++) {
			const struct port_range *a = plan->groups[i - 1].ports;
			const struct port_range *b = plan->groups[i].ports;

			assert_true(a->protocol < b->protocol ||
				    (a->protocol == b->protocol && a->first < b->first));
		}
		arena_reset(*state);
	}
}

static void test_group_names(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443 udp/443",
		"b.example : tcp/443 udp/443 tcp/80", "c.example : tcp/8000-8100 tcp/8101",
		"d.example : icmp/echo", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_int_equal(plan->n_groups, 4);
	assert_string_equal(plan->groups[0].name, "tcp-80");
	assert_string_equal(plan->groups[1].name, "tcp-443");
	assert_int_equal(plan->groups[1].n_ports, 2);
	assert_string_equal(plan->groups[2].name, "tcp-8000-8101");
	assert_int_equal(plan->groups[2].n_ports, 1);
	assert_string_equal(plan->groups[3].name, "icmp-echo");
	assert_string_equal(plan->groups[1].family[PLAN_IP4].leases, "tcp-443-leases4");
	assert_string_equal(plan->groups[1].family[PLAN_IP6].addresses, "tcp-443-addresses6");
	assert_int_equal(plan->rule_groups[0], 1 << 1);
	assert_int_equal(plan->rule_groups[1], 1 << 0 | 1 << 1);
	assert_string_equal(plan->table, "egress-sketch");
	assert_string_equal(plan->live_set, "live");
	assert_string_equal(plan->resolver_set, "resolver");
}

static void test_too_many_groups(void **state)
{
	const char *lines[PLAN_GROUPS_MAX + 2] = {0};
	struct diag *diag = diag_new(*state);
	const struct plan *plan = NULL;
	struct policy *policy;
	char *text;
	size_t size;
	FILE *out;

	for (unsigned i = 0; i <= PLAN_GROUPS_MAX; i++)
		lines[i] = arena_printf(*state, "a.example : tcp/%u", 2 * i + 1);
	policy = sketch_policy(*state, lines);
	assert_int_equal(plan_make(*state, policy, diag, &plan), -EINVAL);
	assert_null(plan);
	assert_true(diag_failed(diag));
	out = open_memstream(&text, &size);
	diag_print(diag, out);
	fclose(out);
	assert_non_null(strstr(text, "sketch.toml:650:1: error: too many port groups"));
	free(text);

	policy->n_allow = PLAN_GROUPS_MAX;
	assert_int_equal(plan_make(*state, policy, diag, &plan), 0);
	assert_int_equal(plan->n_groups, PLAN_GROUPS_MAX);
	assert_int_equal(plan->rule_groups[63], UINT64_C(1) << 63);
}

static void test_empty_policy(void **state)
{
	static const char *const lines[] = {NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));
	unsigned group;

	assert_int_equal(plan->n_rules, 0);
	assert_int_equal(plan->n_groups, 0);
	assert_int_equal(plan->family[PLAN_IP4].n_blocks, 0);
	assert_null(plan->family[PLAN_IP4].listen);
	assert_false(match_port(plan, PROTOCOL_TCP, 443, &group));
}

static void test_marks(void **state)
{
	static const char *const before[] = {"a.example b.example 10.0.0.0/8 : tcp/443 tcp/80",
		"b.example : tcp/443", "b.example : tcp/443", NULL};
	static const char *const after[] = {"c.example : udp/1", "b.example : tcp/443",
		"10.0.0.0/8 b.example a.example : tcp/80 tcp/443", "b.example : tcp/444",
		"*.example : tcp/443", "**.example : tcp/443", "example : tcp/443",
		"10.0.0.0/9 b.example a.example : tcp/80 tcp/443", NULL};
	const struct plan *a = sketch_plan(*state, sketch_policy(*state, before));
	const struct plan *b = sketch_plan(*state, sketch_policy(*state, after));

	/* What the entry says counts, neither its position nor the order in it. */
	assert_int_equal(a->rules[0].mark, b->rules[2].mark);
	assert_int_equal(a->rules[1].mark, b->rules[1].mark);
	assert_int_not_equal(a->rules[1].mark, a->rules[2].mark);
	for (size_t i = 0; i < b->n_rules; i++) {
		assert_int_not_equal(b->rules[i].mark, 0);
		assert_int_equal(b->rules[i].mark >> 31, 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(b->rules[i].mark, b->rules[j].mark);
	}
	/* Leases of an installed version must stay good. */
	assert_int_equal(a->rules[1].mark, 0x40e9897d);
}

static void test_rule_texts(void **state)
{
	static const char *const lines[] = {"api.example.com *.example.net : tcp/443",
		"**.a.example 10.0.0.0/8 2001:db8::/32 192.0.2.1-192.0.2.9 a.example b.example "
		": tcp/1 tcp/2-3 udp/4 tcp/65000-65535 icmp/echo",
		"a23456789-a23456789-a23456789-a23456789-a23456789-a23456789.example x.example "
		": tcp/443",
		NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(plan->rules[0].id, "allow-1");
	assert_int_equal(plan->rules[1].place.line, 20);
	assert_ptr_equal(plan->rules[1].entry, &plan->policy->allow[1]);
	assert_string_equal(plan->rules[0].text, "api.example.com, *.example.net tcp/443");
	assert_string_equal(plan->rules[1].text,
		"**.a.example, a.example, b.example and 3 more tcp/1, tcp/2-3 and 3 more");
	assert_string_equal(plan->rules[2].text,
		"a23456789-a23456789-a23456789-a23456789-..., x.example tcp/443");
	for (size_t i = 0; i < plan->n_rules; i++)
		assert_true(strlen(plan->rules[i].text) <= 100);
}

static void test_listen(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;
	char text[INADDR_TEXT];

	sketch_listen(*state, policy, "[2001:db8::1]:5353");
	sketch_listen(*state, policy, "192.0.2.1:53");
	sketch_listen(*state, policy, "192.0.2.2:53");
	plan = sketch_plan(*state, policy);
	assert_string_equal(endpoint_to_text(plan->family[PLAN_IP4].listen, text), "192.0.2.1:53");
	assert_string_equal(
		endpoint_to_text(plan->family[PLAN_IP6].listen, text), "[2001:db8::1]:5353");
}

static void test_dns_port_is_warned_of(void **state)
{
	static const char *const lines[] = {"a.example : tcp/53 udp/1-100 udp/53", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	struct diag *diag = diag_new(*state);
	const struct plan *plan;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(plan_make(*state, policy, diag, &plan), 0);
	diag_print(diag, out);
	fflush(out);
	assert_int_equal(size, 0);

	sketch_listen(*state, policy, "127.0.0.1:5300");
	assert_int_equal(plan_make(*state, policy, diag, &plan), 0);
	assert_false(diag_failed(diag));
	diag_print(diag, out);
	fclose(out);
	assert_non_null(strstr(text, "sketch.toml:10:1: warning: tcp/53 opens nothing"));
	assert_non_null(strstr(text, "sketch.toml:10:1: warning: udp/53 opens nothing"));
	assert_null(strstr(text, "udp/1-100"));
	free(text);
}

/* The spans of a family of a group, "10.0.0.0/8=allow-1 ...". */
static const char *spans_text(
	struct arena *arena, const struct plan *plan, size_t group, unsigned family)
{
	const char *text = "";
	char range[INADDR_TEXT];

	for (size_t i = 0; i < plan->groups[group].family[family].n_spans; i++) {
		const struct plan_span *span = &plan->groups[group].family[family].spans[i];

		text = arena_printf(arena, "%s%s%s=%s", text, i > 0 ? " " : "",
			range_to_text(&span->range, range), plan->rules[span->rule].id);
	}
	return text;
}

static const char *const network_lines[] = {"10.0.0.0/8 : tcp/1", /* as wide as its class: no */
	"10.42.0.0/16 : tcp/1",                                   /* narrower: yes */
	"10.42.7.0/24 : tcp/1",                                   /* and narrower still */
	"10.42.7.0/24 : tcp/1",                                   /* the same later */
	"169.254.0.0-169.254.200.0 : tcp/1", /* wider than the address of metadata in it */
	"192.0.0.0/2 ::/0 : tcp/1",          /* around classes */
	"192.168.5.0/24 fe80::1:0/112 : tcp/2", NULL};

static void test_blocks_lose_to_narrower_only(void **state)
{
	struct policy *policy = sketch_policy(*state, network_lines);
	const struct plan *plan;
	unsigned one, two;

	policy->block = 1u << CLASS_PRIVATE | 1u << CLASS_LINK_LOCAL | 1u << CLASS_METADATA;
	plan = sketch_plan(*state, policy);
	assert_true(match_port(plan, PROTOCOL_TCP, 1, &one));
	assert_true(match_port(plan, PROTOCOL_TCP, 2, &two));
	assert_string_equal(spans_text(*state, plan, two, PLAN_IP4), "192.168.5.0/24=allow-7");
	assert_string_equal(match_address(plan, one, &(struct inaddr){{0}})->id, "allow-6");

	static const struct {
		const char *address;
		unsigned group; /* 1 or 2 */
		const char *rule;
	} cases[] = {
		{"10.0.0.1", 1, NULL},
		{"10.42.0.0", 1, "allow-2"},
		{"10.42.6.255", 1, "allow-2"},
		{"10.42.7.0", 1, "allow-3"},
		{"10.42.7.255", 1, "allow-3"},
		{"10.42.8.0", 1, "allow-2"},
		{"10.43.0.0", 1, NULL},
		{"169.254.169.253", 1, "allow-5"},
		{"169.254.169.254", 1, NULL},
		{"169.254.200.0", 1, "allow-5"},
		{"169.254.200.1", 1, NULL},
		{"191.255.255.255", 1, NULL},
		{"192.0.0.0", 1, "allow-6"},
		{"192.168.5.1", 1, NULL},
		{"192.168.5.1", 2, "allow-7"},
		{"192.169.0.0", 1, "allow-6"},
		{"255.255.255.255", 1, "allow-6"},
		{"2001:db8::1", 1, "allow-6"},
		{"fe80::1:5", 1, NULL},
		{"fe80::1:5", 2, "allow-7"},
		{"fd00::1", 1, NULL},
		{"::fffe:ffff:ffff", 1, "allow-6"},
		{"::1:0:0:0", 1, "allow-6"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = sketch_address(cases[i].address);
		const struct plan_rule *rule =
			match_address(plan, cases[i].group == 1 ? one : two, &address);

		if (!cases[i].rule && rule)
			fail_msg("%s is permitted by %s", cases[i].address, rule->id);
		if (cases[i].rule && !rule)
			fail_msg("%s is refused", cases[i].address);
		if (rule)
			assert_string_equal(rule->id, cases[i].rule);
	}
}

static void test_blocks_leave_out_what_is_permitted(void **state)
{
	struct policy *policy = sketch_policy(*state, network_lines);
	const struct plan *plan;
	struct {
		const char *address;
		int class;
	} cases[] = {
		{"10.0.0.0", CLASS_PRIVATE},
		{"10.41.255.255", CLASS_PRIVATE},
		{"10.42.0.0", -1},
		{"10.43.0.0", CLASS_PRIVATE},
		{"169.254.0.0", -1},
		{"169.254.169.254", CLASS_METADATA},
		{"169.254.200.1", CLASS_LINK_LOCAL},
		{"192.168.5.1", -1},
		{"192.168.6.1", CLASS_PRIVATE},
		{"fe80::1:5", -1},
		{"fe80::2:5", CLASS_LINK_LOCAL},
		{"127.0.0.1", -1},
		{"224.0.0.1", -1},
	};

	policy->block = 1u << CLASS_PRIVATE | 1u << CLASS_LINK_LOCAL | 1u << CLASS_METADATA;
	plan = sketch_plan(*state, policy);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = sketch_address(cases[i].address);
		unsigned family = inaddr_is_ip4(&address) ? PLAN_IP4 : PLAN_IP6;
		int class = -1;

		for (size_t j = 0; j < plan->family[family].n_blocks; j++)
			if (range_contains(&plan->family[family].blocks[j].range, &address))
				class = (int)plan->family[family].blocks[j].class;
		if (class != cases[i].class)
			fail_msg("%s: class %d", cases[i].address, class);
	}
}

/* IPv4-mapped addresses are IPv4: an IPv6 range in the kernel must not have them. */
static void test_mapped_block_is_cut_out(void **state)
{
	static const char *const lines[] = {"::/0 : tcp/1", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(spans_text(*state, plan, 0, PLAN_IP6),
		"::/80=allow-1 "
		"::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff=allow-1");
	assert_int_equal(plan->groups[0].family[PLAN_IP4].n_spans, 0);
}

static void test_neighbours_are_joined(void **state)
{
	static const char *const lines[] = {
		"10.0.0.0/9 10.128.0.0/9 11.0.0.0/8 : tcp/1", "12.0.0.0/8 : tcp/1", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(
		spans_text(*state, plan, 0, PLAN_IP4), "10.0.0.0/7=allow-1 12.0.0.0/8=allow-2");
}

/* Address number n of a small world, which begins `from`. */
static struct inaddr world(struct inaddr from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!inaddr_next(&from, &from))
			fail_msg("the world is too small");
	return from;
}

/* Who has the address by the definition; -1: nobody. */
static int owner_by_definition(const unsigned (*claims)[3], unsigned n_claims, unsigned at)
{
	int best = -1;

	for (unsigned i = 0; i < n_claims; i++) {
		unsigned width = claims[i][1] - claims[i][0];

		if (at < claims[i][0] || at > claims[i][1])
			continue;
		if (best < 0 || width < claims[best][1] - claims[best][0] ||
			(width == claims[best][1] - claims[best][0] &&
				claims[i][2] < claims[best][2]))
			best = (int)i;
	}
	return best;
}

static void check_flatten(const struct inaddr *addresses, unsigned size, unsigned n_claims)
{
	unsigned numbers[16][3];
	struct claim claims[16];
	struct territory *territories;
	size_t count, next = 0;

	for (unsigned i = 0; i < n_claims; i++) {
		unsigned a = random_below(size), b = random_below(size);

		numbers[i][0] = a < b ? a : b;
		numbers[i][1] = a < b ? b : a;
		numbers[i][2] = random_below(2);
		claims[i] = (struct claim){
			.range = {addresses[numbers[i][0]], addresses[numbers[i][1]]},
			.rank = numbers[i][2],
			.owner = i,
		};
	}
	assert_int_equal(flatten(claims, n_claims, &territories, &count), 0);
	for (unsigned at = 0; at < size; at++) {
		int owner = owner_by_definition(numbers, n_claims, at), found = -1;

		for (size_t i = 0; i < count; i++) {
			if (!range_contains(&territories[i].range, &addresses[at]))
				continue;
			assert_int_equal(found, -1);
			found = (int)territories[i].owner;
		}
		assert_int_equal(found, owner);
	}
	for (next = 1; next < count; next++)
		assert_true(inaddr_compare(&territories[next - 1].range.last,
				    &territories[next].range.first) < 0);
	free(territories);
}

static void test_flatten_random(void **state)
{
	/* The middle, the ends of the families, and around the IPv4-mapped block. */
	static const char *const worlds[] = {"192.0.2.250", "0.0.0.0", "255.255.255.216",
		"::", "2001:db8::fff0", "::fffe:ffff:ffe8",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffd8", "2001:db8:0:0:ffff:ffff:ffff:fff0"};
	enum { SIZE = 40 };
	struct inaddr addresses[SIZE];

	(void)state;
	random_state = 2;
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		for (unsigned j = 0; j < SIZE; j++)
			addresses[j] = world(sketch_address(worlds[i]), j);
		for (unsigned round = 0; round < 400; round++)
			check_flatten(addresses, SIZE, random_below(16));
	}
}

/* Widths of 128 bits are compared whole. */
static void test_flatten_wide(void **state)
{
	struct claim claims[] = {
		{{sketch_address("2001::"), sketch_address("2003::ffff")}, 0, 1},
		{{sketch_address("2001::"), sketch_address("2002:ffff::")}, 0, 2},
		{{sketch_address("2001::5"), sketch_address("2001:0:0:1::4")}, 0, 3},
		{{sketch_address("2001::5"), sketch_address("2001:0:0:1::3")}, 0, 4},
	};
	struct territory *territories;
	size_t count;
	char text[INADDR_TEXT];

	(void)state;
	assert_int_equal(flatten(claims, 4, &territories, &count), 0);
	assert_int_equal(count, 5);
	assert_int_equal(territories[1].owner, 4);
	assert_string_equal(range_to_text(&territories[1].range, text), "2001::5-2001:0:0:1::3");
	assert_string_equal(range_to_text(&territories[2].range, text), "2001:0:0:1::4");
	assert_int_equal(territories[3].owner, 2);
	assert_int_equal(territories[4].owner, 1);
	free(territories);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_partition_is_coarsest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rule_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns_port_is_warned_of, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks_lose_to_narrower_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_blocks_leave_out_what_is_permitted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mapped_block_is_cut_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours_are_joined, setup, teardown),
		cmocka_unit_test(test_flatten_random),
		cmocka_unit_test(test_flatten_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
