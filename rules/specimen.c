/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/specimen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rules/host.h"
#include "rules/list.h"

/*
 * Theory of operation
 *
 * A specimen of a host is a name that it matches and that no other host matches without having all
 * of the host's names: each '*' is filled with letters that nobody writes, each "**" with one such
 * label, with two, and so on, up to one more than any wildcard has "*." at its beginning: so deep
 * that none has them but those with "**".
 *
 * Take any name N that two policies decide differently, w and v the hosts that win there (or none).
 * The specimen S of the names that w and v share is decided like N: a host that matches S has all
 * names of one of them at least, so also N, where it did not win; so it does not win at S either.
 * Where nothing wins in both, the verdicts are those of unknown names, whose specimen is a name of
 * nobody. So one specimen for each host and one for each pair of hosts with names in common show
 * all differences. Of two hosts, one of which is a name or the wildcard over a suffix, the common
 * names are one host's, or nobody's; only wildcards with '*' inside of labels cross otherwise.
 *
 * With overrides a name has a winner in each layer, and three wildcards could cross where no two
 * do; a set of names that is closed under crossing has those too. Crossings are crossed again until
 * nothing new comes.
 */

enum { ROOM = 256 };

static const char filler[] = SPECIMEN_FILLER;

struct collection {
	struct name *names;
	size_t n_names;
	size_t room;
	struct host *globs; /* with '*' inside of labels, and crossings of them */
	size_t n_globs;
	size_t room_globs;
	unsigned depth;
};

static int add_name(struct collection *collection, const struct name *name)
{
	if (collection->n_names == collection->room) {
		size_t room = collection->room > 0 ? 2 * collection->room : ROOM;
		struct name *names = reallocarray(collection->names, room, sizeof(*names));

		if (!names)
			return -ENOMEM;
		collection->names = names;
		collection->room = room;
	}
	collection->names[collection->n_names++] = *name;
	return 0;
}

/* Puts a label at the end of a name that has no root label yet. False: no room. */
static bool put_label(struct name *name, const uint8_t *text, size_t length)
{
	if (length == 0 || length > 63 || name->length + length + 2 > NAME_WIRE_MAX)
		return false;
	name->wire[name->length] = (uint8_t)length;
	memcpy(name->wire + name->length + 1, text, length);
	name->length = (uint8_t)(name->length + 1 + length);
	return true;
}

static void put_root(struct name *name)
{
	name->wire[name->length++] = 0;
}

/* A glob's label with its stars filled; as much of the filler as fits. */
static bool put_filled(struct name *name, const uint8_t *label)
{
	uint8_t filled[63];
	size_t length = 0, literal = 0;

	for (unsigned i = 1; i <= label[0]; i++)
		literal += label[i] != '*';
	for (unsigned i = 1; i <= label[0]; i++) {
		size_t room = sizeof(filled) - literal, more = strlen(filler);

		if (label[i] != '*') {
			filled[length++] = label[i];
			continue;
		}
		more = more < room ? more : room;
		memcpy(filled + length, filler, more);
		length += more;
		literal += more;
	}
	return put_label(name, filled, length);
}

static bool is_any_depth(const uint8_t *label)
{
	return label[0] == 2 && label[1] == '*' && label[2] == '*';
}

/* The specimen of a glob in wire form, with `depth` labels for a "**" in front. */
static bool fill_glob(const uint8_t *wire, unsigned depth, struct name *ret_name)
{
	struct name name = {0};
	bool fits = true;

	if (is_any_depth(wire)) {
		for (unsigned i = 0; i < depth; i++)
			fits = fits && put_label(&name, (const uint8_t *)filler, strlen(filler));
		wire += 3;
	}
	for (; wire[0] != 0 && fits; wire += 1 + wire[0])
		fits = put_filled(&name, wire);
	put_root(&name);
	*ret_name = name;
	return fits;
}

/* The host's wire form with its wildcard label, as HOST_GLOB has it. */
static void glob_of(enum host_kind kind, const uint8_t *wire, uint8_t length, uint8_t *out)
{
	static const uint8_t heads[][3] = {
		[HOST_ONE_LABEL] = {1, '*'}, [HOST_ANY_DEPTH] = {2, '*', '*'}};
	size_t head = kind == HOST_ONE_LABEL ? 2 : kind == HOST_ANY_DEPTH ? 3 : 0;

	if (head > 0)
		memcpy(out, heads[kind], head);
	memcpy(out + head, wire, length);
}

unsigned specimen_of(enum host_kind kind, const uint8_t *wire, uint8_t length, unsigned depth,
	struct name ret_names[SPECIMEN_DEPTH_MAX])
{
	uint8_t glob[NAME_WIRE_MAX + 4];
	unsigned count = 0;

	glob_of(kind, wire, length, glob);
	if (!is_any_depth(glob))
		depth = 1;
	for (unsigned i = 1; i <= depth; i++)
		count += fill_glob(glob, i, &ret_names[count]);
	return count;
}

/* How many "*." the host begins with, a "**." left out. */
static unsigned leading_stars(enum host_kind kind, const uint8_t *wire)
{
	unsigned count = 0;

	if (kind != HOST_GLOB)
		return kind == HOST_ONE_LABEL;
	if (is_any_depth(wire))
		wire += 3;
	for (; wire[0] == 1 && wire[1] == '*'; wire += 2)
		count++;
	return count;
}

static unsigned stars_of_entry(const struct entry *entry)
{
	unsigned most = 0;

	for (size_t i = 0; i < entry->n_hosts; i++) {
		unsigned stars = leading_stars(entry->hosts[i].kind, entry->hosts[i].wire);

		most = stars > most ? stars : most;
	}
	for (size_t i = 0; i < entry->n_lists; i++) {
		struct list_name name = {0};
		size_t at = 0;

		while (list_next(entry->lists[i], &at, &name)) {
			unsigned stars = leading_stars(name.kind, name.wire);

			most = stars > most ? stars : most;
		}
	}
	return most;
}

int specimens_depth(const struct layers *const *stacks, size_t n_stacks, unsigned *ret_depth)
{
	unsigned depth = SPECIMEN_DEPTH;

	for (size_t i = 0; i < n_stacks; i++)
		for (size_t j = 0; j < stacks[i]->n_layers; j++) {
			const struct layer *layer = &stacks[i]->layers[j];

			for (size_t k = 0; k < layer->n_entries; k++) {
				unsigned stars = stars_of_entry(layer->entries[k].entry);

				depth = stars + 1 > depth ? stars + 1 : depth;
			}
		}
	if (depth > SPECIMEN_DEPTH_MAX)
		return -E2BIG;
	*ret_depth = depth;
	return 0;
}

/* Two labels of globs, and which pairs of their ends no string lies between. */
struct crossing {
	const uint8_t *a, *b; /* length first */
	bool hopeless[64][64];
	uint8_t out[160];
	size_t length;
};

/* One step from (i, j): the next character of what both match, or 0 to let a star end. */
struct step {
	unsigned i, j;
	uint8_t character;
};

static unsigned next_steps(
	const struct crossing *crossing, unsigned i, unsigned j, struct step steps[3])
{
	bool more_a = i <= crossing->a[0], more_b = j <= crossing->b[0];
	uint8_t a = more_a ? crossing->a[i] : 0, b = more_b ? crossing->b[j] : 0;
	unsigned count = 0;

	if (a == '*' && b == '*') {
		steps[count++] = (struct step){i + 1, j, '*'};
		steps[count++] = (struct step){i, j + 1, '*'};
		return count;
	}
	if (a == '*' && more_b)
		steps[count++] = (struct step){i, j + 1, b};
	if (b == '*' && more_a)
		steps[count++] = (struct step){i + 1, j, a};
	if (a == '*')
		steps[count++] = (struct step){i + 1, j, 0};
	if (b == '*')
		steps[count++] = (struct step){i, j + 1, 0};
	if (more_a && more_b && a == b && a != '*')
		steps[count++] = (struct step){i + 1, j + 1, a};
	return count;
}

/* Walks to the ends of both labels, depth first; at most 64 * 64 places are tried once each. */
static bool cross_from(struct crossing *crossing)
{
	struct frame {
		unsigned i, j, next;
		size_t length;
	} stack[160];
	size_t depth = 1;

	stack[0] = (struct frame){1, 1, 0, 0};
	while (depth > 0) {
		struct frame *at = &stack[depth - 1];
		struct step steps[3];
		unsigned count;

		if (at->i > crossing->a[0] && at->j > crossing->b[0]) {
			crossing->length = at->length;
			return true;
		}
		count = next_steps(crossing, at->i, at->j, steps);
		while (at->next < count &&
			crossing->hopeless[steps[at->next].i - 1][steps[at->next].j - 1])
			at->next++;
		if (at->next == count || depth == sizeof(stack) / sizeof(stack[0])) {
			crossing->hopeless[at->i - 1][at->j - 1] = true;
			depth--;
			continue;
		}
		stack[depth++] = (struct frame){steps[at->next].i, steps[at->next].j, 0,
			at->length + (steps[at->next].character != 0)};
		if (steps[at->next].character != 0)
			crossing->out[at->length] = steps[at->next].character;
		at->next++;
	}
	return false;
}

/* A label that matches what both do, stars where both have any. */
static bool cross_labels(const uint8_t *a, const uint8_t *b, struct name *name)
{
	struct crossing crossing = {.a = a, .b = b};
	uint8_t label[64];
	size_t length = 0;

	if (a[0] > 63 || b[0] > 63 || !cross_from(&crossing))
		return false;
	for (size_t i = 0; i < crossing.length; i++)
		if (crossing.out[i] != '*' || length == 0 || label[length - 1] != '*') {
			if (length == 63)
				return false;
			label[length++] = crossing.out[i];
		}
	return put_label(name, label, length);
}

/* The labels of a glob but a "**" in front; returns how many. */
static unsigned list_labels(const uint8_t *glob, const uint8_t *labels[128])
{
	unsigned count = 0;

	if (is_any_depth(glob))
		glob += 3;
	for (; glob[0] != 0; glob += 1 + glob[0])
		labels[count++] = glob;
	return count;
}

/* The glob that has the names of both, in the wire form of HOST_GLOB. */
static bool cross_globs(const uint8_t *a, const uint8_t *b, struct name *ret_glob)
{
	const uint8_t *of_a[128], *of_b[128];
	unsigned n_a = list_labels(a, of_a), n_b = list_labels(b, of_b);
	const uint8_t *longer = n_b > n_a ? b : a;
	unsigned more = n_a > n_b ? n_a - n_b : n_b - n_a, count = n_a > n_b ? n_a : n_b;
	bool deep_a = is_any_depth(a), deep_b = is_any_depth(b);
	struct name glob = {0};
	bool fits = true;

	if (is_any_depth(longer))
		longer += 3;
	if (deep_a && deep_b)
		fits = put_label(&glob, (const uint8_t *)"**", 2);
	else if (deep_a)
		fits = n_b > n_a;
	else if (deep_b)
		fits = n_a > n_b;
	else
		fits = n_a == n_b;
	for (unsigned i = 0; i < more && fits; i++, longer += 1 + longer[0])
		fits = put_label(&glob, longer + 1, longer[0]);
	for (unsigned i = more; i < count && fits; i++)
		fits = cross_labels(
			of_a[n_a > n_b ? i : i - more], of_b[n_b > n_a ? i : i - more], &glob);
	if (!fits)
		return false;
	put_root(&glob);
	*ret_glob = glob;
	return true;
}

static int add_host(
	struct collection *collection, enum host_kind kind, const uint8_t *wire, uint8_t length)
{
	struct name names[SPECIMEN_DEPTH_MAX];
	unsigned count = specimen_of(kind, wire, length, collection->depth, names);
	int error = 0;

	for (unsigned i = 0; i < count && error == 0; i++)
		error = add_name(collection, &names[i]);
	return error;
}

/* A wildcard that may cross others; `wire` stays where it is. */
static int add_glob(struct collection *collection, const struct host *host)
{
	if (collection->n_globs == collection->room_globs) {
		size_t room = collection->room_globs > 0 ? 2 * collection->room_globs : ROOM;
		struct host *globs = reallocarray(collection->globs, room, sizeof(*globs));

		if (!globs)
			return -ENOMEM;
		collection->globs = globs;
		collection->room_globs = room;
	}
	collection->globs[collection->n_globs++] = *host;
	return 0;
}

static int add_list(struct collection *collection, const struct list *list)
{
	struct list_name name = {0};
	size_t at = 0;
	int error = 0;

	while (error == 0 && list_next(list, &at, &name)) {
		const struct host host = {
			.kind = name.kind, .length = name.length, .wire = name.wire};

		error = add_host(collection, name.kind, name.wire, name.length);
		if (error == 0 && name.kind != HOST_EXACT)
			error = add_glob(collection, &host);
	}
	return error;
}

static int add_entry(struct collection *collection, const struct entry *entry)
{
	int error = 0;

	for (size_t i = 0; i < entry->n_hosts && error == 0; i++) {
		const struct host *host = &entry->hosts[i];

		error = add_host(collection, host->kind, host->wire, host->length);
		if (error == 0 && host->kind != HOST_EXACT)
			error = add_glob(collection, host);
	}
	for (size_t i = 0; i < entry->n_lists && error == 0; i++)
		error = add_list(collection, entry->lists[i]);
	return error;
}

static bool crosses_inside(const struct host *a, const struct host *b)
{
	return (a->kind == HOST_GLOB || b->kind == HOST_GLOB) && host_overlaps(a, b);
}

static bool is_glob_known(const struct collection *collection, const struct name *glob)
{
	for (size_t i = 0; i < collection->n_globs; i++)
		if (collection->globs[i].kind == HOST_GLOB &&
			collection->globs[i].length == glob->length &&
			memcmp(collection->globs[i].wire, glob->wire, glob->length) == 0)
			return true;
	return false;
}

/* The names that two wildcards share, as one more wildcard that can cross others. */
static int add_crossing(struct collection *collection, const struct host *a, const struct host *b,
	struct name *store)
{
	uint8_t glob_a[NAME_WIRE_MAX + 4], glob_b[NAME_WIRE_MAX + 4];
	struct host crossing = {.kind = HOST_GLOB, .wire = store->wire};
	int error;

	glob_of(a->kind, a->wire, a->length, glob_a);
	glob_of(b->kind, b->wire, b->length, glob_b);
	if (!cross_globs(glob_a, glob_b, store) || is_glob_known(collection, store))
		return -ENOENT;
	crossing.length = store->length;
	error = add_host(collection, HOST_GLOB, store->wire, store->length);
	return error < 0 ? error : add_glob(collection, &crossing);
}

/* Puts those over a suffix first; returns how many. */
static size_t part_globs(struct collection *collection)
{
	size_t count = 0;

	for (size_t i = 0; i < collection->n_globs; i++) {
		struct host it = collection->globs[i];

		if (it.kind == HOST_GLOB)
			continue;
		collection->globs[i] = collection->globs[count];
		collection->globs[count++] = it;
	}
	return count;
}

/* Crosses all wildcards with all, crossings included, but for those over a suffix, of which lists
 * may have many, among themselves: what they share is one's, or nobody's. */
static int cross_all(struct collection *collection, struct name **stores, size_t *n_stores)
{
	for (size_t i = part_globs(collection); i < collection->n_globs; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct host a = collection->globs[i], b = collection->globs[j];
			struct name *store;
			int error;

			if (!crosses_inside(&a, &b))
				continue;
			if (*n_stores == SPECIMEN_CROSSINGS_MAX)
				return -E2BIG;
			store = malloc(sizeof(*store));
			if (!store)
				return -ENOMEM;
			error = add_crossing(collection, &a, &b, store);
			if (error == -ENOENT) {
				free(store);
				continue;
			}
			stores[(*n_stores)++] = store;
			if (error < 0)
				return error;
		}
	}
	return 0;
}

static int cross_collection(struct collection *collection)
{
	struct name **stores = calloc(SPECIMEN_CROSSINGS_MAX, sizeof(*stores));
	size_t n_stores = 0;
	int error = stores ? cross_all(collection, stores, &n_stores) : -ENOMEM;

	for (size_t i = 0; i < n_stores; i++)
		free(stores[i]);
	free(stores);
	return error;
}

static int collect(
	struct collection *collection, const struct layers *const *stacks, size_t n_stacks)
{
	static const struct name nobodys = {.length = 9, .wire = "\7" SPECIMEN_NOBODYS};
	int error = specimens_depth(stacks, n_stacks, &collection->depth);

	if (error == 0)
		error = add_name(collection, &nobodys);
	for (size_t i = 0; i < n_stacks; i++)
		for (size_t j = 0; j < stacks[i]->n_layers; j++) {
			const struct layer *layer = &stacks[i]->layers[j];

			for (size_t k = 0; k < layer->n_entries && error == 0; k++)
				error = add_entry(collection, layer->entries[k].entry);
		}
	return error < 0 ? error : cross_collection(collection);
}

static int compare_names(const void *a, const void *b)
{
	const struct name *left = a, *right = b;

	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->wire, right->wire, left->length);
}

int specimens_collect(
	const struct layers *const *stacks, size_t n_stacks, struct specimens *ret_specimens)
{
	struct collection collection = {0};
	int error = collect(&collection, stacks, n_stacks);
	size_t kept = 0;

	free(collection.globs);
	if (error < 0) {
		free(collection.names);
		return error;
	}
	qsort(collection.names, collection.n_names, sizeof(struct name), compare_names);
	for (size_t i = 0; i < collection.n_names; i++)
		if (kept == 0 || compare_names(&collection.names[kept - 1], &collection.names[i]))
			collection.names[kept++] = collection.names[i];
	ret_specimens->names = collection.names;
	ret_specimens->n_names = kept;
	return 0;
}

void specimens_clear(struct specimens *specimens)
{
	free(specimens->names);
	*specimens = (struct specimens){0};
}
