/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nearest.h"

#include <string.h>

enum { WORD_MAX = 32 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return text_lower(a) == text_lower(b);
}

/* Insertions, removals, replacements, and swaps of neighbours that make one of the other, letters'
 * case aside (optimal string alignment). Both are at most WORD_MAX long. */
static unsigned edit_distance(struct text a, struct text b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= b.length; j++)
		above[j] = j;
	for (unsigned i = 1; i <= a.length; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (unsigned j = 1; j <= b.length; j++) {
			bool equal = same(a.start[i - 1], b.start[j - 1]);
			bool swapped = i > 1 && j > 1 && same(a.start[i - 1], b.start[j - 2]) &&
				       same(a.start[i - 2], b.start[j - 1]);

			row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + !equal);
			if (swapped)
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b.length];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	struct text other = text_of(candidate);
	/* A third of the letters may be wrong, and one in any word. */
	unsigned most = other.length < 6 ? 1 : (unsigned)other.length / 3;
	unsigned distance;

	if (nearest->word.length > WORD_MAX || other.length > WORD_MAX)
		return;
	distance = edit_distance(nearest->word, other);
	if (distance > most || (nearest->found && distance >= nearest->distance))
		return;
	nearest->found = candidate;
	nearest->distance = distance;
}
