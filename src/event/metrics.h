/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_METRICS_H
#define EGRESS_EVENT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"

/*
 * Numbers as Prometheus reads them: the text format 0.0.4. A family is begun, and its samples
 * follow. Names are the caller's and go out as they are; values of labels may hold any bytes.
 */
struct metrics {
	struct writer out;
	const char *family; /* its name */
};

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_label {
	const char *name; /* NULL: there is no label */
	const char *value;
};

/* Bytes of a label's value that are written, before what must be escaped is. */
#define METRICS_VALUE 256

/* Over a buffer of the caller's. */
struct metrics metrics_over(void *bytes, size_t size);

/* `help` is of plain ASCII without backslashes. */
void metrics_family(
	struct metrics *metrics, const char *name, enum metrics_type type, const char *help);

/* A sample of the family: behind its name `suffix`, which may be "". */
void metrics_count(
	struct metrics *metrics, const char *suffix, struct metrics_label label, uint64_t value);

/* The same of a number of thousandths, or millionths: "12.345". `digits` is how many there are
 * behind the point, up to 6. */
void metrics_decimal(struct metrics *metrics, const char *suffix, struct metrics_label label,
	uint64_t value, unsigned digits);

/* The same with several labels. */
void metrics_labelled(struct metrics *metrics, const char *suffix,
	const struct metrics_label *labels, size_t n_labels, uint64_t value, unsigned digits);

/* A histogram of one label: how many were at most as large as each of the bounds, in thousandths,
 * and how many were larger; `sum` is in millionths. */
void metrics_histogram(struct metrics *metrics, struct metrics_label label, const unsigned *bounds,
	const uint64_t *counts, size_t n_bounds, uint64_t sum);

/* How many bytes there are; 0: they found no room. */
size_t metrics_end(const struct metrics *metrics);

#endif
