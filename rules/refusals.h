/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_REFUSALS_H
#define EGRESS_RULES_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/class.h"

struct lowering;

/* What can refuse: the entries, classes and default of each layer, numbered through as long as it
 * isn't known which of them the plan has a use for. */

size_t refusals_count(const struct lowering *lowering);

uint32_t refusal_of_entry(const struct lowering *lowering, unsigned layer, size_t entry);
uint32_t refusal_of_class(
	const struct lowering *lowering, unsigned layer, enum address_class class);
uint32_t refusal_of_unknown(const struct lowering *lowering, unsigned layer);

/* Makes the plan's refusals of those with numbers[i] other than 0, and writes to numbers[i] what
 * they are in the plan. 0 or -ENOMEM. */
int refusals_make(struct lowering *lowering, uint32_t *numbers);

#endif
