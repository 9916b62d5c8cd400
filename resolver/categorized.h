/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CATEGORIZED_H
#define EGRESS_RESOLVER_CATEGORIZED_H

#include <stdbool.h>

#include "rules/compile.h"
#include "rules/match.h"

/* Whether a destination has a category, as [budget] unknown_share means it. */

/* Of a name: that of an entry which permits it on some port, or of the file of categories. */
bool categorized_name(const struct compiled *compiled, const struct name *name,
	const struct match_result *result);

/* Of a bare address: that of an entry which permits it on some port. */
bool categorized_address(const struct plan *plan, const struct inaddr *address);

#endif
