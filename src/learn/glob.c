/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/glob.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/*
 * Theory of operation
 *
 * Of the stars of a pattern only the last one that was met can still have to take more: what an
 * earlier one might take instead, that one can take as well. So there is one place to come back to,
 * and neither recursion nor more than the product of the lengths. The same holds for "**" among the
 * parts of a path, each of which begins anew; a star takes no slash there, and when it comes to one
 * it is the turn of the "**" before it.
 *
 * What is a star, a set and a "**" is as git's own matcher has it, odd corners included.
 */

/* [:digit:] and others, of ASCII. */
static const struct {
	const char *name;
	int (*has)(int c);
} classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
	{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
	{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};

enum class_find { CLASS_IS_NONE, CLASS_UNKNOWN, CLASS_WITHOUT, CLASS_WITH };

/* What "[:NAME:]" at the pattern's beginning says of the byte, and how long it is. */
static enum class_find find_class(struct text pattern, unsigned char byte, size_t *ret_length)
{
	const char *end =
		pattern.length > 2 ? memchr(pattern.start + 2, ']', pattern.length - 2) : NULL;
	struct text name = {pattern.start + 2, end ? (size_t)(end - pattern.start) - 3 : 0};

	if (!end || end == pattern.start + 2 || end[-1] != ':' || pattern.start[1] != ':')
		return CLASS_IS_NONE;
	*ret_length = (size_t)(end - pattern.start) + 1;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (text_is(name, classes[i].name))
			return byte < 0x80 && classes[i].has(byte) ? CLASS_WITH : CLASS_WITHOUT;
	return CLASS_UNKNOWN;
}

/* A range whose first byte stands before `at`, which is at its '-': its last one, and where it
 * ends. False: it is none. */
static bool read_range(struct text pattern, size_t *at, unsigned char *ret_high)
{
	size_t last = *at + 1;

	if (last >= pattern.length || pattern.start[last] == ']')
		return false;
	last += pattern.start[last] == '\\' && last + 1 < pattern.length;
	*ret_high = (unsigned char)pattern.start[last];
	*at = last;
	return true;
}

/* "[...]": whether it takes `byte`, and how long it is. Without its end, or with a class that isn't
 * one, it takes nothing. */
static bool match_set(struct text pattern, unsigned char byte, size_t *ret_length)
{
	size_t at = 1, length;
	bool inverse =
		at < pattern.length && (pattern.start[at] == '!' || pattern.start[at] == '^');
	bool found = false;
	int before = -1; /* that may begin a range */

	at += inverse;
	for (size_t first = at; at < pattern.length; at++) {
		unsigned char low = (unsigned char)pattern.start[at], high;
		enum class_find class;

		if (low == ']' && at > first)
			break;
		if (low == '-' && before > 0 && read_range(pattern, &at, &high)) {
			found |= byte >= before && byte <= high;
			before = -1;
			continue;
		}
		class = low == '['
				? find_class((struct text){pattern.start + at, pattern.length - at},
					  byte, &length)
				: CLASS_IS_NONE;
		if (class == CLASS_UNKNOWN)
			return false;
		if (class != CLASS_IS_NONE) {
			found |= class == CLASS_WITH;
			at += length - 1;
			before = -1;
			continue;
		}
		if (low == '\\' && at + 1 < pattern.length)
			low = (unsigned char)pattern.start[++at];
		found |= byte == low;
		before = low;
	}
	*ret_length = at < pattern.length ? at + 1 : pattern.length;
	return at < pattern.length && found != inverse;
}

/* One element of a pattern that is no star: whether it takes `byte`, and how long it is. */
static bool match_one(struct text pattern, char byte, bool by_parts, size_t *ret_length)
{
	*ret_length = 1;
	if (pattern.start[0] == '?')
		return !by_parts || byte != '/';
	if (pattern.start[0] == '[')
		return match_set(pattern, (unsigned char)byte, ret_length) &&
		       (!by_parts || byte != '/');
	if (pattern.start[0] == '\\') {
		*ret_length = 2;
		return pattern.length > 1 && pattern.start[1] == byte;
	}
	return pattern.start[0] == byte;
}

/* Where stars at `at` end. */
static size_t skip_stars(struct text pattern, size_t at)
{
	while (at < pattern.length && pattern.start[at] == '*')
		at++;
	return at;
}

/* Whether the stars from `at` to `end` are a part of a path by themselves. */
static bool is_deep(struct text pattern, size_t at, size_t end)
{
	struct text rest = {pattern.start + end, pattern.length - end};

	return end - at > 1 && (at == 0 || pattern.start[at - 1] == '/') &&
	       (rest.length == 0 || text_starts(rest, "/") || text_starts(rest, "\\/"));
}

/* Places in a pattern and a text. */
struct place {
	size_t at, in;
};

static const struct place nowhere = {SIZE_MAX, 0};

struct match {
	struct text pattern, text;
	bool by_parts;
	struct place star, deep; /* to come back to */
};

/* Goes on where a star, or else a "**", takes more. False: none can. */
static bool go_back(struct match *match, struct place *here)
{
	const char *slash;

	if (match->star.at != SIZE_MAX &&
		!(match->by_parts && match->text.start[match->star.in] == '/')) {
		match->star.in++;
		*here = match->star;
		return true;
	}
	if (match->deep.at == SIZE_MAX)
		return false;
	slash = memchr(
		match->text.start + match->deep.in, '/', match->text.length - match->deep.in);
	if (!slash)
		return false;
	match->deep.in = (size_t)(slash - match->text.start) + 1;
	match->star = nowhere;
	*here = match->deep;
	return true;
}

static bool matches(struct text pattern, struct text text, bool by_parts)
{
	struct match match = {pattern, text, by_parts, nowhere, nowhere};
	struct place here = {0, 0};

	while (here.in < text.length) {
		struct text rest = {pattern.start + here.at, pattern.length - here.at};
		size_t length = 0;

		if (rest.length > 0 && rest.start[0] == '*') {
			size_t end = skip_stars(pattern, here.at);
			bool deep = by_parts && is_deep(pattern, here.at, end);

			if (end == pattern.length && (deep || !by_parts))
				return true;
			here.at = end + deep + (deep && pattern.start[end] == '\\');
			if (deep)
				match.deep = here;
			match.star = deep ? nowhere : here;
		} else if (rest.length > 0 &&
			   match_one(rest, text.start[here.in], by_parts, &length)) {
			here.at += length;
			here.in++;
		} else if (!go_back(&match, &here)) {
			return false;
		}
	}
	return skip_stars(pattern, here.at) == pattern.length;
}

bool glob_matches(struct text pattern, struct text name)
{
	return matches(pattern, name, false);
}

bool glob_matches_path(struct text pattern, struct text path)
{
	return matches(pattern, path, true);
}

size_t glob_literal(struct text pattern)
{
	size_t length = 0;

	while (length < pattern.length && !strchr("*?[\\", pattern.start[length]))
		length++;
	return length;
}
