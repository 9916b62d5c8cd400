/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_SKETCH_H
#define EGRESS_TESTS_RULES_SKETCH_H

#include "rules/plan.h"

struct arena;

/* Policies made without a file, for tests; what is wrong with a sketch ends the test. */

/*
 * A policy with one entry for each of `lines` up to a NULL:
 *
 *	[allow|deny] DESTINATION... [: PORT...] [; KEY=VALUE...]
 *
 * as in "api.example.com *.example.net 10.0.0.0/8 : tcp/443 udp/8000-8100" or "deny 10.0.0.0/8". A
 * destination is a host, an address, prefix or range, "/EXPRESSION/", or "@A,B,..." for a list of
 * these. Without "allow" or "deny" it is an allow; without ports an allow has tcp/443, a deny has
 * all. Keys are score, addresses (any, public, or prefixes), expires (a number), connections,
 * bytes. Entries are called "allow-1", "allow-2", "deny-1"... and the one of line n stands in line
 * 10 * n of "sketch.toml". Allows go before denies, as in a policy from a file. Blocks nothing.
 */
struct policy *sketch_policy(struct arena *arena, const char *const *lines);

/* Appends an entry to [dns.hosts], "NAME ADDRESS...". */
void sketch_embedded(struct arena *arena, struct policy *policy, const char *line);

/* Appends to listen or upstream. */
void sketch_listen(struct arena *arena, struct policy *policy, const char *endpoint);
void sketch_upstream(struct arena *arena, struct policy *policy, const char *endpoint);

/* The layers at the time 1, the base first. */
const struct layers *sketch_layers(
	struct arena *arena, const struct policy *const *policies, size_t n_policies);

/* The plan, which must come out. */
const struct plan *sketch_plan(struct arena *arena, const struct policy *policy);
const struct plan *sketch_plan_of(struct arena *arena, const struct layers *layers);

/* The spans as text: "10.0.0.0/8=allow-1 11.0.0.0/8=?allow-1", with '?' before the id where it is
 * flagged, '~' where it is observed, and '!' where it is refused. */
const char *sketch_spans(
	struct arena *arena, const struct plan *plan, const struct plan_spans *spans);

/* The whole plan, but for marks, a line for each of its parts:
 *
 *	rule allow-1 tcp-443: api.example.com tcp/443
 *	refusal default-deny: what nothing permits
 *	tcp-443 [tcp/443]
 *	tcp-443 4: 192.0.2.0/24=allow-1
 *	rest 4: 10.0.0.0/8=!block-private
 *	otherwise !default-deny
 */
const char *sketch_text(struct arena *arena, const struct plan *plan);

struct name sketch_name(const char *text);
struct inaddr sketch_address(const char *text);

#endif
