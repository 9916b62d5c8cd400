/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_FOOTPRINT_H
#define EGRESS_BASE_FOOTPRINT_H

/* What memory a process keeps that stays for long: see the head of footprint.c. */

/* Before the first large allocation of the process: each has pages of its own from now on, which
 * take no memory until they are written, and are given back when it is freed. */
void footprint_begin(void);

/* Gives back what is not in use: pages of the heap, and those of programs and libraries that only
 * what was done so far may have taken; what is taken again comes from the kernel's cache of the
 * file. For a process that is about to wait, or to fork one. */
void footprint_trim(void);

#endif
