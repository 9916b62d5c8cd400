/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/slate.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Theory of operation
 *
 * There are two places, and the number of publications says by its last bit which is in force: a
 * watcher writes to the other one and then counts. A reader copies and looks whether the number is
 * the same: twice as many publications must come meanwhile for what it has copied to be mixed, and
 * then it tries again. A watcher that is killed while it writes leaves what was published before.
 */

enum { TRIES = 4 };

struct place {
	/* A watcher that was taken over may write at any time: each is read once. */
	_Atomic uint32_t text_size;
	_Atomic uint32_t record_size;
	struct session_figures figures;
	char record[EVENT_LINE];
	char text[SESSION_SAVED];
};

struct slate {
	_Atomic uint32_t round;
	struct place places[2];
};

int slate_new(struct slate **ret_slate)
{
	struct slate *slate = mmap(NULL, sizeof(*slate), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (slate == MAP_FAILED)
		return -ENOMEM;
	*ret_slate = slate;
	return 0;
}

void slate_free(struct slate *slate)
{
	if (slate)
		munmap(slate, sizeof(*slate));
}

/* --- A watcher's --- */

static struct place *other_place(struct slate *slate)
{
	return &slate->places[(slate_round(slate) + 1) % 2];
}

char *slate_text(struct slate *slate)
{
	return other_place(slate)->text;
}

char *slate_record(struct slate *slate)
{
	return other_place(slate)->record;
}

void slate_publish(struct slate *slate, size_t text_size, size_t record_size,
	const struct session_figures *figures)
{
	struct place *place = other_place(slate);
	uint32_t next = slate_round(slate) + 1;

	atomic_store_explicit(&place->text_size, (uint32_t)text_size, memory_order_relaxed);
	atomic_store_explicit(&place->record_size, (uint32_t)record_size, memory_order_relaxed);
	place->figures = *figures;
	/* 0 is none. */
	atomic_store_explicit(&slate->round, next ? next : 2, memory_order_release);
}

/* --- The parent's --- */

uint32_t slate_round(const struct slate *slate)
{
	return atomic_load_explicit(&slate->round, memory_order_acquire);
}

void slate_clear(struct slate *slate)
{
	atomic_store_explicit(&slate->round, 0, memory_order_release);
}

/* Whether what was copied of that publication is whole. */
static bool is_whole(const struct slate *slate, uint32_t round)
{
	atomic_thread_fence(memory_order_acquire);
	return slate_round(slate) == round;
}

/* Copies bytes of a place, of which `size` says how many there are, at most `most`. */
static int get_bytes(const struct slate *slate, bool record, char *bytes, size_t *ret_size)
{
	const size_t most = record ? EVENT_LINE : SESSION_SAVED;

	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t round = slate_round(slate);
		const struct place *place = &slate->places[round % 2];
		size_t size = atomic_load_explicit(
			record ? &place->record_size : &place->text_size, memory_order_relaxed);

		if (round == 0)
			return -EAGAIN;
		if (size > most)
			return -EPROTO;
		memcpy(bytes, record ? place->record : place->text, size);
		if (!is_whole(slate, round))
			continue;
		*ret_size = size;
		return 0;
	}
	return -EAGAIN;
}

int slate_get_text(const struct slate *slate, char *text, size_t *ret_size)
{
	return get_bytes(slate, false, text, ret_size);
}

int slate_get_record(const struct slate *slate, char *record, size_t *ret_size)
{
	return get_bytes(slate, true, record, ret_size);
}

/* Figures of a process that was taken over: whoever shows them must be able to. */
static bool are_sound(const struct session_figures *figures)
{
	if (figures->categories.n_rows > CENSUS_ROWS)
		return false;
	for (unsigned i = 0; i < figures->categories.n_rows; i++)
		if (!memchr(figures->categories.rows[i].word, '\0', CENSUS_WORD))
			return false;
	return true;
}

int slate_get_figures(const struct slate *slate, struct session_figures *ret_figures)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t round = slate_round(slate);
		struct session_figures figures;

		if (round == 0)
			return -EAGAIN;
		memcpy(&figures, &slate->places[round % 2].figures, sizeof(figures));
		if (!is_whole(slate, round))
			continue;
		if (!are_sound(&figures))
			return -EPROTO;
		*ret_figures = figures;
		return 0;
	}
	return -EAGAIN;
}
