/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_MANIFEST_H
#define EGRESS_LEARN_MANIFEST_H

#include <stdbool.h>

#include "src/base/text.h"
#include "src/learn/evidence.h"

struct categories;

/* Files that declare what a project takes from elsewhere, and how each is read. */
struct manifest;

struct manifest_context {
	struct evidence *evidence;
	const struct categories *categories; /* may be NULL */
};

/* What reads the file of that path, by the path's last part or parts; NULL: it is no such file. */
const struct manifest *manifest_find(struct text path);

/* Whether all of the text is to be looked through besides, as any source is. */
bool manifest_is_source(const struct manifest *manifest);

/* Adds what the file declares; evidence_file() has been called. 0, -EBADMSG when it isn't of its
 * format, or -ENOMEM. */
int manifest_read(
	const struct manifest *manifest, const struct manifest_context *context, struct text text);

#endif
