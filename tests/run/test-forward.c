/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "src/run/forward.h"

typedef int add_word(struct forward_list *list, const char *word);

/* "tcp 127.0.0.1:80 [::1]:80 -> 127.0.0.1:80 [::1]:80", a line each. */
static void show(const struct forward_list *list, char *out, size_t size)
{
	FILE *file = fmemopen(out, size, "w");
	char text[INADDR_TEXT];

	for (size_t i = 0; i < list->count; i++) {
		const struct forward *forward = &list->rows[i];

		fputs(forward->stream ? "tcp" : "udp", file);
		for (size_t j = 0; j < forward->n_listen; j++)
			fprintf(file, " %s", endpoint_to_text(&forward->listen[j], text));
		fputs(" ->", file);
		for (size_t j = 0; j < FORWARD_TARGETS; j++)
			fprintf(file, " %s", endpoint_to_text(&forward->targets[j], text));
		fputc('\n', file);
	}
	fclose(file);
}

static void expect(add_word *add, const char *word, const char *expected)
{
	struct forward_list list = {.count = 0};
	char text[2000] = "";

	if (add(&list, word) != 0)
		fail_msg("not taken: %s", word);
	show(&list, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void expect_error(add_word *add, const char *word, int error)
{
	struct forward_list list = {.count = 0};

	if (add(&list, word) != error)
		fail_msg("not %s: %s", strerror(-error), word);
}

static void test_published(void **state)
{
	(void)state;
	expect(forward_add_published, "8080",
		"tcp 127.0.0.1:8080 [::1]:8080 -> 127.0.0.1:8080 [::1]:8080\n");
	expect(forward_add_published, "8080:80",
		"tcp 127.0.0.1:8080 [::1]:8080 -> 127.0.0.1:80 [::1]:80\n");
	expect(forward_add_published, "udp/5000,tcp/1:65535",
		"udp 127.0.0.1:5000 [::1]:5000 -> 127.0.0.1:5000 [::1]:5000\n"
		"tcp 127.0.0.1:1 [::1]:1 -> 127.0.0.1:65535 [::1]:65535\n");
	expect(forward_add_published, "0.0.0.0:80", "tcp 0.0.0.0:80 -> 127.0.0.1:80 [::1]:80\n");
	expect(forward_add_published, "192.0.2.1:80:8080",
		"tcp 192.0.2.1:80 -> 127.0.0.1:8080 [::1]:8080\n");
	expect(forward_add_published, "[::]:80,[2001:db8::1]:81:82",
		"tcp [::]:80 -> 127.0.0.1:80 [::1]:80\n"
		"tcp [2001:db8::1]:81 -> 127.0.0.1:82 [::1]:82\n");
}

static void test_published_wrong(void **state)
{
	static const char *const words[] = {"", ",", "80,", "0", "65536", "-1", "+1", "80:", ":80",
		"80:0", "80:80:80", "sctp/80", "tcp/", "/80", "host:80", "1.2.3:80", "1.2.3.4",
		"1.2.3.4:", "[::1", "[::1]", "[::1]80", "[]:80", "[1.2.3.4]:x", "::1:80", "80 ",
		" 80", "8080-8090"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		expect_error(forward_add_published, words[i], -EINVAL);
}

static void test_loopback(void **state)
{
	(void)state;
	expect(forward_add_loopback, "5432,udp/123",
		"tcp 127.0.0.1:5432 [::1]:5432 -> 127.0.0.1:5432 [::1]:5432\n"
		"udp 127.0.0.1:123 [::1]:123 -> 127.0.0.1:123 [::1]:123\n");
	expect_error(forward_add_loopback, "53", -EPERM);
	expect_error(forward_add_loopback, "5432,udp/53", -EPERM);
	expect_error(forward_add_loopback, "5432:80", -EINVAL);
	expect_error(forward_add_loopback, "192.0.2.1:80", -EINVAL);
	expect_error(forward_add_loopback, "[::1]:80", -EINVAL);
	expect_error(forward_add_loopback, "0", -EINVAL);
	expect_error(forward_add_loopback, "", -EINVAL);
}

static void test_full(void **state)
{
	struct forward_list list = {.count = 0};

	(void)state;
	for (int i = 0; i < FORWARDS_MAX; i++)
		assert_int_equal(forward_add_published(&list, "80"), 0);
	assert_int_equal(forward_add_published(&list, "80"), -ENOSPC);
	assert_int_equal(list.count, FORWARDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_published_wrong),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
