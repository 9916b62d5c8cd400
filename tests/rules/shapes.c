/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * shapes COLUMN
 *
 * Scores the names in a column (from 1) of a table with tabs on standard input, all but their last
 * labels: prints how many there are, how many would be reported under an entry with the default
 * score, and how many refused.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/shape.h"
#include "src/base/text.h"

static const double reported_points = 1.5, refused_points = 2.0;

static double score_of(const struct name *name)
{
	unsigned labels = name_labels(name);

	if (labels < 2)
		return 0;
	return shape_score(name, name->length - name_label_offset(name, labels - 1));
}

int main(int argc, char **argv)
{
	unsigned long count = 0, reported = 0, refused = 0, column;
	char line[4096];

	column = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (column == 0) {
		fprintf(stderr, "usage: shapes COLUMN\n");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *field = NULL;
		struct name name;

		for (unsigned long i = 0; i < column; i++)
			field = strsep(&rest, "\t\r\n");
		if (!field || name_from_text(text_of(field), &name) < 0)
			continue;
		count++;
		reported += score_of(&name) >= reported_points;
		refused += score_of(&name) >= refused_points;
	}
	printf("%lu %lu %lu\n", count, reported, refused);
	return 0;
}
