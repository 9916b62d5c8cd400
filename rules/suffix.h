/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SUFFIX_H
#define EGRESS_RULES_SUFFIX_H

#include <stdbool.h>

#include "src/base/name.h"

/*
 * Names below which names are given to strangers (Public Suffix List, as libpsl has it built in).
 */
enum suffix_kind {
	SUFFIX_NONE,
	SUFFIX_PUBLIC, /* by registries: "com", "co.uk"; any single label, and the root */
	SUFFIX_SHARED, /* by a provider to its customers: "github.io", "amazonaws.com" */
};

/* What a name itself is. A name that has suffixes of a well-known provider below it is shared too,
 * though the list does not have it: see suffix.c. */
enum suffix_kind suffix_find(const struct name *name);

/* Whether that is SUFFIX_PUBLIC; it costs less to ask for this alone. */
bool suffix_is_public(const struct name *name);

/* The name that was registered or given: one label more than the suffix it lies under
 * ("example.co.uk" of "a.b.example.co.uk"); the name itself if it is a suffix. */
struct name suffix_registered(const struct name *name);

/* The domain at a registry that a name is of, whatever its holder gives away below it
 * ("github.io" of "a.b.github.io"): the least label more than a public suffix; the name itself if
 * it is a suffix. */
struct name suffix_domain(const struct name *name);

#endif
