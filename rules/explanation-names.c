/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explanation-work.h"

#include "rules/describe.h"
#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * What the resolver does with a name beside what the entries say: names with a meaning of their own
 * are answered before them, and permitted ones spend from what the wildcards have that permit them,
 * as resolver/filter.c and resolver/guard.c do it. How much of that is spent is not known here; but
 * what a name's shape adds to its score is, and may refuse it.
 */

static bool is_wild(const struct finding *finding)
{
	return finding->kind == FOUND_PATTERN ||
	       (finding->kind == FOUND_HOST && finding->host.kind != HOST_EXACT);
}

/* Judges the name on the ports of a part. False: it is refused there. */
static bool judge_name(const struct work *work, const struct part *part, const struct name *name,
	struct judgement *ret_judgement)
{
	struct question question = part->question;

	question.name = name;
	question.address = NULL;
	judge(work->layers, &question, ret_judgement);
	return ret_judgement->verdict != VERDICT_REFUSE;
}

/* --- Special names --- */

/* Whether an entry permits the name that the special one yields to. */
static bool is_left(const struct work *work, const struct special *special)
{
	const struct name *name = &work->it->to.name;

	for (size_t i = 0; i < work->n_parts; i++) {
		struct judgement judgement;

		if (!judge_name(work, &work->parts[i], name, &judgement))
			continue;
		for (size_t j = 0; j < work->layers->n_layers; j++) {
			const struct finding *winner = &judgement.layers[j];

			if (winner->entry && special_yields(special, winner->entry->entry, name,
						     is_wild(winner)))
				return true;
		}
	}
	return false;
}

/* Whether an address can be reached on a port that is asked about, without a lease. */
static bool is_open(const struct work *work, const struct inaddr *address)
{
	for (size_t i = 0; i < work->n_parts; i++) {
		struct question question = work->parts[i].question;
		struct judgement judgement;

		if (!work->parts[i].asked)
			continue;
		question.name = NULL;
		question.address = address;
		judge(work->layers, &question, &judgement);
		if (judgement.verdict != VERDICT_REFUSE)
			return true;
	}
	return false;
}

/* "127.0.0.1 and ::1" */
static const char *say_addresses(struct work *work, const struct explained_special *special)
{
	const char *said = "";

	for (size_t i = 0; i < special->n_addresses && said; i++) {
		char text[INADDR_TEXT];

		said = arena_printf(work->arena, "%s%s%s", said, i > 0 ? " and " : "",
			inaddr_to_text(&special->addresses[i], text));
	}
	work->failed |= !said;
	return said ? said : "";
}

static const char *say_answer(struct work *work, const struct explained_special *special)
{
	if (special->n_addresses > 0)
		return arena_printf(work->arena, "answers %s", say_addresses(work, special));
	if (special->row->kind != SPECIAL_FIXED)
		return "answers with names that it knows of the address, or that there is none";
	return special->denied ? "answers that it does not exist" : "answers that it has no data";
}

static void note_special(struct work *work, const struct explained_special *special)
{
	struct name top = special_name(special->row);
	const char *answer = say_answer(work, special);
	char text[NAME_TEXT];

	if (!answer) {
		work->failed = true;
		return;
	}
	explanation_note(work, SPECIAL_RULE ": '%s' is special: %s", name_to_text(&top, text),
		special->row->what);
	explanation_note(work, "so the resolver itself %s, %s", answer,
		special->row->yields ? "as no entry names it or what is below it"
				     : "whatever the policy says");
}

bool explanation_settle_special(struct work *work)
{
	const struct name *name = &work->it->to.name;
	const struct special *row = work->it->to.is_address ? NULL : special_find(name);
	struct explained_special *special;

	if (!row || (row->yields && is_left(work, row)))
		return false;
	special = arena_alloc(work->arena, sizeof(*special));
	if (!special) {
		work->failed = true;
		return true;
	}
	special->row = row;
	special->n_addresses = special_addresses(row, name, special->addresses);
	special->denied = special->n_addresses == 0 && special_is_denied(row, name);
	work->it->special = special;
	work->it->rule = SPECIAL_RULE;
	work->it->verdict = VERDICT_REFUSE;
	for (size_t i = 0; i < special->n_addresses; i++)
		if (explanation_is_loopback(&special->addresses[i]) ||
			is_open(work, &special->addresses[i]))
			work->it->verdict = VERDICT_PERMIT;
	note_special(work, special);
	return true;
}

/* --- Limits --- */

/* The lower of two ceilings, of which 0 is none. */
static uint32_t lower(uint32_t a, uint32_t b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* What the name spends from an entry of the layer, or from what nothing matches (NULL). */
static void add_limit(struct work *work, const struct layer *layer, const struct layer_entry *entry)
{
	struct explanation *it = work->it;
	struct explained_limit *limit = &it->limits[it->n_limits];
	const struct layers *layers = work->layers;
	double score = entry ? entry->entry->score : layer->unknown_score;

	for (size_t i = 0; i < it->n_limits; i++)
		if (it->limits[i].layer == layer && it->limits[i].entry == entry)
			return;
	*limit = (struct explained_limit){
		.layer = layer,
		.entry = entry,
		.id = entry ? entry->id : PLAN_DEFAULT_PERMIT,
		.domain = suffix_domain(&it->to.name),
		.bytes = entry ? entry->wildcard_bytes : layers->unknown_bytes,
		.answer_bytes = entry ? entry->wildcard_answer_bytes : layers->unknown_answer_bytes,
		.names = entry ? lower(entry->entry->wildcard_names, layers->budget.wildcard_names)
			       : 0,
		.refuses = layers->budget.refuse,
	};
	limit->shape = shape_score(&it->to.name, limit->domain.length);
	limit->score = score + limit->shape;
	limit->verdict = layer_verdict(layer, limit->score);
	it->n_limits++;
}

/* The entries that permit the name by a wildcard on the ports of some part; *is_known: one of the
 * base has it, whatever it says. */
static void take_limits(struct work *work, const struct part *part, bool *is_known)
{
	struct judgement judgement;
	bool permitted = judge_name(work, part, &work->it->to.name, &judgement);

	*is_known |= judgement.layers[0].kind != FOUND_NOTHING;
	for (size_t i = 0; permitted && i < work->layers->n_layers; i++)
		if (is_wild(&judgement.layers[i]))
			add_limit(work, &work->layers->layers[i], judgement.layers[i].entry);
}

static void note_limit(struct work *work, const struct explained_limit *limit)
{
	char domain[NAME_TEXT], asked[DESCRIBE_RATE], answered[DESCRIBE_RATE], names[48] = "";

	if (limit->bytes.count == 0 && limit->answer_bytes.count == 0 && limit->names == 0)
		return;
	if (limit->names > 0)
		snprintf(names, sizeof(names), ", wildcard_names %u (then %s)", limit->names,
			limit->refuses ? "refused" : "reported");
	explanation_note(work,
		"spends from %s in %s: wildcard_bytes %s, wildcard_answer_bytes %s%s", limit->id,
		name_to_text(&limit->domain, domain), describe_rate(&limit->bytes, asked),
		describe_rate(&limit->answer_bytes, answered), names);
}

/* What the name looks like, where that makes a difference. */
static void judge_shape(struct work *work, const struct explained_limit *limit)
{
	struct explanation *it = work->it;

	if (limit->shape <= 0)
		return;
	explanation_note(work, "%s name-shape: looks like data, %g points, score %g: %s", limit->id,
		limit->shape, limit->score, describe_verdict(limit->verdict));
	if (limit->verdict <= it->verdict)
		return;
	it->verdict = limit->verdict;
	it->rule = arena_printf(work->arena, "%s name-shape", limit->id);
	work->failed |= !it->rule;
}

void explanation_add_limits(struct work *work)
{
	struct explanation *it = work->it;
	const struct layer *base = &work->layers->layers[0];
	bool is_known = false;

	if (it->to.is_address || it->verdict == VERDICT_REFUSE)
		return;
	it->limits = arena_array(
		work->arena, work->n_parts * work->layers->n_layers + 1, sizeof(*it->limits));
	if (!it->limits) {
		work->failed = true;
		return;
	}
	for (size_t i = 0; i < work->n_parts; i++)
		take_limits(work, &work->parts[i], &is_known);
	if (!is_known && base->unknown != VERDICT_REFUSE)
		add_limit(work, base, NULL);
	for (size_t i = 0; i < it->n_limits && it->n_notes + 2 < EXPLANATION_NOTES_MAX; i++) {
		note_limit(work, &it->limits[i]);
		judge_shape(work, &it->limits[i]);
	}
}
