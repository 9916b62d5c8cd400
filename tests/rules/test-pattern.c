/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/pattern.h"
#include "src/base/arena.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */
#define LONGEST                                                                                    \
	LABEL "." LABEL "." LABEL ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO_JIT "(*NO_JIT)"

static int set_up(void **state)
{
	return arena_new(1 << 20, (struct arena **)state);
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static struct pattern *make(struct arena *arena, const char *text)
{
	const char *problem = "no memory";
	struct pattern *pattern;
	size_t offset;

	if (pattern_make(arena, text_of(text), (struct place){.line = 7}, &pattern, &problem,
		    &offset) < 0)
		fail_msg("%s %s", text, problem);
	return pattern;
}

static enum pattern_result match(const struct pattern *pattern, const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return pattern_match(pattern, &name);
}

static const struct {
	const char *text;
	const char *name;
	enum pattern_result result;
} matches[] = {
	{"^build-[0-9]{1,4}\\.example\\.com$", "build-12.example.com", PATTERN_YES},
	{"^build-[0-9]{1,4}\\.example\\.com$", "build-12345.example.com", PATTERN_NO},
	{"^build-[0-9]{1,4}\\.example\\.com$", "build-12.example.com.x", PATTERN_NO},
	{"^build-[0-9]{1,4}\\.example\\.com$", "Build-1.EXAMPLE.com.", PATTERN_YES},
	{"^.{0,3}\\.tk$", "abc.tk", PATTERN_YES},
	{"^.{0,3}\\.tk$", "abcd.tk", PATTERN_NO},
	{"EXAMPLE", "a.example.b", PATTERN_YES},
	{"^[A-Z]+$", "abc", PATTERN_YES},
	{"xn--", "xn--bcher-kva.example", PATTERN_YES},
	{"^(?!api\\.).*\\.example\\.com$", "api.example.com", PATTERN_NO},
	{"^(?!api\\.).*\\.example\\.com$", "www.example.com", PATTERN_YES},
	{"(?<=^a)\\.b$", "a.b", PATTERN_YES},
	{"^(a|b)\\.\\1$", "b.b", PATTERN_YES},
	{"^(a|b)\\.\\1$", "a.b", PATTERN_NO},
	{"^(?:[a.]|b)*$", LONGEST, PATTERN_YES},
	{NO_JIT "^([a.]|b)*$", LONGEST, PATTERN_YES},
	{NO_JIT "^(((a)|b|\\.)*)*$", LONGEST, PATTERN_YES},
	{NO_JIT "^(((a)|b|\\.)*)*c$", "a.c", PATTERN_YES},
	{"^(a+)+$", LABEL ".b", PATTERN_LIMIT},
	{NO_JIT "^(a+)+$", LABEL ".b", PATTERN_LIMIT},
	/* Some 2^18 steps, which PCRE2 would do by itself. */
	{"^(a+)+$", "aaaaaaaaaaaaaaaaaa.b", PATTERN_LIMIT},
	{NO_JIT "^(a+)+$", "aaaaaaaaaaaaaaaaaa.b", PATTERN_LIMIT},
	{"^(a+)+$", "aaaaaaaa.b", PATTERN_NO},
	{NO_JIT "^(a+)+$", "aaaaaaaa.b", PATTERN_NO},
	{"(?R)?a", "a.b", PATTERN_LIMIT},
	{NO_JIT "(?R)?a", "a.b", PATTERN_LIMIT},
	{"(*LIMIT_MATCH=4000000000)^(a+)+$", LABEL ".b", PATTERN_LIMIT},
	{"a(?C1)b", "ab", PATTERN_YES},
};

static void test_matches(void **state)
{
	for (size_t i = 0; i < COUNT(matches); i++) {
		const struct pattern *pattern = make(*state, matches[i].text);

		/* The second time it has the memory of the first. */
		for (int again = 0; again < 3; again++) {
			if (match(pattern, matches[i].name) != matches[i].result)
				fail_msg("%s and %s", matches[i].text, matches[i].name);
		}
	}
}

static void a_dot_is_between_labels(void **state)
{
	static const struct name dot = {.length = 15, .wire = "\11a.example\3com"};
	static const struct name odd = {.length = 12, .wire = "\6\0a\\ \n\xff\3com"};
	static const struct name root = {.length = 1};

	assert_int_equal(pattern_match(make(*state, "^.*\\.example\\.com$"), &dot), PATTERN_NO);
	assert_int_equal(pattern_match(make(*state, "^a\\\\046example\\.com$"), &dot), PATTERN_YES);
	assert_int_equal(
		pattern_match(make(*state, "^\\\\000a\\\\092\\\\032\\\\010\\\\255\\.com$"), &odd),
		PATTERN_YES);
	assert_int_equal(pattern_match(make(*state, "^$"), &root), PATTERN_YES);
	assert_int_equal(pattern_match(make(*state, "."), &root), PATTERN_NO);
}

/* 254 bytes that are all escaped are the longest text. */
static void the_longest_text_has_room(void **state)
{
	struct name name = {.length = 255};

	for (unsigned offset = 0; offset < 254; offset += 64) {
		unsigned length = offset < 192 ? 63 : 61;

		memset(name.wire + offset, 0xff, 1 + length);
		name.wire[offset] = (uint8_t)length;
	}
	name.wire[254] = 0;
	assert_int_equal(pattern_match(make(*state, "^(\\\\255){63}\\.(\\\\255){63}\\.(\\\\255){63}"
						    "\\.(\\\\255){61}$"),
				 &name),
		PATTERN_YES);
}

static const struct {
	const char *text;
	const char *problem;
	size_t offset;
} bad[] = {
	{"", "is empty", 0},
	{"a(b", "is not a PCRE2 expression: missing closing parenthesis", 3},
	{"a)b", "is not a PCRE2 expression: unmatched closing parenthesis", 1},
	{"[b-a]", "is not a PCRE2 expression: range out of order in character class", 3},
	{"*a", "is not a PCRE2 expression: quantifier does not follow a repeatable item", 0},
	{"a\\C", "is not a PCRE2 expression: using \\C is disabled by the application", 3},
	{"(*UTF)a", "is not a PCRE2 expression: using UTF is disabled by the application", 6},
	{"(*UCP)a", "is not a PCRE2 expression: using UCP is disabled by the application", 6},
	{"((a{1,1000}){1,1000}){1,1000}", "is not a PCRE2 expression: regular expression is too",
		29},
	{"b\u00fccher", "is not ASCII: names are matched in their form with xn--", 1},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pattern *pattern = NULL;
		const char *problem = "nothing";
		size_t offset = 99;
		int error = pattern_make(*state, text_of(bad[i].text), (struct place){0}, &pattern,
			&problem, &offset);

		if (error != -EINVAL || !strstr(problem, bad[i].problem))
			fail_msg("%s: %d, %s", bad[i].text, error, problem);
		assert_int_equal(offset, bad[i].offset);
		assert_null(pattern);
	}
}

static void test_bounds(void **state)
{
	static char text[PATTERN_TEXT_MAX + 1];
	struct pattern *pattern = NULL;
	const char *problem = "nothing";
	size_t offset = 99;

	memset(text, 'a', sizeof(text));
	assert_int_equal(pattern_make(*state, (struct text){text, PATTERN_TEXT_MAX},
				 (struct place){0}, &pattern, &problem, &offset),
		0);
	assert_int_equal(strlen(pattern_text(pattern)), PATTERN_TEXT_MAX);
	assert_int_equal(pattern_make(*state, (struct text){text, PATTERN_TEXT_MAX + 1},
				 (struct place){0}, &pattern, &problem, &offset),
		-EINVAL);
	assert_string_equal(problem, "is longer than 1024 bytes");
	assert_int_equal(pattern_make(*state, (struct text){"ab\0c", 4}, (struct place){0},
				 &pattern, &problem, &offset),
		-EINVAL);
	assert_string_equal(problem, "has a NUL");
	assert_int_equal(offset, 2);

	/* Parentheses as deep as PCRE2 is let go. */
	memset(text, '(', 51);
	memset(text + 51, ')', 51);
	assert_int_equal(pattern_make(*state, (struct text){text, 102}, (struct place){0}, &pattern,
				 &problem, &offset),
		-EINVAL);
	assert_non_null(strstr(problem, "too deeply nested"));
}

static void says_what_it_was_made_of(void **state)
{
	const struct pattern *pattern = make(*state, "^a$");

	assert_string_equal(pattern_text(pattern), "^a$");
	assert_int_equal(pattern_place(pattern).line, 7);
}

static const struct {
	const char *text;
	bool anchored;
} anchors[] = {
	{"^a$", true},
	{"\\Aa\\z", true},
	{"\\Aa\\Z", true},
	{"^(a|b)$", true},
	{"^(?:a|b(c|d))x$", true},
	{"(?i)^a$", true},
	{"(*LF)^a$", true},
	{"(?#all)^a$", true},
	{"^a$|^b$", true},
	{"^[$|^]x$", true},
	{"^[]|]$", true},
	{"^[^]|]$", true},
	{"^[[:alpha:]|]$", true},
	{"^[\\]|]$", true},
	{"^a\\|b$", true},
	{"^a\\|$", true},
	{"^\\Qa|b\\E$", true},
	{"^$", true},
	{"a", false},
	{"^a", false},
	{"a$", false},
	{"a^$", false},
	{"^a$b", false},
	{"^a|b$", false},
	{"^a$|b", false},
	{"^a\\$", false},
	{"\\^a$", false},
	{"^a\\\\$", true},
	{"(^a$)", false},
	{"^(a$)", false},
	{"^a[$]", false},
	{"^\\Qa$", false},
	{"[^]a$]", false},
	{"|^a$", false},
	{"^a$|", false},
};

static void test_anchors(void **state)
{
	for (size_t i = 0; i < COUNT(anchors); i++) {
		if (pattern_is_anchored(make(*state, anchors[i].text)) != anchors[i].anchored)
			fail_msg("%s", anchors[i].text);
	}
}

static void processes_match_on_their_own(void **state)
{
	const struct pattern *compiled = make(*state, "^([a.]|b)*$");
	const struct pattern *interpreted = make(*state, NO_JIT "^([a.]|b)*$");
	int failed = 0;

	for (int child = 0; child < 4; child++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (int i = 0; i < 200; i++)
			failed |= match(compiled, LONGEST) != PATTERN_YES ||
				  match(interpreted, LONGEST) != PATTERN_YES ||
				  match(interpreted, "c.d") != PATTERN_NO;
		_exit(failed);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(match(interpreted, i % 2 ? LONGEST : "c.d"), i % 2);
	for (int child = 0, status; child < 4; child++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

static void says_when_memory_ends(void **state)
{
	int error = -ENOMEM;

	(void)state;
	for (size_t limit = 0; error == -ENOMEM; limit += 8) {
		struct pattern *pattern = NULL;
		const char *problem;
		struct arena *arena;
		size_t offset;

		assert_int_equal(arena_new(limit, &arena), 0);
		error = pattern_make(
			arena, text_of("^a$"), (struct place){0}, &pattern, &problem, &offset);
		assert_true(error == 0 || (error == -ENOMEM && !pattern));
		arena_free(arena);
	}
	assert_int_equal(error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_matches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dot_is_between_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_text_has_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_what_it_was_made_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_anchors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(processes_match_on_their_own, set_up, tear_down),
		cmocka_unit_test(says_when_memory_ends),
	};

	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
