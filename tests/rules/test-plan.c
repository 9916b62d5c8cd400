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

#include "rules/plan.h"
#include "rules/ports.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
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
	return entry->all_ports ||
	       ports_have(entry->ports, entry->n_ports, protocol, (uint16_t)port);
}

static bool same_entries(const struct policy *policy, const unsigned a[2], const unsigned b[2])
{
	for (size_t i = 0; i < policy->n_entries; i++)
		if (entry_has_port(&policy->entries[i], a[0], a[1]) !=
			entry_has_port(&policy->entries[i], b[0], b[1]))
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

	for (size_t i = 0; i < policy->n_entries; i++) {
		bool has = entry_has_port(&policy->entries[i], at[0], at[1]);

		named |= has && !policy->entries[i].all_ports;
		if (group >= 0)
			assert_int_equal(
				has, plan_entry_groups(plan, &policy->entries[i]) >> group & 1);
	}
	assert_int_equal(named, group >= 0);
	assert_int_equal(plan_find_group(plan, at[0], (uint16_t)at[1], &found), named);
	if (named)
		assert_int_equal(found, group);
	for (size_t i = 0; named && i < n_points; i++)
		assert_int_equal(same_entries(policy, at, points[i]),
			group_of(plan, points[i][0], points[i][1]) == group);
}

static void random_ports(struct entry *entry)
{
	entry->all_ports = entry->action == ACTION_DENY && random_below(3) == 0;
	entry->n_ports = entry->all_ports ? 0 : 1 + random_below(4);
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
		"b.example : tcp/1 tcp/2 tcp/3 tcp/4", "10.0.0.0/8 : tcp/1 tcp/2 tcp/3 tcp/4",
		"deny 10.1.0.0/16 : tcp/1 tcp/2 tcp/3 tcp/4", NULL};
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

		for (size_t i = 0; i < policy->n_entries; i++)
			random_ports(&policy->entries[i]);
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
	assert_string_equal(plan->groups[1].family[PLAN_IP4].refused, "tcp-443-refused4");
	assert_string_equal(plan->family[PLAN_IP6].refused, "refused6");
	assert_string_equal(plan->family[PLAN_IP4].addresses, "addresses4");
	assert_string_equal(plan->table, "egress-sketch");
	assert_string_equal(plan->live_set, "live");
	assert_string_equal(plan->flagged_set, "flagged");
	assert_string_equal(plan->resolver_set, "resolver");
	assert_null(plan->destinations_set);
}

static void test_too_many_groups(void **state)
{
	const char *lines[PLAN_GROUPS_MAX + 2] = {0};
	struct diag *diag = diag_new(*state);
	const struct plan *plan = NULL;
	const struct layers *layers;
	struct policy *policy;
	char *text;
	size_t size;
	FILE *out;

	for (unsigned i = 0; i <= PLAN_GROUPS_MAX; i++)
		lines[i] = arena_printf(*state, "a.example : tcp/%u", 2 * i + 1);
	policy = sketch_policy(*state, lines);
	layers = sketch_layers(*state, (const struct policy *const[]){policy}, 1);
	assert_int_equal(plan_make(*state, layers, diag, &plan), -EINVAL);
	assert_null(plan);
	assert_true(diag_failed(diag));
	out = open_memstream(&text, &size);
	diag_print(diag, out);
	fclose(out);
	assert_non_null(strstr(text, "sketch.toml:650:1: error: too many port groups"));
	free(text);

	policy->n_entries = PLAN_GROUPS_MAX;
	plan = sketch_plan(*state, policy);
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
	assert_int_equal(plan->observed_mark, 0);
	assert_null(plan->family[PLAN_IP4].listen);
	assert_false(plan_find_group(plan, PROTOCOL_TCP, 443, &group));
	assert_string_equal(sketch_text(*state, plan),
		"refusal default-deny: what nothing permits\notherwise !default-deny\n");
}

/* An entry with all ports has every group, and makes none. */
static void test_all_ports(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443 tcp/80", "b.example : tcp/80",
		"deny 10.0.0.0/8", "deny c.example", "deny 11.0.0.0/8 ; score=0.7", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_int_equal(plan->n_groups, 2);
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(plan_entry_groups(plan, &plan->policy->entries[i]), 3);
	assert_int_equal(plan->rule_groups[2], 3);
	assert_string_equal(sketch_spans(*state, plan, &plan->family[PLAN_IP4].permitted),
		"11.0.0.0/8=?deny-3");
}

static void test_rule_texts(void **state)
{
	static const char *const lines[] = {"api.example.com *.example.net : tcp/443",
		"**.a.example 10.0.0.0/8 2001:db8::/32 192.0.2.1-192.0.2.9 a.example b.example "
		": tcp/1 tcp/2-3 udp/4 tcp/65000-65535 icmp/echo",
		"a23456789-a23456789-a23456789-a23456789-a23456789-a23456789.example x.example "
		": tcp/443",
		"s3.*.example.com /^build-[0-9]+$/ @a.example,10.0.0.0/8", NULL};
	const struct plan *plan = sketch_plan(*state, sketch_policy(*state, lines));

	assert_string_equal(plan->rules[0].id, "allow-1");
	assert_int_equal(plan->rules[1].place.line, 20);
	assert_ptr_equal(plan->rules[1].entry->entry, &plan->policy->entries[1]);
	assert_int_equal(plan->rules[1].layer, 0);
	assert_true(plan->rules[1].expires == INT64_MAX);
	assert_string_equal(plan->rules[0].text, "api.example.com, *.example.net tcp/443");
	assert_string_equal(plan->rules[1].text,
		"**.a.example, a.example, b.example and 3 more tcp/1, tcp/2-3 and 3 more");
	assert_string_equal(plan->rules[2].text,
		"a23456789-a23456789-a23456789-a23456789-..., x.example tcp/443");
	assert_string_equal(
		plan->rules[3].text, "s3.*.example.com, '^build-[0-9]+$', list sketch.txt tcp/443");
	for (size_t i = 0; i < plan->n_rules; i++)
		assert_true(strlen(plan->rules[i].text) <= 100);
}

/* Which entries can be the rule of a destination. */
static void test_rules_of_layers(void **state)
{
	static const char *const base_lines[] = {
		"a.example ; expires=7000", "b.example ; expires=1", "deny c.example", NULL};
	static const char *const over_lines[] = {"a.example", "deny 10.0.0.0/8 ; score=0.2", NULL};
	struct policy *policies[] = {
		sketch_policy(*state, base_lines), sketch_policy(*state, over_lines)};
	const struct plan *plan;

	/* Nothing but an entry of the base permits. */
	plan = sketch_plan_of(
		*state, sketch_layers(*state, (const struct policy *const *)policies, 2));
	assert_int_equal(plan->n_rules, 1);
	assert_true(plan->rules[0].expires == 7000);
	assert_string_equal(plan->refusals[plan->otherwise_index].id, "default-deny");

	/* The base permits what it doesn't know, so entries of the override may be first. */
	policies[0]->score.unknown = 0.0;
	plan = sketch_plan_of(
		*state, sketch_layers(*state, (const struct policy *const *)policies, 2));
	assert_string_equal(sketch_text(*state, plan),
		"rule allow-1 tcp-443: a.example tcp/443\n"
		"rule o1:allow-1 tcp-443: a.example tcp/443\n"
		"rule o1:deny-1 tcp-443: 10.0.0.0/8 all ports\n"
		"refusal o1:default-deny: what nothing permits\n"
		"tcp-443 [tcp/443]\n"
		"rest 4: 10.0.0.0/8=o1:deny-1\n"
		"otherwise !o1:default-deny\n");
	assert_string_equal(plan->refusals[0].chain, "o1.default-deny");
	assert_int_equal(plan->rules[2].layer, 1);

	/* And so does the override. */
	policies[1]->score.unknown = 0.6;
	plan = sketch_plan_of(
		*state, sketch_layers(*state, (const struct policy *const *)policies, 2));
	assert_string_equal(plan->rules[3].id, "default-permit");
	assert_null(plan->rules[3].entry);
	assert_int_equal(plan->rule_groups[3], 1);
	assert_int_equal(plan->otherwise, VERDICT_FLAG);
	assert_int_equal(plan->otherwise_index, 3);
	assert_int_not_equal(plan->rules[3].flag_mark, 0);
}

static bool is_identifier(const char *name)
{
	if (!((*name >= 'a' && *name <= 'z')))
		return false;
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') ||
			    *name == '-' || *name == '.'))
			return false;
	return true;
}

/* Chains of refusals are identifiers of nft, and no two are called the same. */
static void test_refusal_chains(void **state)
{
	static const char *const lines[] = {"deny 10.0.0.1", "deny 10.0.0.2", "deny 10.0.0.3",
		"deny 10.0.0.4", "deny x.example", "deny 10.0.0.2", NULL};
	static const char *const ids[] = {
		"deny-1", "7zip:deny-1", "p:7zip:deny-1", "tcp-443:deny-1", "deny-2", "deny-3"};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;

	for (size_t i = 0; i < policy->n_entries; i++)
		policy->entries[i].id = ids[i];
	policy->block = 1u << CLASS_LOOPBACK;
	plan = sketch_plan(*state, policy);
	/* Neither the one without addresses nor the one that another always beats. */
	assert_int_equal(plan->n_refusals, 6);
	for (size_t i = 0; i < plan->n_refusals; i++) {
		assert_true(is_identifier(plan->refusals[i].chain));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(plan->refusals[i].chain, plan->refusals[j].chain);
	}
	assert_string_equal(plan->refusals[1].chain, "profile..7zip.deny-1");
	assert_string_equal(plan->refusals[4].chain, "block-loopback");
	assert_string_equal(plan->refusals[0].about, "10.0.0.1 all ports");
	assert_int_equal(plan->refusals[3].place.line, 40);
	assert_false(plan->refusals[5].observed);
}

static void test_observed(void **state)
{
	static const char *const lines[] = {"10.0.0.0/8", "deny 10.1.0.0/16", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;

	policy->observe = true;
	plan = sketch_plan(*state, policy);
	assert_int_not_equal(plan->observed_mark, 0);
	assert_true(plan->refusals[0].observed);
	assert_string_equal(sketch_text(*state, plan),
		"rule allow-1 tcp-443: 10.0.0.0/8 tcp/443\n"
		"rule deny-1 tcp-443: 10.1.0.0/16 all ports\n"
		"refusal deny-1: 10.1.0.0/16 all ports\n"
		"refusal default-deny: what nothing permits\n"
		"tcp-443 [tcp/443]\n"
		"tcp-443 4: 10.0.0.0/16=allow-1 10.2.0.0-10.255.255.255=allow-1\n"
		"rest 4: 10.1.0.0/16=~deny-1\n"
		"otherwise ~default-deny\n");
}

static void test_destinations_set(void **state)
{
	static const char *const lines[] = {"a.example", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct plan *plan;

	policy->budget.refuse = true;
	plan = sketch_plan(*state, policy);
	assert_null(plan->destinations_set);
	assert_false(plan->refuses_destinations);
	policy->budget.destinations = 10;
	plan = sketch_plan(*state, policy);
	assert_string_equal(plan->destinations_set, "destinations-10");
	assert_true(plan->refuses_destinations);
	policy->budget.refuse = false;
	plan = sketch_plan(*state, policy);
	assert_string_equal(plan->destinations_set, "destinations-10");
	assert_false(plan->refuses_destinations);
	policy->budget.refuse = true;
	policy->observe = true;
	assert_false(sketch_plan(*state, policy)->refuses_destinations);
}

static const char *endpoint(const struct endpoint *endpoint, char *out)
{
	return endpoint ? endpoint_to_text(endpoint, out) : "none";
}

static void test_listen(void **state)
{
	static const char *const lines[] = {"a.example : tcp/443", NULL};
	static const struct {
		const char *listen[4];
		const char *own;
		const char *forwarded;
		unsigned redirect;
		enum plan_family family;
	} cases[] = {
		{{NULL}, "none", "none", 0, PLAN_IP4},
		{{"192.0.2.1:53", "192.0.2.2:53"}, "192.0.2.1:53", "192.0.2.1:53", 0, PLAN_IP4},
		{{"192.0.2.1:53"}, "none", "none", 0, PLAN_IP6},
		{{"127.0.0.1:5300"}, "127.0.0.1:5300", "none", 0, PLAN_IP4},
		{{"127.9.9.9:5300", "192.0.2.2:53"}, "127.9.9.9:5300", "192.0.2.2:53", 0, PLAN_IP4},
		{{"0.0.0.0:53"}, "127.0.0.1:53", "none", 53, PLAN_IP4},
		{{"127.0.0.1:5300", "0.0.0.0:53"}, "127.0.0.1:5300", "none", 53, PLAN_IP4},
		{{"192.0.2.2:53", "0.0.0.0:54"}, "192.0.2.2:53", "192.0.2.2:53", 0, PLAN_IP4},
		{{"0.0.0.0:54", "192.0.2.2:53"}, "127.0.0.1:54", "none", 54, PLAN_IP4},
		{{"[::1]:53", "[2001:db8::1]:53"}, "[::1]:53", "[2001:db8::1]:53", 0, PLAN_IP6},
		{{"[::]:53"}, "[::1]:53", "none", 53, PLAN_IP6},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy *policy = sketch_policy(*state, lines);
		enum plan_family family = cases[i].family;
		const struct plan *plan;
		char text[INADDR_TEXT];

		for (size_t j = 0; cases[i].listen[j]; j++)
			sketch_listen(*state, policy, cases[i].listen[j]);
		plan = sketch_plan(*state, policy);
		assert_string_equal(endpoint(plan->family[family].listen, text), cases[i].own);
		assert_string_equal(
			endpoint(plan->family[family].listen_forwarded, text), cases[i].forwarded);
		assert_int_equal(plan->family[family].redirect_port, cases[i].redirect);
	}
}

static void test_dns_port_is_warned_of(void **state)
{
	static const char *const lines[] = {
		"a.example : tcp/53 udp/1-100 udp/53", "deny 10.0.0.0/8 : udp/53", NULL};
	struct policy *policy = sketch_policy(*state, lines);
	const struct layers *layers =
		sketch_layers(*state, (const struct policy *const[]){policy}, 1);
	struct diag *diag = diag_new(*state);
	const struct plan *plan;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(plan_make(*state, layers, diag, &plan), 0);
	diag_print(diag, out);
	fflush(out);
	assert_int_equal(size, 0);

	sketch_listen(*state, policy, "127.0.0.1:5300");
	assert_int_equal(plan_make(*state, layers, diag, &plan), 0);
	assert_false(diag_failed(diag));
	diag_print(diag, out);
	fclose(out);
	assert_non_null(strstr(text, "sketch.toml:10:1: warning: tcp/53 opens nothing"));
	assert_non_null(strstr(text, "sketch.toml:10:1: warning: udp/53 opens nothing"));
	assert_null(strstr(text, "udp/1-100"));
	assert_null(strstr(text, "sketch.toml:20"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_partition_is_coarsest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rule_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rules_of_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destinations_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns_port_is_warned_of, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
