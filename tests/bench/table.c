/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/table.h"

#include <search.h>

#include "tests/bench/bench.h"

/* hsearch() takes strings that it could write to, and doesn't. */
static ENTRY entry_of(const uint8_t *wire)
{
	union {
		const uint8_t *wire;
		char *key;
	} name = {.wire = wire};

	return (ENTRY){.key = name.key};
}

void table_make(size_t count)
{
	/* As much of it stays free as of ours (rules/names.c). */
	if (!hcreate(count * 9 / 7 + 1))
		bench_fail("no memory");
}

void table_add(const uint8_t *wire)
{
	if (!hsearch(entry_of(wire), ENTER))
		bench_fail("the table is full");
}

bool table_has(const uint8_t *wire)
{
	return hsearch(entry_of(wire), FIND) != NULL;
}
