/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/record.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

/*
 * Theory of operation
 *
 * A line may come from anybody who can write into the log, so each member is held to what egress-
 * events(5) says of it: a name with a line feed in it is no name. Members that are not known are
 * passed over, and so are kinds.
 */

enum {
	NAME_CHARACTERS = 1023, /* 255 bytes, each as \DDD, fit */
	WORD_CHARACTERS = 127,
	PROSE_CHARACTERS = 2000,
	DOUBLE_DIGITS = 53,
};

#define COUNT_MAX ((json_int_t)1 << DOUBLE_DIGITS)

enum member_type {
	MEMBER_WORD, /* printable ASCII */
	MEMBER_NAME, /* the same, without blanks */
	MEMBER_PROSE,
	MEMBER_COUNT,
};

static const struct member {
	const char *key;
	enum member_type type;
	size_t offset;
} members[] = {
	{"policy", MEMBER_WORD, offsetof(struct record, policy)},
	{"session", MEMBER_WORD, offsetof(struct record, session)},
	{"rule", MEMBER_WORD, offsetof(struct record, rule)},
	{"name", MEMBER_NAME, offsetof(struct record, name)},
	{"type", MEMBER_WORD, offsetof(struct record, type)},
	{"rcode", MEMBER_WORD, offsetof(struct record, rcode)},
	{"protocol", MEMBER_NAME, offsetof(struct record, protocol)},
	{"what", MEMBER_WORD, offsetof(struct record, what)},
	{"category", MEMBER_PROSE, offsetof(struct record, category)},
	{"reason", MEMBER_PROSE, offsetof(struct record, reason)},
	{"bytes_out", MEMBER_COUNT, offsetof(struct record, bytes_out)},
	{"packets_out", MEMBER_COUNT, offsetof(struct record, packets_out)},
	{"bytes_in", MEMBER_COUNT, offsetof(struct record, bytes_in)},
	{"packets_in", MEMBER_COUNT, offsetof(struct record, packets_in)},
	{"count", MEMBER_COUNT, offsetof(struct record, count)},
};

struct word {
	const char *word;
	int value;
};

static const struct word kinds[] = {
	{"query", RECORD_QUERY},
	{"lease", RECORD_LEASE},
	{"connection", RECORD_CONNECTION},
	{"flow", RECORD_FLOW},
	{"policy", RECORD_POLICY},
	{"lost", RECORD_LOST},
	{NULL, RECORD_OTHER},
};

static const struct word verdicts[] = {
	{"permit", VERDICT_PERMIT},
	{"flag", VERDICT_FLAG},
	{"observe", VERDICT_OBSERVE},
	{"refuse", VERDICT_REFUSE},
	{NULL, -1},
};

static int find_word(const struct word *words, const char *word)
{
	while (words->word && strcmp(words->word, word) != 0)
		words++;
	return words->value;
}

/* --- Members --- */

static bool is_printable(const char *text, char first)
{
	for (; *text; text++)
		if (*text < first || *text > '~')
			return false;
	return true;
}

static bool fits(enum member_type type, const char *text)
{
	switch (type) {
	case MEMBER_NAME:
		return strlen(text) <= NAME_CHARACTERS && is_printable(text, '!');
	case MEMBER_WORD:
		return strlen(text) <= WORD_CHARACTERS && is_printable(text, ' ');
	default:
		return strlen(text) <= PROSE_CHARACTERS;
	}
}

/* The string of the member; "" when there is none. NULL: it is not as it must be. */
static const char *get_string(const json_t *object, const char *key, enum member_type type)
{
	const json_t *value = json_object_get(object, key);
	const char *text = value ? json_string_value(value) : "";

	return text && fits(type, text) ? text : NULL;
}

static bool get_count(const json_t *object, const char *key, uint64_t *ret_count)
{
	const json_t *value = json_object_get(object, key);
	json_int_t count = value ? json_integer_value(value) : 0;

	if ((value && !json_is_integer(value)) || count < 0 || count > COUNT_MAX)
		return false;
	*ret_count = (uint64_t)count;
	return true;
}

static bool take_member(const json_t *object, const struct member *member, struct record *record)
{
	char *field = (char *)record + member->offset;
	const char *text;
	uint64_t count;

	if (member->type == MEMBER_COUNT) {
		if (!get_count(object, member->key, &count))
			return false;
		memcpy(field, &count, sizeof(count));
		return true;
	}
	text = get_string(object, member->key, member->type);
	memcpy(field, &text, sizeof(text));
	return text != NULL;
}

static bool take_address(const json_t *object, struct record *record)
{
	const char *text = get_string(object, "address", MEMBER_NAME);

	if (!text)
		return false;
	record->has_address = *text != '\0';
	return !record->has_address || inaddr_from_text(text_of(text), &record->address) == 0;
}

static bool take_port(const json_t *object, struct record *record)
{
	uint64_t port;

	if (!get_count(object, "port", &port) || port > UINT16_MAX)
		return false;
	record->port = json_object_get(object, "port") ? (int)port : -1;
	return true;
}

static bool take_words(const json_t *object, struct record *record)
{
	const char *kind = get_string(object, "kind", MEMBER_WORD);
	const char *verdict = get_string(object, "verdict", MEMBER_WORD);
	int value;

	if (!kind || !verdict || *kind == '\0')
		return false;
	record->kind = (enum record_kind)find_word(kinds, kind);
	value = *verdict ? find_word(verdicts, verdict) : VERDICT_PERMIT;
	if (value < 0)
		return false;
	record->verdict = (enum verdict)value;
	return true;
}

static bool take_rest(const json_t *object, struct record *record)
{
	const json_t *duration = json_object_get(object, "duration");
	const json_t *live = json_object_get(object, "live");

	record->duration = duration ? json_number_value(duration) : 0;
	record->live = json_is_true(live);
	return (!duration || json_is_number(duration)) && record->duration >= 0 &&
	       (!live || json_is_boolean(live));
}

/* --- Time --- */

static bool take_number(const char **text, unsigned digits, int least, int most, int *ret_number)
{
	int number = 0;

	for (unsigned i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		number = number * 10 + (**text - '0');
	}
	*ret_number = number;
	return number >= least && number <= most;
}

static bool take_sign(const char **text, char sign)
{
	if (**text != sign)
		return false;
	(*text)++;
	return true;
}

/* Digits behind the point, up to six count. */
static int64_t take_fraction(const char **text)
{
	int64_t fraction = 0, unit = 100000;

	for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
		fraction += unit * (**text - '0');
	return fraction;
}

int record_time_from_text(const char *text, int64_t *ret_at)
{
	struct tm day = {0};
	int64_t fraction = 0;

	if (!take_number(&text, 4, 1970, 9999, &day.tm_year) || !take_sign(&text, '-') ||
		!take_number(&text, 2, 1, 12, &day.tm_mon) || !take_sign(&text, '-') ||
		!take_number(&text, 2, 1, 31, &day.tm_mday) || !take_sign(&text, 'T') ||
		!take_number(&text, 2, 0, 23, &day.tm_hour) || !take_sign(&text, ':') ||
		!take_number(&text, 2, 0, 59, &day.tm_min) || !take_sign(&text, ':') ||
		!take_number(&text, 2, 0, 60, &day.tm_sec))
		return -EINVAL;
	if (take_sign(&text, '.'))
		fraction = take_fraction(&text);
	if (!take_sign(&text, 'Z') || *text != '\0')
		return -EINVAL;
	day.tm_year -= 1900;
	day.tm_mon -= 1;
	*ret_at = (int64_t)timegm(&day) * 1000000 + fraction;
	return 0;
}

/* --- The line --- */

static bool take_object(const json_t *object, struct record *record)
{
	const char *time = get_string(object, "time", MEMBER_NAME);

	if (!time || record_time_from_text(time, &record->at) != 0 || !take_words(object, record))
		return false;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!take_member(object, &members[i], record))
			return false;
	return take_address(object, record) && take_port(object, record) &&
	       take_rest(object, record);
}

int record_read(const char *line, size_t size, struct record *ret_record)
{
	struct record record = {.document = NULL};
	json_error_t error;
	json_t *object;

	if (size > RECORD_LINE_MAX)
		return -EBADMSG;
	object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	if (!json_is_object(object) || !take_object(object, &record)) {
		json_decref(object);
		return -EBADMSG;
	}
	record.document = object;
	*ret_record = record;
	return 0;
}

void record_free(struct record *record)
{
	json_decref(record->document);
	record->document = NULL;
}
