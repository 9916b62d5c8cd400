/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_TREE_H
#define EGRESS_LEARN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/text.h"

/* The files of a folder and all below it, whoever made them. */

#define TREE_DEPTH_MAX 128
#define TREE_FILES_MAX ((uint64_t)8 << 20)

/* What was met, and what was left out. */
struct tree_counts {
	uint64_t files;      /* that the visitor saw */
	uint64_t ignored;    /* files and folders that git leaves out */
	uint64_t links;      /* symbolic links, which are never followed, and special files */
	uint64_t unreadable; /* files and folders */
	uint64_t too_large;  /* files; folders too deep, and what is beyond TREE_FILES_MAX */
};

struct tree;

/* A regular file: its path below the folder that was walked, and the last part of it. Both stay
 * only as long as the visit. */
struct tree_file {
	struct tree *tree;
	int folder; /* descriptor of the folder it is in */
	struct text path;
	const char *name;
};

struct tree_options {
	bool all; /* also what git leaves out */
	void (*visit)(void *context, const struct tree_file *file);
	/* Whether to leave a folder out; may be NULL. */
	bool (*skip)(void *context, struct text path, const char *name);
	void *context;
};

/* Visits the files, the folders in the order of their names. Nothing is executed, no link followed,
 * no file but a regular one opened. 0, -ENOMEM, or why the folder itself can't be read. */
int tree_walk(
	const char *folder, const struct tree_options *options, struct tree_counts *ret_counts);

/* The file's bytes, which stay until the next call, with a NUL behind them. False, and counted,
 * when it can't be read, or has more than `limit` bytes. */
bool tree_read(const struct tree_file *file, size_t limit, struct text *ret_text);

#endif
