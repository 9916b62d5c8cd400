/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/text.h"

void bench_fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void bench_begin(void)
{
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
	bench_fail("built with sanitizers, or without optimisation: there is nothing to measure");
#endif
}

void bench_print(const char *name, double value, const char *unit)
{
	printf("%s %.6g %s\n", name, value, unit);
}

uint64_t bench_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint32_t bench_random(uint32_t bound)
{
	static uint64_t state = 1;

	/* Knuth's MMIX constants. */
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((state >> 32) * bound >> 32);
}

size_t bench_count(int argc, char **argv)
{
	uint64_t count;

	if (argc != 2 || text_to_number(text_of(argv[1]), UINT32_MAX, &count) < 0 || count == 0)
		bench_fail("usage: %s COUNT", program_invocation_short_name);
	return (size_t)count;
}
