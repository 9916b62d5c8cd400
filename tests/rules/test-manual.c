/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/codes.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "rules/schema.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"

/*
 * egress-policy(5) describes each key of the schema in its table's section, with an example, and
 * each code. The examples are policies that load.
 */

#define ARENA_MAX ((size_t)64 << 20)

static char *manual;

/* A file of rules/, to be freed; NULL: it can't be read. */
static char *read_source(const char *name)
{
	char path[4096], *text;
	uint8_t *bytes;
	size_t size;

	snprintf(path, sizeof(path), "%s/rules/%s", getenv("abs_top_srcdir"), name);
	if (fd_read_file(path, 1 << 20, &bytes, &size) < 0)
		return NULL;
	text = strndup((const char *)bytes, size);
	free(bytes);
	return text;
}

static int read_manual(void **state)
{
	(void)state;
	manual = read_source("egress-policy.5");
	return manual ? 0 : -1;
}

static int free_manual(void **state)
{
	(void)state;
	free(manual);
	return 0;
}

static bool is_section_of(const char *line, const char *table)
{
	char title[64], *found;

	snprintf(title, sizeof(title), "[%s]", table);
	if (table[0] == '\0')
		return strncmp(line, ".Ss Top of the file", 19) == 0;
	found = strstr(line, title);
	return strncmp(line, ".Ss ", 4) == 0 && found && found < strchr(line, '\n');
}

/* The section of a table, from its head to the next. */
static char *section_of(const char *table)
{
	for (const char *line = manual; line; line = strstr(line + 1, "\n.Ss ")) {
		const char *start = line[0] == '\n' ? line + 1 : line, *end;

		if (!is_section_of(start, table))
			continue;
		end = strstr(start, "\n.Ss ");
		return strndup(start, end ? (size_t)(end - start) : strlen(start));
	}
	return NULL;
}

/* mdoc's escapes back to what they stand for. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (strncmp(from, "\\(dq", 4) == 0) {
			*to = '"';
			from += 4;
		} else if (strncmp(from, "\\e", 2) == 0) {
			*to = '\\';
			from += 2;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* The example of a key, to be freed; NULL: none. */
static char *example_of(const char *section, const char *key)
{
	char head[64], start[64];
	const char *item, *next, *example;
	char *text;

	snprintf(head, sizeof(head), "\n.It Li %s\n", key);
	snprintf(start, sizeof(start), "\n.Dl %s = ", key);
	item = strstr(section, head);
	if (!item)
		return NULL;
	next = strstr(item + 1, "\n.It Li ");
	example = strstr(item, start);
	if (!example || (next && example > next))
		return NULL;
	example += strlen("\n.Dl ");
	text = strndup(example, strcspn(example, "\n"));
	unescape(text);
	return text;
}

static bool is_subject(const char *key)
{
	return strcmp(key, "host") == 0 || strcmp(key, "ip") == 0 || strcmp(key, "list") == 0 ||
	       strcmp(key, "host_pattern") == 0;
}

/* A policy with nothing but the example in its table. */
static void write_policy(char *out, size_t room, const struct schema_key *row, const char *example)
{
	bool is_entry = strcmp(row->table, "allow") == 0 || strcmp(row->table, "deny") == 0;

	if (row->table[0] == '\0')
		snprintf(out, room, "%s%s\n",
			strcmp(row->key, "version") == 0 ? "" : "version = 1\n", example);
	else if (is_entry)
		snprintf(out, room, "version = 1\n[[%s]]\n%s%s\n", row->table,
			is_subject(row->key) ? "" : "host = \"*.example.com\"\n", example);
	else
		snprintf(out, room, "version = 1\n[%s]\n%s\n", row->table, example);
}

static void check_loads(const char *folder, const char *text)
{
	char profiles[4096], file[4096];
	const char *dirs[] = {profiles};
	const struct load_options options = {.profile_dirs = dirs, .n_profile_dirs = 1};
	const struct policy *policy;
	struct arena *arena;
	struct diag *diag;
	int error;

	snprintf(profiles, sizeof(profiles), "%s/rules/profiles", getenv("abs_top_srcdir"));
	snprintf(file, sizeof(file), "%s/example.toml", folder);
	assert_int_equal(arena_new(ARENA_MAX, &arena), 0);
	diag = diag_new(arena);
	error = policy_parse(arena, file, text, strlen(text), &options, diag, &policy);
	if (error < 0) {
		diag_print(diag, stderr);
		fail_msg("the example does not load: %s", text);
	}
	arena_free(arena);
}

static void make_list(const char *folder)
{
	char path[4096];
	FILE *list;

	snprintf(path, sizeof(path), "%s/mirrors.txt", folder);
	list = fopen(path, "w");
	assert_non_null(list);
	fputs("mirror.example.com\n", list);
	fclose(list);
}

static void remove_folder(const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/mirrors.txt", folder);
	unlink(path);
	rmdir(folder);
}

static bool is_table(const struct schema_key *row)
{
	return !row->key || row->kinds == 1u << TOML_TABLE ||
	       (row->kinds == 1u << TOML_ARRAY && row->items == 1u << TOML_TABLE);
}

static void each_key_has_an_example_that_loads(void **state)
{
	char folder[] = "/tmp/egress-manual-XXXXXX";
	size_t count;
	const struct schema_key *rows = schema_keys(&count);
	unsigned n_examples = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	make_list(folder);
	for (size_t i = 0; i < count; i++) {
		char policy[1024], *section, *example;

		if (is_table(&rows[i]))
			continue;
		section = section_of(rows[i].table);
		if (!section)
			fail_msg("no section for [%s]", rows[i].table);
		example = example_of(section, rows[i].key);
		if (!example)
			fail_msg("no example of '%s' in [%s]", rows[i].key, rows[i].table);
		write_policy(policy, sizeof(policy), &rows[i], example);
		check_loads(folder, policy);
		free(section);
		free(example);
		n_examples++;
	}
	remove_folder(folder);
	assert_true(n_examples > 40);
}

/* The numbers behind "CODE_... = " in codes.h. */
static unsigned read_codes(const char *header, unsigned codes[100])
{
	unsigned count = 0;

	for (const char *at = strstr(header, "\tCODE_"); at; at = strstr(at + 1, "\tCODE_")) {
		const char *number = at + 1 + strcspn(at + 1, "=,\n");

		if (*number != '=')
			continue;
		assert_true(count < 100);
		codes[count++] = (unsigned)strtoul(number + 1, NULL, 10);
	}
	return count;
}

/* Items such as "W074". */
static unsigned count_items(const char *section)
{
	unsigned count = 0;

	for (const char *at = strstr(section, "\n.It "); at; at = strstr(at + 1, "\n.It "))
		count += strchr("EW", at[5]) && strspn(at + 6, "0123456789") == 3 && at[9] == '\n';
	return count;
}

static void each_code_is_explained(void **state)
{
	const char *section = strstr(manual, ".Sh CODES");
	char *header = read_source("codes.h"), item[32];
	unsigned codes[100], count;

	(void)state;
	assert_non_null(section);
	assert_non_null(header);
	count = read_codes(header, codes);
	for (unsigned i = 0; i < count; i++) {
		snprintf(item, sizeof(item), "\n.It %c%03u\n", codes[i] < CODE_EXPIRED ? 'E' : 'W',
			codes[i]);
		if (!strstr(section, item))
			fail_msg("%s is not explained", item + 1);
	}
	assert_int_equal(count_items(section), count);
	assert_true(count > 50);
	free(header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_has_an_example_that_loads),
		cmocka_unit_test(each_code_is_explained),
	};

	return cmocka_run_group_tests(tests, read_manual, free_manual);
}
