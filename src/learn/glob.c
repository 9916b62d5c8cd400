/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/glob.h"

#include <stddef.h>
#include <string.h>

/*
 * Theory of operation
 *
 * Of the stars of a pattern only the last one that was met can still have to take more: what an
 * earlier one might take instead, that one can take as well. So there is one place to come back to,
 * and neither recursion nor more than the product of the lengths. The same holds for "**" among the
 * parts of a path.
 */

/* One element of a pattern that is no star: whether it takes `byte`, and how long it is. */
static bool match_set(struct text pattern, char byte, size_t *ret_length)
{
	size_t at = 1;
	bool inverse =
		at < pattern.length && (pattern.start[at] == '!' || pattern.start[at] == '^');
	bool found = false;

	at += inverse;
	for (size_t first = at; at < pattern.length; at++) {
		unsigned char low = (unsigned char)pattern.start[at], high = low;

		if (low == ']' && at > first)
			break;
		if (low == '\\' && at + 1 < pattern.length)
			low = high = (unsigned char)pattern.start[++at];
		if (at + 2 < pattern.length && pattern.start[at + 1] == '-' &&
			pattern.start[at + 2] != ']') {
			high = (unsigned char)pattern.start[at + 2];
			at += 2;
		}
		found |= (unsigned char)byte >= low && (unsigned char)byte <= high;
	}
	/* Without its end it is a set of nothing. */
	*ret_length = at < pattern.length ? at + 1 : pattern.length;
	return at < pattern.length && found != inverse;
}

static bool match_one(struct text pattern, char byte, size_t *ret_length)
{
	*ret_length = 1;
	if (pattern.start[0] == '?')
		return true;
	if (pattern.start[0] == '[')
		return match_set(pattern, byte, ret_length);
	if (pattern.start[0] == '\\' && pattern.length > 1) {
		*ret_length = 2;
		return pattern.start[1] == byte;
	}
	return pattern.start[0] == byte;
}

bool glob_matches(struct text pattern, struct text name)
{
	size_t at = 0, in = 0, star = SIZE_MAX, star_in = 0;

	while (in < name.length) {
		struct text rest = {pattern.start + at, pattern.length - at};
		size_t length = 0;

		if (rest.length > 0 && rest.start[0] == '*') {
			star = ++at;
			star_in = in;
		} else if (rest.length > 0 && match_one(rest, name.start[in], &length)) {
			at += length;
			in++;
		} else if (star != SIZE_MAX) {
			at = star;
			in = ++star_in;
		} else {
			return false;
		}
	}
	while (at < pattern.length && pattern.start[at] == '*')
		at++;
	return at == pattern.length;
}

/* The part of a path that begins at `at`. */
static struct text part_at(struct text path, size_t at)
{
	const char *start = path.start + at;
	const char *slash = at < path.length ? memchr(start, '/', path.length - at) : NULL;

	return (struct text){start, slash ? (size_t)(slash - start) : path.length - at};
}

bool glob_matches_path(struct text pattern, struct text path)
{
	size_t at = 0, in = 0, star = SIZE_MAX, star_in = 0;

	while (in < path.length) {
		struct text part = part_at(path, in), wanted = {NULL, 0};

		if (at < pattern.length)
			wanted = part_at(pattern, at);
		if (at < pattern.length && text_is(wanted, "**")) {
			if (at + 2 >= pattern.length)
				return true;
			star = at += 3;
			star_in = in;
		} else if (at < pattern.length && glob_matches(wanted, part)) {
			at += wanted.length + 1;
			in += part.length + 1;
		} else if (star != SIZE_MAX) {
			star_in += part_at(path, star_in).length + 1;
			at = star;
			in = star_in;
		} else {
			return false;
		}
	}
	return at >= pattern.length;
}
