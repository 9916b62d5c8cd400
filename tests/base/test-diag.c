/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/diag.h"

struct fixture {
	struct arena *arena;
	struct diag *diag;
	char *printed;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture || arena_new(1 << 20, &fixture->arena) < 0)
		return -1;
	fixture->diag = diag_new(fixture->arena);
	*state = fixture;
	return fixture->diag ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	arena_free(fixture->arena);
	free(fixture->printed);
	free(fixture);
	return 0;
}

static const char *printed(struct fixture *fixture)
{
	size_t size;
	FILE *out;

	free(fixture->printed);
	out = open_memstream(&fixture->printed, &size);
	assert_non_null(out);
	diag_print(fixture->diag, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(fixture->printed), size);
	return fixture->printed;
}

static void give_source(struct fixture *fixture, const char *text)
{
	diag_source(fixture->diag, "p.toml", text, strlen(text));
}

static struct place at(unsigned line, unsigned column, unsigned width)
{
	return (struct place){.file = "p.toml", .line = line, .column = column, .width = width};
}

static void codes_are_shown_with_the_letter_of_their_level(void **state)
{
	struct fixture *fixture = *state;

	assert_false(diag_warned(fixture->diag));
	diag_error(fixture->diag, 7, at(1, 0, 1), "e");
	assert_false(diag_warned(fixture->diag));
	diag_warning(fixture->diag, 61, at(2, 0, 1), "w");
	assert_true(diag_warned(fixture->diag));
	assert_string_equal(printed(fixture), "p.toml:1: error: e [E007]\n"
					      "p.toml:2: warning: w [W061]\n");
}

static void note_message(void *context, const struct diag_message *message)
{
	char **at = context;

	*at += sprintf(*at, "%d %u %u %s;", message->level, message->code, message->place.line,
		message->text);
}

static void messages_are_visited_in_the_order_of_places(void **state)
{
	struct fixture *fixture = *state;
	char all[100] = "", *end = all;

	diag_error(fixture->diag, 7, at(5, 1, 1), "late");
	diag_warning(fixture->diag, 0, at(2, 1, 1), "early");
	diag_visit(fixture->diag, note_message, &end);
	assert_string_equal(all, "1 0 2 early;0 7 5 late;");
}

static void an_empty_list_prints_nothing(void **state)
{
	struct fixture *fixture = *state;

	assert_string_equal(printed(fixture), "");
	assert_false(diag_failed(fixture->diag));
}

static void shows_line_and_caret(void **state)
{
	struct fixture *fixture = *state;

	give_source(fixture, "version = 1\n\n[[allow]]\nprots = [\"tcp/443\"]\n");
	diag_error(fixture->diag, 0, at(4, 1, 5), "unknown key '%s'", "prots");
	assert_string_equal(printed(fixture), "p.toml:4:1: error: unknown key 'prots'\n"
					      "    4 | prots = [\"tcp/443\"]\n"
					      "      | ^~~~~\n");
	assert_true(diag_failed(fixture->diag));
}

static void a_warning_is_no_failure(void **state)
{
	struct fixture *fixture = *state;

	give_source(fixture, "a = 1");
	diag_warning(fixture->diag, 0, at(1, 5, 1), "odd");
	assert_string_equal(
		printed(fixture), "p.toml:1:5: warning: odd\n    1 | a = 1\n      |     ^\n");
	assert_false(diag_failed(fixture->diag));
}

static void prints_in_the_order_of_places(void **state)
{
	struct fixture *fixture = *state;
	struct place other = {.file = "b.toml", .line = 1, .column = 1, .width = 1};

	diag_error(fixture->diag, 0, at(10, 1, 1), "e");
	diag_error(fixture->diag, 0, at(9, 2, 1), "c");
	diag_error(fixture->diag, 0, at(9, 10, 1), "d1");
	diag_warning(fixture->diag, 0, at(9, 10, 1), "d2");
	diag_error(fixture->diag, 0, other, "a");
	diag_error(fixture->diag, 0, (struct place){.file = "p.toml"}, "b");
	assert_string_equal(printed(fixture), "b.toml:1:1: error: a\n"
					      "p.toml: error: b\n"
					      "p.toml:9:2: error: c\n"
					      "p.toml:9:10: error: d1\n"
					      "p.toml:9:10: warning: d2\n"
					      "p.toml:10:1: error: e\n");
}

static void lines_belong_to_their_file(void **state)
{
	struct fixture *fixture = *state;
	struct place other = {.file = "q.toml", .line = 2, .column = 3, .width = 2};

	give_source(fixture, "p one\np two\n");
	diag_source(fixture->diag, "q.toml", "q one\nq two\nq three", 19);
	diag_error(fixture->diag, 0, other, "x");
	diag_error(fixture->diag, 0, at(2, 1, 1), "y");
	diag_error(fixture->diag, 0, at(1, 1, 1), "z");
	other.line = 3;
	diag_error(fixture->diag, 0, other, "w");
	assert_string_equal(printed(fixture),
		"p.toml:1:1: error: z\n    1 | p one\n      | ^\n"
		"p.toml:2:1: error: y\n    2 | p two\n      | ^\n"
		"q.toml:2:3: error: x\n    2 | q two\n      |   ^~\n"
		"q.toml:3:3: error: w\n    3 | q three\n      |   ^~\n");
}

static void several_places_in_one_line(void **state)
{
	struct fixture *fixture = *state;

	give_source(fixture, "abc\nabcdef\n");
	diag_error(fixture->diag, 0, at(2, 4, 1), "second");
	diag_error(fixture->diag, 0, at(2, 2, 1), "first");
	diag_error(fixture->diag, 0, at(2, 4, 3), "third");
	assert_string_equal(printed(fixture),
		"p.toml:2:2: error: first\n    2 | abcdef\n      |  ^\n"
		"p.toml:2:4: error: second\n    2 | abcdef\n      |    ^\n"
		"p.toml:2:4: error: third\n    2 | abcdef\n      |    ^~~\n");
}

static void the_caret_stands_under_its_character(void **state)
{
	static const struct {
		const char *line;
		unsigned column, width;
		const char *shown, *caret;
	} cases[] = {
		{"\ta\tb = 1", 4, 1, "\ta\tb = 1", "\t \t^"},
		{"gr\xc3\xbc\xc3\x9f = x", 7, 2, "gr\xc3\xbc\xc3\x9f = x", "      ^~"},
		{"gr\xc3\xbc\xc3\x9f = x", 3, 2, "gr\xc3\xbc\xc3\x9f = x", "  ^~"},
		{"\xe4\xb8\xad\xe6\x96\x87 x", 4, 1, "\xe4\xb8\xad\xe6\x96\x87 x", "     ^"},
		{"\xe4\xb8\xad\xe6\x96\x87 x", 1, 2, "\xe4\xb8\xad\xe6\x96\x87 x", "^~~~"},
		{"u\xcc\x88x", 3, 1, "u\xcc\x88x", " ^"},
		{"u\xcc\x88x", 1, 3, "u\xcc\x88x", "^~"},
		{"\xf0\x9f\x90\xa7x", 2, 1, "\xf0\x9f\x90\xa7x", "  ^"},
		{"a\x1b[2Jb\x7f", 6, 1, "a?[2Jb?", "     ^"},
		{"a\xff\xc3(b", 5, 1, "a?\?(b", "    ^"},
		{"\xe2\x82", 2, 1, "??", " ^"},
		{"\xc2\x9b\xe2\x80\xae\xef\xbb\xbf.", 4, 1, "???.", "   ^"},
		{"abc\r", 3, 9, "abc", "  ^"},
		{"a\rb", 3, 1, "a?b", "  ^"},
		{"abc", 4, 1, "abc", "   ^"},
		{"abc", 77, 5, "abc", "   ^"},
		{"abc", 4000000000, 5, "abc", "   ^"},
		{"abc", 2, 4294967295, "abc", " ^~"},
		{"abc", 2, 0, "abc", " ^"},
		{"", 1, 1, "", "^"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[300], text[100];
		void *own;
		struct fixture *fixture;

		assert_int_equal(set_up(&own), 0);
		fixture = own;
		snprintf(text, sizeof(text), "first\n%s\nlast", cases[i].line);
		give_source(fixture, text);
		diag_error(fixture->diag, 0, at(2, cases[i].column, cases[i].width), "m");
		snprintf(expected, sizeof(expected),
			"p.toml:2:%u: error: m\n    2 | %s\n      | %s\n", cases[i].column,
			cases[i].shown, cases[i].caret);
		assert_string_equal(printed(fixture), expected);
		tear_down(&own);
	}
}

static void binary_text_is_safe(void **state)
{
	struct fixture *fixture = *state;
	static char bytes[1024];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 256);
	diag_source(fixture->diag, "p.toml", bytes, sizeof(bytes));
	for (unsigned line = 0; line < 8; line++) {
		for (unsigned column = 0; column < 12; column++)
			diag_error(fixture->diag, 0, at(line, column * 23, 3), "m");
	}
	for (const char *c = printed(fixture); *c; c++)
		assert_true(*c == '\n' || *c == '\t' || (unsigned char)*c >= ' ');
	assert_null(strchr(fixture->printed, 0x7f));
	assert_non_null(strstr(fixture->printed, "    4 | "));
}

static void nul_bytes_are_shown(void **state)
{
	struct fixture *fixture = *state;

	diag_source(fixture->diag, "p.toml", "a\0b", 3);
	diag_error(fixture->diag, 0, at(1, 3, 1), "m");
	assert_string_equal(printed(fixture), "p.toml:1:3: error: m\n    1 | a?b\n      |   ^\n");
}

static void messages_stay_one_line(void **state)
{
	struct fixture *fixture = *state;
	struct place place = {.file = "a\nb\tc"};

	diag_error(fixture->diag, 0, place, "key '%s'", "x\ny\tz\033[1m\xff");
	assert_string_equal(printed(fixture), "a?b?c: error: key 'x?y?z?[1m?'\n");
}

static void long_lines_are_cut_around_the_place(void **state)
{
	struct fixture *fixture = *state;
	char line[1001], expected[600];

	for (size_t i = 0; i < 1000; i++)
		line[i] = (char)('0' + i / 10 % 10);
	line[500] = '!';
	line[1000] = '\0';
	give_source(fixture, line);
	diag_error(fixture->diag, 0, at(1, 501, 2), "middle");
	diag_error(fixture->diag, 0, at(1, 3, 1), "start");
	diag_error(fixture->diag, 0, at(1, 1001, 1), "end");
	snprintf(expected, sizeof(expected),
		"p.toml:1:3: error: start\n"
		"    1 | %.96s...\n"
		"      |   ^\n"
		"p.toml:1:501: error: middle\n"
		"    1 | ...%.96s...\n"
		"      | %43s^~\n"
		"p.toml:1:1001: error: end\n"
		"    1 | ...%s\n"
		"      | %43s^\n",
		line, line + 460, "", line + 960, "");
	assert_string_equal(printed(fixture), expected);
}

static void cutting_keeps_characters_whole(void **state)
{
	struct fixture *fixture = *state;
	char line[2001];

	for (size_t i = 0; i < 2000; i += 2)
		memcpy(line + i, "\xc3\xbc", 2);
	line[2000] = '\0';
	give_source(fixture, line);
	diag_error(fixture->diag, 0, at(1, 500, 1), "m");
	assert_null(strchr(printed(fixture), '?'));
	assert_non_null(strstr(fixture->printed, "| ...\xc3\xbc"));
	assert_non_null(strstr(fixture->printed, "\xc3\xbc...\n"));
}

static void many_messages_in_one_huge_line(void **state)
{
	struct fixture *fixture = *state;
	size_t size = 8 << 20;
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, 'x', size);
	diag_source(fixture->diag, "p.toml", text, size);
	for (unsigned i = 0; i < 100; i++)
		diag_error(fixture->diag, 0, at(1, (unsigned)size - i, 1), "m");
	assert_non_null(strstr(printed(fixture), "p.toml:1:8388509: error: m\n    1 | ...x"));
	assert_non_null(strstr(fixture->printed, "p.toml:1:8388608: error: m\n    1 | ...x"));
	free(text);
}

static void a_place_that_is_not_there_has_no_line(void **state)
{
	struct fixture *fixture = *state;

	give_source(fixture, "one\ntwo");
	diag_error(fixture->diag, 0, at(3, 1, 1), "past the end");
	diag_error(fixture->diag, 0, at(7, 1, 1), "far past the end");
	diag_error(fixture->diag, 0, at(2, 0, 1), "no column");
	diag_error(fixture->diag, 0, (struct place){.line = 2, .column = 1}, "no file");
	diag_error(fixture->diag, 0, (struct place){0}, "nowhere");
	assert_string_equal(printed(fixture), "error: nowhere\n"
					      "2:1: error: no file\n"
					      "p.toml:2: error: no column\n"
					      "    2 | two\n"
					      "p.toml:3:1: error: past the end\n"
					      "p.toml:7:1: error: far past the end\n");
}

static void the_end_of_a_file_can_be_shown(void **state)
{
	struct fixture *fixture = *state;

	give_source(fixture, "one\n");
	diag_error(fixture->diag, 0, at(2, 1, 1), "ends here");
	assert_string_equal(
		printed(fixture), "p.toml:2:1: error: ends here\n    2 | \n      | ^\n");
}

static void wide_line_numbers_keep_the_caret_aligned(void **state)
{
	struct fixture *fixture = *state;
	static char text[1234567 + 4];

	memset(text, '\n', 1234567);
	strcpy(text + 1234566, "abc");
	give_source(fixture, text);
	diag_error(fixture->diag, 0, at(1234567, 2, 1), "m");
	assert_string_equal(
		printed(fixture), "p.toml:1234567:2: error: m\n1234567 | abc\n        |  ^\n");
}

static void counts_what_it_cannot_keep(void **state)
{
	struct fixture *fixture = *state;
	const char *rest;

	for (unsigned i = 0; i < 101; i++)
		diag_warning(fixture->diag, 0, at(i + 1, 1, 1), "w");
	rest = strstr(printed(fixture), "p.toml:100:1");
	assert_non_null(rest);
	assert_string_equal(rest, "p.toml:100:1: warning: w\n1 more message is not shown\n");
	assert_false(diag_failed(fixture->diag));

	diag_error(fixture->diag, 0, at(500, 1, 1), "e");
	rest = strstr(printed(fixture), "p.toml:99:1");
	assert_non_null(rest);
	assert_string_equal(rest, "p.toml:99:1: warning: w\n"
				  "p.toml:500:1: error: e\n"
				  "2 more messages are not shown\n");
	assert_true(diag_failed(fixture->diag));
}

static void a_full_arena_loses_no_failure(void **state)
{
	struct arena *arena = NULL;
	struct diag *diag = NULL;
	size_t limit = 0;
	char *text = NULL;
	size_t size;
	FILE *out;

	(void)state;
	do {
		arena_free(arena);
		limit += 64;
		assert_int_equal(arena_new(limit, &arena), 0);
		diag = diag_new(arena);
	} while (!diag);
	while (arena_alloc(arena, 1))
		;
	diag_source(diag, "f", "x", 1);
	diag_error(diag, 0, (struct place){.file = "f", .line = 1, .column = 1}, "%s",
		"longer than what is left of the arena, whatever its alignment");
	assert_true(diag_failed(diag));
	out = open_memstream(&text, &size);
	assert_non_null(out);
	diag_print(diag, out);
	fclose(out);
	assert_string_equal(text, "f:1:1: error: (no memory left for the message)\n");
	free(text);
	arena_free(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_list_prints_nothing),
		TEST(codes_are_shown_with_the_letter_of_their_level),
		TEST(messages_are_visited_in_the_order_of_places),
		TEST(shows_line_and_caret),
		TEST(a_warning_is_no_failure),
		TEST(prints_in_the_order_of_places),
		TEST(lines_belong_to_their_file),
		TEST(several_places_in_one_line),
		cmocka_unit_test(the_caret_stands_under_its_character),
		TEST(binary_text_is_safe),
		TEST(nul_bytes_are_shown),
		TEST(messages_stay_one_line),
		TEST(long_lines_are_cut_around_the_place),
		TEST(cutting_keeps_characters_whole),
		TEST(many_messages_in_one_huge_line),
		TEST(a_place_that_is_not_there_has_no_line),
		TEST(the_end_of_a_file_can_be_shown),
		TEST(wide_line_numbers_keep_the_caret_aligned),
		TEST(counts_what_it_cannot_keep),
		cmocka_unit_test(a_full_arena_loses_no_failure),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
