/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PROFILE_H
#define EGRESS_RULES_PROFILE_H

#include <stdbool.h>

#include "src/base/text.h"

struct arena;
struct diag;
struct load_options;

/* Profiles: entries for a well-known program, NAME.toml in a folder of them. */

/* Calls `visit` with the name of each profile there is, in no order; the same name may come more
 * than once. Folders that cannot be read have none. */
void profile_visit(const struct load_options *options,
	void (*visit)(void *context, const char *name), void *context);

/* Whether a file of the folders may be a profile of that name: a label, and not one of the folder's
 * other files. */
bool profile_is_name(struct text name);

/* Whether the folders that were asked for by name are there. If not, the diag says which. */
bool profile_check_folders(const struct load_options *options, struct diag *diag);

/* The folder number `index` of those that are looked in, in order; NULL behind the last. */
const char *profile_folder(const struct load_options *options, size_t index);

#endif
