/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_SOURCE_H
#define EGRESS_LEARN_SOURCE_H

#include "src/base/text.h"
#include "src/learn/evidence.h"
#include "src/learn/language.h"

struct categories;

/* Adds the URLs, "host:port" and "git@host:path" of a text in that language. `line` is the number
 * of its first line; `kind` is of what it uses. `categories` may be NULL. */
void source_scan(struct evidence *evidence, const struct categories *categories, struct text text,
	const struct language *language, enum evidence_kind kind, unsigned line);

/* Whether an URL is only a page to read, or a name for something: where its host and path say so.
 */
bool source_is_reading(
	const struct categories *categories, const struct target *target, struct text path);

#endif
