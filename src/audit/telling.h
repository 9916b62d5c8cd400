/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_TELLING_H
#define EGRESS_AUDIT_TELLING_H

#include <stdbool.h>
#include <stdio.h>

#include "src/audit/record.h"

/* Writes a record as one line for people, with its line feed: nothing in it steers a terminal but
 * what `colour` asks for. `policy`: which policy it is of is told, too. */
void telling_put(const struct record *record, bool policy, bool colour, FILE *out);

#endif
