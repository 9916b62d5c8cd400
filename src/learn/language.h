/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_LANGUAGE_H
#define EGRESS_LEARN_LANGUAGE_H

#include <stdbool.h>

#include "src/base/text.h"
#include "src/learn/evidence.h"

/* What source files of a language have as comments and strings: as much as is needed to tell a
 * word that a program uses from one that it only mentions. */
struct language {
	const char *name;
	const char *line[3];     /* that begin a comment to the line's end; NULL: none */
	const char *block[2];    /* that begin and end a comment over lines; NULL: none */
	const char *quotes;      /* that begin strings to the line's end at most */
	bool ticks;              /* `...` is a string over lines */
	bool triple;             /* so are three quotes */
	bool chars;              /* '...' is one character */
	bool bare;               /* words without quotes are values */
	enum evidence_kind kind; /* of what a program uses */
};

/* The language of a file by its name; NULL: none that is read. */
const struct language *language_of_name(struct text name);

/* By the interpreter that a file's first line names. */
const struct language *language_of_text(struct text text);

/* Of what a shell is given. */
const struct language *language_shell(void);

/* Of settings, one a line. */
const struct language *language_settings(void);

#endif
