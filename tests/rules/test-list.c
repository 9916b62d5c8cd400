/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/codes.h"
#include "rules/host.h"
#include "rules/list.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */
#define NAME LABEL "." LABEL "." LABEL "."                                      /* and 61 */
#define SIXTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct place here = {.file = "policy.toml", .line = 4, .column = 8, .width = 9};

static int set_up(void **state)
{
	return arena_new((size_t)256 << 20, (struct arena **)state);
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *print(struct arena *arena, const struct diag *diag)
{
	char *text = NULL;
	const char *copy;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	diag_print(diag, out);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

/* Parses a copy that is gone afterwards. *ret_said is what is said of it. */
static int parse(
	struct arena *arena, struct text text, struct list **ret_list, const char **ret_said)
{
	struct diag *diag = diag_new(arena);
	char *copy = malloc(text.length > 0 ? text.length : 1);
	int error;

	assert_non_null(diag);
	assert_non_null(copy);
	memcpy(copy, text.start, text.length);
	error = list_parse(arena, "a.txt", (struct text){copy, text.length}, here, diag, ret_list);
	free(copy);
	assert_int_equal(error == -EINVAL, diag_failed(diag));
	*ret_said = print(arena, diag);
	return error;
}

static struct list *parse_good(struct arena *arena, const char *text)
{
	struct list *list = NULL;
	const char *said;

	if (parse(arena, text_of(text), &list, &said) < 0)
		fail_msg("%s", said);
	assert_string_equal(said, "");
	return list;
}

static void expect_bad(struct arena *arena, struct text text, const char *want)
{
	static struct list untouched;
	struct list *list = &untouched;
	const char *said;

	assert_int_equal(parse(arena, text, &list, &said), -EINVAL);
	assert_ptr_equal(list, &untouched);
	assert_string_equal(said, want);
}

/* "1 *.example.com; 2 10.0.0.0/8; ": the names with their lines, then the ranges. */
static const char *dump(struct arena *arena, const struct list *list)
{
	struct list_name name = {0};
	char out[NAME_TEXT];
	const char *text = "";
	size_t at = 0, count = 0;

	for (; list_next(list, &at, &name); count++) {
		host_to_text(name.kind, name.wire, name.length, out);
		text = arena_printf(arena, "%s%u %s; ", text, name.line, out);
	}
	assert_int_equal(at, list->size);
	assert_int_equal(count, list->n_names);
	for (size_t i = 0; i < list->n_ranges; i++) {
		range_to_text(&list->ranges[i].range, out);
		text = arena_printf(arena, "%s%u %s; ", text, list->ranges[i].line, out);
	}
	return text;
}

static const struct {
	const char *text;
	const char *want;
} good[] = {
	{"", ""},
	{"\n", ""},
	{"\n\r\n \t\n# nothing\n   # here\n", ""},
	{"a.example", "1 a.example; "},
	{"a.example\n", "1 a.example; "},
	{"a.example\r\n", "1 a.example; "},
	{"a.example\r", "1 a.example; "},
	{"\xef\xbb\xbf"
	 "a.example\n",
		"1 a.example; "},
	{"\xef\xbb\xbf", ""},
	{"a.example # the first\nb.example\t#\n#c.example\nd.example#e\n",
		"1 a.example; 2 b.example; 4 d.example; "},
	{"\ta.example \r\n  b.example", "1 a.example; 2 b.example; "},
	{"A.Example\nb.example.\n", "1 a.example; 2 b.example; "},
	{"b\u00fccher.example\n", "1 xn--bcher-kva.example; "},
	{"*.a.example\n**.b.example\n*.C.example\n",
		"1 *.a.example; 2 **.b.example; 3 *.c.example; "},
	{"*\n**\n*.\n**.com\n", "1 *; 2 **; 3 *; 4 **.com; "},
	{"s3.*.example\napi-*.example\n**.a*.example\n",
		"1 s3.*.example; 2 api-*.example; 3 **.a*.example; "},
	{"localhost\nip6-x\n_a.b-c.x1.d\n", "1 localhost; 2 ip6-x; 3 _a.b-c.x1.d; "},
	{"1.2.3.4a\nexample.x2\n", "1 1.2.3.4a; 2 example.x2; "},
	{LABEL ".x\n" NAME SIXTY "a\n", "1 " LABEL ".x; 2 " NAME SIXTY "a; "},
	{"192.0.2.1\n192.0.2.0/24\n192.0.2.10-192.0.2.20\n",
		"1 192.0.2.1; 2 192.0.2.0/24; 3 192.0.2.10-192.0.2.20; "},
	{"2001:DB8::/32\n::1\n::ffff:192.0.2.1\n0.0.0.0/0 # all\n",
		"1 2001:db8::/32; 2 ::1; 3 192.0.2.1; 4 0.0.0.0/0; "},
	{"a.example\n192.0.2.1\nb.example\n", "1 a.example; 3 b.example; 2 192.0.2.1; "},
	{"0.0.0.0 a.example\n", "1 a.example; "},
	{"127.0.0.1\ta.example  B.example # c.example\n::1 *.d.example\n",
		"1 a.example; 1 b.example; 2 *.d.example; "},
	{"127.0.0.1 localhost\n127.0.0.1 localhost.localdomain\n127.0.0.1 local\n"
	 "255.255.255.255 broadcasthost\n::1 LocalHost\n::1 ip6-localhost ip6-loopback\n"
	 "fe80::1%lo0 localhost\nff02::1 ip6-allnodes\n0.0.0.0 0.0.0.0\n"
	 "::1 localhost localhost6 localhost6.localdomain6\n127.0.1.1 host localhost4\n"
	 "fe80::1%lo0 ip6-a.example\n",
		"11 host; 12 ip6-a.example; "},
	{"127.0.0.1 127.0.0.1 a.example ::1\n:: :: 127.255.255.255\n", "1 a.example; "},
};

static void test_good(void **state)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct list *list = parse_good(*state, good[i].text);

		assert_string_equal(dump(*state, list), good[i].want);
		assert_string_equal(list->file, "a.txt");
		assert_memory_equal(&list->place, &here, sizeof(here));
	}
}

#define NO_HOST " is not a host name: labels of letters, digits, '-' and '_', with dots between"
#define SECOND " is a second destination in its line: only an address has names behind it"
#define IN_PLACE                                                                                   \
	" is an address where a name stands behind another address: each has a line of its own"
#define NO_ADDRESS " is not an address, a prefix or a range (first-last)"

static const struct {
	const char *line;
	int column, width;
	const char *problem;
} bad[] = {
	{"a..b", 1, 4, "'a..b'" NO_HOST},
	{"  -a.b # c", 3, 4, "'-a.b'" NO_HOST},
	{"a b", 3, 1, "'b'" SECOND},
	{"10.0.0.0/8 a.b", 12, 3, "'a.b'" SECOND},
	{"\u00fc\u00fc a..b", 4, 4, "'a..b'" SECOND},
	{"10.0.0.1 a.b c..d e..f", 14, 4, "'c..d'" NO_HOST},
	{"10.0.0.1 10.0.0.2", 10, 8, "'10.0.0.2'" IN_PLACE},
	{"0.0.0.0 a.b 0.0.0.1 1.2.3.4", 13, 7, "'0.0.0.1'" IN_PLACE},
	{"::1 2001:db8::1", 5, 11, "'2001:db8::1'" IN_PLACE},
	{"0.0.0.0 128.0.0.0", 9, 9, "'128.0.0.0'" IN_PLACE},
	{"10.0.0.1/8", 1, 10, "'10.0.0.1/8' has bits set behind its prefix length"},
	{"10.0.0.2-10.0.0.1", 1, 17,
		"'10.0.0.2-10.0.0.1' ends before it starts, or in the other family"},
	{"10.0.0.0/33", 1, 11, "'10.0.0.0/33'" NO_ADDRESS},
	{"2001:db8:::", 1, 11, "'2001:db8:::'" NO_ADDRESS},
	{"fe80::1%lo0", 1, 11, "'fe80::1%lo0'" NO_ADDRESS},
	{"10.0.0", 1, 6, "'10.0.0' is not a host name: its last label is a number"},
	{"10.0.*", 1, 6,
		"'10.0.*' is not a host name: several addresses are a prefix or a range under "
		"'ip'"},
	{"https://a.b/", 1, 12, "'https://a.b/' is a URL: only its host name belongs here"},
	{"\u00fc\u00fc\u2603.x", 1, 5,
		"'\u00fc\u00fc\u2603.x' has a character that no host name may have (IDNA 2008)"},
	{LABEL "a.x", 1, 66,
		"'" LABEL "a.x' is too long: a label has at most 63 characters, a name 253"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *text = arena_printf(*state, "a.b\n%s\nc.d\n", bad[i].line);
		char carets[80];

		memset(carets, '~', sizeof(carets));
		carets[0] = '^';
		expect_bad(*state, text_of(text),
			arena_printf(*state,
				"a.txt:2:%d: error: %s [E005]\n    2 | %s\n      | %*s%.*s\n",
				bad[i].column, bad[i].problem, bad[i].line, bad[i].column - 1, "",
				bad[i].width, carets));
	}
}

static void test_no_text(void **state)
{
	struct diag *diag = diag_new(*state);
	struct list *list = NULL;

	expect_bad(*state, (struct text){"a.b\nc\0d\ne..f\n", 13},
		"a.txt:2:2: error: '?' is a NUL byte: this is not a list in text [E005]\n"
		"    2 | c?d\n"
		"      |  ^\n");
	expect_bad(*state, (struct text){"\0", 1},
		"a.txt:1:1: error: '?' is a NUL byte: this is not a list in text [E005]\n"
		"    1 | ?\n"
		"      | ^\n");
	assert_int_equal(list_parse(*state, "a.txt", (struct text){"", LIST_SIZE_MAX + 1}, here,
				 diag, &list),
		-EINVAL);
	assert_string_equal(print(*state, diag),
		"policy.toml:4:8: error: the list is larger than 1 GiB [E003]\n");
	expect_bad(*state, text_of("\xff.b\n"),
		"a.txt:1:1: error: '?.b' is not UTF-8 [E005]\n"
		"    1 | ?.b\n"
		"      | ^~~\n");
}

static int count_lines(const char *text, const char *part)
{
	int count = 0;

	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		count++;
	return count;
}

static void shows_the_first_and_counts_the_rest(void **state)
{
	for (int lines = 19; lines < 24; lines++) {
		struct list *list = NULL;
		const char *text = "", *said;

		for (int i = 0; i < lines; i++)
			text = arena_printf(*state, "%sa..b\ngood.example\n", text);
		assert_int_equal(parse(*state, text_of(text), &list, &said), -EINVAL);
		assert_int_equal(
			count_lines(said, "'a..b' is not a host name"), lines < 20 ? lines : 20);
		assert_int_equal(
			count_lines(said, "a.txt:41: error: from this line on, "), lines > 20);
		assert_int_equal(count_lines(said, "on, 1 more line is no host, address or prefix"),
			lines == 21);
		assert_int_equal(
			count_lines(said, "on, 3 more lines are no host, address or prefix"),
			lines == 23);
	}
}

static void knows_lines_far_apart(void **state)
{
	static const unsigned gaps[] = {
		1, 2, 61, 62, 63, 64, 65, 126, 127, 255, 256, 300, 65535, 65536, 70000};
	char *text = arena_alloc(*state, 300000), *at = text;
	const struct list *list;
	struct list_name name = {0};
	size_t pos = 0;
	unsigned line = 0;

	for (size_t i = 0; i < COUNT(gaps); i++) {
		/* Its line is this far from the one before, the first from line 0. */
		for (unsigned k = i > 0 ? 0 : 1; k < gaps[i]; k++)
			*at++ = '\n';
		at = stpcpy(at, i % 2 ? "a.example" : "**.B.example");
	}
	list = parse_good(*state, text);
	assert_int_equal(list->n_names, COUNT(gaps));
	for (size_t i = 0; i < COUNT(gaps); i++) {
		assert_true(list_next(list, &pos, &name));
		line += gaps[i];
		assert_int_equal(name.line, line);
		assert_int_equal(name.length, 11);
		assert_int_equal(name.kind, i % 2 ? HOST_EXACT : HOST_ANY_DEPTH);
		assert_int_equal(name.wire[1], i % 2 ? 'a' : 'b');
	}
	assert_false(list_next(list, &pos, &name));
}

static uint64_t digest(struct arena *arena, const char *text)
{
	return parse_good(arena, text)->digest;
}

static void the_digest_is_of_what_it_says(void **state)
{
	static const char *const different[] = {
		"",
		"a.example",
		"a.example\na.example",
		"*.a.example",
		"**.a.example",
		"a.*.example",
		"b.example",
		"a.example\nb.example",
		"192.0.2.1",
		"192.0.2.2",
		"192.0.2.0/24",
		"192.0.2.1\na.example",
	};

	assert_int_equal(digest(*state, "a.example\n10.0.0.0/8\n*.b.example\n::1\n"),
		digest(*state, "# x\n::1\n\n*.B.example\n10.0.0.0/8\n\nA.example."));
	assert_int_equal(digest(*state, "0.0.0.0 a.b c.d\n"), digest(*state, "c.d\na.b\n"));
	for (size_t i = 0; i < COUNT(different); i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(
				digest(*state, different[i]), digest(*state, different[j]));
	}
}

/* Numbers that are the same in every run (xorshift64). */
static uint64_t draw(uint64_t below)
{
	static uint64_t number = 88172645463325252;

	number ^= number << 13;
	number ^= number >> 7;
	number ^= number << 17;
	return number % below;
}

/* A line alone is what host_from_text() takes it for. */
static void lines_are_hosts(void **state)
{
	enum { ROUNDS = 60000 };
	static const char alphabet[] = "abxz019-_...AB*";
	unsigned names = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct diag *diag = diag_new(*state);
		struct list *list = NULL;
		struct list_name found = {0};
		enum host_kind kind;
		struct name name;
		struct range range;
		const char *problem;
		char text[16];
		size_t length = 1 + draw(9), at = 0;
		int error, want;

		for (size_t k = 0; k < length; k++)
			text[k] = alphabet[draw(sizeof(alphabet) - 1)];
		struct text line = {text, length};

		want = host_from_text(line, &kind, &name, &problem);
		error = list_parse(*state, "x", line, here, diag, &list);
		if (range_from_text(line, &range) == 0)
			want = 0;
		if (error != want)
			fail_msg("'%.*s': %d", TEXT_ARG(line), error);
		if (error == 0 && list_next(list, &at, &found)) {
			names++;
			assert_int_equal(found.kind, kind);
			assert_int_equal(found.length, name.length);
			assert_memory_equal(found.wire, name.wire, name.length);
		}
		if (i % 100 == 0)
			arena_reset(*state);
	}
	assert_in_range(names, ROUNDS / 20, ROUNDS / 3 * 2);
}

/* The bounds of names, at which the two ways to read them must agree. */
static void long_lines_are_hosts(void **state)
{
	char text[300];

	for (size_t length = 240; length < 270; length++) {
		for (size_t front = 0; front < 4; front++) {
			static const char *const fronts[] = {"", "*.", "**.", "a*."};
			struct diag *diag = diag_new(*state);
			struct list *list = NULL;
			enum host_kind kind;
			struct name name;
			const char *problem;
			struct text line = {text, length};
			char *at = stpcpy(text, fronts[front]);

			for (size_t k = 0; at < text + length; at++, k++)
				*at = k % 60 == 59 ? '.' : 'a';
			assert_int_equal(list_parse(*state, "x", line, here, diag, &list),
				host_from_text(line, &kind, &name, &problem));
		}
	}
}

static void says_when_memory_ends(void **state)
{
	int error = -ENOMEM;

	for (size_t limit = 0; error == -ENOMEM; limit += 8) {
		struct list *list = NULL;
		struct diag *diag = diag_new(*state);
		struct arena *arena;

		assert_int_equal(arena_new(limit, &arena), 0);
		error = list_parse(arena, "a.txt", text_of("a.b\n10.0.0.0/8\n"), here, diag, &list);
		assert_true(error == 0 || (error == -ENOMEM && !list));
		arena_free(arena);
	}
	assert_int_equal(error, 0);
}

/* A folder of its own with policy.toml's lists; gone at the end. */
static char folder[32];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/egress-test-XXXXXX");
	if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("lists", 0700) < 0)
		return -1;
	return set_up(state);
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"lists/a.txt", "a.txt", "fifo", "large"};

	for (size_t i = 0; i < COUNT(files); i++)
		unlink(files[i]);
	if (rmdir("lists") < 0 || chdir("/") < 0 || rmdir(folder) < 0)
		return -1;
	return tear_down(state);
}

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void expect_file(struct arena *arena, const char *beside, const char *path, const char *file)
{
	struct diag *diag = diag_new(arena);
	struct list *list = NULL;

	if (list_load(arena, beside, text_of(path), here, diag, &list) < 0)
		fail_msg("%s", print(arena, diag));
	assert_string_equal(list->file, file);
	assert_string_equal(
		dump(arena, list), strstr(file, "lists/a") ? "1 in.lists; " : "1 at.top; ");
}

static void finds_files(void **state)
{
	const char *absolute = arena_printf(*state, "%s/a.txt", folder);
	const char *policy = arena_printf(*state, "%s/lists/policy.toml", folder);
	const char *there = arena_printf(*state, "%s/lists/a.txt", folder);

	write_file("lists/a.txt", "in.lists\n");
	write_file("a.txt", "at.top\n");
	expect_file(*state, "policy.toml", "a.txt", "a.txt");
	expect_file(*state, "<stdin>", "a.txt", "a.txt");
	expect_file(*state, "<stdin>", "lists/a.txt", "lists/a.txt");
	expect_file(*state, "lists/policy.toml", "a.txt", "lists/a.txt");
	expect_file(*state, "lists/policy.toml", "../a.txt", "lists/../a.txt");
	expect_file(*state, policy, "a.txt", there);
	expect_file(*state, policy, absolute, absolute);
}

static void expect_no_file(
	struct arena *arena, const char *path, enum code code, const char *problem)
{
	struct diag *diag = diag_new(arena);
	struct list *list = NULL;
	const char *want = arena_printf(
		arena, "policy.toml:4:8: error: %s [E%03u]\n", problem, (unsigned)code);

	assert_int_equal(
		list_load(arena, "policy.toml", text_of(path), here, diag, &list), -EINVAL);
	assert_null(list);
	assert_string_equal(print(arena, diag), want);
}

static void refuses_what_is_no_file(void **state)
{
	struct diag *diag = diag_new(*state);
	struct list *list = NULL;
	int large = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_true(large >= 0);
	assert_int_equal(ftruncate(large, (off_t)LIST_SIZE_MAX + 1), 0);
	close(large);
	expect_no_file(*state, "none.txt", CODE_READ,
		"cannot read the list 'none.txt': there is no such file");
	expect_no_file(
		*state, "lists", CODE_READ, "cannot read the list 'lists': it is a directory");
	expect_no_file(
		*state, "fifo", CODE_READ, "cannot read the list 'fifo': it is not a regular file");
	expect_no_file(*state, "/dev/zero", CODE_READ,
		"cannot read the list '/dev/zero': it is not a regular file");
	expect_no_file(*state, "large", CODE_TOO_LARGE,
		"cannot read the list 'large': it is larger than 1 GiB");
	expect_no_file(*state, "", CODE_READ, "'' is not the path of a file");
	assert_int_equal(
		list_load(*state, "policy.toml", (struct text){"a.txt\0b", 7}, here, diag, &list),
		-EINVAL);
	assert_null(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			shows_the_first_and_counts_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(knows_lines_far_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_digest_is_of_what_it_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_are_hosts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_lines_are_hosts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_when_memory_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			refuses_what_is_no_file, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
