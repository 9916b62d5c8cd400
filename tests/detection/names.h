/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DETECTION_NAMES_H
#define EGRESS_TESTS_DETECTION_NAMES_H

#include <stddef.h>

#include "tests/detection/draw.h"

/* Names that programs ask for, by what they are for; categories.toml says the categories. */
enum pool {
	POOL_DOCUMENTATION,
	POOL_SEARCH,
	POOL_SOURCE,
	POOL_PACKAGES,
	POOL_CONTAINERS,
	POOL_MODEL,
	POOL_DELIVERY,
	POOL_TELEMETRY,
	POOL_SOCIAL,
	POOL_API,
	POOL_CLOUD,
	POOL_CERTIFICATE,
	POOL_IDENTITY,
	POOL_STORAGE,
	POOL_RELAY,   /* where anybody can be sent something */
	POOL_UNKNOWN, /* what people have put up themselves */
	POOLS,
};

#define NAME_ROOM 256

/* One of the pool, the first ones more often. */
const char *names_draw(struct chance *chance, enum pool pool, char out[NAME_ROOM]);

/* What carries data below `domain`: all of a name's room with `most` bytes of data at most, in
 * base32 or hexadecimal; some are short. */
const char *names_carrier(
	struct chance *chance, const char *domain, unsigned most, char out[NAME_ROOM]);

#endif
