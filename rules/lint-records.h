/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LINT_RECORDS_H
#define EGRESS_RULES_LINT_RECORDS_H

#include <stddef.h>

#include "rules/compile.h"

struct diag;

/* The part of lint() about what a layer says of records, alerts and budgets: what has no effect,
 * and files that others can replace. */
void lint_records(const struct compiled *compiled, size_t layer, struct diag *diag);

#endif
