/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-drift.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rules/entry-text.h"
#include "rules/host.h"
#include "rules/judge.h"
#include "rules/ports.h"
#include "src/audit/advice.h"
#include "src/audit/rendering.h"
#include "src/base/arena.h"
#include "src/learn-logs.h"

/*
 * Theory of operation
 *
 * The policy is asked anew about each destination that was reached, was looked up, or was refused:
 * ids in records are those of the policy of then, and entries may have moved since. What it permits
 * marks the entry, the host of it that matched, and the port; what is left unmarked at the end was
 * not used. A profile is one thing: its entries are nobody's to trim, so it is unused only as a
 * whole. What a lookup alone was permitted by says nothing about ports.
 */

enum { ADDRESSES_MAX = 64 };

/* The ports of a range that were used, first to last. */
struct span {
	bool used;
	uint16_t low, high;
};

/* What of an entry was used. */
struct use {
	const struct entry *entry;
	bool used;
	bool connected; /* so that its ports are known */
	bool *hosts;    /* of each of its hosts */
	bool *addresses;
	struct span *ports; /* of each of its ranges */
};

struct work {
	struct arena *arena;
	const struct layers *layers;
	const struct digest *digest;
	uint64_t times;   /* so often refused is repeatedly */
	struct use *uses; /* of the base's entries in force */
	size_t n_uses;
	struct drifts *drifts;
	size_t room;
};

/* --- Uses --- */

static int make_uses(struct work *work)
{
	const struct layer *base = &work->layers->layers[0];

	work->uses = arena_array(work->arena, base->n_entries + 1, sizeof(*work->uses));
	for (size_t i = 0; i < base->n_entries && work->uses; i++) {
		const struct entry *entry = base->entries[i].entry;
		struct use *use = &work->uses[work->n_uses++];

		*use = (struct use){
			.entry = entry,
			.hosts = arena_array(work->arena, entry->n_hosts + 1, sizeof(bool)),
			.addresses = arena_array(work->arena, entry->n_addresses + 1, sizeof(bool)),
			.ports = arena_array(work->arena, entry->n_ports + 1, sizeof(struct span)),
		};
		if (!use->hosts || !use->addresses || !use->ports)
			return -ENOMEM;
	}
	return work->uses ? 0 : -ENOMEM;
}

static void mark_port(struct use *use, enum protocol protocol, uint16_t port)
{
	for (size_t i = 0; i < use->entry->n_ports; i++) {
		struct span *span = &use->ports[i];

		if (!ports_have(&use->entry->ports[i], 1, protocol, port))
			continue;
		span->low = span->used && span->low < port ? span->low : port;
		span->high = span->used && span->high > port ? span->high : port;
		span->used = true;
	}
}

/* Marks what of the entry the finding is. */
static void mark(struct work *work, const struct finding *finding, enum protocol protocol, int port,
	bool connected)
{
	struct use *use = NULL;

	for (size_t i = 0; i < work->n_uses && finding->entry; i++)
		if (work->uses[i].entry == finding->entry->entry)
			use = &work->uses[i];
	if (!use)
		return;
	use->used = true;
	use->connected |= connected;
	for (size_t i = 0; i < use->entry->n_hosts; i++)
		use->hosts[i] |= finding->kind == FOUND_HOST &&
				 finding->host.wire == use->entry->hosts[i].wire;
	for (size_t i = 0; i < use->entry->n_addresses; i++)
		use->addresses[i] |=
			finding->kind == FOUND_ADDRESS &&
			range_contains(&use->entry->addresses[i].range, &finding->range.first);
	if (connected)
		mark_port(use, protocol, (uint16_t)(port > 0 ? port : 0));
}

static bool read_protocol(const char *word, enum protocol *ret_protocol)
{
	if (strcmp(word, "tcp") == 0)
		*ret_protocol = PROTOCOL_TCP;
	else if (strcmp(word, "udp") == 0)
		*ret_protocol = PROTOCOL_UDP;
	else if (strncmp(word, "icmp", 4) == 0)
		*ret_protocol = PROTOCOL_ICMP_ECHO;
	else
		return false;
	return true;
}

/* What the policy says of the name that was only looked up: of the first port that it is permitted
 * on. */
static void judge_name(struct work *work, struct question *question, struct judgement *ret)
{
	question->port = 443;
	judge(work->layers, question, ret);
	for (size_t i = 0; i < work->n_uses && ret->verdict == VERDICT_REFUSE; i++)
		for (size_t j = 0; j < work->uses[i].entry->n_ports; j++) {
			question->protocol = work->uses[i].entry->ports[j].protocol;
			question->port = work->uses[i].entry->ports[j].first;
			judge(work->layers, question, ret);
			if (ret->verdict != VERDICT_REFUSE)
				return;
		}
}

/* The same, once more, with the addresses that the name had: it may be one of these that is
 * refused. */
static void judge_addresses(struct work *work, const struct digest_row *row,
	const struct question *question, struct judgement *ret)
{
	struct inaddr addresses[ADDRESSES_MAX];
	size_t count = digest_addresses(work->digest, row->name, ADDRESSES_MAX, addresses);

	for (size_t i = 0; i < count && ret->verdict < VERDICT_OBSERVE; i++) {
		struct question with = *question;

		with.address = &addresses[i];
		judge(work->layers, &with, ret);
	}
}

/* What the policy says of the row now. False: it can't be asked about. */
static bool judge_row(struct work *work, const struct digest_row *row, struct judgement *ret)
{
	bool was_refused = row->outcome == DIGEST_REFUSED || row->outcome == DIGEST_OBSERVED;
	struct question question = {
		.protocol = PROTOCOL_TCP, .port = (uint16_t)(row->port > 0 ? row->port : 0)};
	struct name name;

	if (*row->name != '\0') {
		if (name_from_text(text_of(row->name), &name) < 0)
			return false;
		question.name = &name;
	} else if (row->has_address) {
		question.address = &row->address;
	} else {
		return false;
	}
	if (row->asked) {
		judge_name(work, &question, ret);
		return true;
	}
	if (!read_protocol(row->protocol, &question.protocol))
		return false;
	judge(work->layers, &question, ret);
	if (question.name && was_refused)
		judge_addresses(work, row, &question, ret);
	return true;
}

/* --- Findings --- */

static int add(struct work *work, struct drift drift)
{
	if (!drift.rule || !drift.what || !drift.message)
		return -ENOMEM;
	if (work->drifts->count == work->room) {
		size_t room = 2 * work->room + 64;
		struct drift *more = reallocarray(work->drifts->rows, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		work->drifts->rows = more;
		work->room = room;
	}
	work->drifts->rows[work->drifts->count++] = drift;
	return 0;
}

static int take_row(struct work *work, const struct digest_row *row)
{
	struct judgement judgement;
	char rule[RULE_ID_MAX], port[RENDERING_PORT], where[RENDERING_WHERE];
	enum protocol protocol = PROTOCOL_TCP;
	const char *what;

	if (!judge_row(work, row, &judgement))
		return 0;
	if (judgement.verdict < VERDICT_OBSERVE) {
		(void)read_protocol(row->protocol, &protocol);
		mark(work, &judgement.layers[0], protocol, row->port, !row->asked);
		return 0;
	}
	if (row->outcome == DIGEST_NAMED || row->times < work->times)
		return 0;
	judgement_rule(work->layers, &judgement, rule);
	what = arena_printf(work->arena, "%s%s%s", rendering_where(row, where),
		row->asked ? "" : " ", row->asked ? "" : rendering_port(row, port));
	return add(work, (struct drift){
				 .kind = DRIFT_REFUSED,
				 .rule = arena_printf(work->arena, "%s", rule),
				 .what = what,
				 .message = arena_printf(work->arena,
					 "%s was refused %" PRIu64 " times, by %s",
					 what ? what : "", row->times, rule),
				 .times = row->times,
			 });
}

static int say_unused(
	struct work *work, const struct use *use, struct place place, const char *what)
{
	return add(
		work, (struct drift){
			      .kind = DRIFT_UNUSED,
			      .place = place,
			      .rule = use->entry->id,
			      .what = what,
			      .message = what ? arena_printf(work->arena, "%s was never used (%s)",
							what, use->entry->id)
					      : NULL,
		      });
}

/* A range of ports of an entry, if it is wider than what was used. */
static int check_ports(struct work *work, const struct use *use, size_t index)
{
	const struct port_range *range = &use->entry->ports[index];
	const struct span *span = &use->ports[index];
	struct port_range used = {range->protocol, span->low, span->high};
	char text[PORTS_TEXT], narrow[PORTS_TEXT];
	const char *message;

	if (span->used && span->low == range->first && span->high == range->last)
		return 0;
	port_range_to_text(range, text);
	if (span->used)
		message = arena_printf(work->arena, "of %s, %s used only %s", text, use->entry->id,
			port_range_to_text(&used, narrow));
	else
		message = arena_printf(work->arena, "nothing used %s of %s", text, use->entry->id);
	return add(work, (struct drift){
				 .kind = DRIFT_PORTS,
				 .place = use->entry->place,
				 .rule = use->entry->id,
				 .what = arena_printf(work->arena, "%s", text),
				 .message = message,
			 });
}

/* What of an entry that was used was not. */
static int check_parts(struct work *work, const struct use *use)
{
	const struct entry *entry = use->entry;
	char text[NAME_TEXT], range[INADDR_TEXT];
	int error = 0;

	for (size_t i = 0; i < entry->n_hosts && !error; i++)
		if (!use->hosts[i])
			error = say_unused(work, use, entry->hosts[i].place,
				arena_printf(work->arena, "%s",
					host_to_text(entry->hosts[i].kind, entry->hosts[i].wire,
						entry->hosts[i].length, text)));
	for (size_t i = 0; i < entry->n_addresses && !error; i++)
		if (!use->addresses[i])
			error = say_unused(work, use, entry->addresses[i].place,
				arena_printf(work->arena, "%s",
					range_to_text(&entry->addresses[i].range, range)));
	for (size_t i = 0; i < entry->n_ports && !error && use->connected; i++)
		error = check_ports(work, use, i);
	return error;
}

/* A profile of which no entry was used; said once, at its first entry. */
static int check_profile(struct work *work, size_t index)
{
	const char *profile = work->uses[index].entry->profile;
	bool used = false;

	for (size_t i = 0; i < work->n_uses; i++) {
		const char *other = work->uses[i].entry->profile;

		if (!other || strcmp(other, profile) != 0)
			continue;
		if (i < index)
			return 0;
		used |= work->uses[i].used;
	}
	if (used)
		return 0;
	return add(work, (struct drift){
				 .kind = DRIFT_UNUSED,
				 .rule = profile,
				 .what = profile,
				 .message = arena_printf(
					 work->arena, "the profile \"%s\" was never used", profile),
			 });
}

static int check_uses(struct work *work)
{
	int error = 0;

	for (size_t i = 0; i < work->n_uses && !error; i++) {
		const struct use *use = &work->uses[i];

		if (use->entry->action != ACTION_ALLOW)
			continue;
		if (use->entry->profile)
			error = check_profile(work, i);
		else if (use->used)
			error = check_parts(work, use);
		else
			error = say_unused(
				work, use, use->entry->place, entry_text(work->arena, use->entry));
	}
	return error;
}

int drift_find(struct arena *arena, const struct layers *layers, const struct digest *digest,
	uint64_t times, struct drifts *drifts, bool *ret_untold)
{
	struct work work = {arena, layers, digest, times, .drifts = drifts};
	struct learn_rows permitted = {NULL, 0}, refused = {NULL, 0};
	int error = make_uses(&work);

	if (!error)
		error = learn_rows(digest,
			1u << DIGEST_REACHED | 1u << DIGEST_NAMED | 1u << DIGEST_OBSERVED,
			&permitted);
	if (!error)
		error = learn_rows(digest, 1u << DIGEST_REFUSED, &refused);
	for (size_t i = 0; i < permitted.count && !error; i++)
		error = take_row(&work, permitted.rows[i]);
	/* What is refused marks nothing, but for what the policy permits by now. */
	for (size_t i = 0; i < refused.count && !error; i++)
		error = take_row(&work, refused.rows[i]);
	if (!error && permitted.count > 0)
		error = check_uses(&work);
	if (!error)
		*ret_untold = permitted.count == 0;
	free(permitted.rows);
	free(refused.rows);
	return error;
}
