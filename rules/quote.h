/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_QUOTE_H
#define EGRESS_RULES_QUOTE_H

#include "src/base/text.h"

#define QUOTE_TEXT 96 /* room for what quote() makes, with its NUL */

/* What the user wrote, in single quotes for a message, into `out` (QUOTE_TEXT bytes): cut after 80
 * bytes, NUL shown as '?'. Returns `out`. */
const char *quote(struct text text, char *out);

#endif
