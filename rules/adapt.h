/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_ADAPT_H
#define EGRESS_RULES_ADAPT_H

struct arena;
struct policy;

/* What programs change of a base that they have read. All of it lies in the arena. */

/* What the ids of added entries begin with. */
#define ADAPT_PREFIX "added:"

/*
 * The base with the entries of `added` behind its own: those that are not a profile's get ids like
 * "added:allow-1", and of a profile that the base has, too, none are taken. Nothing else of `added`
 * counts. 0 or -ENOMEM.
 */
int adapt_add(struct arena *arena, const struct policy *base, const struct policy *added,
	const struct policy **ret_policy);

/*
 * The base as it holds in a network namespace that has nothing but what it is about: whatever its
 * [scope], all that leaves; whatever its [dns] listen, the resolver is at the default addresses;
 * and its upstream servers are asked from elsewhere, so that nothing there has a way to them. 0 or
 * -ENOMEM.
 */
int adapt_to_namespace(
	struct arena *arena, const struct policy *base, const struct policy **ret_policy);

/* The base as it holds for what one control group sends (of the unified hierarchy, as [scope]
 * cgroups has it), and for nothing else. 0 or -ENOMEM. */
int adapt_to_cgroup(struct arena *arena, const struct policy *base, const char *cgroup,
	const struct policy **ret_policy);

/* The base as it would be with enforcement = "observe": its refusals are recorded only. 0 or
 * -ENOMEM. */
int adapt_to_observe(
	struct arena *arena, const struct policy *base, const struct policy **ret_policy);

#endif
