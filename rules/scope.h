/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SCOPE_H
#define EGRESS_RULES_SCOPE_H

#include "rules/explain.h"
#include "rules/policy.h"

/* Whether the scope says anything: else all traffic is in it. */
bool scope_is_given(const struct scope *scope);

/* Whether it is all about traffic that passes through, and none of this host's own. */
bool scope_is_forwarded(const struct scope *scope);

/* Whether traffic of `as` is in the scope: if any part of it says so. 0, -ESRCH for a user or group
 * that does not exist here or a source that is no address, or -ENOMEM. */
int scope_has(const struct scope *scope, const struct explain_as *as, bool *ret_has);

#endif
