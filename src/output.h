/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_OUTPUT_H
#define EGRESS_OUTPUT_H

#include <stdio.h>

/*
 * Writes a file as a whole: what `write` gives goes to a file beside `path`, which then takes its
 * place, so that `path` is always the old or the new one. Devices and pipes are written to; a link
 * is followed to what it names. 0, or the errno of what went wrong; then `path` is as it was.
 */
int output_file(
	const char *path, int (*write)(const void *context, FILE *out), const void *context);

#endif
