/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/scan-draft.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/base/arena-fails.h"
#include "tests/learn/probe.h"

/*
 * Drafts of scanned projects without memory for one of their texts: a draft is made of all that was
 * found, or there is none.
 */

enum { ROOM = 64 << 20, MANY = 1003 };

static char folder[] = "/tmp/egress-draft.XXXXXX";

static const char *file_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s.toml", folder, name);
	return path;
}

static const char *const profiles[] = {"npm", "pip"};

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		FILE *out = fopen(file_of(profiles[i]), "w");

		assert_non_null(out);
		fprintf(out, "version = 1\n[[allow]]\nhost = \"%s.example.org\"\n", profiles[i]);
		assert_int_equal(fclose(out), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		assert_int_equal(unlink(file_of(profiles[i])), 0);
	return rmdir(folder);
}

/* The draft as text in *ret_text, to be freed. 0 or -errno. */
static int make(const struct probe *probe, unsigned fails, char **ret_text)
{
	const char *dirs[] = {folder};
	const struct scan_draft_options options = {"title", "name", NULL, dirs, 1};
	struct arena *arena;
	struct draft draft;
	size_t size;
	int error;

	assert_int_equal(arena_new(ROOM, &arena), 0);
	arena_fails_at(fails);
	error = scan_draft(arena, probe->evidence, &options, &draft);
	if (error == 0)
		error = draft_text(&draft, ret_text, &size);
	arena_free(arena);
	return error;
}

/* Has each text fail from the one of that number on; of numbers below 1, as many at the end. */
static void need_texts(const struct probe *probe, int from)
{
	char *whole = NULL;
	int count;

	assert_int_equal(make(probe, 0, &whole), 0);
	count = (int)arena_fails_calls();
	for (int n = from > 0 ? from : count + from; n <= count; n++) {
		char *less = NULL;
		int error = make(probe, (unsigned)n, &less);

		if (error == 0)
			assert_string_equal(less, whole);
		else
			assert_int_equal(error, -ENOMEM);
		free(less);
	}
	free(whole);
}

static void profiles_are_found_or_there_is_no_memory(void **state)
{
	struct probe probe;

	(void)state;
	probe_open(&probe);
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		evidence_add_profile(probe.evidence, profiles[i], EVIDENCE_LOCK, 1);
	need_texts(&probe, 1);
	probe_close(&probe);
}

/* More than are listed: how many there are is said at the end. */
static void what_is_left_out_is_said(void **state)
{
	struct probe probe;

	(void)state;
	probe_open(&probe);
	for (unsigned i = 0; i < MANY; i++) {
		struct target target = {.kind = TARGET_ADDRESS,
			.address = inaddr_from_ip4(
				(const uint8_t[4]){11, 0, (uint8_t)(i >> 8), (uint8_t)i}),
			.protocol = PROTOCOL_TCP,
			.port = 443};

		evidence_add(probe.evidence, &target, EVIDENCE_COMMENT, 1);
	}
	need_texts(&probe, -3);
	probe_close(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_are_found_or_there_is_no_memory),
		cmocka_unit_test(what_is_left_out_is_said),
	};

	return cmocka_run_group_tests_name("scan-draft", tests, set_up, tear_down);
}
