/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_LOAD_H
#define EGRESS_TESTS_DIFFERENTIAL_LOAD_H

#include "tests/differential/trial.h"

/* Compiles the drill's policy, whose files are unpacked. As compile_policy(). */
int load_compile(struct trial *trial);

/*
 * Brings it into force: as a text, or by --apply when the drill says so, over those of the policies
 * before it that compile, with the leases they give. 0; -EIO when the kernel does not take one, or
 * another -errno: then it has been said.
 */
int load_policy(struct trial *trial);

/* Takes it out of the kernel. */
void load_remove(const struct trial *trial);

#endif
