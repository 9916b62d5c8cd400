/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_SCAN_H
#define EGRESS_LEARN_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "src/learn/evidence.h"
#include "src/learn/tree.h"

struct categories;

/* What a project's files say it needs. */

struct scan_options {
	const char *folder;
	bool all; /* also what git leaves out */
	const struct categories *categories;
	/* Called now and then, with what has been seen so far; may be NULL. */
	void (*progress)(void *context, uint64_t files, uint64_t bytes);
	void *context;
};

struct scan_counts {
	struct tree_counts tree;
	uint64_t read; /* files */
	uint64_t bytes;
	uint64_t malformed; /* declarations that are not of their format */
};

/* Adds to the evidence. 0, -ENOMEM, or why the folder can't be read. */
int scan_tree(const struct scan_options *options, struct evidence *evidence,
	struct scan_counts *ret_counts);

#endif
