/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/audit/board.h"
#include "src/audit/lines.h"
#include "src/audit/telling.h"
#include "src/base/fd.h"

/* The log of audit.jsonl as lines, and as screens of every size: nothing of it may steer a
 * terminal. */

struct fixture {
	char *log;
	struct digest *digest;
	struct board board;
	struct board_view view;
};

static void take_line(void *context, const char *line, size_t size)
{
	digest_take_line(context, line, size);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct lines *lines = calloc(1, sizeof(*lines));
	const char *folder = getenv("abs_top_srcdir");
	uint8_t *bytes;
	size_t size;
	char path[4096];

	assert_non_null(fixture);
	assert_non_null(lines);
	snprintf(path, sizeof(path), "%s/tests/audit/audit.jsonl", folder ? folder : ".");
	assert_int_equal(fd_read_file(path, 1 << 20, &bytes, &size), 0);
	assert_int_equal(digest_new(&fixture->digest), 0);
	lines_take(lines, (char *)bytes, size, take_line, fixture->digest);
	assert_int_equal(digest_finish(fixture->digest), 0);
	fixture->log = (char *)bytes;
	fixture->view = (struct board_view){.rows = 24, .columns = 80, .now = 1795266302000000};
	free(lines);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	digest_free(fixture->digest);
	free(fixture->log);
	free(fixture);
	return 0;
}

static void draw(struct fixture *fixture)
{
	assert_int_equal(board_draw(fixture->digest, &fixture->view, &fixture->board), 0);
	for (int i = 0; i < fixture->board.rows; i++) {
		const char *text = fixture->board.lines[i].text;

		assert_true(
			strlen(text) <= (size_t)fixture->view.columns || fixture->board.rows == 1);
		for (; *text; text++)
			assert_true(*text >= ' ' && *text <= '~');
	}
}

static bool has(const struct fixture *fixture, const char *part)
{
	for (int i = 0; i < fixture->board.rows; i++)
		if (strstr(fixture->board.lines[i].text, part))
			return true;
	return false;
}

static void test_pages(void **state)
{
	static const char *const parts[BOARD_PAGES] = {
		[BOARD_DESTINATIONS] = "relay.lab.example      tcp/443   allow-9            1",
		[BOARD_REFUSED] = "198.51.100.1           tcp/22    default-deny       1",
		[BOARD_SESSIONS] = "bytes            [############] 48 MiB of 4.0 MiB",
		[BOARD_ALERTS] = "upload                relay.lab.example tcp/443",
		[BOARD_HELP] = "PgUp, PgDn    a screen up or down",
	};
	struct fixture *fixture = *state;

	for (enum board_page page = BOARD_DESTINATIONS; page < BOARD_PAGES; page++) {
		fixture->view.page = page;
		draw(fixture);
		assert_int_equal(fixture->board.rows, 24);
		if (!has(fixture, parts[page]))
			fail_msg("%s is missing on page %d", parts[page], page);
		assert_true(has(fixture, "egress-audit top: build"));
		assert_true(has(fixture, "q quit"));
		assert_true(has(fixture, "reached 6, refused 34, alerts 5; sent 48 MiB"));
	}
}

static void test_scrolling(void **state)
{
	struct fixture *fixture = *state;

	fixture->view.page = BOARD_REFUSED;
	draw(fixture);
	assert_int_equal(fixture->board.total, 34);
	assert_true(has(fixture, "198.51.100.1 "));
	assert_false(has(fixture, "198.51.100.30 "));
	fixture->view.first = 1000000;
	draw(fixture);
	assert_int_equal(fixture->board.first, 34 - 18);
	assert_false(has(fixture, "198.51.100.1 "));
	assert_true(has(fixture, "ads.lab.example"));
}

static void test_orders(void **state)
{
	static const char *const firsts[BOARD_ORDERS] = {
		[BOARD_BY_BYTES] = "relay.lab.example",
		[BOARD_BY_TIMES] = "docs.lab.example",
		[BOARD_BY_LAST] = "bbbb",
		[BOARD_BY_NAME] = "bbbb", /* whose beginning is not shown */
	};
	struct fixture *fixture = *state;

	for (enum board_order order = BOARD_BY_BYTES; order < BOARD_ORDERS; order++) {
		fixture->view.order = order;
		draw(fixture);
		/* Behind the heads, and what was observed */
		assert_memory_equal(
			fixture->board.lines[6].text, firsts[order], strlen(firsts[order]));
	}
}

static void test_sizes(void **state)
{
	struct fixture *fixture = *state;

	for (int rows = 0; rows < 300; rows = rows < 30 ? rows + 1 : rows + 57) {
		for (int columns = 0; columns < 400; columns += 13) {
			fixture->view.rows = rows;
			fixture->view.columns = columns;
			fixture->view.page = (enum board_page)((rows + columns) % BOARD_PAGES);
			fixture->view.first = (size_t)columns;
			draw(fixture);
			if (rows < BOARD_ROWS_LEAST || columns < BOARD_COLUMNS_LEAST)
				assert_int_equal(fixture->board.rows, 1);
			else
				assert_int_equal(
					fixture->board.rows, rows < BOARD_ROWS ? rows : BOARD_ROWS);
		}
	}
}

/* --- Lines --- */

struct telling {
	FILE *out;
	bool colour;
	int lines;
};

static void tell_line(void *context, const char *line, size_t size)
{
	struct telling *telling = context;
	struct record record;

	if (!line || record_read(line, size, &record) != 0)
		return;
	telling_put(&record, true, telling->colour, telling->out);
	record_free(&record);
	telling->lines++;
}

/* All lines; to be freed. */
static char *tell(const char *log, bool colour, int *ret_lines)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct telling telling = {.colour = colour};
	char *text = NULL;
	size_t size;

	assert_non_null(lines);
	telling.out = open_memstream(&text, &size);
	assert_non_null(telling.out);
	lines_take(lines, log, strlen(log), tell_line, &telling);
	fclose(telling.out);
	free(lines);
	*ret_lines = telling.lines;
	return text;
}

static void test_lines(void **state)
{
	const struct fixture *fixture = *state;
	int lines, seen = 0;
	char *text = tell(fixture->log, false, &lines);

	for (const char *at = text; *at; at++) {
		seen += *at == '\n';
		assert_true(*at == '\n' || (unsigned char)*at >= ' ');
	}
	assert_int_equal(seen, lines);
	assert_null(strstr(text, "\xe2\x80\xae"));
	assert_non_null(strstr(text,
		"2026-11-21 13:05:01.000 permitted agent        flow       docs.lab.example "
		"(11.0.0.1) tcp/443 sent 2.0 KiB, received 400 KiB in 2 s (allow-1) - "
		"documentation\n"));
	assert_non_null(strstr(text, "refused   build        query      "
				     "<script>alert(1)</script>.\\027[31m.lab.example A "));
	assert_non_null(strstr(text, "flagged   agent        alert      upload relay.lab.example "
				     "tcp/443: one long upload"));
	assert_non_null(strstr(text, "session    20261121T130500.249727Z-62 summary: 21 "));
	assert_non_null(strstr(text, "lost       7 records of queries are missing\n"));
	free(text);
}

static void test_colours(void **state)
{
	const struct fixture *fixture = *state;
	int lines;
	char *text = tell(fixture->log, true, &lines);

	assert_non_null(strstr(text, "\033[31mrefused  \033[0m"));
	free(text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),
		TEST(test_scrolling),
		TEST(test_orders),
		TEST(test_sizes),
		TEST(test_lines),
		TEST(test_colours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
