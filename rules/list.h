/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LIST_H
#define EGRESS_RULES_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/text.h"

struct arena;
struct diag;

/*
 * A file of destinations: one host, glob, address, prefix or range a line, or a hosts(5) line
 * (an address and then names: the names count, but for localhost and the like, and no further
 * address but the machine's own); '#' starts a comment; LF or CR LF. Names and addresses may stand
 * in one file.
 *
 * A million names lie packed one behind the other, as records of
 *	1 byte    enum host_kind in 2 bits; above, the lines since the record before (63: it is in
 *	          the next 4 bytes instead, host order)
 *	1 byte    length of wire
 *	n bytes   wire
 */
struct list_range {
	struct range range;
	uint32_t line;
};

struct list {
	const char *file;   /* as diagnostics call it */
	const char *path;   /* as the policy has it; NULL of one that was no file */
	struct place place; /* of the value in the policy */
	const uint8_t *records;
	size_t size; /* of the records, in bytes */
	size_t n_names;
	struct list_range *ranges; /* in the order of the file */
	size_t n_ranges;
	uint64_t digest; /* of all that it says, in whatever order */
};

#define LIST_SIZE_MAX ((size_t)1 << 30)

/*
 * Reads the list at `path`, relative to the folder of the policy file `beside`. Lines that are
 * nothing of the kind go to the diag with their places (the first of them; the rest is counted). 0,
 * -EINVAL (the diag has errors) or -ENOMEM.
 */
int list_load(struct arena *arena, const char *beside, struct text path, struct place place,
	struct diag *diag, struct list **ret_list);

/* The same from text in memory, called `file` in diagnostics. */
int list_parse(struct arena *arena, const char *file, struct text text, struct place place,
	struct diag *diag, struct list **ret_list);

/* A name of a list. */
struct list_name {
	enum host_kind kind;
	uint8_t length;
	const uint8_t *wire;
	uint32_t line;
};

/* Walks the names: start with *at = 0 and a zeroed `name`; false at the end. */
bool list_next(const struct list *list, size_t *at, struct list_name *name);

#endif
