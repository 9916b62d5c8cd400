/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/class.h"
#include "rules/list.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "rules/profile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/parse.h"

/* Profiles that a policy names, and what a policy is as an override. */

static char folder[] = "/tmp/test-profile-XXXXXX";

static const struct {
	const char *path;
	const char *text;
} files[] = {
	{"one/npm.toml", "version = 1\n"
			 "name = \"npm\"\n"
			 "[[allow]]\n"
			 "host = \"registry.example.com\"\n"
			 "[[deny]]\n"
			 "host = \"bad.example.com\"\n"
			 "[[allow]]\n"
			 "host = \"files.example.com\"\n"
			 "score = -3\n"},
	{"one/listed.toml", "version = 1\n[[allow]]\nlist = \"hosts.txt\"\n"},
	{"one/hosts.txt", "a.example.com\n"},
	{"one/keys.toml", "version = 1\n"
			  "mode = \"denylist\"\n"
			  "profiles = [\"npm\"]\n"
			  "allows = []\n"
			  "[audit]\n"
			  "path = \"-\"\n"
			  "[[allow]]\n"
			  "host = \"a..b\"\n"
			  "[dns]\n"},
	{"one/no-toml.toml", "version = = 1\n"},
	{"one/no-version.toml", "[[allow]]\nhost = \"a.b\"\n"},
	{"one/contrary.toml", "version = 1\n[[allow]]\nhost = \"a.b\"\n[[deny]]\nhost = \"a.b\"\n"},
	{"one/empty.toml", "version = 1\n"},
	{"one/categories.toml", "version = 1\n"},
	{"two/npm.toml", "version = 1\n[[allow]]\nhost = \"shadowed.example.com\"\n"},
	{"two/cargo.toml", "version = 1\n[[allow]]\nip = \"192.0.2.1\"\n"},
};

static struct load_options options = {.n_profile_dirs = 2};

static const char *path_of(struct arena *arena, const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static int setup(void **state)
{
	static char one[64], two[64];
	static const char *made[] = {one, two};

	if (arena_new((size_t)64 << 20, (struct arena **)state) < 0 || !mkdtemp(folder))
		return -1;
	snprintf(one, sizeof(one), "%s/one", folder);
	snprintf(two, sizeof(two), "%s/two", folder);
	options.profile_dirs = made;
	if (mkdir(one, 0700) < 0 || mkdir(two, 0700) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *out = fopen(path_of(*state, files[i].path), "w");

		if (!out || fputs(files[i].text, out) < 0 || fclose(out) != 0)
			return -1;
	}
	return mkdir(path_of(*state, "one/folder.toml"), 0700);
}

static int teardown(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(*state, files[i].path));
	rmdir(path_of(*state, "one/folder.toml"));
	rmdir(path_of(*state, "one"));
	rmdir(path_of(*state, "two"));
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	arena_free(*state);
	return 0;
}

static void test_entries_come_last(void **state)
{
	static const struct {
		const char *id;
		const char *profile;
		double score;
	} expected[] = {
		{"allow-1", NULL, -1.0},
		{"deny-1", NULL, 4.0},
		{"npm:allow-1", "npm", -2.0},
		{"npm:allow-2", "npm", -3.0},
		{"npm:deny-1", "npm", 4.0},
		{"cargo:allow-1", "cargo", -2.0},
	};
	const struct policy *policy = parse_good_as(*state, &options,
		"version = 1\n"
		"profiles = [\"npm\", \"empty\", \"cargo\"]\n"
		"[[deny]]\n"
		"host = \"registry.example.com\"\n"
		"[[allow]]\n"
		"host = \"a.example.com\"\n");

	assert_int_equal(policy->n_entries, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < policy->n_entries; i++) {
		const struct entry *entry = &policy->entries[i];

		assert_string_equal(entry->id, expected[i].id);
		assert_true(entry->score == expected[i].score);
		if (!expected[i].profile)
			assert_null(entry->profile);
		else
			assert_string_equal(entry->profile, expected[i].profile);
	}
	assert_string_equal(policy->entries[2].place.file, path_of(*state, "one/npm.toml"));
	assert_int_equal(policy->entries[2].place.line, 3);
	/* The names of the profile are its own. */
	assert_string_equal(policy->name, "default");
	assert_string_equal(policy->file, "policy.toml");
	assert_true(policy->has_allow);
	policy = parse_good_as(*state, &options, "version = 1\nprofiles = [\"npm\"]\n");
	assert_int_equal(policy->n_entries, 3);
	assert_false(policy->has_allow);
}

static void test_lists_lie_beside_the_profile(void **state)
{
	const struct policy *policy =
		parse_good_as(*state, &options, "version = 1\nprofiles = [\"listed\"]\n");

	assert_string_equal(policy->entries[0].lists[0]->file, path_of(*state, "one/hosts.txt"));
}

static void test_no_such_profile(void **state)
{
	const char *said = parse_bad_as(*state, &options,
		"version = 1\n"
		"profiles = [\"nmp\", \"x\", \"../one/npm\", \"npm\\u0000\", \"\", "
		"\"categories\",\n"
		"  \"Cargo\", \"folder\", \"npm\", \"npm\"]\n");

	parse_expect(said, "2:13", "there is no profile 'nmp', did you mean 'npm'? [E027]\n");
	parse_expect(said, "2:20", "there is no profile 'x' [E027]\n");
	parse_expect(said, "2:25", "there is no profile '../one/npm' [E027]\n");
	parse_expect(said, "2:39", "there is no profile 'npm?', did you mean 'npm'? [E027]\n");
	parse_expect(said, "2:52", "there is no profile '' [E027]\n");
	parse_expect(said, "2:56", "there is no profile 'categories' [E027]\n");
	parse_expect(said, "3:3", "there is no profile 'Cargo', did you mean 'cargo'? [E027]\n");
	parse_expect(said, "3:12",
		arena_printf(*state, "cannot read %s: it is a directory [E001]\n",
			path_of(*state, "one/folder.toml")));
	parse_expect(said, "3:29", "'npm' is given twice, first in line 3, column 22 [E016]\n");
}

static void expect_line(const char *said, const char *line)
{
	if (!strstr(said, line))
		fail_msg("\"%s\" is not in:\n%s", line, said);
}

static void test_mistakes_in_profiles(void **state)
{
	const char *keys = path_of(*state, "one/keys.toml");
	const char *said = parse_bad_as(*state, &options,
		"version = 1\nprofiles = [\"keys\", \"no-toml\", \"no-version\", \"contrary\"]\n"
		"name = \"X\"\n");

	expect_line(said, arena_printf(*state,
				  "%s:2:1: error: a profile has no 'mode': only 'version', 'name', "
				  "'allow' and 'deny' [E019]\n"
				  "    2 | mode = \"denylist\"\n",
				  keys));
	expect_line(said, arena_printf(*state, "%s:3:1: error: a profile has no 'profiles'", keys));
	expect_line(said,
		arena_printf(*state,
			"%s:4:1: error: unknown key 'allows', did you mean 'allow'? [E010]", keys));
	expect_line(said, arena_printf(*state, "%s:5:2: error: a profile has no 'audit'", keys));
	expect_line(said, arena_printf(*state, "%s:8:8: error: 'a..b' is not a host name", keys));
	expect_line(said, arena_printf(*state, "%s:9:2: error: a profile has no 'dns'", keys));
	expect_line(said, "/one/no-toml.toml:1:11: error: ");
	expect_line(said, "/one/no-version.toml: error: 'version' is missing");
	expect_line(said, "/one/contrary.toml:3:8: error: contrary:allow-1 allows 'a.b', "
			  "which contrary:deny-1 denies in line 5, column 8 [E025]\n");
	/* And what else is wrong with the policy. */
	parse_expect(said, "3:8", "'X' is not a policy's name");
	assert_null(strstr(said, "path"));
}

static void count_name(void *context, const char *name)
{
	unsigned *counts = context;

	counts[0]++;
	counts[1] += strcmp(name, "npm") == 0;
	counts[2] += strcmp(name, "categories") == 0 || strcmp(name, "hosts") == 0;
}

static void test_visit(void **state)
{
	unsigned counts[3] = {0};

	(void)state;
	profile_visit(&options, count_name, counts);
	/* With those that are installed, if any are. */
	assert_true(counts[0] >= 10);
	assert_true(counts[1] >= 2);
	assert_int_equal(counts[2], 0);
}

static void load_shipped(void *context, const char *name)
{
	const struct load_options *shipped = context;
	const struct policy *policy;
	struct arena *arena;

	assert_int_equal(arena_new((size_t)64 << 20, &arena), 0);
	policy = parse_good_as(
		arena, shipped, arena_printf(arena, "version = 1\nprofiles = [\"%s\"]\n", name));
	assert_true(policy->n_entries > 0);
	arena_free(arena);
}

static void test_shipped_profiles_are_good(void **state)
{
	const char *top = getenv("abs_top_srcdir");
	const char *dir = arena_printf(*state, "%s/rules/profiles", top ? top : ".");
	struct load_options shipped = {.profile_dirs = &dir, .n_profile_dirs = 1};

	profile_visit(&shipped, load_shipped, &shipped);
}

/* From nothing up to what it takes, each allocation fails once. */
static void test_memory_is_the_limit(void **state)
{
	static const char text[] = "version = 1\nprofiles = [\"npm\", \"listed\"]\n";
	int error = -ENOMEM;

	for (size_t limit = 0; error == -ENOMEM; limit += 64) {
		const struct policy *policy;
		struct arena *small;

		assert_int_equal(arena_new(limit, &small), 0);
		error = policy_parse(small, "policy.toml", text, strlen(text), &options,
			diag_new(*state), &policy);
		arena_free(small);
		assert_true(limit < 16384);
	}
	assert_int_equal(error, 0);
}

static void test_override_defaults(void **state)
{
	const struct load_options override = {.is_override = true};
	const struct policy *policy = parse_good_as(*state, &override, "version = 1\n");

	assert_int_equal(policy->block, 0);
	assert_false(policy->has_block);
	assert_true(policy->score.refuse_at == 1.0);
	policy = parse_good_as(
		*state, &override, "version = 1\nmode = \"denylist\"\n[network]\n[audit]\n");
	assert_int_equal(policy->block, 0);
	assert_true(policy->score.refuse_at == 3.0);
	policy = parse_good_as(*state, &override,
		"version = 1\n[network]\nblock = [\"doh\"]\n[audit]\nallowed = true\n"
		"[score]\nrefuse_at = 2\n[limits]\nqueries = \"1/second\"\n");
	assert_int_equal(policy->block, 1u << CLASS_DOH);
	assert_true(policy->has_block && policy->audit_allowed);
	assert_true(policy->score.refuse_at == 2.0);
	policy = parse_good_as(*state, &override, "version = 1\n[network]\nblock = []\n");
	assert_true(policy->has_block);
}

static void test_override_keys(void **state)
{
	const struct load_options override = {.is_override = true};
	const char *said = parse_bad_as(*state, &override,
		"version = 1\n"
		"[scope]\n"
		"users = [\"no-such-user\"]\n"
		"[dns]\n"
		"grace = \"x\"\n"
		"[audit]\n"
		"nflog_group = 0\n"
		"format = \"ecs\"\n");

	parse_expect(said, "2:2", "only the base policy has 'scope', not an override [E018]\n");
	parse_expect(said, "4:2", "only the base policy has 'dns', not an override [E018]\n");
	parse_expect(
		said, "7:1", "only the base policy has 'nflog_group', not an override [E018]\n");
	parse_expect(said, "8:1", "only the base policy has 'format', not an override [E018]\n");
	assert_null(strstr(said, "grace'"));
	assert_null(strstr(said, "no-such-user' on"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entries_come_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_lie_beside_the_profile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_profile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes_in_profiles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_visit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shipped_profiles_are_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_override_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_override_keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
