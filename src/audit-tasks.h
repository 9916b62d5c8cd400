/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_TASKS_H
#define EGRESS_AUDIT_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/audit/filter.h"
#include "src/options.h"

/* What egress-audit(1) can be asked for. */

enum audit_form {
	AUDIT_TEXT,
	AUDIT_JSON,
	AUDIT_HTML,
	AUDIT_FORMS,
};

/* What is given as it is, for later. */
enum audit_word {
	AUDIT_WORD_SINCE,
	AUDIT_WORD_UNTIL,
	AUDIT_WORD_POLICY,
	AUDIT_WORD_OUTPUT,
	AUDIT_WORDS,
};

enum audit_list {
	AUDIT_LIST_OVERRIDE,
	AUDIT_LIST_PROFILE_DIR,
	AUDIT_LISTS,
};

struct audit_task;

struct audit_request {
	const struct audit_task *task;
	char **logs; /* "-" is standard input */
	size_t n_logs;
	unsigned forms; /* bits that were asked for */
	enum audit_form form;
	const char *words[AUDIT_WORDS];
	const char **lists[AUDIT_LISTS];
	size_t n_lists[AUDIT_LISTS];
	struct filter filter;
	int64_t now;    /* microseconds since 1970 */
	unsigned given; /* options, by the bits of enum audit_option */
	/* The policy that --policy names, and what narrows it. */
	struct arena *arena;
	const struct layers *layers;
	bool unread; /* there is none: the layers stand for it, and are empty */
};

extern const struct command audit_options;

#define audit_complain(...) options_complain(&audit_options, __VA_ARGS__)

/* Each the status to end with. */
int audit_report(struct audit_request *request);
int audit_sessions(struct audit_request *request);
int audit_baseline(struct audit_request *request);
int audit_follow(struct audit_request *request);
int audit_top(struct audit_request *request);

enum {
	AUDIT_EXIT_FAILED = 1,
	AUDIT_EXIT_USAGE = 2,
};

/* Opens a log, and says what is wrong with it. */
struct tail;
int audit_open(const char *path, bool from_end, struct tail **ret_tail);

#endif
