/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/event/session-json.h"
#include "tests/event/sessioning.h"

/* That a saved session goes on, and its record. */

/* --- Saved --- */

static char *save(const struct session *session)
{
	char *text = malloc(SESSION_SAVED);
	int length;

	assert_non_null(text);
	length = session_save(session, text, SESSION_SAVED);
	assert_in_range(length, 2, SESSION_SAVED - 1);
	assert_int_equal(strlen(text), length);
	return text;
}

static struct session *restored(const char *text, struct session_ceilings ceilings)
{
	struct session *session = make(ceilings);

	assert_int_equal(session_restore(session, text, strlen(text)), 0);
	return session;
}

static void assert_same(const struct session *a, const struct session *b)
{
	const struct session_figures left = figures_of(a), right = figures_of(b);
	const struct event_context context = {.policy = "p", .session = "s"};
	char left_line[EVENT_LINE], right_line[EVENT_LINE];
	size_t size = session_to_json(&left, SESSION_SUMMARY, T0, &context, left_line);

	assert_int_equal(size, session_to_json(&right, SESSION_SUMMARY, T0, &context, right_line));
	assert_memory_equal(left_line, right_line, size);
}

static void test_saved(void **state)
{
	const struct session_ceilings ceilings = {.destinations = 3000};
	struct session *session = make(ceilings), *next;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 2500; i++)
		lease_number(session, i, i % 3 ? "docs" : NULL);
	lease(session,
		"a-label-that-is-long-enough-to-be-left-out-of-what-is-saved.and-another-one-of-"
		"them."
		"example",
		NULL);
	flow(session, "192.0.2.1", 1, 400, 5000, true);
	flow(session, "2001:db8::1", 2, 400, 5000, false);
	for (unsigned i = 0; i < 100; i++)
		refuse(session, T0 + SECOND, i);
	session_pass(session, T0 + 5 * SECOND);
	assert_int_equal(count_told(ALERT_REFUSALS), 1);
	text = save(session);
	next = restored(text, ceilings);
	assert_same(session, next);
	/* The same destinations, flows and burst are known. */
	for (unsigned i = 0; i < 2500; i++)
		lease_number(next, i, NULL);
	flow(next, "192.0.2.1", 1, 450, 5000, false);
	refuse(next, T0 + 6 * SECOND, 1);
	session_pass(next, T0 + 20 * SECOND);
	flow(session, "192.0.2.1", 1, 450, 5000, false);
	refuse(session, T0 + 6 * SECOND, 1);
	assert_same(session, next);
	assert_int_equal(figures_of(next).bytes_out, 850);
	assert_int_equal(count_told(ALERT_REFUSALS), 0);
	for (unsigned i = 0; i < 1000; i++)
		lease_number(next, 5000 + i, NULL);
	assert_int_equal(count_told(ALERT_DESTINATIONS), 1);
	free(text);
	session_free(session);
	session_free(next);
}

static void test_told_stays_told(void **state)
{
	const struct session_ceilings ceilings = {.destinations = 5};
	struct session *session = make(ceilings), *next;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		lease_number(session, i, NULL);
	assert_int_equal(count_told(ALERT_DESTINATIONS), 1);
	text = save(session);
	next = restored(text, ceilings);
	lease_number(next, 100, NULL);
	assert_int_equal(n_told, 0);
	/* What a ceiling was raised by goes on, too. */
	session_extend(next, SESSION_KEY_DESTINATIONS, 5);
	session_free(session);
	free(text);
	text = save(next);
	session = next;
	next = restored(text, ceilings);
	lease_number(next, 101, NULL);
	assert_int_equal(n_told, 0);
	assert_int_equal(figures_of(next).ceilings.destinations, 10);
	lease_number(next, 102, NULL);
	assert_int_equal(n_told, 1);
	session_free(session);
	session = next;
	n_told = 0;
	free(text);
	text = save(session);
	next = restored(text, ceilings);
	assert_int_equal(figures_of(next).alerts[ALERT_DESTINATIONS], 2);
	free(text);
	session_free(session);
	session_free(next);
}

/* --- Without memory --- */

static struct {
	unsigned count;
	unsigned first, last; /* that fail */
} allocations;

/* Those that are there. */
static struct block {
	struct block *before, *behind;
} blocks = {&blocks, &blocks};

static void *allocate(size_t size)
{
	unsigned number = ++allocations.count;
	struct block *block;

	if (number >= allocations.first && number <= allocations.last)
		return NULL;
	block = malloc(sizeof(*block) + size);
	assert_non_null(block);
	*block = (struct block){&blocks, blocks.behind};
	block->behind->before = block;
	blocks.behind = block;
	return block + 1;
}

static void release(void *memory)
{
	struct block *block;

	if (!memory)
		return;
	block = (struct block *)memory - 1;
	block->before->behind = block->behind;
	block->behind->before = block->before;
	free(block);
}

/* Each allocation fails, alone and with all behind it: all of the session is saved, or none. */
static void test_no_memory(void **state)
{
	struct session *session = make((struct session_ceilings){.destinations = 3000});
	char *whole, *text = malloc(SESSION_SAVED);

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < 3; i++)
		lease_number(session, i, "docs");
	flow(session, "192.0.2.1", 1, 400, 5000, true);
	refuse(session, T0 + SECOND, 1);
	whole = save(session);
	json_set_alloc_funcs(allocate, release);
	for (unsigned i = 0; i < 2; i++) {
		allocations.first = 0;
		do {
			int length;

			allocations.count = 0;
			allocations.first++;
			allocations.last = i ? UINT_MAX : allocations.first;
			length = session_save(session, text, SESSION_SAVED);
			if (length < 0)
				assert_int_equal(length, -ENOMEM);
			else
				assert_string_equal(text, whole);
			/* json_pack() forgets some of what it was given when it fails. */
			while (blocks.behind != &blocks)
				release(blocks.behind + 1);
		} while (allocations.count >= allocations.first);
		assert_in_range(allocations.first, 100, 100000);
	}
	json_set_alloc_funcs(malloc, free);
	free(whole);
	free(text);
	session_free(session);
}

/* The largest that there is has room. */
static void test_largest(void **state)
{
	struct session *session = make((struct session_ceilings){0});
	const struct session_note note = {.wildcard = true};
	struct session *next;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char name[128];
		struct event event;

		snprintf(name, sizeof(name), "%060u.%020u.example", i, i);
		begin(&event, EVENT_QUERY, T0, name);
		session_take(session, &event, &note);
		begin(&event, EVENT_LEASE, T0, name);
		set_address(&event, "2001:db8:1111:2222:3333:4444:5555:6666", 65535);
		take(session, &event, "a category of a name that is as long as it may be");
		event.kind = EVENT_FLOW;
		event.has |= EVENT_HAS_BYTES | EVENT_IS_LIVE;
		event.flow = UINT64_MAX - i;
		event.bytes_out = event.bytes_in = INT64_MAX / 100000;
		take(session, &event, NULL);
	}
	text = save(session);
	assert_in_range(strlen(text), 500000, SESSION_SAVED - 1);
	next = restored(text, (struct session_ceilings){0});
	assert_same(session, next);
	free(text);
	session_free(session);
	session_free(next);
}

static void test_not_restored(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"version\":2}",
		"\"text\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};
	struct session *session = make((struct session_ceilings){0});
	char *text, *deep;

	(void)state;
	lease(session, "a.example", "docs");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(session_restore(session, bad[i], strlen(bad[i])), -EINVAL);
	assert_int_equal(figures_of(session).destinations, 1);
	text = save(session);
	/* Cut anywhere. */
	for (size_t i = 0, length = strlen(text); i < length; i += 7)
		assert_int_equal(session_restore(session, text, i), -EINVAL);
	free(text);
	deep = malloc(SESSION_SAVED + 1);
	assert_non_null(deep);
	memset(deep, '[', SESSION_SAVED + 1);
	assert_int_equal(session_restore(session, deep, SESSION_SAVED), -EINVAL);
	assert_int_equal(session_restore(session, deep, SESSION_SAVED + 1), -EINVAL);
	free(deep);
	assert_int_equal(figures_of(session).destinations, 1);
	session_free(session);
}

/* Each value replaced by something else: restored or not, it goes on. */
static void spoil(json_t *root, json_t *value, const char *key, struct session *session)
{
	json_t *const others[] = {json_null(), json_integer(-1), json_integer(INT64_MAX),
		json_string("x"), json_string("0123456789abcdef0123456789abcdef"), json_array(),
		json_object(), json_real(1e300), json_true()};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *text;

		json_object_set_new(root, key, others[i]);
		text = json_dumps(root, JSON_COMPACT);
		assert_non_null(text);
		(void)session_restore(session, text, strlen(text));
		lease(session, "again.example", "docs");
		refuse(session, T0 + SECOND, 1);
		free(text);
	}
	json_object_set(root, key, value);
}

static void test_spoiled(void **state)
{
	struct session *session = make((struct session_ceilings){.destinations = 2});
	const char *key;
	json_t *root, *value;
	char *text;
	void *next;

	(void)state;
	lease(session, "a.example", "docs");
	session_extend(session, SESSION_KEY_BYTES, UINT64_MAX);
	session_extend(session, SESSION_KEY_BYTES, UINT64_MAX);
	flow(session, "192.0.2.1", 1, 400, 5000, true);
	refuse(session, T0, 1);
	text = save(session);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	json_object_foreach_safe(root, next, key, value)
	{
		json_incref(value);
		spoil(root, value, key, session);
		json_decref(value);
	}
	/* Numbers beyond their bounds, in the row of a destination. */
	for (size_t i = 0; i < 11; i++) {
		json_t *copy = json_deep_copy(root);

		json_array_set_new(json_array_get(json_object_get(copy, "kept"), 0), i,
			json_integer(INT64_MIN));
		free(text);
		text = json_dumps(copy, JSON_COMPACT);
		assert_int_equal(session_restore(session, text, strlen(text)), -EINVAL);
		json_decref(copy);
	}
	free(text);
	json_decref(root);
	session_free(session);
}

/* More rows than there are, and hashes that are none or come twice. */
static void test_too_many(void **state)
{
	static const char *const seen[] = {"0000000000000000", "00000000000000010000000000000001",
		"000000000000000", "000000000000000X"};
	struct session *session = make((struct session_ceilings){0});
	char *text = save(session);
	json_t *root = json_loads(text, 0, NULL), *kept = json_array(), *live = json_array();
	json_t *none = json_array();

	(void)state;
	free(text);
	for (unsigned i = 0; i < 3000; i++) {
		char hash[17];

		snprintf(hash, sizeof(hash), "%016x", i + 1);
		json_array_append_new(
			kept, json_pack("[bsssiisiiii]", 1, hash, "", "", 80, 6, "", 0, 0, 0, 0));
		json_array_append_new(live, json_pack("[sii]", hash, 1, 1));
	}
	for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]) + 2; i++) {
		json_t *copy = json_deep_copy(root);

		json_object_set(copy, "kept", i == 0 ? kept : none);
		json_object_set(copy, "live", i == 1 ? live : none);
		if (i >= 2)
			json_object_set_new(
				copy, i % 2 ? "seen" : "wild", json_string(seen[i - 2]));
		text = json_dumps(copy, JSON_COMPACT);
		assert_int_equal(session_restore(session, text, strlen(text)), -EINVAL);
		free(text);
		json_decref(copy);
	}
	json_decref(none);
	json_decref(kept);
	json_decref(live);
	json_decref(root);
	session_free(session);
}

/* --- The record --- */

static void test_record(void **state)
{
	const struct event_context context = {.policy = "agent", .session = "s-1"};
	struct session *session = make((struct session_ceilings){.destinations = 20,
		.bytes = 1000,
		.has_unknown_share = true,
		.unknown_share = 0.75});
	struct session_figures figures;
	char line[EVENT_LINE];
	size_t size;

	(void)state;
	lease(session, "a.example", "docs");
	flow(session, "192.0.2.9", 0, 100, 200, false);
	figures = figures_of(session);
	size = session_to_json(&figures, SESSION_SUMMARY, T0 + SECOND, &context, line);
	assert_int_equal(line[size - 1], '\n');
	line[size - 1] = '\0';
	assert_string_equal(line,
		"{\"time\":\"2025-11-21T13:05:03.000000Z\",\"kind\":\"session\","
		"\"policy\":\"agent\",\"session\":\"s-1\",\"phase\":\"summary\","
		"\"since\":\"2025-11-21T13:05:02.000000Z\",\"destinations\":2,\"unknown\":1,"
		"\"wildcard_names\":0,\"connections\":1,\"refused\":0,\"bytes_out\":100,"
		"\"bytes_in\":200,\"alerts\":0,\"categories\":{\"docs\":1,\"unknown\":1},"
		"\"budget\":{\"destinations\":{\"used\":2,\"of\":20},"
		"\"unknown_share\":{\"used\":0.5,\"of\":0.75},"
		"\"bytes\":{\"used\":100,\"of\":1000}},"
		"\"baseline\":{\"sessions\":0,\"state\":\"cold\"}}");
	session_free(session);
}

/* The longest of everything, in categories that take most room. */
static void test_longest_record(void **state)
{
	const struct event_context context = {.policy = "agent", .session = "s-1"};
	struct session *session = make((struct session_ceilings){.destinations = 1,
		.wildcard_names = 1,
		.bytes = UINT64_MAX,
		.connections = UINT64_MAX,
		.has_unknown_share = true,
		.unknown_share = 0.123456789});
	struct session_figures figures;
	char line[EVENT_LINE + 1];
	json_t *read;
	size_t size;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char category[CENSUS_WORD];

		memset(category, i % 2 ? '"' : 'x', sizeof(category) - 1);
		category[sizeof(category) - 1] = '\0';
		snprintf(category, 8, "%02u\n", i);
		category[strlen(category)] = '\x1b';
		lease_number(session, i, category);
	}
	figures = figures_of(session);
	figures.destinations = figures.unknown = figures.wildcard_names = figures.connections =
		figures.refused = figures.bytes_out = figures.bytes_in = UINT64_MAX;
	for (unsigned i = 0; i < figures.categories.n_rows; i++)
		figures.categories.rows[i].count = UINT32_MAX;
	size = session_to_json(&figures, SESSION_EXTEND, T0, &context, line);
	assert_in_range(size, 2000, EVENT_LINE);
	line[size] = '\0';
	assert_int_equal(strlen(line), size);
	assert_int_equal(strcspn(line, "\n\x1b"), size - 1);
	read = json_loads(line, 0, NULL);
	assert_non_null(read);
	json_decref(read);
	session_free(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_told_stays_told),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_not_restored),
		cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_longest_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
