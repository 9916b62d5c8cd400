/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_DOC_H
#define EGRESS_LEARN_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/* Documents of nested keys and values, whatever they are written in, as one sequence of values. */

#define DOC_DEPTH_MAX 64

/* A value, and the keys that lead to it; an element of an array has the key "-". All of it stays
 * only as long as the visit. */
struct doc_item {
	const struct text *keys;
	size_t depth; /* of the keys; never 0 */
	struct text value;
	unsigned line; /* that it begins in, counted from 1 */
	/* Of doc_yaml() only: how many values there are before it at each level, and documents
	 * before its own. */
	const unsigned *before;
	unsigned document;
};

struct doc_visitor {
	void (*visit)(void *context, const struct doc_item *item);
	void *context;
};

/* A format. 0, -EBADMSG when the text is not of it (some of it may have been visited), or
 * -ENOMEM. */
typedef int doc_read(struct text text, const struct doc_visitor *visitor);

doc_read doc_json; /* comments, and commas before what closes, included */
doc_read doc_yaml; /* all documents of the file; no aliases */
doc_read doc_toml;
doc_read doc_xml; /* an element's text, and its attributes under "@name" */
doc_read doc_ini; /* [section], key = value; lines that go on; '#' and ';' */

/* Whether the item's keys are those of the path: patterns between slashes, as glob_matches() has
 * them; "**" is any number of keys. */
bool doc_matches(const struct doc_item *item, const char *path);

/* The key number `index` from the end, 0 for the last; empty if there are not so many. */
struct text doc_key(const struct doc_item *item, size_t index);

#endif
