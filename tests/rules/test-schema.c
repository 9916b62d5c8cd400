/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/load.h"
#include "rules/nearest.h"
#include "rules/schema.h"
#include "src/base/arena.h"
#include "tests/rules/parse.h"

/* Everything here is driven by the table itself, so that no key is forgotten. */

static int setup(void **state)
{
	return arena_new((size_t)64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *const samples[TOML_KINDS] = {
	[TOML_STRING] = "\"x\"",
	[TOML_INTEGER] = "7",
	[TOML_REAL] = "1.5",
	[TOML_BOOLEAN] = "true",
	[TOML_DATE] = "1979-05-27",
	[TOML_TIME] = "07:32:00",
	[TOML_DATE_TIME] = "1979-05-27T07:32:00Z",
	[TOML_ARRAY] = "[]",
	[TOML_TABLE] = "{}",
};

static const char *key_of(const struct schema_key *row)
{
	return row->key ? row->key : "a";
}

/* What stands before the row's own line in a policy that is good but for it. */
static const char *head_of(struct arena *arena, const struct schema_key *row)
{
	if (row->id == SCHEMA_VERSION)
		return "";
	if (*row->table == '\0')
		return "version = 1\n";
	if (strcmp(row->table, "allow") != 0 && strcmp(row->table, "deny") != 0)
		return arena_printf(arena, "version = 1\n[%s]\n", row->table);
	return arena_printf(arena, "version = 1\n[[%s]]\n%s\n", row->table,
		row->id == SCHEMA_ENTRY_HOST ? "ip = \"192.0.2.1\"" : "host = \"a.b\"");
}

/* A policy with the row's key and a value. `in_array` tells that the value is to be an element.
 * *ret_place is where the value is, "LINE:COLUMN", *ret_key_place where the key is. */
static const char *policy_with(struct arena *arena, const struct schema_key *row, const char *value,
	bool in_array, const char **ret_place, const char **ret_key_place)
{
	const char *head = head_of(arena, row);
	unsigned line = 1;

	for (const char *at = head; *at; at++)
		line += *at == '\n';
	*ret_place = arena_printf(arena, "%u:%zu", line, strlen(key_of(row)) + (in_array ? 5 : 4));
	*ret_key_place = arena_printf(arena, "%u:1", line);
	return arena_printf(
		arena, in_array ? "%s%s = [%s]\n" : "%s%s = %s\n", head, key_of(row), value);
}

static void test_wrong_kinds(void **state)
{
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		for (unsigned kind = 0; kind < TOML_KINDS; kind++) {
			const char *place, *key_place, *said, *message;

			if (rows[i].kinds & 1u << kind)
				continue;
			said = parse_bad(*state, policy_with(*state, &rows[i], samples[kind], false,
							 &place, &key_place));
			message = arena_printf(*state, "'%s' must be %s, not %s [E012]\n",
				key_of(&rows[i]), rows[i].expects,
				toml_kind_name((enum toml_kind)kind));
			parse_expect(said, place, message);
		}
	}
}

static void test_wrong_elements(void **state)
{
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		bool arrays = rows[i].kinds & 1u << TOML_ARRAY;

		for (unsigned kind = 0; kind < TOML_KINDS && arrays; kind++) {
			const char *place, *key_place, *said, *message;

			if (rows[i].items & 1u << kind)
				continue;
			said = parse_bad(*state, policy_with(*state, &rows[i], samples[kind], true,
							 &place, &key_place));
			message = arena_printf(
				*state, "an element of '%s' must be ", key_of(&rows[i]));
			parse_expect(said, place, message);
			message = arena_printf(
				*state, ", not %s [E012]\n", toml_kind_name((enum toml_kind)kind));
			assert_non_null(strstr(said, message));
		}
	}
}

static const char *text_of_bound(struct arena *arena, const struct schema_key *row, int64_t bound)
{
	return arena_printf(
		arena, row->unit == SCHEMA_DURATION ? "\"%lldms\"" : "%lld", (long long)bound);
}

/* Values that are out of any range of a unit. */
static const char *const beyonds[][2] = {
	[SCHEMA_NUMBER] = {"-1", "9223372036854775807"},
	[SCHEMA_POINTS] = {"nan", "-inf"},
	[SCHEMA_DURATION] = {"\"60\"", "\"99999999999999999999d\""},
};

/* The policy with a host that wildcard_names is about. */
static const char *with_wildcard(
	struct arena *arena, const struct schema_key *row, const char *text)
{
	const char *host = strstr(text, "\"a.b\"");

	if (row->id != SCHEMA_ENTRY_WILDCARD_NAMES)
		return text;
	assert_non_null(host);
	return arena_printf(arena, "%.*s\"*.a.b\"%s", (int)(host - text), text, host + 5);
}

static void expect_range(struct arena *arena, const struct schema_key *row)
{
	const char *place, *key_place, *text, *said, *message;
	const char *beyond[] = {text_of_bound(arena, row, row->min - 1),
		text_of_bound(arena, row, row->max + 1), beyonds[row->unit][0],
		beyonds[row->unit][1]};
	unsigned kind = row->unit == SCHEMA_DURATION ? TOML_STRING : TOML_INTEGER;
	bool in_array = !(row->kinds & 1u << kind);

	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		text = policy_with(arena, row, beyond[i], in_array, &place, &key_place);
		said = parse_bad(arena, text);
		message = arena_printf(arena, "'%s' must be %s, not ", row->key, row->expects);
		parse_expect(said, place, message);
		assert_non_null(strstr(said, " [E013]\n"));
	}
	/* The largest min_lease fits the largest max_lease only. */
	text = policy_with(
		arena, row, text_of_bound(arena, row, row->max), in_array, &place, &key_place);
	if (row->id == SCHEMA_DNS_MIN_LEASE)
		text = arena_printf(arena, "%smax_lease = \"1d\"\n", text);
	parse_good(arena, with_wildcard(arena, row, text));
	text = policy_with(
		arena, row, text_of_bound(arena, row, row->min), in_array, &place, &key_place);
	if (row->id == SCHEMA_DNS_MAX_LEASE)
		text = arena_printf(arena, "%smin_lease = \"1s\"\n", text);
	parse_good(arena, with_wildcard(arena, row, text));
}

static void test_ranges(void **state)
{
	size_t count, ranges = 0;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		if (rows[i].unit == SCHEMA_WORD)
			continue;
		expect_range(*state, &rows[i]);
		ranges++;
	}
	assert_true(ranges > 0);
}

/* A policy with the row's array of `count` strings. */
static const char *repeat_element(struct arena *arena, const struct schema_key *row, size_t count)
{
	char *text = arena_alloc(arena, 100 + count * 20), *at = text;

	assert_non_null(text);
	at = stpcpy(at, head_of(arena, row));
	at += sprintf(at, "%s = [", row->key);
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "\"127.0.%zu.%zu:53\",", i / 256, i % 256);
	strcpy(at, "]\n");
	return text;
}

/* Too many elements are said to be; one less are not, whatever else is wrong with them. */
static void expect_most(struct arena *arena, const struct schema_key *row)
{
	const struct policy *policy;
	const struct load_options options = {0};
	const char *said, *message;
	const char *text = repeat_element(arena, row, row->max_items);

	parse_policy(arena, &options, text, strlen(text), &policy, &said);
	assert_null(strstr(said, "[E014]"));
	said = parse_bad(arena, repeat_element(arena, row, row->max_items + 1));
	message = arena_printf(arena, "'%s' has %zu elements, more than %zu [E014]\n", row->key,
		row->max_items + 1, row->max_items);
	assert_non_null(strstr(said, message));
}

static void test_counts(void **state)
{
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		const char *place, *key_place, *text, *message;

		if (!(rows[i].kinds & 1u << TOML_ARRAY))
			continue;
		text = policy_with(*state, &rows[i], "[]", false, &place, &key_place);
		if (rows[i].min_items == 0) {
			parse_good(*state, text);
		} else {
			message = arena_printf(*state, "'%s' is empty [E014]\n", key_of(&rows[i]));
			parse_expect(parse_bad(*state, text), place, message);
		}
		if (rows[i].max_items > 0)
			expect_most(*state, &rows[i]);
	}
}

static void test_defaults_are_good(void **state)
{
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		const char *place, *key_place;

		if (rows[i].fallback)
			parse_good(*state, policy_with(*state, &rows[i], rows[i].fallback, false,
						   &place, &key_place));
	}
}

static void test_rows_are_whole(void **state)
{
	const char *used[SCHEMA_IDS] = {NULL};
	size_t count;
	const struct schema_key *rows = schema_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct text key = text_of(key_of(&rows[i]));

		assert_ptr_equal(schema_find(rows[i].table, key), &rows[i]);
		assert_int_not_equal(rows[i].kinds, 0);
		assert_non_null(rows[i].expects);
		assert_ptr_not_equal(schema_table_title(rows[i].table), rows[i].table);
		assert_int_equal(rows[i].items != 0, (rows[i].kinds >> TOML_ARRAY & 1) != 0);
		if (rows[i].unit != SCHEMA_WORD)
			assert_true(rows[i].min < rows[i].max);
		/* Entries share their readers, allowed or denied. */
		assert_true(!used[rows[i].id] || (strcmp(used[rows[i].id], "allow") == 0 &&
							 strcmp(rows[i].table, "deny") == 0));
		used[rows[i].id] = rows[i].table;
		if (*rows[i].table && strcmp(rows[i].table, "dns.hosts") != 0)
			assert_non_null(schema_find("", text_of(rows[i].table)));
	}
	for (unsigned id = 0; id < SCHEMA_IDS; id++)
		assert_non_null(used[id]);
}

static void test_unknown_keys(void **state)
{
	const char *said = parse_bad(*state, "version = 1\n"
					     "naem = \"x\"\n"
					     "zzzzzz = 1\n"
					     "host = 1\n"
					     "[[allow]]\n"
					     "host = \"a.b\"\n"
					     "prots = 1\n"
					     "mode = \"allowlist\"\n"
					     "\"\" = 1\n"
					     "\"ho\\u0000st\" = 1\n"
					     "[dns]\n"
					     "Min_Lease = \"1s\"\n"
					     "[metwork]\n");

	parse_expect(said, "2:1", "unknown key 'naem', did you mean 'name'? [E010]\n");
	parse_expect(said, "3:1", "unknown key 'zzzzzz' [E010]\n");
	parse_expect(said, "4:1", "unknown key 'host' here: it belongs to [[allow]] [E010]\n");
	parse_expect(said, "7:1", "unknown key 'prots', did you mean 'ports'? [E010]\n");
	parse_expect(
		said, "8:1", "unknown key 'mode' here: it belongs to the top of the file [E010]\n");
	parse_expect(said, "9:1", "unknown key '' [E010]\n");
	parse_expect(said, "10:1", "unknown key 'ho?st', did you mean 'host'? [E010]\n");
	parse_expect(said, "12:1", "unknown key 'Min_Lease', did you mean 'min_lease'? [E010]\n");
	parse_expect(said, "13:2", "unknown key 'metwork', did you mean 'network'? [E010]\n");
}

static const struct {
	const char *word;
	const char *near;
} words[] = {
	{"ports", "ports"},
	{"port", "ports"},
	{"prots", "ports"},
	{"PORTS", "ports"},
	{"pports", "ports"},
	{"ips", "ip"},
	{"p", "ip"},
	{"xy", NULL},
	{"", NULL},
	{"category", "category"},
	{"catgeroy", "category"},
	{"ctgry", NULL},
	{"portsportsportsportsportsportsports", NULL},
};

static void test_nearest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct nearest nearest = {.word = text_of(words[i].word)};

		nearest_offer(&nearest, "ip");
		nearest_offer(&nearest, "ports");
		nearest_offer(&nearest, "category");
		if (!words[i].near)
			assert_null(nearest.found);
		else
			assert_string_equal(nearest.found, words[i].near);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_elements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_defaults_are_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows_are_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nearest, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
