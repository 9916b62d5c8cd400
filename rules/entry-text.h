/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_ENTRY_TEXT_H
#define EGRESS_RULES_ENTRY_TEXT_H

#include "rules/policy.h"

struct arena;

/* What an entry says in short, in at most 100 bytes: "api.example.com, *.example.net and 7 more
 * tcp/443". NULL when the arena is full. */
const char *entry_text(struct arena *arena, const struct entry *entry);

#endif
