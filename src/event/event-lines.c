/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/bytes.h"
#include "src/event/json-out.h"

/*
 * Theory of operation
 *
 * Nearly all that is recorded, where all is, are queries, and two with the same verdict, rule, type
 * and answer differ by their time and their name and nothing else. So what stands between these and
 * behind them is kept from the line of the first one, and the next is put together of four pieces.
 *
 * Which two are alike is compared in full; a place in the table is only where to look. Records come
 * in batches of one time, which is written once.
 */

enum {
	ROWS = 64,
	PIECES = 480, /* bytes of a line without time and name; most have 150 */
	MOMENT = 64,  /* and up to the time's end, of which there are 37 */
	SCORE = 32,
};

/* What records that are alike have in common. */
struct alike {
	uint64_t numbers;
	const char *policy;
	const char *session;
	const char *category;
	const char *reason;
	char score[SCORE]; /* "": none */
	char rule[EVENT_RULE];
	uint16_t before; /* bytes of `text` before the name; 0: the row is empty */
	uint16_t behind; /* and behind it */
	char text[PIECES];
};

struct event_lines {
	int64_t time;
	size_t n_moment;     /* bytes of `moment`; 0: there are no rows yet */
	size_t time_at;      /* in it */
	char moment[MOMENT]; /* what a line begins with */
	struct alike rows[ROWS];
};

int event_lines_new(struct event_lines **ret_lines)
{
	struct event_lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	*ret_lines = lines;
	return 0;
}

void event_lines_free(struct event_lines *lines)
{
	free(lines);
}

static uint64_t numbers_of(const struct event *event)
{
	return (uint64_t)event->verdict << 48 | (uint64_t)event->type << 32 |
	       (uint64_t)(uint16_t)event->rcode << 16 | (uint16_t)event->ede |
	       (uint64_t)(event->has & EVENT_HAS_VERDICT) << 56;
}

static struct alike *row_of(struct event_lines *lines, const struct event *event, uint64_t numbers)
{
	size_t length = strnlen(event->rule, EVENT_RULE - 1);
	uint64_t sum = numbers * UINT64_C(0x9e3779b97f4a7c15) + length;

	/* Rules of a policy differ in their last characters, if not in their first. */
	if (length > 0)
		sum += (uint64_t)(uint8_t)event->rule[length - 1] * 7 + (uint8_t)event->rule[0];
	if (length > 1)
		sum += (uint64_t)(uint8_t)event->rule[length - 2] * 29;
	return &lines->rows[(sum ^ sum >> 32) % ROWS];
}

static const char *score_of(const struct event_context *context)
{
	return context->score ? context->score : "";
}

static bool is_alike(const struct alike *row, const struct event *event, uint64_t numbers,
	const struct event_context *context)
{
	return row->before > 0 && row->numbers == numbers && row->policy == context->policy &&
	       row->session == context->session && row->category == context->category &&
	       row->reason == context->reason && strcmp(row->score, score_of(context)) == 0 &&
	       strcmp(row->rule, event->rule) == 0;
}

/* Keeps what the line has but its time and its name. */
static void keep(struct alike *row, const struct event *event, uint64_t numbers,
	const struct event_context *context, const char *line, size_t size,
	const struct event_gaps *gaps)
{
	size_t before = gaps->name - gaps->time_end, behind = size - gaps->name_end;

	if (before + behind > PIECES || strlen(score_of(context)) >= SCORE)
		return;
	row->numbers = numbers;
	row->policy = context->policy;
	row->session = context->session;
	row->category = context->category;
	row->reason = context->reason;
	snprintf(row->score, SCORE, "%s", score_of(context));
	memcpy(row->rule, event->rule, EVENT_RULE);
	row->before = (uint16_t)before;
	row->behind = (uint16_t)behind;
	memcpy(row->text, line + gaps->time_end, before);
	memcpy(row->text + before, line + gaps->name_end, behind);
}

/* The line of one that is like the row. Only the name's length isn't known, and it has room. */
static size_t put_together(const struct event_lines *lines, const struct alike *row,
	const struct name *name, char out[EVENT_LINE])
{
	struct writer rest;
	size_t at = lines->n_moment;

	bytes_copy(out, lines->moment, at);
	bytes_copy(out + at, row->text, row->before);
	at += row->before;
	rest = writer_over(out + at, EVENT_LINE - at - row->behind);
	json_out_name(&rest, name);
	at += rest.pos;
	bytes_copy(out + at, row->text + row->before, row->behind);
	return at + row->behind;
}

/* The time is the record's from here on. */
static void set_time(struct event_lines *lines, int64_t time)
{
	struct writer out = writer_over(lines->moment + lines->time_at, MOMENT - lines->time_at);

	if (lines->time == time)
		return;
	lines->time = time;
	json_out_time(&out, time);
}

size_t event_lines_write(struct event_lines *lines, const struct event *event,
	const struct event_context *context, char out[EVENT_LINE])
{
	uint64_t numbers = numbers_of(event);
	struct event_gaps gaps;
	struct alike *row;
	size_t size;

	if (event->kind != EVENT_QUERY || event->name.length == 0)
		return event_to_json(event, context, out);
	row = row_of(lines, event, numbers);
	if (is_alike(row, event, numbers, context)) {
		set_time(lines, event->time);
		return put_together(lines, row, &event->name, out);
	}
	size = event_to_json_with(event, context, out, &gaps);
	lines->time = event->time;
	lines->time_at = gaps.time;
	lines->n_moment = gaps.time_end;
	memcpy(lines->moment, out, gaps.time_end);
	keep(row, event, numbers, context, out, size, &gaps);
	return size;
}
