/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_EVIDENCE_H
#define EGRESS_LEARN_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/learn/target.h"

/* What a tree names, and where: each destination once. Of bounded size, whatever the tree has. */

struct arena;
struct evidence;

/* By what a destination is known. Those from EVIDENCE_COMPUTED on are too little for an entry. */
enum evidence_kind {
	EVIDENCE_REGISTRY,
	EVIDENCE_LOCK,
	EVIDENCE_MANIFEST,
	EVIDENCE_GIT,
	EVIDENCE_IMAGE,
	EVIDENCE_SERVICE,
	EVIDENCE_CI,
	EVIDENCE_TERRAFORM,
	EVIDENCE_HELM,
	EVIDENCE_AGENT,
	EVIDENCE_ENVIRONMENT,
	EVIDENCE_COMMAND,
	EVIDENCE_SETTING,
	EVIDENCE_LITERAL,
	EVIDENCE_COMPUTED,
	EVIDENCE_PLACEHOLDER,
	EVIDENCE_LOCAL,
	EVIDENCE_CLOSED,
	EVIDENCE_TEST,
	EVIDENCE_VENDORED,
	EVIDENCE_PROSE,
	EVIDENCE_COMMENT,
	EVIDENCE_KINDS,
};

/* "lock file". */
const char *evidence_kind_name(enum evidence_kind kind);

/* Whether it is enough for an entry. */
bool evidence_kind_suffices(enum evidence_kind kind);

/* What kind of file it is in: what is in some weighs less. */
enum evidence_origin { EVIDENCE_OWN, EVIDENCE_TESTS, EVIDENCE_VENDOR, EVIDENCE_DOCS };

#define EVIDENCE_ROWS_MAX 65536
#define EVIDENCE_PLACES 3

struct evidence_place {
	const char *file;
	unsigned line; /* 0: the file as a whole */
	enum evidence_kind kind;
};

struct evidence_row {
	const char *key;     /* "tcp/443 api.example.com" or "profile npm" */
	const char *profile; /* a profile that is needed; NULL: a destination */
	const char *where;   /* the destination's name, glob or address */
	const char *domain;  /* that was registered, of a name; set by evidence_list() */
	bool replaced;       /* a profile's servers, by a mirror that the project names */
	struct target target;
	uint64_t counts[EVIDENCE_KINDS];
	struct evidence_place places[EVIDENCE_PLACES]; /* the best ones, then the first ones */
	size_t n_places;
};

/* 0, -ENOMEM, or another -errno when there is no randomness. All of it lies in the arena. */
int evidence_new(struct arena *arena, struct evidence **ret_evidence);

/* The file that what is added from here on is in; the path need not stay. */
void evidence_file(struct evidence *evidence, struct text path, enum evidence_origin origin);

/* What kind of file it is. */
enum evidence_origin evidence_origin(const struct evidence *evidence);

/* Adds a destination, or a profile; a `line` of 0 is the file as a whole. What nobody outside can
 * be is nothing. */
void evidence_add(struct evidence *evidence, const struct target *target, enum evidence_kind kind,
	unsigned line);
void evidence_add_profile(
	struct evidence *evidence, const char *profile, enum evidence_kind kind, unsigned line);

/* The project names a mirror in place of the profile's servers, in a file at its root. */
void evidence_replace(struct evidence *evidence, const char *profile);

/* Whether the row is enough for an entry. */
bool evidence_suffices(const struct evidence_row *row);

/* All rows: profiles first, then names by their registered domain, then addresses. NULL: no
 * memory. */
struct evidence_row **evidence_list(const struct evidence *evidence, size_t *ret_count);

/* Destinations that found no room, or no memory; and whether there was none of the latter. */
uint64_t evidence_lost(const struct evidence *evidence);
bool evidence_was_short(const struct evidence *evidence);

#endif
