/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	char text[4096];
	size_t length;
	size_t count;
	size_t deepest;
};

/* "line:key/key=value;" */
static void note(void *context, const struct doc_item *item)
{
	struct seen *seen = context;
	char *end = seen->text + seen->length;
	size_t room = sizeof(seen->text) - seen->length;
	int used = snprintf(end, room, "%u:", item->line);

	seen->count++;
	if (item->depth > seen->deepest)
		seen->deepest = item->depth;
	for (size_t i = 0; i < item->depth && used >= 0 && (size_t)used < room; i++)
		used += snprintf(end + used, room - (size_t)used, "%s%.*s", i > 0 ? "/" : "",
			TEXT_ARG(item->keys[i]));
	if (used >= 0 && (size_t)used < room)
		used += snprintf(end + used, room - (size_t)used, "=%.*s;", (int)item->value.length,
			item->value.start ? item->value.start : "");
	if (used >= 0 && (size_t)used < room)
		seen->length += (size_t)used;
	else
		*end = '\0';
}

static int run(doc_read *read, const char *text, struct seen *seen)
{
	const struct doc_visitor visitor = {note, seen};

	*seen = (struct seen){.length = 0};
	return read(text_of(text), &visitor);
}

static void check(doc_read *read, const char *text, const char *expected)
{
	struct seen seen;

	assert_int_equal(run(read, text, &seen), 0);
	assert_string_equal(seen.text, expected);
}

static void reads_json(void **state)
{
	struct seen seen;

	(void)state;
	check(doc_json, "{\"a\": \"1\",\n\"b\": {\"c\": [\"2\",\n \"3\"]}}",
		"1:a=1;2:b/c/-=2;3:b/c/-=3;");
	check(doc_json, "// x\n{\"a\": \"/*\", /* y */\n\"b\": [1, true, {},],}",
		"2:a=/*;3:b/-=;3:b/-=true;3:b/-=;");
	check(doc_json, "{\"a\": \"x\", \"b\": \"x\",\n \"c\": \"x\"}", "1:a=x;1:b=x;2:c=x;");
	check(doc_json, "[]", "");
	assert_int_equal(run(doc_json, "{", &seen), -EBADMSG);
	assert_int_equal(run(doc_json, "", &seen), -EBADMSG);
	assert_int_equal(run(doc_json, "\"a\"", &seen), -EBADMSG);
	assert_int_equal(run(doc_json, "{\"a\": \"\\", &seen), -EBADMSG);
}

static void reads_yaml(void **state)
{
	struct seen seen;

	(void)state;
	check(doc_yaml, "a: 1\nb:\n  c: [x, y]\n  d: |\n    p\n    q\n---\ne: 2\n",
		"1:a=1;3:b/c/-=x;3:b/c/-=y;5:b/d=p\nq\n;8:e=2;");
	check(doc_yaml, "a: &x {b: 1}\nc: *x\nd: 2\n", "1:a/b=1;3:d=2;");
	check(doc_yaml, "? {a: 1}\n: 2\nb: 3\n", "2:=2;3:b=3;");
	check(doc_yaml, "? [a]\n: {c: 2}\nb: 3\n", "2:/c=2;3:b=3;");
	check(doc_yaml, "- a\n- - b\n", "1:-=a;2:-/-=b;");
	check(doc_yaml, "", "");
	check(doc_yaml, "word", "");
	assert_int_equal(run(doc_yaml, "a: [", &seen), -EBADMSG);
}

static void reads_toml(void **state)
{
	struct seen seen;

	(void)state;
	check(doc_toml, "a = \"1\"\n[b]\nc = { d = \"2\" }\n[[e]]\nf = [\"3\", true, 4]\n",
		"1:a=1;3:b/c/d=2;5:e/-/f/-=3;5:e/-/f/-=true;5:e/-/f/-=;");
	assert_int_equal(run(doc_toml, "a = ", &seen), -EBADMSG);
}

static void reads_xml(void **state)
{
	struct seen seen;

	(void)state;
	check(doc_xml, "<a>\n<b c=\"1\">\n 2 </b><d/><e>x&amp;y</e></a>",
		"2:a/b/@c=1;3:a/b=2;3:a/e=x&y;");
	assert_int_equal(run(doc_xml, "<a><b></a>", &seen), -EBADMSG);
	assert_int_equal(run(doc_xml, "", &seen), -EBADMSG);
}

static void reads_ini(void **state)
{
	(void)state;
	check(doc_ini, "a=1\n; c\n[s]\nb = \"2\"\n  3\n# x\nc: 4\n[t \"u\"]\n\td=\n",
		"1:a=1;4:s/b=2;5:s/b=3;7:s/c=4;9:t \"u\"/d=;");
	check(doc_ini, "", "");
	check(doc_ini, "[a", "");
}

/* What is nested deeper than anybody means. */
static void is_bounded(void **state)
{
	enum { DEEP = 1500 };
	char *text = calloc(1, 20 * DEEP + 100);
	size_t at = 0;
	struct seen seen;

	(void)state;
	assert_non_null(text);
	memset(text, '[', DEEP);
	memset(text + DEEP, ']', DEEP);
	assert_int_equal(run(doc_json, text, &seen), 0);
	assert_int_equal(run(doc_yaml, text, &seen), 0);
	assert_true(seen.deepest <= DOC_DEPTH_MAX);
	(void)run(doc_toml, text, &seen);
	for (int i = 0; i < DEEP; i++)
		at += (size_t)sprintf(text + at, "<a>");
	at += (size_t)sprintf(text + at, "x");
	for (int i = 0; i < DEEP; i++)
		at += (size_t)sprintf(text + at, "</a>");
	assert_int_equal(run(doc_xml, text, &seen), 0);
	assert_true(seen.deepest <= DOC_DEPTH_MAX);
	for (at = 0; at < DEEP; at++)
		memcpy(text + 4 * at, "{a: ", 4);
	text[4 * at] = '1';
	memset(text + 4 * at + 1, '}', DEEP);
	text[5 * DEEP + 1] = '\0';
	(void)run(doc_yaml, text, &seen);
	assert_true(seen.deepest <= DOC_DEPTH_MAX);
	free(text);
}

static void count(void *context, const struct doc_item *item)
{
	(void)item;
	++*(size_t *)context;
}

/* Text of blanks, each line's end by itself, and a key as long as a file: who looks at all of it
 * for each part that comes takes hours. */
static void is_bounded_in_time(void **state)
{
	enum { SIZE = 16 << 20, VALUES = 1 << 20 };
	char *text = malloc(SIZE + 3 * VALUES + 16), *at = text;
	size_t seen = 0;
	const struct doc_visitor visitor = {count, &seen};

	(void)state;
	assert_non_null(text);
	alarm(300);
	memset(text, '\n', SIZE);
	memcpy(text, "<a>", 3);
	memcpy(text + SIZE, "b</a>", 5);
	assert_int_equal(doc_xml((struct text){text, SIZE + 5}, &visitor), 0);
	assert_int_equal(seen, 1);
	memset(text, 'k', SIZE);
	memcpy(text, "? ", 2);
	at = stpcpy(text + SIZE, "\n: [");
	for (size_t i = 0; i < VALUES; i++)
		at = stpcpy(at, "v, ");
	at = stpcpy(at, "]\n");
	seen = 0;
	assert_int_equal(doc_yaml((struct text){text, (size_t)(at - text)}, &visitor), 0);
	assert_int_equal(seen, VALUES);
	alarm(0);
	free(text);
}

static void matches_paths(void **state)
{
	const struct text keys[] = {text_of("a"), text_of("b/c"), text_of("-"), text_of("url")};
	const struct doc_item item = {.keys = keys, .depth = 4};

	(void)state;
	assert_true(doc_matches(&item, "a/*/-/url"));
	assert_true(doc_matches(&item, "**/url"));
	assert_true(doc_matches(&item, "a/**"));
	assert_true(doc_matches(&item, "**"));
	assert_true(doc_matches(&item, "**/-/*"));
	assert_true(doc_matches(&item, "a/**/ur*"));
	assert_false(doc_matches(&item, "a/*/-"));
	assert_false(doc_matches(&item, "a/*/-/url/x"));
	assert_false(doc_matches(&item, "**/b"));
	assert_false(doc_matches(&item, "url"));
	assert_true(text_is(doc_key(&item, 0), "url"));
	assert_true(text_is(doc_key(&item, 4), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_json),
		cmocka_unit_test(reads_yaml),
		cmocka_unit_test(reads_toml),
		cmocka_unit_test(reads_xml),
		cmocka_unit_test(reads_ini),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(is_bounded_in_time),
		cmocka_unit_test(matches_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
