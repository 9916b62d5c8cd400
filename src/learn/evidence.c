/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/ports.h"
#include "rules/suffix.h"
#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * One open-addressed table of pointers to rows, keyed by the destination's text with its protocol
 * and port, or by the profile's name; the key of the hash is drawn at start, since the tree's
 * author chooses the names. A row keeps a few places only, the most telling first, and counts the
 * rest. The table's size is fixed: of what comes when EVIDENCE_ROWS_MAX rows are there, the number
 * is kept.
 */

enum { SLOTS = 4 * EVIDENCE_ROWS_MAX, KEY_MAX = NAME_TEXT + 32 };

static const char *const kind_names[EVIDENCE_KINDS] = {
	[EVIDENCE_REGISTRY] = "registry",
	[EVIDENCE_LOCK] = "lock file",
	[EVIDENCE_MANIFEST] = "manifest",
	[EVIDENCE_GIT] = "git source",
	[EVIDENCE_IMAGE] = "container image",
	[EVIDENCE_SERVICE] = "service",
	[EVIDENCE_CI] = "CI job",
	[EVIDENCE_TERRAFORM] = "Terraform",
	[EVIDENCE_HELM] = "Helm chart",
	[EVIDENCE_AGENT] = "agent setting",
	[EVIDENCE_ENVIRONMENT] = "environment",
	[EVIDENCE_COMMAND] = "command",
	[EVIDENCE_SETTING] = "setting",
	[EVIDENCE_LITERAL] = "literal",
	[EVIDENCE_COMPUTED] = "literal, partly computed",
	[EVIDENCE_PLACEHOLDER] = "placeholder",
	[EVIDENCE_LOCAL] = "single label",
	[EVIDENCE_CLOSED] = "address that stays closed",
	[EVIDENCE_TEST] = "test",
	[EVIDENCE_VENDORED] = "others' code",
	[EVIDENCE_PROSE] = "text",
	[EVIDENCE_COMMENT] = "comment",
};

struct evidence {
	struct arena *arena;
	struct hash_key key;
	struct evidence_row **slots;
	size_t count;
	uint64_t lost;
	struct text path; /* of the file; a copy is made of it once it is needed */
	char path_bytes[4096];
	const char *copy;
	enum evidence_origin origin;
};

const char *evidence_kind_name(enum evidence_kind kind)
{
	return kind_names[kind];
}

bool evidence_kind_suffices(enum evidence_kind kind)
{
	return kind < EVIDENCE_COMPUTED;
}

int evidence_new(struct arena *arena, struct evidence **ret_evidence)
{
	struct evidence *evidence = arena_alloc(arena, sizeof(*evidence));
	int error;

	if (!evidence)
		return -ENOMEM;
	*evidence = (struct evidence){.arena = arena};
	evidence->slots = arena_array(arena, SLOTS, sizeof(*evidence->slots));
	error = evidence->slots ? hash_key_draw(&evidence->key) : -ENOMEM;
	if (error == 0)
		*ret_evidence = evidence;
	return error;
}

void evidence_file(struct evidence *evidence, struct text path, enum evidence_origin origin)
{
	size_t length = path.length < sizeof(evidence->path_bytes)
				? path.length
				: sizeof(evidence->path_bytes) - 1;

	/* Nobody's file name begins a line of its own in what is made of it. */
	for (size_t i = 0; i < length; i++)
		evidence->path_bytes[i] = (unsigned char)path.start[i] < ' ' ? '?' : path.start[i];
	evidence->path = (struct text){evidence->path_bytes, length};
	evidence->copy = NULL;
	evidence->origin = origin;
}

/* Whether the file is at the tree's root, or in a folder of settings there, as .cargo and .mvn. */
static bool is_at_root(const struct evidence *evidence)
{
	const char *start = evidence->path.start, *end = start + evidence->path.length;
	const char *slash = memchr(start, '/', evidence->path.length);

	return !slash || (*start == '.' && !memchr(slash + 1, '/', (size_t)(end - slash - 1)));
}

enum evidence_origin evidence_origin(const struct evidence *evidence)
{
	return evidence->origin;
}

/* The row of the key, one that is there or a new one. NULL: no room. What is behind the key's blank
 * is what the row is about. */
static struct evidence_row *find_row(struct evidence *evidence, const char *key)
{
	size_t length = strlen(key);
	uint64_t slot = hash_bytes(&evidence->key, key, length) % SLOTS;
	struct evidence_row *row;
	char *copy;

	for (; (row = evidence->slots[slot]); slot = (slot + 1) % SLOTS)
		if (strcmp(row->key, key) == 0)
			return row;
	if (evidence->count == EVIDENCE_ROWS_MAX)
		return NULL;
	row = arena_alloc(evidence->arena, sizeof(*row));
	copy = row ? arena_strndup(evidence->arena, key, length) : NULL;
	if (!copy)
		return NULL;
	row->key = copy;
	row->where = strchr(copy, ' ') + 1;
	evidence->slots[slot] = row;
	evidence->count++;
	return row;
}

/* Keeps the place, if it tells more than the last one that is kept. */
static void keep_place(
	struct evidence *evidence, struct evidence_row *row, enum evidence_kind kind, unsigned line)
{
	size_t at = row->n_places;

	while (at > 0 && row->places[at - 1].kind > kind)
		at--;
	if (at == EVIDENCE_PLACES)
		return;
	/* Further ones of the same kind in one file say nothing new. */
	if (at > 0 && row->places[at - 1].kind == kind &&
		row->places[at - 1].file == evidence->copy && evidence->copy)
		return;
	if (!evidence->copy)
		evidence->copy =
			arena_strndup(evidence->arena, evidence->path.start, evidence->path.length);
	if (!evidence->copy)
		return;
	if (row->n_places < EVIDENCE_PLACES)
		row->n_places++;
	memmove(&row->places[at + 1], &row->places[at],
		(row->n_places - at - 1) * sizeof(row->places[0]));
	row->places[at] = (struct evidence_place){evidence->copy, line, kind};
}

static void count(struct evidence *evidence, const char *key, const struct target *target,
	enum evidence_kind kind, unsigned line)
{
	struct evidence_row *row = find_row(evidence, key);

	if (!row) {
		evidence->lost++;
		return;
	}
	if (target)
		row->target = *target;
	else
		row->profile = row->where;
	row->counts[kind]++;
	keep_place(evidence, row, kind, line);
}

/* What the kind comes to for that target, in that file. */
static enum evidence_kind weigh(
	const struct evidence *evidence, const struct target *target, enum evidence_kind kind)
{
	enum address_class class;

	if (target && target->kind == TARGET_NAME && name_labels(&target->name) < 2)
		return EVIDENCE_LOCAL;
	/* Such an entry would decide nothing: the class has the same address. */
	if (target && target->kind == TARGET_ADDRESS &&
		class_find(&target->address, 1u << CLASS_DOH | 1u << CLASS_METADATA, &class))
		return EVIDENCE_CLOSED;
	if (target && target->kind == TARGET_GLOB)
		kind = kind == EVIDENCE_COMMENT ? kind : EVIDENCE_COMPUTED;
	else if (target && kind >= EVIDENCE_COMMAND && kind <= EVIDENCE_LITERAL &&
		 target_is_placeholder(target))
		return EVIDENCE_PLACEHOLDER;
	if (!evidence_kind_suffices(kind))
		return kind;
	if (evidence->origin == EVIDENCE_TESTS)
		return EVIDENCE_TEST;
	return evidence->origin == EVIDENCE_VENDOR ? EVIDENCE_VENDORED : kind;
}

void evidence_add(struct evidence *evidence, const struct target *target, enum evidence_kind kind,
	unsigned line)
{
	char where[NAME_TEXT], key[KEY_MAX];

	if (evidence->origin == EVIDENCE_DOCS || target_is_nowhere(target))
		return;
	snprintf(key, sizeof(key), "%s/%u %s", protocol_name(target->protocol), target->port,
		target_where(target, where));
	count(evidence, key, target, weigh(evidence, target, kind), line);
}

void evidence_add_profile(
	struct evidence *evidence, const char *profile, enum evidence_kind kind, unsigned line)
{
	char key[KEY_MAX];

	if (evidence->origin == EVIDENCE_DOCS)
		return;
	snprintf(key, sizeof(key), "profile %s", profile);
	count(evidence, key, NULL, weigh(evidence, NULL, kind), line);
}

void evidence_replace(struct evidence *evidence, const char *profile)
{
	struct evidence_row *row;
	char key[KEY_MAX];

	if (!is_at_root(evidence))
		return;
	snprintf(key, sizeof(key), "profile %s", profile);
	row = find_row(evidence, key);
	if (!row)
		return;
	row->profile = row->where;
	row->replaced = true;
}

bool evidence_suffices(const struct evidence_row *row)
{
	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		if (row->counts[i] > 0 && evidence_kind_suffices(i))
			return true;
	return false;
}

/* --- The order they are shown in --- */

static int rank(const struct evidence_row *row)
{
	return row->profile ? 0 : row->target.kind == TARGET_ADDRESS ? 2 : 1;
}

static int compare_rows(const void *left, const void *right)
{
	const struct evidence_row *a = *(struct evidence_row *const *)left;
	const struct evidence_row *b = *(struct evidence_row *const *)right;
	int order = rank(a) - rank(b);

	if (order == 0 && rank(a) == 1)
		order = strcmp(a->domain, b->domain);
	if (order == 0 && rank(a) == 2)
		order = inaddr_compare(&a->target.address, &b->target.address);
	if (order == 0)
		order = strcmp(a->where, b->where);
	if (order == 0 && !a->profile)
		order = (int)a->target.protocol - (int)b->target.protocol;
	return order ? order : (int)a->target.port - (int)b->target.port;
}

/* False: no memory. */
static bool find_domain(const struct evidence *evidence, struct evidence_row *row)
{
	char text[NAME_TEXT];
	struct name domain;

	row->domain = "";
	if (rank(row) != 1)
		return true;
	domain = suffix_registered(&row->target.name);
	row->domain = arena_printf(evidence->arena, "%s", name_to_text(&domain, text));
	return row->domain != NULL;
}

struct evidence_row **evidence_list(const struct evidence *evidence, size_t *ret_count)
{
	struct evidence_row **rows =
		arena_array(evidence->arena, evidence->count + 1, sizeof(*rows));
	size_t used = 0;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < SLOTS; i++) {
		if (!evidence->slots[i])
			continue;
		if (!find_domain(evidence, evidence->slots[i]))
			return NULL;
		rows[used++] = evidence->slots[i];
	}
	qsort(rows, used, sizeof(*rows), compare_rows);
	*ret_count = used;
	return rows;
}

uint64_t evidence_lost(const struct evidence *evidence)
{
	return evidence->lost;
}

bool evidence_was_short(const struct evidence *evidence)
{
	return arena_was_short(evidence->arena);
}
