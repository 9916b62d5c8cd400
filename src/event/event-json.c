/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-json.h"

#include "src/event/json-out.h"

/*
 * Theory of operation
 *
 * A line is put together from left to right, each member by a row of a table: which kinds have it,
 * and how it is written. Numbers and texts have bounds that leave room for all of them in a line,
 * so that nothing is ever cut but the texts of the policy.
 */

/* Bytes of a text as it is written, without its quotes. */
enum {
	SHORT_MAX = 128,
	RULE_MAX = 6 * EVENT_RULE,
	REASON_MAX = 512,
	CGROUP_MAX = 768, /* a path of 383 characters, each with a backslash */
};

_Static_assert(
	JSON_OUT_NAME + 4 * SHORT_MAX + RULE_MAX + REASON_MAX + CGROUP_MAX + 512 <= EVENT_LINE,
	"a line has room for all that it may hold");

struct line {
	struct writer out;
	const struct event *event;
	const struct event_context *context;
	struct event_gaps gaps; /* 0: not come to */
};

/* --- Words --- */

static const struct json_word types[] = {
	{1, "A"},
	{2, "NS"},
	{5, "CNAME"},
	{6, "SOA"},
	{10, "NULL"},
	{12, "PTR"},
	{13, "HINFO"},
	{15, "MX"},
	{16, "TXT"},
	{17, "RP"},
	{18, "AFSDB"},
	{24, "SIG"},
	{25, "KEY"},
	{28, "AAAA"},
	{29, "LOC"},
	{33, "SRV"},
	{35, "NAPTR"},
	{37, "CERT"},
	{39, "DNAME"},
	{43, "DS"},
	{44, "SSHFP"},
	{46, "RRSIG"},
	{47, "NSEC"},
	{48, "DNSKEY"},
	{50, "NSEC3"},
	{51, "NSEC3PARAM"},
	{52, "TLSA"},
	{53, "SMIMEA"},
	{59, "CDS"},
	{60, "CDNSKEY"},
	{61, "OPENPGPKEY"},
	{62, "CSYNC"},
	{63, "ZONEMD"},
	{64, "SVCB"},
	{65, "HTTPS"},
	{99, "SPF"},
	{249, "TKEY"},
	{250, "TSIG"},
	{251, "IXFR"},
	{252, "AXFR"},
	{255, "ANY"},
	{256, "URI"},
	{257, "CAA"},
};

static const struct json_word rcodes[] = {
	{0, "NOERROR"},
	{1, "FORMERR"},
	{2, "SERVFAIL"},
	{3, "NXDOMAIN"},
	{4, "NOTIMP"},
	{5, "REFUSED"},
	{16, "BADVERS"},
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* --- Members --- */

static void put_kind(struct line *line)
{
	static const char *const kinds[EVENT_KINDS] = {
		[EVENT_QUERY] = "\"query\"",
		[EVENT_LEASE] = "\"lease\"",
		[EVENT_CONNECTION] = "\"connection\"",
		[EVENT_FLOW] = "\"flow\"",
		[EVENT_POLICY] = "\"policy\"",
		[EVENT_LOST] = "\"lost\"",
	};

	json_out_raw(&line->out, kinds[line->event->kind]);
}

static void put_verdict(struct line *line)
{
	static const char *const verdicts[EVENT_VERDICTS] = {
		[EVENT_PERMIT] = "\"permit\"",
		[EVENT_FLAG] = "\"flag\"",
		[EVENT_OBSERVE] = "\"observe\"",
		[EVENT_REFUSE] = "\"refuse\"",
	};

	json_out_raw(&line->out, verdicts[line->event->verdict]);
}

static void put_what(struct line *line)
{
	static const char *const losses[EVENT_LOSSES] = {
		[EVENT_LOST_QUERIES] = "\"queries\"",
		[EVENT_LOST_LEASES] = "\"leases\"",
		[EVENT_LOST_CONNECTIONS] = "\"connections\"",
		[EVENT_LOST_FLOWS] = "\"flows\"",
	};

	json_out_raw(&line->out, losses[line->event->loss]);
}

static void put_moment(struct line *line)
{
	line->gaps.time = line->out.pos;
	json_out_time(&line->out, line->event->time);
	line->gaps.time_end = line->out.pos;
}

static void put_policy(struct line *line)
{
	json_out_text(&line->out, line->context->policy, SHORT_MAX);
}

static void put_session(struct line *line)
{
	json_out_text(&line->out, line->context->session, SHORT_MAX);
}

static void put_rule(struct line *line)
{
	json_out_text(&line->out, line->event->rule, RULE_MAX);
}

static void put_name(struct line *line)
{
	line->gaps.name = line->out.pos;
	json_out_name(&line->out, &line->event->name);
	line->gaps.name_end = line->out.pos;
}

static void put_type(struct line *line)
{
	json_out_word(&line->out, types, ROWS(types), line->event->type, "TYPE");
}

static void put_rcode(struct line *line)
{
	json_out_word(&line->out, rcodes, ROWS(rcodes), (unsigned)line->event->rcode, "RCODE");
}

static void put_ede(struct line *line)
{
	json_out_number(&line->out, (uint64_t)line->event->ede);
}

static void put_source(struct line *line)
{
	json_out_inaddr(&line->out, &line->event->source);
}

static void put_source_port(struct line *line)
{
	json_out_number(&line->out, line->event->source_port);
}

static void put_user(struct line *line)
{
	json_out_number(&line->out, line->event->user);
}

static void put_group(struct line *line)
{
	json_out_number(&line->out, line->event->group);
}

static void put_cgroup(struct line *line)
{
	json_out_text(&line->out, line->context->cgroup, CGROUP_MAX);
}

static void put_cgroup_id(struct line *line)
{
	json_out_number(&line->out, line->event->cgroup);
}

static void put_address(struct line *line)
{
	json_out_inaddr(&line->out, &line->event->address);
}

static void put_ports(struct line *line)
{
	json_out_text(&line->out, line->event->ports, SHORT_MAX);
}

static void put_port(struct line *line)
{
	json_out_number(&line->out, line->event->port);
}

static void put_protocol(struct line *line)
{
	json_out_protocol(&line->out, line->event->protocol);
}

static void put_ttl(struct line *line)
{
	json_out_number(&line->out, line->event->ttl);
}

static void put_lease(struct line *line)
{
	json_out_number(&line->out, line->event->lease);
}

static void put_bytes_out(struct line *line)
{
	json_out_number(&line->out, line->event->bytes_out);
}

static void put_packets_out(struct line *line)
{
	json_out_number(&line->out, line->event->packets_out);
}

static void put_bytes_in(struct line *line)
{
	json_out_number(&line->out, line->event->bytes_in);
}

static void put_packets_in(struct line *line)
{
	json_out_number(&line->out, line->event->packets_in);
}

static void put_duration(struct line *line)
{
	json_out_seconds(&line->out, line->event->duration);
}

static void put_live(struct line *line)
{
	json_out_raw(&line->out, "true");
}

static void put_count(struct line *line)
{
	json_out_number(&line->out, line->event->count);
}

static void put_score(struct line *line)
{
	json_out_raw(&line->out, line->context->score);
}

static void put_category(struct line *line)
{
	json_out_text(&line->out, line->context->category, SHORT_MAX);
}

static void put_reason(struct line *line)
{
	json_out_text(&line->out, line->context->reason, REASON_MAX);
}

/* Kinds that have a member. */
enum {
	QUERY = 1 << EVENT_QUERY,
	LEASE = 1 << EVENT_LEASE,
	CONNECTION = 1 << EVENT_CONNECTION,
	FLOW = 1 << EVENT_FLOW,
	LOST = 1 << EVENT_LOST,
	ALL = (1 << EVENT_KINDS) - 1,
	PACKETS = CONNECTION | FLOW,
};

/* What of a record must be there for it. */
enum condition {
	ALWAYS,
	RULE,
	NAME,
	RCODE,
	EDE,
	PORTS,
	CGROUP,
	SCORE,
	CATEGORY,
	REASON,
	PART, /* a bit of `has` */
};

#define KEY(text) text, sizeof(text) - 1

static const struct member {
	const char *key; /* behind the member before */
	size_t key_size;
	unsigned kinds;
	enum condition condition;
	unsigned part;
	void (*put)(struct line *line);
} members[] = {
	{KEY("{\"time\":"), ALL, ALWAYS, 0, put_moment},
	{KEY(",\"kind\":"), ALL, ALWAYS, 0, put_kind},
	{KEY(",\"policy\":"), ALL, ALWAYS, 0, put_policy},
	{KEY(",\"session\":"), ALL, ALWAYS, 0, put_session},
	{KEY(",\"verdict\":"), ALL, PART, EVENT_HAS_VERDICT, put_verdict},
	{KEY(",\"rule\":"), ALL, RULE, 0, put_rule},
	{KEY(",\"name\":"), ALL, NAME, 0, put_name},
	{KEY(",\"type\":"), QUERY, ALWAYS, 0, put_type},
	{KEY(",\"rcode\":"), QUERY, RCODE, 0, put_rcode},
	{KEY(",\"ede\":"), QUERY, EDE, 0, put_ede},
	{KEY(",\"source\":"), CONNECTION, PART, EVENT_HAS_SOURCE, put_source},
	{KEY(",\"source_port\":"), CONNECTION, PART, EVENT_HAS_SOURCE_PORT, put_source_port},
	{KEY(",\"user\":"), CONNECTION, PART, EVENT_HAS_USER, put_user},
	{KEY(",\"group\":"), CONNECTION, PART, EVENT_HAS_GROUP, put_group},
	{KEY(",\"cgroup\":"), CONNECTION, CGROUP, 0, put_cgroup},
	{KEY(",\"cgroup_id\":"), CONNECTION, PART, EVENT_HAS_CGROUP, put_cgroup_id},
	{KEY(",\"address\":"), PACKETS | LEASE, PART, EVENT_HAS_ADDRESS, put_address},
	{KEY(",\"ports\":"), LEASE, PORTS, 0, put_ports},
	{KEY(",\"port\":"), PACKETS, PART, EVENT_HAS_PORT, put_port},
	{KEY(",\"protocol\":"), PACKETS, PART, EVENT_HAS_PROTOCOL, put_protocol},
	{KEY(",\"ttl\":"), LEASE, ALWAYS, 0, put_ttl},
	{KEY(",\"lease\":"), LEASE, ALWAYS, 0, put_lease},
	{KEY(",\"bytes_out\":"), FLOW, PART, EVENT_HAS_BYTES, put_bytes_out},
	{KEY(",\"packets_out\":"), FLOW, PART, EVENT_HAS_BYTES, put_packets_out},
	{KEY(",\"bytes_in\":"), FLOW, PART, EVENT_HAS_BYTES, put_bytes_in},
	{KEY(",\"packets_in\":"), FLOW, PART, EVENT_HAS_BYTES, put_packets_in},
	{KEY(",\"duration\":"), FLOW, PART, EVENT_HAS_DURATION, put_duration},
	{KEY(",\"live\":"), FLOW, PART, EVENT_IS_LIVE, put_live},
	{KEY(",\"count\":"), LOST, ALWAYS, 0, put_count},
	{KEY(",\"what\":"), LOST, ALWAYS, 0, put_what},
	{KEY(",\"score\":"), ALL, SCORE, 0, put_score},
	{KEY(",\"category\":"), ALL, CATEGORY, 0, put_category},
	{KEY(",\"reason\":"), ALL, REASON, 0, put_reason},
};

static bool has_member(const struct line *line, const struct member *member)
{
	const struct event *event = line->event;

	if (!(member->kinds & 1u << event->kind))
		return false;
	switch (member->condition) {
	case RULE:
		return event->rule[0] != '\0';
	case NAME:
		return event->name.length > 0;
	case RCODE:
		return event->rcode != EVENT_NO_NUMBER;
	case EDE:
		return event->ede != EVENT_NO_NUMBER;
	case PORTS:
		return event->ports[0] != '\0';
	case CGROUP:
		return line->context->cgroup && event->has & EVENT_HAS_CGROUP;
	case SCORE:
		return line->context->score;
	case CATEGORY:
		return line->context->category;
	case REASON:
		return line->context->reason;
	case PART:
		return event->has & member->part;
	case ALWAYS:
		break;
	}
	return true;
}

size_t event_to_json_with(const struct event *event, const struct event_context *context,
	char out[EVENT_LINE], struct event_gaps *ret_gaps)
{
	struct line line = {writer_over(out, EVENT_LINE), event, context, {0}};

	for (size_t i = 0; i < ROWS(members); i++) {
		if (!has_member(&line, &members[i]))
			continue;
		writer_bytes(&line.out, members[i].key, members[i].key_size);
		members[i].put(&line);
	}
	json_out_raw(&line.out, "}\n");
	*ret_gaps = line.gaps;
	return line.out.pos;
}

size_t event_to_json(
	const struct event *event, const struct event_context *context, char out[EVENT_LINE])
{
	struct event_gaps gaps;

	return event_to_json_with(event, context, out, &gaps);
}
