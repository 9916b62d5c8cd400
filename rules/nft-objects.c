/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-objects.h"

#include <stdint.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A set or map is declared once and filled once, by the policy (`elements`) or by the resolver.
 * What a packet's rule says of it does not end with the rule: a map or set that is written into a
 * rule does, under packets that are still at work on it, so there are none of those in the whole
 * ruleset (tests/net/test-atomic.sh).
 *
 * One element goes out in one piece, made by hand: there may be a million.
 */

enum {
	LEASES_MAX = 1048576,
	ELEMENT_MAX = INADDR_TEXT + NFT_ELEMENT_COMMENT_MAX + 128,
};

const char *nft_before_element(size_t index)
{
	return index == 0 ? "\t\telements = {\n" : ",\n";
}

void nft_end_elements(const struct nft *nft, size_t count)
{
	if (count > 0)
		fputs("\n\t\t}\n", nft->out);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void put_mark_element(const struct nft *nft, size_t index, uint32_t mark, const char *about)
{
	char clean[NFT_COMMENT_MAX + 1];

	fprintf(nft->out, "%s\t\t\t0x%08x comment \"%s\"", nft_before_element(index), mark,
		nft_clean(about, clean));
}

/* "allow-1 api.example.com tcp/443, agent.toml:9" */
static void describe_rule(const struct plan_rule *rule, const char *note, char out[256])
{
	snprintf(out, 256, "%s%s %.100s", rule->id, note, rule->text);
	if (rule->place.line > 0)
		snprintf(out + strlen(out), 256 - strlen(out), ", %.40s:%u",
			base_name(rule->place.file), rule->place.line);
}

static void live_elements(const struct nft *nft, const struct nft_object *object)
{
	const struct plan *plan = nft->plan;
	size_t count = 0;
	char about[256];

	(void)object;
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		describe_rule(rule, "", about);
		put_mark_element(nft, count++, rule->mark, about);
		describe_rule(rule, " (reported)", about);
		if (rule->flag_mark != 0)
			put_mark_element(nft, count++, rule->flag_mark, about);
	}
	if (plan->observed_mark != 0)
		put_mark_element(nft, count++, plan->observed_mark,
			"what only an observing layer would refuse");
	nft_end_elements(nft, count);
}

static void flagged_elements(const struct nft *nft, const struct nft_object *object)
{
	size_t count = 0;

	(void)object;
	for (size_t i = 0; i < nft->plan->n_rules; i++) {
		const struct plan_rule *rule = &nft->plan->rules[i];

		if (rule->flag_mark != 0)
			put_mark_element(nft, count++, rule->flag_mark, rule->id);
	}
	nft_end_elements(nft, count);
}

static void upstream_elements(const struct nft *nft, const struct nft_object *object)
{
	static const char *const protocols[] = {"udp", "tcp"};
	const struct dns_policy *dns = &nft->plan->policy->dns;
	char text[INADDR_TEXT];
	size_t count = 0;

	for (size_t i = 0; i < 2 * dns->n_upstream; i++) {
		const struct dns_server *server = &dns->upstream[i / 2];

		if (nft_family_of(&server->at.address) != object->family ||
			(server->tls && i % 2 == 0))
			continue;
		fprintf(nft->out, "%s\t\t\t%s . %s . %u comment \"resolver\"",
			nft_before_element(count), inaddr_to_text(&server->at.address, text),
			protocols[i % 2], server->at.port);
		count++;
	}
	nft_end_elements(nft, count);
}

/* At most `most` bytes of a text of the plan. */
static char *put_text(char *at, const char *text, size_t most)
{
	size_t length = strnlen(text, most);

	memcpy(at, text, length);
	return at + length;
}

/* An element of an interval map, but for its value. */
static char *put_span(char *at, size_t index, const struct range *range, const char *id)
{
	at = nft_put_range(stpcpy(stpcpy(at, nft_before_element(index)), "\t\t\t"), range);
	at = stpcpy(at, " comment \"");
	return stpcpy(put_text(at, id, NFT_ELEMENT_COMMENT_MAX), "\" : ");
}

static void permitted_elements(const struct nft *nft, const struct nft_object *object)
{
	const struct plan_spans *list = object->spans;
	char element[ELEMENT_MAX];

	for (size_t i = 0; i < list->n_spans; i++) {
		const struct plan_span *span = &list->spans[i];
		const struct plan_rule *rule = &nft->plan->rules[span->index];
		char *end = put_span(element, i, &span->range, rule->id);

		end = nft_put_mark(
			end, span->verdict == VERDICT_FLAG ? rule->flag_mark : rule->mark);
		fwrite(element, 1, (size_t)(end - element), nft->out);
	}
	nft_end_elements(nft, list->n_spans);
}

static void denied_elements(const struct nft *nft, const struct nft_object *object)
{
	const struct plan_spans *list = object->spans;
	char element[ELEMENT_MAX + NFT_NAME];

	for (size_t i = 0; i < list->n_spans; i++) {
		const struct plan_span *span = &list->spans[i];
		const struct plan_refusal *refusal = &nft->plan->refusals[span->index];
		char *end = put_span(element, i, &span->range, refusal->id);

		end = put_text(stpcpy(end, "goto "), refusal->chain, NFT_NAME);
		fwrite(element, 1, (size_t)(end - element), nft->out);
	}
	nft_end_elements(nft, list->n_spans);
}

bool nft_has_upstream(const struct plan *plan, unsigned family)
{
	const struct dns_policy *dns = &plan->policy->dns;

	for (size_t i = 0; i < dns->n_upstream && !dns->elsewhere; i++)
		if (nft_family_of(&dns->upstream[i].at.address) == family)
			return true;
	return !dns->has_upstream;
}

const char *nft_map_name(const struct nft_options *options, const char *name, char *out)
{
	if (options && options->generation > 0)
		snprintf(out, NFT_NAME, "%.100s.%u", name, options->generation);
	else
		snprintf(out, NFT_NAME, "%s", name);
	return out;
}

static void visit_leases(
	const struct nft *nft, const char *name, unsigned family, nft_object_visitor *visit)
{
	char type[64], size[64];
	struct nft_object leases = {
		.about = "addresses of permitted names, each with the mark of its rule",
		.keyword = "map",
		.name = name,
		.type = type,
		.more = size,
	};

	snprintf(type, sizeof(type), "type %s : mark", nft_families[family].type);
	snprintf(size, sizeof(size), "size %u\n\t\tflags timeout", LEASES_MAX);
	visit(nft, &leases);
}

/* An interval map, if it has anything to say. */
static void visit_spans(const struct nft *nft, struct nft_object object, const char *value,
	nft_object_visitor *visit)
{
	char type[64], name[NFT_NAME];

	if (object.spans->n_spans == 0)
		return;
	snprintf(type, sizeof(type), "type %s : %s", nft_families[object.family].type, value);
	object.name = nft_map_name(&nft->options, object.name, name);
	object.type = type;
	object.keyword = "map";
	object.more = "flags interval";
	if (!nft->options.elements)
		object.elements = NULL;
	visit(nft, &object);
}

static void visit_permitted(const struct nft *nft, const char *name, const struct plan_spans *spans,
	unsigned family, nft_object_visitor *visit)
{
	const struct nft_object object = {
		.about = "addresses that the policy itself permits",
		.name = name,
		.family = family,
		.spans = spans,
		.elements = permitted_elements,
	};

	visit_spans(nft, object, "mark", visit);
}

static void visit_denied(const struct nft *nft, const char *name, const struct plan_spans *spans,
	unsigned family, nft_object_visitor *visit)
{
	const struct nft_object object = {
		.about = "addresses that are refused, and why",
		.name = name,
		.family = family,
		.spans = spans,
		.elements = denied_elements,
	};

	visit_spans(nft, object, "verdict", visit);
}

static void visit_marks(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;
	struct nft_object live = {
		.about = "rules in force, by mark",
		.keyword = "set",
		.name = plan->live_set,
		.type = "type mark",
		.elements = live_elements,
	};
	struct nft_object flagged = {
		.about = "those whose connections are reported",
		.keyword = "set",
		.name = plan->flagged_set,
		.type = "type mark",
		.elements = flagged_elements,
	};

	visit(nft, &live);
	for (size_t i = 0; i < plan->n_rules; i++) {
		if (plan->rules[i].flag_mark == 0)
			continue;
		visit(nft, &flagged);
		return;
	}
}

void nft_resolver_sets(const struct plan *plan, const char *out[NFT_RESOLVER_SETS + 1])
{
	*out++ = plan->resolver_set;
	if (plan->session_map)
		*out++ = plan->session_map;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (nft_has_upstream(plan, family))
			*out++ = plan->family[family].upstream_set;
	*out = NULL;
}

static void visit_resolver(const struct nft *nft, nft_object_visitor *visit)
{
	struct nft_object resolver = {
		.about = "mark and user of the running resolver's own sockets",
		.keyword = "set",
		.name = nft->plan->resolver_set,
		.type = "typeof meta mark . meta skuid",
	};
	char type[64];

	visit(nft, &resolver);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct nft_object upstream = {
			.about = "servers that the resolver asks",
			.keyword = "set",
			.name = nft->plan->family[family].upstream_set,
			.type = type,
			.family = family,
			.elements = nft->plan->policy->dns.has_upstream ? upstream_elements : NULL,
		};

		snprintf(type, sizeof(type), "type %s . inet_proto . inet_service",
			nft_families[family].type);
		if (nft_has_upstream(nft->plan, family))
			visit(nft, &upstream);
	}
}

static void visit_group(
	const struct nft *nft, const struct plan_group *group, nft_object_visitor *visit)
{
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		visit_leases(nft, group->family[family].leases, family, visit);
		visit_permitted(nft, group->family[family].addresses,
			&group->family[family].permitted, family, visit);
		visit_denied(nft, group->family[family].refused, &group->family[family].denied,
			family, visit);
	}
}

void nft_visit_objects(const struct nft *nft, nft_object_visitor *visit)
{
	const struct plan *plan = nft->plan;

	visit_marks(nft, visit);
	visit_resolver(nft, visit);
	nft_visit_limit_objects(nft, visit);
	for (size_t i = 0; i < plan->n_groups; i++)
		visit_group(nft, &plan->groups[i], visit);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		visit_permitted(nft, plan->family[family].addresses,
			&plan->family[family].permitted, family, visit);
		visit_denied(nft, plan->family[family].refused, &plan->family[family].denied,
			family, visit);
	}
}
