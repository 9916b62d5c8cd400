/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/sessions.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/audit/rendering.h"
#include "src/audit/strings.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A session says from time to time, and at its end, what it has come to. A log may lack that: when
 * it is of a run that was killed, or was cut. So the same is counted from the other records, too,
 * and the larger of both holds.
 *
 * Distinct destinations are counted by a set of keyed hashes, one for all sessions. When it is
 * full, what is counted is a lower bound, and said to be one.
 *
 * Records of one session come together mostly: the last one is tried before the table is.
 */

enum {
	BUCKETS = 2 * SESSIONS_KEPT,
	SEEN_BUCKETS = 1 << 18,
	SEEN_MAX = SEEN_BUCKETS / 4 * 3,
};

#define TEXTS_MAX ((size_t)4 << 20)

/* What both the session's own records say and the others come to. */
struct counts {
	uint64_t destinations;
	uint64_t connections;
	uint64_t refused;
	uint64_t bytes_out, bytes_in;
	uint64_t alerts;
};

struct row {
	struct sessions_row shown;
	struct counts told;
	struct counts counted;
	uint64_t begun, ended; /* connections, and flows */
};

struct sessions {
	struct hash_key key;
	struct strings *strings;
	struct row *rows;
	size_t count;
	struct row *last;
	uint32_t buckets[BUCKETS]; /* index + 1 of a row; 0: none. Linear probing */
	uint64_t *seen;            /* hashes of destinations; 0: none */
	size_t n_seen;
	uint64_t more;
};

int sessions_new(struct sessions **ret_sessions)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	int error = sessions ? hash_key_draw(&sessions->key) : -ENOMEM;

	if (!error)
		error = strings_new(TEXTS_MAX, &sessions->strings);
	if (!error) {
		sessions->rows = calloc(SESSIONS_KEPT, sizeof(*sessions->rows));
		sessions->seen = calloc(SEEN_BUCKETS, sizeof(*sessions->seen));
		error = sessions->rows && sessions->seen ? 0 : -ENOMEM;
	}
	if (error)
		sessions_free(sessions);
	else
		*ret_sessions = sessions;
	return error;
}

void sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	strings_free(sessions->strings);
	free(sessions->rows);
	free(sessions->seen);
	free(sessions);
}

/* --- The row of a record --- */

static bool is_of(const struct row *row, const struct record *record)
{
	return strcmp(row->shown.id, record->session) == 0 &&
	       strcmp(row->shown.policy, record->policy) == 0;
}

static uint32_t *find_bucket(struct sessions *sessions, const struct record *record)
{
	const uint64_t parts[2] = {
		hash_bytes(&sessions->key, record->session, strlen(record->session)),
		hash_bytes(&sessions->key, record->policy, strlen(record->policy)),
	};
	uint64_t at = hash_bytes(&sessions->key, parts, sizeof(parts));

	for (;; at++) {
		uint32_t *bucket = &sessions->buckets[at % BUCKETS];

		if (*bucket == 0 || is_of(&sessions->rows[*bucket - 1], record))
			return bucket;
	}
}

/* NULL: there is no room. */
static struct row *add_row(struct sessions *sessions, uint32_t *bucket, const struct record *record)
{
	const char *policy = strings_keep(sessions->strings, record->policy);
	const char *id = strings_keep(sessions->strings, record->session);
	struct row *row;

	if (sessions->count == SESSIONS_KEPT || !policy || !id)
		return NULL;
	row = &sessions->rows[sessions->count++];
	*row = (struct row){.shown = {.policy = policy,
				    .id = id,
				    .first = record->at,
				    .last = record->at,
				    .figures.baseline = ""}};
	*bucket = (uint32_t)sessions->count;
	return row;
}

static struct row *reach_row(struct sessions *sessions, const struct record *record)
{
	uint32_t *bucket;

	if (sessions->last && is_of(sessions->last, record))
		return sessions->last;
	bucket = find_bucket(sessions, record);
	if (*bucket)
		sessions->last = &sessions->rows[*bucket - 1];
	else
		sessions->last = add_row(sessions, bucket, record);
	return sessions->last;
}

/* --- What is counted --- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Whether the session hasn't been there before, as far as is known. */
static bool is_new(struct sessions *sessions, struct row *row, const struct record *record)
{
	const bool named = *record->name != '\0';
	const uint64_t parts[2] = {
		named ? hash_bytes(&sessions->key, record->name, strlen(record->name))
		      : hash_bytes(&sessions->key, record->address.bytes,
				sizeof(record->address.bytes)),
		(uint64_t)(row - sessions->rows) << 1 | named,
	};
	const uint64_t hash = hash_bytes(&sessions->key, parts, sizeof(parts)) | 1;
	uint64_t at = hash >> 1;

	for (;; at++) {
		uint64_t *bucket = &sessions->seen[at % SEEN_BUCKETS];

		if (*bucket == hash)
			return false;
		if (*bucket != 0)
			continue;
		if (sessions->n_seen == SEEN_MAX) {
			row->shown.at_least = true;
			return false;
		}
		sessions->n_seen++;
		*bucket = hash;
		return true;
	}
}

static void take_destination(
	struct sessions *sessions, struct row *row, const struct record *record)
{
	struct counts *counted = &row->counted;

	if (record->verdict == VERDICT_REFUSE) {
		counted->refused++;
		return;
	}
	if (record->kind == RECORD_QUERY)
		return;
	row->begun += record->kind == RECORD_CONNECTION;
	row->ended += record->kind == RECORD_FLOW;
	counted->connections = larger(row->begun, row->ended);
	counted->bytes_out += record->bytes_out;
	counted->bytes_in += record->bytes_in;
	if (*record->name != '\0' || record->has_address)
		counted->destinations += is_new(sessions, row, record);
}

/* --- What is told --- */

static void keep_figures(
	struct sessions *sessions, struct row *row, const struct record_session *told)
{
	struct record_session *kept = &row->shown.figures;

	*kept = *told;
	kept->baseline = strings_keep(sessions->strings, told->baseline);
	kept->baseline = kept->baseline ? kept->baseline : "";
	for (size_t i = 0; i < kept->n_budgets; i++) {
		kept->budgets[i].key = strings_keep(sessions->strings, told->budgets[i].key);
		if (!kept->budgets[i].key)
			kept->budgets[i].key = "(other)";
	}
	for (size_t i = 0; i < kept->n_categories; i++) {
		struct record_category *category = &kept->categories[i];

		category->name = strings_keep(sessions->strings, category->name);
		if (!category->name)
			category->name = "(other)";
	}
}

static void take_told(struct sessions *sessions, struct row *row, const struct record *record)
{
	row->shown.told = true;
	row->shown.ended = strcmp(record->phase, "end") == 0;
	row->shown.unknown = record->unknown;
	row->shown.wildcard_names = record->wildcard_names;
	row->told = (struct counts){
		.destinations = record->destinations,
		.connections = record->connections,
		.refused = record->refused,
		.bytes_out = record->bytes_out,
		.bytes_in = record->bytes_in,
		.alerts = record->alerts,
	};
	if (record->since >= 0 && record->since < row->shown.first)
		row->shown.first = record->since;
	keep_figures(sessions, row, record->figures);
}

static void show(struct row *row)
{
	const struct counts *told = &row->told, *counted = &row->counted;
	struct sessions_row *shown = &row->shown;

	shown->destinations = larger(told->destinations, counted->destinations);
	shown->connections = larger(told->connections, counted->connections);
	shown->refused = larger(told->refused, counted->refused);
	shown->bytes_out = larger(told->bytes_out, counted->bytes_out);
	shown->bytes_in = larger(told->bytes_in, counted->bytes_in);
	shown->alerts = larger(told->alerts, counted->alerts);
}

static void take(struct sessions *sessions, struct row *row, const struct record *record)
{
	switch (record->kind) {
	case RECORD_QUERY:
	case RECORD_CONNECTION:
	case RECORD_FLOW:
		take_destination(sessions, row, record);
		return;
	case RECORD_ALERT:
		row->counted.alerts++;
		return;
	case RECORD_SESSION:
		take_told(sessions, row, record);
		return;
	case RECORD_LOST:
		if (record->verdict == VERDICT_REFUSE)
			row->counted.refused += record->count;
		else
			row->shown.lost += record->count;
		return;
	default:
		return;
	}
}

void sessions_take(struct sessions *sessions, const struct record *record)
{
	struct row *row = reach_row(sessions, record);
	struct sessions_row *shown;

	if (!row) {
		sessions->more++;
		return;
	}
	shown = &row->shown;
	shown->records++;
	shown->first = record->at < shown->first ? record->at : shown->first;
	shown->last = record->at > shown->last ? record->at : shown->last;
	take(sessions, row, record);
	show(row);
}

/* --- What is asked --- */

size_t sessions_count(const struct sessions *sessions)
{
	return sessions->count;
}

const struct sessions_row *sessions_at(const struct sessions *sessions, size_t index)
{
	return &sessions->rows[index].shown;
}

uint64_t sessions_more(const struct sessions *sessions)
{
	return sessions->more;
}

bool sessions_were_short(const struct sessions *sessions)
{
	return strings_were_short(sessions->strings);
}

static int compare_rows(const void *left, const void *right)
{
	const struct sessions_row *a = *(const struct sessions_row *const *)left;
	const struct sessions_row *b = *(const struct sessions_row *const *)right;
	int order = (a->first > b->first) - (a->first < b->first);

	return order ? order : strcmp(a->id, b->id);
}

int sessions_list(const struct sessions *sessions, const struct sessions_row ***ret_rows)
{
	const struct sessions_row **rows = calloc(sessions->count + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < sessions->count; i++)
		rows[i] = &sessions->rows[i].shown;
	qsort(rows, sessions->count, sizeof(*rows), compare_rows);
	*ret_rows = rows;
	return 0;
}

/* --- Budgets --- */

/* Its numbers are bytes, or shares from 0 to 1; else they are counts. */
static bool is_bytes(const struct record_budget *budget)
{
	return strcmp(budget->key, "bytes") == 0;
}

static bool is_share(const struct record_budget *budget)
{
	return strcmp(budget->key, "unknown_share") == 0;
}

static const char *bytes_of(double number, char *out)
{
	return rendering_bytes(number < 1e19 ? (uint64_t)number : UINT64_MAX, out);
}

const char *sessions_use(const struct record_budget *budget, char *out)
{
	char used[RENDERING_BYTES], of[RENDERING_BYTES];

	if (is_bytes(budget))
		snprintf(out, SESSIONS_USE, "%s of %s", bytes_of(budget->used, used),
			bytes_of(budget->of, of));
	else if (is_share(budget))
		snprintf(out, SESSIONS_USE, "%.0f %% of %.0f %%", fmin(budget->used * 100, 1e6),
			fmin(budget->of * 100, 1e6));
	else
		snprintf(out, SESSIONS_USE, "%.0f of %.0f", fmin(budget->used, 1e15),
			fmin(budget->of, 1e15));
	return out;
}

double sessions_part(const struct record_budget *budget)
{
	if (budget->of > 0)
		return fmin(budget->used / budget->of, 1e6);
	return budget->used > 0 ? 2 : 0;
}

const struct record_budget *sessions_fullest(const struct sessions_row *row)
{
	const struct record_session *figures = &row->figures;
	const struct record_budget *fullest = NULL;

	for (size_t i = 0; i < figures->n_budgets; i++)
		if (!fullest || sessions_part(&figures->budgets[i]) > sessions_part(fullest))
			fullest = &figures->budgets[i];
	return fullest;
}
