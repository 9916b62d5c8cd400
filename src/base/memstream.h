/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_MEMSTREAM_H
#define EGRESS_BASE_MEMSTREAM_H

#include <stddef.h>
#include <stdio.h>

/* A stream that is written into memory, as by open_memstream(3) but for two things: *ret_text and
 * *ret_size are set by fclose(3) and not before, and that fails, and leaves them alone, if memory
 * ran out for any part of the text. The text ends with a NUL that *ret_size leaves out; it is to be
 * freed. NULL with errno: no memory. */
FILE *memstream_open(char **ret_text, size_t *ret_size);

#endif
