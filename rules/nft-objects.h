/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_OBJECTS_H
#define EGRESS_RULES_NFT_OBJECTS_H

#include "rules/nft-text.h"

/* A set, map, limit or quota, as it is declared. */
struct nft_object {
	const char *about;
	const char *keyword; /* "set", "map", "limit" or "quota" */
	const char *name;
	const char *type; /* the first line: "type mark", "over 1000 bytes" */
	const char *more; /* another line, or NULL */
	unsigned family;
	const struct plan_spans *spans;
	/* Writes the elements of what the policy fills; NULL for what others fill. */
	void (*elements)(const struct nft *nft, const struct nft_object *object);
};

typedef void nft_object_visitor(const struct nft *nft, const struct nft_object *object);

/* The brace or comma before element `index`, and what follows the last of `count`. */
const char *nft_before_element(size_t index);
void nft_end_elements(const struct nft *nft, size_t count);

/* All of the table's, always in the same order. */
void nft_visit_objects(const struct nft *nft, nft_object_visitor *visit);

/* Those that are there for what is limited, counted or expires (nft-limits.c). */
void nft_visit_limit_objects(const struct nft *nft, nft_object_visitor *visit);

/* Whether the resolver may ask servers of the family. Which ones it says itself when the policy
 * names none: they are the system's where it runs. */
bool nft_has_upstream(const struct plan *plan, unsigned family);

#endif
