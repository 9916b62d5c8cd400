/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_SKETCH_H
#define EGRESS_TESTS_RULES_SKETCH_H

#include "rules/plan.h"

struct arena;

/* Policies made without a file, for tests; what is wrong with a sketch ends the test. */

/*
 * A policy with one entry for each of `lines` up to a NULL, each "HOST|ADDRESS... : PORT...", as in
 * "api.example.com *.example.net 10.0.0.0/8 : tcp/443 udp/8000-8100". Entry n is called "allow-n"
 * and stands in line 10 * n of "sketch.toml". Blocks nothing.
 */
struct policy *sketch_policy(struct arena *arena, const char *const *lines);

/* Appends an entry to [dns.hosts], "NAME ADDRESS...". */
void sketch_embedded(struct arena *arena, struct policy *policy, const char *line);

/* Appends to listen or upstream. */
void sketch_listen(struct arena *arena, struct policy *policy, const char *endpoint);
void sketch_upstream(struct arena *arena, struct policy *policy, const char *endpoint);

/* The plan, which must come out. */
const struct plan *sketch_plan(struct arena *arena, const struct policy *policy);

struct name sketch_name(const char *text);
struct inaddr sketch_address(const char *text);

#endif
