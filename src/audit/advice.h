/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_ADVICE_H
#define EGRESS_AUDIT_ADVICE_H

#include "rules/layers.h"
#include "src/audit/digest.h"

struct arena;

/* Where a row's rule is written, and what would have to be changed for another verdict. All of it
 * lies in an arena, and has nothing in it that must not go to a terminal. */
struct advice {
	const char *place;   /* "egress.toml:12", or the option that added it; NULL: nowhere */
	const char *says;    /* of what was refused: whose decision that was; NULL: not known */
	const char *option;  /* "--allow api.example.com:8443", if that was all it took; or NULL */
	const char *entry;   /* the same as lines of a policy; also where an option can't say it */
	const char *refusal; /* of what was permitted: lines of a policy that would refuse it; or
				NULL */
	bool decided;        /* somebody has: it was refused by an entry, a class of addresses or an
				override, not for want of an entry */
};

/* 0 or -ENOMEM. */
int advice_make(struct arena *arena, const struct layers *layers, const struct digest_row *row,
	struct advice *ret_advice);

/* The ports of a row as an entry has them: "tcp/8443", "icmp/echo", a tcp/443 for names that were
 * only asked for; NULL: no entry can name them. 0 or -ENOMEM. */
int advice_ports(struct arena *arena, const struct digest_row *row, const char **ret_ports);

#endif
