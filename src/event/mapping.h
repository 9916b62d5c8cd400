/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_MAPPING_H
#define EGRESS_EVENT_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "src/event/event-json.h"
#include "src/event/members.h"

/* Another schema's names for what a record has: const tables, of which each row is a place there.
 */

/* What stands there for a value. */
struct mapping_word {
	const char *is;   /* JSON; NULL, in the last one: for any other value */
	const char *json; /* in its place */
};

struct mapping_row;

/* Writes the value's JSON. False: there is none after all. */
typedef bool mapping_form(
	struct writer *out, const struct mapping_row *row, const struct members *members);

struct mapping_row {
	unsigned kinds;                   /* bits 1 << kind */
	enum member from;                 /* MEMBERS: none */
	const char *path;                 /* "event.kind"; "x[].y": an array of one object */
	const struct mapping_word *words; /* ends with a row without `json`, or with any other's */
	mapping_form *form;               /* NULL: the word, or else the value as it is */
	const char *json;                 /* where `from` is not there; NULL: nothing */
};

/* Kinds of rows. */
#define MAPPING_OF(kind) (1u << (kind))

/* Rows: a value that is always the same; a member as it is; by words; by words, and `json` where it
 * isn't there; in a form. */
#define MAPPING_SAME(kinds, path, json)                                                            \
	{                                                                                          \
		kinds, MEMBERS, path, NULL, NULL, json                                             \
	}
#define MAPPING_AS_IS(kinds, path, from)                                                           \
	{                                                                                          \
		kinds, from, path, NULL, NULL, NULL                                                \
	}
#define MAPPING_BY(kinds, path, from, words)                                                       \
	{                                                                                          \
		kinds, from, path, words, NULL, NULL                                               \
	}
#define MAPPING_BY_ELSE(kinds, path, from, words, json)                                            \
	{                                                                                          \
		kinds, from, path, words, NULL, json                                               \
	}
#define MAPPING_AS(kinds, path, from, form, words)                                                 \
	{                                                                                          \
		kinds, from, path, words, form, NULL                                               \
	}

/*
 * Writes the record as a line with its newline; its length. Rows of one object follow each other.
 * A row for which the line has no room is left out.
 */
size_t mapping_write(const struct mapping_row *rows, size_t count, const struct members *members,
	char out[EVENT_LINE]);

/* A number between quotes. */
mapping_form mapping_text;

/* Seconds with a fraction, in whole milliseconds and nanoseconds. */
mapping_form mapping_millis, mapping_nanos;

/* A time, in milliseconds since 1970. */
mapping_form mapping_epoch;

/* What tells an alert from all others: its session, its rule and its time. */
mapping_form mapping_finding;

/* An address's version of IP: of the row's words the first is of 4, the second of 6. */
mapping_form mapping_version;

/* The record in words (src/event/sentence.h). */
mapping_form mapping_sentence;

/* members_severity(), as the word of the row for "3" to "6". */
mapping_form mapping_severity;

#endif
