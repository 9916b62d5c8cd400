/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_IGNORE_H
#define EGRESS_LEARN_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/text.h"

/* What git leaves out of a folder, by one file of patterns (gitignore(5)). */
struct ignore;

/* Longer files are not read as patterns, and of more patterns only the first count. */
#define IGNORE_SIZE_MAX ((size_t)1 << 20)
#define IGNORE_PATTERNS_MAX 4096

/* Reads a file's text. NULL: no memory, or no pattern in it. */
struct ignore *ignore_new(struct text text);

void ignore_free(struct ignore *ignore);

enum ignore_verdict { IGNORE_SILENT, IGNORE_OUT, IGNORE_IN };

/* What the last pattern that matches says of a path below the file's folder. */
enum ignore_verdict ignore_find(const struct ignore *ignore, struct text path, bool is_folder);

#endif
