/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_EXPLANATION_H
#define EGRESS_RULES_EXPLANATION_H

#include "rules/destination.h"
#include "rules/explain.h"
#include "rules/judge.h"
#include "rules/special-names.h"

struct arena;

/* What there is to be said about a destination, before it is put into words (rules/explain.c) or
 * into JSON (rules/explain-json.c). */

/* As many of what a winner beats are kept. */
#define EXPLANATION_BEATEN_MAX 10

/* What one layer says. */
struct explained_layer {
	const struct layer *layer;
	struct finding winner;
	const char *text; /* what the winner's entry says in short; NULL when it is none */
	struct finding beaten[EXPLANATION_BEATEN_MAX];
	size_t n_beaten; /* kept or not */
};

/* Ports that are decided alike, and for the same reasons. */
struct explained_ports {
	struct port_range *ports;
	size_t n_ports;
	bool others; /* and all that are in no other part of the explanation */
	enum verdict verdict;
	char rule[RULE_ID_MAX];
	const struct explained_layer *decider; /* whose score it is */
	struct explained_layer *layers;        /* as many as the policy has */
};

/* A name that the resolver answers itself. */
struct explained_special {
	const struct special *row;
	struct inaddr addresses[SPECIAL_ADDRESSES_MAX]; /* that are answered */
	size_t n_addresses;
	bool denied; /* it does not exist; else, without addresses, it has no data */
};

/* What a permitted name spends from, of one entry or of the default. */
struct explained_limit {
	const struct layer *layer;
	const struct layer_entry *entry; /* NULL: the default */
	const char *id;
	struct name domain; /* in which it is spent */
	struct rate bytes;  /* of names asked, and of answers; count 0: any */
	struct rate answer_bytes;
	uint32_t names; /* distinct ones; 0: any */
	bool refuses;   /* beyond these; else it is told of */
	double shape;   /* points for what the name looks like */
	double score;   /* with these */
	enum verdict verdict;
};

struct explanation {
	struct destination to;
	bool in_scope;
	enum verdict verdict; /* of the ports that get most */
	const char *rule; /* of theirs; "dns", "loopback", "special-name", "out-of-scope" of what
			     comes before all rules; "allow-1 name-shape" of a name that looks
			     like data */
	const struct explained_ports *decisive; /* NULL: nothing was judged */
	struct explained_ports *ports;          /* those with `others` last */
	size_t n_ports;
	size_t n_layers;
	const char *category; /* of the entry that decides, or of a well-known name; or NULL */
	bool category_known;  /* the latter */
	const struct explained_special *special; /* or NULL */
	struct explained_limit *limits;
	size_t n_limits;
	const char **notes; /* what else there is to know, a sentence each */
	size_t n_notes;
};

/* All of it lies in the arena. Errors are those of explain(). */
int explanation_make(struct arena *arena, const struct compiled *compiled, const char *destination,
	const struct explain_as *as, const struct explanation **ret_explanation);

/* The two ways to show it. */
void explain_as_text(const struct explanation *it, FILE *out);
int explain_as_json(const struct explanation *it, FILE *out);

#endif
