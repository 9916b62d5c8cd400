/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A host is read label by label into a name's wire form, '*' being a character of its label like
 * any other. So a whole text is a name with some labels that match more than themselves, and it is
 * the stars that tell the kind: only a first label "*" or "**" is cut off again, since those two
 * are looked up by the name behind them; any other host with a star stays as it is written.
 *
 * What isn't ASCII goes through libidn2 one label at a time (UTS 46, non-transitional), and the
 * result must pass for a label written in ASCII: the mapping makes '*', '/' or nothing at all of
 * some characters. The three other full stops that UTS 46 takes for dots part labels here too.
 *
 * A label is matched from left to right with one place to go back to, behind the last '*' met: that
 * is enough, since what an earlier '*' could take as well is taken by the last one. So no label
 * costs more than its length times the pattern's.
 */

enum {
	LABEL_MAX = 63,
	LABELS_MAX = NAME_WIRE_MAX / 2,
	EXACT = INT32_MAX, /* more specific than any glob */
};

/* A host on its way from text. */
struct draft {
	struct name name; /* without the root's label until the end */
	unsigned labels;
	unsigned globs; /* labels with '*' among them */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' || c == '*';
}

static bool is_ascii(struct text text)
{
	for (size_t i = 0; i < text.length; i++) {
		if ((uint8_t)text.start[i] >= 0x80)
			return false;
	}
	return true;
}

static bool has(struct text text, char c)
{
	return text.length > 0 && memchr(text.start, c, text.length);
}

static struct text drop(struct text text, size_t count)
{
	return (struct text){.start = text.start + count, .length = text.length - count};
}

static const char no_host[] =
	"is not a host name: labels of letters, digits, '-' and '_', with dots between";
static const char too_long[] = "is too long: a label has at most 63 characters, a name 253";
static const char is_address[] = "is an address: it belongs under 'ip'";

/* What is wrong with the stars of a label, or NULL. */
static const char *star_problem(struct text label, bool first)
{
	for (size_t i = 1; i < label.length; i++) {
		if (label.start[i - 1] != '*' || label.start[i] != '*')
			continue;
		if (!text_is(label, "**"))
			return "has stars side by side in a label: one '*' is any run of "
			       "characters";
		if (!first)
			return "has '**' elsewhere than in front: a label further on is '*'";
	}
	return NULL;
}

/* Adds a label in ASCII. NULL, or what is wrong. */
static const char *add_ascii(struct draft *draft, struct text label)
{
	struct name *name = &draft->name;
	uint8_t *out = name->wire + name->length;
	const char *problem;

	if (label.length == 0 || label.start[0] == '-' || label.start[label.length - 1] == '-')
		return no_host;
	for (size_t i = 0; i < label.length; i++) {
		if (!is_host_char(text_lower(label.start[i])))
			return no_host;
	}
	problem = star_problem(label, draft->labels == 0);
	if (problem)
		return problem;
	/* The root's label is still to come. */
	if (label.length > LABEL_MAX || name->length + 1 + label.length + 1 > NAME_WIRE_MAX)
		return too_long;

	*out++ = (uint8_t)label.length;
	for (size_t i = 0; i < label.length; i++)
		*out++ = (uint8_t)text_lower(label.start[i]);
	name->length = (uint8_t)(name->length + 1 + label.length);
	draft->labels++;
	draft->globs += has(label, '*');
	return NULL;
}

static const struct {
	int error;
	const char *problem;
} idn_problems[] = {
	{IDN2_DISALLOWED, "has a character that no host name may have (IDNA 2008)"},
	{IDN2_UNASSIGNED, "has a character that Unicode does not know (IDNA 2008)"},
	{IDN2_BIDI, "has a label that is written in both directions (RFC 5893)"},
	{IDN2_TOO_BIG_DOMAIN, too_long},
	{IDN2_TOO_BIG_LABEL, too_long},
	{IDN2_PUNYCODE_BIG_OUTPUT, too_long},
	{IDN2_MALLOC, "cannot be converted to its form with xn--: there is no memory left"},
};

static const char *idn_problem(int error)
{
	for (size_t i = 0; i < sizeof(idn_problems) / sizeof(idn_problems[0]); i++) {
		if (idn_problems[i].error == error)
			return idn_problems[i].problem;
	}
	return "has a label that is not a host name's (IDNA 2008)";
}

/* Adds a label that isn't ASCII, in its A-label form. NULL, or what is wrong. */
static const char *add_unicode(struct draft *draft, struct text label)
{
	uint8_t text[NAME_TEXT], *converted = NULL;
	const char *problem;
	int error;

	if (has(label, '*'))
		return "has a '*' in a label that is not ASCII: write the label's form with xn--";
	if (has(label, '\0'))
		return no_host;
	if (label.length >= sizeof(text))
		return too_long;
	memcpy(text, label.start, label.length);
	text[label.length] = '\0';
	error = idn2_lookup_u8(text, &converted, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (error != IDN2_OK)
		return idn_problem(error);

	struct text ascii = text_of((const char *)converted);

	problem = has(ascii, '*') ? no_host : add_ascii(draft, ascii);
	idn2_free(converted);
	return problem;
}

/* U+3002, U+FF0E and U+FF61 part labels as well (UTS 46 section 2.3). */
static bool is_dot(uint32_t character)
{
	return character == '.' || character == 0x3002 || character == 0xff0e ||
	       character == 0xff61;
}

/* Cuts the text, which is UTF-8, at its first dot; false if it has none. */
static bool cut_label(struct text text, struct text *ret_label, struct text *ret_rest)
{
	struct text rest = text;
	uint32_t character;

	while (rest.length > 0) {
		size_t size = text_char(rest, &character);

		if (is_dot(character)) {
			*ret_label = (struct text){text.start, text.length - rest.length};
			*ret_rest = drop(rest, size);
			return true;
		}
		rest = drop(rest, size);
	}
	*ret_label = text;
	*ret_rest = rest;
	return false;
}

/* All labels of a text. NULL, or what is wrong. */
static const char *read_labels(struct draft *draft, struct text text)
{
	struct text label, rest = text;
	const char *problem;
	size_t offset;
	bool more;

	if (!text_is_utf8(text, &offset))
		return "is not UTF-8";
	do {
		more = cut_label(rest, &label, &rest);
		problem = is_ascii(label) ? add_ascii(draft, label) : add_unicode(draft, label);
		if (problem)
			return problem;
	} while (more && rest.length > 0);

	draft->name.wire[draft->name.length++] = 0;
	return NULL;
}

static bool is_range(struct text text)
{
	struct range range;

	return range_from_text(text, &range) != -EINVAL;
}

/* What is wrong with something that isn't a host name. */
static const char *explain(struct text text)
{
	struct draft draft = {0};
	struct endpoint endpoint;
	struct text head, tail;

	if (is_range(text))
		return is_address;
	for (struct text rest = text; rest.length > 0; rest = drop(rest, 1)) {
		if (text_starts(rest, "://"))
			return "is a URL: only its host name belongs here";
	}
	if (endpoint_from_text(text, 0, &endpoint) == 0)
		return "is an address with a port: they belong under 'ip' and 'ports'";
	if (text_cut(text, ':', &head, &tail) && !has(tail, ':') && !read_labels(&draft, head))
		return "has a port: that belongs under 'ports'";
	return no_host;
}

/* Whether the last label is a number: all digits, or "0x" and hexadecimal digits, if any. No
 * top-level domain is one (RFC 1123 section 2.1, RFC 3696 section 2), but there are programs that
 * take such a name for an address (WHATWG URL, "ends in a number"). */
static bool ends_in_number(const struct name *name)
{
	unsigned labels = name_labels(name);
	const uint8_t *label = name->wire + (labels > 0 ? name_label_offset(name, labels - 1) : 0);
	bool hex = label[0] >= 2 && label[1] == '0' && label[2] == 'x';

	for (unsigned i = hex ? 3 : 1; i <= label[0]; i++) {
		if (!is_digit((char)label[i]) && !(hex && label[i] >= 'a' && label[i] <= 'f'))
			return false;
	}
	return labels > 0;
}

int host_name_from_text(struct text text, struct name *ret_name)
{
	struct name name;
	int error = name_from_text(text, &name);

	if (!error && ends_in_number(&name))
		error = -EINVAL;
	if (!error)
		*ret_name = name;
	return error;
}

/* Whether it is "10.0.*" and the like. */
static bool is_numbers_and_stars(const struct name *name)
{
	bool digits = false;

	for (unsigned offset = 0; name->wire[offset] != 0; offset += 1u + name->wire[offset]) {
		for (unsigned i = 1; i <= name->wire[offset]; i++) {
			char c = (char)name->wire[offset + i];

			if (c != '*' && !is_digit(c))
				return false;
			digits = digits || c != '*';
		}
	}
	return digits;
}

/* What is wrong with a host that takes the form of one, or NULL. */
static const char *number_problem(enum host_kind kind, const struct name *name)
{
	bool number = ends_in_number(name);
	char out[NAME_TEXT];

	if (number && is_range(text_of(name_to_text(name, out))))
		return is_address;
	if (kind != HOST_EXACT && is_numbers_and_stars(name))
		return "is not a host name: several addresses are a prefix or a range under 'ip'";
	return number ? "is not a host name: its last label is a number" : NULL;
}

/* The kind of a host; cuts off a first label that its kind says already. */
static enum host_kind settle_kind(struct draft *draft)
{
	const uint8_t *first = draft->name.wire;
	bool one = first[0] == 1 && first[1] == '*';
	bool deep = first[0] == 2 && first[1] == '*' && first[2] == '*';

	if (draft->globs == 0)
		return HOST_EXACT;
	if (draft->globs > 1 || (!one && !deep))
		return HOST_GLOB;
	draft->name = name_parent(&draft->name);
	return one ? HOST_ONE_LABEL : HOST_ANY_DEPTH;
}

int host_from_text(
	struct text text, enum host_kind *ret_kind, struct name *ret_name, const char **ret_problem)
{
	struct draft draft = {0};
	enum host_kind kind = HOST_EXACT;
	const char *problem = read_labels(&draft, text);

	if (!problem) {
		kind = settle_kind(&draft);
		problem = number_problem(kind, &draft.name);
	} else if (problem == no_host) {
		problem = explain(text);
	}
	if (problem) {
		*ret_problem = problem;
		return -EINVAL;
	}
	*ret_kind = kind;
	*ret_name = draft.name;
	return 0;
}

bool host_meant_address(struct text text, struct inaddr *ret_address)
{
	char copy[INADDR_TEXT];
	struct in_addr address;

	if (text.length == 0 || text.length >= sizeof(copy) || is_range(text))
		return false;
	memcpy(copy, text.start, text.length);
	copy[text.length] = '\0';
	if (strspn(copy, "0123456789abcdefABCDEFxX.") != text.length ||
		inet_aton(copy, &address) == 0)
		return false;
	*ret_address = inaddr_from_ip4((const uint8_t *)&address.s_addr);
	return true;
}

static struct name make_name(const uint8_t *wire, uint8_t length)
{
	struct name name = {.length = length};

	memcpy(name.wire, wire, length);
	return name;
}

static const char *const fronts[] = {
	[HOST_EXACT] = "",
	[HOST_ONE_LABEL] = "*",
	[HOST_ANY_DEPTH] = "**",
	[HOST_GLOB] = "",
};

const char *host_to_text(enum host_kind kind, const uint8_t *wire, uint8_t length, char *out)
{
	struct name name = make_name(wire, length);
	char *at = stpcpy(out, fronts[kind]);

	if (at != out && name_labels(&name) == 0)
		return out;
	if (at != out)
		*at++ = '.';
	name_to_text(&name, at);
	return out;
}

/* Whether a label as written (`pattern`) matches a label. Both begin with their length. */
static bool label_matches(const uint8_t *pattern, const uint8_t *label)
{
	unsigned n = pattern[0], m = label[0], i = 1, j = 1;
	unsigned again_i = 0, again_j = 0; /* behind the last '*', and from where it takes more */

	while (j <= m) {
		if (i <= n && pattern[i] == '*') {
			again_i = ++i;
			again_j = j;
		} else if (i <= n && pattern[i] == label[j]) {
			i++;
			j++;
		} else if (again_i > 0) {
			i = again_i;
			j = ++again_j;
		} else {
			return false;
		}
	}
	while (i <= n && pattern[i] == '*')
		i++;
	return i > n;
}

/* Cuts a first label "**" off a glob's wire form. */
static const uint8_t *skip_deep(const uint8_t *wire, bool *ret_deep)
{
	*ret_deep = wire[0] == 2 && wire[1] == '*' && wire[2] == '*';
	return *ret_deep ? wire + 3 : wire;
}

static unsigned count_labels(const uint8_t *wire)
{
	unsigned count = 0;

	for (; *wire != 0; wire += 1 + *wire)
		count++;
	return count;
}

static bool glob_matches(const uint8_t *wire, const struct name *name)
{
	const uint8_t *at = name->wire;
	bool deep;
	const uint8_t *glob = skip_deep(wire, &deep);
	unsigned want = count_labels(glob);
	unsigned have = name_labels(name);

	if (deep ? have <= want : have != want)
		return false;
	for (; have > want; have--)
		at += 1 + *at;
	for (; want > 0; want--, glob += 1 + *glob, at += 1 + *at) {
		if (!label_matches(glob, at))
			return false;
	}
	return true;
}

/* Whether the name ends in the labels of `wire` at `offset`. */
static bool ends_with(const struct name *name, unsigned offset, const uint8_t *wire, uint8_t length)
{
	return name->length - offset == length && memcmp(name->wire + offset, wire, length) == 0;
}

static bool lies_below(const struct name *name, const uint8_t *wire, uint8_t length)
{
	unsigned offset = 0;

	while (name->length - offset > length)
		offset += 1u + name->wire[offset];
	return offset > 0 && ends_with(name, offset, wire, length);
}

bool host_matches(enum host_kind kind, const uint8_t *wire, uint8_t length, const struct name *name)
{
	switch (kind) {
	case HOST_EXACT:
		return ends_with(name, 0, wire, length);
	case HOST_ONE_LABEL:
		return name->wire[0] != 0 && ends_with(name, 1u + name->wire[0], wire, length);
	case HOST_ANY_DEPTH:
		return lies_below(name, wire, length);
	case HOST_GLOB:
		return glob_matches(wire, name);
	}
	return false;
}

uint32_t host_specificity(enum host_kind kind, const uint8_t *wire, uint8_t length)
{
	uint32_t labels = 0, characters = 0;

	(void)length;
	if (kind == HOST_EXACT)
		return EXACT;
	for (const uint8_t *at = wire; *at != 0; at += 1 + *at) {
		unsigned stars = 0;

		for (unsigned i = 1; i <= *at; i++)
			stars += at[i] == '*';
		labels += stars == 0;
		characters += *at - stars;
	}
	/* A name has at most 254 characters. */
	return labels << 8 | characters;
}

/* A glob seen as labels from the front: those as written, behind one label or more of any kind if
 * it is `deep`. */
struct labels {
	bool deep;
	unsigned count;
	const uint8_t *at[LABELS_MAX + 1];
};

static struct labels labels_of(const struct host *host)
{
	static const uint8_t star[] = {1, '*'};
	struct labels labels = {.deep = host->kind == HOST_ANY_DEPTH};
	const uint8_t *at = host->wire;

	if (host->kind == HOST_GLOB)
		at = skip_deep(at, &labels.deep);
	if (host->kind == HOST_ONE_LABEL)
		labels.at[labels.count++] = star;
	for (; *at != 0; at += 1 + *at)
		labels.at[labels.count++] = at;
	return labels;
}

/*
 * Whether some label matches both. Row i of the table says after which first parts of `b` the first
 * i characters of `a` can have been matched by the same text; only the last row is kept.
 */
static bool labels_overlap(const uint8_t *a, const uint8_t *b)
{
	bool row[LABEL_MAX + 1] = {true};

	for (unsigned j = 1; j <= b[0]; j++)
		row[j] = row[j - 1] && b[j] == '*';
	for (unsigned i = 1; i <= a[0]; i++) {
		bool diagonal = row[0]; /* row i - 1 at j - 1 */

		row[0] = row[0] && a[i] == '*';
		for (unsigned j = 1; j <= b[0]; j++) {
			bool above = row[j];

			if (a[i] == '*' || b[j] == '*')
				row[j] = above || row[j - 1];
			else
				row[j] = diagonal && a[i] == b[j];
			diagonal = above;
		}
	}
	return row[b[0]];
}

static bool globs_overlap(const struct labels *a, const struct labels *b)
{
	unsigned common = a->count < b->count ? a->count : b->count;

	if (!a->deep && !b->deep && a->count != b->count)
		return false;
	if (a->deep != b->deep && (a->deep ? b->count <= a->count : a->count <= b->count))
		return false;
	for (unsigned i = 1; i <= common; i++) {
		if (!labels_overlap(a->at[a->count - i], b->at[b->count - i]))
			return false;
	}
	return true;
}

bool host_overlaps(const struct host *a, const struct host *b)
{
	const struct host *exact = a->kind == HOST_EXACT ? a : b;
	const struct host *other = exact == a ? b : a;
	struct labels left, right;

	if (exact->kind == HOST_EXACT) {
		struct name name = make_name(exact->wire, exact->length);

		return host_matches(other->kind, other->wire, other->length, &name);
	}
	left = labels_of(a);
	right = labels_of(b);
	return globs_overlap(&left, &right);
}

struct name host_suffix(enum host_kind kind, const uint8_t *wire, uint8_t length)
{
	const uint8_t *behind = wire;

	for (const uint8_t *at = wire; kind == HOST_GLOB && *at != 0; at += 1 + *at) {
		if (memchr(at + 1, '*', *at))
			behind = at + 1 + *at;
	}
	return make_name(behind, (uint8_t)(length - (behind - wire)));
}
