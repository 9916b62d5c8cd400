/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/log.h"

/* Standard error while a test logs: a file that is read afterwards. */
static FILE *file;
static int terminal = -1;

static int open_file(void **state)
{
	(void)state;
	file = tmpfile();
	terminal = dup(STDERR_FILENO);
	if (!file || terminal < 0)
		return -1;
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static int close_file(void **state)
{
	(void)state;
	fclose(file);
	close(terminal);
	return 0;
}

static void begin(void)
{
	fflush(stderr);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
}

/* Ends what begin() began; what was logged, NUL-terminated. */
static const char *end(void)
{
	static char text[8192];
	ssize_t size;

	assert_true(dup2(terminal, STDERR_FILENO) >= 0);
	size = pread(fileno(file), text, sizeof(text) - 1, 0);
	assert_true(size >= 0);
	text[size] = '\0';
	return text;
}

/* Comes first: nothing has called log_start() yet. */
static void before_the_start_lines_are_bare(void **state)
{
	(void)state;
	begin();
	log_warning("early");
	log_debug("not shown");
	assert_string_equal(end(), "early\n");
}

static void lines_name_program_and_role(void **state)
{
	(void)state;
	begin();
	log_start("egress-resolver", "keeper", LOG_LEVEL_INFO);
	log_info("set %s is full", "web_ip4");
	log_start("egress-resolver", NULL, LOG_LEVEL_INFO);
	log_error("%d", 42);
	assert_string_equal(end(), "egress-resolver: keeper: set web_ip4 is full\n"
				   "egress-resolver: 42\n");
}

static void shows_up_to_a_level(void **state)
{
	(void)state;
	begin();
	log_start("p", NULL, LOG_LEVEL_WARNING);
	log_error("error");
	log_warning("warning");
	log_info("info");
	log_debug("debug");
	assert_string_equal(end(), "p: error\np: warning\n");
	begin();
	log_start("p", NULL, LOG_LEVEL_DEBUG);
	log_debug("debug");
	assert_string_equal(end(), "p: debug\n");
}

static void set_journal(const struct stat *status, ino_t off)
{
	char stream[64];

	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status->st_dev,
		(uintmax_t)(status->st_ino + off));
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

static void journal_lines_carry_the_priority(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(fstat(fileno(file), &status), 0);
	set_journal(&status, 0);
	begin();
	log_start("egress-resolver", "worker", LOG_LEVEL_DEBUG);
	log_error("a");
	log_warning("b");
	log_info("c");
	log_debug("d");
	log_start("egress-resolver", NULL, LOG_LEVEL_INFO);
	log_info("e");
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(
		end(), "<3>worker: a\n<4>worker: b\n<6>worker: c\n<7>worker: d\n<6>e\n");
}

static void an_inherited_journal_variable_means_nothing(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(fstat(fileno(file), &status), 0);
	set_journal(&status, 1);
	begin();
	log_start("p", NULL, LOG_LEVEL_INFO);
	log_info("a");
	assert_int_equal(setenv("JOURNAL_STREAM", "", 1), 0);
	log_start("p", NULL, LOG_LEVEL_INFO);
	log_info("b");
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(end(), "p: a\np: b\n");
}

static void a_stranger_cannot_forge_a_line(void **state)
{
	(void)state;
	begin();
	log_start("p", NULL, LOG_LEVEL_INFO);
	log_info("name %s", "a\n<0>b\r\033[2Jc\tgr\xc3\xbc\xc3\x9f\xc2\x9b\xe2\x80\xae\xff\x80");
	assert_string_equal(end(), "p: name a?<0>b??[2Jc?gr\xc3\xbc\xc3\x9f????\n");
}

static void long_lines_are_cut(void **state)
{
	static char longer[6000];
	const char *text;
	size_t length;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	begin();
	log_start("p", NULL, LOG_LEVEL_INFO);
	log_info("%s", longer);
	log_info("next");
	text = end();
	length = strcspn(text, "\n");
	assert_in_range(length, 1000, 4095);
	assert_string_equal(text + length, "\np: next\n");

	begin();
	log_start(longer, longer, LOG_LEVEL_INFO);
	log_info("%s", longer);
	text = end();
	length = strcspn(text, "\n");
	assert_in_range(length, 1000, 4095);
	assert_string_equal(text + length, "\n");
}

static void keeps_errno_and_shows_it(void **state)
{
	(void)state;
	begin();
	log_start("p", NULL, LOG_LEVEL_INFO);
	errno = ENOENT;
	log_info("%m");
	assert_int_equal(errno, ENOENT);
	close(STDERR_FILENO);
	log_info("nowhere");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(end(), "p: No such file or directory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_start_lines_are_bare),
		cmocka_unit_test(lines_name_program_and_role),
		cmocka_unit_test(shows_up_to_a_level),
		cmocka_unit_test(journal_lines_carry_the_priority),
		cmocka_unit_test(an_inherited_journal_variable_means_nothing),
		cmocka_unit_test(a_stranger_cannot_forge_a_line),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(keeps_errno_and_shows_it),
	};

	return cmocka_run_group_tests_name("log", tests, open_file, close_file);
}
