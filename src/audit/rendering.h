/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_RENDERING_H
#define EGRESS_AUDIT_RENDERING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "rules/layers.h"
#include "src/audit/advice.h"
#include "src/audit/digest.h"

/* What a digest is about, beyond its records. */
struct rendering_about {
	const char *program;         /* whose report it is */
	const char *command;         /* what ran, as it was typed; NULL: nothing did */
	const char *ending;          /* "exit status 0"; NULL: it hasn't ended */
	const struct layers *layers; /* the policies it ran under */
	bool unread;            /* nobody gave them: the layers stand for them, and are empty */
	int64_t started, ended; /* microseconds since 1970 */
	bool incomplete;        /* records are missing */
};

/* Rows of one outcome, each with its advice. */
struct rendering_rows {
	const struct digest_row **rows;
	struct advice *advice; /* of rows[i] */
	size_t count;
	struct digest_sum sum;
};

/* Something that the policies bound. */
struct rendering_ceiling {
	const char *name; /* "[budget] destinations" */
	uint64_t used;
	uint64_t most;
	bool bytes;
	bool refuses; /* what is beyond it */
};

enum { RENDERING_CEILINGS_MAX = 4 };

/* Bytes and connections of a category, or of what has none. */
struct rendering_category {
	const char *name; /* "" of what has none */
	uint64_t times;
	uint64_t bytes_out;
	uint64_t bytes_in;
	size_t rows;
	uint64_t refused; /* times */
};

enum { RENDERING_CATEGORIES_MAX = 32 }; /* the last one has the rest */

/* All that is shown, in whatever form. */
struct rendering {
	struct arena *arena;
	const struct rendering_about *about;
	const struct digest *digest;
	struct rendering_rows outcomes[DIGEST_OUTCOMES];
	struct rendering_ceiling ceilings[RENDERING_CEILINGS_MAX];
	size_t n_ceilings;
	struct rendering_category categories[RENDERING_CATEGORIES_MAX];
	size_t n_categories;
	size_t destinations;                  /* distinct ones that were reached */
	const struct sessions_row **sessions; /* the first one first */
	size_t n_sessions;
	bool has_budgets;   /* some session has one */
	const char *policy; /* name of the one policy; NULL: there are several */
};

/* Prepares a finished digest, which must outlive it. 0 or -ENOMEM. */
int rendering_make(const struct digest *digest, const struct rendering_about *about,
	struct rendering **ret_rendering);

void rendering_free(struct rendering *rendering);

/* --- The forms --- */

/* For a terminal: at most 80 columns, `colour` by its escapes, `most` rows of an outcome. */
void digest_as_summary(const struct rendering *it, bool colour, size_t most, FILE *out);

/* The sessions alone: a table of 80 columns. */
void digest_as_sessions(const struct rendering *it, bool colour, FILE *out);
int digest_as_sessions_json(const struct rendering *it, FILE *out);

/* All rows; reports. 0 or -ENOMEM. */
int digest_as_text(const struct rendering *it, FILE *out);
int digest_as_json(const struct rendering *it, FILE *out);
int digest_as_html(const struct rendering *it, FILE *out);

/* A policy that permits what was reached, and what would have been refused. */
int digest_as_policy(const struct rendering *it, FILE *out);

/* --- Their parts --- */

/* How many policies the sessions have. */
size_t rendering_policies(const struct rendering *it);

/* The time of day where all that is shown is of one day, else date and time, into `out`
 * (RENDERING_TIME bytes), which it returns. */
const char *rendering_moment(const struct rendering *it, int64_t at, char *out);

/* "12 s", "34 min", "5.0 h", "3.2 days", into `out` (RENDERING_SPAN bytes), which it returns. */
#define RENDERING_SPAN 24
const char *rendering_span(int64_t microseconds, char *out);

/* "1.2 MiB", in at most 9 characters, into `out` (RENDERING_BYTES), which it returns. */
#define RENDERING_BYTES 16
const char *rendering_bytes(uint64_t bytes, char *out);

/* "2026-11-21 13:05:02 UTC" into `out` (RENDERING_TIME bytes), which it returns; "-" for none. */
#define RENDERING_TIME 40
const char *rendering_time(int64_t at, char *out);

/* "tcp/443", "icmp", "name" of what was asked for, into `out` (RENDERING_PORT bytes). */
#define RENDERING_PORT 32
const char *rendering_port(const struct digest_row *row, char *out);

/* The row's name, or else its address, into `out` (RENDERING_WHERE bytes), which it returns. */
#define RENDERING_WHERE NAME_TEXT
const char *rendering_where(const struct digest_row *row, char *out);

#endif
