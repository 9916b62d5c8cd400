/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_LAYERED_H
#define EGRESS_TESTS_RULES_LAYERED_H

#include <stdint.h>

#include "rules/judge.h"

struct arena;

/* Layers from texts, for tests: the base is called "base.toml", the overrides "o1.toml" and so
 * on. Each text goes behind `version = 1`. */

#define LAYERED_NOW INT64_C(1767225600) /* 2026-01-01 00:00:00 UTC */

/* From texts up to a NULL. *ret_said is what the diagnostics print, in the arena. 0 or -errno. */
int layered_try(struct arena *arena, const char *const *texts, const struct layers **ret_layers,
	const char **ret_said);

/* The same, which must come out, with nothing said. */
const struct layers *layered(struct arena *arena, const char *const *texts);

/* Of a base alone, and of a base with one override. */
const struct layers *layered_base(struct arena *arena, const char *base);
const struct layers *layered_two(struct arena *arena, const char *base, const char *override);

/* What the layers say of "udp/NAME:PORT", "ADDRESS:PORT" and so on (rules/destination.h), which
 * must have a port; with `address`, of the name at that address. */
struct judgement layered_judge(
	const struct layers *layers, const char *destination, const char *address);

/* Ends the test unless the verdict on the destination is put down to the rule. */
void layered_expect(const struct layers *layers, const char *destination, const char *address,
	enum verdict verdict, const char *rule);

#endif
