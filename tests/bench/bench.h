/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_BENCH_BENCH_H
#define EGRESS_TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * What measuring programs have in common. Each prints a line "NAME VALUE UNIT" for each of its
 * figures, and nothing else; tests/bench/run runs it several times. What goes wrong ends it.
 */

/* Ends the program unless it is built to be fast: sanitizers measure themselves. */
void bench_begin(void);

void bench_print(const char *name, double value, const char *unit);

/* "bench-match: no memory", and exit status 1. */
void __attribute__((noreturn, format(printf, 1, 2))) bench_fail(const char *format, ...);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t bench_ns(void);

/* A number below `bound`, of a fixed sequence. */
uint32_t bench_random(uint32_t bound);

/* The number that is the only argument, or the end. */
size_t bench_count(int argc, char **argv);

#endif
