/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_RULESET_H
#define EGRESS_TESTS_RULES_RULESET_H

#include "rules/nft.h"

struct arena;

/* Rulesets of the nft back-end, for tests. */

/* What is written of a plan; of a policy, of one with an override (tests/rules/layered.h), and of a
 * sketch (tests/rules/sketch.h). */
const char *ruleset_of(
	struct arena *arena, const struct plan *plan, const struct nft_options *options);
const char *ruleset_one(struct arena *arena, const char *base);
const char *ruleset_two(struct arena *arena, const char *base, const char *override);
const char *ruleset_sketch(struct arena *arena, const struct policy *policy);

/* Ends the test unless the text has the part, or has it not. */
void ruleset_has(const char *text, const char *part);
void ruleset_has_not(const char *text, const char *part);

/* Ends the test unless the ruleset has an object, such as "chain judge", with exactly this body,
 * where '%' stands for any mark. */
void ruleset_body(const char *text, const char *head, const char *body);

/* The end of a policy that blocks nothing and has a resolver for IPv4 only. */
#define RULESET_BARE "[network]\nblock = []\n[dns]\nlisten = [\"127.0.0.1:5300\"]\nupstream = []\n"

#endif
