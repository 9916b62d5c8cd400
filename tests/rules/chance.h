/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_CHANCE_H
#define EGRESS_TESTS_RULES_CHANCE_H

#include <stdint.h>

#include "rules/judge.h"

struct arena;

/* Policies and destinations at random, from a world small enough for them to meet. */

struct chance {
	uint64_t state;
};

/* From EGRESS_TEST_SEED, or another row each time; the seed is printed. */
struct chance chance_new(void);

/* 0 to below - 1. */
unsigned chance_below(struct chance *chance, unsigned below);

/* The text of a policy of at most `most` entries, behind `version = 1`. It may have errors that
 * only two entries together make. */
const char *chance_policy(struct chance *chance, struct arena *arena, unsigned most);

/* Layers of one to three of them, without errors, and the texts, up to a NULL. */
#define CHANCE_LAYERS 3
const struct layers *chance_layers(
	struct chance *chance, struct arena *arena, const char *texts[CHANCE_LAYERS + 1]);

/* Something to ask: a name, an address or both, on some port; it points into the room given. */
struct chance_room {
	struct name name;
	struct inaddr address;
};
struct question chance_question(struct chance *chance, struct chance_room *room);

/* The question for a message, in the arena. */
const char *chance_question_text(struct arena *arena, const struct question *question);

#endif
