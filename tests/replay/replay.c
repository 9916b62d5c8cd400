/* SPDX-License-Identifier: GPL-2.0-or-later */

/* replay SCRIPT...: plays scripts (README beside this file) to the resolver's engine, a TAP test
 * each. Exit status 0 if all went as written, else 1. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/fd.h"
#include "tests/replay/run.h"

#define SCRIPT_MAX ((size_t)1 << 20)
#define ARENA_MAX ((size_t)64 << 20)

static int play(struct arena *arena, const char *path, struct text *ret_title, struct fault *fault)
{
	struct script script;
	uint8_t *bytes = NULL;
	size_t size;
	int error = fd_read_file(path, SCRIPT_MAX, &bytes, &size);

	if (error < 0)
		return fault_set(fault, 0, "%s", strerror(-error));
	error = script_parse(arena, path, (struct text){(const char *)bytes, size}, &script, fault);
	if (error == 0) {
		char *title = arena_strndup(arena, script.title.start, script.title.length);
		*ret_title = title ? text_of(title) : text_of("");
		error = run_script(arena, &script, fault);
	}
	free(bytes);
	return error;
}

/* The fault as a TAP comment, file and line before it. */
static void print_fault(const char *path, const struct fault *fault)
{
	const char *at;

	printf("# %s:%u: ", path, fault->line);
	for (at = fault->text; *at; at++) {
		putchar(*at);
		if (*at == '\n' && at[1])
			printf("#   ");
	}
	if (at == fault->text || at[-1] != '\n')
		putchar('\n');
}

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		static struct fault fault;
		const char *slash = strrchr(argv[i], '/');
		struct text title = text_of("");
		struct arena *arena;
		int error;

		fault = (struct fault){.line = 0};
		if (arena_new(ARENA_MAX, &arena) < 0)
			return 2;
		error = play(arena, argv[i], &title, &fault);
		failed += error < 0;
		if (error < 0)
			print_fault(argv[i], &fault);
		printf("%sok %d - %s: %.*s\n", error < 0 ? "not " : "", i,
			slash ? slash + 1 : argv[i], TEXT_ARG(title));
		fflush(stdout);
		arena_free(arena);
	}
	return failed ? 1 : 0;
}
