/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"

/* Each bad policy tests/rules/bad/X.toml against what is to be said of it, X.expect beside it. With
 * --update the expectations are written anew, for review. */

static const char *folder(void)
{
	static char path[4096];
	const char *top = getenv("abs_top_srcdir");

	snprintf(path, sizeof(path), "%s/tests/rules/bad", top ? top : ".");
	return path;
}

static int is_policy(const struct dirent *entry)
{
	return fnmatch("*.toml", entry->d_name, 0) == 0;
}

/* "override-X.toml" is read as an override. Profiles are looked for beside the policies. */
static int parse(
	struct arena *arena, const char *name, const char *bytes, size_t size, struct diag *diag)
{
	static const char *const profiles[] = {"profiles"};
	const struct load_options options = {
		.is_override = fnmatch("override*", name, 0) == 0,
		.profile_dirs = profiles,
		.n_profile_dirs = 1,
	};
	const struct policy *policy;

	return policy_parse(arena, name, bytes, size, &options, diag, &policy);
}

/* What is said of the policy, in the arena; NULL if it is not refused. */
static const char *judge(struct arena *arena, const char *name)
{
	struct diag *diag = diag_new(arena);
	uint8_t *bytes;
	size_t size, said_size;
	char *said;
	FILE *out;
	int error;

	if (!diag || fd_read_file(name, 1 << 20, &bytes, &size) < 0)
		return NULL;
	error = parse(arena, name, (const char *)bytes, size, diag);
	out = open_memstream(&said, &said_size);
	if (!out)
		return NULL;
	diag_print(diag, out);
	fclose(out);
	free(bytes);
	const char *copy = arena_strndup(arena, said, said_size);

	free(said);
	return error == -EINVAL ? copy : NULL;
}

static void print_commented(const char *head, const char *text)
{
	printf("# %s\n", head);
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		printf("#\t%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

static bool update(const char *path, const char *said)
{
	FILE *out = fopen(path, "w");
	bool good = out && fputs(said, out) >= 0;

	return out && fclose(out) == 0 && good;
}

static bool compare(struct arena *arena, const char *path, const char *said)
{
	const char *expected = "";
	uint8_t *bytes;
	size_t size;

	if (fd_read_file(path, 1 << 20, &bytes, &size) == 0) {
		expected = arena_strndup(arena, (const char *)bytes, size);
		free(bytes);
	}
	if (expected && strcmp(expected, said) == 0)
		return true;
	print_commented("expected:", expected ? expected : "");
	print_commented("said:", said);
	return false;
}

static bool check(const char *name, bool updating)
{
	const char *expect, *said;
	struct arena *arena;
	bool good;

	if (arena_new((size_t)64 << 20, &arena) < 0)
		return false;
	expect = arena_printf(arena, "%.*s.expect", (int)strcspn(name, "."), name);
	said = expect ? judge(arena, name) : NULL;
	if (!said)
		printf("# it is not refused\n");
	good = said && (updating ? update(expect, said) : compare(arena, expect, said));
	arena_free(arena);
	return good;
}

int main(int count, char **arguments)
{
	bool updating = count > 1 && strcmp(arguments[1], "--update") == 0;
	bool all = true;
	struct dirent **entries;
	/* So that paths in what is said are short, and the same everywhere. */
	int found = chdir(folder()) == 0 ? scandir(".", &entries, is_policy, alphasort) : -1;

	if (found <= 0) {
		printf("Bail out! no policies in %s\n", folder());
		return 1;
	}
	printf("1..%d\n", found);
	for (int i = 0; i < found; i++) {
		bool good = check(entries[i]->d_name, updating);

		printf("%s %d - %s\n", good ? "ok" : "not ok", i + 1, entries[i]->d_name);
		all = all && good;
		free(entries[i]);
	}
	free(entries);
	return all ? 0 : 1;
}
