/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SETTINGS_H
#define EGRESS_RULES_SETTINGS_H

#include "rules/changes.h"
#include "rules/layers.h"

/* What bounds access beside the entries: limits, budget, and whose traffic is judged at all; and
 * what is recorded of it, and stands out. A looser bound is a gain, and so are fewer records. 0 or
 * -ENOMEM. */
int settings_compare(
	const struct layers *before, const struct layers *after, struct changes *changes);

/* The latter alone. The same. */
int settings_compare_audit(
	const struct layers *before, const struct layers *after, struct changes *changes);

/* The threshold that holds where none is written; src/event/anomaly.h has the same. */
double settings_anomaly_standard(enum anomaly_sort sort);

/* The limits of an entry, and of the one that decides in its place afterwards; either may be NULL.
 * 0 or -ENOMEM. */
int settings_compare_entries(
	const struct layer_entry *before, const struct layer_entry *after, struct changes *changes);

#endif
