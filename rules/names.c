/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/names.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A hash table of buckets, each a cache line: seven slots, with a tag of 8 bits of the hash and a
 * word that has 52 more and, in 12 bits, the number of what the name was added for; and one byte
 * about names that found their bucket full and went on to the next one. Such a name leaves a bit,
 * chosen by its hash, in each bucket it passes. A look-up goes on from a bucket only where its own
 * bit is set. So at 78 % load both what is there and what isn't cost one line in nine cases of ten,
 * and 11.7 bytes a name, however many there are. Buckets are never moved nor emptied, so that what
 * was added stays where it is.
 *
 * The names themselves are not read again: a tag and a print that are equal stand for equal names.
 * Their 60 bits come from a keyed function, the key is drawn for each table and never leaves the
 * process, and where the bucket lies comes from bits of their own. So whoever has no key can do no
 * better than to guess, and cannot choose for which name he guesses right: that a name which was
 * not added is found has a chance of 7 in 2^60 a bucket looked at. Of a policy that four numbers of
 * labels have wildcards of, asked 200,000 times a second without a pause, one name in some 5,000
 * years gets what another one should get. (That two of a million names added are taken for each
 * other: 2 in 10^12.) Names added are compared the same way: one that is taken for another would
 * not be told from it when it is looked up either.
 *
 * The hash of a name is SipHash-1-3 with 128 bits over its wire form, in words of eight bytes from
 * the root's side, the key of what it stands for in the place of the root's zero. So the hash of
 * each suffix is one end of a copy on the way to that of the name. Since lengths are in it, no two
 * names have the same bytes. The first half of it says which bucket and which tag; the second,
 * which makes the print, is had only where the tag is there. It is keyed by chance: no list from
 * elsewhere can be made to collide.
 *
 * Which numbers of labels there are suffixes of is remembered, so that a table without wildcards is
 * looked into once a name. The lines of all keys of a name are fetched before the first is read. A
 * processor does not get far enough ahead of itself to have those of the next name fetched too:
 * who has several names to look up walks them all first. Then a table beyond its caches costs a
 * third more than a small one, instead of the double. The arena puts a large table on large pages.
 *
 * Numbers are given to sources in order, two to a list or an array of hosts, one to each glob and
 * embedded host. If 12 bits are too few for them, they are in an array of their own, and a look-up
 * that finds something reads one more line.
 */

enum {
	SLOTS = 7,
	LINE = 64,
	BUCKETS_MANY = (1 << 19) / LINE, /* half of a second-level cache */
};

/* The first bits of a print are of the hash, the others the number of whom the name is there for.
 */
#define PRINT_BITS 52
#define PRINT_MASK ((UINT64_C(1) << PRINT_BITS) - 1)
#define NUMBERS_NARROW (UINT32_C(1) << (64 - PRINT_BITS))

struct bucket {
	uint8_t tags[SLOTS]; /* 0: free */
	uint8_t passed;
	uint64_t prints[SLOTS];
};

_Static_assert(sizeof(struct bucket) == LINE, "a bucket is a cache line");

struct names {
	struct hash_key key;
	struct bucket *buckets;
	size_t n_buckets;
	uint32_t *wide; /* numbers of all slots, if some are too large for them; or NULL */
	size_t n_names;
	struct names_source *sources;
	size_t n_sources;
	size_t n_plain; /* of them: lists and hosts, which come first */
	uint64_t size;  /* numbers of all sources so far */
	uint64_t suffixes[2];
	uint64_t globs[2];
};

int names_make(struct arena *arena, size_t n_names, size_t n_sources, struct names **ret_names)
{
	struct names *names = arena_alloc(arena, sizeof(*names));
	uint8_t *lines;
	int error;

	if (!names || n_names > UINT32_MAX)
		return -ENOMEM;
	error = hash_key_draw(&names->key);
	if (error < 0)
		return error;
	names->n_buckets = n_names * 9 / (7 * SLOTS) + 1;
	lines = arena_alloc(arena, (names->n_buckets + 1) * LINE);
	names->sources = arena_array(arena, n_sources, sizeof(*names->sources));
	if (!lines || !names->sources)
		return -ENOMEM;
	names->buckets = (struct bucket *)(lines + (-(uintptr_t)lines & (LINE - 1)));
	*ret_names = names;
	return 0;
}

/* --- Whom names were added for --- */

static inline uint32_t narrow_number(const struct bucket *bucket, unsigned slot)
{
	return (uint32_t)(bucket->prints[slot] >> PRINT_BITS);
}

static inline uint32_t number_at(const struct names *names, size_t bucket, unsigned slot)
{
	if (names->wide)
		return names->wide[bucket * SLOTS + slot];
	return narrow_number(&names->buckets[bucket], slot);
}

static void set_number(struct names *names, size_t bucket, unsigned slot, uint32_t number)
{
	if (names->wide)
		names->wide[bucket * SLOTS + slot] = number;
	else
		names->buckets[bucket].prints[slot] |= (uint64_t)number << PRINT_BITS;
}

/* Makes room for numbers that are too large for the slots. 0 or -ENOMEM. */
static int widen(struct arena *arena, struct names *names)
{
	uint32_t *wide = arena_array(arena, names->n_buckets * SLOTS, sizeof(*wide));

	if (!wide)
		return -ENOMEM;
	for (size_t i = 0; i < names->n_buckets * SLOTS; i++)
		wide[i] = narrow_number(&names->buckets[i / SLOTS], (unsigned)(i % SLOTS));
	names->wide = wide;
	return 0;
}

/* A source of lists or hosts has two numbers: the second is for names with "**" before them. */
int names_add_source(struct arena *arena, struct names *names, const struct names_source *source,
	size_t size, const struct names_source **ret_source)
{
	struct names_source *copy = &names->sources[names->n_sources];
	bool is_plain = source->list || source->hosts;
	int error = 0;

	if (is_plain)
		size = 2;
	if (size > UINT32_MAX - names->size)
		return -EFBIG;
	if (!names->wide && names->size + size > NUMBERS_NARROW)
		error = widen(arena, names);
	if (error < 0)
		return error;
	*copy = *source;
	copy->base = (uint32_t)names->size;
	names->size += size;
	names->n_sources++;
	names->n_plain += is_plain;
	*ret_source = copy;
	return 0;
}

static uint32_t number_of(const struct names_hit *hit)
{
	bool is_plain = hit->source->list || hit->source->hosts;

	return hit->source->base + (is_plain ? hit->kind == HOST_ANY_DEPTH : hit->index);
}

static inline enum host_kind kind_of(enum names_key key, uint32_t number)
{
	if (key == NAMES_SUFFIX)
		return number % 2 == 1 ? HOST_ANY_DEPTH : HOST_ONE_LABEL;
	return key == NAMES_GLOBS ? HOST_GLOB : HOST_EXACT;
}

static inline void read_number(
	const struct names *names, enum names_key key, uint32_t number, struct names_hit *ret_hit)
{
	size_t source = number / 2;

	ret_hit->index = 0;
	ret_hit->kind = kind_of(key, number);
	if (source >= names->n_plain) {
		/* At most one of globs and one of embedded hosts. */
		source = names->n_sources - 1;
		while (names->sources[source].base > number)
			source--;
		ret_hit->index = number - names->sources[source].base;
	}
	ret_hit->source = &names->sources[source];
}

/* --- Hashes --- */

static void set_bit(uint64_t bits[2], unsigned bit)
{
	bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* 8 bytes, the first the least significant. */
static inline uint64_t load_word(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* Reads fewer bytes, filled up with zeros; nothing at `limit` or behind it is touched. */
static inline uint64_t load_part(const uint8_t *at, size_t size, const uint8_t *limit)
{
	uint64_t word = 0;

	if (limit - at >= (ptrdiff_t)sizeof(word))
		return load_word(at) & ((UINT64_C(1) << 8 * size) - 1);
	memcpy(&word, at, size);
	return le64toh(word);
}

/* A hash on its way from the root. */
struct progress {
	struct hash_state state;
	size_t n_hashed; /* bytes, whole words */
};

/* Goes on to the whole words of the last `size` bytes of what ends at `end`. */
static inline __attribute__((always_inline)) void add_words(
	struct progress *progress, uint64_t key, const uint8_t *end, size_t size)
{
	if (progress->n_hashed == 0 && size >= sizeof(uint64_t)) {
		progress->state =
			hash_word(progress->state, load_word(end - sizeof(uint64_t)) | key << 56);
		progress->n_hashed = sizeof(uint64_t);
	}
	while (size - progress->n_hashed >= sizeof(uint64_t)) {
		progress->n_hashed += sizeof(uint64_t);
		progress->state = hash_word(progress->state, load_word(end - progress->n_hashed));
	}
}

/* The hash of those bytes, all whole words of which have been added. */
static inline __attribute__((always_inline)) struct hash_state end_hash(
	const struct progress *progress, uint64_t key, const uint8_t *end, size_t size,
	const uint8_t *limit)
{
	uint64_t tail = load_part(end - size, size - progress->n_hashed, limit);

	if (progress->n_hashed == 0)
		tail |= key << 8 * (size - 1);
	return hash_wide_end(progress->state, tail, size);
}

static inline __attribute__((always_inline)) struct hash_state hash_wire(const struct names *names,
	enum names_key key, const uint8_t *wire, size_t size, const uint8_t *limit)
{
	struct progress progress = {.state = hash_wide_begin(&names->key)};

	add_words(&progress, key, wire + size, size);
	return end_hash(&progress, key, wire + size, size, limit);
}

/* The labels of a wire form; returns how many there are without the root's. */
static unsigned find_labels(const uint8_t *wire, uint8_t offsets[NAMES_LABELS_MAX + 1])
{
	unsigned n_labels = 0, at = 0;

	for (unsigned length; (length = wire[at]) != 0; at += 1 + length)
		offsets[n_labels++] = (uint8_t)at;
	offsets[n_labels] = (uint8_t)at;
	return n_labels;
}

/* --- Buckets --- */

static inline size_t home(const struct names *names, uint64_t first)
{
	return (size_t)((first >> 32) * names->n_buckets >> 32);
}

static inline uint8_t tag_of(uint64_t first)
{
	return (uint8_t)(1 + ((first & 0xffff) * 255 >> 16));
}

static inline uint8_t passed_of(uint64_t first)
{
	return (uint8_t)(1 << (first >> 16 & 7));
}

static inline uint64_t print_of(const struct hash_state *hash)
{
	return hash_wide_second(hash) & PRINT_MASK;
}

/* The slots of the bucket with the tag: the highest bit of a byte each. */
static inline uint64_t find_tags(const struct bucket *bucket, uint8_t tag)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), all = UINT64_MAX >> 8;
	uint64_t differs;

	memcpy(&differs, bucket, sizeof(differs));
	differs = le64toh(differs) ^ tag * UINT64_C(0x0101010101010101);
	return ~(((differs & low) + low) | differs | low) & all;
}

static inline unsigned first_slot(uint64_t slots)
{
	return (unsigned)__builtin_ctzll(slots) / 8;
}

/* Goes to a bucket. The second half of the hash is had only where it is needed. */
static inline bool begin(const struct names *names, enum names_key key,
	const struct hash_state *hash, struct names_cursor *ret_cursor)
{
	uint64_t first = hash_wide_first(hash);
	size_t at = home(names, first);
	const struct bucket *bucket = &names->buckets[at];

	ret_cursor->key = key;
	ret_cursor->bucket = at;
	ret_cursor->tag = tag_of(first);
	ret_cursor->passed = bucket->passed & passed_of(first);
	ret_cursor->slots = find_tags(bucket, ret_cursor->tag);
	if (ret_cursor->slots == 0 && ret_cursor->passed == 0)
		return false;
	ret_cursor->print = print_of(hash);
	return true;
}

static inline size_t next_bucket(const struct names *names, size_t bucket)
{
	return bucket + 1 < names->n_buckets ? bucket + 1 : 0;
}

/* The next slot in the cursor's bucket that has the print; false for none. */
static inline bool take_slot(
	const struct bucket *bucket, struct names_cursor *cursor, unsigned *ret_slot)
{
	while (cursor->slots != 0) {
		unsigned slot = first_slot(cursor->slots);

		cursor->slots &= cursor->slots - 1;
		if ((bucket->prints[slot] & PRINT_MASK) != cursor->print)
			continue;
		*ret_slot = slot;
		return true;
	}
	return false;
}

bool names_next(const struct names *names, struct names_cursor *cursor, struct names_hit *ret_hit)
{
	const struct bucket *bucket = &names->buckets[cursor->bucket];
	unsigned slot;

	while (!take_slot(bucket, cursor, &slot)) {
		if (cursor->passed == 0)
			return false;
		cursor->bucket = next_bucket(names, cursor->bucket);
		bucket = &names->buckets[cursor->bucket];
		cursor->passed &= bucket->passed;
		cursor->slots = find_tags(bucket, cursor->tag);
	}
	read_number(names, cursor->key, number_at(names, cursor->bucket, slot), ret_hit);
	return true;
}

void names_look_up(const struct names *names, enum names_key key, const uint8_t *wire,
	struct names_cursor *ret_cursor, struct hash_state *ret_hash)
{
	size_t size = 1;

	for (const uint8_t *at = wire; *at != 0; at += 1u + *at)
		size += 1u + *at;
	*ret_hash = hash_wire(names, key, wire, size, wire + size);
	begin(names, key, ret_hash, ret_cursor);
}

/* Remembers how many labels a suffix has. */
static void note_labels(const uint8_t *wire, uint64_t bits[2])
{
	uint8_t offsets[NAMES_LABELS_MAX + 1];

	set_bit(bits, find_labels(wire, offsets));
}

void names_add(struct names *names, const struct names_hit *hit, enum names_key key,
	const uint8_t *wire, const struct hash_state *hash)
{
	uint64_t first = hash_wide_first(hash), slots;
	size_t at = home(names, first);

	while ((slots = find_tags(&names->buckets[at], 0)) == 0) {
		names->buckets[at].passed |= passed_of(first);
		at = next_bucket(names, at);
	}
	names->buckets[at].tags[first_slot(slots)] = tag_of(first);
	names->buckets[at].prints[first_slot(slots)] = print_of(hash);
	set_number(names, at, first_slot(slots), number_of(hit));
	names->n_names++;
	if (key == NAMES_SUFFIX)
		note_labels(wire, names->suffixes);
	if (key == NAMES_GLOBS)
		note_labels(wire, names->globs);
}

/* --- Looking up --- */

bool names_are_many(const struct names *names)
{
	return names->n_buckets >= BUCKETS_MANY;
}

/* Compilers drop calls of functions that do nothing but fetch: it is done where it is asked for. */
static inline const struct bucket *home_bucket(
	const struct names *names, const struct hash_state *hash)
{
	return &names->buckets[home(names, hash_wide_first(hash))];
}

void names_begin(const struct names *names, const struct name *name, struct names_walk *ret_walk)
{
	ret_walk->name = name;
	ret_walk->ready = false;
	ret_walk->hash = hash_wire(
		names, NAMES_EXACT, name->wire, name->length, name->wire + sizeof(name->wire));
}

/* Those of `bits`, of which the first is `first`, that stand for fewer labels than so many. */
static inline uint64_t bits_below(uint64_t bits, unsigned first, unsigned n_labels)
{
	if (n_labels <= first)
		return 0;
	return n_labels - first < 64 ? bits & ((UINT64_C(1) << (n_labels - first)) - 1) : bits;
}

/* Hashes the suffixes of so many labels as `bits`, of which the first is `first`, say. */
static inline void add_hashes(struct names_walk *walk, const struct names *names,
	enum names_key key, uint64_t bits, unsigned first, struct progress *progress,
	uint8_t places[NAMES_LABELS_MAX + 1])
{
	const struct name *name = walk->name;
	const uint8_t *end = name->wire + name->length;

	for (; bits != 0; bits &= bits - 1) {
		unsigned n_labels = first + (unsigned)__builtin_ctzll(bits);
		size_t size = name->length - walk->offsets[walk->n_labels - n_labels];
		struct hash_state *hash = &walk->hashes[walk->n_hashes];

		places[n_labels] = (uint8_t)walk->n_hashes;
		if (walk->n_hashes == NAMES_WALK_HASHES)
			continue;
		walk->n_hashes++;
		add_words(progress, key, end, size);
		*hash = end_hash(progress, key, end, size, name->wire + sizeof(name->wire));
		__builtin_prefetch(home_bucket(names, hash));
	}
}

/* Hashes those of one kind, the shortest first. */
static void add_suffixes(struct names_walk *walk, const struct names *names, enum names_key key,
	const uint64_t bits[2], uint8_t places[NAMES_LABELS_MAX + 1])
{
	struct progress progress = {.state = hash_wide_begin(&names->key)};

	add_hashes(walk, names, key, bits[0], 0, &progress, places);
	if (bits[1] != 0)
		add_hashes(walk, names, key, bits[1], 64, &progress, places);
}

void names_walk(const struct names *names, struct names_walk *walk)
{
	walk->n_labels = find_labels(walk->name->wire, walk->offsets);
	walk->n_hashes = 0;
	for (unsigned i = 0; i < 2; i++) {
		walk->suffixes[i] = bits_below(names->suffixes[i], 64 * i, walk->n_labels);
		walk->globs[i] = bits_below(names->globs[i], 64 * i, walk->n_labels);
	}
	__builtin_prefetch(home_bucket(names, &walk->hash));
	add_suffixes(walk, names, NAMES_SUFFIX, walk->suffixes, walk->suffix_places);
	if ((walk->globs[0] | walk->globs[1]) != 0)
		add_suffixes(walk, names, NAMES_GLOBS, walk->globs, walk->glob_places);
	walk->ready = true;
}

bool names_exact(
	const struct names *names, const struct names_walk *walk, struct names_cursor *ret_cursor)
{
	return begin(names, NAMES_EXACT, &walk->hash, ret_cursor);
}

/* A cursor from the hash at the place in the walk, if it is there. */
static inline bool begin_suffix(const struct names *names, const struct names_walk *walk,
	unsigned n_labels, enum names_key key, unsigned place, struct names_cursor *ret_cursor)
{
	struct hash_state hash;

	if (place < walk->n_hashes)
		return begin(names, key, &walk->hashes[place], ret_cursor);
	names_look_up(names, key, walk->name->wire + walk->offsets[walk->n_labels - n_labels],
		ret_cursor, &hash);
	return true;
}

bool names_suffix(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor)
{
	return begin_suffix(
		names, walk, n_labels, NAMES_SUFFIX, walk->suffix_places[n_labels], ret_cursor);
}

bool names_globs(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor)
{
	return begin_suffix(
		names, walk, n_labels, NAMES_GLOBS, walk->glob_places[n_labels], ret_cursor);
}

size_t names_bytes(const struct names *names)
{
	size_t wide = names->wide ? names->n_buckets * SLOTS * sizeof(*names->wide) : 0;

	return sizeof(*names) + names->n_buckets * LINE + wide +
	       names->n_sources * sizeof(*names->sources);
}

size_t names_count(const struct names *names)
{
	return names->n_names;
}
