/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "src/base/clock.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A line may come from anybody who can write into the log, so each member is held to what egress-
 * events(5) says of it: a name with a line feed in it is no name. Members that are not known are
 * passed over, and so are kinds.
 *
 * yajl says what it reads piece by piece, and no tree is made: of a million lines, with a tree of
 * jansson's each, that took six times as long. simdjson would take a quarter of yajl's time, but
 * its licence does not go with libnftables's, which egress-run(1) links as well. Members come in
 * the order of the table mostly, so each is looked for behind the one before.
 *
 * Strings are copied behind each other into one block, which has room for all of the line: none is
 * longer than it was written.
 */

enum {
	NAME_CHARACTERS = 1023, /* 255 bytes, each as \DDD, fit */
	WORD_CHARACTERS = 127,
	PROSE_CHARACTERS = 2000,
	NUMBER_CHARACTERS = 63,
	DOUBLE_DIGITS = 53,
	DEPTH_MAX = 16,
	POOL_SIZE = 65536,
	POOL_ALIGNMENT = 16,
};

#define COUNT_MAX ((uint64_t)1 << DOUBLE_DIGITS)

enum member_type {
	MEMBER_WORD,  /* printable ASCII */
	MEMBER_NAME,  /* the same, without blanks */
	MEMBER_PROSE, /* any text */
	MEMBER_TIME,
	MEMBER_KIND,
	MEMBER_VERDICT,
	MEMBER_ADDRESS,
	MEMBER_COUNT,
	MEMBER_PORT,
	MEMBER_USER,
	MEMBER_NUMBER,
	MEMBER_FLAG,
	MEMBER_EVIDENCE,   /* array of words */
	MEMBER_CATEGORIES, /* object of counts */
	MEMBER_BUDGETS,    /* object of objects of numbers */
	MEMBER_BASELINE,   /* object */
	MEMBER_NONE,
};

static const struct member {
	const char *key;
	size_t size;
	enum member_type type;
	size_t offset; /* in struct record, of those up to MEMBER_FLAG */
} members[] = {
#define ROW(key, type, field)                                                                      \
	{                                                                                          \
#key, sizeof(#key) - 1, type, offsetof(struct record, field)                       \
	}
	ROW(time, MEMBER_TIME, at),
	ROW(kind, MEMBER_KIND, kind),
	ROW(policy, MEMBER_WORD, policy),
	ROW(session, MEMBER_WORD, session),
	ROW(verdict, MEMBER_VERDICT, verdict),
	ROW(rule, MEMBER_WORD, rule),
	ROW(name, MEMBER_NAME, name),
	ROW(type, MEMBER_WORD, type),
	ROW(rcode, MEMBER_WORD, rcode),
	ROW(user, MEMBER_USER, user),
	ROW(cgroup, MEMBER_NAME, cgroup),
	ROW(cgroup_id, MEMBER_COUNT, cgroup_id),
	ROW(address, MEMBER_ADDRESS, address),
	ROW(ports, MEMBER_WORD, ports),
	ROW(port, MEMBER_PORT, port),
	ROW(protocol, MEMBER_NAME, protocol),
	ROW(ttl, MEMBER_COUNT, ttl),
	ROW(lease, MEMBER_COUNT, lease),
	ROW(phase, MEMBER_WORD, phase),
	ROW(since, MEMBER_TIME, since),
	ROW(destinations, MEMBER_COUNT, destinations),
	ROW(unknown, MEMBER_COUNT, unknown),
	ROW(wildcard_names, MEMBER_COUNT, wildcard_names),
	ROW(connections, MEMBER_COUNT, connections),
	ROW(refused, MEMBER_COUNT, refused),
	ROW(bytes_out, MEMBER_COUNT, bytes_out),
	ROW(packets_out, MEMBER_COUNT, packets_out),
	ROW(bytes_in, MEMBER_COUNT, bytes_in),
	ROW(packets_in, MEMBER_COUNT, packets_in),
	ROW(alerts, MEMBER_COUNT, alerts),
	{"categories", 10, MEMBER_CATEGORIES, 0},
	{"budget", 6, MEMBER_BUDGETS, 0},
	{"baseline", 8, MEMBER_BASELINE, 0},
	ROW(value, MEMBER_NUMBER, value),
	ROW(threshold, MEMBER_NUMBER, threshold),
	ROW(p, MEMBER_NUMBER, p),
	{"evidence", 8, MEMBER_EVIDENCE, 0},
	ROW(suppressed, MEMBER_COUNT, suppressed),
	ROW(duration, MEMBER_NUMBER, duration),
	ROW(live, MEMBER_FLAG, live),
	ROW(count, MEMBER_COUNT, count),
	ROW(what, MEMBER_WORD, what),
	ROW(category, MEMBER_PROSE, category),
	ROW(reason, MEMBER_PROSE, reason),
#undef ROW
};

enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

_Static_assert(MEMBERS <= 64, "a bit for each");

static const char *const kinds[RECORD_KINDS] = {
	[RECORD_QUERY] = "query",
	[RECORD_LEASE] = "lease",
	[RECORD_CONNECTION] = "connection",
	[RECORD_FLOW] = "flow",
	[RECORD_ALERT] = "alert",
	[RECORD_SESSION] = "session",
	[RECORD_POLICY] = "policy",
	[RECORD_LOST] = "lost",
	[RECORD_OTHER] = "other",
};

static const char *const verdicts[] = {
	[VERDICT_PERMIT] = "permit",
	[VERDICT_FLAG] = "flag",
	[VERDICT_OBSERVE] = "observe",
	[VERDICT_REFUSE] = "refuse",
};

const char *record_kind_name(enum record_kind kind)
{
	return kinds[kind];
}

/* A line that is being read. */
struct reading {
	struct record record;
	struct record_session figures;
	char *texts;
	size_t used;
	uint64_t seen;               /* members, by their bits */
	size_t next;                 /* the member behind the last one */
	const struct member *member; /* whose value comes; NULL: one that is not known */
	size_t field;                /* its offset, of objects in the member */
	const char *key;             /* the same, of categories */
	unsigned depth;
	/* What yajl allocates for a line of RECORD_LINE_MAX: two buffers that double until they
	 * hold all of it. It does not bear that it gets nothing (2.1.0). */
	_Alignas(16) char pool[POOL_SIZE];
	size_t pooled;
};

/* --- Words --- */

static int find_word(const char *const *words, size_t count, struct text text)
{
	for (size_t i = 0; i < count; i++)
		if (text_is(text, words[i]))
			return (int)i;
	return -1;
}

static enum record_kind kind_of(struct text word)
{
	int kind = find_word(kinds, RECORD_OTHER, word);

	return kind < 0 ? RECORD_OTHER : (enum record_kind)kind;
}

enum record_kind record_kind_of(const char *word)
{
	return kind_of(text_of(word));
}

int record_verdict_of(const char *word, enum verdict *ret_verdict)
{
	int verdict = find_word(verdicts, sizeof(verdicts) / sizeof(verdicts[0]), text_of(word));

	if (verdict < 0)
		return -EINVAL;
	*ret_verdict = (enum verdict)verdict;
	return 0;
}

/* --- Time --- */

static bool take_number(struct text *text, unsigned digits, int least, int most, int *ret_number)
{
	int number = 0;

	if (text->length < digits)
		return false;
	for (unsigned i = 0; i < digits; i++, text->start++, text->length--) {
		if (*text->start < '0' || *text->start > '9')
			return false;
		number = number * 10 + (*text->start - '0');
	}
	*ret_number = number;
	return number >= least && number <= most;
}

static bool take_sign(struct text *text, char sign)
{
	if (text->length == 0 || *text->start != sign)
		return false;
	text->start++;
	text->length--;
	return true;
}

/* Digits behind the point, up to six count. */
static int64_t take_fraction(struct text *text)
{
	int64_t fraction = 0, unit = 100000;

	for (; text->length > 0 && *text->start >= '0' && *text->start <= '9';
		text->start++, text->length--, unit /= 10)
		fraction += unit * (*text->start - '0');
	return fraction;
}

static int read_time(struct text text, int64_t *ret_at)
{
	int year, month, day, hour, minute, second;
	int64_t fraction = 0, seconds;

	if (!take_number(&text, 4, 1970, 9999, &year) || !take_sign(&text, '-') ||
		!take_number(&text, 2, 1, 12, &month) || !take_sign(&text, '-') ||
		!take_number(&text, 2, 1, 31, &day) || !take_sign(&text, 'T') ||
		!take_number(&text, 2, 0, 23, &hour) || !take_sign(&text, ':') ||
		!take_number(&text, 2, 0, 59, &minute) || !take_sign(&text, ':') ||
		!take_number(&text, 2, 0, 60, &second))
		return -EINVAL;
	if (take_sign(&text, '.'))
		fraction = take_fraction(&text);
	if (!take_sign(&text, 'Z') || text.length > 0)
		return -EINVAL;
	seconds = (int64_t)clock_days((unsigned)year, (unsigned)month, (unsigned)day) * 86400 +
		  (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
	*ret_at = seconds * 1000000 + fraction;
	return 0;
}

int record_time_from_text(const char *text, int64_t *ret_at)
{
	return read_time(text_of(text), ret_at);
}

/* --- Values --- */

static bool is_printable(struct text text, char first)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.start[i] < first || text.start[i] > '~')
			return false;
	return true;
}

static bool fits(enum member_type type, struct text text)
{
	switch (type) {
	case MEMBER_NAME:
		return text.length <= NAME_CHARACTERS && is_printable(text, '!');
	case MEMBER_WORD:
		return text.length <= WORD_CHARACTERS && is_printable(text, ' ');
	default:
		return text.length <= PROSE_CHARACTERS && !memchr(text.start, 0, text.length);
	}
}

/* A copy with a NUL; NULL: it is not as it must be. */
static const char *keep_text(struct reading *reading, enum member_type type, struct text text)
{
	char *copy = reading->texts + reading->used;

	if (text.length == 0)
		return "";
	if (!fits(type, text))
		return NULL;
	memcpy(copy, text.start, text.length);
	copy[text.length] = '\0';
	reading->used += text.length + 1;
	return copy;
}

static bool keep_string(
	struct reading *reading, enum member_type type, struct text text, const char **ret_string)
{
	const char *string = keep_text(reading, type, text);

	if (string)
		*ret_string = string;
	return string;
}

static bool take_word_of(struct record *record, enum member_type type, struct text text)
{
	int verdict;

	if (type == MEMBER_KIND) {
		record->kind = kind_of(text);
		return text.length > 0 && text.length <= WORD_CHARACTERS;
	}
	verdict = find_word(verdicts, sizeof(verdicts) / sizeof(verdicts[0]), text);
	record->verdict = verdict < 0 ? VERDICT_PERMIT : (enum verdict)verdict;
	record->has_verdict = verdict >= 0;
	return verdict >= 0 || text.length == 0;
}

static bool take_string(struct reading *reading, const struct member *member, struct text text)
{
	void *field = (char *)&reading->record + member->offset;

	switch (member->type) {
	case MEMBER_WORD:
	case MEMBER_NAME:
	case MEMBER_PROSE:
		return keep_string(reading, member->type, text, field);
	case MEMBER_TIME:
		return read_time(text, field) == 0;
	case MEMBER_KIND:
	case MEMBER_VERDICT:
		return take_word_of(&reading->record, member->type, text);
	case MEMBER_ADDRESS:
		reading->record.has_address = text.length > 0;
		return text.length == 0 || inaddr_from_text(text, field) == 0;
	default:
		return false;
	}
}

static bool read_number(struct text text, double *ret_number)
{
	char copy[NUMBER_CHARACTERS + 1];
	double number;

	if (text.length > NUMBER_CHARACTERS)
		return false;
	memcpy(copy, text.start, text.length);
	copy[text.length] = '\0';
	number = strtod(copy, NULL);
	if (!isfinite(number))
		return false;
	*ret_number = number;
	return true;
}

static bool take_value(struct reading *reading, const struct member *member, struct text text)
{
	void *field = (char *)&reading->record + member->offset;
	uint64_t number;

	switch (member->type) {
	case MEMBER_COUNT:
		return text_to_number(text, COUNT_MAX, field) == 0;
	case MEMBER_PORT:
		if (text_to_number(text, UINT16_MAX, &number) < 0)
			return false;
		reading->record.port = (int)number;
		return true;
	case MEMBER_USER:
		if (text_to_number(text, UINT32_MAX, &number) < 0)
			return false;
		reading->record.user = (int64_t)number;
		return true;
	case MEMBER_NUMBER:
		return read_number(text, field) && *(const double *)field >= 0;
	default:
		return false;
	}
}

/* --- Values in values --- */

static bool take_evidence(struct reading *reading, struct text text)
{
	struct record *record = &reading->record;

	if (record->n_evidence == RECORD_EVIDENCE)
		return true;
	return keep_string(reading, MEMBER_WORD, text, &record->evidence[record->n_evidence++]);
}

static bool take_category(struct reading *reading, struct text text)
{
	struct record_session *figures = &reading->figures;
	uint64_t destinations;

	if (text_to_number(text, COUNT_MAX, &destinations) < 0)
		return false;
	if (figures->n_categories < RECORD_CATEGORIES)
		figures->categories[figures->n_categories++] =
			(struct record_category){reading->key, destinations};
	return true;
}

/* A number that isn't a member's value itself. */
static bool take_inner_number(struct reading *reading, struct text text)
{
	struct record_session *figures = &reading->figures;

	switch (reading->member->type) {
	case MEMBER_CATEGORIES:
		return reading->depth == 2 && take_category(reading, text);
	case MEMBER_BASELINE:
		return reading->field != 1 ||
		       text_to_number(text, COUNT_MAX, &figures->baseline_sessions) == 0;
	case MEMBER_BUDGETS: {
		struct record_budget *budget = &figures->budgets[figures->n_budgets - 1];

		if (reading->depth != 3 || reading->field == 0)
			return reading->depth == 3;
		return read_number(text, reading->field == 1 ? &budget->used : &budget->of);
	}
	default:
		return false;
	}
}

static bool take_inner_string(struct reading *reading, struct text text)
{
	if (reading->member->type == MEMBER_EVIDENCE)
		return take_evidence(reading, text);
	if (reading->member->type != MEMBER_BASELINE)
		return false;
	return reading->field != 2 ||
	       keep_string(reading, MEMBER_WORD, text, &reading->figures.baseline);
}

/* Begins with another budget. */
static bool take_budget(struct reading *reading, struct text text)
{
	struct record_session *figures = &reading->figures;
	const char *key = keep_text(reading, MEMBER_NAME, text);

	if (!key || figures->n_budgets == RECORD_BUDGETS)
		return false;
	figures->budgets[figures->n_budgets++] = (struct record_budget){.key = key};
	return true;
}

/* A key of an object that is a member's value. */
static bool take_inner_key(struct reading *reading, struct text text)
{
	switch (reading->member->type) {
	case MEMBER_CATEGORIES:
		reading->key = keep_text(reading, MEMBER_PROSE, text);
		return reading->key;
	case MEMBER_BASELINE:
		reading->field = text_is(text, "sessions") ? 1 : text_is(text, "state") ? 2 : 0;
		return true;
	case MEMBER_BUDGETS:
		if (reading->depth == 2)
			return take_budget(reading, text);
		reading->field = text_is(text, "used") ? 1 : text_is(text, "of") ? 2 : 0;
		return true;
	default:
		return false;
	}
}

/* --- What yajl tells; false ends the reading --- */

static struct text text_at(const unsigned char *start, size_t size)
{
	return (struct text){(const char *)start, size};
}

static const struct member *find_member(struct reading *reading, struct text key)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct member *member = &members[reading->next];

		reading->next = reading->next + 1 < MEMBERS ? reading->next + 1 : 0;
		if (member->size == key.length && memcmp(member->key, key.start, key.length) == 0)
			return member;
	}
	return NULL;
}

static int on_key(void *context, const unsigned char *start, size_t size)
{
	struct reading *reading = context;
	uint64_t bit;

	if (reading->depth > 1)
		return !reading->member || take_inner_key(reading, text_at(start, size));
	reading->member = find_member(reading, text_at(start, size));
	if (!reading->member)
		return true;
	bit = (uint64_t)1 << (reading->member - members);
	if (reading->seen & bit)
		return false;
	reading->seen |= bit;
	return true;
}

static int on_string(void *context, const unsigned char *start, size_t size)
{
	struct reading *reading = context;
	struct text text = text_at(start, size);

	if (reading->depth == 0)
		return false;
	if (!reading->member)
		return true;
	return reading->depth == 1 ? take_string(reading, reading->member, text)
				   : take_inner_string(reading, text);
}

static int on_number(void *context, const char *start, size_t size)
{
	struct reading *reading = context;
	struct text text = {start, size};

	if (reading->depth == 0)
		return false;
	if (!reading->member)
		return true;
	return reading->depth == 1 ? take_value(reading, reading->member, text)
				   : take_inner_number(reading, text);
}

static int on_boolean(void *context, int value)
{
	struct reading *reading = context;

	if (reading->depth != 1 || !reading->member)
		return reading->depth > 0 && !reading->member;
	if (reading->member->type != MEMBER_FLAG)
		return false;
	reading->record.live = value;
	return true;
}

static int on_null(void *context)
{
	const struct reading *reading = context;

	return reading->depth > 0 && !reading->member;
}

static int on_object(void *context)
{
	struct reading *reading = context;
	enum member_type type = reading->member ? reading->member->type : MEMBER_NONE;
	unsigned depth = ++reading->depth;

	if (depth == 1 || !reading->member)
		return depth <= DEPTH_MAX;
	return (depth == 2 && type >= MEMBER_CATEGORIES) || (depth == 3 && type == MEMBER_BUDGETS);
}

static int on_array(void *context)
{
	struct reading *reading = context;
	unsigned depth = ++reading->depth;

	if (depth == 1)
		return false;
	return reading->member ? depth == 2 && reading->member->type == MEMBER_EVIDENCE
			       : depth <= DEPTH_MAX;
}

static int on_end(void *context)
{
	((struct reading *)context)->depth--;
	return true;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

/* --- The line --- */

static bool is_pooled(const struct reading *reading, const void *block)
{
	return (const char *)block >= reading->pool &&
	       (const char *)block < reading->pool + POOL_SIZE;
}

static void *take_block(void *context, size_t size)
{
	struct reading *reading = context;
	const size_t aligned = (size + POOL_ALIGNMENT - 1) & ~(size_t)(POOL_ALIGNMENT - 1);
	void *block = reading->pool + reading->pooled;

	if (size > POOL_SIZE || aligned > POOL_SIZE - reading->pooled)
		return malloc(size);
	reading->pooled += aligned;
	return block;
}

static void release_block(void *context, void *block)
{
	if (!is_pooled(context, block))
		free(block);
}

/* How large a block of the pool is, is not known: what lies behind it there is copied with it. */
static void *resize_block(void *context, void *block, size_t size)
{
	struct reading *reading = context;
	void *larger;
	size_t most;

	if (block && !is_pooled(reading, block))
		return realloc(block, size);
	larger = take_block(reading, size);
	if (!block || !larger)
		return larger;
	most = (size_t)(reading->pool + POOL_SIZE - (char *)block);
	memmove(larger, block, size < most ? size : most);
	return larger;
}

static int read_line(struct reading *reading, const char *line, size_t size)
{
	yajl_alloc_funcs blocks = {
		.malloc = take_block,
		.realloc = resize_block,
		.free = release_block,
		.ctx = reading,
	};
	yajl_handle handle = yajl_alloc(&callbacks, &blocks, reading);
	bool good;

	if (!handle)
		return -ENOMEM;
	good = yajl_parse(handle, (const unsigned char *)line, size) == yajl_status_ok &&
	       yajl_complete_parse(handle) == yajl_status_ok;
	yajl_free(handle);
	return good ? 0 : -EBADMSG;
}

static bool has_seen(const struct reading *reading, size_t member)
{
	return reading->seen >> member & 1;
}

/* One that says nothing. */
static const struct record blank = {
	.policy = "",
	.session = "",
	.rule = "",
	.name = "",
	.type = "",
	.rcode = "",
	.ports = "",
	.protocol = "",
	.cgroup = "",
	.phase = "",
	.what = "",
	.category = "",
	.reason = "",
	.port = -1,
	.user = -1,
	.since = -1,
	.p = -1,
};

static void begin(struct reading *reading, char *texts)
{
	reading->record = blank;
	reading->figures.n_budgets = 0;
	reading->figures.n_categories = 0;
	reading->figures.baseline = "";
	reading->figures.baseline_sessions = 0;
	reading->texts = texts;
	reading->used = 0;
	reading->seen = 0;
	reading->next = 0;
	reading->member = NULL;
	reading->field = 0;
	reading->key = "";
	reading->depth = 0;
	reading->pooled = 0;
}

int record_read(const char *line, size_t size, struct record *ret_record)
{
	const size_t room = sizeof(struct record_session) + size + 1;
	struct reading reading;
	char *document;
	int error;

	if (size == 0 || size > RECORD_LINE_MAX)
		return -EBADMSG;
	document = malloc(room);
	if (!document)
		return -ENOMEM;
	begin(&reading, document + sizeof(struct record_session));
	error = read_line(&reading, line, size);
	/* The first two members */
	if (!error && !(has_seen(&reading, 0) && has_seen(&reading, 1)))
		error = -EBADMSG;
	if (error) {
		free(document);
		return error;
	}
	reading.record.document = document;
	if (reading.record.kind == RECORD_SESSION) {
		memcpy(document, &reading.figures, sizeof(reading.figures));
		reading.record.figures = (const struct record_session *)(void *)document;
	}
	*ret_record = reading.record;
	return 0;
}

void record_free(struct record *record)
{
	free(record->document);
	record->document = NULL;
}
