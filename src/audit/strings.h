/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_STRINGS_H
#define EGRESS_AUDIT_STRINGS_H

#include <stdbool.h>

#include "src/base/hash.h"

/* Strings that come up again and again, each kept once. Of bounded size. */
struct strings;

/* At most `bytes` of text. 0, -ENOMEM, or another -errno when there is no randomness. */
int strings_new(size_t bytes, struct strings **ret_strings);

/* NULL is allowed. */
void strings_free(struct strings *strings);

/* The kept copy: the same pointer for the same text. NULL: there is no room for another one. */
const char *strings_keep(struct strings *strings, const char *text);

/* Whether there was no memory for one that there was room for. */
bool strings_were_short(const struct strings *strings);

#endif
