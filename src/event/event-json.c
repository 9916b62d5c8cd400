/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-json.h"

#include <netinet/in.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A line is put together from left to right, each member by a row of a table: which kinds have it,
 * and how it is written. Numbers and texts have bounds that leave room for all of them in a line,
 * so that nothing is ever cut but the texts of the policy.
 *
 * Names and texts may hold any bytes. Names are written in presentation form, which is ASCII
 * without control characters. Of other texts, what isn't well-formed UTF-8 becomes U+FFFD, and what
 * doesn't show as itself, or steers a terminal or the direction of text, a JSON escape.
 */

/* Bytes of a text as it is written, without its quotes. */
enum {
	NAME_MAX_WRITTEN = 2 * NAME_TEXT,
	SHORT_MAX = 128,
	RULE_MAX = 6 * EVENT_RULE,
	REASON_MAX = 512,
};

_Static_assert(NAME_MAX_WRITTEN + 4 * SHORT_MAX + RULE_MAX + REASON_MAX + 512 <= EVENT_LINE,
	"a line has room for all that it may hold");

struct line {
	struct writer out;
	const struct event *event;
	const struct event_context *context;
};

/* --- Values --- */

static void put(struct line *line, const char *text)
{
	writer_bytes(&line->out, text, strlen(text));
}

/* Readers mostly know numbers of 63 bits; no kernel has counted to more. */
static void put_number(struct line *line, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	if (number > INT64_MAX)
		number = INT64_MAX;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	writer_bytes(&line->out, digits + at, sizeof(digits) - at);
}

/* Writes `width` digits, with zeros in front; returns where the next byte goes. */
static char *write_padded(char *at, uint64_t number, unsigned width)
{
	for (unsigned i = width; i > 0; i--, number /= 10)
		at[i - 1] = (char)('0' + number % 10);
	return at + width;
}

/* What stands for a character between quotes, in `out`; its length. */
static size_t escape(uint32_t character, char out[12])
{
	static const char hex[] = "0123456789abcdef";
	uint32_t units[2] = {character};
	unsigned n_units = 1;
	size_t length = 0;

	if (character == '"' || character == '\\') {
		out[0] = '\\';
		out[1] = (char)character;
		return 2;
	}
	if (character > 0xffff) {
		units[0] = 0xd800 + ((character - 0x10000) >> 10);
		units[1] = 0xdc00 + ((character - 0x10000) & 0x3ff);
		n_units = 2;
	}
	for (unsigned i = 0; i < n_units; i++) {
		out[length++] = '\\';
		out[length++] = 'u';
		for (int shift = 12; shift >= 0; shift -= 4)
			out[length++] = hex[units[i] >> shift & 0xf];
	}
	return length;
}

/* How many bytes of the text are characters that need no care. */
static size_t count_plain(struct text text)
{
	size_t count = 0;

	while (count < text.length && text.start[count] >= ' ' && text.start[count] < 0x7f &&
		text.start[count] != '"' && text.start[count] != '\\')
		count++;
	return count;
}

/* What is written for the beginning of the text, from `*ret_from`, or `escaped`, on; its length.
 * *ret_size is how much of the text that stands for. */
static size_t take_piece(
	struct text text, char escaped[12], const char **ret_from, size_t *ret_size)
{
	uint32_t character = 0xfffd;
	size_t size = count_plain(text);

	*ret_from = text.start;
	*ret_size = size;
	if (size > 0)
		return size;
	size = text_char(text, &character);
	*ret_size = size ? size : 1;
	if (size > 0 && character != '"' && character != '\\' && text_shows(character))
		return size;
	*ret_from = escaped;
	return escape(character, escaped);
}

/* As much of the text as takes no more than `most` bytes, between quotes. */
static void put_text(struct line *line, const char *text, size_t most)
{
	struct text rest = text_of(text);

	put(line, "\"");
	while (rest.length > 0 && most > 0) {
		char escaped[12];
		const char *from;
		size_t size, length = take_piece(rest, escaped, &from, &size);

		if (length > most && from == escaped)
			break;
		if (length > most && (uint8_t)from[0] >= 0x80)
			break;
		if (length > most)
			length = size = most;
		writer_bytes(&line->out, from, length);
		most -= length;
		rest.start += size;
		rest.length -= size;
	}
	put(line, "\"");
}

/* "2026-11-21", of a day since 1970-01-01, by Howard Hinnant's civil_from_days; years of 5 digits
 * don't come up. */
static void write_date(char *at, uint64_t days)
{
	uint64_t shifted = days + 719468, era = shifted / 146097, of_era = shifted % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;

	month = month < 10 ? month + 3 : month - 9;
	at = write_padded(at, year + era * 400 + (month <= 2), 4);
	*at++ = '-';
	at = write_padded(at, month, 2);
	*at++ = '-';
	write_padded(at, day, 2);
}

static void put_time(struct line *line, int64_t time)
{
	uint64_t micros = time > 0 ? (uint64_t)time : 0, seconds = micros / 1000000;
	char text[] = "\"2026-11-21T13:05:02.123456Z\"";

	write_date(text + 1, seconds / 86400);
	write_padded(text + 12, seconds / 3600 % 24, 2);
	write_padded(text + 15, seconds / 60 % 60, 2);
	write_padded(text + 18, seconds % 60, 2);
	write_padded(text + 21, micros % 1000000, 6);
	writer_bytes(&line->out, text, sizeof(text) - 1);
}

/* --- Words --- */

struct word {
	unsigned number;
	const char *word;
};

static const struct word types[] = {
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

static const struct word rcodes[] = {
	{0, "NOERROR"},
	{1, "FORMERR"},
	{2, "SERVFAIL"},
	{3, "NXDOMAIN"},
	{4, "NOTIMP"},
	{5, "REFUSED"},
	{16, "BADVERS"},
};

static const struct word protocols[] = {
	{IPPROTO_ICMP, "icmp"},
	{IPPROTO_TCP, "tcp"},
	{IPPROTO_UDP, "udp"},
	{IPPROTO_ICMPV6, "icmpv6"},
};

/* The word for the number, or the number behind `prefix`. */
static void put_word(struct line *line, const struct word *words, size_t count, unsigned number,
	const char *prefix)
{
	put(line, "\"");
	for (size_t i = 0; i < count; i++) {
		if (words[i].number != number)
			continue;
		put(line, words[i].word);
		put(line, "\"");
		return;
	}
	put(line, prefix);
	put_number(line, number);
	put(line, "\"");
}

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

	put(line, kinds[line->event->kind]);
}

static void put_verdict(struct line *line)
{
	static const char *const verdicts[EVENT_VERDICTS] = {
		[EVENT_PERMIT] = "\"permit\"",
		[EVENT_FLAG] = "\"flag\"",
		[EVENT_OBSERVE] = "\"observe\"",
		[EVENT_REFUSE] = "\"refuse\"",
	};

	put(line, verdicts[line->event->verdict]);
}

static void put_what(struct line *line)
{
	static const char *const losses[EVENT_LOSSES] = {
		[EVENT_LOST_QUERIES] = "\"queries\"",
		[EVENT_LOST_LEASES] = "\"leases\"",
		[EVENT_LOST_CONNECTIONS] = "\"connections\"",
		[EVENT_LOST_FLOWS] = "\"flows\"",
	};

	put(line, losses[line->event->loss]);
}

static void put_moment(struct line *line)
{
	put_time(line, line->event->time);
}

static void put_policy(struct line *line)
{
	put_text(line, line->context->policy, SHORT_MAX);
}

static void put_session(struct line *line)
{
	put_text(line, line->context->session, SHORT_MAX);
}

static void put_rule(struct line *line)
{
	put_text(line, line->event->rule, RULE_MAX);
}

/* A name of nothing but letters, digits, '-' and '_', between quotes: most are. 0: it isn't. */
static size_t write_plain_name(const struct name *name, char out[NAME_TEXT])
{
	unsigned label = name->wire[0];
	size_t at = 1;

	out[0] = '"';
	if (label == 0)
		return 0;
	for (unsigned offset = 1; offset < name->length; offset++) {
		uint8_t byte = name->wire[offset];

		if (label-- == 0) {
			label = byte;
			out[at++] = byte == 0 ? '"' : '.';
		} else if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
			   byte == '-' || byte == '_') {
			out[at++] = (char)byte;
		} else {
			return 0;
		}
	}
	return at;
}

static void put_name(struct line *line)
{
	char text[NAME_TEXT];
	size_t length = write_plain_name(&line->event->name, text);

	if (length > 0) {
		writer_bytes(&line->out, text, length);
		return;
	}
	put_text(line, name_to_text(&line->event->name, text), NAME_MAX_WRITTEN);
}

static void put_type(struct line *line)
{
	put_word(line, types, ROWS(types), line->event->type, "TYPE");
}

static void put_rcode(struct line *line)
{
	put_word(line, rcodes, ROWS(rcodes), (unsigned)line->event->rcode, "RCODE");
}

static void put_ede(struct line *line)
{
	put_number(line, (uint64_t)line->event->ede);
}

static void put_inaddr(struct line *line, const struct inaddr *address)
{
	char text[INADDR_TEXT];

	put_text(line, inaddr_to_text(address, text), SHORT_MAX);
}

static void put_source(struct line *line)
{
	put_inaddr(line, &line->event->source);
}

static void put_source_port(struct line *line)
{
	put_number(line, line->event->source_port);
}

static void put_user(struct line *line)
{
	put_number(line, line->event->user);
}

static void put_group(struct line *line)
{
	put_number(line, line->event->group);
}

static void put_address(struct line *line)
{
	put_inaddr(line, &line->event->address);
}

static void put_ports(struct line *line)
{
	put_text(line, line->event->ports, SHORT_MAX);
}

static void put_port(struct line *line)
{
	put_number(line, line->event->port);
}

static void put_protocol(struct line *line)
{
	put_word(line, protocols, ROWS(protocols), line->event->protocol, "");
}

static void put_ttl(struct line *line)
{
	put_number(line, line->event->ttl);
}

static void put_lease(struct line *line)
{
	put_number(line, line->event->lease);
}

static void put_bytes_out(struct line *line)
{
	put_number(line, line->event->bytes_out);
}

static void put_packets_out(struct line *line)
{
	put_number(line, line->event->packets_out);
}

static void put_bytes_in(struct line *line)
{
	put_number(line, line->event->bytes_in);
}

static void put_packets_in(struct line *line)
{
	put_number(line, line->event->packets_in);
}

static void put_duration(struct line *line)
{
	char fraction[] = ".000000";

	put_number(line, line->event->duration / 1000000);
	write_padded(fraction + 1, line->event->duration % 1000000, 6);
	put(line, fraction);
}

static void put_live(struct line *line)
{
	put(line, "true");
}

static void put_count(struct line *line)
{
	put_number(line, line->event->count);
}

static void put_category(struct line *line)
{
	put_text(line, line->context->category, SHORT_MAX);
}

static void put_reason(struct line *line)
{
	put_text(line, line->context->reason, REASON_MAX);
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

size_t event_to_json(
	const struct event *event, const struct event_context *context, char out[EVENT_LINE])
{
	struct line line = {writer_over(out, EVENT_LINE), event, context};

	for (size_t i = 0; i < ROWS(members); i++) {
		if (!has_member(&line, &members[i]))
			continue;
		writer_bytes(&line.out, members[i].key, members[i].key_size);
		members[i].put(&line);
	}
	put(&line, "}\n");
	return line.out.pos;
}
