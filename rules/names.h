/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NAMES_H
#define EGRESS_RULES_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/hash.h"

struct arena;

/*
 * A table of names, which finds what a name, or a suffix of it, was added for. It does not hold the
 * names, nor where they lie. Read only once it is filled.
 */
struct names;

/* What a name stands for; one name may be there as several. */
enum names_key {
	NAMES_EXACT,    /* itself */
	NAMES_SUFFIX,   /* what *. and **. stand before */
	NAMES_GLOBS,    /* what globs end with */
	NAMES_EMBEDDED, /* a name of [dns.hosts] */
};

/* What globs that have one literal suffix are found by. */
struct names_globs {
	const uint8_t *wire; /* of the suffix */
	uint8_t length;
	uint32_t first; /* of the globs, wherever they are kept */
	uint32_t count;
};

/* Where names lie: one of the pointers is set. */
struct names_source {
	uint32_t layer; /* whose they are */
	uint32_t entry;
	const struct list *list;
	const struct host *hosts;
	const struct names_globs *globs;
	const struct embedded_host *embedded;
	uint32_t base; /* the table's own: the first of its numbers */
};

/* What a name found was added for. */
struct names_hit {
	const struct names_source *source;
	uint32_t index; /* in the source's array of globs or embedded hosts; else 0 */
	enum host_kind kind;
};

enum {
	NAMES_LABELS_MAX = 127,
	NAMES_WALK_HASHES = 8, /* of suffixes; those of longer ones are made when they are needed */
};

/* Goes over what a name or a suffix was added for. */
struct names_cursor {
	enum names_key key;
	uint8_t tag;
	uint8_t passed;
	size_t bucket;
	uint64_t slots; /* of the bucket that are still to be looked at */
	uint64_t print;
};

/* A name with what is needed to look it and its suffixes up. */
struct names_walk {
	const struct name *name;
	struct hash_state hash; /* of the name */
	bool sought;            /* false: of all that follows, nothing is there yet */
	bool ready;             /* false: the same of what follows `exact` */
	struct names_cursor exact;
	unsigned n_labels;
	uint64_t suffixes[2]; /* a bit for each number of labels of suffixes of the name that may
				 be here */
	uint64_t globs[2];    /* the same of suffixes of globs */
	unsigned n_hashes;
	uint8_t offsets[NAMES_LABELS_MAX + 1];       /* of the labels, the root's included */
	uint8_t suffix_places[NAMES_LABELS_MAX + 1]; /* of the hashes of suffixes of so many labels,
							where the bit is set */
	uint8_t glob_places[NAMES_LABELS_MAX + 1];
	struct hash_state hashes[NAMES_WALK_HASHES]; /* of suffixes, the shortest first */
};

/* An empty table for at most so many names, of which so many are suffixes of wildcards and globs,
 * and sources. 0, -ENOMEM, or another -errno when there is no randomness. */
int names_make(struct arena *arena, size_t n_names, size_t n_suffixes, size_t n_sources,
	struct names **ret_names);

/* Adds a source, of which names may be added: first all those of lists and hosts, then those of
 * arrays of `size` globs or embedded hosts. 0, -ENOMEM, or -EFBIG when the sources are too large
 * together. */
int names_add_source(struct arena *arena, struct names *names, const struct names_source *source,
	size_t size, const struct names_source **ret_source);

/* A cursor over what is there already as `key` with this wire form, and the end of its hash, for
 * names_add(). */
void names_look_up(const struct names *names, enum names_key key, const uint8_t *wire,
	struct names_cursor *ret_cursor, struct hash_state *ret_hash);

/* Adds the name that names_look_up() was asked about, on behalf of the hit's source. There must be
 * room. */
void names_add(struct names *names, const struct names_hit *hit, enum names_key key,
	const uint8_t *wire, const struct hash_state *hash);

/* Begins a walk: hashes the name, which stays where it is. Of a large table the lines are fetched
 * that it may be in. */
void names_begin(const struct names *names, const struct name *name, struct names_walk *ret_walk);

/* Looks into these, and, if the name is not there, goes over its suffixes, and has the lines
 * fetched that they may be in. In a small table there is nothing to gain by that, and nothing is
 * done. */
void names_prepare(const struct names *names, struct names_walk *walk);

/* Looks for the name itself. False: it is not there; else walk->exact goes over what is. */
bool names_exact(const struct names *names, struct names_walk *walk);

/* Goes over the suffixes, if that wasn't done yet. */
void names_walk(const struct names *names, struct names_walk *walk);

/* Cursors over what equals the walk's suffix of so many labels. False: nothing does. */
bool names_suffix(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor);
bool names_globs(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor);

/* Whether there may be a next one. */
static inline bool names_left(const struct names_cursor *cursor)
{
	return cursor->slots != 0 || cursor->passed != 0;
}

/* The next one, in no particular order. False at the end, and what *ret_hit holds is of no
 * meaning. */
bool names_next(const struct names *names, struct names_cursor *cursor, struct names_hit *ret_hit);

/* Bytes of the table, and how many names were added. */
size_t names_bytes(const struct names *names);
size_t names_count(const struct names *names);

#endif
