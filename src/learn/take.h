/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_TAKE_H
#define EGRESS_LEARN_TAKE_H

#include "src/learn/doc.h"
#include "src/learn/manifest.h"

/* What the values of declarations mean. */

struct take_rule;

/* Takes one value in. */
typedef void take_value(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item);

/* A row of a format's table: the first one whose path matches an item takes it. */
struct take_rule {
	const char *path; /* see doc_matches() */
	take_value *take;
	enum evidence_kind kind;
	const char *profile; /* for those that need one */
};

take_value take_url;      /* an URL */
take_value take_mirror;   /* an URL in place of the profile's servers */
take_value take_replace;  /* anything: the profile's servers are not used */
take_value take_mirrored; /* what maven's mirror stands for: the same if that is the central one */
take_value take_host;     /* a host, host:port or URL */
take_value take_source;   /* where a package comes from, if it says so: an URL, a git repository */
take_value take_need;     /* anything: the profile is needed; and the value as take_source() */
take_value take_presence; /* anything: the profile is needed */
take_value take_image;    /* a container image */
take_value take_repository; /* an image's name without its registry, or with */
take_value take_shell;      /* commands */
take_value take_text;       /* any text with URLs */
take_value take_variable;   /* the same, or a host if the key says so */
take_value take_action;     /* a workflow's action */
take_value take_command;    /* a program that fetches what it runs */
take_value take_permission; /* a permission of an agent: "WebFetch(domain:example.com)" */
take_value take_feature;    /* the key is an image */
take_value take_channel;    /* of conda */
take_value take_crate;      /* where cargo's lock file has a package from */
take_value take_package;    /* of PHP; the key is its name */
take_value take_argument;   /* of a program that fetches what it runs */
take_value take_nothing;    /* so that no later row takes it */

/* The same of places in files that are no documents. */
void take_place(const struct manifest_context *context, struct text place, enum evidence_kind kind,
	unsigned line);
void take_target(const struct manifest_context *context, const struct target *target,
	enum evidence_kind kind, unsigned line);
void take_image_name(const struct manifest_context *context, struct text image,
	enum evidence_kind kind, unsigned line);
void take_commands(const struct manifest_context *context, struct text text,
	enum evidence_kind kind, unsigned line);
void take_assignment(const struct manifest_context *context, struct text key, struct text value,
	enum evidence_kind kind, unsigned line);

/* What is in place of the profile's servers; if it is one of these, the profile is needed. */
void take_instead(const struct manifest_context *context, const char *profile,
	const struct target *target, enum evidence_kind kind, unsigned line);

/* A host on tcp/443. */
void take_well_known(const struct manifest_context *context, const char *host,
	enum evidence_kind kind, unsigned line);

#endif
