/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_BACKEND_H
#define EGRESS_RULES_BACKEND_H

#include <stdio.h>

#include "rules/plan.h"

/* A target that plans are written for. */
struct backend {
	const char *name;
	const char *summary;
	/* Writes the plan to `out`. 0, -EIO, or -EINVAL: it has what the target cannot say. */
	int (*write)(const struct plan *plan, FILE *out);
};

/* The row of that name, or NULL. */
const struct backend *backend_find(const char *name);

#endif
