/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_PROVE_H
#define EGRESS_PROVE_H

#include "rules/plan.h"

/*
 * Tries to reach, by TCP and UDP and in both families, addresses that the policy refuses and that
 * are nobody's, and expects to be refused at once. 0 also where there is no route, and where the
 * policy refuses none of them. -ESTALE: something was let through; -EOPNOTSUPP: the policy has a
 * scope, in which this process may not be; or another -errno. *ret_message (to be freed, may be
 * NULL) then says what.
 */
int prove_plan(const struct plan *plan, char **ret_message);

#endif
