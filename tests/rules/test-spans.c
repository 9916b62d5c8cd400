/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/judge.h"
#include "rules/plan.h"
#include "rules/ports.h"
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

/* A fixed sequence (Knuth's MMIX constants), so that a failure can be repeated. */
static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % bound;
}

enum { NO_GROUP = -1 };

static const struct plan_span *find_span(
	const struct plan_spans *spans, const struct inaddr *address)
{
	const struct plan_span *found = NULL;

	for (size_t i = 0; i < spans->n_spans; i++) {
		if (!range_contains(&spans->spans[i].range, address))
			continue;
		assert_null(found);
		found = &spans->spans[i];
	}
	return found;
}

/* What the kernel finds in its maps, in its order. */
static struct plan_span decide(const struct plan *plan, int group, const struct inaddr *address)
{
	unsigned family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
	const struct plan_spans *lists[4] = {
		group == NO_GROUP ? NULL : &plan->groups[group].family[family].permitted,
		group == NO_GROUP ? NULL : &plan->groups[group].family[family].denied,
		&plan->family[family].permitted,
		&plan->family[family].denied,
	};

	for (unsigned i = 0; i < 4; i++) {
		const struct plan_span *span = lists[i] ? find_span(lists[i], address) : NULL;

		if (span)
			return *span;
	}
	return (struct plan_span){.verdict = plan->otherwise, .index = plan->otherwise_index};
}

static const char *decided_rule(const struct plan *plan, const struct plan_span *decision)
{
	return decision->verdict >= VERDICT_OBSERVE ? plan->refusals[decision->index].id
						    : plan->rules[decision->index].id;
}

static void check_address(const struct plan *plan, int group, const struct inaddr *address,
	enum protocol protocol, uint16_t port)
{
	struct question question = {.address = address, .protocol = protocol, .port = port};
	struct plan_span decision = decide(plan, group, address);
	char id[RULE_ID_MAX], text[INADDR_TEXT];
	struct judgement judgement;

	judge(plan->layers, &question, &judgement);
	judgement_rule(plan->layers, &judgement, id);
	if (decision.verdict != judgement.verdict || strcmp(decided_rule(plan, &decision), id) != 0)
		fail_msg("%s port %u: %d by %s, should be %d by %s", inaddr_to_text(address, text),
			port, decision.verdict, decided_rule(plan, &decision), judgement.verdict,
			id);
	if (decision.verdict == VERDICT_FLAG)
		assert_int_not_equal(plan->rules[decision.index].flag_mark, 0);
	if (decision.verdict >= VERDICT_OBSERVE)
		assert_int_equal(plan->refusals[decision.index].observed,
			decision.verdict == VERDICT_OBSERVE);
}

/* An address on some port of each group, and on ports of none. */
static void check_ports(const struct plan *plan, const struct inaddr *address)
{
	unsigned group;

	for (unsigned i = 0; i < plan->n_groups; i++) {
		const struct port_range *ports =
			&plan->groups[i].ports[random_below((unsigned)plan->groups[i].n_ports)];

		check_address(plan, (int)i, address, ports->protocol, ports->last);
	}
	assert_false(plan_find_group(plan, PROTOCOL_UDP, 9, &group));
	check_address(plan, NO_GROUP, address, PROTOCOL_UDP, 9);
	check_address(plan, NO_GROUP, address, PROTOCOL_OTHER, 0);
}

/* Edges of classes, of the families, of the IPv4-mapped block, and more between. */
static const char *const points[] = {"0.0.0.0", "0.0.0.5", "9.9.9.9", "10.0.0.0", "10.42.0.0",
	"10.42.7.0", "10.42.7.255", "10.42.255.255", "10.255.255.255", "11.0.0.0", "127.0.0.1",
	"169.254.0.0", "169.254.169.253", "169.254.169.254", "169.254.255.255", "192.0.0.0",
	"192.0.0.192", "192.0.0.255", "192.168.0.0", "192.168.255.255", "223.255.255.255",
	"224.0.0.0", "255.255.255.255", "::", "::1", "::ffff", "::fffe:ffff:fff0",
	"::fffe:ffff:ffff", "::1:0:0:0", "64:ff9b::a00:0", "64:ff9b::aff:ffff",
	"2001:db8::", "2001:db8::1", "2001:db8:0:1::", "fc00::", "fd00:ec2::254",
	"fe80::", "fe80::1", "fec0::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

enum { POINTS = sizeof(points) / sizeof(points[0]) };

static const char *const prefixes[] = {"10.0.0.0/8", "10.42.0.0/16", "10.42.7.0/24", "0.0.0.0/0",
	"192.0.0.0/2", "169.254.0.0/16", "192.168.0.0/16", "10.42.7.0/25", "::/0", "2001:db8::/32",
	"fe80::/10", "::/96", "fc00::/7", "64:ff9b::/96"};

static const char *draw_range(struct arena *arena)
{
	for (;;) {
		unsigned a = random_below(POINTS), b = random_below(POINTS);
		struct inaddr first = sketch_address(points[a]), last = sketch_address(points[b]);

		if (random_below(2) == 0)
			return prefixes[random_below(sizeof(prefixes) / sizeof(prefixes[0]))];
		if (inaddr_is_ip4(&first) == inaddr_is_ip4(&last) &&
			inaddr_compare(&first, &last) <= 0)
			return arena_printf(arena, "%s-%s", points[a], points[b]);
	}
}

static const char *draw_line(struct arena *arena)
{
	static const char *const ports[] = {
		"tcp/1", "tcp/1 tcp/2", "tcp/2-4", "udp/1 icmp/echo", "tcp/4", "tcp/1-4"};
	static const char *const scores[] = {
		"", " ; score=0.2", " ; score=0.7", " ; score=1.5", " ; score=3.5"};
	bool deny = random_below(2) == 0;
	const char *line = arena_printf(arena, "%s%s", deny ? "deny " : "allow ",
		random_below(4) == 0 ? arena_printf(arena, "a%u.example", random_below(3))
				     : draw_range(arena));

	while (random_below(3) == 0)
		line = arena_printf(
			arena, "%s %s%s", line, random_below(3) == 0 ? "@" : "", draw_range(arena));
	if (!deny || random_below(2) == 0)
		line = arena_printf(arena, "%s : %s", line, ports[random_below(6)]);
	if (random_below(3) == 0)
		line = arena_printf(arena, "%s%s", line, scores[random_below(5)]);
	return line;
}

static struct policy *draw_policy(struct arena *arena)
{
	static const double unknowns[] = {1.0, 1.0, 0.0, 0.6, 6.0};
	static const double refuse_at[] = {1.0, 3.0, 5.0};
	const char *lines[9] = {0};
	struct policy *policy;

	for (unsigned i = 0, n_lines = random_below(9); i < n_lines; i++)
		lines[i] = draw_line(arena);
	policy = sketch_policy(arena, lines);
	policy->score.unknown = unknowns[random_below(5)];
	policy->score.refuse_at = refuse_at[random_below(3)];
	policy->observe = random_below(4) == 0;
	policy->has_allow |= random_below(2) == 0;
	if (random_below(2) == 0)
		policy->block = random_below(CLASS_ALL + 1);
	return policy;
}

/* Some layers; NULL for those that are refused, since nothing could enforce what they say of
 * names. */
static const struct layers *draw_layers(struct arena *arena)
{
	const struct policy *policies[3];
	unsigned n_policies = 1 + random_below(3);
	const struct layers *layers;

	for (unsigned i = 0; i < n_policies; i++)
		policies[i] = draw_policy(arena);
	if (layers_make(arena, policies, n_policies, 1, diag_new(arena), &layers) < 0)
		return NULL;
	return layers;
}

/* Addresses to look at. */
struct edges {
	struct inaddr addresses[32768];
	size_t count;
};

static void add_edge(struct edges *edges, const struct inaddr *address)
{
	assert_true(edges->count < sizeof(edges->addresses) / sizeof(edges->addresses[0]));
	edges->addresses[edges->count++] = *address;
}

/* Both ends, and what is beside them. */
static void add_edges(struct edges *edges, const struct plan_spans *spans)
{
	for (size_t i = 0; i < spans->n_spans; i++) {
		struct inaddr edge = spans->spans[i].range.first;

		add_edge(edges, &edge);
		if (inaddr_previous(&edge, &edge))
			add_edge(edges, &edge);
		edge = spans->spans[i].range.last;
		add_edge(edges, &edge);
		if (inaddr_next(&edge, &edge))
			add_edge(edges, &edge);
	}
}

static int compare_addresses(const void *a, const void *b)
{
	return inaddr_compare(a, b);
}

/* Sorted, disjoint, of one kind, of one family, without the IPv4-mapped block, and joined. */
static void check_list(const struct plan_spans *spans, unsigned family, bool denied)
{
	const struct inaddr behind_mapped = {{[9] = 1}};

	for (size_t i = 0; i < spans->n_spans; i++) {
		const struct plan_span *span = &spans->spans[i];
		struct inaddr next;

		assert_int_equal(span->verdict >= VERDICT_OBSERVE, denied);
		assert_int_equal(inaddr_is_ip4(&span->range.first), family == PLAN_IP4);
		assert_int_equal(inaddr_is_ip4(&span->range.last), family == PLAN_IP4);
		assert_true(inaddr_compare(&span->range.first, &span->range.last) <= 0);
		if (family == PLAN_IP6 && inaddr_compare(&span->range.first, &behind_mapped) < 0)
			assert_true(inaddr_compare(&span->range.last, &behind_mapped) < 0);
		if (i + 1 == spans->n_spans)
			break;
		assert_true(inaddr_next(&span->range.last, &next));
		assert_true(inaddr_compare(&next, &span[1].range.first) <= 0);
		if (inaddr_compare(&next, &span[1].range.first) == 0 &&
			inaddr_compare(&next, &behind_mapped) != 0)
			assert_false(
				span->verdict == span[1].verdict && span->index == span[1].index);
	}
}

static void check_lists(struct edges *edges, unsigned family, const struct plan_spans *permitted,
	const struct plan_spans *denied)
{
	check_list(permitted, family, false);
	check_list(denied, family, true);
	add_edges(edges, permitted);
	add_edges(edges, denied);
}

static void check_plan(const struct plan *plan)
{
	static struct edges edges;

	edges.count = 0;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		check_lists(&edges, family, &plan->family[family].permitted,
			&plan->family[family].denied);
		for (size_t i = 0; i < plan->n_groups; i++)
			check_lists(&edges, family, &plan->groups[i].family[family].permitted,
				&plan->groups[i].family[family].denied);
	}
	for (unsigned i = 0; i < POINTS; i++) {
		struct inaddr address = sketch_address(points[i]);

		add_edge(&edges, &address);
		if (inaddr_next(&address, &address))
			add_edge(&edges, &address);
	}
	qsort(edges.addresses, edges.count, sizeof(edges.addresses[0]), compare_addresses);
	for (size_t i = 0; i < edges.count; i++)
		if (i == 0 || compare_addresses(&edges.addresses[i - 1], &edges.addresses[i]) != 0)
			check_ports(plan, &edges.addresses[i]);
}

static bool names_refusal(const struct plan_spans *spans, uint32_t index)
{
	for (size_t i = 0; i < spans->n_spans; i++)
		if (spans->spans[i].index == index)
			return true;
	return false;
}

/* No refusal is there for nothing. */
static void check_refusals(const struct plan *plan)
{
	for (uint32_t index = 0; index < plan->n_refusals; index++) {
		bool named = plan->otherwise >= VERDICT_OBSERVE && plan->otherwise_index == index;

		for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
			named |= names_refusal(&plan->family[family].denied, index);
			for (size_t i = 0; i < plan->n_groups; i++)
				named |= names_refusal(
					&plan->groups[i].family[family].denied, index);
		}
		assert_true(named);
	}
}

/* The plan's maps, looked up in the kernel's order, say what the language says. */
static void test_plan_is_judgement(void **state)
{
	unsigned checked = 0;

	random_state = 11;
	for (unsigned round = 0; round < 60; round++) {
		const struct layers *layers = draw_layers(*state);

		if (layers) {
			const struct plan *plan = sketch_plan_of(*state, layers);

			check_plan(plan);
			check_refusals(plan);
			checked++;
		}
		arena_reset(*state);
	}
	assert_true(checked > 25);
}

static const char *const network_lines[] = {"10.0.0.0/8 : tcp/1", /* as wide as its class: no */
	"10.42.0.0/16 : tcp/1",                                   /* narrower: yes */
	"10.42.7.0/24 : tcp/1",                                   /* and narrower still */
	"10.42.7.0/24 : tcp/1",                                   /* the same later */
	"169.254.0.0-169.254.200.0 : tcp/1", /* wider than the address of metadata in it */
	"192.0.0.0/2 ::/0 : tcp/1",          /* around classes */
	"192.168.5.0/24 fe80::1:0/112 : tcp/2", NULL};

static void test_classes_lose_to_narrower_only(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		const char *rule;
	} cases[] = {
		{"10.0.0.1", 1, "block-private"},
		{"10.42.0.0", 1, "allow-2"},
		{"10.42.6.255", 1, "allow-2"},
		{"10.42.7.0", 1, "allow-3"},
		{"10.42.7.255", 1, "allow-3"},
		{"10.42.8.0", 1, "allow-2"},
		{"10.42.8.0", 2, "block-private"},
		{"10.43.0.0", 1, "block-private"},
		{"169.254.169.253", 1, "allow-5"},
		{"169.254.169.254", 1, "block-metadata"},
		{"169.254.200.0", 1, "allow-5"},
		{"169.254.200.1", 1, "block-link-local"},
		{"191.255.255.255", 1, "default-deny"},
		{"192.0.0.0", 1, "allow-6"},
		{"192.168.5.1", 1, "block-private"},
		{"192.168.5.1", 2, "allow-7"},
		{"192.169.0.0", 1, "allow-6"},
		{"192.169.0.0", 2, "default-deny"},
		{"255.255.255.255", 1, "allow-6"},
		{"2001:db8::1", 1, "allow-6"},
		{"fe80::1:5", 1, "block-link-local"},
		{"fe80::1:5", 2, "allow-7"},
		{"fd00::1", 1, "block-private"},
		{"::fffe:ffff:ffff", 1, "allow-6"},
		{"::1:0:0:0", 1, "allow-6"},
	};
	struct policy *policy = sketch_policy(*state, network_lines);
	const struct plan *plan;

	policy->block = 1u << CLASS_PRIVATE | 1u << CLASS_LINK_LOCAL | 1u << CLASS_METADATA;
	plan = sketch_plan(*state, policy);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inaddr address = sketch_address(cases[i].address);
		struct plan_span decision;
		unsigned group;

		assert_true(plan_find_group(plan, PROTOCOL_TCP, cases[i].port, &group));
		decision = decide(plan, (int)group, &address);
		if (strcmp(decided_rule(plan, &decision), cases[i].rule) != 0)
			fail_msg("%s port %u: %s", cases[i].address, cases[i].port,
				decided_rule(plan, &decision));
	}
}

/* A denial on all ports stands once, in the plan; a group has what differs. */
static void test_groups_hold_differences(void **state)
{
	static const char *const lines[] = {"10.42.0.0/16 : tcp/1", "192.0.2.0/24 : tcp/1 tcp/2",
		"deny 10.0.0.0/8", "deny 10.42.7.0/24", "deny 192.0.2.7 : tcp/2", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(sketch_text(*state, plan),
		"rule allow-1 tcp-1: 10.42.0.0/16 tcp/1\n"
		"rule allow-2 tcp-1 tcp-2: 192.0.2.0/24 tcp/1, tcp/2\n"
		"refusal deny-1: 10.0.0.0/8 all ports\n"
		"refusal deny-2: 10.42.7.0/24 all ports\n"
		"refusal deny-3: 192.0.2.7 tcp/2\n"
		"refusal default-deny: what nothing permits\n"
		"tcp-1 [tcp/1]\n"
		"tcp-1 4: 10.42.0.0-10.42.6.255=allow-1 10.42.8.0-10.42.255.255=allow-1 "
		"192.0.2.0/24=allow-2\n"
		"tcp-2 [tcp/2]\n"
		"tcp-2 4: 192.0.2.0-192.0.2.6=allow-2 192.0.2.8-192.0.2.255=allow-2\n"
		"tcp-2 4: 192.0.2.7=!deny-3\n"
		"rest 4: 10.0.0.0-10.42.6.255=!deny-1 10.42.7.0/24=!deny-2 "
		"10.42.8.0-10.255.255.255=!deny-1\n"
		"otherwise !default-deny\n");
}

/* A refusal can differ from the rest's only in who refuses. */
static void test_override_refuses_otherwise(void **state)
{
	static const char *const base_lines[] = {"10.42.0.0/16 : tcp/1", "deny 10.0.0.0/8", NULL};
	static const char *const over_lines[] = {"11.0.0.0/8 : tcp/1", NULL};
	struct policy *base = sketch_policy(*state, base_lines);
	struct policy *over = sketch_policy(*state, over_lines);
	const struct plan *plan;

	base->score.unknown = 0.0;
	over->observe = true;
	plan = sketch_plan_of(
		*state, sketch_layers(*state, (const struct policy *const[]){base, over}, 2));
	assert_string_equal(sketch_spans(*state, plan, &plan->groups[0].family[PLAN_IP4].denied),
		"10.42.0.0/16=~o1:default-deny");
	assert_string_equal(sketch_spans(*state, plan, &plan->groups[0].family[PLAN_IP4].permitted),
		"11.0.0.0/8=o1:allow-1");
	assert_string_equal(
		sketch_spans(*state, plan, &plan->family[PLAN_IP4].denied), "10.0.0.0/8=!deny-1");
	assert_int_equal(plan->otherwise, VERDICT_OBSERVE);
}

/* Classes may permit what is refused otherwise: nobody's entry does. */
static void test_classes_that_permit(void **state)
{
	static const char *const lines[] = {"10.1.0.0/16 : tcp/1", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;

	policy->block = 1u << CLASS_SHARED;
	policy->score.refuse_at = 5.0;
	policy->score.unknown = 6.0;
	plan = sketch_plan(*state, policy);
	assert_string_equal(sketch_spans(*state, plan, &plan->family[PLAN_IP4].permitted),
		"100.64.0.0/10=?default-permit");
	assert_int_equal(plan->otherwise, VERDICT_REFUSE);
}

/* IPv4-mapped addresses are IPv4: an IPv6 range in the kernel must not have them. */
static void test_mapped_block_is_cut_out(void **state)
{
	static const char *const lines[] = {"::/0 : tcp/1", "deny ::/8", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(sketch_spans(*state, plan, &plan->groups[0].family[PLAN_IP6].permitted),
		"100::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff=allow-1");
	assert_string_equal(sketch_spans(*state, plan, &plan->family[PLAN_IP6].denied),
		"::/80=!deny-1 ::1:0:0:0-ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff=!deny-1");
	assert_int_equal(plan->groups[0].family[PLAN_IP4].permitted.n_spans, 0);
}

static void test_neighbours_are_joined(void **state)
{
	static const char *const lines[] = {
		"10.0.0.0/9 10.128.0.0/9 @11.0.0.0/8 : tcp/1", "12.0.0.0/8 : tcp/1", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(sketch_spans(*state, plan, &plan->groups[0].family[PLAN_IP4].permitted),
		"10.0.0.0/7=allow-1 12.0.0.0/8=allow-2");
}

/* Groups with the same claims share their spans, family by family. */
static void test_groups_share(void **state)
{
	static const char *const lines[] = {"10.0.0.0/8 2001:db8::/32 : tcp/1 tcp/2 tcp/3",
		"11.0.0.0/8 : tcp/1 tcp/2", "a.example : tcp/2", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));
	const struct plan_group *groups = plan->groups;

	assert_int_equal(plan->n_groups, 3);
	assert_ptr_equal(groups[0].family[PLAN_IP4].permitted.spans,
		groups[1].family[PLAN_IP4].permitted.spans);
	assert_ptr_not_equal(groups[0].family[PLAN_IP4].permitted.spans,
		groups[2].family[PLAN_IP4].permitted.spans);
	assert_ptr_equal(groups[0].family[PLAN_IP6].permitted.spans,
		groups[2].family[PLAN_IP6].permitted.spans);
	assert_string_equal(groups[1].family[PLAN_IP4].leases, "tcp-2-leases4");
}

/* Thousands of entries that deny, each with a refusal. */
static void test_many_denials(void **state)
{
	enum { MANY = 5000 };
	const char **lines = arena_array(*state, MANY + 1, sizeof(*lines));
	const struct plan *plan;

	for (unsigned i = 0; i < MANY; i++)
		lines[i] = arena_printf(*state, "deny 10.%u.%u.0/24", i / 256, i % 256);
	plan = sketch_plan(*state, sketch_policy(*state, lines));
	assert_int_equal(plan->n_refusals, MANY + 1);
	assert_int_equal(plan->family[PLAN_IP4].denied.n_spans, MANY);
	assert_string_equal(plan->refusals[MANY - 1].chain, "deny-5000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plan_is_judgement, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_classes_lose_to_narrower_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_hold_differences, setup, teardown),
		cmocka_unit_test_setup_teardown(test_override_refuses_otherwise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_that_permit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mapped_block_is_cut_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours_are_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_denials, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
