/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_LOGS_H
#define EGRESS_LEARN_LOGS_H

#include <stddef.h>

#include "src/audit/digest.h"

struct command;

/* The records of event logs, as one digest. */

/* Reads the files ("-" is standard input) into *ret_digest, which is finished. 0, or -errno, which
 * has been said. What was no record is said, too. */
int learn_read_logs(
	const struct command *command, char *const *files, int n_files, struct digest **ret_digest);

/* Rows of some outcomes, in the digest's order. */
struct learn_rows {
	const struct digest_row **rows;
	size_t count;
};

/* The rows of the outcomes whose bits 1 << outcome are set; to be freed. 0 or -ENOMEM. */
int learn_rows(const struct digest *digest, unsigned outcomes, struct learn_rows *ret_rows);

#endif
