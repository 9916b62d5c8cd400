/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_ENTRY_LINES_H
#define EGRESS_RULES_ENTRY_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Entries as lines of a policy, each with why it is there: what drafts are made of. Strings may be
 * anybody's words: they are quoted, and comments have no control characters. */
struct entry_lines {
	bool deny;
	const char *key;       /* "host", "ip", "host_pattern" or "list" */
	const char *where;     /* its value */
	const char *ports;     /* "tcp/443 tcp/80"; NULL or "": no key */
	const char *addresses; /* "10.0.0.0/8 fc00::/7", that are believed; NULL or "": no key */
	const char *category;  /* NULL: none */
	const char *reason;    /* NULL: none */
	const char *notes;     /* comments above it, a line each; NULL: none */
	const char *against;   /* why it is commented out; NULL: it isn't */
	const char *group;     /* a heading, and lines of comments below it; NULL: none */
};

/* The entry with its comments. 0 or -ENOMEM. */
int entry_lines_put(const struct entry_lines *entry, FILE *out);

/* The same as an element of `allow = [...]` or `deny = [...]`, in lines of its own that begin with
 * a line feed and end with the comma. */
int entry_lines_put_element(const struct entry_lines *entry, FILE *out);

/* Entries, those that are commented out last: a blank line before each, and a heading where the
 * group changes. 0 or -ENOMEM. */
int entry_lines_put_all(const struct entry_lines *entries, size_t count, FILE *out);

/* Lines as comments, each behind the indent. 0 or -ENOMEM. */
int entry_lines_put_notes(const char *notes, const char *indent, FILE *out);

#endif
