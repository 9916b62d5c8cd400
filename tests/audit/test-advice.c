/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/advice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/base/arena-fails.h"

/*
 * What is said of each rule is in tests/audit/session.txt. Here each text of an advice finds no
 * memory in turn: then there is none, and no other one.
 */

enum { ROOM = 16 << 20 };

static const char policy[] = "version = 1\n[[allow]]\nhost = \"one.example.org\"\n"
			     "[[deny]]\nhost = \"two.example.org\"\nreason = \"it is not ours\"\n"
			     "[[deny]]\nhost = \"three.example.org\"\n";

static const struct {
	const char *rule;
	const char *name; /* "": an address */
	enum digest_outcome outcome;
	const char *says;
	const char *option;
} rows[] = {
	{"default-deny", "four.example.org", DIGEST_REFUSED, NULL, "--allow four.example.org:8443"},
	{"default-deny", "four.example.0", DIGEST_REFUSED, NULL, NULL},
	{"default-deny", "", DIGEST_REFUSED, NULL, "--allow [2001:db8::1]:8443"},
	{"deny-1", "two.example.org", DIGEST_REFUSED, "denied at policy.toml:4: it is not ours",
		NULL},
	{"deny-2", "three.example.org", DIGEST_REFUSED, "denied at policy.toml:7", NULL},
	{"allow-1:addresses", "one.example.org", DIGEST_REFUSED,
		"the entry at policy.toml:2 does not take the address for one of that name's "
		"(addresses)",
		NULL},
	{"block-private", "one.example.org", DIGEST_REFUSED,
		"private addresses are blocked ([network] block of policy.toml)", NULL},
	{"limit-bytes", "one.example.org", DIGEST_REFUSED, "a limit of policy.toml: limit-bytes",
		NULL},
	{"gone-7", "one.example.org", DIGEST_OBSERVED, "the policy's rule gone-7 decides", NULL},
	{"allow-1", "one.example.org", DIGEST_REACHED, NULL, NULL},
};

static const struct layers *compile(struct arena *arena)
{
	const struct compile_options options = {
		.policy = "policy.toml", .text = policy, .size = strlen(policy)};
	struct diag *diag = diag_new(arena);
	const struct layers *layers;

	assert_non_null(diag);
	assert_int_equal(compile_layers(arena, &options, diag, &layers), 0);
	return layers;
}

static void expect(const char *text, const char *expected)
{
	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
}

static void needs_each_text(void **state)
{
	struct arena *arena;
	const struct layers *layers;

	(void)state;
	assert_int_equal(arena_new(ROOM, &arena), 0);
	layers = compile(arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct digest_row row = {.outcome = rows[i].outcome,
			.name = rows[i].name,
			.rule = rows[i].rule,
			.category = "",
			.protocol = "tcp",
			.port = 8443,
			.has_address = true};
		struct advice advice;
		unsigned count;

		assert_int_equal(inaddr_from_text(text_of("2001:db8::1"), &row.address), 0);
		arena_fails_at(0);
		assert_int_equal(advice_make(arena, layers, &row, &advice), 0);
		expect(advice.says, rows[i].says);
		expect(advice.option, rows[i].option);
		count = arena_fails_calls();
		assert_true(count > 0);
		for (unsigned n = 1; n <= count; n++) {
			arena_fails_at(n);
			assert_int_equal(advice_make(arena, layers, &row, &advice), -ENOMEM);
		}
	}
	arena_fails_at(0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_each_text),
	};

	return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
