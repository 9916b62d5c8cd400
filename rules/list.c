/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rules/class.h"
#include "rules/codes.h"
#include "rules/host.h"
#include "rules/quote.h"
#include "src/base/arena.h"
#include "src/base/fd.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A list is read in one pass, line by line. Nearly all lines of a long one are plain: a name in
 * lower case and nothing else. Those are copied into their record as they are checked, dots turning
 * into lengths on the way. Whatever isn't plain, in any respect, goes the careful way, which knows
 * blanks, comments, addresses, hosts(5) lines and, through host_from_text(), every way to write a
 * host. So there is one place that says what is wrong with a line.
 *
 * Records and ranges grow in malloc'ed buffers and are copied into the arena when their number is
 * known. The text is given back at the end; only a bad list leaves the lines up to the last message
 * in the arena, for the diag to show.
 *
 * The digest is the sum of a hash of each record (kind, length and name) and of each range, so the
 * order does not count. Its keys are constants: nobody has to be kept from choosing what collides
 * but the author of the policy, and another machine must come to the same.
 */

enum {
	SHOWN_MAX = 20, /* bad lines with a message of their own */
	KIND_BITS = 2,
	GAP_MAX = 62,    /* lines that a record's first byte can say */
	PLAIN_MAX = 253, /* characters of a name */
	PLAIN_LABEL = 63,
	HEAD = 2, /* bytes of a record before its name */
	HEAD_LONG = HEAD + 4,
	RECORD_MAX = HEAD_LONG + NAME_WIRE_MAX,
	FIRST_ROOM = 4096,
};

_Static_assert(HOST_GLOB < 1 << KIND_BITS, "a kind has room");

static const struct hash_key name_key = {{0x6567726573732d6c, 0x6973742d6e616d65}};
static const struct hash_key range_key = {{0x6567726573732d6c, 0x6973742d72616e67}};

/* A list on its way from text. */
struct reading {
	const char *file;
	struct diag *diag;
	struct text line; /* the one that is read, and its number */
	uint32_t number;
	struct {
		uint8_t *bytes;
		size_t size;
		size_t room;
		size_t count;
		uint32_t line; /* of the last one */
	} names;
	struct {
		struct list_range *items;
		size_t count;
		size_t room;
	} ranges;
	uint64_t digest;
	size_t bad;             /* lines */
	uint32_t first_unshown; /* of them */
	const char *shown_end;  /* behind the last line that a message is about */
};

static struct text drop(struct text text, size_t count)
{
	return (struct text){.start = text.start + count, .length = text.length - count};
}

/* Characters of a text; a byte that is none counts as one, as for a diag. */
static unsigned count_chars(struct text text)
{
	unsigned count = 0;

	for (uint32_t character; text.length > 0; count++) {
		size_t size = text_char(text, &character);

		text = drop(text, size > 0 ? size : 1);
	}
	return count;
}

/* An error at a part of the line. */
static void reject(struct reading *reading, struct text part, const char *problem)
{
	struct text before = {reading->line.start, (size_t)(part.start - reading->line.start)};
	char quoted[QUOTE_TEXT];

	if (++reading->bad > SHOWN_MAX) {
		if (reading->bad == SHOWN_MAX + 1)
			reading->first_unshown = reading->number;
		return;
	}
	reading->shown_end = reading->line.start + reading->line.length;
	diag_error(reading->diag, CODE_LIST_LINE,
		(struct place){
			reading->file, reading->number, 1 + count_chars(before), count_chars(part)},
		"%s %s", quote(part, quoted), problem);
}

/* Bytes that the head of the next record takes. */
static size_t head_size(const struct reading *reading)
{
	return reading->number - reading->names.line > GAP_MAX ? HEAD_LONG : HEAD;
}

/* Makes room for the next record. 0 or -ENOMEM. */
static int make_room(struct reading *reading)
{
	size_t room = reading->names.room;
	uint8_t *bytes;

	if (room - reading->names.size >= RECORD_MAX)
		return 0;
	room = room > 0 ? room * 2 : FIRST_ROOM;
	bytes = realloc(reading->names.bytes, room);
	if (!bytes)
		return -ENOMEM;
	reading->names.bytes = bytes;
	reading->names.room = room;
	return 0;
}

/* Where the name of the next record goes, for which there is room. */
static uint8_t *next_name(const struct reading *reading)
{
	return reading->names.bytes + reading->names.size + head_size(reading);
}

/* Ends the record of which the name is there. */
static void close_record(struct reading *reading, enum host_kind kind, uint8_t length)
{
	uint8_t *head = reading->names.bytes + reading->names.size;
	size_t size = head_size(reading);
	uint32_t gap = reading->number - reading->names.line;

	/* The digest is of the kind, the length and the name; the kind is written over below. */
	head[size - 2] = (uint8_t)kind;
	head[size - 1] = length;
	reading->digest += hash_bytes(&name_key, head + size - 2, 2u + length);
	head[0] = (uint8_t)(kind | (gap > GAP_MAX ? GAP_MAX + 1 : gap) << KIND_BITS);
	if (gap > GAP_MAX)
		memcpy(head + 1, &gap, sizeof(gap));
	reading->names.size += size + length;
	reading->names.line = reading->number;
	reading->names.count++;
}

/* What a name of a plain line is made of, but for the dots. */
static const bool is_plain[256] = {
	['-'] = true,
	['_'] = true,
	['0'] = true,
	['1'] = true,
	['2'] = true,
	['3'] = true,
	['4'] = true,
	['5'] = true,
	['6'] = true,
	['7'] = true,
	['8'] = true,
	['9'] = true,
	['a'] = true,
	['b'] = true,
	['c'] = true,
	['d'] = true,
	['e'] = true,
	['f'] = true,
	['g'] = true,
	['h'] = true,
	['i'] = true,
	['j'] = true,
	['k'] = true,
	['l'] = true,
	['m'] = true,
	['n'] = true,
	['o'] = true,
	['p'] = true,
	['q'] = true,
	['r'] = true,
	['s'] = true,
	['t'] = true,
	['u'] = true,
	['v'] = true,
	['w'] = true,
	['x'] = true,
	['y'] = true,
	['z'] = true,
};

/* Whether the label of `length` characters that ends before `end` has a length and ends as labels
 * do; then its length is written before it. */
static bool end_label(const uint8_t *end, size_t length, uint8_t *out)
{
	if (length - 1 >= PLAIN_LABEL || end[-1] == '-' || *(end - length) == '-')
		return false;
	*out = (uint8_t)length;
	return true;
}

/* Whether the last label may be a number, decimal or hexadecimal. */
static bool may_be_number(const uint8_t *label, const uint8_t *end)
{
	return (end[-1] >= '0' && end[-1] <= '9') ||
	       (end - label > 1 && label[0] == '0' && label[1] == 'x');
}

/* A name in lower case without a dot at its end, and of which the last label isn't a number, in
 * wire form into `out`: its length, or 0 for any other text. At most PLAIN_MAX characters. */
static size_t plain_name(struct text text, uint8_t *out)
{
	const uint8_t *in = (const uint8_t *)text.start;
	size_t label = 0, i;

	if (text.length == 0)
		return 0;
	for (i = 0; i < text.length; i++) {
		out[i + 1] = in[i];
		if (is_plain[in[i]])
			continue;
		if (in[i] != '.' || !end_label(in + i, i - label, out + label))
			return 0;
		label = i + 1;
	}
	if (!end_label(in + i, i - label, out + label) || may_be_number(in + label, in + i))
		return 0;
	out[i + 1] = 0;
	return i + 2;
}

/* Takes "*." or "**." off a text's front and says which it was; other stars stay. */
static enum host_kind take_front(struct text *text)
{
	if (text->length == 0 || text->start[0] != '*')
		return HOST_EXACT;
	if (text_starts(*text, "*.")) {
		*text = drop(*text, 2);
		return HOST_ONE_LABEL;
	}
	if (text_starts(*text, "**.")) {
		*text = drop(*text, 3);
		return HOST_ANY_DEPTH;
	}
	return HOST_EXACT;
}

/* Adds such a name, alone or behind "*." or "**."; false for any other text. There is room. */
static bool add_plain(struct reading *reading, struct text text)
{
	bool fits = text.length <= PLAIN_MAX;
	enum host_kind kind = take_front(&text);
	size_t length = fits ? plain_name(text, next_name(reading)) : 0;

	if (length > 0)
		close_record(reading, kind, (uint8_t)length);
	return length > 0;
}

/* Adds a host, if it is one. 0 or -ENOMEM. */
static int add_host(struct reading *reading, struct text text)
{
	enum host_kind kind;
	const char *problem;
	struct name name;

	if (make_room(reading) < 0)
		return -ENOMEM;
	if (add_plain(reading, text))
		return 0;
	if (host_from_text(text, &kind, &name, &problem) < 0) {
		reject(reading, text, problem);
		return 0;
	}
	memcpy(next_name(reading), name.wire, name.length);
	close_record(reading, kind, name.length);
	return 0;
}

static int add_range(struct reading *reading, const struct range *range)
{
	size_t room = reading->ranges.room;

	if (reading->ranges.count == room) {
		struct list_range *items;

		room = room > 0 ? room * 2 : FIRST_ROOM / sizeof(*items);
		items = reallocarray(reading->ranges.items, room, sizeof(*items));
		if (!items)
			return -ENOMEM;
		reading->ranges.items = items;
		reading->ranges.room = room;
	}
	reading->ranges.items[reading->ranges.count++] =
		(struct list_range){.range = *range, .line = reading->number};
	reading->digest += hash_bytes(&range_key, range, sizeof(*range));
	return 0;
}

/* Takes the first word off a text that has blanks at neither end. */
static struct text take_word(struct text *text)
{
	struct text word = *text;

	for (size_t i = 0; i < text->length; i++) {
		if (text->start[i] != ' ' && text->start[i] != '\t')
			continue;
		word.length = i;
		break;
	}
	*text = text_trim(drop(*text, word.length));
	return word;
}

static bool equals(struct text text, const char *lower)
{
	if (text.length != strlen(lower))
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (text_lower(text.start[i]) != lower[i])
			return false;
	}
	return true;
}

/* Whether a name of a hosts(5) line is one that every such file has for the machine itself. */
static bool is_own(struct text name)
{
	static const char *const own[] = {
		"localhost",
		"localhost.localdomain",
		"localhost4",
		"localhost4.localdomain4",
		"localhost6",
		"localhost6.localdomain6",
		"local",
		"broadcasthost",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (equals(name, own[i]))
			return true;
	}
	return name.length > 4 && equals((struct text){name.start, 4}, "ip6-") &&
	       !memchr(name.start, '.', name.length);
}

/* What stands in a name's place in a hosts(5) line. Some such files have "0.0.0.0 0.0.0.0"; any
 * other address there was meant for more than a line that says nothing. 0 or -ENOMEM. */
static int add_named(struct reading *reading, struct text name)
{
	enum address_class class;
	struct inaddr address;

	if (is_own(name))
		return 0;
	if (inaddr_from_text(name, &address) < 0)
		return add_host(reading, name);
	if (!class_find(&address, 1U << CLASS_LOOPBACK, &class))
		reject(reading, name,
			"is an address where a name stands behind another address: each has a line "
			"of its own");
	return 0;
}

/* The names of a hosts(5) line, up to the first bad one. */
static int add_names(struct reading *reading, struct text rest)
{
	size_t bad = reading->bad;
	int error = 0;

	while (rest.length > 0 && error == 0 && reading->bad == bad)
		error = add_named(reading, take_word(&rest));
	return error;
}

/* "192.0.2.1", or "fe80::1%lo0" as in hosts(5). */
static bool is_host_address(struct text text)
{
	struct inaddr address;
	struct text zone;

	text_cut(text, '%', &text, &zone);
	return inaddr_from_text(text, &address) == 0;
}

/* Whether it was meant for an address. */
static bool is_numeric(struct text text)
{
	bool marked = false;

	for (size_t i = 0; i < text.length; i++) {
		char c = text_lower(text.start[i]);

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !strchr(":/.-%", c))
			return false;
		marked = marked || c == ':' || c == '/';
	}
	return marked;
}

/* A destination alone in its line. */
static int add_one(struct reading *reading, struct text text)
{
	struct range range;

	switch (range_from_text(text, &range)) {
	case 0:
		return add_range(reading, &range);
	case -EDOM:
		reject(reading, text, "has bits set behind its prefix length");
		return 0;
	case -ERANGE:
		reject(reading, text, "ends before it starts, or in the other family");
		return 0;
	default:
		break;
	}
	if (!is_host_address(text) && !is_numeric(text))
		return add_host(reading, text);
	reject(reading, text, "is not an address, a prefix or a range (first-last)");
	return 0;
}

/* Any line but a plain one. */
static int read_line(struct reading *reading)
{
	struct text rest, comment, first;

	text_cut(reading->line, '#', &rest, &comment);
	rest = text_trim(rest);
	if (rest.length == 0)
		return 0;
	first = take_word(&rest);
	/* All of the line was tried already. */
	if (first.length < reading->line.length && rest.length == 0 && add_plain(reading, first))
		return 0;
	if (rest.length == 0)
		return add_one(reading, first);
	if (is_host_address(first))
		return add_names(reading, rest);
	reject(reading, take_word(&rest),
		"is a second destination in its line: only an address has names behind it");
	return 0;
}

/* Takes the next line off a text, without its CR: a name before CR LF is plain. */
static void take_line(struct reading *reading, struct text *rest)
{
	struct text line;

	text_cut(*rest, '\n', &line, rest);
	if (line.length > 0 && line.start[line.length - 1] == '\r')
		line.length--;
	reading->line = line;
	reading->number++;
}

static int read_lines(struct reading *reading, struct text text)
{
	int error = 0;

	while (text.length > 0 && error == 0) {
		take_line(reading, &text);
		error = make_room(reading);
		if (error == 0 && !add_plain(reading, reading->line))
			error = read_line(reading);
	}
	return error;
}

/* An error at the first NUL of a text: it isn't looked at any further. */
static void reject_nul(struct reading *reading, struct text text, const char *nul)
{
	struct text rest = text;

	do
		take_line(reading, &rest);
	while (reading->line.start + reading->line.length < nul);
	reject(reading, (struct text){nul, 1}, "is a NUL byte: this is not a list in text");
}

/* What is still to be said of the bad lines. The diag gets a copy of the text as far as it needs.
 */
static void finish_messages(struct reading *reading, struct arena *arena, struct text text)
{
	size_t size, more;
	const char *copy;

	if (reading->bad == 0)
		return;
	size = (size_t)(reading->shown_end - text.start);
	copy = arena_strndup(arena, text.start, size);
	if (copy)
		diag_source(reading->diag, reading->file, copy, size);
	if (reading->bad <= SHOWN_MAX)
		return;
	more = reading->bad - SHOWN_MAX;
	diag_error(reading->diag, CODE_LIST_LINE,
		(struct place){.file = reading->file, .line = reading->first_unshown},
		"from this line on, %zu more %s no host, address or prefix", more,
		more == 1 ? "line is" : "lines are");
}

/* What was read, in the arena. NULL without memory. */
static struct list *make_list(const struct reading *reading, struct arena *arena)
{
	size_t n_ranges = reading->ranges.count;
	struct list *list = arena_alloc(arena, sizeof(*list));
	uint8_t *records = arena_alloc(arena, reading->names.size);
	struct list_range *ranges = arena_array(arena, n_ranges, sizeof(*ranges));

	if (!list || !records || !ranges)
		return NULL;
	if (reading->names.size > 0)
		memcpy(records, reading->names.bytes, reading->names.size);
	if (n_ranges > 0)
		memcpy(ranges, reading->ranges.items, n_ranges * sizeof(*ranges));
	*list = (struct list){
		.file = reading->file,
		.records = records,
		.size = reading->names.size,
		.n_names = reading->names.count,
		.ranges = ranges,
		.n_ranges = n_ranges,
		.digest = reading->digest,
	};
	return list;
}

static int read_list(struct reading *reading, struct arena *arena, struct text text)
{
	const char *nul;
	int error = 0;

	if (text_starts(text, "\xef\xbb\xbf"))
		text = drop(text, 3);
	nul = text.length > 0 ? memchr(text.start, '\0', text.length) : NULL;
	if (nul)
		reject_nul(reading, text, nul);
	else
		error = read_lines(reading, text);
	if (error < 0)
		return error;
	finish_messages(reading, arena, text);
	return reading->bad > 0 ? -EINVAL : 0;
}

int list_parse(struct arena *arena, const char *file, struct text text, struct place place,
	struct diag *diag, struct list **ret_list)
{
	struct reading reading = {
		.file = arena_strndup(arena, file, strlen(file)),
		.diag = diag,
	};
	struct list *list = NULL;
	int error = reading.file ? 0 : -ENOMEM;

	if (error == 0 && text.length > LIST_SIZE_MAX) {
		diag_error(diag, CODE_TOO_LARGE, place, "the list is larger than 1 GiB");
		return -EINVAL;
	}
	if (error == 0)
		error = read_list(&reading, arena, text);
	if (error == 0) {
		list = make_list(&reading, arena);
		error = list ? 0 : -ENOMEM;
	}
	free(reading.names.bytes);
	free(reading.ranges.items);
	if (error < 0)
		return error;
	list->place = place;
	*ret_list = list;
	return 0;
}

static const struct {
	int error;
	const char *reason;
} reasons[] = {
	{-ENOENT, "there is no such file"},
	{-EACCES, "permission denied"},
	{-EISDIR, "it is a directory"},
	{-EFBIG, "it is larger than 1 GiB"},
	{-ENODEV, "it is not a regular file"},
};

static const char *reason_of(int error)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].error == error)
			return reasons[i].reason;
	}
	return strerror(-error);
}

/* Reads a regular file whole. One of another kind that takes its place between the two calls can
 * only make us wait. */
static int read_file(const char *file, uint8_t **ret_bytes, size_t *ret_size)
{
	struct stat status;

	if (stat(file, &status) == 0 && !S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -ENODEV;
	return fd_read_file(file, LIST_SIZE_MAX, ret_bytes, ret_size);
}

/* The path of a list as the policy file `beside` means it. */
static const char *resolve(struct arena *arena, const char *beside, struct text path)
{
	const char *slash = strrchr(beside, '/');
	int folder = slash && path.start[0] != '/' ? (int)(slash + 1 - beside) : 0;

	return arena_printf(arena, "%.*s%.*s", folder, beside, TEXT_ARG(path));
}

int list_load(struct arena *arena, const char *beside, struct text path, struct place place,
	struct diag *diag, struct list **ret_list)
{
	char quoted[QUOTE_TEXT];
	uint8_t *bytes = NULL;
	const char *file, *written;
	size_t size = 0;
	int error;

	if (path.length == 0 || memchr(path.start, '\0', path.length)) {
		diag_error(diag, CODE_READ, place, "%s is not the path of a file",
			quote(path, quoted));
		return -EINVAL;
	}
	file = resolve(arena, beside, path);
	written = arena_strndup(arena, path.start, path.length);
	if (!file || !written)
		return -ENOMEM;
	error = read_file(file, &bytes, &size);
	if (error == 0) {
		error = list_parse(arena, file, (struct text){(const char *)bytes, size}, place,
			diag, ret_list);
		if (error == 0)
			(*ret_list)->path = written;
		free(bytes);
		return error;
	}
	if (error == -ENOMEM)
		return error;
	diag_error(diag, error == -EFBIG ? CODE_TOO_LARGE : CODE_READ, place,
		"cannot read the list %s: %s", quote(text_of(file), quoted), reason_of(error));
	return -EINVAL;
}

bool list_next(const struct list *list, size_t *at, struct list_name *name)
{
	const uint8_t *head = list->records + *at;
	uint32_t gap;

	if (*at >= list->size)
		return false;
	name->kind = (enum host_kind)(head[0] & ((1 << KIND_BITS) - 1));
	gap = *head++ >> KIND_BITS;
	if (gap > GAP_MAX) {
		memcpy(&gap, head, sizeof(gap));
		head += sizeof(gap);
	}
	name->length = head[0];
	name->wire = head + 1;
	name->line += gap;
	*at = (size_t)(name->wire + name->length - list->records);
	return true;
}
