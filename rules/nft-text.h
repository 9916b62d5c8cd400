/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NFT_TEXT_H
#define EGRESS_RULES_NFT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/nft.h"
#include "src/base/inaddr.h"

/* How a ruleset's text is made: what the parts of the nft back-end share. */

/* A ruleset that is being written. */
struct nft {
	const struct plan *plan;
	struct nft_options options;
	FILE *out;
};

/* Words for what there is of each family. */
struct nft_family {
	const char *daddr;
	const char *saddr;
	const char *nfproto;
	const char *dnat;
	const char *type; /* of an address */
};

extern const struct nft_family nft_families[PLAN_FAMILIES];

/* The most that nft 1.0.6 takes of a comment and of a log prefix. */
enum { NFT_COMMENT_MAX = 127 };

/* A copy that can stand in a comment: at most NFT_COMMENT_MAX bytes of printable ASCII without
 * quotes and backslashes; `out` has NFT_COMMENT_MAX + 1. Returns `out`. */
const char *nft_clean(const char *text, char *out);

/* Whether a name can stand between quotes as it is: nft has no escapes. */
bool nft_is_quotable(const char *name);

/* The family of an address. */
enum plan_family nft_family_of(const struct inaddr *address);

/* Writes a range as nft takes it: an address, a prefix, or first-last. Returns behind the last byte
 * written, of at most INADDR_TEXT; no NUL. */
char *nft_put_range(char *at, const struct range *range);

/* The same as a string in `out` (INADDR_TEXT bytes); returns `out`. */
const char *nft_range_text(const struct range *range, char *out);

/* "0x4c43c75d"; returns behind it. No NUL. */
char *nft_put_mark(char *at, uint32_t mark);

/* A chain's head, with `about` as a comment above it, and its end. */
void nft_open_chain(const struct nft *nft, const char *about, const char *name);
void nft_close_chain(const struct nft *nft);

/* A rule with its comment, which is cleaned. Every rule has one: reading back compares them. */
void nft_rule(const struct nft *nft, const char *comment, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A chain's rule that reports what comes to it under `id`, but no flood of it. */
void nft_log_rule(const struct nft *nft, const char *id, const char *condition);

/* The counter of what a rule refuses, or reports. It has a name, so a ruleset that is loaded again
 * finds it as it was, and how many were not reported is known (resolver/tally.c). */
void nft_put_counter(const struct nft *nft, const char *id);

/* The chain of a reason to refuse: it reports, counts, and goes on with `end`. */
void nft_put_refusal(const struct nft *nft, const char *chain, const char *id, const char *about,
	const char *end);

#endif
