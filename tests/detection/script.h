/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DETECTION_SCRIPT_H
#define EGRESS_TESTS_DETECTION_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "src/event/event.h"
#include "tests/detection/draw.h"

/* What a session does, as the records that the resolver would make of it. */
struct script {
	struct chance *chance;
	struct event *records;
	size_t n_records;
	size_t room;
	int64_t start;  /* microseconds since 1970 */
	double length;  /* seconds */
	uint64_t flows; /* that have a number */
};

/* How much one flow carries. */
struct load {
	double out, in;  /* bytes */
	double duration; /* seconds */
};

/* What lies in it comes from malloc(3), and a failure of that ends the program. */
void script_begin(struct script *script, struct chance *chance, double length);
void script_end(struct script *script);

/* `at` is in seconds from the start. A name is asked for, and opened; or refused. */
void script_ask(struct script *script, double at, const char *name);
void script_refused(struct script *script, double at, const char *name);

/* A flow to a name, told of every ten seconds and at its end. */
void script_flow(struct script *script, double at, const char *name, const struct load *load);

/* Puts the records into the order of their times. */
void script_sort(struct script *script);

#endif
