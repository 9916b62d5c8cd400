/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft.h"

#include <errno.h>

#include "rules/nft-chains.h"
#include "rules/nft-hooks.h"
#include "rules/nft-limiters.h"
#include "rules/nft-objects.h"

/*
 * Theory of operation
 *
 * nft takes a file as one transaction. The prologue makes the objects that the policy fills, if
 * they are not there, and empties them; `flush table` takes away rules only, so the lease maps and
 * all that was counted stay. Chains on hooks that this policy does not need are deleted, which nft
 * 1.0.6 can do only to what is there: so each is added first. The body then declares everything.
 *
 * What else a policy before had and this one has not (maps of port groups, chains of refusals,
 * limits) stays without anything that leads to it.
 *
 * The parts: rules/nft-objects.c, nft-limits.c and nft-limiters.c say what is declared, nft-hooks.c
 * which packets are judged, nft-chains.c how, and nft-limits.c what else stands against those that
 * are permitted.
 */

static void add_object(const struct nft *nft, const struct nft_object *object)
{
	if (object->elements)
		fprintf(nft->out, "add %s inet %s %s { %s%s%s; }\n", object->keyword,
			nft->plan->table, object->name, object->type, object->more ? "; " : "",
			object->more ? object->more : "");
}

static void flush_object(const struct nft *nft, const struct nft_object *object)
{
	if (object->elements)
		fprintf(nft->out, "flush %s inet %s %s\n", object->keyword, nft->plan->table,
			object->name);
}

static void declare_object(const struct nft *nft, const struct nft_object *object)
{
	char about[NFT_COMMENT_MAX + 1];

	fprintf(nft->out, "\t# %s\n\t%s %s {\n\t\t%s\n", nft_clean(object->about, about),
		object->keyword, object->name, object->type);
	if (object->more)
		fprintf(nft->out, "\t\t%s\n", object->more);
	if (object->elements)
		object->elements(nft, object);
	fputs("\t}\n\n", nft->out);
}

/* "add chain" or "delete chain" for each hook that isn't needed. */
static void put_needless_hooks(const struct nft *nft, const char *verb)
{
	size_t count;
	const struct nft_hook *hooks = nft_hooks(&count);

	for (size_t i = 0; i < count; i++)
		if (!hooks[i].is_needed(nft->plan))
			fprintf(nft->out, "%s chain inet %s %s\n", verb, nft->plan->table,
				hooks[i].chain);
}

static void put_head(const struct nft *nft)
{
	const struct plan *plan = nft->plan;
	char clean[NFT_COMMENT_MAX + 1];

	fprintf(nft->out, "# policy \"%s\" of %s, compiled by egress %s\n", plan->policy->name,
		nft_clean(plan->policy->file, clean), PACKAGE_VERSION);
	for (size_t i = 1; i < plan->layers->n_layers; i++)
		fprintf(nft->out, "# narrowed by %s\n",
			nft_clean(plan->layers->layers[i].policy->file, clean));
	fputs("# Load with nft -f, any number of times: leases that the resolver made stay.\n\n",
		nft->out);
}

static void put_prologue(const struct nft *nft)
{
	fprintf(nft->out, "add table inet %s\n", nft->plan->table);
	put_needless_hooks(nft, "add");
	nft_add_limiter_chains(nft);
	nft_add_refusal_chains(nft);
	nft_visit_objects(nft, add_object);
	fprintf(nft->out, "flush table inet %s\n", nft->plan->table);
	nft_visit_objects(nft, flush_object);
	put_needless_hooks(nft, "delete");
}

static void put_hooks(const struct nft *nft)
{
	size_t count;
	const struct nft_hook *hooks = nft_hooks(&count);

	for (size_t i = 0; i < count; i++)
		if (hooks[i].is_needed(nft->plan))
			hooks[i].put(nft);
}

/* Ids go into elements as they are. */
static bool ids_are_plain(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (!nft_is_quotable(plan->rules[i].id))
			return false;
	for (size_t i = 0; i < plan->n_refusals; i++)
		if (!nft_is_quotable(plan->refusals[i].id))
			return false;
	return true;
}

int nft_write(const struct plan *plan, const struct nft_options *options, FILE *out)
{
	struct nft nft = {.plan = plan, .options = {.elements = true}, .out = out};

	if (options)
		nft.options = *options;
	if (!ids_are_plain(plan) || !nft_scope_is_quotable(&plan->policy->scope))
		return -EINVAL;
	put_head(&nft);
	put_prologue(&nft);
	fprintf(out, "\ntable inet %s {\n", plan->table);
	nft_visit_objects(&nft, declare_object);
	put_hooks(&nft);
	nft_put_shared_chains(&nft);
	nft_put_chains(&nft);
	fputs("}\n", out);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
