/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SHAPE_H
#define EGRESS_RULES_SHAPE_H

#include "src/base/name.h"

/*
 * How much of a name, but for its last `fixed` bytes of wire form, looks like data: points that are
 * added to the score of the entry which permits the name by a wildcard. 0 for what people name
 * hosts; see shape.c for the figures.
 */
double shape_score(const struct name *name, unsigned fixed);

#endif
