/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_PREFLIGHT_H
#define EGRESS_RESOLVER_PREFLIGHT_H

#include <sys/types.h>

#include "rules/plan.h"
#include "src/kernel/confine.h"

/* What has to be so before a crew is started, and would else only show as its failure. What is
 * amiss is logged, with what to do about it. */

/* Whether the ruleset of the plan is loaded. 0, -ENOENT, -EPERM or another -errno. A rule that the
 * loaded one lacks is only warned of: its names will resolve, and not connect. */
int preflight_ruleset(const struct plan *plan);

/* Whether the children can become the user of that name. 0, or -errno. */
int preflight_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/* The parent gives up what neither it nor a crew needs, see confine_supervisor(). 0 or -errno. */
int preflight_supervise(void);

/* A crew's child gives up what it may not keep, see confine_self(). A system call that isn't its
 * to make is logged from then on, and ends it. 0 or -errno. */
int preflight_become(const struct confine *confine);

#endif
