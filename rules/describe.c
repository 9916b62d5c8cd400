/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/describe.h"

#include <stdio.h>
#include <string.h>

#include "rules/host.h"
#include "rules/pattern.h"
#include "src/base/text.h"

const char *describe_match(const struct finding *finding, char *out)
{
	switch (finding->kind) {
	case FOUND_HOST:
		return host_to_text(
			finding->host.kind, finding->host.wire, finding->host.length, out);
	case FOUND_PATTERN:
		snprintf(out, DESCRIBE_MATCH, "'%s'", pattern_text(finding->pattern));
		return text_clean(out);
	case FOUND_ADDRESS:
	case FOUND_CLASS:
		return range_to_text(&finding->range, out);
	case FOUND_NOTHING:
		break;
	}
	*out = '\0';
	return out;
}

bool describe_is_ambiguous(const struct entry *entry)
{
	return entry->n_hosts + entry->n_patterns + entry->n_addresses > 1 || entry->n_lists > 0;
}

const char *describe_kind(const struct finding *finding)
{
	static const char *const kinds[] = {
		[FOUND_NOTHING] = "unknown",
		[FOUND_HOST] = "host",
		[FOUND_PATTERN] = "pattern",
		[FOUND_ADDRESS] = "address",
		[FOUND_CLASS] = "class",
	};

	return kinds[finding->kind];
}

const char *describe_verdict(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_PERMIT] = "permitted",
		[VERDICT_FLAG] = "flagged",
		[VERDICT_OBSERVE] = "observed",
		[VERDICT_REFUSE] = "refused",
	};

	return words[verdict];
}

/* Of two that match as closely. */
static const char *describe_tie(const struct finding *winner, const struct finding *other)
{
	if (!winner->entry)
		return "which is not narrower";
	if (winner->entry->entry->action != other->entry->entry->action)
		return "which is no closer a match, and deny goes first";
	if (winner->entry > other->entry)
		return "which is as specific, but reaches deeper";
	return "which is no closer a match, and comes later";
}

const char *describe_defeat(const struct finding *winner, const struct finding *other)
{
	if (!judge_is_closer(winner, other))
		return describe_tie(winner, other);
	if (winner->kind == FOUND_ADDRESS || winner->kind == FOUND_CLASS)
		return "which is wider";
	if (other->kind == FOUND_ADDRESS || other->kind == FOUND_CLASS)
		return "which has only the address";
	return other->kind == winner->kind ? "which is less specific" : "which is a pattern";
}

const char *describe_rate(const struct rate *rate, char *out)
{
	static const struct {
		uint32_t seconds;
		const char *unit;
	} units[] = {{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}};

	snprintf(out, DESCRIBE_RATE, "no limit");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (rate->count > 0 && units[i].seconds == rate->seconds)
			snprintf(out, DESCRIBE_RATE, "%u/%s", rate->count, units[i].unit);
	return out;
}
