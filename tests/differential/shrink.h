/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_SHRINK_H
#define EGRESS_TESTS_DIFFERENTIAL_SHRINK_H

#include "tests/differential/trial.h"

/* Makes a drill that disagrees smaller, by leaving out probes, files, blocks and lines as long as
 * it does. */
void shrink(struct runner *runner, struct drill *drill);

#endif
