/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_OUTPUT_H
#define EGRESS_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Writes a file as a whole: what `write` gives goes to a file beside `path`, which then takes its
 * place, so that `path` is always the old or the new one. Devices and pipes are written to; a link
 * is followed to what it names. 0, or the errno of what went wrong; then `path` is as it was.
 */
int output_file(
	const char *path, int (*write)(const void *context, FILE *out), const void *context);

/* The same, but whatever has that name by now is never opened nor followed, only replaced. */
int output_replace(
	const char *path, int (*write)(const void *context, FILE *out), const void *context);

/* The same of a file that must not be there yet; -EEXIST if it is. */
int output_new(const char *path, int (*write)(const void *context, FILE *out), const void *context);

/* Whether a descriptor is a terminal that shows colours, and its user wants them. */
bool output_has_colour(int fd);

#endif
