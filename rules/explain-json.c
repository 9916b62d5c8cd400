/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explanation.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "rules/describe.h"
#include "rules/ports.h"
#include "src/base/json-parts.h"

/*
 * An explanation as JSON, one object:
 *
 *	destination  {"name" or "address": text, "protocol": text or null, "port": number or null}
 *	in_scope     whether the policy is about the traffic at all
 *	permitted    what the exit status says
 *	verdict      "permit", "flag", "observe" or "refuse": of the ports that get most
 *	rule         the id that it is put down to; "dns", "loopback" or "out-of-scope" of what
 *	             comes before all rules
 *	score        of that rule; null where nothing was weighed
 *	category     of the entry that decides, or else what categories.toml has for the name, or
 *	             null
 *	ports        array of PORTS
 *	special      where the resolver answers the name itself: SPECIAL; else null
 *	limits       array of LIMIT: what a permitted name spends from, of each entry that permits
 *	             it by a wildcard, a pattern or a list's wildcard, and of the default
 *	notes        [text...]: what else there is to know
 *
 * PORTS is:
 *
 *	ports        ["tcp/443", "udp/8000-8100", "icmp/echo"...]; "other": all that no entry names
 *	verdict, rule, score
 *	layers       array of LAYER
 *
 * LAYER is:
 *
 *	layer        0 for the base, n for override n
 *	file         the policy file
 *	verdict, score
 *	winner       what decides in the layer; null when nothing matches:
 *	             id            "allow-3", "o1:block-private"
 *	             kind          "host", "pattern", "address" or "class"
 *	             match         the word that matches: a host, a pattern, a prefix
 *	             text          what the entry says, cut where it is long; null of a class
 *	             reason        as the policy gives it, or null
 *	             category      the same
 *	             file, line, column    of the word that matches; null of a class
 *	beaten       [{id, kind, match, file, line, column, why}...], at most 10
 *	n_beaten     how many there are
 *
 * SPECIAL is:
 *
 *	name         at which it is special, or below which
 *	what         in words
 *	answer       "addresses", "nxdomain", "nodata" or "reverse": names of [dns.hosts] and those
 *	             that opened an address
 *	addresses    [text...]
 *	yields       whether an entry that names it would have been preferred
 *
 * LIMIT is:
 *
 *	rule         "allow-3"; "default-permit" of the default
 *	domain       below which names share it
 *	wildcard_bytes, wildcard_answer_bytes    "2000/minute", or null: any number
 *	wildcard_names    number, or null
 *	on_exceed    "flag" or "refuse": what becomes of names beyond these
 *	shape        points for what the name looks like
 *	score, verdict    with them
 *
 * Fields may be added; none changes its meaning.
 */

static const char *const verdicts[] = {
	[VERDICT_PERMIT] = "permit",
	[VERDICT_FLAG] = "flag",
	[VERDICT_OBSERVE] = "observe",
	[VERDICT_REFUSE] = "refuse",
};

static json_t *finding_object(const struct layer *layer, const struct finding *finding)
{
	char rule[RULE_ID_MAX], match[DESCRIBE_MATCH];
	const struct place *place = &finding->place;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", finding_rule(layer, finding, rule),
		"kind", describe_kind(finding), "match", describe_match(finding, match), "file",
		json_parts_clean(place->file), "line",
		json_parts_number(place->file, (int)place->line), "column",
		json_parts_number(place->file, (int)place->column));
}

static json_t *winner_object(const struct explained_layer *layer)
{
	const struct finding *winner = &layer->winner;
	const struct entry *entry = winner->entry ? winner->entry->entry : NULL;
	json_t *object, *more;

	if (winner->kind == FOUND_NOTHING)
		return json_null();
	object = finding_object(layer->layer, winner);
	more = json_pack("{s:s?, s:o, s:o}", "text", layer->text, "reason",
		json_parts_clean(entry ? entry->reason : NULL), "category",
		json_parts_clean(entry ? entry->category : NULL));
	return json_parts_join(object, more);
}

static json_t *beaten_array(const struct explained_layer *layer)
{
	json_t *array = json_array();

	for (size_t i = 0; i < layer->n_beaten && i < EXPLANATION_BEATEN_MAX; i++) {
		const struct finding *beaten = &layer->beaten[i];
		json_t *object = finding_object(layer->layer, beaten);
		json_t *why = json_string(describe_defeat(&layer->winner, beaten));

		array = json_parts_add(array, json_parts_set(object, "why", why));
	}
	return array;
}

/* The score that decided; null of a layer that says nothing. */
static json_t *score_of(const struct explained_layer *layer)
{
	bool is_silent = layer->winner.kind == FOUND_NOTHING && layer->layer->neutral;

	return is_silent ? json_null() : json_real(layer->winner.score);
}

static json_t *layer_object(const struct explained_layer *layer, size_t index)
{
	return json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:I}", "layer", (int)index, "file",
		json_parts_clean(layer->layer->policy->file), "verdict",
		verdicts[layer->winner.verdict], "score", score_of(layer), "winner",
		winner_object(layer), "beaten", beaten_array(layer), "n_beaten",
		(json_int_t)layer->n_beaten);
}

static json_t *ports_object(const struct explained_ports *ports, size_t n_layers)
{
	json_t *list = json_array(), *layers = json_array();
	char text[PORTS_TEXT];

	for (size_t i = 0; i < ports->n_ports; i++)
		list = json_parts_add(
			list, json_string(port_range_to_text(&ports->ports[i], text)));
	if (ports->others)
		list = json_parts_add(list, json_string("other"));
	for (size_t i = 0; i < n_layers; i++)
		layers = json_parts_add(layers, layer_object(&ports->layers[i], i));
	return json_pack("{s:o, s:s, s:s, s:o, s:o}", "ports", list, "verdict",
		verdicts[ports->verdict], "rule", ports->rule, "score", score_of(ports->decider),
		"layers", layers);
}

static json_t *destination_object(const struct destination *to)
{
	char text[NAME_TEXT];
	const char *protocol =
		to->protocol == DESTINATION_ANY ? NULL : protocol_name((enum protocol)to->protocol);

	if (to->is_address)
		inaddr_to_text(&to->address, text);
	else
		name_to_text(&to->name, text);
	return json_pack("{s:s, s:s?, s:o}", to->is_address ? "address" : "name", text, "protocol",
		protocol, "port", json_parts_number(to->port != DESTINATION_ANY, to->port));
}

static json_t *special_object(const struct explained_special *special)
{
	struct name top;
	char text[NAME_TEXT];
	json_t *addresses = json_array();
	const char *answer;

	if (!special) {
		json_decref(addresses);
		return json_null();
	}
	top = special_name(special->row);
	answer = special->n_addresses > 0              ? "addresses"
		 : special->row->kind != SPECIAL_FIXED ? "reverse"
		 : special->denied                     ? "nxdomain"
						       : "nodata";
	for (size_t i = 0; i < special->n_addresses; i++) {
		char address[INADDR_TEXT];

		addresses = json_parts_add(
			addresses, json_string(inaddr_to_text(&special->addresses[i], address)));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:b}", "name", name_to_text(&top, text), "what",
		special->row->what, "answer", answer, "addresses", addresses, "yields",
		special->row->yields);
}

static json_t *rate_or_null(const struct rate *rate)
{
	char text[DESCRIBE_RATE];

	return rate->count > 0 ? json_string(describe_rate(rate, text)) : json_null();
}

static json_t *limit_object(const struct explained_limit *limit)
{
	char domain[NAME_TEXT];

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:f, s:f, s:s}", "rule", limit->id,
		"domain", name_to_text(&limit->domain, domain), "wildcard_bytes",
		rate_or_null(&limit->bytes), "wildcard_answer_bytes",
		rate_or_null(&limit->answer_bytes), "wildcard_names",
		json_parts_number(limit->names > 0, (int)limit->names), "on_exceed",
		limit->refuses ? "refuse" : "flag", "shape", limit->shape, "score", limit->score,
		"verdict", verdicts[limit->verdict]);
}

int explain_as_json(const struct explanation *it, FILE *out)
{
	const struct explained_layer *decider = it->decisive ? it->decisive->decider : NULL;
	json_t *ports = json_array(), *notes = json_array(), *limits = json_array(), *root;
	int error = -1;

	for (size_t i = 0; i < it->n_ports; i++)
		ports = json_parts_add(ports, ports_object(&it->ports[i], it->n_layers));
	for (size_t i = 0; i < it->n_notes; i++)
		notes = json_parts_add(notes, json_string(it->notes[i]));
	for (size_t i = 0; i < it->n_limits; i++)
		limits = json_parts_add(limits, limit_object(&it->limits[i]));
	root = json_pack("{s:o, s:b, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "destination",
		destination_object(&it->to), "in_scope", it->in_scope, "permitted",
		it->verdict != VERDICT_REFUSE, "verdict", verdicts[it->verdict], "rule", it->rule,
		"score", decider ? score_of(decider) : json_null(), "category",
		json_parts_clean(it->category), "ports", ports, "special",
		special_object(it->special), "limits", limits, "notes", notes);
	if (root)
		error = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	json_decref(root);
	if (error < 0)
		return -ENOMEM;
	fputc('\n', out);
	return 0;
}
