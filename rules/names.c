/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/names.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "rules/list.h"
#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * A hash table of buckets, each a cache line: twelve slots, with a tag of 8 bits of the hash and
 * the number of a name (four bytes: all sources laid end to end, lists by the byte), and one word
 * about names that found their bucket full and went on to the next one. Such a name leaves a bit,
 * chosen by its hash, in each bucket it passes. A look-up goes on from a bucket only where its own
 * bit is set. So at 85 % load what isn't there costs one line in nearly all cases, and what is
 * there that line and the name itself: 6.3 bytes a name beside the name, however many there are.
 * Buckets are never moved nor emptied, so that what was added stays where it is.
 *
 * The hash of a name is SipHash-1-3 over its labels from the root's side, each with its length byte
 * and filled up with zeros to a multiple of sixteen bytes, and a last byte for the key. So a name
 * takes one pass from its root, and the hash of each suffix is one end of a copy on the way. Since
 * lengths are in it, no two names have the same bytes. It is keyed by chance: no list from
 * elsewhere can be made to collide.
 *
 * Which numbers of labels there are suffixes of is remembered, so that a table without wildcards is
 * looked into once a name. The lines of all keys of a name are fetched before the first is read.
 * Large pages under the table and the lists were tried, and made no difference.
 */

enum { SLOTS = 12, LINE = 64, BLOCK = 16 };

struct bucket {
	uint8_t tags[SLOTS]; /* 0: free */
	uint32_t passed;
	uint32_t numbers[SLOTS];
};

_Static_assert(sizeof(struct bucket) == LINE, "a bucket is a cache line");

struct names {
	struct hash_key key;
	struct bucket *buckets;
	size_t n_buckets;
	size_t n_names;
	struct names_source *sources;
	size_t n_sources;
	uint64_t size; /* of all sources so far */
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
	names->n_buckets = n_names * 20 / (17 * SLOTS) + 1;
	lines = arena_alloc(arena, (names->n_buckets + 1) * LINE);
	names->sources = arena_array(arena, n_sources, sizeof(*names->sources));
	if (!lines || !names->sources)
		return -ENOMEM;
	names->buckets = (struct bucket *)(lines + (-(uintptr_t)lines & (LINE - 1)));
	*ret_names = names;
	return 0;
}

int names_add_source(struct names *names, const struct names_source *source, size_t size,
	const struct names_source **ret_source)
{
	struct names_source *copy = &names->sources[names->n_sources];

	if (source->list)
		size = source->list->size;
	if (size > UINT32_MAX - names->size)
		return -EFBIG;
	*copy = *source;
	copy->base = (uint32_t)names->size;
	names->size += size;
	names->n_sources++;
	*ret_source = copy;
	return 0;
}

static void set_bit(uint64_t bits[2], unsigned bit)
{
	bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool get_bit(const uint64_t bits[2], unsigned bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

/* The bits of the first so many bytes of a word, of up to eight. */
#define BITS(bytes) (UINT64_MAX >> (64 - 8 * (bytes)))

/* The same of the two words of a block, of up to sixteen bytes. */
static const uint64_t block_masks[BLOCK + 1][2] = {
	{0, 0},
	{BITS(1), 0},
	{BITS(2), 0},
	{BITS(3), 0},
	{BITS(4), 0},
	{BITS(5), 0},
	{BITS(6), 0},
	{BITS(7), 0},
	{BITS(8), 0},
	{BITS(8), BITS(1)},
	{BITS(8), BITS(2)},
	{BITS(8), BITS(3)},
	{BITS(8), BITS(4)},
	{BITS(8), BITS(5)},
	{BITS(8), BITS(6)},
	{BITS(8), BITS(7)},
	{BITS(8), BITS(8)},
};

/* Reads a block of so many bytes, filled up with zeros; nothing at `limit` or behind it is
 * touched. */
static inline void load_block(
	const uint8_t *at, size_t size, const uint8_t *limit, uint64_t ret_words[2])
{
	if (limit - at >= BLOCK) {
		memcpy(&ret_words[0], at, 8);
		memcpy(&ret_words[1], at + 8, 8);
	} else {
		memset(ret_words, 0, BLOCK);
		memcpy(ret_words, at, size);
	}
	ret_words[0] = le64toh(ret_words[0]) & block_masks[size][0];
	ret_words[1] = le64toh(ret_words[1]) & block_masks[size][1];
}

/* A hash on its way from the root, and how many bytes it has seen. */
struct progress {
	struct hash_state state;
	size_t size;
};

static inline void add_label(struct progress *progress, const uint8_t *label, const uint8_t *limit)
{
	for (size_t left = 1u + label[0]; left > 0;) {
		size_t now = left < BLOCK ? left : BLOCK;
		uint64_t words[2];

		load_block(label, now, limit, words);
		progress->state = hash_word(hash_word(progress->state, words[0]), words[1]);
		progress->size += BLOCK;
		label += now;
		left -= now;
	}
}

static inline uint64_t end_hash(const struct progress *progress, enum names_key key)
{
	return hash_end(progress->state, key, progress->size + 1);
}

/* The labels of a wire form; returns how many there are without the root's. */
static unsigned find_labels(const uint8_t *wire, uint8_t offsets[NAMES_LABELS_MAX + 1])
{
	unsigned n_labels = 0, at = 0;

	for (; wire[at] != 0; at += 1u + wire[at])
		offsets[n_labels++] = (uint8_t)at;
	offsets[n_labels] = (uint8_t)at;
	return n_labels;
}

static inline size_t home(const struct names *names, uint64_t hash)
{
	return (size_t)((hash >> 32) * names->n_buckets >> 32);
}

static inline uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(1 + ((hash & 0xffff) * 255 >> 16));
}

static inline uint32_t passed_of(uint64_t hash)
{
	return UINT32_C(1) << (hash >> 16 & 31);
}

/* The bytes of `word` that are equal to `tag`: the highest bit of each. */
static inline uint64_t equal_bytes(uint64_t word, uint8_t tag)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t differs = word ^ tag * UINT64_C(0x0101010101010101);

	return ~(((differs & low) + low) | differs | low);
}

/* The slots of the bucket with the tag, in two words of a byte each. */
static inline void find_tags(const struct bucket *bucket, uint8_t tag, uint64_t ret_slots[2])
{
	uint64_t first;
	uint32_t second;

	memcpy(&first, bucket->tags, sizeof(first));
	memcpy(&second, bucket->tags + sizeof(first), sizeof(second));
	ret_slots[0] = equal_bytes(le64toh(first), tag);
	ret_slots[1] = equal_bytes(le32toh(second), tag) & UINT32_MAX;
}

/* Takes a slot out of them; false when there is none left. */
static inline bool take_slot(uint64_t slots[2], unsigned *ret_slot)
{
	unsigned word = slots[0] == 0;

	if (slots[word] == 0)
		return false;
	*ret_slot = 8 * word + (unsigned)__builtin_ctzll(slots[word]) / 8;
	slots[word] &= slots[word] - 1;
	return true;
}

static void begin(const struct names *names, enum names_key key, const uint8_t *wire,
	uint8_t length, uint64_t hash, struct names_cursor *ret_cursor)
{
	ret_cursor->wire = wire;
	ret_cursor->length = length;
	ret_cursor->tag = tag_of(hash);
	ret_cursor->key = key;
	ret_cursor->passed = passed_of(hash);
	ret_cursor->bucket = home(names, hash);
	find_tags(&names->buckets[ret_cursor->bucket], ret_cursor->tag, ret_cursor->left);
}

uint64_t names_look_up(const struct names *names, enum names_key key, const uint8_t *wire,
	uint8_t length, struct names_cursor *ret_cursor)
{
	uint8_t offsets[NAMES_LABELS_MAX + 1];
	struct progress progress = {.state = hash_begin(&names->key)};
	uint64_t hash;

	for (unsigned i = find_labels(wire, offsets); i-- > 0;)
		add_label(&progress, wire + offsets[i], wire + length);
	hash = end_hash(&progress, key);
	begin(names, key, wire, length, hash, ret_cursor);
	return hash;
}

/* The source that has the number. */
static const struct names_source *find_source(const struct names *names, uint32_t number)
{
	size_t low = 0, high = names->n_sources;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (names->sources[middle].base <= number)
			low = middle;
		else
			high = middle;
	}
	return &names->sources[low];
}

static void read_number(const struct names *names, uint32_t number, struct names_hit *ret_hit)
{
	const struct names_source *source = find_source(names, number);
	uint32_t index = number - source->base;

	ret_hit->source = source;
	ret_hit->index = index;
	if (source->list) {
		ret_hit->wire = source->list->records + index;
		ret_hit->kind = (enum host_kind)ret_hit->wire[-2];
		ret_hit->length = ret_hit->wire[-1];
	} else if (source->hosts) {
		ret_hit->wire = source->hosts[index].wire;
		ret_hit->kind = source->hosts[index].kind;
		ret_hit->length = source->hosts[index].length;
	} else if (source->globs) {
		ret_hit->wire = source->globs[index].wire;
		ret_hit->kind = HOST_GLOB;
		ret_hit->length = source->globs[index].length;
	} else {
		ret_hit->wire = source->embedded[index].name.wire;
		ret_hit->kind = HOST_EXACT;
		ret_hit->length = source->embedded[index].name.length;
	}
}

static enum names_key key_of(const struct names_hit *hit)
{
	if (hit->source->embedded)
		return NAMES_EMBEDDED;
	if (hit->source->globs)
		return NAMES_GLOBS;
	return hit->kind == HOST_EXACT ? NAMES_EXACT : NAMES_SUFFIX;
}

static bool is_equal(const struct names_cursor *cursor, const struct names_hit *hit)
{
	return hit->length == cursor->length && memcmp(hit->wire, cursor->wire, hit->length) == 0 &&
	       key_of(hit) == cursor->key;
}

bool names_next(const struct names *names, struct names_cursor *cursor, struct names_hit *ret_hit)
{
	for (;;) {
		const struct bucket *bucket = &names->buckets[cursor->bucket];
		unsigned slot;

		while (take_slot(cursor->left, &slot)) {
			read_number(names, bucket->numbers[slot], ret_hit);
			if (is_equal(cursor, ret_hit))
				return true;
		}
		if (!(bucket->passed & cursor->passed))
			return false;
		cursor->bucket = cursor->bucket + 1 < names->n_buckets ? cursor->bucket + 1 : 0;
		find_tags(&names->buckets[cursor->bucket], cursor->tag, cursor->left);
	}
}

/* Remembers how many labels a suffix has. */
static void note_labels(const struct names *names, uint32_t number, uint64_t bits[2])
{
	uint8_t offsets[NAMES_LABELS_MAX + 1];
	struct names_hit hit;

	read_number(names, number, &hit);
	set_bit(bits, find_labels(hit.wire, offsets));
}

void names_add(struct names *names, const struct names_source *source, uint32_t index,
	enum names_key key, uint64_t hash)
{
	uint32_t number = source->base + index;
	size_t at = home(names, hash);
	uint64_t empty[2];
	unsigned slot;

	for (;; at = at + 1 < names->n_buckets ? at + 1 : 0) {
		find_tags(&names->buckets[at], 0, empty);
		if (take_slot(empty, &slot))
			break;
		names->buckets[at].passed |= passed_of(hash);
	}
	names->buckets[at].tags[slot] = tag_of(hash);
	names->buckets[at].numbers[slot] = number;
	names->n_names++;
	if (key == NAMES_SUFFIX)
		note_labels(names, number, names->suffixes);
	if (key == NAMES_GLOBS)
		note_labels(names, number, names->globs);
}

static inline void fetch(const struct names *names, uint64_t hash)
{
	__builtin_prefetch(&names->buckets[home(names, hash)]);
}

void names_walk(const struct names *names, const struct name *name, struct names_walk *ret_walk)
{
	const uint8_t *limit = name->wire + sizeof(name->wire);
	struct progress progress = {.state = hash_begin(&names->key)};
	unsigned n_labels = find_labels(name->wire, ret_walk->offsets);

	ret_walk->name = name;
	ret_walk->n_labels = n_labels;
	memcpy(ret_walk->suffixes, names->suffixes, sizeof(names->suffixes));
	memcpy(ret_walk->globs, names->globs, sizeof(names->globs));
	for (unsigned i = 0; i < n_labels; i++) {
		if (get_bit(ret_walk->suffixes, i)) {
			ret_walk->suffix_hashes[i] = end_hash(&progress, NAMES_SUFFIX);
			fetch(names, ret_walk->suffix_hashes[i]);
		}
		if (get_bit(ret_walk->globs, i)) {
			ret_walk->globs_hashes[i] = end_hash(&progress, NAMES_GLOBS);
			fetch(names, ret_walk->globs_hashes[i]);
		}
		add_label(&progress, name->wire + ret_walk->offsets[n_labels - 1 - i], limit);
	}
	ret_walk->hash = end_hash(&progress, NAMES_EXACT);
	fetch(names, ret_walk->hash);
}

void names_exact(
	const struct names *names, const struct names_walk *walk, struct names_cursor *ret_cursor)
{
	begin(names, NAMES_EXACT, walk->name->wire, walk->name->length, walk->hash, ret_cursor);
}

static void begin_suffix(const struct names *names, const struct names_walk *walk,
	unsigned n_labels, enum names_key key, uint64_t hash, struct names_cursor *ret_cursor)
{
	uint8_t offset = walk->offsets[walk->n_labels - n_labels];

	begin(names, key, walk->name->wire + offset, (uint8_t)(walk->name->length - offset), hash,
		ret_cursor);
}

void names_suffix(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor)
{
	begin_suffix(
		names, walk, n_labels, NAMES_SUFFIX, walk->suffix_hashes[n_labels], ret_cursor);
}

void names_globs(const struct names *names, const struct names_walk *walk, unsigned n_labels,
	struct names_cursor *ret_cursor)
{
	begin_suffix(names, walk, n_labels, NAMES_GLOBS, walk->globs_hashes[n_labels], ret_cursor);
}

size_t names_bytes(const struct names *names)
{
	return sizeof(*names) + names->n_buckets * LINE +
	       names->n_sources * sizeof(*names->sources);
}

size_t names_count(const struct names *names)
{
	return names->n_names;
}
