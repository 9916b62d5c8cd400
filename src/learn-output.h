/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_OUTPUT_H
#define EGRESS_LEARN_OUTPUT_H

#include <stdbool.h>

struct draft;
struct learn_request;

/* Checks that the draft compiles, and writes it, or if `merges` adds it to the policy that is
 * there: what is added is shown on standard error, and written if somebody agrees. The exit status;
 * what went wrong has been said. */
int learn_write(const struct learn_request *request, bool merges, const struct draft *draft);

#endif
