/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/namering.h"
#include "rules/category.h"
#include "rules/compile.h"
#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

static const char policy_text[] = "version = 1\n"
				  "name = \"w\"\n"
				  "[[allow]]\n"
				  "host = \"www.example.com\"\n"
				  "ports = [\"tcp/443\", \"tcp/80\"]\n"
				  "category = \"docs\"\n"
				  "reason = \"what is read\"\n"
				  "[[allow]]\n"
				  "ip = \"198.51.100.0/24\"\n"
				  "connections = \"5/day\"\n"
				  "score = 0.6\n"
				  "[[deny]]\n"
				  "ip = \"198.51.100.9\"\n"
				  "[network]\n"
				  "block = [\"private\"]\n"
				  "[limits]\n"
				  "connections = \"5/day\"\n"
				  "[budget]\n"
				  "destinations = 3\n";

static const struct hash_key key = {{5, 6}};
static const struct witness_past nothing[WITNESS_PAST];

static struct arena *arena;
static bool observing; /* what is compiled */
static struct compiled compiled;
static struct namering *names;

static void compile(const char *extra, struct compiled *ret_compiled)
{
	struct diag *diag = diag_new(arena);
	char *text = arena_printf(arena, "%s%s", policy_text, extra);
	const struct compile_options options = {
		.policy = "w.toml", .text = text, .size = strlen(text), .observe = observing};
	int error = compile_policy(arena, &options, diag, ret_compiled);

	if (error)
		diag_print(diag, stderr);
	assert_int_equal(error, 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(arena_new((size_t)1 << 30, &arena), 0);
	assert_int_equal(namering_new(4096, &key, &names), 0);
	compile("", &compiled);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	namering_free(names);
	arena_free(arena);
	return 0;
}

static struct witness *make(const struct witness_past *past)
{
	struct witness *witness;

	assert_int_equal(witness_new(&compiled, names, past, &witness), 0);
	return witness;
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

/* What a keeper does: the name has the address in the group of that name. */
static void lease(const char *name_text, const char *address_text, const char *group_name)
{
	const struct plan *plan = compiled.plan;
	const struct inaddr address = address_of(address_text);
	struct name name;

	assert_int_equal(name_from_text(text_of(name_text), &name), 0);
	for (size_t i = 0; i < plan->n_groups; i++)
		if (strcmp(plan->groups[i].name, group_name) == 0)
			namering_assign(names,
				namering_lease(names,
					namering_map(names, plan->table,
						plan->groups[i].family[PLAN_IP4].leases),
					&address),
				namering_put(names, &name));
}

static struct nflog_record packet_of(const char *prefix, const char *to, uint16_t port)
{
	struct nflog_record record = {.packet = {.protocol = IPPROTO_TCP,
					      .has_ports = true,
					      .port = port,
					      .source_port = 40000}};

	snprintf(record.prefix, sizeof(record.prefix), "%s", prefix);
	record.packet.to = address_of(to);
	record.packet.source = address_of("192.0.2.1");
	return record;
}

static void expect(struct witness *witness, const struct nflog_record *record,
	enum event_verdict verdict, const char *rule, const char *name)
{
	struct event event;
	char text[NAME_TEXT] = "";

	assert_true(witness_connection(witness, record, &event));
	assert_true(event_is_sound(&event, EVENT_CONNECTION));
	assert_int_equal(event.verdict, verdict);
	assert_string_equal(event.rule, rule);
	if (event.name.length > 0)
		name_to_text(&event.name, text);
	assert_string_equal(text, name);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *prefix;
		enum event_verdict verdict;
		const char *rule;
	} rows[] = {
		{"egress-w default-deny ", EVENT_REFUSE, "default-deny"},
		{"egress-w deny-1 ", EVENT_REFUSE, "deny-1"},
		{"egress-w block-private ", EVENT_REFUSE, "block-private"},
		{"egress-w limit-connections ", EVENT_REFUSE, "limit-connections"},
		{"egress-w limit-bytes ", EVENT_OBSERVE, "limit-bytes"},
		{"egress-w budget-destinations ", EVENT_FLAG, "budget-destinations"},
		{"egress-w budget-connections ", EVENT_FLAG, "budget-connections"},
		{"egress-w budget-bytes ", EVENT_FLAG, "budget-bytes"},
		{"egress-w allow-2:connections ", EVENT_REFUSE, "allow-2:connections"},
		{"egress-w dns ", EVENT_REFUSE, "dns"},
		{"egress-w nobody-knows ", EVENT_REFUSE, "nobody-knows"},
		{"egress-w default-deny", EVENT_REFUSE, "default-deny"},
	};
	struct witness *witness = make(nothing);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct nflog_record record = packet_of(rows[i].prefix, "203.0.113.1", 22);

		expect(witness, &record, rows[i].verdict, rows[i].rule, "");
	}
	witness_free(witness);
}

static void test_others(void **state)
{
	static const char *const prefixes[] = {
		"egress-other deny-1 ", "egress-ww deny-1 ", "egress-w", "", "egress-"};
	struct witness *witness = make(nothing);
	struct event event;

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct nflog_record record = packet_of(prefixes[i], "203.0.113.1", 22);

		assert_false(witness_connection(witness, &record, &event));
	}
	witness_free(witness);
}

/* In an observing policy nothing is refused. */
static void test_observed(void **state)
{
	struct nflog_record record = packet_of("egress-w default-deny ", "203.0.113.1", 22);
	struct witness *witness;

	(void)state;
	observing = true;
	compile("", &compiled);
	observing = false;
	witness = make(nothing);
	expect(witness, &record, EVENT_OBSERVE, "default-deny", "");
	record = packet_of("egress-w limit-connections ", "203.0.113.1", 22);
	expect(witness, &record, EVENT_OBSERVE, "limit-connections", "");
	record = packet_of("egress-w allow-2:connections ", "203.0.113.1", 22);
	expect(witness, &record, EVENT_OBSERVE, "allow-2:connections", "");
	witness_free(witness);
}

static void test_names(void **state)
{
	struct nflog_record record = packet_of("egress-w default-deny ", "203.0.113.7", 22);
	struct witness *witness = make(nothing);

	(void)state;
	lease("www.example.com", "203.0.113.7", "tcp-80");
	expect(witness, &record, EVENT_REFUSE, "default-deny", "www.example.com");
	record = packet_of("egress-w default-deny ", "203.0.113.8", 22);
	expect(witness, &record, EVENT_REFUSE, "default-deny", "");
	witness_free(witness);
}

static const struct plan_rule *rule_called(const char *id)
{
	for (size_t i = 0; i < compiled.plan->n_rules; i++)
		if (strcmp(compiled.plan->rules[i].id, id) == 0)
			return &compiled.plan->rules[i];
	fail_msg("no rule %s", id);
	return NULL;
}

/* With the mark, and, where the kernel doesn't tell it, by name or address. */
static void test_permitted(void **state)
{
	struct nflog_record record = packet_of("egress-w allow ", "203.0.113.7", 443);
	struct witness *witness = make(nothing);

	(void)state;
	record.mark = rule_called("allow-1")->mark;
	expect(witness, &record, EVENT_PERMIT, "allow-1", "");
	record.mark = 0;
	expect(witness, &record, EVENT_PERMIT, "allow", "");
	lease("www.example.com", "203.0.113.7", "tcp-80");
	expect(witness, &record, EVENT_PERMIT, "allow-1", "www.example.com");
	record = packet_of("egress-w flag ", "198.51.100.77", 443);
	expect(witness, &record, EVENT_FLAG, "allow-2", "");
	record = packet_of("egress-w allow ", "198.51.100.77", 443);
	record.mark = rule_called("allow-2")->flag_mark;
	expect(witness, &record, EVENT_FLAG, "allow-2", "");
	witness_free(witness);
}

static struct conntrack_flow flow_of(uint32_t mark)
{
	return (struct conntrack_flow){
		.to = address_of("198.51.100.77"),
		.port = 443,
		.protocol = IPPROTO_TCP,
		.mark = mark,
		.has_bytes = true,
		.bytes_out = 1,
		.packets_in = 4,
		.started = UINT64_C(5000000000),
		.stopped = UINT64_C(7000001000),
	};
}

static void test_flows(void **state)
{
	struct conntrack_flow flow = flow_of(rule_called("allow-2")->flag_mark);
	struct witness *witness = make(nothing);
	struct event event;

	(void)state;
	assert_true(witness_flow(witness, &flow, true, &event));
	assert_true(event_is_sound(&event, EVENT_FLOW));
	assert_int_equal(event.verdict, EVENT_FLAG);
	assert_string_equal(event.rule, "allow-2");
	assert_int_equal(event.duration, 2000001);
	assert_int_equal(event.bytes_out, 1);
	assert_int_equal(event.packets_in, 4);
	assert_true(event.has & EVENT_IS_LIVE);
	flow.mark = 0;
	assert_false(witness_flow(witness, &flow, false, &event));
	flow.mark = 0x4711;
	assert_false(witness_flow(witness, &flow, false, &event));
	witness_free(witness);
}

/* Flows of rules that are gone are told, as long as there is room for these. */
static void test_past(void **state)
{
	static struct witness_past past[WITNESS_PAST];
	const uint32_t before = rule_called("allow-1")->mark;
	const struct conntrack_flow flow = flow_of(before);
	struct witness *witness;
	struct event event;
	unsigned at = 0;

	(void)state;
	witness_note_past(compiled.plan, past, &at);
	compile("[[deny]]\nhost = \"**.example.com\"\nports = [\"tcp/80\"]\n", &compiled);
	assert_int_not_equal(rule_called("allow-1")->mark, before);
	witness = make(nothing);
	assert_false(witness_flow(witness, &flow, false, &event));
	witness_free(witness);
	witness = make(past);
	assert_true(witness_flow(witness, &flow, false, &event));
	assert_string_equal(event.rule, "allow-1");
	witness_free(witness);
	for (unsigned i = 0; i < WITNESS_PAST; i++)
		witness_note_past(compiled.plan, past, &at);
	assert_in_range(at, 0, WITNESS_PAST - 1);
	witness = make(past);
	assert_false(witness_flow(witness, &flow, false, &event));
	witness_free(witness);
}

static void test_explained(void **state)
{
	static const char *const rules[] = {"allow-1", "allow-1:bytes", "allow-1"};
	struct witness *witness = make(nothing);
	struct event event;

	(void)state;
	event_begin(&event, EVENT_QUERY);
	for (size_t i = 0; i < 3; i++) {
		struct event_context context = {.category = NULL};

		event_set_rule(&event, rules[i]);
		witness_explain(witness, &event, &context);
		assert_string_equal(context.category, "docs");
		assert_string_equal(context.reason, "what is read");
		event_set_rule(&event, i == 0 ? "" : "default-deny");
		context = (struct event_context){.category = NULL};
		witness_explain(witness, &event, &context);
		assert_null(context.category);
	}
	witness_free(witness);
}

static const char *score_of(struct witness *witness, const char *rule, char out[32])
{
	struct event_context context = {.score = NULL};
	struct event event;

	event_begin(&event, EVENT_QUERY);
	event_set_rule(&event, rule);
	witness_explain(witness, &event, &context);
	snprintf(out, 32, "%s", context.score ? context.score : "none");
	return out;
}

static void test_scores(void **state)
{
	static const struct {
		const char *rule;
		const char *score;
	} rows[] = {
		{"allow-1", "-1"},
		{"allow-2", "0.6"},
		{"deny-1", "4"},
		{"block-private", "4"},
		{"default-deny", "1"},
		{"default-permit", "1"},
		{"limit-connections", "none"},
		{"budget-destinations", "none"},
		{"allow-1:bytes", "none"},
		{"o1:default-deny", "none"},
		{"", "none"},
	};
	struct witness *witness = make(nothing);
	char score[32];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(score_of(witness, rows[i / 2].rule, score), rows[i / 2].score);
	witness_free(witness);
}

/* The entry's category, and else what the name is known as. */
static void test_categories(void **state)
{
	static const struct {
		const char *rule;
		const char *name;
		const char *category;
	} rows[] = {
		{"default-deny", "crates.io", "package registry"},
		{"allow-1", "crates.io", "docs"},
		{"default-deny", "nobody.example", NULL},
		{"default-deny", "", NULL},
	};
	const char *top = getenv("abs_top_srcdir");
	const char *folder = arena_printf(arena, "%s/rules/profiles", top ? top : ".");
	const struct load_options options = {.profile_dirs = &folder, .n_profile_dirs = 1};
	struct witness *witness;

	(void)state;
	assert_int_equal(category_load(arena, &options, diag_new(arena), &compiled.categories), 0);
	witness = make(nothing);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_context context = {.category = NULL};
		struct event event;

		memset(&event, 0, sizeof(event));
		event_begin(&event, EVENT_QUERY);
		event_set_rule(&event, rows[i].rule);
		if (rows[i].name[0])
			assert_int_equal(name_from_text(text_of(rows[i].name), &event.name), 0);
		witness_explain(witness, &event, &context);
		if (rows[i].category)
			assert_string_equal(context.category, rows[i].category);
		else
			assert_null(context.category);
	}
	witness_free(witness);
}

/* Of counters: what was counted and not recorded one by one. */
static void test_unrecorded(void **state)
{
	static const struct {
		const char *id, *rule;
		enum event_verdict verdict;
		bool recorded;
	} cases[] = {
		{"flag", "", EVENT_FLAG, true},
		{"allow", "", EVENT_PERMIT, true},
		{"default-deny", "default-deny", EVENT_REFUSE, true},
		{"deny-1", "deny-1", EVENT_REFUSE, true},
		{"allow-2:connections", "allow-2:connections", EVENT_REFUSE, true},
		{"limit-connections", "limit-connections", EVENT_REFUSE, true},
		/* A policy before may have had it. */
		{"o3:deny-7", "o3:deny-7", EVENT_REFUSE, true},
		/* It is flagged, once in a while. */
		{"budget-destinations", "budget-destinations", EVENT_FLAG, false},
	};
	struct witness *witness = make(nothing);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event;

		event_begin(&event, EVENT_LOST);
		assert_int_equal(
			witness_unrecorded(witness, cases[i].id, &event), cases[i].recorded);
		assert_int_equal(event.verdict, cases[i].verdict);
		assert_string_equal(event.rule, cases[i].rule);
		assert_true(event.has & EVENT_HAS_VERDICT);
	}
	witness_free(witness);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refusals),
		TEST(test_others),
		TEST(test_observed),
		TEST(test_names),
		TEST(test_permitted),
		TEST(test_flows),
		TEST(test_past),
		TEST(test_explained),
		TEST(test_scores),
		TEST(test_categories),
		TEST(test_unrecorded),
	};

	return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
