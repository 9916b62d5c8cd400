/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_CHILD_H
#define EGRESS_TESTS_DIFFERENTIAL_CHILD_H

/* Runs a program, found by PATH, and waits for it. What it says on standard error goes into the
 * file `said`; NULL: where that of this process goes. 0; -EIO when it failed; or -errno when there
 * is no running it. */
int child_run(const char *const *arguments, const char *said);

/* The same of a script for sh. */
int child_script(const char *script);

#endif
