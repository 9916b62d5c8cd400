/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CODES_H
#define EGRESS_RULES_CODES_H

/*
 * What can be wrong with a policy, by numbers that stay: shown as E012 (an error) or W062 (a
 * warning, or a finding of --lint), each explained in egress-policy(5). A number is never given to
 * something else; one that is out of use is left out.
 */
enum code {
	CODE_NONE,
	/* The file and its text */
	CODE_READ = 1,      /* a file cannot be read */
	CODE_TOML = 2,      /* not TOML */
	CODE_TOO_LARGE = 3, /* a file, or the number of its values, lines or port groups */
	CODE_VERSION = 4,
	CODE_LIST_LINE = 5, /* a line of a list is no host, address or prefix */
	/* Keys */
	CODE_UNKNOWN_KEY = 10,
	CODE_TYPE = 12,        /* a value, or an element, of another type */
	CODE_RANGE = 13,       /* a number, a duration, a rate or a size out of range */
	CODE_COUNT = 14,       /* an array without elements, or with too many */
	CODE_VALUE = 15,       /* a string that is none of what it may be */
	CODE_TWICE = 16,       /* given twice */
	CODE_MISSING = 17,     /* a key that must be there */
	CODE_BASE_ONLY = 18,   /* a key that only the base policy may have */
	CODE_PROFILE_KEY = 19, /* a key that a profile may not have */
	/* Destinations */
	CODE_HOST = 20,
	CODE_ADDRESS = 21,
	CODE_PORTS = 22,
	CODE_PATTERN = 23,
	CODE_BROAD = 24,      /* a wildcard over a public suffix without `broad` */
	CODE_CONTRADICT = 25, /* the same destination allowed and denied in one file */
	CODE_EMBEDDED = 26,   /* a name of [dns.hosts] that is none */
	CODE_PROFILE = 27,    /* no profile of that name */
	CODE_USER = 28,       /* no user, group or control group of that name */
	CODE_ENDPOINT = 29,
	CODE_UNENFORCEABLE = 30, /* nothing can enforce it as written */
	CODE_TARGET = 32,        /* the target would permit more */
	CODE_TARGET_CANNOT = 33, /* the target has no way to hold it, with losses or without */
	/* Warnings of every run */
	CODE_EXPIRED = 50,
	CODE_DNS_PORT = 51,
	CODE_LIMITER = 52,        /* limits of an override's entry that the kernel cannot hold */
	CODE_LOSS_WIDER = 54,     /* the target permits more */
	CODE_LOSS_NARROWER = 55,  /* or less */
	CODE_LOSS_UNWATCHED = 56, /* or doesn't watch over it */
	/* Findings of --lint */
	CODE_LINT_BROAD = 60,      /* a wildcard wider than it looks */
	CODE_LINT_SHARED = 61,     /* a wildcard over a suffix whose names belong to strangers */
	CODE_LINT_SHADOWED = 62,   /* an entry, or a part of it, that another one always beats */
	CODE_LINT_DEAD = 63,       /* an entry that decides nothing */
	CODE_LINT_ALIAS = 64,      /* a name that is only an alias */
	CODE_LINT_DOH = 65,        /* a public DNS-over-HTTPS server is permitted */
	CODE_LINT_PREFIX = 66,     /* a prefix shorter than needed */
	CODE_LINT_HTTP = 67,       /* plain HTTP */
	CODE_LINT_WILDCARD = 68,   /* how much could leave through a wildcard */
	CODE_LINT_THRESHOLD = 69,  /* thresholds under which denials permit */
	CODE_LINT_CGROUP = 70,     /* a control group that is made anew when its unit restarts */
	CODE_LINT_EVERYTHING = 71, /* 0.0.0.0/0 or ::/0 */
	CODE_LINT_PATTERN = 72,    /* a pattern without an anchor */
	CODE_LINT_NO_EFFECT = 73,  /* a part of an override that takes nothing away */
	CODE_LINT_TYPE = 74,       /* a record type that carries any data */
	CODE_LINT_CHANNEL = 75,    /* nothing bounds what leaves in questions for unknown names */
	CODE_LINT_USELESS = 76,    /* a setting of records, alerts or budgets without effect */
	CODE_LINT_LOG = 77,        /* a file of records that can't be one, or be kept */
};

#endif
