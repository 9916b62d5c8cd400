/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explanation.h"

#include <errno.h>
#include <string.h>

#include "rules/category.h"
#include "rules/entry-text.h"
#include "rules/explanation-work.h"
#include "rules/scope.h"
#include "src/base/arena.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A destination goes the way that the ruleset's chains have: what isn't in scope is let through,
 * DNS goes to the resolver, the loopback is open, and some names have a meaning of their own
 * (rules/explanation-names.c). What is left is judged (rules/judge.h), once for
 * each group of ports that the plan tells apart, by one port that stands for all of them; a group
 * is of one mind, since an entry names all of it or nothing. What no entry names is a group as
 * well. Groups that come out alike are told together.
 *
 * The verdict on a name is the resolver's: nothing is open before it has answered. The verdict on
 * an address is that of the kernel on an address that nobody has asked for; a lease may open it
 * all the same, which is said, but does not make it permitted.
 */

enum { DNS_PORT = 53, PORTS = 65535 };

/* --- What comes before all rules --- */

/* Nothing is judged. */
static void settle(struct work *work, enum verdict verdict, const char *rule)
{
	work->it->verdict = verdict;
	work->it->rule = rule;
}

/* Where DNS to the destination is sent instead, if it is; a name may have addresses of either
 * family. */
static const struct endpoint *redirection(const struct work *work)
{
	const struct endpoint *listen[PLAN_FAMILIES];

	if (work->forwarded && !scope_is_given(&work->base->scope))
		return NULL;
	for (unsigned i = 0; i < PLAN_FAMILIES; i++)
		listen[i] = work->forwarded ? work->plan->family[i].listen_forwarded
					    : work->plan->family[i].listen;
	if (work->it->to.is_address)
		return listen[inaddr_is_ip4(&work->it->to.address) ? PLAN_IP4 : PLAN_IP6];
	return listen[PLAN_IP4] && listen[PLAN_IP6] ? listen[PLAN_IP4] : NULL;
}

static bool is_resolver(const struct destination *to, const struct endpoint *resolver)
{
	return to->is_address && to->port == resolver->port &&
	       inaddr_compare(&resolver->address, &to->address) == 0;
}

bool explanation_is_loopback(const struct inaddr *address)
{
	static const struct inaddr loopback6 = {{[15] = 1}};

	if (inaddr_is_ip4(address))
		return address->bytes[12] == 127;
	return inaddr_compare(address, &loopback6) == 0;
}

/* Whether the destination is DNS, the resolver or never leaves. */
static bool settle_local(struct work *work)
{
	const struct destination *to = &work->it->to;
	const struct endpoint *resolver = redirection(work);
	char text[INADDR_TEXT];

	if (resolver && is_resolver(to, resolver)) {
		settle(work, VERDICT_PERMIT, "dns");
		explanation_note(work, "dns: the resolver itself");
	} else if (resolver && to->port == DNS_PORT) {
		settle(work, VERDICT_REFUSE, "dns");
		explanation_note(work, "dns: goes to the resolver at %s instead, like all DNS",
			endpoint_to_text(resolver, text));
	} else if (to->is_address && explanation_is_loopback(&to->address)) {
		settle(work, VERDICT_PERMIT, "loopback");
		explanation_note(work, "loopback: never leaves this network namespace");
	}
	return work->it->rule != NULL;
}

static void settle_out_of_scope(struct work *work, const struct explain_as *as)
{
	const struct {
		const char *what, *value;
	} parts[] = {{"user", as->user}, {"group", as->group}, {"cgroup", as->cgroup},
		{"interface", as->interface}, {"source", as->source}};
	const char *who = "";

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].value || !who)
			continue;
		who = arena_printf(work->arena, "%s%s%s %s", who, *who ? ", " : "", parts[i].what,
			parts[i].value);
	}
	work->failed |= !who;
	settle(work, VERDICT_PERMIT, "out-of-scope");
	work->it->in_scope = false;
	explanation_note(work, "not in scope (%s): [scope] is at %s",
		who && *who ? who : "nothing is known",
		explanation_place(work, work->base->scope_place));
}

/* --- Which ports --- */

/* The part of a range that is asked about; false: there is none. What is sent to the resolver
 * instead does not count. */
static bool cut_ports(
	const struct work *work, const struct port_range *range, struct port_range *ret_ports)
{
	const struct destination *to = &work->it->to;
	struct port_range ports = *range;

	if (to->protocol != DESTINATION_ANY && to->protocol != (int)range->protocol)
		return false;
	if (to->port != DESTINATION_ANY) {
		if (to->port < range->first || to->port > range->last)
			return false;
		ports.first = ports.last = (uint16_t)to->port;
	}
	if (ports.protocol != PROTOCOL_ICMP_ECHO && ports.first == DNS_PORT &&
		ports.last == DNS_PORT && redirection(work))
		return false;
	*ret_ports = ports;
	return true;
}

static void ask_about(const struct work *work, struct part *part, enum protocol protocol, int port)
{
	const struct destination *to = &work->it->to;

	part->question = (struct question){
		.name = to->is_address ? NULL : &to->name,
		.address = to->is_address ? &to->address : NULL,
		.protocol = protocol,
		.port = (uint16_t)(port == DESTINATION_ANY ? 0 : port),
	};
}

static void take_group(struct work *work, const struct plan_group *group)
{
	struct part *part = &work->parts[work->n_parts++];
	const struct port_range *stands;

	part->ports = arena_array(work->arena, group->n_ports, sizeof(*part->ports));
	if (!part->ports) {
		work->failed = true;
		return;
	}
	for (size_t i = 0; i < group->n_ports; i++)
		part->n_ports += cut_ports(work, &group->ports[i], &part->ports[part->n_ports]);
	part->asked = part->n_ports > 0;
	stands = part->asked ? part->ports : group->ports;
	ask_about(work, part, stands->protocol, stands->first);
}

/* How many of the protocol's ports are in groups. */
static size_t count_grouped(const struct work *work, int protocol)
{
	size_t count = 0;

	for (size_t i = 0; i < work->plan->n_groups; i++) {
		const struct plan_group *group = &work->plan->groups[i];

		for (size_t j = 0; j < group->n_ports; j++)
			if ((int)group->ports[j].protocol == protocol)
				count += (size_t)group->ports[j].last - group->ports[j].first + 1;
	}
	return count;
}

/* The ports of no group. */
static void take_rest(struct work *work)
{
	const struct destination *to = &work->it->to;
	struct part *part = &work->parts[work->n_parts++];
	bool is_one = to->port != DESTINATION_ANY || to->protocol == PROTOCOL_ICMP_ECHO;
	unsigned group;

	ask_about(work, part, PROTOCOL_OTHER, DESTINATION_ANY);
	if (!is_one) {
		part->others = to->protocol == DESTINATION_ANY ||
			       count_grouped(work, to->protocol) < PORTS;
		part->asked = part->others;
		return;
	}
	ask_about(work, part, (enum protocol)to->protocol, to->port);
	part->asked =
		!plan_find_group(work->plan, part->question.protocol, part->question.port, &group);
	part->ports = arena_array(work->arena, 1, sizeof(*part->ports));
	work->failed |= !part->ports;
	if (!part->asked || !part->ports)
		return;
	part->ports[part->n_ports++] = (struct port_range){
		part->question.protocol, part->question.port, part->question.port};
}

static void take_parts(struct work *work)
{
	const struct plan *plan = work->plan;

	work->parts = arena_array(work->arena, plan->n_groups + 1, sizeof(*work->parts));
	if (!work->parts) {
		work->failed = true;
		return;
	}
	for (size_t i = 0; i < plan->n_groups; i++)
		take_group(work, &plan->groups[i]);
	take_rest(work);
}

/* --- What is decided --- */

static bool is_same(const struct finding *a, const struct finding *b)
{
	return a->kind == b->kind && a->entry == b->entry && a->class == b->class;
}

static void keep_beaten(void *context, const struct finding *finding)
{
	struct explained_layer *layer = context;
	const struct finding *winner = &layer->winner;

	if (is_same(finding, winner) || (finding->entry && finding->entry == winner->entry))
		return;
	if (layer->n_beaten < EXPLANATION_BEATEN_MAX)
		layer->beaten[layer->n_beaten] = *finding;
	layer->n_beaten++;
}

static bool is_alike(
	const struct work *work, const struct explained_ports *a, const struct explained_ports *b)
{
	for (size_t i = 0; i < work->layers->n_layers; i++) {
		const struct explained_layer *one = &a->layers[i], *other = &b->layers[i];

		if (!is_same(&one->winner, &other->winner) || one->n_beaten != other->n_beaten)
			return false;
		for (size_t j = 0; j < one->n_beaten && j < EXPLANATION_BEATEN_MAX; j++)
			if (!is_same(&one->beaten[j], &other->beaten[j]))
				return false;
	}
	return true;
}

static void explain_layer(struct work *work, const struct part *part, size_t index,
	const struct finding *winner, struct explained_layer *layer)
{
	const char *text = winner->entry ? entry_text(work->arena, winner->entry->entry) : NULL;
	char *copy = text ? arena_strndup(work->arena, text, strlen(text)) : NULL;

	work->failed |= winner->entry && !copy;
	layer->layer = &work->layers->layers[index];
	layer->winner = *winner;
	layer->text = copy ? text_clean(copy) : NULL;
	judge_visit(layer->layer, &part->question, keep_beaten, layer);
}

/* Judges the part into `ports`. */
static void judge_part(struct work *work, const struct part *part, struct explained_ports *ports)
{
	const struct layers *layers = work->layers;
	struct judgement judgement;
	unsigned decider = 0;

	ports->layers = arena_array(work->arena, layers->n_layers, sizeof(*ports->layers));
	if (!ports->layers) {
		work->failed = true;
		return;
	}
	judge(layers, &part->question, &judgement);
	judgement_layer(layers, &judgement, &decider);
	judgement_rule(layers, &judgement, ports->rule);
	for (size_t i = 0; i < layers->n_layers; i++)
		explain_layer(work, part, i, &judgement.layers[i], &ports->layers[i]);
	ports->verdict = judgement.verdict;
	ports->decider = &ports->layers[decider];
	ports->ports = part->ports;
	ports->n_ports = part->n_ports;
	ports->others = part->others;
}

/* Tells the ports together with others like them. */
static void join_ports(
	struct work *work, struct explained_ports *all, const struct explained_ports *more)
{
	struct port_range *joined =
		arena_array(work->arena, all->n_ports + more->n_ports + 1, sizeof(*joined));

	if (!joined) {
		work->failed = true;
		return;
	}
	for (size_t i = 0; i < all->n_ports; i++)
		joined[i] = all->ports[i];
	for (size_t i = 0; i < more->n_ports; i++)
		joined[all->n_ports + i] = more->ports[i];
	all->ports = joined;
	all->n_ports += more->n_ports;
	all->others |= more->others;
}

static void explain_part(struct work *work, const struct part *part)
{
	struct explanation *it = work->it;
	struct explained_ports *ports = &it->ports[it->n_ports];

	judge_part(work, part, ports);
	for (size_t i = 0; i < it->n_ports && !work->failed; i++) {
		if (!is_alike(work, &it->ports[i], ports))
			continue;
		join_ports(work, &it->ports[i], ports);
		*ports = (struct explained_ports){0};
		return;
	}
	it->n_ports++;
}

/* Puts the ports without a name of their own behind the others. */
static void order_ports(struct explanation *it)
{
	for (size_t i = 0; i + 1 < it->n_ports; i++) {
		struct explained_ports ports = it->ports[i];

		if (!ports.others)
			continue;
		it->ports[i] = it->ports[i + 1];
		it->ports[i + 1] = ports;
	}
}

static void find_decisive(struct explanation *it)
{
	for (size_t i = 0; i < it->n_ports; i++)
		if (!it->decisive || it->ports[i].verdict < it->decisive->verdict)
			it->decisive = &it->ports[i];
	if (!it->decisive)
		return;
	it->verdict = it->decisive->verdict;
	it->rule = it->decisive->rule;
}

static void explain_parts(struct work *work)
{
	struct explanation *it = work->it;

	it->ports = arena_array(work->arena, work->n_parts + 1, sizeof(*it->ports));
	work->failed |= !it->ports;
	for (size_t i = 0; i < work->n_parts && !work->failed; i++)
		if (work->parts[i].asked)
			explain_part(work, &work->parts[i]);
	if (work->failed)
		return;
	order_ports(it);
	find_decisive(it);
}

/* --- All together --- */

static int find_scope(struct work *work, const struct explain_as *as)
{
	const struct scope *scope = &work->base->scope;

	work->forwarded = as ? as->interface || as->source : scope_is_forwarded(scope);
	work->it->in_scope = true;
	return as ? scope_has(scope, as, &work->it->in_scope) : 0;
}

static void find_category(struct work *work, const struct categories *categories)
{
	struct explanation *it = work->it;
	const struct layer_entry *winner = it->decisive->decider->winner.entry;

	it->category = winner ? winner->entry->category : NULL;
	if (it->category || it->to.is_address)
		return;
	it->category = category_find(categories, &it->to.name);
	it->category_known = it->category != NULL;
}

static void explain_in_scope(struct work *work, const struct categories *categories)
{
	if (settle_local(work))
		return;
	take_parts(work);
	if (work->failed || explanation_settle_special(work))
		return;
	explain_parts(work);
	if (!work->it->decisive) {
		settle(work, VERDICT_REFUSE, PLAN_DEFAULT_DENY);
		return;
	}
	find_category(work, categories);
	explanation_add_notes(work);
	explanation_add_limits(work);
}

int explanation_make(struct arena *arena, const struct compiled *compiled, const char *destination,
	const struct explain_as *as, const struct explanation **ret_explanation)
{
	struct explanation *it = arena_alloc(arena, sizeof(*it));
	struct work work = {
		.arena = arena,
		.layers = compiled->layers,
		.plan = compiled->plan,
		.base = compiled->layers->layers[0].policy,
		.it = it,
	};
	int error;

	if (it)
		it->notes = arena_array(arena, EXPLANATION_NOTES_MAX, sizeof(*it->notes));
	if (!it || !it->notes)
		return -ENOMEM;
	it->n_layers = compiled->layers->n_layers;
	if (destination_read(destination, &it->to) < 0)
		return -EINVAL;
	error = find_scope(&work, as);
	if (error < 0)
		return error;
	if (it->in_scope)
		explain_in_scope(&work, compiled->categories);
	else
		settle_out_of_scope(&work, as);
	if (!as && scope_is_given(&work.base->scope))
		explanation_note(&work, "this is about what is in scope: [scope] is at %s",
			explanation_place(&work, work.base->scope_place));
	if (work.failed)
		return -ENOMEM;
	*ret_explanation = it;
	return 0;
}
