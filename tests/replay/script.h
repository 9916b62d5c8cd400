/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_REPLAY_SCRIPT_H
#define EGRESS_TESTS_REPLAY_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/arena.h"
#include "src/base/text.h"

#define SCRIPT_WORDS_MAX 80
#define SCRIPT_OVERRIDES_MAX 8

/* One line, cut at its blanks; "double quotes" keep blanks together and are left out. */
struct script_line {
	unsigned number;
	size_t n_words;
	struct text words[SCRIPT_WORDS_MAX];
	struct text all; /* uncut, without the blanks at both ends */
};

/* A step and the indented lines that belong to it. */
struct script_step {
	struct script_line head;
	struct script_line *lines;
	size_t n_lines;
};

/* A scripted replay (tests/replay/README says how they are written). */
struct script {
	const char *path;
	struct text title;  /* its first comment line */
	struct text policy; /* without the indentation, an empty line for each line before it */
	struct text overrides[SCRIPT_OVERRIDES_MAX]; /* likewise */
	size_t n_overrides;
	struct script_step *steps;
	size_t n_steps;
};

/* What is wrong, and where: in a script, or between a script and the engine. */
struct fault {
	unsigned line;
	char text[8000];
};

/* Fills `fault` and returns -EINVAL. */
int fault_set(struct fault *fault, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Cuts a script's text, which must stay, into steps. 0, -EINVAL with *fault, or -ENOMEM. */
int script_parse(struct arena *arena, const char *path, struct text text, struct script *ret_script,
	struct fault *fault);

/* The value of "key=value" among a line's words from `first` on; false if there is none. */
bool script_value(
	const struct script_line *line, size_t first, const char *key, struct text *ret_value);

/* Whether a line has `word` among its words from `first` on. */
bool script_has(const struct script_line *line, size_t first, const char *word);

#endif
