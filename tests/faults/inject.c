/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *	inject FILE                  makes the page that a preloaded shim.so maps
 *	inject FILE NAME=VALUE...    changes values of it; an error has its name: send=ENOBUFS
 *	inject FILE NAME             prints one
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/shim.h"

static const char *const names[SHIM_VALUES] = {
	[SHIM_SEND_ERROR] = "send",
	[SHIM_RECEIVE_ERROR] = "receive",
	[SHIM_EVERY] = "every",
	[SHIM_CALLS] = "calls",
	[SHIM_FAILED] = "failed",
	[SHIM_CLOCK] = "clock",
	[SHIM_BREACH] = "breach",
	[SHIM_ALLOCATIONS] = "allocations",
	[SHIM_FAIL_FROM] = "from",
	[SHIM_FAIL_TO] = "to",
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EINTR", EINTR},
	{"ENOBUFS", ENOBUFS},
	{"ENOMEM", ENOMEM},
	{"ENOSPC", ENOSPC},
	{"EAGAIN", EAGAIN},
};

static int64_t value_of(const char *text)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(text, errors[i].name) == 0)
			return errors[i].number;
	return strtoll(text, NULL, 10);
}

static bool set(struct shim_page *page, const char *argument)
{
	size_t length = strcspn(argument, "=");

	for (unsigned i = 0; i < SHIM_VALUES; i++) {
		if (strlen(names[i]) != length || strncmp(names[i], argument, length) != 0)
			continue;
		if (argument[length] == '=')
			page->values[i] = value_of(argument + length + 1);
		else
			printf("%lld\n", (long long)page->values[i]);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct shim_page *page;
	bool done = true;
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0 || fchmod(fd, 0666) < 0 || ftruncate(fd, sizeof(*page)) < 0)
		return 1;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return 1;
	for (int i = 2; i < argc; i++)
		done &= set(page, argv[i]);
	return done ? 0 : 64;
}
