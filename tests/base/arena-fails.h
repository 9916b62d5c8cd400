/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_BASE_ARENA_FAILS_H
#define EGRESS_TESTS_BASE_ARENA_FAILS_H

/*
 * Texts that find no memory in an arena, in programs that are linked with --wrap=arena_printf and
 * --wrap=arena_strndup.
 */

/* Calls of both are counted anew; the one of that number fails, 0: none. */
void arena_fails_at(unsigned number);

/* How many there were since. */
unsigned arena_fails_calls(void);

#endif
