/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/adapt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rules/policy.h"
#include "src/base/arena.h"

/* Where a resolver listens that nobody told otherwise (rules/schema.c, [dns] listen). */
static const char *const default_listen[] = {"127.0.0.1:5300", "[::1]:5300"};

enum { N_LISTEN = sizeof(default_listen) / sizeof(default_listen[0]) };

static bool has_profile(const struct policy *policy, const char *profile)
{
	for (size_t i = 0; i < policy->n_entries; i++)
		if (policy->entries[i].profile && strcmp(policy->entries[i].profile, profile) == 0)
			return true;
	return false;
}

/* Takes the entry behind those that the policy has. 0 or -ENOMEM. */
static int take_entry(struct arena *arena, const struct entry *entry, struct policy *policy)
{
	struct entry *taken = &policy->entries[policy->n_entries];

	*taken = *entry;
	if (!entry->profile)
		taken->id = arena_printf(arena, ADAPT_PREFIX "%s", entry->id);
	if (!taken->id)
		return -ENOMEM;
	policy->n_entries++;
	return 0;
}

int adapt_add(struct arena *arena, const struct policy *base, const struct policy *added,
	const struct policy **ret_policy)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	int error = 0;

	if (!policy)
		return -ENOMEM;
	*policy = *base;
	policy->has_allow |= added->has_allow;
	policy->entries =
		arena_array(arena, base->n_entries + added->n_entries, sizeof(struct entry));
	if (!policy->entries)
		return -ENOMEM;
	if (base->n_entries > 0)
		memcpy(policy->entries, base->entries, base->n_entries * sizeof(struct entry));
	for (size_t i = 0; i < added->n_entries && error == 0; i++) {
		const struct entry *entry = &added->entries[i];

		if (!entry->profile || !has_profile(base, entry->profile))
			error = take_entry(arena, entry, policy);
	}
	if (error == 0)
		*ret_policy = policy;
	return error;
}

int adapt_to_namespace(
	struct arena *arena, const struct policy *base, const struct policy **ret_policy)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	struct endpoint *listen = arena_array(arena, N_LISTEN, sizeof(*listen));

	if (!policy || !listen)
		return -ENOMEM;
	*policy = *base;
	policy->scope = (struct scope){0};
	policy->scope_place = (struct place){0};
	for (size_t i = 0; i < N_LISTEN; i++)
		endpoint_from_text(text_of(default_listen[i]), 0, &listen[i]);
	policy->dns.listen = listen;
	policy->dns.n_listen = N_LISTEN;
	policy->dns.has_upstream = true;
	policy->dns.elsewhere = true;
	*ret_policy = policy;
	return 0;
}

int adapt_to_cgroup(struct arena *arena, const struct policy *base, const char *cgroup,
	const struct policy **ret_policy)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));
	const char **cgroups = arena_array(arena, 1, sizeof(*cgroups));

	if (!policy || !cgroups)
		return -ENOMEM;
	cgroups[0] = arena_printf(arena, "%s", cgroup);
	if (!cgroups[0])
		return -ENOMEM;
	*policy = *base;
	policy->scope = (struct scope){.cgroups = cgroups, .n_cgroups = 1};
	policy->scope_place = (struct place){0};
	*ret_policy = policy;
	return 0;
}

int adapt_to_observe(
	struct arena *arena, const struct policy *base, const struct policy **ret_policy)
{
	struct policy *policy = arena_alloc(arena, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	*policy = *base;
	policy->observe = true;
	*ret_policy = policy;
	return 0;
}
