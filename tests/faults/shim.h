/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_FAULTS_SHIM_H
#define EGRESS_TESTS_FAULTS_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

/* What a preloaded library does to a program: a page in a file, which tests/faults/inject writes
 * while the program, and its children with it, has it mapped. */
enum shim_value {
	SHIM_SEND_ERROR,    /* errno of sending to netlink; 0: none */
	SHIM_RECEIVE_ERROR, /* errno of receiving from it */
	SHIM_EVERY,         /* each n-th such call fails; 0: none */
	SHIM_CALLS,         /* counts them */
	SHIM_FAILED,        /* those, and allocations, that were made to fail */
	SHIM_CLOCK,         /* seconds that the time of day is ahead */
	SHIM_BREACH,        /* the process that is to try what it may not */
	SHIM_ALLOCATIONS,   /* counts allocations of memory (alloc.c) */
	SHIM_FAIL_FROM,     /* the first of them to fail */
	SHIM_FAIL_TO,       /* and the last; 0: none */
	SHIM_VALUES,
};

struct shim_page {
	_Atomic int64_t values[SHIM_VALUES];
};

/* Names the file. */
#define SHIM_ENVIRONMENT "EGRESS_SHIM"

#endif
