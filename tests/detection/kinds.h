/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DETECTION_KINDS_H
#define EGRESS_TESTS_DETECTION_KINDS_H

#include "tests/detection/names.h"
#include "tests/detection/script.h"

/* What agents do all day. */
struct kind {
	const char *name;
	double minutes;       /* a session's length, the median */
	double visits;        /* the same; to destinations, of which some come again */
	double sigma;         /* of the logarithm of both */
	double concentration; /* how alike sessions are in what they visit */
	double means[POOLS];  /* of their shares */
	void (*more)(struct script *script); /* NULL: nothing */
};

#define KINDS 3
extern const struct kind kinds[KINDS];

/* And what one of them does besides when it was taken over. */
struct leak {
	const char *name;
	const char *what;
	void (*add)(struct script *script);
};

#define LEAKS 6
extern const struct leak leaks[LEAKS];

/* A session of the kind, with a leak or without (NULL), sorted. End it by script_end(). */
void kinds_draw(const struct kind *kind, const struct leak *leak, struct chance *chance,
	struct script *ret_script);

#endif
