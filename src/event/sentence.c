/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/sentence.h"

#include "src/event/json-out.h"

/*
 * Parts of sentences, in their order: what is there of the record comes between two pieces of text.
 */

enum {
	QUERY = 1 << EVENT_QUERY,
	LEASE = 1 << EVENT_LEASE,
	CONNECTION = 1 << EVENT_CONNECTION,
	FLOW = 1 << EVENT_FLOW,
	POLICY = 1 << EVENT_POLICY,
	LOST = 1 << EVENT_LOST,
	ALERT = 1 << MEMBERS_ALERT,
	SESSION = 1 << MEMBERS_SESSION,
	EVERY = (1 << MEMBERS_KINDS) - 1,
	ENTRIES = QUERY | LEASE | CONNECTION | FLOW,
};

static const struct part {
	unsigned kinds;
	enum member member;
	const char *before;
	const char *after;
	size_t most;
} parts[] = {
	{EVERY, MEMBER_VERDICT, "", " ", 16},
	{EVERY, MEMBER_KIND, "", ":", 16},
	{POLICY, MEMBER_POLICY, " ", " is in force", 40},
	{LOST, MEMBER_COUNT, " ", "", 20},
	{LOST, MEMBER_WHAT, " ", "", 20},
	{SESSION, MEMBER_PHASE, " ", ",", 16},
	{SESSION, MEMBER_DESTINATIONS, " ", " destinations", 20},
	{SESSION, MEMBER_REFUSED, ", ", " refused", 20},
	{SESSION, MEMBER_BYTES_OUT, ", ", " bytes out", 20},
	{SESSION, MEMBER_ALERTS, ", ", " alerts", 20},
	{ALERT, MEMBER_RULE, " ", "", 80},
	{ENTRIES | ALERT, MEMBER_NAME, " ", "", 255},
	{QUERY, MEMBER_TYPE, " ", "", 16},
	{QUERY, MEMBER_RCODE, ", ", "", 16},
	{ENTRIES | ALERT, MEMBER_ADDRESS, " ", "", 46},
	{LEASE, MEMBER_PORTS, " ", "", 24},
	{LEASE, MEMBER_LEASE, " for ", " s", 20},
	{CONNECTION | FLOW | ALERT, MEMBER_PROTOCOL, " ", "", 16},
	{CONNECTION | FLOW | ALERT, MEMBER_PORT, " port ", "", 20},
	{CONNECTION, MEMBER_SOURCE, " from ", "", 46},
	{FLOW, MEMBER_BYTES_OUT, ", ", " bytes out", 20},
	{FLOW, MEMBER_BYTES_IN, ", ", " bytes in", 20},
	{FLOW, MEMBER_DURATION, ", ", " s", 20},
	{ENTRIES | LOST, MEMBER_RULE, " (", ")", 80},
	{ALERT, MEMBER_VALUE, ", ", "", 20},
	{ALERT, MEMBER_THRESHOLD, " of ", "", 20},
	{ALERT, MEMBER_EVIDENCE, ": ", "", 160},
};

size_t sentence_write(const struct members *members, char out[SENTENCE])
{
	struct writer writer = writer_over(out, SENTENCE);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct part *part = &parts[i];
		struct text value = members->values[part->member];

		if (!(part->kinds & 1u << members->kind) || value.length == 0)
			continue;
		json_out_raw(&writer, part->before);
		member_put_ascii(&writer, value, part->most);
		json_out_raw(&writer, part->after);
	}
	return writer.pos;
}
