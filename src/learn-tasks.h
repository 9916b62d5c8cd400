/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_TASKS_H
#define EGRESS_LEARN_TASKS_H

#include "src/options.h"

/* What egress-learn can do: each with a command line of its own, whose first word is argv[0]. They
 * return its exit status. */

enum {
	LEARN_FAILED = 1, /* of drift: there is some */
	LEARN_USAGE = 2,
	LEARN_UNREADABLE = 3, /* of drift: it could not be looked for */
};

int learn_scan(int argc, char **argv);
int learn_observe(int argc, char **argv);
int learn_drift(int argc, char **argv);
int learn_import(int argc, char **argv);

/* The words for the first three, for the command line of the last. */
struct command_task learn_task(size_t index);

#endif
