/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/tree.h"

#include <stdio.h>
#include <string.h>

/* listing FOLDER: the files that a walk visits, a NUL behind each. */

static void visit(void *context, const struct tree_file *file)
{
	(void)context;
	fwrite(file->path.start, 1, file->path.length, stdout);
	fputc('\0', stdout);
}

int main(int argc, char **argv)
{
	const struct tree_options options = {.visit = visit};
	struct tree_counts counts;
	int error = argc == 2 ? tree_walk(argv[1], &options, &counts) : 0;

	if (error)
		fprintf(stderr, "listing: %s: %s\n", argv[1], strerror(-error));
	return argc != 2 || error;
}
