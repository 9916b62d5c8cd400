/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_BENCH_TABLE_H
#define EGRESS_TESTS_BENCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The C library's hash table, hsearch(3), of which there is one, over wire forms of names that lie
 * elsewhere and stay. A wire form ends with the only zero that is in it, so it is a string. */
void table_make(size_t count);
void table_add(const uint8_t *wire);
bool table_has(const uint8_t *wire);

#endif
