/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_OBSERVED_H
#define EGRESS_AUDIT_OBSERVED_H

#include <stdbool.h>

#include "src/audit/digest.h"

struct arena;
struct name;

/* The parts of an entry for what was observed, as rules/entry-lines.h has them; NULL everywhere:
 * no memory. */

/* "tcp/443: 3 times, sent 1.2 KiB, received 34 KiB, " and when. */
const char *observed_note(struct arena *arena, const struct digest_row *row);

/* The ports of a destination's rows, each once: of what was connected to no guess besides. "" of
 * what no entry can name. */
const char *observed_ports(struct arena *arena, const struct digest_row *const *rows, size_t count);

/* The addresses that the name had, if there is any that an entry for it does not believe without
 * being told to; else "". */
const char *observed_addresses(struct arena *arena, const struct digest *digest, const char *name);

/* Whether the name looks like data. */
bool observed_is_odd(const struct name *name);

#endif
