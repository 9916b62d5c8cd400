/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "rules/class.h"
#include "rules/layers.h"
#include "src/base/arena.h"
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

static const char *complaint(struct arena *arena, const char *base, const char *override)
{
	const char *const texts[] = {base, override, NULL};
	static const struct layers untouched;
	const struct layers *layers = &untouched;
	const char *said;

	if (layered_try(arena, texts, &layers, &said) != -EINVAL)
		fail_msg("taken: %s\n%s", base, override ? override : "");
	assert_ptr_equal(layers, &untouched);
	return said;
}

static void expect(const char *said, const char *part)
{
	if (!strstr(said, part))
		fail_msg("\"%s\" is not in:\n%s", part, said);
}

#define ALLOW(host) "[[allow]]\nhost = \"" host "\"\n"
#define DENY(host) "[[deny]]\nhost = \"" host "\"\n"

/* --- Verdicts of scores --- */

static void test_scores(void **state)
{
	const struct layer *layer =
		&layered_base(*state, "[score]\nflag_at = 0.5\nrefuse_at = 2.0\n")->layers[0];

	assert_int_equal(layer_verdict(layer, -1), VERDICT_PERMIT);
	assert_int_equal(layer_verdict(layer, 0.49), VERDICT_PERMIT);
	assert_int_equal(layer_verdict(layer, 0.5), VERDICT_FLAG);
	assert_int_equal(layer_verdict(layer, 1.99), VERDICT_FLAG);
	assert_int_equal(layer_verdict(layer, 2.0), VERDICT_REFUSE);
	assert_int_equal(layer_refusal(layer), VERDICT_REFUSE);
	layer = &layered_base(*state, "enforcement = \"observe\"\n")->layers[0];
	assert_int_equal(layer_verdict(layer, 4), VERDICT_OBSERVE);
	assert_int_equal(layer_verdict(layer, 0), VERDICT_PERMIT);
	assert_int_equal(layer_refusal(layer), VERDICT_OBSERVE);
}

static void test_modes(void **state)
{
	const struct layer *layer =
		&layered_base(*state, ALLOW("a.example") DENY("b.example"))->layers[0];

	assert_int_equal(layer->unknown, VERDICT_REFUSE);
	assert_int_equal(layer->n_entries, 2);
	assert_string_equal(layer->entries[0].id, "allow-1");
	assert_int_equal(layer->entries[0].verdict, VERDICT_PERMIT);
	assert_string_equal(layer->entries[1].id, "deny-1");
	assert_int_equal(layer->entries[1].verdict, VERDICT_REFUSE);
	assert_int_equal(layer->class_verdict, VERDICT_REFUSE);
	assert_int_equal(layer->block, CLASS_ALL);
	assert_string_equal(layer->prefix, "");
	assert_false(layer->neutral);
	/* Neither known nor refused: reported. */
	layer = &layered_base(*state, "mode = \"denylist\"\n" DENY("b.example"))->layers[0];
	assert_int_equal(layer->unknown, VERDICT_FLAG);
	assert_int_equal(layer->entries[0].verdict, VERDICT_REFUSE);
}

/* --- Overrides --- */

static const struct layer * override(struct arena *arena, const char *text)
{
	const struct layers *layers = layered_two(arena, ALLOW("a.example"), text);

	assert_int_equal(layers->n_layers, 2);
	return &layers->layers[1];
}

static void test_neutral(void **state)
{
	const struct layer *layer = override(*state, "");

	assert_true(layer->neutral);
	assert_int_equal(layer->unknown, VERDICT_PERMIT);
	assert_int_equal(layer->block, 0);
	assert_string_equal(layer->prefix, "o1:");
	assert_true(override(*state, DENY("b.example"))->neutral);
	assert_true(override(*state, "[network]\nblock = [\"private\"]\n")->neutral);
	assert_true(override(*state, "mode = \"allowlist\"\n")->neutral);

	layer = override(*state, "allow = []\n");
	assert_false(layer->neutral);
	assert_int_equal(layer->unknown, VERDICT_REFUSE);
	layer = override(*state, "mode = \"denylist\"\n");
	assert_false(layer->neutral);
	assert_int_equal(layer->unknown, VERDICT_FLAG);
	layer = override(*state, ALLOW("b.example"));
	assert_false(layer->neutral);
	assert_int_equal(layer->unknown, VERDICT_REFUSE);
	/* The base says something even if it is empty. */
	layer = &layered_base(*state, "")->layers[0];
	assert_false(layer->neutral);
	assert_int_equal(layer->unknown, VERDICT_REFUSE);
}

static void test_ids_tell_the_layers_apart(void **state)
{
	static const char *const texts[] = {
		ALLOW("a.example"), ALLOW("a.example") DENY("b.example"), DENY("c.example"), NULL};
	const struct layers *layers = layered(*state, texts);

	assert_string_equal(layers->layers[0].entries[0].id, "allow-1");
	assert_string_equal(layers->layers[1].entries[0].id, "o1:allow-1");
	assert_string_equal(layers->layers[1].entries[1].id, "o1:deny-1");
	assert_string_equal(layers->layers[2].entries[0].id, "o2:deny-1");
}

static void test_too_many(void **state)
{
	const char *texts[LAYERS_MAX + 2] = {0};
	const struct layers *layers;
	const char *said;

	for (unsigned i = 0; i < LAYERS_MAX; i++)
		texts[i] = "";
	assert_int_equal(layered_try(*state, texts, &layers, &said), 0);
	assert_int_equal(layers->n_layers, LAYERS_MAX);
	texts[LAYERS_MAX] = "";
	assert_int_equal(layered_try(*state, texts, &layers, &said), -EINVAL);
	expect(said, "o16.toml: error: more than 15 overrides [E003]");
}

/* --- Ceilings --- */

static void test_the_lower_ceiling_holds(void **state)
{
	static const char low[] = "[limits]\nconnections = \"10/second\"\n"
				  "connections_per_destination = \"60/minute\"\n"
				  "queries = \"5/second\"\nbytes = \"1 GiB\"\n"
				  "[budget]\ndestinations = 10\nwildcard_names = 4\n"
				  "bytes = \"3 GiB\"\nconnections = 5\nunknown_share = 0\n"
				  "on_exceed = \"refuse\"\n";
	static const char high[] = "[limits]\nconnections = \"1000/minute\"\n"
				   "connections_per_destination = \"1/second\"\n"
				   "bytes = \"2 GiB\"\n"
				   "[budget]\ndestinations = 200\nbytes = \"4 GiB\"\n"
				   "connections = 50\nunknown_share = 1\n";

	for (int turn = 0; turn < 2; turn++) {
		const struct layers *layers =
			layered_two(*state, turn == 0 ? low : high, turn == 0 ? high : low);

		/* 10 a second are 600 a minute. */
		assert_int_equal(layers->limits.connections.count, 10);
		assert_int_equal(layers->limits.connections.seconds, 1);
		/* As many in the long run, but not as many at once. */
		assert_int_equal(layers->limits.connections_per_destination.count, 1);
		assert_int_equal(layers->limits.connections_per_destination.seconds, 1);
		assert_int_equal(layers->limits.queries.count, 5);
		assert_int_equal(layers->limits.bytes, 1 << 30);
		assert_int_equal(layers->budget.destinations, 10);
		assert_int_equal(layers->budget.wildcard_names, 4);
		assert_int_equal(layers->budget.bytes, INT64_C(3) << 30);
		assert_int_equal(layers->budget.connections, 5);
		assert_true(layers->budget.has_unknown_share);
		assert_true(layers->budget.unknown_share == 0);
		assert_true(layers->budget.refuse);
	}
}

static void expect_rates(const struct layers *layers, uint32_t bytes, uint32_t answer_bytes)
{
	assert_int_equal(layers->unknown_bytes.count, bytes);
	assert_int_equal(layers->unknown_answer_bytes.count, answer_bytes);
}

/* What nothing matches has a limit in an allowlist, if it were permitted, and in a denylist what is
 * said. */
static void test_what_unknown_names_may_spend(void **state)
{
	static const char open[] = "mode = \"denylist\"\n", allow[] = ALLOW("*.a.example");
	static const char limits[] = "[limits]\nwildcard_bytes = \"10/minute\"\n";
	const struct layers *layers = layered_base(*state, open);

	expect_rates(layers, 0, 0);
	layers = layered_base(*state, arena_printf(*state, "%s%s", open, allow));
	expect_rates(layers, 0, 0);
	assert_int_equal(layers->layers[0].entries[0].wildcard_bytes.count, LAYERS_WILDCARD_BYTES);
	layers = layered_base(*state, arena_printf(*state, "%s%s", open, limits));
	expect_rates(layers, 10, 0);
	expect_rates(layered_two(*state, open, limits), 10, 0);
	expect_rates(layered_two(*state, open, DENY("b.example")), 0, 0);
	expect_rates(layered_two(*state, open, allow), LAYERS_WILDCARD_BYTES,
		LAYERS_WILDCARD_ANSWER_BYTES);
	expect_rates(
		layered_base(*state, allow), LAYERS_WILDCARD_BYTES, LAYERS_WILDCARD_ANSWER_BYTES);
}

static int64_t window_of(void *state, const char *base, const char *override)
{
	return layered_two(state, base, override)->budget.window.ms / 1000;
}

/* The longer it is, the less may be spent in it; what has ceilings and no window has them for good.
 */
static void test_the_longer_window_holds(void **state)
{
	static const char none[] = "[budget]\ndestinations = 5\n";
	static const char hour[] = "[budget]\ndestinations = 5\nwindow = \"1h\"\n";
	static const char day[] = "[budget]\nwindow = \"1d\"\n";

	assert_int_equal(window_of(*state, hour, day), 86400);
	assert_int_equal(window_of(*state, day, hour), 86400);
	assert_int_equal(window_of(*state, hour, none), 3600);
	assert_int_equal(window_of(*state, none, hour), 0);
	assert_int_equal(window_of(*state, "[limits]\nbytes = \"1 GiB\"\n", hour), 0);
	assert_int_equal(window_of(*state, "", hour), 3600);
	assert_int_equal(window_of(*state, "", ""), 0);
}

static void test_no_ceiling(void **state)
{
	const struct layers *layers = layered_two(*state, "", "");

	assert_int_equal(layers->limits.connections.count, 0);
	assert_int_equal(layers->limits.bytes, 0);
	assert_int_equal(layers->budget.destinations, 0);
	assert_false(layers->budget.refuse);
	assert_false(layers->audit_allowed);
}

/* Who only observes demands no refusals. */
static void test_observed_budget(void **state)
{
	static const char refuses[] = "[budget]\ndestinations = 9\non_exceed = \"refuse\"\n";
	const char *observes = arena_printf(*state, "enforcement = \"observe\"\n%s", refuses);

	assert_false(layered_two(*state, observes, "")->budget.refuse);
	assert_false(layered_two(*state, "", observes)->budget.refuse);
	assert_int_equal(layered_two(*state, "", observes)->budget.destinations, 9);
	assert_true(layered_two(*state, observes, refuses)->budget.refuse);
}

/* A count close to 2^32 in a day against one in a second: nothing overflows. */
static void test_extreme_rates(void **state)
{
	const struct layers *layers =
		layered_two(*state, "[limits]\nconnections = \"4294967295/second\"\n",
			"[limits]\nconnections = \"4294967295/day\"\n");

	assert_int_equal(layers->limits.connections.seconds, 86400);
}

/* 0 is no ceiling at all inside, so none must come in from a file: an error where it is written. */
static void test_zero_never_wins(void **state)
{
	static const char *const zeros[] = {
		"[limits]\nconnections = \"0/minute\"\n",
		"[limits]\nconnections_per_destination = \"0/second\"\n",
		"[limits]\nqueries = \"0/second\"\n",
		"[limits]\nbytes = \"0 GiB\"\n",
		"[budget]\ndestinations = 0\n",
		"[budget]\nwildcard_names = 0\n",
		"[budget]\nconnections = 0\n",
		"[budget]\nbytes = \"0 GiB\"\n",
		"[budget]\nwindow = \"0s\"\n",
	};
	static const char base[] = "[limits]\nconnections = \"600/minute\"\n";

	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
		expect(complaint(*state, base, zeros[i]), "o1.toml:");
		expect(complaint(*state, zeros[i], NULL), "base.toml:");
	}
}

static void test_audit_is_the_stronger(void **state)
{
	static const char loud[] = "[audit]\nallowed = true\n";

	assert_true(layered_two(*state, loud, "")->audit_allowed);
	assert_true(layered_two(*state, "", loud)->audit_allowed);
	assert_true(layered_two(*state, loud, "[audit]\nallowed = false\n")->audit_allowed);
}

/* Records go to all places of all layers, each once. */
static void test_audit_goes_everywhere(void **state)
{
	const struct layers *layers =
		layered_two(*state, "[audit]\npath = [\"journal\", \"/a\"]\nformat = \"ecs\"\n",
			"[audit]\npath = [\"/a\", \"/b\"]\n");

	assert_int_equal(layers->n_audit_sinks, 3);
	assert_int_equal(layers->audit_sinks[0].kind, AUDIT_JOURNAL);
	assert_string_equal(layers->audit_sinks[1].path, "/a");
	assert_string_equal(layers->audit_sinks[2].path, "/b");
	assert_int_equal(layered_two(*state, "", "[audit]\npath = \"-\"\n")->n_audit_sinks, 1);
	assert_int_equal(layered_two(*state, "[audit]\npath = \"-\"\n", "")->n_audit_sinks, 1);
}

static void test_audit_places_are_few(void **state)
{
	static const char base[] = "[audit]\npath = [\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\"]\n";

	assert_int_equal(
		layered_two(*state, base, "[audit]\npath = [\"/7\",\"/8\"]\n")->n_audit_sinks, 8);
	expect(complaint(*state, base, "[audit]\npath = [\"/7\",\"/8\",\"/9\"]\n"),
		"more than 8 places for records");
}

/* --- Expiry --- */

static void test_expired_entries(void **state)
{
	static const char *const texts[] = {
		"[[allow]]\nhost = \"old.example\"\nexpires = 2025-12-30\n"
		"[[allow]]\nhost = \"edge.example\"\nexpires = 2026-01-01T00:00:00Z\n"
		"[[allow]]\nhost = \"new.example\"\nexpires = 2026-01-01T00:00:01Z\n",
		NULL};
	const struct layers *layers;
	const char *said;

	assert_int_equal(layered_try(*state, texts, &layers, &said), 0);
	expect(said, "base.toml:4:11: warning: 'allow-1' expired on 2025-12-31 00:00:00 UTC");
	expect(said, "base.toml:7:11: warning: 'allow-2' expired on 2026-01-01 00:00:00 UTC");
	assert_null(strstr(said, "allow-3"));
	expect(said, "[W050]");
	assert_int_equal(layers->layers[0].n_entries, 1);
	assert_string_equal(layers->layers[0].entries[0].id, "allow-3");
}

/* What has only expired entries to permit permits nothing, and not all. */
static void test_an_expired_allowlist_stays_one(void **state)
{
	static const char *const texts[] = {
		ALLOW("a.example"), ALLOW("a.example") "expires = 2025-01-01\n", NULL};
	const struct layers *layers;
	const char *said;

	assert_int_equal(layered_try(*state, texts, &layers, &said), 0);
	assert_false(layers->layers[1].neutral);
	assert_int_equal(layers->layers[1].unknown, VERDICT_REFUSE);
	assert_int_equal(layers->layers[1].n_entries, 0);
}

/* --- What cannot be enforced --- */

#define NAMES_ON_SOME_PORTS "[[deny]]\nhost = \"*.bad.example\"\nports = [\"tcp/25\"]\n"
#define PATTERN_ON_SOME_PORTS "[[deny]]\nhost_pattern = '^bad[.]example$'\nports = [\"tcp/25\"]\n"

/* A lease is for ports that somebody names. */
static void test_names_on_all_ports(void **state)
{
	static const char permits[] = "[[deny]]\nhost = \"*.good.example\"\nscore = 0.4\n";
	const char *text = arena_printf(*state, "%sports = [\"tcp/443\"]\n", permits);

	expect(complaint(*state, permits, NULL),
		"base.toml:2:1: error: 'deny-1' permits names, by its score, on all ports");
	layered_base(*state, text);
	layered_base(*state, arena_printf(*state, "mode = \"denylist\"\n%s", permits));
}

static void test_names_on_some_ports(void **state)
{
	static const char denylist[] = "mode = \"denylist\"\n";
	const char *text = arena_printf(*state, "%s%s", denylist, NAMES_ON_SOME_PORTS);

	expect(complaint(*state, text, NULL),
		"base.toml:3:1: error: 'deny-1' refuses names on some ports only, where their "
		"addresses can be reached without a name: leave out 'ports' [E030]");
	expect(complaint(*state, denylist, NAMES_ON_SOME_PORTS), "o1.toml:2:1: error: 'o1:deny-1'");
	expect(complaint(*state, denylist, PATTERN_ON_SOME_PORTS), "o1.toml:2:1: error: ");
	/* An entry of either kind refuses by its score. */
	text = arena_printf(*state, "%s%s", denylist, ALLOW("a.example") "score = 5\n");
	expect(complaint(*state, text, NULL), "use a [[deny]] without 'ports' [E030]");
	/* Observing it would be as wrong. */
	text = arena_printf(
		*state, "%senforcement = \"observe\"\n%s", denylist, NAMES_ON_SOME_PORTS);
	expect(complaint(*state, text, NULL), "'deny-1' refuses names on some ports only");
	text = arena_printf(*state, "enforcement = \"observe\"\n%s", ALLOW("a.example"));
	expect(complaint(*state, text, NAMES_ON_SOME_PORTS), "'o1:deny-1' refuses names");
}

static void test_names_that_can_be_refused(void **state)
{
	static const char *const bases[] = {
		/* Addresses that nobody has asked for are refused. */
		ALLOW("a.example") NAMES_ON_SOME_PORTS,
		"enforcement = \"observe\"\n" ALLOW("a.example") NAMES_ON_SOME_PORTS,
		/* On all ports the name is not resolved. */
		"mode = \"denylist\"\n" DENY("*.bad.example"),
		/* It does not refuse. */
		"mode = \"denylist\"\n" NAMES_ON_SOME_PORTS "score = 2\n",
		/* Addresses can be refused on any port. */
		"mode = \"denylist\"\n[[deny]]\nip = \"198.51.100.0/24\"\nports = [\"tcp/25\"]\n",
	};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		layered_base(*state, bases[i]);
	layered_two(*state, ALLOW("a.example"), NAMES_ON_SOME_PORTS);
	layered_two(*state, "mode = \"denylist\"\n", ALLOW("a.example") NAMES_ON_SOME_PORTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scores, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neutral, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ids_tell_the_layers_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_lower_ceiling_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_unknown_names_may_spend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_ceiling, setup, teardown),
		cmocka_unit_test_setup_teardown(test_observed_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_longer_window_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extreme_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zero_never_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit_is_the_stronger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit_goes_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit_places_are_few, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_expired_allowlist_stays_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_on_all_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_on_some_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_can_be_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
