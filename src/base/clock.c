/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/clock.h"

#include <time.h>

struct mono clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct mono){.ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

uint64_t clock_days(unsigned year, unsigned month, unsigned day)
{
	const uint64_t shifted = month > 2 ? year : year - 1; /* a year begins in March */
	const uint64_t era = shifted / 400, of_era = shifted % 400;
	const uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}
