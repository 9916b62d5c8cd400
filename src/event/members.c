/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/members.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

/*
 * Theory of operation
 *
 * There is one form of a record that everything is in, its line of JSON, and one place for each
 * kind where that is written. Every other form is made from the line: so it can be made of a log
 * that was written long ago, and nothing is told twice in two ways.
 *
 * Reading it takes no memory: a value stays where it is, and goes into another JSON as it stands
 * there. So all of it is held to the grammar, what is nested in a value included.
 */

enum { NESTED_MAX = 8 };

static const char *const names[MEMBERS] = {
	[MEMBER_TIME] = "time",
	[MEMBER_KIND] = "kind",
	[MEMBER_POLICY] = "policy",
	[MEMBER_SESSION] = "session",
	[MEMBER_VERDICT] = "verdict",
	[MEMBER_RULE] = "rule",
	[MEMBER_NAME] = "name",
	[MEMBER_TYPE] = "type",
	[MEMBER_RCODE] = "rcode",
	[MEMBER_EDE] = "ede",
	[MEMBER_SOURCE] = "source",
	[MEMBER_SOURCE_PORT] = "source_port",
	[MEMBER_USER] = "user",
	[MEMBER_GROUP] = "group",
	[MEMBER_CGROUP] = "cgroup",
	[MEMBER_CGROUP_ID] = "cgroup_id",
	[MEMBER_ADDRESS] = "address",
	[MEMBER_PORTS] = "ports",
	[MEMBER_PORT] = "port",
	[MEMBER_PROTOCOL] = "protocol",
	[MEMBER_TTL] = "ttl",
	[MEMBER_LEASE] = "lease",
	[MEMBER_BYTES_OUT] = "bytes_out",
	[MEMBER_PACKETS_OUT] = "packets_out",
	[MEMBER_BYTES_IN] = "bytes_in",
	[MEMBER_PACKETS_IN] = "packets_in",
	[MEMBER_DURATION] = "duration",
	[MEMBER_LIVE] = "live",
	[MEMBER_COUNT] = "count",
	[MEMBER_WHAT] = "what",
	[MEMBER_VALUE] = "value",
	[MEMBER_THRESHOLD] = "threshold",
	[MEMBER_P] = "p",
	[MEMBER_EVIDENCE] = "evidence",
	[MEMBER_SUPPRESSED] = "suppressed",
	[MEMBER_PHASE] = "phase",
	[MEMBER_SINCE] = "since",
	[MEMBER_DESTINATIONS] = "destinations",
	[MEMBER_UNKNOWN] = "unknown",
	[MEMBER_WILDCARD_NAMES] = "wildcard_names",
	[MEMBER_CONNECTIONS] = "connections",
	[MEMBER_REFUSED] = "refused",
	[MEMBER_ALERTS] = "alerts",
	[MEMBER_CATEGORIES] = "categories",
	[MEMBER_BUDGET] = "budget",
	[MEMBER_BASELINE] = "baseline",
	[MEMBER_SCORE] = "score",
	[MEMBER_CATEGORY] = "category",
	[MEMBER_REASON] = "reason",
};

/* In the order of the numbers. */
static const char *const kinds[MEMBERS_KINDS] = {
	[EVENT_QUERY] = "\"query\"",
	[EVENT_LEASE] = "\"lease\"",
	[EVENT_CONNECTION] = "\"connection\"",
	[EVENT_FLOW] = "\"flow\"",
	[EVENT_POLICY] = "\"policy\"",
	[EVENT_LOST] = "\"lost\"",
	[MEMBERS_ALERT] = "\"alert\"",
	[MEMBERS_SESSION] = "\"session\"",
};

const char *member_name(enum member member)
{
	return names[member];
}

/* --- Reading --- */

/* The next byte, or 0 at the end. */
static uint8_t peek(const struct text *rest)
{
	return rest->length > 0 ? (uint8_t)rest->start[0] : 0;
}

static void skip(struct text *rest, size_t size)
{
	rest->start += size;
	rest->length -= size;
}

static bool take(struct text *rest, char byte)
{
	if (peek(rest) != (uint8_t)byte)
		return false;
	skip(rest, 1);
	return true;
}

static bool is_hex(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
	       (byte >= 'A' && byte <= 'F');
}

/* Behind a backslash. */
static bool take_escape(struct text *rest)
{
	if (peek(rest) == 0 || !strchr("\"\\/bfnrtu", peek(rest)))
		return false;
	if (!take(rest, 'u')) {
		skip(rest, 1);
		return true;
	}
	for (unsigned i = 0; i < 4; i++)
		if (rest->length <= i || !is_hex(rest->start[i]))
			return false;
	skip(rest, 4);
	return true;
}

/* A string with its quotes; that it is UTF-8 is known of the line. */
static bool take_string(struct text *rest)
{
	if (!take(rest, '"'))
		return false;
	while (peek(rest) >= ' ') {
		if (take(rest, '"'))
			return true;
		if (take(rest, '\\')) {
			if (!take_escape(rest))
				return false;
			continue;
		}
		skip(rest, 1);
	}
	return false;
}

/* At least one. */
static bool take_digits(struct text *rest)
{
	size_t size = 0;

	while (size < rest->length && rest->start[size] >= '0' && rest->start[size] <= '9')
		size++;
	skip(rest, size);
	return size > 0;
}

static bool take_number(struct text *rest)
{
	(void)take(rest, '-');
	if (!take(rest, '0') && !take_digits(rest))
		return false;
	if (take(rest, '.') && !take_digits(rest))
		return false;
	if (!take(rest, 'e') && !take(rest, 'E'))
		return true;
	if (!take(rest, '+'))
		(void)take(rest, '-');
	return take_digits(rest);
}

static bool take_scalar(struct text *rest)
{
	static const char *const words[] = {"true", "false", "null"};

	if (peek(rest) == '"')
		return take_string(rest);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_starts(*rest, words[i])) {
			skip(rest, strlen(words[i]));
			return true;
		}
	return take_number(rest);
}

static bool take_key(struct text *rest)
{
	return take_string(rest) && take(rest, ':');
}

/* Any value, with what is nested in it: `closers` has what ends each array and object that is open.
 */
static bool take_value(struct text *rest)
{
	char closers[NESTED_MAX];
	unsigned depth = 0;

	for (;;) {
		uint8_t byte = peek(rest);

		if (byte == '[' || byte == '{') {
			if (depth == NESTED_MAX)
				return false;
			closers[depth++] = byte == '[' ? ']' : '}';
			skip(rest, 1);
			if (peek(rest) != (uint8_t)closers[depth - 1]) {
				if (byte == '{' && !take_key(rest))
					return false;
				continue;
			}
		} else if (!take_scalar(rest)) {
			return false;
		}
		while (depth > 0 && take(rest, closers[depth - 1]))
			depth--;
		if (depth == 0)
			return true;
		if (!take(rest, ',') || (closers[depth - 1] == '}' && !take_key(rest)))
			return false;
	}
}

/* MEMBERS: none has that name, of `length` bytes. */
static enum member find_member(const char *name, size_t length)
{
	unsigned i = 0;

	while (i < MEMBERS && (strncmp(names[i], name, length) != 0 || names[i][length] != '\0'))
		i++;
	return (enum member)i;
}

/* "KEY":VALUE */
static bool take_member(struct text *rest, struct members *members)
{
	const char *key = rest->start + 1, *value;
	enum member member;
	size_t length;

	if (!take_string(rest))
		return false;
	length = (size_t)(rest->start - 1 - key);
	if (!take(rest, ':'))
		return false;
	value = rest->start;
	if (!take_value(rest))
		return false;
	member = find_member(key, length);
	if (member == MEMBERS) {
		members->unknown++;
		return true;
	}
	if (members->values[member].length > 0)
		return false;
	members->values[member] = (struct text){value, (size_t)(rest->start - value)};
	return true;
}

bool members_are(const struct members *members, enum member member, const char *json)
{
	return text_is(members->values[member], json);
}

bool member_is_string(struct text value)
{
	return value.length > 0 && value.start[0] == '"';
}

static bool find_kind(struct members *members)
{
	for (unsigned i = EVENT_QUERY; i < MEMBERS_KINDS; i++)
		if (members_are(members, MEMBER_KIND, kinds[i])) {
			members->kind = i;
			return true;
		}
	return false;
}

int members_read(const char *line, size_t size, struct members *ret_members)
{
	struct text rest = {line, size};
	struct members members = {.unknown = 0};
	size_t offset;

	if (size > 0 && line[size - 1] == '\n')
		rest.length--;
	if (!text_is_utf8(rest, &offset) || !take(&rest, '{'))
		return -EINVAL;
	do {
		if (!take_member(&rest, &members))
			return -EINVAL;
	} while (take(&rest, ','));
	if (!take(&rest, '}') || rest.length > 0 || !find_kind(&members) ||
		!member_is_string(members.values[MEMBER_TIME]))
		return -EINVAL;
	*ret_members = members;
	return 0;
}

/* --- Values --- */

static unsigned hex_value(char byte)
{
	return byte <= '9' ? (unsigned)(byte - '0') : (unsigned)(text_lower(byte) - 'a' + 10);
}

/* The four digits behind "\u". */
static uint32_t unit_at(const char *digits)
{
	uint32_t unit = 0;

	for (unsigned i = 0; i < 4; i++)
		unit = unit << 4 | hex_value(digits[i]);
	return unit;
}

/* What the escape that the text begins with stands for; *ret_size is its length. */
static uint32_t escaped(struct text text, size_t *ret_size)
{
	static const char of[] = "\b\f\n\r\t", by[] = "bfnrt";
	const char *found = strchr(by, text.start[1]);
	uint32_t high, low;

	*ret_size = 2;
	if (text.start[1] != 'u')
		return (uint8_t)(found ? of[found - by] : text.start[1]);
	*ret_size = 6;
	high = unit_at(text.start + 2);
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || text.length < 12 || text.start[6] != '\\' || text.start[7] != 'u')
		return 0xfffd;
	low = unit_at(text.start + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*ret_size = 12;
	return 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
}

void member_visit(
	struct text value, bool (*visit)(void *context, uint32_t character), void *context)
{
	bool is_string = member_is_string(value);
	struct text rest = is_string ? (struct text){value.start + 1, value.length - 2} : value;

	while (rest.length > 0) {
		uint32_t character;
		size_t size;

		if (is_string && rest.start[0] == '\\')
			character = escaped(rest, &size);
		else
			size = text_char(rest, &character);
		if (size == 0 || !visit(context, character))
			return;
		skip(&rest, size);
	}
}

size_t utf8_encode(uint32_t character, char out[4])
{
	static const uint8_t heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

	if (length == 1) {
		out[0] = (char)character;
		return 1;
	}
	for (size_t i = length - 1; i > 0; i--, character >>= 6)
		out[i] = (char)(0x80 | (character & 0x3f));
	out[0] = (char)(heads[length] | character);
	return length;
}

static bool put_utf8(void *context, uint32_t character)
{
	struct writer *out = context;
	char bytes[4];
	size_t size = utf8_encode(character, bytes);

	if (writer_left(out) < size)
		return false;
	writer_bytes(out, bytes, size);
	return true;
}

void member_put_utf8(struct writer *out, struct text value)
{
	member_visit(value, put_utf8, out);
}

struct ascii {
	struct writer *out;
	size_t left;
};

static bool put_ascii(void *context, uint32_t character)
{
	struct ascii *ascii = context;

	if (ascii->left == 0 || writer_left(ascii->out) == 0)
		return false;
	ascii->left--;
	writer_u8(ascii->out, character >= ' ' && character < 0x7f ? (uint8_t)character : '?');
	return true;
}

void member_put_ascii(struct writer *out, struct text value, size_t most)
{
	struct ascii ascii = {out, most};

	member_visit(value, put_ascii, &ascii);
}

/* --- What it is worth --- */

static const struct {
	const char *verdict;
	int severity;
	int of_alert;
} severities[] = {
	{"\"refuse\"", LOG_WARNING, LOG_ERR},
	{"\"observe\"", LOG_NOTICE, LOG_WARNING},
	{"\"flag\"", LOG_NOTICE, LOG_WARNING},
};

int members_severity(const struct members *members)
{
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++)
		if (members_are(members, MEMBER_VERDICT, severities[i].verdict))
			return members->kind == MEMBERS_ALERT ? severities[i].of_alert
							      : severities[i].severity;
	return members->kind == EVENT_LOST ? LOG_WARNING : LOG_INFO;
}
