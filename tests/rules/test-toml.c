/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/lex.h"
#include "rules/quote.h"
#include "rules/toml.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

static int setup(void **state)
{
	return arena_new((size_t)512 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const struct toml_node *parse(struct arena *arena, struct text text)
{
	const struct toml_node *root;
	struct diag *diag = diag_new(arena);

	diag_source(diag, "f", text.start, text.length);
	if (toml_parse(arena, "f", text, diag, &root) < 0) {
		diag_print(diag, stderr);
		fail_msg("not TOML: %.*s", TEXT_ARG(text));
	}
	return root;
}

/* Ends the test unless the text is refused with "f:PLACE: error: MESSAGE" and the caret line. */
static void expect_error(struct arena *arena, struct text text, const char *message)
{
	struct diag *diag = diag_new(arena);
	static const struct toml_node untouched;
	const struct toml_node *root = &untouched;
	char *said = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&said, &size);

	assert_non_null(out);
	diag_source(diag, "f", text.start, text.length);
	assert_int_equal(toml_parse(arena, "f", text, diag, &root), -EINVAL);
	assert_ptr_equal(root, &untouched);
	diag_print(diag, out);
	fclose(out);
	if (!strstr(said, message))
		fail_msg("\"%s\" is not in:\n%s", message, said);
	free(said);
}

static const struct toml_node *child(
	const struct toml_node *node, size_t index, const char *key, enum toml_kind kind)
{
	assert_true(index < node->n_children);
	node = &node->children[index];
	if (!text_is(node->key, key))
		fail_msg("key '%.*s', not '%s'", TEXT_ARG(node->key), key);
	assert_int_equal(node->kind, kind);
	return node;
}

static void expect_span(struct toml_span span, unsigned line, unsigned column, unsigned width)
{
	assert_int_equal(span.line, line);
	assert_int_equal(span.column, column);
	assert_int_equal(span.width, width);
}

static void test_kinds_and_values(void **state)
{
	const struct toml_node *root = parse(*state, text_of("s = \"a\\u0000\\u00e9\"\n"
							     "i = -9223372036854775808\n"
							     "r = 2.5\n"
							     "b = true\n"
							     "d = 1979-05-27\n"
							     "t = 07:32:00\n"
							     "dt = 1979-05-27T07:32:00Z\n"
							     "a = [1, \"x\"]\n"
							     "e = {}\n"));
	const struct toml_node *node = child(root, 0, "s", TOML_STRING);

	assert_int_equal(root->kind, TOML_TABLE);
	assert_int_equal(root->n_children, 9);
	assert_int_equal(node->value.string.length, 4);
	assert_memory_equal(node->value.string.start, "a\0\xc3\xa9", 5);
	assert_true(child(root, 1, "i", TOML_INTEGER)->value.integer == INT64_MIN);
	assert_true(child(root, 2, "r", TOML_REAL)->value.real == 2.5);
	assert_true(child(root, 3, "b", TOML_BOOLEAN)->value.boolean);
	assert_int_equal(child(root, 4, "d", TOML_DATE)->value.seconds, 296611200);
	child(root, 5, "t", TOML_TIME);
	assert_int_equal(child(root, 6, "dt", TOML_DATE_TIME)->value.seconds, 296638320);
	node = child(root, 7, "a", TOML_ARRAY);
	assert_int_equal(node->n_children, 2);
	assert_int_equal(child(node, 0, "", TOML_INTEGER)->value.integer, 1);
	assert_true(text_is(child(node, 1, "", TOML_STRING)->value.string, "x"));
	assert_int_equal(child(root, 8, "e", TOML_TABLE)->n_children, 0);
	for (unsigned kind = 0; kind < TOML_KINDS; kind++)
		assert_non_null(toml_kind_name((enum toml_kind)kind));
}

static void test_places(void **state)
{
	const struct toml_node *root =
		parse(*state, text_of("z = 1\n"
				      "\"h\u00e9\" = \"\u00e9\u00e9\" # \u00e9\n"
				      "\tq = [1,\n"
				      "   \"two\", [\n"
				      "3]]\r\n"
				      "[[allow]]\n"
				      "host = {a = 1, b.c = 2}\n"
				      " [[ allow ]]\n"
				      "[dns.hosts]\n"
				      "x = \"\"\"a\n"
				      "b\"\"\"\n"));
	const struct toml_node *node = child(root, 1, "h\u00e9", TOML_STRING);
	const struct toml_node *array = child(root, 2, "q", TOML_ARRAY);
	const struct toml_node *allow = child(root, 3, "allow", TOML_ARRAY);
	const struct toml_node *hosts;

	expect_span(child(root, 0, "z", TOML_INTEGER)->at, 1, 5, 1);
	expect_span(node->key_at, 2, 1, 4);
	expect_span(node->at, 2, 8, 4);
	expect_span(array->key_at, 3, 2, 1);
	expect_span(array->at, 3, 6, 1);
	expect_span(child(array, 1, "", TOML_STRING)->at, 4, 4, 5);
	expect_span(child(array, 1, "", TOML_STRING)->key_at, 0, 0, 0);
	expect_span(child(child(array, 2, "", TOML_ARRAY), 0, "", TOML_INTEGER)->at, 5, 1, 1);
	expect_span(allow->key_at, 6, 3, 5);
	expect_span(child(allow, 0, "", TOML_TABLE)->at, 6, 1, 9);
	expect_span(child(allow, 1, "", TOML_TABLE)->at, 8, 2, 11);
	node = child(child(allow, 0, "", TOML_TABLE), 0, "host", TOML_TABLE);
	expect_span(node->at, 7, 8, 16);
	expect_span(child(child(node, 1, "b", TOML_TABLE), 0, "c", TOML_INTEGER)->at, 7, 22, 1);
	hosts = child(child(root, 4, "dns", TOML_TABLE), 0, "hosts", TOML_TABLE);
	expect_span(hosts->key_at, 9, 6, 5);
	expect_span(child(hosts, 0, "x", TOML_STRING)->at, 10, 5, 1);
}

static void test_order_is_the_files(void **state)
{
	const struct toml_node *root =
		parse(*state, text_of("[z.b]\n[a]\nk = 1\n[z]\nm = 2\nc = 3\n[y]\n"));
	const struct toml_node *z = child(root, 0, "z", TOML_TABLE);

	child(root, 1, "a", TOML_TABLE);
	child(root, 2, "y", TOML_TABLE);
	child(z, 0, "b", TOML_TABLE);
	child(z, 1, "m", TOML_INTEGER);
	child(z, 2, "c", TOML_INTEGER);
}

static void test_empty(void **state)
{
	assert_int_equal(parse(*state, text_of(""))->n_children, 0);
	assert_int_equal(parse(*state, (struct text){NULL, 0})->n_children, 0);
	assert_int_equal(parse(*state, text_of("# x"))->n_children, 0);
}

static const struct {
	const char *text;
	const char *message;
} errors[] = {
	{"a = 1\nb = 3\na = 2\n", "f:3:1: error: the key 'a' is given twice [E002]\n"
				  "    3 | a = 2\n"
				  "      | ^\n"},
	{"x = {\"a b\" = 1,  \"a b\" = [2]}",
		"f:1:18: error: the key '\"a b\"' is given twice [E002]\n"
		"    1 | x = {\"a b\" = 1,  \"a b\" = [2]}\n"
		"      |                  ^~~~~\n"},
	{"a.b = 1 # =\na . b = {}", "f:2:1: error: the key 'a . b' is given twice [E002]\n"
				    "    2 | a . b = {}\n"
				    "      | ^~~~~\n"},
	{"s = '''\n'''\ns = ''", "f:3:1: error: the key 's' is given twice [E002]\n"},
	{"[a]\nb=1\n [a] # a\n", "f:3:2: error: the table '[a]' is given twice [E002]\n"
				 "    3 |  [a] # a\n"
				 "      |  ^~~\n"},
	{"[[a]]\n[a]\n", "f:2:1: error: cannot redefine existing array 'a' as table [E002]\n"},
	{"host = api.example.com\n", "f:1:8: error: 'api.example.com' is not a value; text needs "
				     "quotes around it [E002]\n"
				     "    1 | host = api.example.com\n"
				     "      |        ^~~~~~~~~~~~~~~\n"},
	{"h = [foo, bar]",
		"f:1:6: error: 'foo' is not a value; text needs quotes around it [E002]\n"
		"    1 | h = [foo, bar]\n"
		"      |      ^~~\n"},
	{"a = trueish", "f:1:5: error: 'trueish' is not a value"},
	{"a = 007",
		"f:1:5: error: '007' is not a value (leading zeroes are prohibited); text needs"},
	{"ip = 10.0.0.1\n", "f:1:6: error: '10.0.0.1' is not a value ("},
	{"a = 2020-13-01", "f:1:5: error: '2020-13-01' is not a value ("},
	{"a = \"x\nb = 1\n", "f:1:7: error: the string is not closed on its line [E002]\n"},
	{"a = 'x\n", "f:1:7: error: the literal string is not closed on its line [E002]\n"},
	{"a = \"\"\"x", "f:1:9: error: the file ends before the string does [E002]\n"},
	{"a = [1,", "f:1:8: error: the file ends before the array does [E002]\n"},
	{"a = {b = 1", "f:1:11: error: the file ends before the inline table does [E002]\n"},
	{"a", "f:1:2: error: the file ends before the key-value pair does [E002]\n"},
	{"a = \n", "f:1:5: error: expected value, saw '\\n' [E002]\n"},
	{"a b = 1", "f:1:3: error: expected '=', saw 'b' [E002]\n"},
	{"[a\n", "f:1:3: error: expected ']', saw '\\n' [E002]\n"},
	{"a = 1 b = 2", "f:1:7: error: expected a comment or whitespace, saw 'b' [E002]\n"},
	{"a = 1\nb = \"\\q\"\n", "f:2:7: error: unknown escape sequence '\\q' [E002]\n"},
	{"a = 1\rb = 2", "f:1:7: error: expected '\\n' after '\\r', saw 'b' [E002]\n"},
	{"a = \"x\xffy\"", "f:1:7: error: the file is not text in UTF-8 [E002]\n"},
	{"a = 1\n\xc3", "f:2:1: error: the file is not text in UTF-8 [E002]\n"},
	{"\xff\xfe", "f:1:1: error: the file is not text in UTF-8 [E002]\n"},
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		expect_error(*state, text_of(errors[i].text), errors[i].message);
	expect_error(*state, (struct text){"a=1\nb\0", 6},
		"f:2:2: error: the file is not text: it has a NUL byte [E002]\n");
}

/* `count` times `piece` between `head` and `tail`. */
static struct text repeat(
	struct arena *arena, const char *head, size_t count, const char *piece, const char *tail)
{
	size_t size = strlen(head) + count * strlen(piece) + strlen(tail);
	char *text = arena_alloc(arena, size + 1), *at = text;

	assert_non_null(text);
	at = stpcpy(at, head);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, piece);
	stpcpy(at, tail);
	return (struct text){text, size};
}

static void test_depth_is_bounded(void **state)
{
	struct text good = repeat(*state, "a = ", 31, "[", "[1]");

	good = repeat(*state, good.start, 31, "]", "");
	parse(*state, good);
	parse(*state, repeat(*state, "a", 31, ".a", " = 1"));
	parse(*state, repeat(*state, "[a", 31, ".a", "]"));
	expect_error(*state, repeat(*state, "x = 1\na = ", 33, "[", ""),
		"f:2:37: error: brackets are nested more than 32 deep [E003]\n");
	expect_error(*state, repeat(*state, "a = ", 1000000, "[", ""),
		"f:1:37: error: brackets are nested more than 32 deep [E003]\n");
	expect_error(*state, repeat(*state, "a = ", 1000000, "{a = ", ""),
		"brackets are nested more than 32 deep [E003]\n");
	expect_error(*state, repeat(*state, "a", 32, ".a", " = 1"),
		"f:1:64: error: a key has more than 32 parts [E003]\n");
	expect_error(*state, repeat(*state, "[a", 1000000, ".a", "]"),
		"f:1:65: error: a key has more than 32 parts [E003]\n");
	expect_error(*state, repeat(*state, "a = {b", 1000000, ".\"a\"", " = 1}"),
		"a key has more than 32 parts [E003]\n");
}

static void test_numbers_are_bounded(void **state)
{
	parse(*state, repeat(*state, "a = [", LEX_VALUES_MAX - 2, "1,", "]"));
	expect_error(*state, repeat(*state, "a = [", LEX_VALUES_MAX, "1,", "]"),
		"error: the file has more than 2097152 values [E003]\n");
	parse(*state, repeat(*state, "", LEX_HEADERS_MAX, "[[a]]\n", ""));
	expect_error(*state, repeat(*state, "", LEX_HEADERS_MAX + 1, "[[a]]\n", ""),
		"f:65537:1: error: the file has more than 65536 table headers [E003]\n");
	parse(*state, repeat(*state, "a = [", LEX_DOTS_MAX, "1.5,", "]"));
	/* A value's own dot is no key's. */
	parse(*state, repeat(*state, "", LEX_DOTS_MAX + 1, "[[a]]\nb = 1.5\n", ""));
	parse(*state, repeat(*state, "a = [", LEX_DOTS_MAX + 1, "{b = 1.5},\n", "]"));
	expect_error(*state, repeat(*state, "a = [", LEX_DOTS_MAX + 1, "{b.c = 1.5},\n", "]"),
		"error: the file has more than 16384 dots outside of strings and values [E003]\n");
	expect_error(*state, repeat(*state, "a = [", LEX_DOTS_MAX + 1, "1.5,", "]"),
		"error: the file has more than 16384 dots outside of strings and values [E003]\n");
}

/* An error that the parser sees before the bound is exceeded is the one to be shown. */
static void test_earlier_error_wins(void **state)
{
	expect_error(*state, repeat(*state, "a = \"x\nb = ", 33, "[", ""),
		"f:1:7: error: the string is not closed on its line [E002]\n");
	expect_error(*state, repeat(*state, "a = [\nb,\nc = ", 33, "[", ""),
		"f:2:1: error: 'b' is not a value");
}

/* What is in strings and comments is not counted. */
static void test_bounds_know_strings(void **state)
{
	static const char *const quotes[][2] = {
		{"a = \"\\\"", "\""},
		{"a = '\\", "'"},
		{"a = \"\"\"\"\"\\\"\"\"\n", "\"\"\"\"\""},
		{"a = ''''\\\n", "'''''"},
		{"# ", ""},
		{"# \" ' ", ""},
		{"a = [\"\"\"x\"\"\"\"\", \"", "\"]"},
		{"\"\\\\\" = 1 # \"", ""},
		{"\"", "\" = 1"},
		{"a = [ # ]\n'", "'\n] # ["},
	};

	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
		parse(*state, repeat(*state, quotes[i][0], 20000, "[{.", quotes[i][1]));
}

static void test_arena_is_the_limit(void **state)
{
	struct text text = repeat(*state, "a = [", 100000, "1,", "]");
	const struct toml_node *root;
	struct arena *small;

	assert_int_equal(arena_new(1 << 20, &small), 0);
	assert_int_equal(toml_parse(small, "f", text, diag_new(*state), &root), -ENOMEM);
	arena_free(small);
	assert_int_equal(arena_new(0, &small), 0);
	assert_int_equal(toml_parse(small, "f", text_of(""), diag_new(*state), &root), -ENOMEM);
	arena_free(small);
}

static void test_size_is_bounded(void **state)
{
	struct text text = repeat(*state, "#", LEX_SIZE_MAX, " ", "");

	expect_error(*state, text, "f: error: larger than 64 MiB [E003]\n");
	text.length--;
	parse(*state, text);
}

static void test_offsets(void **state)
{
	struct text text = text_of("ab\n\u00e9\u00e9x\n\ny");
	unsigned line, column;

	(void)state;
	for (size_t offset = 0; offset <= text.length; offset++) {
		if (offset < text.length && ((uint8_t)text.start[offset] & 0xc0) == 0x80)
			continue;
		lex_place(text, offset, &line, &column);
		assert_int_equal(lex_offset(text, line, column), offset);
	}
	lex_place(text, 7, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 3);
	assert_int_equal(lex_offset(text, 99, 1), text.length);
	assert_int_equal(lex_offset(text, 1, 99), 2);
	assert_int_equal(lex_width(text), 9);
}

static void test_quote(void **state)
{
	char out[QUOTE_TEXT];
	struct text text = repeat(*state, "", 79, "a", "\u00e9b");

	assert_string_equal(quote(text_of(""), out), "''");
	assert_string_equal(quote((struct text){"a\0b", 3}, out), "'a?b'");
	assert_string_equal(quote(text, out) + 78, "aa...'");
	text = repeat(*state, "", 80, "b", "");
	assert_int_equal(strlen(quote(text, out)), 82);
	text = repeat(*state, "", 81, "b", "");
	assert_string_equal(quote(text, out) + 79, "bb...'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds_and_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_is_the_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_error_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds_know_strings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arena_is_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quote, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
