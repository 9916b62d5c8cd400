/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/roster.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * Each part has one writer: rows are the parent's, and what is asked for a watcher's. A row is
 * emptied before it is written anew, and filled by its number last; so who has found the same
 * number before and after has copied a whole path.
 *
 * A number that nothing was found for has a row without a path, and is not looked for again: the
 * kernel gives none of them twice, and a group is there before its sockets are. When all rows are
 * taken the oldest one gives way.
 *
 * The parent reads nothing from here but the numbers asked for, which may be anybody's: what they
 * cost is bounded by how many there are, by how much of the tree is looked at, and by how often.
 */

enum {
	LOOK_TIMES = 100, /* as long as a look took, at least, until the next */
};

struct shared {
	/* The parent's */
	struct {
		_Atomic uint64_t id; /* 0: empty */
		char path[CGROUPS_PATH];
	} rows[ROSTER_ROWS];
	/* The watcher's */
	_Atomic uint64_t asked[ROSTER_ASKED]; /* 0: none */
};

struct roster {
	struct shared *shared;
	/* The parent's own */
	uint64_t answered[ROSTER_ROWS]; /* numbers of the rows */
	unsigned next;                  /* row to be written */
	struct mono look_at;
};

int roster_new(struct roster **ret_roster)
{
	struct roster *roster = calloc(1, sizeof(*roster));
	void *shared;

	if (!roster)
		return -ENOMEM;
	shared = mmap(NULL, sizeof(*roster->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED) {
		int error = -errno;

		free(roster);
		return error;
	}
	roster->shared = shared;
	*ret_roster = roster;
	return 0;
}

void roster_free(struct roster *roster)
{
	if (!roster)
		return;
	munmap(roster->shared, sizeof(*roster->shared));
	free(roster);
}

/* --- A watcher's --- */

/* The place where the number is asked for, or the first one that has 0; ROSTER_ASKED: none. */
static unsigned find_asked(const struct shared *shared, uint64_t id)
{
	unsigned i = 0;

	while (i < ROSTER_ASKED &&
		atomic_load_explicit(&shared->asked[i], memory_order_relaxed) != id)
		i++;
	return i;
}

static void set_asked(struct shared *shared, uint64_t from, uint64_t to)
{
	unsigned place = find_asked(shared, from);

	if (place < ROSTER_ASKED)
		atomic_store_explicit(&shared->asked[place], to, memory_order_release);
}

/* Whether the row is the number's and was not written anew meanwhile. */
static bool copy_row(
	const struct shared *shared, unsigned row, uint64_t id, char path[CGROUPS_PATH])
{
	if (atomic_load_explicit(&shared->rows[row].id, memory_order_acquire) != id)
		return false;
	memcpy(path, shared->rows[row].path, CGROUPS_PATH);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&shared->rows[row].id, memory_order_relaxed) == id;
}

enum roster_state roster_get(struct roster *roster, uint64_t id, char path[CGROUPS_PATH])
{
	struct shared *shared = roster->shared;
	char copy[CGROUPS_PATH];

	for (unsigned i = 0; i < ROSTER_ROWS; i++) {
		if (!copy_row(shared, i, id, copy))
			continue;
		set_asked(shared, id, 0);
		if (copy[0] == '\0')
			return ROSTER_NONE;
		copy[CGROUPS_PATH - 1] = '\0';
		memcpy(path, copy, CGROUPS_PATH);
		return ROSTER_KNOWN;
	}
	if (find_asked(shared, id) == ROSTER_ASKED)
		set_asked(shared, 0, id);
	return find_asked(shared, id) < ROSTER_ASKED ? ROSTER_AWAITED : ROSTER_NONE;
}

/* --- The parent's --- */

static bool is_answered(const struct roster *roster, uint64_t id)
{
	for (unsigned i = 0; i < ROSTER_ROWS; i++)
		if (roster->answered[i] == id)
			return true;
	return false;
}

static size_t list_wanted(const struct roster *roster, struct cgroups_wanted *wanted)
{
	size_t count = 0;

	for (unsigned i = 0; i < ROSTER_ASKED; i++) {
		uint64_t id = atomic_load_explicit(&roster->shared->asked[i], memory_order_acquire);

		if (id != 0 && !is_answered(roster, id))
			wanted[count++].id = id;
	}
	return count;
}

static void answer(struct roster *roster, const struct cgroups_wanted *wanted)
{
	unsigned row = roster->next++ % ROSTER_ROWS;
	struct shared *shared = roster->shared;

	roster->answered[row] = wanted->id;
	atomic_store_explicit(&shared->rows[row].id, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	memcpy(shared->rows[row].path, wanted->path, CGROUPS_PATH);
	atomic_store_explicit(&shared->rows[row].id, wanted->id, memory_order_release);
}

void roster_serve(struct roster *roster, struct mono now)
{
	struct cgroups_wanted wanted[ROSTER_ASKED];
	struct mono began;
	struct duration took;
	size_t count;

	if (mono_before(now, roster->look_at))
		return;
	count = list_wanted(roster, wanted);
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		wanted[i].path[0] = '\0';
	began = clock_now();
	/* Where nothing can be found there is nothing to be told. */
	(void)cgroups_find(wanted, count);
	for (size_t i = 0; i < count; i++)
		answer(roster, &wanted[i]);
	took = mono_between(began, clock_now());
	roster->look_at = mono_add(now, (struct duration){took.ms * LOOK_TIMES});
}
