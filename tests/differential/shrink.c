/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/shrink.h"

#include <stdlib.h>
#include <string.h>

/* Keeps `smaller` in the place of `drill` if it still disagrees. */
static bool adopt(struct runner *runner, struct drill *drill, struct drill *smaller)
{
	if (trial_run(runner, smaller, false) != DISAGREES) {
		drill_clear(smaller);
		return false;
	}
	drill_clear(drill);
	*drill = *smaller;
	return true;
}

/* Halves the probes, then takes them away one by one. */
static void shrink_probes(struct runner *runner, struct drill *drill)
{
	for (size_t step = drill->n_probes; step > 0; step /= 2)
		for (size_t i = 0; i + step <= drill->n_probes && drill->n_probes > step;) {
			struct drill smaller;

			if (!drill_with(drill, 0, drill->files[0].text, &smaller))
				return;
			memmove(smaller.probes + i, smaller.probes + i + step,
				(smaller.n_probes - i - step) * sizeof(struct probe));
			smaller.n_probes -= step;
			if (!adopt(runner, drill, &smaller))
				i += step;
		}
}

/* Where the part that begins at `start` ends: a block, up to an empty line, or a line. */
static char *part_end(char *start, bool block)
{
	char *end = strstr(start + 1, block ? "\n\n" : "\n");

	return end ? end + 1 : start + strlen(start);
}

static void shrink_file(struct runner *runner, struct drill *drill, size_t index, bool block)
{
	for (size_t at = 0; at < strlen(drill->files[index].text);) {
		char *text = strdup(drill->files[index].text), *end;
		struct drill smaller;
		bool well;

		if (!text)
			return;
		end = part_end(text + at, block);
		memmove(text + at, end, strlen(end) + 1);
		well = drill_with(drill, index, text, &smaller);
		if (!well || !adopt(runner, drill, &smaller))
			at = (size_t)(part_end(drill->files[index].text + at, block) -
				      drill->files[index].text);
		free(text);
	}
}

/* As a text, and without its layers, if it disagrees so too. */
static void shrink_flags(struct runner *runner, struct drill *drill)
{
	struct drill smaller;

	if (drill->applied && drill_with(drill, 0, drill->files[0].text, &smaller)) {
		smaller.applied = false;
		adopt(runner, drill, &smaller);
	}
	if (drill->by_layers && drill_with(drill, 0, drill->files[0].text, &smaller)) {
		smaller.by_layers = false;
		adopt(runner, drill, &smaller);
	}
}

void shrink(struct runner *runner, struct drill *drill)
{
	shrink_probes(runner, drill);
	for (size_t i = drill->n_files; i-- > 1;) {
		struct drill smaller;

		if (drill_without(drill, i, &smaller))
			adopt(runner, drill, &smaller);
	}
	shrink_flags(runner, drill);
	for (size_t i = 0; i < drill->n_files; i++) {
		shrink_file(runner, drill, i, true);
		shrink_file(runner, drill, i, false);
	}
}
