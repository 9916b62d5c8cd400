/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_PARSE_H
#define EGRESS_TESTS_RULES_PARSE_H

#include <stddef.h>

struct arena;
struct load_options;
struct policy;

/* Policies from text, for tests. */

/* A policy called "policy.toml". *ret_said is what its diagnostics print, in the arena. 0 or
 * -errno. */
int parse_policy(struct arena *arena, const struct load_options *options, const char *text,
	size_t size, const struct policy **ret_policy, const char **ret_said);

/* The same with a name of its own. */
int parse_policy_called(struct arena *arena, const char *file, const struct load_options *options,
	const char *text, size_t size, const struct policy **ret_policy, const char **ret_said);

/* The policy, which must be good; as a base, or as the options say. */
const struct policy *parse_good(struct arena *arena, const char *text);
const struct policy *parse_good_as(
	struct arena *arena, const struct load_options *options, const char *text);

/* What is said of a policy, which must be bad. */
const char *parse_bad(struct arena *arena, const char *text);
const char *parse_bad_as(struct arena *arena, const struct load_options *options, const char *text);

/* Ends the test unless `said` has the message "policy.toml:LINE:COLUMN: error: MESSAGE", with the
 * place as text. */
void parse_expect(const char *said, const char *place, const char *message);

/* The same for a message that has a part. */
void parse_expect_part(const char *said, const char *place, const char *part);

#endif
