/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explanation-work.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "rules/list.h"
#include "src/base/arena.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * What there is to know besides the verdict: where the addresses of a permitted name come from, and
 * what else a refused destination is permitted by, on other ports or while a lease lasts.
 */

static bool is_permitted(enum verdict verdict)
{
	return verdict != VERDICT_REFUSE;
}

void explanation_note(struct work *work, const char *format, ...)
{
	struct explanation *it = work->it;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(work->arena, format, arguments);
	va_end(arguments);
	if (text)
		it->notes[it->n_notes++] = text_clean(text);
	else
		work->failed = true;
}

const char *explanation_place(struct work *work, struct place place)
{
	const char *text = arena_printf(work->arena, "%s:%u", place.file, place.line);

	work->failed |= !text;
	return text ? text : "";
}

/* "allow-3 (policy.toml:12)", or the id alone of what is no entry. */
static const char *say_rule(struct work *work, const struct judgement *judgement)
{
	const char *text;
	char rule[RULE_ID_MAX];
	unsigned layer;

	judgement_rule(work->layers, judgement, rule);
	if (judgement_layer(work->layers, judgement, &layer) && judgement->layers[layer].entry)
		text = arena_printf(work->arena, "%s (%s)", rule,
			explanation_place(work, judgement->layers[layer].entry->entry->place));
	else
		text = arena_strndup(work->arena, rule, strlen(rule));
	work->failed |= !text;
	return text ? text : "";
}

/* The first of the other ports on which the same is permitted. */
static bool find_elsewhere(const struct work *work, struct judgement *ret_judgement)
{
	for (size_t i = 0; i < work->n_parts; i++) {
		if (work->parts[i].asked)
			continue;
		judge(work->layers, &work->parts[i].question, ret_judgement);
		if (is_permitted(ret_judgement->verdict))
			return true;
	}
	return false;
}

/* Whether the resolver answers for the name: it is permitted on some port. */
static bool is_answered(const struct work *work, const struct name *name)
{
	for (size_t i = 0; i < work->n_parts; i++) {
		struct question question = work->parts[i].question;
		struct judgement judgement;

		question.name = name;
		question.address = NULL;
		judge(work->layers, &question, &judgement);
		if (is_permitted(judgement.verdict))
			return true;
	}
	return false;
}

/* Judges a name with one of its addresses; true: it is permitted on some port that is asked about.
 * *ret_judgement is of that port, or of the last. */
static bool judge_answer(const struct work *work, const struct name *name,
	const struct inaddr *address, bool embedded, struct judgement *ret_judgement)
{
	for (size_t i = 0; i < work->n_parts; i++) {
		struct question question = work->parts[i].question;

		if (!work->parts[i].asked)
			continue;
		question.name = name;
		question.address = address;
		question.embedded = embedded;
		judge(work->layers, &question, ret_judgement);
		if (is_permitted(ret_judgement->verdict))
			return true;
	}
	return false;
}

/* "10.9.9.9, 2001:db8:9::9 (refused: deny-2)" */
static const char *say_embedded(struct work *work, const struct embedded_host *host)
{
	const char *text = "";

	for (size_t i = 0; i < host->n_addresses && text; i++) {
		struct judgement judgement;
		char address[INADDR_TEXT];
		bool open = judge_answer(work, &host->name, &host->addresses[i], true, &judgement);

		inaddr_to_text(&host->addresses[i], address);
		text = arena_printf(work->arena, "%s%s%s%s%s%s", text, i > 0 ? ", " : "", address,
			open ? "" : " (refused: ", open ? "" : say_rule(work, &judgement),
			open ? "" : ")");
	}
	work->failed |= !text;
	return text ? text : "";
}

static const struct embedded_host *find_embedded(const struct work *work, const struct name *name)
{
	const struct dns_policy *dns = &work->base->dns;

	for (size_t i = 0; i < dns->n_hosts; i++)
		if (name_equal(&dns->hosts[i].name, name))
			return &dns->hosts[i];
	return NULL;
}

/* Which addresses a name's winning entry believes: see check_belief() in rules/judge.c. */
static enum believed believed_by(const struct finding *winner)
{
	return winner->verdict < VERDICT_OBSERVE ? winner->entry->entry->believed : BELIEVED_ANY;
}

/* Which of the addresses that servers answer a layer takes that decides about the name so. */
static const char *say_believed(const struct finding *winner)
{
	if (!winner->entry)
		return "but for refused ones";
	switch (believed_by(winner)) {
	case BELIEVED_PUBLIC:
		return "but for blocked classes";
	case BELIEVED_ANY:
		return "of whatever class";
	case BELIEVED_LISTED:
		return "if the entry's 'addresses' have them";
	}
	return "";
}

/* The ports of no group, on which there are no leases. */
static const struct part *rest_of(const struct work *work)
{
	return &work->parts[work->plan->n_groups];
}

/* Whether nothing else is asked about. */
static bool is_rest_only(const struct work *work)
{
	for (size_t i = 0; i < work->plan->n_groups; i++)
		if (work->parts[i].asked)
			return false;
	return true;
}

/* Whether an entry of the layer refuses addresses. */
static bool refuses_addresses(const struct layer *layer)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct entry *entry = layer->entries[i].entry;
		size_t count = entry->n_addresses;

		for (size_t j = 0; j < entry->n_lists; j++)
			count += entry->lists[j]->n_ranges;
		if (count > 0 && !is_permitted(layer->entries[i].verdict))
			return true;
	}
	return false;
}

/* Whether the layer may refuse an address of the name that the decider takes. */
static bool takes_less(const struct explained_layer *layer, const struct explained_layer *decider)
{
	bool no_classes = believed_by(&decider->winner) == BELIEVED_PUBLIC;
	unsigned block = layer->layer->block & ~(no_classes ? decider->layer->block : 0);

	if (!layer->winner.entry)
		return block != 0 || refuses_addresses(layer->layer);
	return believed_by(&layer->winner) == BELIEVED_LISTED ||
	       (believed_by(&layer->winner) == BELIEVED_PUBLIC && block != 0);
}

/* What a layer makes of the addresses that the decider's entry takes, if that is less. */
static void note_layer(struct work *work, size_t number)
{
	const struct explained_layer *it = &work->it->decisive->layers[number];
	bool refuses = layer_refusal(it->layer) == VERDICT_REFUSE;
	const char *name = "base";

	if (number > 0)
		name = arena_printf(work->arena, "override %zu", number);
	work->failed |= !name;
	if (!name || !takes_less(it, work->it->decisive->decider))
		return;
	if (it->winner.entry)
		explanation_note(work, "%s (%s) %s them %s", name, it->layer->policy->file,
			refuses ? "takes" : "would take", say_believed(&it->winner));
	else
		explanation_note(work, "%s (%s) judges each as an address without a name", name,
			it->layer->policy->file);
}

/* Which of the servers' addresses are taken. */
static void note_answered(struct work *work, const char *how)
{
	const struct explained_layer *decider = work->it->decisive->decider;

	explanation_note(work, "%s: the addresses that %s, %s", how,
		work->base->dns.has_upstream ? "[dns] upstream answers"
					     : "the system's DNS servers answer",
		say_believed(&decider->winner));
	for (size_t i = 0; i < work->it->n_layers && decider->winner.entry; i++)
		if (&work->it->decisive->layers[i] != decider)
			note_layer(work, i);
}

/* Where a permitted name's addresses come from, without which nothing is open. */
static void note_source(struct work *work)
{
	const struct embedded_host *host = find_embedded(work, &work->it->to.name);
	const struct layer_entry *entry = work->it->decisive->decider->winner.entry;
	bool leased = entry && !(entry->entry->all_ports && is_rest_only(work));
	const char *how = leased ? "open while leased" : "resolved";

	if (host)
		explanation_note(work, "%s, from [dns.hosts] (%s): %s", how,
			explanation_place(work, host->place), say_embedded(work, host));
	else if (work->base->dns.n_upstream > 0 || !work->base->dns.has_upstream)
		note_answered(work, how);
	else
		explanation_note(work,
			"but it has no addresses: [dns] upstream is empty, and [dns.hosts] does "
			"not have it");
	if (entry && entry->entry->all_ports && rest_of(work)->asked)
		explanation_note(work,
			"on ports that no entry names, %s opens none of them: each is judged "
			"there as an address without a name",
			entry->id);
}

/* What a client made of a suffix that [dns] search has, or NULL. */
static const struct name *find_search(const struct work *work, const struct name *name)
{
	const struct dns_policy *dns = &work->base->dns;

	for (size_t i = 0; i < dns->n_search; i++)
		if (name_is_below(name, &dns->search[i]))
			return &dns->search[i];
	return NULL;
}

static void note_refused_name(struct work *work)
{
	const struct name *suffix = find_search(work, &work->it->to.name);
	struct judgement judgement;
	char text[NAME_TEXT];

	if (!find_elsewhere(work, &judgement)) {
		explanation_note(work, "so the resolver does not answer for it");
		if (suffix)
			explanation_note(work,
				"[dns] search has %s: it says at once that the name does not "
				"exist, and reports nothing",
				name_to_text(suffix, text));
		return;
	}
	explanation_note(work, "the name is permitted, but on other ports, by %s",
		say_rule(work, &judgement));
	if (is_permitted(layers_unknown(work->layers)))
		explanation_note(work,
			"and its addresses can be reached here without it, unless they are "
			"refused as such");
}

static bool has_address(const struct embedded_host *host, const struct inaddr *address)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (inaddr_compare(&host->addresses[i], address) == 0)
			return true;
	return false;
}

/* The embedded names that lead to the address by a lease, on a port that is asked about. */
static void note_embedded(struct work *work)
{
	const struct dns_policy *dns = &work->base->dns;
	const struct inaddr *address = &work->it->to.address;
	struct judgement judgement;
	char text[NAME_TEXT];
	size_t count = 0;

	for (size_t i = 0; i < dns->n_hosts; i++) {
		const struct embedded_host *host = &dns->hosts[i];

		if (!has_address(host, address) || !is_answered(work, &host->name) ||
			!judge_answer(work, &host->name, address, true, &judgement) ||
			count++ >= EXPLANATION_EMBEDDED_MAX)
			continue;
		explanation_note(work, "but open while leased to %s (%s), by %s",
			name_to_text(&host->name, text), explanation_place(work, host->place),
			say_rule(work, &judgement));
	}
	if (count > EXPLANATION_EMBEDDED_MAX)
		explanation_note(work, "and %zu more", count - EXPLANATION_EMBEDDED_MAX);
}

/* Whether the layer may permit the address as that of some name. */
static bool may_permit(const struct layer *layer, const struct question *question)
{
	if (is_permitted(judge_layer(layer, question).verdict))
		return true;
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];
		enum address_class class;

		if (is_permitted(it->verdict) && entry_has_names(it->entry) &&
			judge_has_port(it->entry, question->protocol, question->port) &&
			judge_believes(layer, it->entry, question->address, &class))
			return true;
	}
	return false;
}

static bool may_be_answered(const struct work *work)
{
	const struct dns_policy *dns = &work->base->dns;

	if (dns->n_upstream == 0 && dns->has_upstream)
		return false;
	for (size_t i = 0; i < work->plan->n_groups; i++) {
		const struct part *part = &work->parts[i];
		bool may = part->asked;

		for (size_t j = 0; j < work->layers->n_layers; j++)
			may = may && may_permit(&work->layers->layers[j], &part->question);
		if (may)
			return true;
	}
	return false;
}

static void note_refused_address(struct work *work)
{
	struct judgement judgement;

	if (find_elsewhere(work, &judgement))
		explanation_note(work, "the address is permitted, but on other ports, by %s",
			say_rule(work, &judgement));
	note_embedded(work);
	if (may_be_answered(work))
		explanation_note(
			work, "but open while leased, if the answer for a permitted name has it");
}

/* "20 destinations, 5000 connections"; "" if there is no such ceiling. */
static const char *say_ceilings(struct work *work)
{
	const struct budget *budget = &work->layers->budget;
	const struct {
		uint64_t ceiling;
		const char *of;
	} rows[] = {
		{budget->destinations, "destinations"},
		{budget->connections, "connections"},
		{budget->bytes, "bytes sent"},
	};
	const char *text = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && text; i++)
		if (rows[i].ceiling > 0)
			text = arena_printf(work->arena, "%s%s%" PRIu64 " %s", text,
				*text ? ", " : "", rows[i].ceiling, rows[i].of);
	work->failed |= !text;
	return text ? text : "";
}

/* What a session may have of such destinations, whichever rule permits them. */
static void note_budget(struct work *work)
{
	const char *ceilings = say_ceilings(work);

	if (*ceilings)
		explanation_note(work,
			"counts towards [budget], of each session %s: beyond that %s", ceilings,
			work->layers->budget.refuse ? "it is refused" : "there is an alert");
}

void explanation_add_notes(struct work *work)
{
	bool permitted = is_permitted(work->it->verdict);

	if (work->it->to.is_address && !permitted)
		note_refused_address(work);
	else if (!work->it->to.is_address && permitted)
		note_source(work);
	else if (!work->it->to.is_address)
		note_refused_name(work);
	if (permitted)
		note_budget(work);
}
