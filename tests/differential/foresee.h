/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_FORESEE_H
#define EGRESS_TESTS_DIFFERENTIAL_FORESEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/differential/trial.h"

/* Makes the packets of the drill's probes. */
void foresee_packets(struct trial *trial);

/* Gives the probe's name, if it has one, the leases that the policy gives it for the probe's
 * address. 0 or -errno. */
int foresee_lease(struct trial *trial, const struct compiled *compiled, size_t index);

/* The mark of the lease that the trial's policy has in force for the probe, whichever policy gave
 * it; 0: none. */
uint32_t foresee_held(const struct trial *trial, size_t index);

/* The plan was loaded by --apply, which takes away what none of its rules leads to: leases in maps
 * that it does not have are gone. */
void foresee_swept(struct trial *trial, const struct plan *plan);

/* What is to become of a probe under the trial's policy, whose leases for it are given. False: the
 * compiler's parts disagree about it among themselves. */
bool foresee(struct trial *trial, size_t index);

#endif
