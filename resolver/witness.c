/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/witness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/live-flows.h"
#include "resolver/namering.h"
#include "rules/category.h"
#include "rules/counter-name.h"
#include "rules/decide.h"
#include "src/event/json-out.h"

/*
 * Theory of operation
 *
 * The ruleset's log prefixes are the table's name and a rule id: of what refuses, of a limit, or
 * "flag" or "allow" for what is permitted. What such a packet, and what a flow, is permitted by
 * says the connection mark.
 *
 * Which name led to an address is what the keepers noted of its leases, in the port's group or in
 * another one: so a connection to a port that is refused has the name, too.
 *
 * A flow may outlive its rule: what a policy was replaced by, or what was taken out of it, ends
 * flows, and the kernel tells of their end minutes later. So the rules of earlier policies are
 * remembered by their marks, a bounded number of them.
 *
 * What comes with each record is found in tables that are sorted once. What takes longer, since a
 * name is looked up in lists or held against patterns, is remembered of names asked for lately.
 */

/* What has a rule id. */
struct known {
	const char *id;
	const struct entry *entry; /* NULL: none */
	enum event_verdict refusal;
	bool wild; /* the entry permits names that it doesn't list */
};

/* What was found out of a name that was asked for lately, by a keyed hash of it. */
struct seen {
	uint64_t hash; /* 0: none */
	const char *category;
	bool wild; /* some entry permits it by a pattern */
	bool has_wild;
	bool has_category;
};

enum { SEEN = 2048 };

/* A mark of connections. */
struct marked {
	uint32_t mark;
	const char *rule; /* NULL: several */
	enum event_verdict verdict;
};

struct witness {
	const struct plan *plan;
	const struct layers *layers;
	const struct match *match;
	const struct namering *names;
	const struct categories *categories;
	struct known *known;
	size_t n_known;
	struct marked *marks;
	size_t n_marks;
	char last_rule[EVENT_RULE]; /* that was looked up; "": none */
	const struct known *last_known;
	char last_score[32];                           /* as JSON; "": none */
	uint64_t maps[PLAN_GROUPS_MAX][PLAN_FAMILIES]; /* of leases */
	struct hash_key key;
	struct seen seen[SEEN];
};

/* --- Tables --- */

static int compare_known(const void *a, const void *b)
{
	const struct known *left = a, *right = b;

	return strcmp(left->id, right->id);
}

static int compare_marks(const void *a, const void *b)
{
	const struct marked *left = a, *right = b;

	return left->mark < right->mark ? -1 : left->mark > right->mark;
}

static enum event_verdict refusal_of(const struct layer *layer)
{
	return layer->policy->observe ? EVENT_OBSERVE : EVENT_REFUSE;
}

static int list_known(struct witness *witness)
{
	const struct layers *layers = witness->layers;
	const struct plan *plan = witness->plan;
	size_t count = plan->n_refusals;

	for (size_t i = 0; i < layers->n_layers; i++)
		count += layers->layers[i].n_entries;
	witness->known = calloc(count + 1, sizeof(*witness->known));
	if (!witness->known)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < layers->n_layers; i++)
		for (size_t j = 0; j < layers->layers[i].n_entries; j++) {
			const struct layer_entry *entry = &layers->layers[i].entries[j];

			witness->known[count++] = (struct known){entry->id, entry->entry,
				refusal_of(&layers->layers[i]), entry_has_wildcards(entry->entry)};
		}
	/* Refusals by an entry are among these already. */
	for (size_t i = 0; i < plan->n_refusals; i++)
		witness->known[count++] = (struct known){plan->refusals[i].id, NULL,
			plan->refusals[i].observed ? EVENT_OBSERVE : EVENT_REFUSE, false};
	witness->n_known = count;
	qsort(witness->known, count, sizeof(*witness->known), compare_known);
	return 0;
}

static void add_mark(
	struct witness *witness, uint32_t mark, const char *rule, enum event_verdict verdict)
{
	if (mark != 0)
		witness->marks[witness->n_marks++] = (struct marked){mark, rule, verdict};
}

static void add_past(struct witness *witness, const struct witness_past *past)
{
	size_t n_present = witness->n_marks;

	for (unsigned i = 0; i < WITNESS_PAST; i++)
		if (past[i].mark != 0 &&
			!bsearch(&(struct marked){.mark = past[i].mark}, witness->marks, n_present,
				sizeof(*witness->marks), compare_marks))
			add_mark(witness, past[i].mark, past[i].rule, past[i].verdict);
}

static int list_marks(struct witness *witness, const struct witness_past *past)
{
	const struct plan *plan = witness->plan;

	witness->marks = calloc(2 * plan->n_rules + 1 + WITNESS_PAST, sizeof(*witness->marks));
	if (!witness->marks)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_rules; i++) {
		add_mark(witness, plan->rules[i].mark, plan->rules[i].id, EVENT_PERMIT);
		add_mark(witness, plan->rules[i].flag_mark, plan->rules[i].id, EVENT_FLAG);
	}
	add_mark(witness, plan->observed_mark, NULL, EVENT_OBSERVE);
	qsort(witness->marks, witness->n_marks, sizeof(*witness->marks), compare_marks);
	add_past(witness, past);
	qsort(witness->marks, witness->n_marks, sizeof(*witness->marks), compare_marks);
	return 0;
}

static void note_past(struct witness_past past[WITNESS_PAST], unsigned *at, uint32_t mark,
	const char *rule, enum event_verdict verdict)
{
	struct witness_past *row = &past[*at % WITNESS_PAST];

	if (mark == 0)
		return;
	row->mark = mark;
	row->verdict = verdict;
	snprintf(row->rule, sizeof(row->rule), "%s", rule);
	*at = (*at + 1) % WITNESS_PAST;
}

void witness_note_past(
	const struct plan *plan, struct witness_past past[WITNESS_PAST], unsigned *at)
{
	for (size_t i = 0; i < plan->n_rules; i++) {
		note_past(past, at, plan->rules[i].mark, plan->rules[i].id, EVENT_PERMIT);
		note_past(past, at, plan->rules[i].flag_mark, plan->rules[i].id, EVENT_FLAG);
	}
	note_past(past, at, plan->observed_mark, "", EVENT_OBSERVE);
}

int witness_new(const struct compiled *compiled, const struct namering *names,
	const struct witness_past *past, struct witness **ret_witness)
{
	struct witness *witness = calloc(1, sizeof(*witness));
	const struct plan *plan = compiled->plan;
	int error;

	if (!witness)
		return -ENOMEM;
	witness->plan = plan;
	witness->layers = compiled->layers;
	witness->match = compiled->match;
	witness->names = names;
	witness->categories = compiled->categories;
	for (size_t i = 0; i < plan->n_groups; i++)
		for (unsigned family = 0; family < PLAN_FAMILIES; family++)
			witness->maps[i][family] = namering_map(
				names, plan->table, plan->groups[i].family[family].leases);
	error = hash_key_draw(&witness->key);
	if (!error)
		error = list_known(witness);
	if (!error)
		error = list_marks(witness, past);
	if (error)
		witness_free(witness);
	else
		*ret_witness = witness;
	return error;
}

void witness_free(struct witness *witness)
{
	if (!witness)
		return;
	free(witness->known);
	free(witness->marks);
	free(witness);
}

/* The first of those that have the id: an entry, if there is one. */
static const struct known *find_known(const struct witness *witness, const char *id)
{
	const struct known key = {.id = id};
	const struct known *found =
		bsearch(&key, witness->known, witness->n_known, sizeof(key), compare_known);

	if (!found || found->entry)
		return found;
	for (const struct known *other = found;
		other > witness->known && strcmp(other[-1].id, id) == 0; other--)
		if (other[-1].entry)
			return other - 1;
	for (const struct known *other = found + 1;
		other < witness->known + witness->n_known && strcmp(other->id, id) == 0; other++)
		if (other->entry)
			return other;
	return found;
}

static const struct marked *find_mark(const struct witness *witness, uint32_t mark)
{
	const struct marked key = {.mark = mark};

	return bsearch(&key, witness->marks, witness->n_marks, sizeof(key), compare_marks);
}

/* --- Rules --- */

/* The entry behind "allow-3" and "allow-3:bytes". */
static const struct known *find_entry(const struct witness *witness, const char *rule)
{
	static const char *const limits[] = {
		":connections", ":bytes", ":expired", ":addresses", ":wildcard-names"};
	const struct known *known = find_known(witness, rule);
	char id[EVENT_RULE];
	size_t length = strnlen(rule, sizeof(id) - 1);

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]) && !known; i++) {
		size_t tail = strlen(limits[i]);

		if (length <= tail || strcmp(rule + length - tail, limits[i]) != 0)
			continue;
		memcpy(id, rule, length - tail);
		id[length - tail] = '\0';
		known = find_known(witness, id);
	}
	return known;
}

/* The score that a rule has decided by, if it is one that has: an entry, a class, or what a layer
 * says of what nothing matches. Limits and budgets have none. */
static bool score_of(const struct witness *witness, const char *rule, double *ret_score)
{
	const struct known *known = find_known(witness, rule);

	if (known && known->entry) {
		*ret_score = known->entry->score;
		return true;
	}
	for (size_t i = 0; i < witness->layers->n_layers; i++) {
		const struct layer *layer = &witness->layers->layers[i];
		size_t length = strlen(layer->prefix);
		const char *own = rule + length;

		if (strncmp(rule, layer->prefix, length) != 0)
			continue;
		*ret_score = LAYERS_DENY_SCORE;
		if (strncmp(own, "block-", 6) == 0)
			return true;
		*ret_score = layer->unknown_score;
		if (strcmp(own, PLAN_DEFAULT_DENY) == 0 || strcmp(own, PLAN_DEFAULT_PERMIT) == 0)
			return true;
	}
	return false;
}

/* Records of one rule follow each other mostly. */
static void look_up(struct witness *witness, const char rule[EVENT_RULE])
{
	struct writer out = writer_over(witness->last_score, sizeof(witness->last_score) - 1);
	double score;

	if (strcmp(rule, witness->last_rule) == 0)
		return;
	memcpy(witness->last_rule, rule, EVENT_RULE);
	witness->last_known = find_entry(witness, rule);
	if (score_of(witness, rule, &score))
		json_out_real(&out, score);
	witness->last_score[out.pos] = '\0';
}

/* --- Names asked for --- */

/* What is remembered of the record's name; another one may have had the place. */
static struct seen *seen_of(struct witness *witness, const struct name *name)
{
	uint64_t hash = hash_bytes(&witness->key, name->wire, name->length) | 1;
	struct seen *seen = &witness->seen[hash / 2 % SEEN];

	if (seen->hash != hash)
		*seen = (struct seen){.hash = hash};
	return seen;
}

static const char *category_of(struct witness *witness, const struct name *name)
{
	struct seen *seen;

	if (!witness->categories)
		return NULL;
	seen = seen_of(witness, name);
	if (!seen->has_category)
		seen->category = category_find(witness->categories, name);
	seen->has_category = true;
	return seen->category;
}

static bool is_permitted_by_pattern(const struct witness *witness, const struct name *name)
{
	struct match_result result;

	if (!match_name(witness->match, name, &result))
		return false;
	for (unsigned i = 0; i <= result.n_groups; i++)
		if (result.groups[i].verdict != VERDICT_REFUSE && result.groups[i].wild != 0)
			return true;
	return false;
}

void witness_explain(
	struct witness *witness, const struct event *event, struct event_context *context)
{
	const struct known *known;

	look_up(witness, event->rule);
	known = witness->last_known;
	if (known && known->entry) {
		context->category = known->entry->category;
		context->reason = known->entry->reason;
	}
	if (witness->last_score[0] != '\0')
		context->score = witness->last_score;
	if (!context->category && event->name.length > 0)
		context->category = category_of(witness, &event->name);
}

static bool sets_connections(const struct policy *policy)
{
	return policy->limits.connections.count > 0;
}

static bool sets_destination(const struct policy *policy)
{
	return policy->limits.connections_per_destination.count > 0;
}

static bool sets_bytes(const struct policy *policy)
{
	return policy->limits.bytes > 0;
}

/* Limits of the policy as a whole, which refuse if a layer that enforces sets them. */
static const struct {
	const char *id;
	bool (*is_set)(const struct policy *policy);
} limits[] = {
	{"limit-connections", sets_connections},
	{"limit-destination", sets_destination},
	{"limit-bytes", sets_bytes},
};

static enum event_verdict limit_verdict(
	const struct witness *witness, bool (*is_set)(const struct policy *policy))
{
	for (size_t i = 0; i < witness->layers->n_layers; i++) {
		const struct policy *policy = witness->layers->layers[i].policy;

		if (is_set(policy) && !policy->observe)
			return EVENT_REFUSE;
	}
	return EVENT_OBSERVE;
}

/* What has come of a packet that was logged under an id which is not one of a permitted one. */
static enum event_verdict verdict_of(const struct witness *witness, const char *id)
{
	const struct known *known = find_known(witness, id);

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(id, limits[i].id) == 0)
			return limit_verdict(witness, limits[i].is_set);
	if (strcmp(id, "budget-destinations") == 0)
		return witness->plan->refuses_destinations ? EVENT_REFUSE : EVENT_FLAG;
	if (strcmp(id, "budget-connections") == 0)
		return witness->plan->refuses_connections ? EVENT_REFUSE : EVENT_FLAG;
	if (strcmp(id, "budget-bytes") == 0)
		return witness->plan->refuses_bytes ? EVENT_REFUSE : EVENT_FLAG;
	if (!known)
		known = find_entry(witness, id);
	return known ? known->refusal : EVENT_REFUSE;
}

/* --- Names --- */

static uint32_t name_number(
	const struct witness *witness, size_t group, const struct inaddr *address)
{
	enum plan_family family = inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;

	return namering_assigned(witness->names,
		namering_lease(witness->names, witness->maps[group][family], address));
}

static enum protocol protocol_of(uint8_t protocol)
{
	return protocol == IPPROTO_TCP   ? PROTOCOL_TCP
	       : protocol == IPPROTO_UDP ? PROTOCOL_UDP
					 : PROTOCOL_OTHER;
}

/* The name that led to the address, in the port's own group or another. */
static void set_name(const struct witness *witness, struct event *event)
{
	uint32_t number = 0;
	struct name name;
	unsigned group;

	if (plan_find_group(witness->plan, protocol_of(event->protocol), event->port, &group))
		number = name_number(witness, group, &event->address);
	for (size_t i = 0; i < witness->plan->n_groups && number == 0; i++)
		number = name_number(witness, i, &event->address);
	if (number != 0 && namering_get(witness->names, number, &name))
		event_set_name(event, &name);
}

static bool has_port(uint8_t protocol)
{
	return protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6;
}

/* --- Records --- */

bool witness_read_prefix(const struct witness *witness, const char *prefix, char id[NFLOG_PREFIX])
{
	size_t skip = strlen(witness->plan->table), length;

	if (strncmp(prefix, witness->plan->table, skip) != 0 || prefix[skip] != ' ')
		return false;
	length = strcspn(prefix + skip + 1, " ");
	memcpy(id, prefix + skip + 1, length);
	id[length] = '\0';
	return true;
}

/* The entry that permits the name in the group; NULL: none does. */
static const char *rule_of_name(
	const struct witness *witness, const struct name *name, unsigned group)
{
	struct match_result result;

	if (!match_name(witness->match, name, &result) ||
		result.groups[group].verdict == VERDICT_REFUSE)
		return NULL;
	for (size_t i = 0; i < witness->layers->n_layers; i++)
		if (result.groups[group].winner[i] != MATCH_NONE)
			return witness->layers->layers[i]
				.entries[result.groups[group].winner[i]]
				.id;
	return NULL;
}

static const char *rule_in_spans(
	const struct witness *witness, const struct plan_spans *spans, const struct inaddr *address)
{
	const struct plan_span *span = decide_find_span(spans, address);

	return span ? witness->plan->rules[span->index].id : NULL;
}

/* What permits a destination, in the order of the ruleset's own decision; NULL: not known. */
static const char *rule_of(const struct witness *witness, const struct event *event)
{
	const struct plan *plan = witness->plan;
	enum plan_family family = inaddr_is_ip4(&event->address) ? PLAN_IP4 : PLAN_IP6;
	const char *rule = NULL;
	unsigned group = (unsigned)plan->n_groups;

	if (plan_find_group(plan, protocol_of(event->protocol), event->port, &group))
		rule = rule_in_spans(
			witness, &plan->groups[group].family[family].permitted, &event->address);
	if (!rule && event->name.length > 0)
		rule = rule_of_name(witness, &event->name, group);
	if (!rule)
		rule = rule_in_spans(witness, &plan->family[family].permitted, &event->address);
	if (!rule && (plan->otherwise == VERDICT_PERMIT || plan->otherwise == VERDICT_FLAG))
		rule = plan->rules[plan->otherwise_index].id;
	return rule;
}

/* What permitted it: the mark knows, where the kernel tells it; else what the policy says now. */
static void set_permitted(
	const struct witness *witness, uint32_t mark, const char *id, struct event *event)
{
	const struct marked *marked = mark ? find_mark(witness, mark) : NULL;
	const char *rule = marked ? marked->rule : rule_of(witness, event);

	event->verdict = strcmp(id, "flag") == 0 ? EVENT_FLAG : EVENT_PERMIT;
	if (marked && marked->verdict > event->verdict)
		event->verdict = (uint8_t)marked->verdict;
	event_set_rule(event, rule ? rule : id);
}

bool witness_connection(
	const struct witness *witness, const struct nflog_record *record, struct event *ret_event)
{
	const struct packet *packet = &record->packet;
	char id[NFLOG_PREFIX];

	if (!witness_read_prefix(witness, record->prefix, id))
		return false;
	event_begin(ret_event, EVENT_CONNECTION);
	ret_event->has =
		EVENT_HAS_VERDICT | EVENT_HAS_SOURCE | EVENT_HAS_ADDRESS | EVENT_HAS_PROTOCOL |
		(packet->has_ports ? EVENT_HAS_PORT | EVENT_HAS_SOURCE_PORT : 0) |
		(record->has_user ? EVENT_HAS_USER : 0) | (record->has_group ? EVENT_HAS_GROUP : 0);
	ret_event->source = packet->source;
	ret_event->source_port = packet->source_port;
	ret_event->address = packet->to;
	ret_event->port = packet->port;
	ret_event->protocol = packet->protocol;
	ret_event->user = record->user;
	ret_event->group = record->group;
	set_name(witness, ret_event);
	if (strcmp(id, "flag") == 0 || strcmp(id, "allow") == 0) {
		set_permitted(witness, record->mark, id, ret_event);
	} else {
		ret_event->verdict = (uint8_t)verdict_of(witness, id);
		event_set_rule(ret_event, id);
	}
	return true;
}

bool witness_unrecorded(const struct witness *witness, const char *id, struct event *event)
{
	event->has |= EVENT_HAS_VERDICT;
	if (strcmp(id, COUNTER_FLAG) == 0) {
		event->verdict = EVENT_FLAG;
	} else if (strcmp(id, COUNTER_ALLOW) == 0) {
		event->verdict = EVENT_PERMIT;
	} else {
		event->verdict = (uint8_t)verdict_of(witness, id);
		event_set_rule(event, id);
		return event->verdict != EVENT_FLAG;
	}
	return true;
}

bool witness_is_wild(struct witness *witness, const struct event *event)
{
	struct seen *seen;

	look_up(witness, event->rule);
	if (!witness->last_known || !witness->last_known->wild || event->name.length == 0)
		return false;
	seen = seen_of(witness, &event->name);
	if (!seen->has_wild)
		seen->wild = is_permitted_by_pattern(witness, &event->name);
	seen->has_wild = true;
	return seen->wild;
}

bool witness_beginning(
	const struct witness *witness, const struct conntrack_flow *flow, struct event *ret_event)
{
	if (!witness_flow(witness, flow, true, ret_event))
		return false;
	ret_event->kind = EVENT_CONNECTION;
	ret_event->has &= (uint16_t) ~(EVENT_IS_LIVE | EVENT_HAS_BYTES | EVENT_HAS_DURATION);
	return true;
}

static uint64_t duration_of(const struct conntrack_flow *flow, const struct event *event)
{
	uint64_t end = flow->stopped ? flow->stopped : (uint64_t)event->time * 1000;

	return end > flow->started ? (end - flow->started) / 1000 : 0;
}

bool witness_flow(const struct witness *witness, const struct conntrack_flow *flow, bool live,
	struct event *ret_event)
{
	const struct marked *marked = find_mark(witness, flow->mark);

	if (!marked)
		return false;
	event_begin(ret_event, EVENT_FLOW);
	ret_event->has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS | EVENT_HAS_PROTOCOL |
			 (has_port(flow->protocol) ? EVENT_HAS_PORT : 0) |
			 (flow->has_bytes ? EVENT_HAS_BYTES : 0) |
			 (flow->started ? EVENT_HAS_DURATION : 0) | (live ? EVENT_IS_LIVE : 0);
	ret_event->verdict = (uint8_t)marked->verdict;
	ret_event->address = flow->to;
	ret_event->port = flow->port;
	ret_event->protocol = flow->protocol;
	ret_event->bytes_out = flow->bytes_out;
	ret_event->packets_out = flow->packets_out;
	ret_event->bytes_in = flow->bytes_in;
	ret_event->packets_in = flow->packets_in;
	ret_event->duration = flow->started ? duration_of(flow, ret_event) : 0;
	ret_event->flow = live_flows_number(flow);
	event_set_rule(ret_event, marked->rule);
	set_name(witness, ret_event);
	return true;
}
