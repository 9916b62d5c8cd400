/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_IMPORT_OWN_H
#define EGRESS_LEARN_IMPORT_OWN_H

#include <stdbool.h>

#include "src/learn/doc.h"
#include "src/learn/import.h"

/* What the readers of the formats share. */

struct import {
	struct arena *arena;
	const struct import_options *options;
	struct draft draft;
	int error;
	unsigned unblocked; /* classes of addresses that are not blocked there, by bits */
	const char *limits; /* lines of [limits] */
	const char *audit;  /* lines of [audit] */
	bool observe;
	bool denylist;
	bool deny_wins; /* there, whatever is more specific */
	const char
		*list; /* of a hosts file or a list: an entry that refers to it; "allow", "deny" */
};

/* How a wildcard at the front reaches there. */
enum import_reach {
	IMPORT_ONE_LABEL,  /* "*.x": one label */
	IMPORT_ANY_DEPTH,  /* "*.x": one label or more */
	IMPORT_WITH_SELF,  /* "*.x": so, and x itself */
	IMPORT_SUBDOMAINS, /* "x": itself, and all below it */
};

struct import_entry {
	bool deny;
	struct text host; /* or an address, a prefix, a range */
	enum import_reach reach;
	const char *ports; /* as entry_lines has them */
	const char *reason;
	unsigned line; /* 0: not known */
};

/* Says what differs; `line` 0 is the file as a whole. */
void import_say(struct import *import, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same of a key that nothing here can enforce. */
void import_say_key(struct import *import, const struct doc_item *item);

/* Adds an entry, or says why there is none. */
void import_add(struct import *import, const struct import_entry *entry);

/* A number of the value, at most `most`; false if it is none. */
bool import_number(const struct doc_item *item, unsigned long most, unsigned long *ret_number);

/* A reader. 0, -EBADMSG or -ENOMEM. */
typedef int import_reader(struct import *import, struct text text);

import_reader import_agentshield;
import_reader import_grith;
import_reader import_harden_runner;
import_reader import_fence;
import_reader import_hosts;
import_reader import_list;
import_reader import_cilium;

#endif
