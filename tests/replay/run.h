/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_REPLAY_RUN_H
#define EGRESS_TESTS_REPLAY_RUN_H

#include "tests/replay/script.h"

/* Plays a script to an engine of its own. 0 if all went as written; else -EINVAL with *fault saying
 * where and how it did not, or -ENOMEM. */
int run_script(struct arena *arena, const struct script *script, struct fault *fault);

#endif
