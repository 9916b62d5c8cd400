/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explain.h"

#include <errno.h>
#include <string.h>

#include "rules/category.h"
#include "rules/describe.h"
#include "rules/explanation.h"
#include "rules/ports.h"
#include "src/base/arena.h"
#include "src/base/text.h"

/*
 * The text of an explanation:
 *
 *	api.example.com tcp/443: permitted
 *	  tcp/443: allow-1 (policy.toml:9): api.example.com tcp/443
 *	    score -1.0: permitted
 *	    before allow-2 (policy.toml:13), which is less specific
 *	  open while leased: ...
 *
 * and with overrides, of which each layer is shown under the ports:
 *
 *	  tcp/443: refused by o1:default-deny
 *	    base (policy.toml): allow-1 (policy.toml:9): api.example.com tcp/443
 *	      score -1.0: permitted
 *	    override 1 (operator.toml): o1:default-deny: no entry matches
 *	      score 1.0: refused
 */

#define ARENA_MAX ((size_t)256 << 20)

/* Something that a user wrote. */
static void put_clean(const char *text, FILE *out)
{
	char copy[1024];

	snprintf(copy, sizeof(copy), "%s", text);
	fputs(text_clean(copy), out);
}

static void put_place(struct place place, FILE *out)
{
	fputs(" (", out);
	put_clean(place.file, out);
	fprintf(out, ":%u)", place.line);
}

static void put_headline(const struct explanation *it, FILE *out)
{
	char text[DESTINATION_TEXT];

	fprintf(out, "%s: ", destination_to_text(&it->to, text));
	if (!it->in_scope)
		fprintf(out, "permitted: %s\n", it->notes[0]);
	else if (it->verdict == VERDICT_FLAG || it->verdict == VERDICT_OBSERVE)
		fprintf(out, "permitted, and %s\n", describe_verdict(it->verdict));
	else
		fprintf(out, "%s\n", describe_verdict(it->verdict));
}

/* "tcp/443, udp/53", "other ports", "all udp ports" */
static void put_ports(const struct explanation *it, const struct explained_ports *ports, FILE *out)
{
	char text[PORTS_TEXT];
	const char *comma = "";

	if (ports->others) {
		fputs(it->n_ports > 1 ? "other" : "all", out);
		if (it->to.protocol != DESTINATION_ANY)
			fprintf(out, " %s", protocol_name((enum protocol)it->to.protocol));
		fputs(" ports", out);
		return;
	}
	for (size_t i = 0; i < ports->n_ports; i++, comma = ", ")
		fprintf(out, "%s%s", comma, port_range_to_text(&ports->ports[i], text));
}

/* The rule that a layer decides by. */
static void put_winner(const struct explained_layer *layer, FILE *out)
{
	const struct finding *winner = &layer->winner;
	char rule[RULE_ID_MAX], match[DESCRIBE_MATCH];

	fputs(finding_rule(layer->layer, winner, rule), out);
	if (winner->entry) {
		put_place(winner->entry->entry->place, out);
		fprintf(out, ": %s\n", layer->text);
	} else if (winner->kind == FOUND_CLASS) {
		fprintf(out, ": [network] block has %s\n", describe_match(winner, match));
	} else {
		fputs(": no entry matches\n", out);
	}
}

static void put_score(const char *indent, const struct explained_layer *layer, FILE *out)
{
	const struct finding *winner = &layer->winner;
	char score[32];

	if (winner->kind == FOUND_NOTHING && layer->layer->neutral) {
		fprintf(out, "%sit says nothing about others: permitted\n", indent);
		return;
	}
	snprintf(score, sizeof(score), "%g", winner->score);
	fprintf(out, "%sscore %s%s: %s\n", indent, score, strpbrk(score, ".e") ? "" : ".0",
		describe_verdict(winner->verdict));
}

/* Which of the entry's words it is, where that isn't plain. */
static void put_match(const char *indent, const struct finding *winner, FILE *out)
{
	char match[DESCRIBE_MATCH];

	if (!winner->entry || !describe_is_ambiguous(winner->entry->entry))
		return;
	fprintf(out, "%sby %s", indent, describe_match(winner, match));
	put_place(winner->place, out);
	fputc('\n', out);
}

static void put_beaten(const char *indent, const struct explained_layer *layer, FILE *out)
{
	char rule[RULE_ID_MAX], match[DESCRIBE_MATCH];

	for (size_t i = 0; i < layer->n_beaten && i < EXPLANATION_BEATEN_MAX; i++) {
		const struct finding *beaten = &layer->beaten[i];

		fprintf(out, "%sbefore %s", indent, finding_rule(layer->layer, beaten, rule));
		if (beaten->entry)
			put_place(beaten->entry->entry->place, out);
		else
			fprintf(out, " (%s)", describe_match(beaten, match));
		fprintf(out, ", %s\n", describe_defeat(&layer->winner, beaten));
	}
	if (layer->n_beaten > EXPLANATION_BEATEN_MAX)
		fprintf(out, "%sand %zu more\n", indent, layer->n_beaten - EXPLANATION_BEATEN_MAX);
}

static void put_layer(const char *indent, const struct explained_layer *layer, FILE *out)
{
	put_winner(layer, out);
	put_score(indent, layer, out);
	put_match(indent, &layer->winner, out);
	put_beaten(indent, layer, out);
}

static void put_layers(const struct explanation *it, const struct explained_ports *ports, FILE *out)
{
	fprintf(out, "%s by %s\n", describe_verdict(ports->verdict), ports->rule);
	for (size_t i = 0; i < it->n_layers; i++) {
		if (i == 0)
			fputs("    base (", out);
		else
			fprintf(out, "    override %zu (", i);
		put_clean(ports->layers[i].layer->policy->file, out);
		fputs("): ", out);
		put_layer("      ", &ports->layers[i], out);
	}
}

void explain_as_text(const struct explanation *it, FILE *out)
{
	put_headline(it, out);
	for (size_t i = 0; i < it->n_ports; i++) {
		fputs("  ", out);
		put_ports(it, &it->ports[i], out);
		fputs(": ", out);
		if (it->n_layers == 1)
			put_layer("    ", &it->ports[i].layers[0], out);
		else
			put_layers(it, &it->ports[i], out);
	}
	if (it->category)
		fprintf(out, "  category: %s%s\n", it->category,
			it->category_known ? " (" CATEGORY_FILE ")" : "");
	for (size_t i = it->in_scope ? 0 : 1; i < it->n_notes; i++)
		fprintf(out, "  %s\n", it->notes[i]);
}

int explain(const struct compiled *compiled, const char *destination, const struct explain_as *as,
	bool json, FILE *out, bool *ret_permitted)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	const struct explanation *it;
	int error = arena_new(ARENA_MAX, &arena);

	if (error == 0)
		error = explanation_make(arena, compiled, destination, as, &it);
	if (error == 0 && json)
		error = explain_as_json(it, out);
	else if (error == 0)
		explain_as_text(it, out);
	if (error == 0)
		*ret_permitted = it->verdict != VERDICT_REFUSE;
	return error;
}
