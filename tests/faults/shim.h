/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_FAULTS_SHIM_H
#define EGRESS_TESTS_FAULTS_SHIM_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* NULL where there is none. */
static inline struct shim_page *shim_map(void)
{
	const char *path = getenv(SHIM_ENVIRONMENT);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return NULL;
	page = mmap(NULL, sizeof(struct shim_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

#endif
