/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NAMES_H
#define EGRESS_RULES_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"

struct arena;

/*
 * A table of names that lie elsewhere: in lists, in arrays of hosts. It holds where each is, and
 * finds all that are equal to a name or to a suffix of it. Read only once it is filled.
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
	uint32_t base; /* the table's own: what the source's first is called */
};

/* A name found. */
struct names_hit {
	const struct names_source *source;
	uint32_t index; /* in the source's array; in the list's records the offset of its wire */
	enum host_kind kind;
	uint8_t length;
	const uint8_t *wire;
};

enum { NAMES_LABELS_MAX = 127 };

/* A name with what is needed to look it and its suffixes up. */
struct names_walk {
	const struct name *name;
	unsigned n_labels;
	uint64_t suffixes[2]; /* a bit for each number of labels that suffixes here may have */
	uint64_t globs[2];    /* the same of suffixes of globs */
	uint8_t offsets[NAMES_LABELS_MAX + 1]; /* of the labels, the root's included */
	uint64_t hash;
	uint64_t suffix_hashes[NAMES_LABELS_MAX + 1]; /* by the number of labels */
	uint64_t globs_hashes[NAMES_LABELS_MAX + 1];
};

/* Goes over the equals of a name or a suffix. */
struct names_cursor {
	const uint8_t *wire;
	uint8_t length;
	uint8_t tag;
	enum names_key key;
	uint32_t passed;
	size_t bucket;
	uint64_t left[2]; /* slots of the bucket that are to be looked at */
};

/* An empty table for at most so many names and sources. 0, -ENOMEM, or another -errno when there is
 * no randomness. */
int names_make(struct arena *arena, size_t n_names, size_t n_sources, struct names **ret_names);

/* Adds a source, of which names may be added. Its array has `size` elements, or it is a list. 0, or
 * -EFBIG when the sources are too large together. */
int names_add_source(struct names *names, const struct names_source *source, size_t size,
	const struct names_source **ret_source);

/* A cursor over what is there already as `key` with this wire form. Returns its hash, for
 * names_add(). */
uint64_t names_look_up(const struct names *names, enum names_key key, const uint8_t *wire,
	uint8_t length, struct names_cursor *ret_cursor);

/* Adds the name that is at `index` of the source. There must be room. */
void names_add(struct names *names, const struct names_source *source, uint32_t index,
	enum names_key key, uint64_t hash);

/* Hashes the name and its suffixes, and has the table's lines fetched that they may be in. */
void names_walk(const struct names *names, const struct name *name, struct names_walk *ret_walk);

/* Cursors over what equals the walk's name, or its suffix of so many labels. */
void names_exact(
	const struct names *names, const struct names_walk *walk, struct names_cursor *ret_cursor);
void names_suffix(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor);
void names_globs(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor);

/* The next one, in no particular order. False at the end, and what *ret_hit holds is of no
 * meaning. */
bool names_next(const struct names *names, struct names_cursor *cursor, struct names_hit *ret_hit);

/* Bytes of the table, without the names it points to, and how many those are. */
size_t names_bytes(const struct names *names);
size_t names_count(const struct names *names);

#endif
