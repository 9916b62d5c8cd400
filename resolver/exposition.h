/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_EXPOSITION_H
#define EGRESS_RESOLVER_EXPOSITION_H

#include <stddef.h>

#include "resolver/tally.h"
#include "rules/compile.h"

/* What the resolver tells Prometheus: each number by a row of a table (egress-resolver(8)). */
struct exposition;

struct monitor;
struct witness;

struct exposition_config {
	const struct compiled *compiled;
	const char *session; /* its name */
	const struct witness *witness;
	struct tally *tally;
	const struct monitor *monitor; /* NULL: there is none */
};

/* Rules that have samples of their own; the others have one together. */
#define EXPOSITION_RULES 64

/* All that is passed must stay. 0 or -ENOMEM. */
int exposition_new(const struct exposition_config *config, struct exposition **ret_exposition);

/* NULL is allowed. */
void exposition_free(struct exposition *exposition);

/* The text of what is known now. How many bytes; 0: it has no room. */
size_t exposition_write(struct exposition *exposition, char *bytes, size_t size);

#endif
