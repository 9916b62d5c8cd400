/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/rules/explaining.h"
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

/* What is said of a permitted name behind what the decider's entry takes. */
static const char *say_after(
	struct arena *arena, const char *base, const char *override, const char *what)
{
	struct compiled compiled = explaining_compile(arena, layered_two(arena, base, override));
	bool permitted;
	const char *text = explaining_say(arena, &compiled, "a.test:443", NULL, false, &permitted);
	const char *found = strstr(text, what);

	assert_true(permitted);
	if (!found)
		fail_msg("%s", text);
	return found + strlen(what);
}

#define O1 "  override 1 (o1.toml) "
#define NAMELESS "judges each as an address without a name\n"

/* Each layer may refuse other addresses that the servers answer. */
static void test_addresses_by_layer(void **state)
{
	static const char allow[] = "[[allow]]\nhost = 'a.test'\n";
	static const char base[] = "[[allow]]\nhost = 'a.test'\n[network]\nblock = ['private']\n";
	static const struct {
		const char *override, *said;
	} rows[] = {
		{allow, ""},
		{base, ""},
		{"[[allow]]\nhost = 'a.test'\n[network]\nblock = ['multicast']\n",
			O1 "takes them but for blocked classes\n"},
		{"[[allow]]\nhost = 'a.test'\naddresses = ['192.0.2.0/24']\n",
			O1 "takes them if the entry's 'addresses' have them\n"},
		{"enforcement = 'observe'\n[[allow]]\nhost = 'a.test'\n"
		 "addresses = ['192.0.2.0/24']\n",
			O1 "would take them if the entry's 'addresses' have them\n"},
		{"[[allow]]\nhost = 'a.test'\naddresses = 'any'\n"
		 "[network]\nblock = ['multicast']\n",
			""},
		{"[[deny]]\nhost = 'b.test'\n", ""},
		{"[[deny]]\nip = '192.0.2.1'\n", O1 NAMELESS},
		{"[[deny]]\nhost = 'b.test'\n[network]\nblock = ['multicast']\n", O1 NAMELESS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(
			say_after(*state, base, rows[i].override, ", but for blocked classes\n"),
			rows[i].said);
	assert_string_equal(say_after(*state, "mode = 'denylist'\n[score]\nunknown = 0\n", base,
				    ", but for blocked classes\n"),
		"  base (base.toml) " NAMELESS
		"  spends from default-permit in a.test: wildcard_bytes 2000/minute, "
		"wildcard_answer_bytes 16000/minute\n");
	assert_string_equal(say_after(*state, "[[allow]]\nhost = 'a.test'\naddresses = 'any'\n",
				    base, ", of whatever class\n"),
		O1 "takes them but for blocked classes\n");
	/* What is observed is believed. */
	assert_string_equal(
		say_after(*state, base, "enforcement = 'observe'\n[[deny]]\nhost = 'a.test'\n",
			", of whatever class\n"),
		"  base (base.toml) takes them but for blocked classes\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses_by_layer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
