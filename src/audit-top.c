/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/audit-tasks.h"
#include "src/audit/board.h"
#include "src/audit/tail.h"
#include "src/base/clock.h"
#include "src/event/event.h"
#include "src/output.h"

/*
 * Theory of operation
 *
 * Logs are read in pieces between keys, so that a long one does not make the keys wait; the screen
 * is drawn anew once a second, or after a key. Lines of a board are printable ASCII, and each is
 * cut to the screen: nothing that was recorded can steer the terminal.
 */

enum {
	PAUSE_MS = 100,
	DRAW_MS = 1000,
	PIECES = 16, /* of a log, before keys are looked at again */
	KEY_TAB = '\t',
};

struct top {
	const struct audit_request *request;
	struct tail **tails;
	struct digest *digest;
	struct board_view view;
	struct board board;
	SCREEN *screen;
	FILE *keys; /* where keys come from, if that isn't standard input */
	struct mono drawn;
	bool dirty; /* to be drawn at once */
	bool done;
};

/* --- Reading --- */

static void take_line(void *context, const char *line, size_t size)
{
	struct top *top = context;
	struct record record;

	if (!line || record_read(line, size, &record) != 0) {
		digest_take_line(top->digest, NULL, 0);
		return;
	}
	if (filter_takes(&top->request->filter, &record))
		digest_take(top->digest, &record);
	record_free(&record);
}

/* As tail_take(), of all; a log that can't be read any more is as it was. */
static bool take_pieces(struct top *top)
{
	bool more = false;

	for (size_t i = 0; i < top->request->n_logs; i++)
		for (size_t j = 0; j < PIECES; j++) {
			if (!tail_is_ready(top->tails[i]) ||
				tail_take(top->tails[i], take_line, top) <= 0)
				break;
			more |= j + 1 == PIECES;
		}
	return more;
}

/* --- Keys --- */

static void scroll_by(struct top *top, long lines)
{
	const long first = (long)top->view.first + lines;

	top->view.first = first > 0 ? (size_t)first : 0;
}

static int page_rows(const struct top *top)
{
	return top->view.rows > BOARD_ROWS_LEAST ? top->view.rows - 6 : 1;
}

static void turn_to(struct top *top, enum board_page page)
{
	top->view.page = page;
	top->view.first = 0;
}

/* Forgets all that was read. */
static void clear_digest(struct top *top)
{
	struct digest *fresh;

	if (digest_new(&fresh) != 0)
		return;
	digest_free(top->digest);
	top->digest = fresh;
	top->view.first = 0;
}

static bool take_page_key(struct top *top, int key)
{
	static const struct {
		int key;
		enum board_page page;
	} keys[] = {
		{'1', BOARD_DESTINATIONS},
		{'d', BOARD_DESTINATIONS},
		{'2', BOARD_REFUSED},
		{'r', BOARD_REFUSED},
		{'3', BOARD_SESSIONS},
		{'t', BOARD_SESSIONS},
		{'4', BOARD_ALERTS},
		{'a', BOARD_ALERTS},
		{'h', BOARD_HELP},
		{'?', BOARD_HELP},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key != key)
			continue;
		turn_to(top, keys[i].page);
		return true;
	}
	if (key == KEY_TAB)
		turn_to(top, (enum board_page)((top->view.page + 1) % BOARD_PAGES));
	return key == KEY_TAB;
}

static bool take_scroll_key(struct top *top, int key)
{
	const struct {
		int key;
		long lines;
	} keys[] = {
		{KEY_UP, -1},
		{'k', -1},
		{KEY_DOWN, 1},
		{'j', 1},
		{KEY_PPAGE, -page_rows(top)},
		{KEY_NPAGE, page_rows(top)},
		{KEY_HOME, -(long)top->view.first},
		{KEY_END, (long)top->board.total - (long)top->view.first - page_rows(top)},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key != key)
			continue;
		scroll_by(top, keys[i].lines);
		return true;
	}
	return false;
}

static void take_key(struct top *top, int key)
{
	top->dirty = true;
	if (take_page_key(top, key) || take_scroll_key(top, key))
		return;
	switch (key) {
	case 'q':
		top->done = true;
		return;
	case 's':
		top->view.order = (enum board_order)((top->view.order + 1) % BOARD_ORDERS);
		return;
	case 'p':
	case ' ':
		top->view.paused = !top->view.paused;
		return;
	case 'c':
		clear_digest(top);
		return;
	default:
		return;
	}
}

/* --- The screen --- */

static void start_colours(void)
{
	static const struct {
		short pair;
		short colour;
	} pairs[] = {
		{BOARD_GOOD, COLOR_GREEN},
		{BOARD_ODD, COLOR_YELLOW},
		{BOARD_BAD, COLOR_RED},
	};

	if (!output_has_colour(STDOUT_FILENO) || !has_colors() || start_color() == ERR ||
		use_default_colors() == ERR)
		return;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		init_pair(pairs[i].pair, pairs[i].colour, -1);
}

static attr_t attribute_of(enum board_paint paint)
{
	switch (paint) {
	case BOARD_TITLE:
		return A_REVERSE;
	case BOARD_HEAD:
		return A_BOLD;
	case BOARD_DIM:
		return A_DIM;
	case BOARD_GOOD:
	case BOARD_ODD:
	case BOARD_BAD:
		return has_colors() ? (attr_t)COLOR_PAIR(paint) : A_NORMAL;
	default:
		return A_NORMAL;
	}
}

static int draw(struct top *top)
{
	int error;

	getmaxyx(stdscr, top->view.rows, top->view.columns);
	if (!top->view.paused) {
		top->view.now = event_time();
		error = digest_finish(top->digest);
		if (error)
			return error;
	}
	error = board_draw(top->digest, &top->view, &top->board);
	if (error)
		return error;
	top->view.first = top->board.first;
	erase();
	for (int i = 0; i < top->board.rows; i++) {
		const struct board_line *line = &top->board.lines[i];
		const int width =
			line->paint == BOARD_TITLE ? top->view.columns : (int)strlen(line->text);

		attrset(attribute_of(line->paint));
		mvprintw(i, 0, "%-*.*s", width, top->view.columns, line->text);
	}
	attrset(A_NORMAL);
	refresh();
	top->drawn = clock_now();
	top->dirty = false;
	return 0;
}

static int watch(struct top *top)
{
	while (!top->done) {
		bool more = !top->view.paused && take_pieces(top);
		int key, error;

		timeout(more ? 0 : PAUSE_MS);
		while ((key = getch()) != ERR) {
			take_key(top, key);
			timeout(0);
		}
		/* The terminal is gone. */
		if (isatty(fileno(top->keys ? top->keys : stdin)) == 0)
			return -EIO;
		if (!top->dirty && mono_between(top->drawn, clock_now()).ms < DRAW_MS)
			continue;
		error = draw(top);
		if (error)
			return error;
	}
	return 0;
}

/* 0, or -errno, which has been said. */
static int open_screen(struct top *top)
{
	bool takes_input = false;

	for (size_t i = 0; i < top->request->n_logs; i++)
		takes_input |= strcmp(top->request->logs[i], "-") == 0;
	if (takes_input)
		top->keys = fopen("/dev/tty", "re");
	if (!isatty(STDOUT_FILENO) || (takes_input ? !top->keys : !isatty(STDIN_FILENO))) {
		audit_complain("top needs a terminal");
		return -ENOTTY;
	}
	top->screen = newterm(NULL, stdout, top->keys ? top->keys : stdin);
	if (!top->screen) {
		audit_complain("this terminal is not known: $TERM is '%s'",
			getenv("TERM") ? getenv("TERM") : "");
		return -ENOTTY;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, true);
	curs_set(0);
	start_colours();
	return 0;
}

static void close_screen(struct top *top)
{
	endwin();
	delscreen(top->screen);
}

/* 0, or -errno, which has been said. */
static int open_logs(struct top *top)
{
	const size_t count = top->request->n_logs;
	int error = digest_new(&top->digest);

	top->tails = calloc(count, sizeof(*top->tails));
	if (!error && !top->tails)
		error = -ENOMEM;
	if (error) {
		audit_complain("%s", strerror(-error));
		return error;
	}
	for (size_t i = 0; i < count && !error; i++)
		error = audit_open(top->request->logs[i], false, &top->tails[i]);
	return error;
}

static int run(struct top *top)
{
	int error = open_logs(top);

	if (!error)
		error = open_screen(top);
	if (error)
		return error;
	error = watch(top);
	close_screen(top);
	if (error)
		audit_complain("%s", strerror(-error));
	return error;
}

int audit_top(struct audit_request *request)
{
	struct top *top = calloc(1, sizeof(*top));
	int error;

	if (!top) {
		audit_complain("%s", strerror(ENOMEM));
		return AUDIT_EXIT_FAILED;
	}
	top->request = request;
	top->dirty = true;
	error = run(top);
	if (top->keys)
		fclose(top->keys);
	for (size_t i = 0; top->tails && i < request->n_logs; i++)
		tail_close(top->tails[i]);
	free(top->tails);
	digest_free(top->digest);
	free(top);
	return error ? AUDIT_EXIT_FAILED : EXIT_SUCCESS;
}
