/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/import.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/base/arena-fails.h"

/*
 * What drafts say is for import.sh. Here each text that is put together for one finds no memory in
 * turn: a draft is made of all of them, or there is none.
 */

enum { ROOM = 16 << 20 };

static const struct {
	const char *format;
	const char *text;
} rows[] = {
	{"agentshield", "[domains]\nallow = [\"*.one.example.org\"]\n"
			"deny = [\"two.example.org\"]\n[networks]\nblock_private = false\n"
			"[audit]\nlog_path = \"a.jsonl\"\nlog_allowed = true\n"},
	{"grith", "[egress]\nmode = \"monitor\"\ntrusted_domains = [\"one.example.org\"]\n"
		  "blocked_domains = [\"two.example.org\"]\n"},
	{"fence", "hostname one.example.org udp 53\n192.0.2.0:8443\n"},
	{"harden-runner", "one.example.org:443\n*.two.example.org:8443\n"},
	{"cilium", "kind: CiliumNetworkPolicy\nspec:\n  egress:\n  - toFQDNs:\n"
		   "    - matchPattern: '*.one.example.org'\n    toPorts:\n    - ports:\n"
		   "      - port: '8443'\n        protocol: ANY\n"},
	{"list", "one.example.org\n"},
};

static void say(void *context, const char *message)
{
	(void)context;
	(void)message;
}

/* The draft as text in *ret_text, to be freed. 0 or -errno. */
static int import(const char *format, const char *text, unsigned fails, char **ret_text)
{
	const struct import_options options = {
		.file = "file", .path = "/file", .name = "draft", .say = say};
	struct arena *arena;
	struct draft draft;
	size_t size;
	int error;

	assert_int_equal(arena_new(ROOM, &arena), 0);
	arena_fails_at(fails);
	error = import_read(arena, format, text_of(text), &options, &draft);
	if (error == 0)
		error = draft_text(&draft, ret_text, &size);
	arena_free(arena);
	return error;
}

static void needs_each_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *whole = NULL;
		unsigned count;

		assert_int_equal(import(rows[i].format, rows[i].text, 0, &whole), 0);
		count = arena_fails_calls();
		assert_true(count > 3);
		for (unsigned n = 1; n <= count; n++) {
			char *less = NULL;
			int error = import(rows[i].format, rows[i].text, n, &less);

			if (error != -ENOMEM)
				printf("%s, text %u of %u: %s\n", rows[i].format, n, count,
					less ? less : "no draft");
			assert_int_equal(error, -ENOMEM);
			free(less);
		}
		free(whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_each_text),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
