/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_BYTES_H
#define EGRESS_BASE_BYTES_H

#include <stddef.h>
#include <string.h>

/*
 * memset(3) and memcpy(3) by the library's own functions. Where compilers know that a size is a few
 * hundred bytes at most they put in string instructions, which take longer to start than these do
 * to end: for what is done for each query or record.
 */

static inline void bytes_clear(void *at, size_t size)
{
	__asm__("" : "+r"(size));
	memset(at, 0, size);
}

static inline void bytes_copy(void *to, const void *from, size_t size)
{
	__asm__("" : "+r"(size));
	memcpy(to, from, size);
}

#endif
