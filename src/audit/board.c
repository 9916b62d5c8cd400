/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/board.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/audit/rendering.h"

/*
 *	egress-audit top: agent                                     13:05:02 UTC paused
 *	reached 12, refused 3, alerts 1; sent 1.2 MiB, received 34 MiB
 *	destinations [########            ] 12 of 20    bytes [#         ] 1 of 4 MiB
 *	 1 destinations  2 refused  3 sessions  4 alerts  by bytes
 *	destination                              port       rule       ...
 *	...
 *	q quit  1-4 page  s order  arrows scroll  p pause  c clear  h help
 *
 * The budgets are those of the session that had a record last. Every line goes through put(), which
 * leaves nothing but printable ASCII, and cuts it to the screen.
 */

enum { HEAD_ROWS = 4, BAR = 12, ADDRESS_WIDTH_LEAST = 16 };

struct drawing {
	const struct digest *digest;
	const struct board_view *view;
	struct board *board;
	int rows, columns;
	size_t line; /* of the page, which is `first` and more for those that are shown */
};

static void clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Another line, if there is room for it. */
static void put(struct drawing *drawing, enum board_paint paint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct drawing *drawing, enum board_paint paint, const char *format, ...)
{
	struct board *board = drawing->board;
	struct board_line *line = &board->lines[board->rows];
	va_list arguments;

	if (board->rows >= drawing->rows)
		return;
	va_start(arguments, format);
	vsnprintf(line->text, (size_t)drawing->columns + 1, format, arguments);
	va_end(arguments);
	clean(line->text);
	line->paint = paint;
	board->rows++;
}

/* Whether the next line of the page is to be shown: the last row of the screen is not the page's.
 */
static bool is_shown(struct drawing *drawing)
{
	const struct board *board = drawing->board;

	return drawing->line++ >= board->first && board->rows + 1 < drawing->rows;
}

/* --- The head --- */

static const struct sessions_row *last_session(const struct sessions *sessions)
{
	const struct sessions_row *last = NULL;

	for (size_t i = 0; i < sessions_count(sessions); i++) {
		const struct sessions_row *row = sessions_at(sessions, i);

		if (!last || row->last > last->last)
			last = row;
	}
	return last;
}

static void put_title(struct drawing *drawing, const struct sessions_row *session)
{
	const char *paused = drawing->view->paused ? " paused" : "";
	char time[RENDERING_TIME], left[96], right[48];
	int room;

	rendering_time(drawing->view->now, time);
	snprintf(right, sizeof(right), "%.12s%s", strlen(time) > 11 ? time + 11 : time, paused);
	snprintf(left, sizeof(left), "egress-audit top%s%s", session ? ": " : "",
		session ? session->policy : "");
	room = drawing->columns - (int)strlen(right) - 1;
	put(drawing, BOARD_TITLE, "%-*.*s %s", room, room, left, right);
}

static int put_sums(struct drawing *drawing)
{
	const struct digest_sum reached = digest_sum(drawing->digest, DIGEST_REACHED);
	const struct digest_sum observed = digest_sum(drawing->digest, DIGEST_OBSERVED);
	const struct digest_sum refused = digest_sum(drawing->digest, DIGEST_REFUSED);
	const struct digest_lost *lost = digest_lost(drawing->digest);
	const struct alerts *alerts = digest_alerts(drawing->digest);
	const uint64_t missing =
		lost->queries + lost->connections + lost->flows + lost->others + lost->malformed;
	char sent[RENDERING_BYTES], received[RENDERING_BYTES], more[64] = "";
	size_t destinations;
	int error = digest_destinations(drawing->digest, &destinations);

	if (error)
		return error;
	if (missing > 0)
		snprintf(more, sizeof(more), "; %" PRIu64 " records lost", missing);
	put(drawing, BOARD_PLAIN,
		"reached %zu, refused %zu, alerts %" PRIu64 "; sent %s, received %s%s",
		destinations, refused.rows, alerts_count(alerts) + alerts_more(alerts),
		rendering_bytes(reached.bytes_out + observed.bytes_out, sent),
		rendering_bytes(reached.bytes_in + observed.bytes_in, received), more);
	return 0;
}

static const char *bar_of(double part, char out[BAR + 1])
{
	const int full = part >= 1 ? BAR : (int)(part * BAR);

	for (int i = 0; i < BAR; i++)
		out[i] = i < full ? '#' : '.';
	out[BAR] = '\0';
	return out;
}

static void put_budgets(struct drawing *drawing, const struct sessions_row *session)
{
	char line[BOARD_COLUMNS + 1] = "no budgets", bar[BAR + 1], use[SESSIONS_USE];
	const size_t count = session ? session->figures.n_budgets : 0;
	enum board_paint paint = count > 0 ? BOARD_PLAIN : BOARD_DIM;
	size_t length = 0;

	for (size_t i = 0; i < count && length < sizeof(line) - 1; i++) {
		const struct record_budget *budget = &session->figures.budgets[i];
		const double part = sessions_part(budget);

		length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%s [%s] %s",
			i > 0 ? "  " : "", budget->key, bar_of(part, bar),
			sessions_use(budget, use));
		if (part > 1)
			paint = BOARD_BAD;
		else if (part > 0.8 && paint == BOARD_PLAIN)
			paint = BOARD_ODD;
	}
	put(drawing, paint, "%s", line);
}

static const char *const page_names[BOARD_PAGES] = {
	[BOARD_DESTINATIONS] = "1 destinations",
	[BOARD_REFUSED] = "2 refused",
	[BOARD_SESSIONS] = "3 sessions",
	[BOARD_ALERTS] = "4 alerts",
	[BOARD_HELP] = "h help",
};

static const char *const order_names[BOARD_ORDERS] = {
	[BOARD_BY_BYTES] = "bytes",
	[BOARD_BY_TIMES] = "times",
	[BOARD_BY_LAST] = "last time",
	[BOARD_BY_NAME] = "name",
};

static void put_pages(struct drawing *drawing)
{
	char line[160];
	size_t length = 0;

	for (size_t i = 0; i < BOARD_PAGES; i++) {
		const bool is_here = i == drawing->view->page;

		length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%s%s ",
			is_here ? "[" : " ", page_names[i], is_here ? "]" : " ");
	}
	put(drawing, BOARD_PLAIN, "%s by %s", line, order_names[drawing->view->order]);
}

/* --- Pages of destinations --- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int by_bytes(const struct digest_row *a, const struct digest_row *b)
{
	return compare_numbers(a->bytes_out + a->bytes_in, b->bytes_out + b->bytes_in);
}

static int by_times(const struct digest_row *a, const struct digest_row *b)
{
	return compare_numbers(a->times, b->times);
}

static int by_last(const struct digest_row *a, const struct digest_row *b)
{
	return (a->last < b->last) - (a->last > b->last);
}

static int by_name(const struct digest_row *a, const struct digest_row *b)
{
	int order = strcmp(a->name, b->name);

	return order ? order : inaddr_compare(&a->address, &b->address);
}

static int (*const orders[BOARD_ORDERS])(const struct digest_row *a, const struct digest_row *b) = {
	[BOARD_BY_BYTES] = by_bytes,
	[BOARD_BY_TIMES] = by_times,
	[BOARD_BY_LAST] = by_last,
	[BOARD_BY_NAME] = by_name,
};

static int compare_rows(const void *left, const void *right, void *order)
{
	const struct digest_row *a = *(const struct digest_row *const *)left;
	const struct digest_row *b = *(const struct digest_row *const *)right;
	int result = orders[*(const enum board_order *)order](a, b);

	return result ? result : by_name(a, b);
}

/* The end of what doesn't fit tells more. */
static const char *end_of(const char *text, int width)
{
	const size_t length = strlen(text);

	return length > (size_t)width ? text + length - (size_t)width : text;
}

static void put_row(struct drawing *drawing, const struct digest_row *row, int width)
{
	enum board_paint paint = row->outcome == DIGEST_REFUSED    ? BOARD_BAD
				 : row->outcome == DIGEST_OBSERVED ? BOARD_ODD
				 : row->flagged                    ? BOARD_ODD
								   : BOARD_PLAIN;
	char where[RENDERING_WHERE], port[RENDERING_PORT], time[RENDERING_TIME];
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];

	rendering_where(row, where);
	rendering_time(row->last, time);
	put(drawing, paint, "%-*.*s %-9.9s %-12.12s %7" PRIu64 " %8s %8s %.8s", width, width,
		end_of(where, width), rendering_port(row, port), *row->rule ? row->rule : "-",
		row->times, rendering_bytes(row->bytes_out, sent),
		rendering_bytes(row->bytes_in, received), strlen(time) > 11 ? time + 11 : time);
}

static int put_rows(struct drawing *drawing, const enum digest_outcome *outcomes, size_t n_outcomes)
{
	const int rest = 9 + 12 + 7 + 8 + 8 + 8 + 6;
	const int width = drawing->columns - rest > ADDRESS_WIDTH_LEAST ? drawing->columns - rest
									: ADDRESS_WIDTH_LEAST;
	enum board_order order = drawing->view->order;
	uint64_t more = 0;

	put(drawing, BOARD_HEAD, "%-*.*s %-9s %-12s %7s %8s %8s %s", width, width, "destination",
		"port", "rule", "times", "sent", "received", "last");
	for (size_t i = 0; i < n_outcomes; i++) {
		const struct digest_row **rows;
		size_t count;
		int error = digest_list(drawing->digest, outcomes[i], &rows, &count);

		if (error)
			return error;
		qsort_r(rows, count, sizeof(*rows), compare_rows, &order);
		for (size_t j = 0; j < count; j++)
			if (is_shown(drawing))
				put_row(drawing, rows[j], width);
		free(rows);
		more += digest_sum(drawing->digest, outcomes[i]).records;
	}
	if (more > 0 && is_shown(drawing))
		put(drawing, BOARD_DIM, "and %" PRIu64 " records of others", more);
	return 0;
}

static int put_destinations(struct drawing *drawing)
{
	static const enum digest_outcome outcomes[] = {DIGEST_OBSERVED, DIGEST_REACHED};

	return put_rows(drawing, outcomes, 2);
}

static int put_refused(struct drawing *drawing)
{
	static const enum digest_outcome outcomes[] = {DIGEST_REFUSED};

	return put_rows(drawing, outcomes, 1);
}

/* --- Other pages --- */

static void put_session(struct drawing *drawing, const struct sessions_row *row)
{
	const struct record_session *figures = &row->figures;
	char time[RENDERING_TIME], sent[RENDERING_BYTES], received[RENDERING_BYTES];
	char use[SESSIONS_USE], bar[BAR + 1];

	if (is_shown(drawing))
		put(drawing, BOARD_PLAIN,
			"%.19s %-12.12s %6" PRIu64 " %7" PRIu64 " %8s %8s %6" PRIu64,
			rendering_time(row->first, time), row->policy, row->destinations,
			row->refused, rendering_bytes(row->bytes_out, sent),
			rendering_bytes(row->bytes_in, received), row->alerts);
	if (is_shown(drawing))
		put(drawing, BOARD_DIM, "    %s%s", row->id, row->ended ? ", ended" : "");
	for (size_t i = 0; i < figures->n_budgets; i++)
		if (is_shown(drawing))
			put(drawing,
				sessions_part(&figures->budgets[i]) > 1 ? BOARD_BAD : BOARD_DIM,
				"    %-16.16s [%s] %s", figures->budgets[i].key,
				bar_of(sessions_part(&figures->budgets[i]), bar),
				sessions_use(&figures->budgets[i], use));
}

/* The newest first. */
static int put_sessions(struct drawing *drawing)
{
	const struct sessions *sessions = digest_sessions(drawing->digest);
	const struct sessions_row **rows;
	int error = sessions_list(sessions, &rows);

	if (error)
		return error;
	put(drawing, BOARD_HEAD, "%-19s %-12s %6s %7s %8s %8s %6s", "from", "policy", "places",
		"refused", "sent", "received", "alerts");
	for (size_t i = sessions_count(sessions); i-- > 0;)
		put_session(drawing, rows[i]);
	free(rows);
	return 0;
}

static int put_alerts(struct drawing *drawing)
{
	const struct alerts *alerts = digest_alerts(drawing->digest);

	put(drawing, BOARD_HEAD, "%-19s %-21s %s", "time", "alert", "destination");
	for (size_t i = alerts_count(alerts); i-- > 0;) {
		const struct alerts_row *row = alerts_at(alerts, i);
		char time[RENDERING_TIME], where[ALERTS_WHERE], numbers[ALERTS_NUMBERS];

		if (is_shown(drawing))
			put(drawing, row->refuses ? BOARD_BAD : BOARD_ODD, "%.19s %-21s %s",
				rendering_time(row->at, time), row->rule, alerts_where(row, where));
		if (is_shown(drawing))
			put(drawing, BOARD_PLAIN, "    %s", alerts_numbers(row, numbers));
		for (size_t j = 0; j < row->n_evidence; j++)
			if (is_shown(drawing))
				put(drawing, BOARD_DIM, "    %s", row->evidence[j]);
	}
	return 0;
}

static int put_help(struct drawing *drawing)
{
	static const char *const lines[] = {
		"1, d          destinations that were reached",
		"2, r          what was refused",
		"3, t          sessions, and how much of their budgets is used",
		"4, a          alerts, the newest first",
		"Tab           the next page",
		"s             another order: by bytes, times, last time, name",
		"arrows, j, k  a line up or down",
		"PgUp, PgDn    a screen up or down; Home, End: to the ends",
		"p, Space      show nothing new until it is pressed again",
		"c             forget what was read, and go on from here",
		"q             end",
	};

	put(drawing, BOARD_HEAD, "keys");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (is_shown(drawing))
			put(drawing, BOARD_PLAIN, "%s", lines[i]);
	return 0;
}

static int (*const pages[BOARD_PAGES])(struct drawing *drawing) = {
	[BOARD_DESTINATIONS] = put_destinations,
	[BOARD_REFUSED] = put_refused,
	[BOARD_SESSIONS] = put_sessions,
	[BOARD_ALERTS] = put_alerts,
	[BOARD_HELP] = put_help,
};

/* --- All of it --- */

static int draw(struct drawing *drawing)
{
	const struct sessions_row *session = last_session(digest_sessions(drawing->digest));
	struct board *board = drawing->board;
	int error;

	board->rows = 0;
	drawing->line = 0;
	put_title(drawing, session);
	error = put_sums(drawing);
	if (error)
		return error;
	put_budgets(drawing, session);
	put_pages(drawing);
	error = pages[drawing->view->page](drawing);
	board->total = drawing->line;
	while (board->rows + 1 < drawing->rows)
		put(drawing, BOARD_PLAIN, "%s", "");
	put(drawing, BOARD_TITLE,
		"q quit  1-4 page  s order  arrows scroll  p pause  c clear  h help");
	return error;
}

int board_draw(const struct digest *digest, const struct board_view *view, struct board *ret_board)
{
	struct drawing drawing = {
		.digest = digest,
		.view = view,
		.board = ret_board,
		.rows = view->rows < BOARD_ROWS ? view->rows : BOARD_ROWS,
		.columns = view->columns < BOARD_COLUMNS ? view->columns : BOARD_COLUMNS,
	};
	int error;

	ret_board->first = view->first;
	if (view->rows < BOARD_ROWS_LEAST || view->columns < BOARD_COLUMNS_LEAST) {
		ret_board->rows = 0;
		drawing.columns = BOARD_COLUMNS;
		drawing.rows = 1;
		put(&drawing, BOARD_PLAIN, "too small");
		return 0;
	}
	error = draw(&drawing);
	/* What was cut since leaves the end of the page. */
	if (!error && ret_board->first > 0 && ret_board->first >= ret_board->total) {
		const size_t shown = (size_t)(drawing.rows - HEAD_ROWS - 2);

		ret_board->first = ret_board->total > shown ? ret_board->total - shown : 0;
		error = draw(&drawing);
	}
	return error;
}
