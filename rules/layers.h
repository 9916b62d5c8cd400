/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_LAYERS_H
#define EGRESS_RULES_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/policy.h"

struct arena;

/*
 * The policies that judge together: the base, and overrides, each of which can only narrow. What
 * they say is weighed here once; who judges a destination needs no scores any more.
 */

#define LAYERS_MAX 16

/* In order of strictness: the strictest of the layers' verdicts holds. */
enum verdict {
	VERDICT_PERMIT,
	VERDICT_FLAG,    /* permitted and reported */
	VERDICT_OBSERVE, /* permitted, and reported as what would be refused */
	VERDICT_REFUSE,
};

struct layer_entry {
	const struct entry *entry;
	const char *id; /* of its own among all layers: "allow-3", "npm:allow-1", "o1:deny-2" */
	enum verdict verdict;
	/* What its wildcards may spend in each domain, all limits considered; count 0: any, or
	 * there are no wildcards. */
	struct rate wildcard_bytes;
	struct rate wildcard_answer_bytes;
};

struct layer {
	const struct policy *policy;
	const char *prefix;          /* "" of the base, "o1:" of the first override */
	struct layer_entry *entries; /* those in force, in the policy's order */
	size_t n_entries;
	unsigned block;             /* classes it blocks: bits of enum address_class */
	enum verdict class_verdict; /* of what they have */
	double unknown_score;
	enum verdict unknown; /* of what nothing matches */
	bool neutral;         /* an override that says nothing about what it does not match */
};

struct layers {
	struct layer *layers; /* the base first */
	size_t n_layers;
	struct limits limits; /* of all layers: the smaller of those present */
	struct budget budget;
	struct audit_sink audit_sinks[AUDIT_SINKS_MAX]; /* of all layers, none twice */
	size_t n_audit_sinks;
	bool audit_allowed;
	/* What names that no entry of the base matches may spend in each domain, where it permits
	 * them; count 0: any. */
	struct rate unknown_bytes;
	struct rate unknown_answer_bytes;
};

/* The score of a deny entry, and of a blocked class. */
#define LAYERS_DENY_SCORE 4.0

/* What wildcards of the base may spend if neither the entry nor [limits] says otherwise: bytes of
 * names asked, and of answers, each minute. */
#define LAYERS_WILDCARD_BYTES 2000
#define LAYERS_WILDCARD_ANSWER_BYTES 16000

enum verdict layer_verdict(const struct layer *layer, double score);

/* What a refusal of the layer amounts to: an observed one where it only observes. */
enum verdict layer_refusal(const struct layer *layer);

/* Whether the entry has hosts, patterns, or names in its lists. */
bool entry_has_names(const struct entry *entry);

/* Whether names that the policy does not list may be the entry's. */
bool entry_has_wildcards(const struct entry *entry);

/* Whether a session of the policy has any ceiling. */
bool layers_have_ceilings(const struct layers *layers);

/* Whether answers for some name must validate. */
bool layers_want_dnssec(const struct layers *layers);

/* The strictest verdict on what no layer mentions. */
enum verdict layers_unknown(const struct layers *layers);

/*
 * Weighs the policies, the base first; `now` is in seconds since 1970, and what expired before it
 * is left out with a warning. Checks what only more than one entry or one layer can get wrong. 0,
 * -EINVAL (the diag has errors) or -ENOMEM.
 */
int layers_make(struct arena *arena, const struct policy *const *policies, size_t n_policies,
	int64_t now, struct diag *diag, const struct layers **ret_layers);

#endif
