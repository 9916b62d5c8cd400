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
 * word that has 52 more and, in 12 bits, the number of what the name was added for. Names that find
 * their bucket full go on to the next one. Such a name leaves a bit, chosen by its hash, for each
 * bucket it passes. A look-up goes on from a bucket only where its own bit is set. These bits are a
 * byte a bucket in an array of their own, small enough to be at hand: so it is known which lines a
 * look-up will read before it has any of them. At 80 % load it is one line in nine cases of ten,
 * for what is there and for what isn't, and 11.6 bytes a name, however many there are. Buckets are
 * never moved nor emptied, so that what was added stays where it is.
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
 * the root's side, the key of what it stands for in the place of the root's zero. Since lengths are
 * in it, no two names have the same bytes. The first half of it says which bucket and which tag;
 * the second, which makes the print, is had only where the tag is there. It is keyed by chance: no
 * list from elsewhere can be made to collide.
 *
 * Which numbers of labels there are suffixes of is remembered, so that a table without wildcards is
 * looked into once a name. What is left goes through a sieve, a Bloom filter of eight bits a suffix
 * that tells from a cheap mixture of a suffix's first and last bytes that it isn't there, in nine
 * cases of ten in which it isn't. Who fills a list, or asks, with names that the sieve takes for
 * each other has them hashed and looked for, and that is all: no answer depends on it. Its key is
 * one of its own, so that what it takes for each other says nothing about the table's.
 *
 * A processor does not get far enough ahead of itself to have the lines of the next name fetched
 * while it waits: who has several names to look up begins all of them first, which has the lines
 * fetched that each may be in itself, then looks into those, and has the lines of their suffixes
 * fetched, and only then looks into these. Then a table beyond the caches costs a fifth more than
 * one of ten names, and for names below a wildcard half as much again, instead of the double. The
 * arena puts a large table on large pages.
 *
 * Numbers are given to sources in order, two to a list or an array of hosts, one to each glob and
 * embedded host. If 12 bits are too few for them, they are in an array of their own, and a look-up
 * that finds something reads one more line.
 */

enum {
	SLOTS = 7,
	LINE = 64,
	BUCKETS_MANY = (1 << 19) / LINE, /* half of a second-level cache */
	FETCHED_MAX = 4,                 /* buckets after the first */
	SIEVE_SHARE = 8,                 /* suffixes to a word of the sieve */
};

/* The first bits of a print are of the hash, the others the number of whom the name is there for.
 */
#define PRINT_BITS 52
#define PRINT_MASK ((UINT64_C(1) << PRINT_BITS) - 1)
#define NUMBERS_NARROW (UINT32_C(1) << (64 - PRINT_BITS))

#define TRACE_FACTOR UINT64_C(0x9e3779b97f4a7c15) /* odd, and its bits are well mixed */

struct bucket {
	uint8_t tags[SLOTS]; /* 0: free */
	uint8_t unused;
	uint64_t prints[SLOTS];
};

_Static_assert(sizeof(struct bucket) == LINE, "a bucket is a cache line");

struct names {
	struct hash_key key;
	struct bucket *buckets;
	uint8_t *passed; /* a byte for each bucket, about names that it had no room for */
	size_t n_buckets;
	uint32_t *wide; /* numbers of all slots, if some are too large for them; or NULL */
	size_t n_names;
	struct names_source *sources;
	size_t n_sources;
	size_t n_plain; /* of them: lists and hosts, which come first */
	uint64_t size;  /* numbers of all sources so far */
	uint64_t suffixes[2];
	uint64_t globs[2];
	uint64_t *sieve; /* of suffixes */
	size_t n_sieve;  /* words */
	uint64_t sieve_key;
};

/* What is read at random lies in one piece, so that it is on large pages. */
static int make_tables(struct arena *arena, struct names *names)
{
	size_t sieve = names->n_sieve * sizeof(*names->sieve);
	uint8_t *memory =
		arena_alloc(arena, (names->n_buckets + 1) * LINE + sieve + names->n_buckets);

	if (!memory)
		return -ENOMEM;
	memory += -(uintptr_t)memory & (LINE - 1);
	names->buckets = (struct bucket *)memory;
	memory += names->n_buckets * LINE;
	names->sieve = (void *)memory;
	names->passed = memory + sieve;
	return 0;
}

int names_make(struct arena *arena, size_t n_names, size_t n_suffixes, size_t n_sources,
	struct names **ret_names)
{
	struct names *names = arena_alloc(arena, sizeof(*names));
	int error;

	if (!names || n_names > UINT32_MAX)
		return -ENOMEM;
	error = hash_key_draw(&names->key);
	if (error < 0)
		return error;
	names->sieve_key = hash_bytes(&names->key, "sieve", 5);
	names->n_buckets = n_names * 5 / (4 * SLOTS) + 1;
	names->n_sieve = n_suffixes / SIEVE_SHARE + 1;
	names->sources = arena_array(arena, n_sources, sizeof(*names->sources));
	if (!names->sources || make_tables(arena, names) < 0)
		return -ENOMEM;
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

/* --- The sieve --- */

/* What the last bytes of a name, which ends at `end`, add to the traces of it and its suffixes. */
static inline uint64_t trace_end(const uint8_t *end, size_t size)
{
	return size < sizeof(uint64_t) ? 0 : load_word(end - sizeof(uint64_t)) * TRACE_FACTOR;
}

/* What a name, or a suffix, leaves in the sieve. */
static inline uint64_t trace_of(const struct names *names, const uint8_t *wire, size_t size,
	uint64_t end, const uint8_t *limit)
{
	uint64_t trace = names->sieve_key ^ (uint64_t)size << 48;

	trace ^= size < sizeof(uint64_t) ? load_part(wire, size, limit) : load_word(wire) + end;
	trace *= TRACE_FACTOR;
	trace = (trace ^ trace >> 32) * TRACE_FACTOR;
	return trace ^ trace >> 32;
}

static inline uint64_t *sieve_word(const struct names *names, uint64_t trace)
{
	return &names->sieve[(trace >> 32) * names->n_sieve >> 32];
}

static inline uint64_t sieve_bits(uint64_t trace)
{
	return UINT64_C(1) << (trace & 63) | UINT64_C(1) << (trace >> 6 & 63);
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

static inline size_t next_bucket(const struct names *names, size_t bucket)
{
	return bucket + 1 < names->n_buckets ? bucket + 1 : 0;
}

static inline void go_to(const struct names *names, struct names_cursor *cursor, size_t bucket)
{
	cursor->bucket = bucket;
	cursor->passed &= names->passed[bucket];
	cursor->slots = find_tags(&names->buckets[bucket], cursor->tag);
}

/* Goes to the first bucket that has the tag; false for none. The second half of the hash is had
 * only where it is needed. */
static inline bool begin(const struct names *names, enum names_key key,
	const struct hash_state *hash, struct names_cursor *ret_cursor)
{
	uint64_t first = hash_wide_first(hash);

	ret_cursor->key = key;
	ret_cursor->tag = tag_of(first);
	ret_cursor->passed = passed_of(first);
	go_to(names, ret_cursor, home(names, first));
	while (ret_cursor->slots == 0) {
		if (ret_cursor->passed == 0)
			return false;
		go_to(names, ret_cursor, next_bucket(names, ret_cursor->bucket));
	}
	ret_cursor->print = print_of(hash);
	return true;
}

/* Has the lines fetched that begin() and what follows will read. Compilers drop calls of functions
 * that do nothing but fetch: it is done where it is asked for. */
static inline __attribute__((always_inline)) void fetch(
	const struct names *names, const struct hash_state *hash)
{
	uint64_t first = hash_wide_first(hash);
	size_t bucket = home(names, first);

	__builtin_prefetch(&names->buckets[bucket]);
	for (int i = 0; i < FETCHED_MAX && names->passed[bucket] & passed_of(first); i++) {
		bucket = next_bucket(names, bucket);
		__builtin_prefetch(&names->buckets[bucket]);
	}
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
	unsigned slot;

	while (!take_slot(&names->buckets[cursor->bucket], cursor, &slot)) {
		if (cursor->passed == 0)
			return false;
		go_to(names, cursor, next_bucket(names, cursor->bucket));
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

/* Remembers a suffix: how many labels it has, and what it leaves in the sieve. */
static void note_suffix(struct names *names, const uint8_t *wire, uint64_t bits[2])
{
	uint8_t offsets[NAMES_LABELS_MAX + 1];
	unsigned n_labels = find_labels(wire, offsets);
	size_t size = offsets[n_labels] + 1u;
	const uint8_t *end = wire + size;
	uint64_t trace = trace_of(names, wire, size, trace_end(end, size), end);

	set_bit(bits, n_labels);
	*sieve_word(names, trace) |= sieve_bits(trace);
}

void names_add(struct names *names, const struct names_hit *hit, enum names_key key,
	const uint8_t *wire, const struct hash_state *hash)
{
	uint64_t first = hash_wide_first(hash), slots;
	size_t at = home(names, first);

	while ((slots = find_tags(&names->buckets[at], 0)) == 0) {
		names->passed[at] |= passed_of(first);
		at = next_bucket(names, at);
	}
	names->buckets[at].tags[first_slot(slots)] = tag_of(first);
	names->buckets[at].prints[first_slot(slots)] = print_of(hash);
	set_number(names, at, first_slot(slots), number_of(hit));
	names->n_names++;
	if (key == NAMES_SUFFIX)
		note_suffix(names, wire, names->suffixes);
	if (key == NAMES_GLOBS)
		note_suffix(names, wire, names->globs);
}

/* --- Looking up --- */

/* Whether the table is larger than what the processor has at hand. */
static inline bool are_many(const struct names *names)
{
	return names->n_buckets >= BUCKETS_MANY;
}

void names_begin(const struct names *names, const struct name *name, struct names_walk *ret_walk)
{
	ret_walk->name = name;
	ret_walk->sought = false;
	ret_walk->ready = false;
	ret_walk->hash = hash_wire(
		names, NAMES_EXACT, name->wire, name->length, name->wire + sizeof(name->wire));
	if (are_many(names))
		fetch(names, &ret_walk->hash);
}

static bool seek(const struct names *names, struct names_walk *walk)
{
	walk->sought = true;
	return begin(names, NAMES_EXACT, &walk->hash, &walk->exact);
}

void names_prepare(const struct names *names, struct names_walk *walk)
{
	if (are_many(names) && !seek(names, walk))
		names_walk(names, walk);
}

bool names_exact(const struct names *names, struct names_walk *walk)
{
	return walk->sought ? names_left(&walk->exact) : seek(names, walk);
}

/* Hashes the suffix of so many labels; returns its place. */
static uint8_t add_hash(
	const struct names *names, struct names_walk *walk, enum names_key key, unsigned n_labels)
{
	const struct name *name = walk->name;
	unsigned offset = walk->offsets[walk->n_labels - n_labels];
	struct hash_state *hash = &walk->hashes[walk->n_hashes];

	if (walk->n_hashes == NAMES_WALK_HASHES)
		return NAMES_WALK_HASHES;
	*hash = hash_wire(names, key, name->wire + offset, name->length - offset,
		name->wire + sizeof(name->wire));
	if (are_many(names))
		fetch(names, hash);
	return (uint8_t)walk->n_hashes++;
}

/* Hashes the suffixes of so many labels as `bits`, of which the first is `first`, say. */
static void add_hashes(const struct names *names, struct names_walk *walk, enum names_key key,
	uint64_t bits, unsigned first, uint8_t places[NAMES_LABELS_MAX + 1])
{
	for (; bits != 0; bits &= bits - 1) {
		unsigned n_labels = first + (unsigned)__builtin_ctzll(bits);

		places[n_labels] = add_hash(names, walk, key, n_labels);
	}
}

/* Those of `bits`, of which the first is `first`, whose suffixes the sieve lets through. */
static inline uint64_t sift(
	const struct names *names, const struct names_walk *walk, uint64_t bits, unsigned first)
{
	const struct name *name = walk->name;
	const uint8_t *end = name->wire + name->length, *limit = name->wire + sizeof(name->wire);
	uint64_t traced = trace_end(end, name->length), through = 0;

	for (; bits != 0; bits &= bits - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(bits);
		size_t size = name->length - walk->offsets[walk->n_labels - first - bit];
		uint64_t trace = trace_of(names, end - size, size, traced, limit);

		if ((sieve_bits(trace) & ~*sieve_word(names, trace)) == 0)
			through |= UINT64_C(1) << bit;
	}
	return through;
}

/* Goes over the suffixes of as many labels as the first or the second 64 bits stand for, and which
 * are fewer than the name's. */
static inline __attribute__((always_inline)) void walk_half(
	const struct names *names, struct names_walk *walk, unsigned half)
{
	unsigned first = 64 * half;
	uint64_t bits = names->suffixes[half] | names->globs[half];

	if (walk->n_labels - first < 64)
		bits &= (UINT64_C(1) << (walk->n_labels - first)) - 1;
	bits = sift(names, walk, bits, first);
	walk->suffixes[half] = names->suffixes[half] & bits;
	walk->globs[half] = names->globs[half] & bits;
	if (bits == 0)
		return;
	add_hashes(names, walk, NAMES_SUFFIX, walk->suffixes[half], first, walk->suffix_places);
	add_hashes(names, walk, NAMES_GLOBS, walk->globs[half], first, walk->glob_places);
}

void names_walk(const struct names *names, struct names_walk *walk)
{
	if (walk->ready)
		return;
	walk->ready = true;
	walk->n_hashes = 0;
	walk->n_labels = find_labels(walk->name->wire, walk->offsets);
	walk->suffixes[1] = 0;
	walk->globs[1] = 0;
	walk_half(names, walk, 0);
	if (walk->n_labels > 64)
		walk_half(names, walk, 1);
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

	return sizeof(*names) + names->n_buckets * (LINE + sizeof(*names->passed)) +
	       names->n_sieve * sizeof(*names->sieve) + wide +
	       names->n_sources * sizeof(*names->sources);
}

size_t names_count(const struct names *names)
{
	return names->n_names;
}
