/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CATEGORY_H
#define EGRESS_RULES_CATEGORY_H

#include "src/base/name.h"

struct arena;
struct diag;
struct load_options;

/*
 * What kind of service well-known names are, for entries that say no category of their own:
 * categories.toml, from the first folder of profiles that has one.
 *
 *	version = 1
 *	[[category]]
 *	name = "package registry"
 *	hosts = ["crates.io", "*.crates.io"]
 *
 * Hosts are names, "*.NAME" and "**.NAME", each at most once in the file.
 */
struct categories;

#define CATEGORY_FILE "categories.toml"

/* 0, also when there is no such file, and then *ret_categories is NULL; -EINVAL (the diag has what
 * is wrong with it) or -ENOMEM. All of it lies in the arena. */
int category_load(struct arena *arena, const struct load_options *options, struct diag *diag,
	const struct categories **ret_categories);

/* The category of a name, by its most specific host: itself, then the wildcard with more labels;
 * or NULL. Of no categories (NULL) there is none. */
const char *category_find(const struct categories *categories, const struct name *name);

#endif
