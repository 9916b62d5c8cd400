/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/clock.h"

#include <time.h>

struct mono clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct mono){.ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}
