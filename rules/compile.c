/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/compile.h"

#include <errno.h>
#include <time.h>

#include "rules/adapt.h"
#include "rules/load.h"
#include "rules/profile.h"
#include "src/base/arena.h"

/* The base with what is added to it. 0, -EINVAL or another -errno. */
static int add_entries(struct arena *arena, const struct compile_options *options,
	const struct load_options *load, struct diag *diag, const struct policy **base)
{
	const struct policy *added;
	int error;

	if (options->added_text)
		error = policy_parse(arena, options->added, options->added_text,
			options->added_size, load, diag, &added);
	else
		error = policy_load(arena, options->added, load, diag, &added);
	return error < 0 ? error : adapt_add(arena, *base, added, base);
}

/* All the policies, the base first. What is wrong with any of them is shown together. */
static int load_all(struct arena *arena, const struct compile_options *options, struct diag *diag,
	const struct policy **policies)
{
	struct load_options load = {
		.profile_dirs = options->profile_dirs,
		.n_profile_dirs = options->n_profile_dirs,
	};
	bool found = profile_check_folders(&load, diag);
	int error, worst;

	if (options->text)
		worst = policy_parse(arena, options->policy, options->text, options->size, &load,
			diag, &policies[0]);
	else
		worst = policy_load(arena, options->policy, &load, diag, &policies[0]);
	if (options->added && worst == 0)
		worst = add_entries(arena, options, &load, diag, &policies[0]);
	load.is_override = true;
	for (size_t i = 0; i < options->n_overrides && (worst == 0 || worst == -EINVAL); i++) {
		error = policy_load(arena, options->overrides[i], &load, diag, &policies[i + 1]);
		worst = error < 0 ? error : worst;
	}
	return worst == 0 && !found ? -EINVAL : worst;
}

static bool listens_on(const struct dns_policy *dns, const struct endpoint *at)
{
	for (size_t i = 0; i < dns->n_listen; i++)
		if (dns->listen[i].port == at->port &&
			inaddr_compare(&dns->listen[i].address, &at->address) == 0)
			return true;
	return false;
}

/* Lets a base that names no servers have the system's. */
static int add_servers(
	struct arena *arena, const struct compile_options *options, const struct policy **base)
{
	struct policy *copy = arena_alloc(arena, sizeof(*copy));
	struct dns_server *servers =
		arena_array(arena, options->n_system_servers, sizeof(*servers));
	size_t count = 0;

	if (!copy || !servers)
		return -ENOMEM;
	for (size_t i = 0; i < options->n_system_servers && count < DNS_SERVERS_MAX; i++)
		if (!listens_on(&(*base)->dns, &options->system_servers[i].at))
			servers[count++] = options->system_servers[i];
	*copy = **base;
	copy->dns.upstream = servers;
	copy->dns.n_upstream = count;
	*base = copy;
	return 0;
}

int compile_layers(struct arena *arena, const struct compile_options *options, struct diag *diag,
	const struct layers **ret_layers)
{
	size_t n_policies = 1 + options->n_overrides;
	const struct policy **policies = arena_array(arena, n_policies, sizeof(struct policy *));
	int error = policies ? load_all(arena, options, diag, policies) : -ENOMEM;

	if (error == 0 && !policies[0]->dns.has_upstream)
		error = add_servers(arena, options, &policies[0]);
	if (error == 0 && options->own_namespace)
		error = adapt_to_namespace(arena, policies[0], &policies[0]);
	if (error == 0 && options->cgroup)
		error = adapt_to_cgroup(arena, policies[0], options->cgroup, &policies[0]);
	if (error == 0 && options->observe)
		error = adapt_to_observe(arena, policies[0], &policies[0]);
	if (error < 0)
		return error;
	return layers_make(arena, policies, n_policies,
		options->now != 0 ? options->now : (int64_t)time(NULL), diag, ret_layers);
}

int compile_policy(struct arena *arena, const struct compile_options *options, struct diag *diag,
	struct compiled *ret_compiled)
{
	struct compiled compiled = {.match = NULL};
	int error = compile_layers(arena, options, diag, &compiled.layers);

	if (error == 0)
		error = plan_make(arena, compiled.layers, diag, &compiled.plan);
	if (error == 0 && !options->plan_only)
		error = match_make(arena, compiled.plan, &compiled.match);
	if (error < 0)
		return error;
	*ret_compiled = compiled;
	return 0;
}
