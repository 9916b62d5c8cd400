/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/lint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "rules/codes.h"
#include "rules/decide.h"
#include "rules/host.h"
#include "rules/idle.h"
#include "rules/lint-records.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/ports.h"
#include "rules/ranges.h"
#include "rules/suffix.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * A row for each thing to look at: hosts, ranges, patterns, entries and layers each have theirs.
 * Lists come from elsewhere: what they have is judged line by line, and told once for each list.
 *
 * How much could leave through a wildcard in an hour is what the resolver's guard lets through
 * (resolver/guard.c): of names asked the rate of bytes, and a full bucket of them, 8 bits each. A
 * question takes no fewer bytes than it can tell, repeated ones included, so nothing of what is
 * asked is left out: which names, which types, in which order. When each is asked is, and what the
 * cache answers tells nobody. The rate of queries is another bound, each of which tells as much as
 * the longest name under the wildcard; and so is a ceiling of different names that refuses: what is
 * not the first question for a name tells one of these, and a type. What answers bring back is
 * bounded by their bytes alone.
 */

enum {
	NAME_BYTES = 253, /* of a name as text */
	LABEL_BYTES = 63,
	AGAIN_BYTES = 2, /* of a name that was asked in the same minute: resolver/guard.c */
	SHORT_IP4 = 16,  /* a prefix shorter than this is what whole providers have */
	SHORT_IP6 = 32,
	DOH_SHOWN = 3, /* findings for one entry */
	MORE_TEXT = 64,
};

struct linter {
	struct arena *arena;
	const struct compiled *compiled;
	struct diag *diag;
	size_t layer; /* the one being looked at */
};

static const struct layer *layer_of(const struct linter *linter)
{
	return &linter->compiled->layers->layers[linter->layer];
}

static bool is_permitted(enum verdict verdict)
{
	return verdict == VERDICT_PERMIT || verdict == VERDICT_FLAG;
}

/* --- Hosts --- */

/* Says of the first of some lines of a list that the others are such as well. */
static const char *and_more(size_t count, char out[MORE_TEXT])
{
	*out = '\0';
	if (count > 1)
		snprintf(out, MORE_TEXT, ", and so %s %zu further line%s of the list",
			count > 2 ? "are" : "is", count - 1, count > 2 ? "s" : "");
	return out;
}

/* `count`: of a list, how many of its lines are such. */
static void warn_of_suffix(
	struct linter *linter, const struct host *host, enum suffix_kind kind, size_t count)
{
	struct name suffix = host_suffix(host->kind, host->wire, host->length);
	char text[NAME_TEXT], wild[NAME_TEXT], more[MORE_TEXT];

	host_to_text(host->kind, host->wire, host->length, wild);
	if (kind == SUFFIX_PUBLIC)
		diag_warning(linter->diag, CODE_LINT_BROAD, host->place,
			"'%s' is every name that anybody registers under %s%s", wild,
			name_to_text(&suffix, text), and_more(count, more));
	if (kind == SUFFIX_SHARED)
		diag_warning(linter->diag, CODE_LINT_SHARED, host->place,
			"'%s' is a relay%s: names under %s are given to anybody who asks", wild,
			and_more(count, more), name_to_text(&suffix, text));
}

static void check_suffix(
	struct linter *linter, const struct layer_entry *entry, const struct host *host)
{
	struct name suffix = host_suffix(host->kind, host->wire, host->length);

	if (host->kind != HOST_EXACT && is_permitted(entry->verdict))
		warn_of_suffix(linter, host, suffix_find(&suffix), 1);
}

/* Names that content networks let their customers' names point to. Facts from the vendors' public
 * documentation, 2026-11. */
static const char *const alias_targets[] = {
	"akadns.net",
	"akamai.net",
	"akamaiedge.net",
	"akamaihd.net",
	"akamaized.net",
	"azurefd.net",
	"cdn.cloudflare.net",
	"cloudfront.net",
	"edgekey.net",
	"edgesuite.net",
	"elb.amazonaws.com",
	"fastly.net",
	"fastlylb.net",
	"ghs.googlehosted.com",
	"llnwd.net",
	"trafficmanager.net",
};

static void check_alias(
	struct linter *linter, const struct layer_entry *entry, const struct host *host)
{
	struct name suffix = host_suffix(host->kind, host->wire, host->length), target;
	char text[NAME_TEXT];

	if (!is_permitted(entry->verdict))
		return;
	for (size_t i = 0; i < sizeof(alias_targets) / sizeof(alias_targets[0]); i++) {
		if (name_from_text(text_of(alias_targets[i]), &target) < 0 ||
			!name_is_below(&suffix, &target))
			continue;
		diag_warning(linter->diag, CODE_LINT_ALIAS, host->place,
			"'%s' is what other names point to: the target of an alias needs no entry, "
			"and this one opens it for whoever is behind it",
			host_to_text(host->kind, host->wire, host->length, text));
		return;
	}
}

/* The most bytes that a wildcard leaves to whoever asks. */
static unsigned free_bytes(const struct host *host)
{
	unsigned fixed = 0, most = 0, length = host->length;

	if (host->kind == HOST_ONE_LABEL)
		most = LABEL_BYTES;
	else if (host->kind == HOST_ANY_DEPTH)
		most = NAME_BYTES;
	for (const uint8_t *label = host->wire; host->kind == HOST_GLOB && label[0] != 0;
		label += 1 + label[0]) {
		unsigned stars = 0;

		for (unsigned i = 1; i <= label[0]; i++)
			stars += label[i] == '*';
		fixed += label[0] - stars;
		if (label[0] == 2 && stars == 2)
			most = NAME_BYTES;
		else if (stars > 0)
			most += LABEL_BYTES - (label[0] - stars);
	}
	if (host->kind == HOST_GLOB)
		length = fixed;
	return most < NAME_BYTES - length ? most : NAME_BYTES - length;
}

/* The most that a rate lets through in an hour, which begins with a full bucket; 0: any number. */
static uint64_t in_an_hour(const struct rate *rate)
{
	uint64_t hour = (uint64_t)rate->count * 3600;

	if (rate->count == 0)
		return 0;
	return rate->count + hour / rate->seconds + (hour % rate->seconds > 0);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return a < b ? a : b;
}

/* Bits that tell one of so many apart. */
static unsigned bits_of(uint64_t choices)
{
	unsigned bits = 0;

	while (bits < 63 && UINT64_C(1) << bits < choices)
		bits++;
	return bits;
}

/* Bits that may leave in an hour through a wildcard which leaves `bytes` to whoever asks; 0: any
 * number. */
static uint64_t bits_out(
	const struct linter *linter, const struct layer_entry *entry, unsigned bytes)
{
	const struct layers *layers = linter->compiled->layers;
	uint64_t spent = in_an_hour(&entry->wildcard_bytes);
	uint64_t queries = in_an_hour(&layers->limits.queries), question = 8 * (bytes + 1ULL);
	uint64_t again = lower(queries, spent / AGAIN_BYTES);
	uint64_t names = lower(entry->entry->wildcard_names, layers->budget.wildcard_names);
	uint64_t most = lower(8 * spent, queries * question);

	if (!layers->budget.refuse || names == 0 || again == 0)
		return most;
	return lower(
		most, names * question +
			      again * bits_of(names * linter->compiled->plan->policy->dns.n_types));
}

/* What is under one of the wildcards: `each` where every domain has a budget of its own. */
static void warn_of_room(struct linter *linter, const struct layer_entry *entry, struct place place,
	const char *what, unsigned bytes, bool each)
{
	uint64_t out = bits_out(linter, entry, bytes);
	uint64_t in = 8 * in_an_hour(&entry->wildcard_answer_bytes);

	if (out == 0 || in == 0) /* an override's: the base has bounds */
		return;
	diag_warning(linter->diag, CODE_LINT_WILDCARD, place,
		"%s lets at most %llu bits leave in an hour, and %llu come back%s; when each "
		"question is asked is not counted",
		what, (unsigned long long)out, (unsigned long long)in,
		each ? ", for each domain registered below it" : "");
}

static void check_room(
	struct linter *linter, const struct layer_entry *entry, const struct host *host)
{
	struct name suffix = host_suffix(host->kind, host->wire, host->length);
	char text[NAME_TEXT], what[NAME_TEXT + 2];

	if (host->kind == HOST_EXACT || !is_permitted(entry->verdict))
		return;
	host_to_text(host->kind, host->wire, host->length, text);
	snprintf(what, sizeof(what), "'%s'", text);
	warn_of_room(linter, entry, host->place, what, free_bytes(host), suffix_is_public(&suffix));
}

static void (*const host_checks[])(
	struct linter *linter, const struct layer_entry *entry, const struct host *host) = {
	check_suffix,
	check_alias,
	check_room,
};

/* --- Addresses and patterns --- */

/* Whether there is none before it and none behind. */
static bool is_everything(const struct range *range)
{
	struct inaddr beyond;

	return !inaddr_previous(&range->first, &beyond) && !inaddr_next(&range->last, &beyond);
}

static unsigned shortest_of(const struct range *range)
{
	return inaddr_is_ip4(&range->first) ? SHORT_IP4 : SHORT_IP6;
}

/* CODE_LINT_PREFIX, CODE_LINT_EVERYTHING, or 0. */
static unsigned width_code(const struct range *range)
{
	if (!range_is_wider(range, shortest_of(range)))
		return 0;
	return is_everything(range) ? CODE_LINT_EVERYTHING : CODE_LINT_PREFIX;
}

/* `count`: of a list, how many of its lines are such. */
static void warn_of_width(
	struct linter *linter, const struct range *range, struct place place, size_t count)
{
	unsigned code = width_code(range);
	char text[INADDR_TEXT], more[MORE_TEXT];

	range_to_text(range, text);
	and_more(count, more);
	if (code == CODE_LINT_EVERYTHING)
		diag_warning(linter->diag, code, place,
			"%s is every address there is, but for blocked classes%s", text, more);
	if (code == CODE_LINT_PREFIX)
		diag_warning(linter->diag, code, place,
			"%s is more than a /%u%s: is all of it meant?", text, shortest_of(range),
			more);
}

static void check_range(
	struct linter *linter, const struct layer_entry *entry, const struct address_range *address)
{
	if (is_permitted(entry->verdict))
		warn_of_width(linter, &address->range, address->place, 1);
}

static void check_pattern(
	struct linter *linter, const struct layer_entry *entry, const struct pattern *pattern)
{
	struct place place = pattern_place(pattern);

	if (!is_permitted(entry->verdict))
		return;
	if (!pattern_is_anchored(pattern))
		diag_warning(linter->diag, CODE_LINT_PATTERN, place,
			"the pattern matches anywhere in a name: '^' in front and '$' at the end "
			"would "
			"hold it to the whole");
	warn_of_room(linter, entry, place, "the pattern", NAME_BYTES, true);
}

/* --- Entries --- */

static bool has_port(const struct entry *entry, uint16_t port)
{
	for (size_t i = 0; i < entry->n_ports; i++)
		if (entry->ports[i].protocol == PROTOCOL_TCP && entry->ports[i].first <= port &&
			entry->ports[i].last >= port)
			return true;
	return false;
}

static void check_http(struct linter *linter, const struct layer_entry *entry)
{
	static const uint16_t http_ports[] = {80, 8080};

	if (!is_permitted(entry->verdict) || entry->entry->profile)
		return;
	for (size_t i = 0; i < sizeof(http_ports) / sizeof(http_ports[0]); i++) {
		if (!has_port(entry->entry, http_ports[i]))
			continue;
		diag_warning(linter->diag, CODE_LINT_HTTP, entry->entry->place,
			"%s opens tcp/%u: what goes there can be read and changed on the way, and "
			"a "
			"Host header can name another site behind the address",
			entry->id, http_ports[i]);
		return;
	}
}

/* --- Lists --- */

static struct place line_of(const struct list *list, uint32_t line)
{
	return (struct place){.file = list->file, .line = line};
}

/* Wildcards of a list, by one finding for each kind of suffix, and one for what leaves by them. */
static void check_listed_names(
	struct linter *linter, const struct layer_entry *entry, const struct list *list)
{
	struct host firsts[SUFFIX_SHARED + 1] = {{0}};
	size_t counts[SUFFIX_SHARED + 1] = {0}, at = 0, n_wild = 0;
	struct list_name name = {0};
	char what[64];

	while (list_next(list, &at, &name)) {
		struct name suffix = host_suffix(name.kind, name.wire, name.length);
		enum suffix_kind kind;

		if (name.kind == HOST_EXACT)
			continue;
		n_wild++;
		kind = suffix_find(&suffix);
		if (counts[kind]++ == 0)
			firsts[kind] = (struct host){
				name.kind, name.length, name.wire, line_of(list, name.line)};
	}
	for (enum suffix_kind kind = SUFFIX_PUBLIC; kind <= SUFFIX_SHARED; kind++)
		if (counts[kind] > 0)
			warn_of_suffix(linter, &firsts[kind], kind, counts[kind]);
	snprintf(what, sizeof(what), "each of %zu wildcards of the list", n_wild);
	if (n_wild > 0)
		warn_of_room(linter, entry, list->place, what, NAME_BYTES, true);
}

/* Its ranges, by one finding for those that are everything and one for others that are wide. */
static void check_listed_ranges(struct linter *linter, const struct list *list)
{
	static const unsigned codes[] = {CODE_LINT_EVERYTHING, CODE_LINT_PREFIX};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct list_range *first = NULL;
		size_t count = 0;

		for (size_t j = 0; j < list->n_ranges; j++) {
			const struct list_range *it = &list->ranges[j];

			if (width_code(&it->range) != codes[i])
				continue;
			first = first ? first : it;
			count++;
		}
		if (first)
			warn_of_width(linter, &first->range, line_of(list, first->line), count);
	}
}

static void check_lists(struct linter *linter, const struct layer_entry *entry)
{
	for (size_t i = 0; i < entry->entry->n_lists && is_permitted(entry->verdict); i++) {
		check_listed_names(linter, entry, entry->entry->lists[i]);
		check_listed_ranges(linter, entry->entry->lists[i]);
	}
}

static void (*const entry_checks[])(struct linter *linter, const struct layer_entry *entry) = {
	check_http,
	check_lists,
};

static void check_entry(struct linter *linter, const struct layer_entry *entry)
{
	const struct entry *written = entry->entry;

	for (size_t i = 0; i < sizeof(entry_checks) / sizeof(entry_checks[0]); i++)
		entry_checks[i](linter, entry);
	for (size_t i = 0; i < written->n_hosts; i++)
		for (size_t j = 0; j < sizeof(host_checks) / sizeof(host_checks[0]); j++)
			host_checks[j](linter, entry, &written->hosts[i]);
	for (size_t i = 0; i < written->n_addresses; i++)
		check_range(linter, entry, &written->addresses[i]);
	for (size_t i = 0; i < written->n_patterns; i++)
		check_pattern(linter, entry, written->patterns[i]);
}

/* --- Layers --- */

static const char *idle_by(const struct linter *linter, const struct idle *idle)
{
	if (idle->by.entry)
		return arena_printf(linter->arena, "%s (%s:%u)", idle->by.entry->id,
			idle->by.place.file, idle->by.place.line);
	return idle->by.kind == FOUND_CLASS ? class_rule(idle->by.class)
					    : "what holds for all that nothing matches";
}

static int note_idle(void *context, const struct idle *idle)
{
	struct linter *linter = context;
	const char *by = idle_by(linter, idle);

	if (!by)
		return -ENOMEM;
	if (idle->entry->entry->profile)
		return 0;
	if (idle->reason == IDLE_SHADOWED)
		diag_warning(linter->diag, CODE_LINT_SHADOWED, idle->place,
			"'%s' never decides: %s always comes first", idle->text, by);
	else if (idle->reason == IDLE_REDUNDANT)
		diag_warning(linter->diag, CODE_LINT_DEAD, idle->place,
			"'%s' changes nothing: %s says the same", idle->text, by);
	else
		diag_warning(linter->diag, CODE_LINT_NO_EFFECT, idle->place,
			"'%s' changes nothing: the other layers refuse it anyway", idle->text);
	return 0;
}

static void check_thresholds(struct linter *linter)
{
	const struct layer *layer = layer_of(linter);
	const struct policy *policy = layer->policy;
	const struct place place = {.file = policy->file};

	if (is_permitted(layer->class_verdict) && layer->block != 0)
		diag_warning(linter->diag, CODE_LINT_THRESHOLD, place,
			"refuse_at is above %.1f: blocked classes, and deny entries without a "
			"score "
			"of their own, refuse nothing",
			LAYERS_DENY_SCORE);
	if (linter->layer == 0 && !policy->denylist && is_permitted(layer->unknown))
		diag_warning(linter->diag, CODE_LINT_THRESHOLD, place,
			"an allowlist whose unknown destinations are permitted: their score is "
			"%.1f, "
			"and refuse_at %.1f",
			layer->unknown_score, policy->score.refuse_at);
}

static bool ends_with(const char *string, const char *end)
{
	size_t length = strlen(string), more = strlen(end);

	return length >= more && strcmp(string + length - more, end) == 0;
}

static void check_cgroups(struct linter *linter)
{
	const struct policy *policy = layer_of(linter)->policy;

	for (size_t i = 0; i < policy->scope.n_cgroups; i++) {
		const char *path = policy->scope.cgroups[i];

		if (!ends_with(path, ".service") && !ends_with(path, ".scope"))
			continue;
		diag_warning(linter->diag, CODE_LINT_CGROUP, policy->scope_place,
			"control group %s is made anew when its unit starts, and the new one is "
			"out "
			"of scope until the ruleset is loaded again: a slice stays",
			path);
	}
}

/* Record types whose content is anybody's choice, beside names and addresses. */
static const struct {
	uint16_t type;
	const char *name;
} data_types[] = {
	{13, "HINFO"},
	{16, "TXT"},
	{29, "LOC"},
	{35, "NAPTR"},
	{37, "CERT"},
	{43, "DS"},
	{44, "SSHFP"},
	{48, "DNSKEY"},
	{52, "TLSA"},
	{53, "SMIMEA"},
	{61, "OPENPGPKEY"},
	{99, "SPF"},
	{256, "URI"},
	{257, "CAA"},
};

static void check_types(struct linter *linter)
{
	const struct dns_policy *dns = &layer_of(linter)->policy->dns;

	for (size_t i = 0; i < dns->n_types; i++)
		for (size_t j = 0; j < sizeof(data_types) / sizeof(data_types[0]); j++)
			if (dns->types[i] == data_types[j].type)
				diag_warning(linter->diag, CODE_LINT_TYPE,
					layer_of(linter)->policy->dns_place,
					"records of type %s bring any data in, of every name that "
					"is permitted",
					data_types[j].name);
}

/* What no entry of the base matches, in one direction or in both, where nothing bounds it. */
static void warn_of_channel(struct linter *linter, bool out, bool in)
{
	const char *what = out && in ? "what leaves in questions and what comes back"
			   : out     ? "what leaves in questions"
				     : "what comes back in answers";
	const char *keys = out && in ? "wildcard_bytes and wildcard_answer_bytes"
			   : out     ? "wildcard_bytes"
				     : "wildcard_answer_bytes";

	diag_warning(linter->diag, CODE_LINT_CHANNEL,
		(struct place){.file = layer_of(linter)->policy->file},
		"DNS is an open channel: of names that no entry matches nothing bounds %s; %s in "
		"[limits] would",
		what, keys);
}

/* Names that nothing matches are as those of a wildcard over everything. */
static void check_unknown(struct linter *linter)
{
	static const struct entry written;
	const struct layers *layers = linter->compiled->layers;
	const struct layer_entry unknown = {.entry = &written,
		.wildcard_bytes = layers->unknown_bytes,
		.wildcard_answer_bytes = layers->unknown_answer_bytes};
	bool out = layers->unknown_bytes.count == 0 && layers->limits.queries.count == 0;
	bool in = layers->unknown_answer_bytes.count == 0;

	if (linter->layer > 0 || layer_of(linter)->unknown == VERDICT_REFUSE)
		return;
	if (out || in)
		warn_of_channel(linter, out, in);
	warn_of_room(linter, &unknown, (struct place){.file = layer_of(linter)->policy->file},
		layers_unknown(layers) == VERDICT_REFUSE ? "what no entry of the base matches"
							 : "what no entry matches",
		NAME_BYTES, true);
}

static void (*const layer_checks[])(struct linter *linter) = {
	check_thresholds,
	check_cgroups,
	check_types,
	check_unknown,
};

/* --- DNS over HTTPS --- */

static const char doh_advice[] = "a public DNS-over-HTTPS server: whoever reaches it resolves any "
				 "name, and can tell it anything";

/* Tells of the first group in which an entry of the layer that has not been told of too often
 * permits the name. False: none permits it. */
static bool note_doh_name(struct linter *linter, const struct layer *layer,
	const struct match_result *result, const struct name *name, unsigned *shown)
{
	size_t index = (size_t)(layer - linter->compiled->layers->layers);
	bool permits = false;
	char text[NAME_TEXT];

	for (unsigned group = 0; group < result->n_groups; group++) {
		uint32_t winner = result->groups[group].winner[index];

		if (winner == MATCH_NONE || !is_permitted(result->groups[group].verdict))
			continue;
		permits = true;
		if (shown[winner] >= DOH_SHOWN)
			continue;
		shown[winner]++;
		diag_warning(linter->diag, CODE_LINT_DOH, layer->entries[winner].entry->place,
			"%s permits %s, %s", layer->entries[winner].id, name_to_text(name, text),
			doh_advice);
		return true;
	}
	return permits;
}

/* By the first layer that names it. `shown` is of the entries of all layers. */
static void check_doh_name(struct linter *linter, const struct list_name *listed, unsigned *shown)
{
	const struct layers *layers = linter->compiled->layers;
	struct match_result result;
	struct name name = {.length = listed->length};

	memcpy(name.wire, listed->wire, listed->length);
	if (listed->kind != HOST_EXACT || !match_name(linter->compiled->match, &name, &result))
		return;
	for (size_t i = 0; i < layers->n_layers; i++) {
		if (note_doh_name(linter, &layers->layers[i], &result, &name, shown))
			return;
		shown += layers->layers[i].n_entries;
	}
}

static void check_doh_range(struct linter *linter, const struct range *range, unsigned *shown)
{
	const struct plan *plan = linter->compiled->plan;
	char text[INADDR_TEXT];

	for (unsigned group = 0; group < plan->n_groups; group++) {
		struct decision decision = decide(plan, group, &range->first);
		const struct plan_rule *rule;

		if (!is_permitted(decision.verdict))
			continue;
		rule = &plan->rules[decision.index];
		if (!rule->entry || shown[decision.index] >= DOH_SHOWN)
			return;
		shown[decision.index]++;
		diag_warning(linter->diag, CODE_LINT_DOH, rule->place, "%s permits %s, %s",
			rule->id, range_to_text(range, text), doh_advice);
		return;
	}
}

/* The list's path, or NULL when it is nowhere. */
static const char *find_doh_list(struct arena *arena, const char *const *dirs, size_t n_dirs)
{
	for (size_t i = 0; i <= n_dirs; i++) {
		const char *path = arena_printf(
			arena, "%s/doh.txt", i < n_dirs ? dirs[i] : EGRESS_PROFILE_DIR);

		if (path && access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

/* Of all layers. */
static size_t count_entries(const struct linter *linter)
{
	const struct layers *layers = linter->compiled->layers;
	size_t count = 0;

	for (size_t i = 0; i < layers->n_layers; i++)
		count += layers->layers[i].n_entries;
	return count;
}

static int check_doh(struct linter *linter, const char *const *dirs, size_t n_dirs)
{
	const char *path = find_doh_list(linter->arena, dirs, n_dirs);
	const struct plan *plan = linter->compiled->plan;
	unsigned *by_name = arena_array(linter->arena, count_entries(linter) + 1, sizeof(*by_name));
	unsigned *by_range = arena_array(linter->arena, plan->n_rules + 1, sizeof(*by_range));
	const struct place place = {.file = plan->policy->file};
	struct list_name name = {0};
	struct list *list;
	size_t at = 0;
	int error;

	if (!by_name || !by_range)
		return -ENOMEM;
	if (!path) {
		diag_warning(linter->diag, CODE_LINT_DOH, place,
			"doh.txt is not among the profiles: not looked for DNS-over-HTTPS servers; "
			"--profile-dir takes their folder");
		return 0;
	}
	error = list_load(linter->arena, path, text_of("doh.txt"), place, linter->diag, &list);
	if (error < 0)
		return error == -EINVAL ? 0 : error;
	while (list_next(list, &at, &name))
		check_doh_name(linter, &name, by_name);
	for (size_t i = 0; i < list->n_ranges; i++)
		check_doh_range(linter, &list->ranges[i].range, by_range);
	return 0;
}

/* --- */

static int check_layer(struct linter *linter)
{
	for (size_t i = 0; i < sizeof(layer_checks) / sizeof(layer_checks[0]); i++)
		layer_checks[i](linter);
	lint_records(linter->compiled, linter->layer, linter->diag);
	for (size_t i = 0; i < layer_of(linter)->n_entries; i++)
		check_entry(linter, &layer_of(linter)->entries[i]);
	return idle_find(linter->compiled->layers, linter->layer, note_idle, linter);
}

int lint(struct arena *arena, const struct compiled *compiled, const char *const *profile_dirs,
	size_t n_profile_dirs, struct diag *diag)
{
	struct linter linter = {.arena = arena, .compiled = compiled, .diag = diag};
	int error = 0;

	for (; linter.layer < compiled->layers->n_layers && error == 0; linter.layer++)
		error = check_layer(&linter);
	return error < 0 ? error : check_doh(&linter, profile_dirs, n_profile_dirs);
}
