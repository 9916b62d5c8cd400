/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/guard-own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * The places of names (guard.c) can be pages of a file: what is written there is the kernel's at
 * once, whatever becomes of the processes, so that a name that was let in is counted even if all of
 * them are killed the moment after. Nothing is written by a system call, and nobody waits. That the
 * machine itself stops is another matter: then the session is over.
 *
 * The file has the key of the hashes, which session's bank is in use, the tallies by their ids, and
 * the places of both banks. A count isn't kept: it is that of the hashes. Room for all places is
 * taken before, as a page that finds none on a full disk would end the process that touches it.
 *
 * Who starts anew reads the file, counts what is there for the entries that still say the same, and
 * has another file for it. So a reload does: the old file stays in use until the new processes are.
 *
 * Processes that speak with strangers can write places and nothing else of the file, which is read
 * as anybody's bytes.
 */

enum {
	BOOT = 40,
	TALLIES_MOST = 1 << 20,
	CHUNK = 512, /* places read at a time */
};

#define FILE_MOST ((size_t)256 << 20)

struct kept_head {
	char magic[8];
	char boot[BOOT];
	struct hash_key key;
	uint32_t number;
	uint32_t raised;
	uint32_t n_tallies;
	uint32_t unused;
};

struct kept_tally {
	uint64_t id;
	uint64_t n_places;
};

static const char magic[8] = "names 1";

/* Where the places are. */
static size_t front_of(size_t n_tallies)
{
	return guard_pages(sizeof(struct kept_head) + n_tallies * sizeof(struct kept_tally));
}

static int write_at(int fd, const void *bytes, size_t size, size_t at)
{
	const char *from = bytes;

	while (size > 0) {
		ssize_t put = pwrite(fd, from, size, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		from += put;
		at += (size_t)put;
		size -= (size_t)put;
	}
	return 0;
}

static int read_at(int fd, void *bytes, size_t size, size_t at)
{
	ssize_t got;

	do
		got = pread(fd, bytes, size, (off_t)at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return (size_t)got == size ? 0 : -EINVAL;
}

bool guard_is_to_keep(const struct guard *guard)
{
	bool counts = false;

	for (size_t i = 0; i < guard->n_tallies; i++)
		counts |= guard->tallies[i].most > 0;
	return counts && !guard->names->kept;
}

/* --- Writing --- */

static int write_head(const struct guard *guard, int fd, const char *boot)
{
	struct kept_head head = {
		.key = guard->key,
		.number = atomic_load(&guard->names->head->number),
		.raised = atomic_load(&guard->names->head->raised),
		.n_tallies = (uint32_t)guard->n_tallies,
	};
	int error;

	memcpy(head.magic, magic, sizeof(magic));
	strncpy(head.boot, boot, sizeof(head.boot) - 1);
	error = write_at(fd, &head, sizeof(head), 0);
	for (size_t i = 0; i < guard->n_tallies && !error; i++) {
		const struct kept_tally tally = {guard->tallies[i].id, guard->tallies[i].n_places};

		error = write_at(fd, &tally, sizeof(tally), sizeof(head) + i * sizeof(tally));
	}
	return error;
}

/* What was counted in the present session. */
static int write_places(const struct guard *guard, int fd)
{
	unsigned bank = guard_bank(guard);
	size_t front = front_of(guard->n_tallies), start = bank * guard->names->bank_size;
	int error = 0;

	for (size_t i = 0; i < guard->n_tallies && !error; i++) {
		const struct tally *tally = &guard->tallies[i];
		size_t at = start + tally->first * sizeof(uint64_t);

		if (atomic_load(&guard->names->banks[bank].spent[i].count) > 0)
			error = write_at(fd, guard->names->pages + at,
				tally->n_places * sizeof(uint64_t), front + at);
	}
	return error;
}

/* The file's pages in place of those that were. */
static int map_places(const struct guard *guard, int fd)
{
	struct names *names = guard->names;
	off_t at = (off_t)front_of(guard->n_tallies);
	void *mapped = mmap(names->pages, BANKS * names->bank_size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED, fd, at);

	return mapped == MAP_FAILED ? -errno : 0;
}

int guard_keep(struct guard *guard, int fd, const char *boot)
{
	size_t size = front_of(guard->n_tallies) + BANKS * guard->names->bank_size;
	int error = 0;

	if (size > FILE_MOST || guard->n_tallies > TALLIES_MOST)
		return -EFBIG;
	if (fallocate(fd, 0, 0, (off_t)size) < 0)
		error = -errno;
	if (!error)
		error = write_head(guard, fd, boot);
	if (!error)
		error = write_places(guard, fd);
	if (!error)
		error = map_places(guard, fd);
	if (!error)
		guard->names->kept = true;
	return error;
}

int guard_note(const struct guard *guard, int fd)
{
	struct kept_head head;
	int error = read_at(fd, &head, sizeof(head), 0);

	if (error)
		return error;
	head.number = atomic_load(&guard->names->head->number);
	head.raised = atomic_load(&guard->names->head->raised);
	return write_at(fd, &head, sizeof(head), 0);
}

/* --- Reading --- */

static int read_head(int fd, const char *boot, struct kept_head *ret_head)
{
	struct kept_head head;
	int error = read_at(fd, &head, sizeof(head), 0);

	if (error)
		return error;
	head.boot[sizeof(head.boot) - 1] = '\0';
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 || head.n_tallies > TALLIES_MOST)
		return -EINVAL;
	if (strcmp(head.boot, boot) != 0)
		return -ESTALE;
	*ret_head = head;
	return 0;
}

static int read_tallies(int fd, const struct kept_head *head, struct kept_tally **ret_tallies,
	size_t *ret_bank_size)
{
	size_t size = head->n_tallies * sizeof(struct kept_tally), n_places = 0;
	struct kept_tally *tallies = calloc(head->n_tallies + 1, sizeof(*tallies));
	struct stat status;
	int error = tallies ? 0 : -ENOMEM;

	if (!error)
		error = size > 0 ? read_at(fd, tallies, size, sizeof(*head)) : 0;
	if (!error && fstat(fd, &status) < 0)
		error = -errno;
	for (uint32_t i = 0; i < head->n_tallies && !error; i++) {
		if (tallies[i].n_places > FILE_MOST)
			error = -EINVAL;
		n_places += tallies[i].n_places;
	}
	*ret_bank_size = guard_pages(n_places * sizeof(uint64_t));
	if (!error && (uint64_t)status.st_size !=
			      front_of(head->n_tallies) + BANKS * (uint64_t)*ret_bank_size)
		error = -EINVAL;
	if (error)
		free(tallies);
	else
		*ret_tallies = tallies;
	return error;
}

/* Counts what was counted in places from `at` on. Where a ceiling is lower than it was, as many as
 * that. */
static int recall_places(struct guard *guard, uint32_t index, int fd, size_t n_places, size_t at)
{
	uint64_t chunk[CHUNK];
	bool room = true;

	for (size_t i = 0; i < n_places && room; i += CHUNK) {
		size_t count = n_places - i < CHUNK ? n_places - i : CHUNK;
		int error = read_at(fd, chunk, count * sizeof(chunk[0]), at + i * sizeof(chunk[0]));

		if (error)
			return error;
		for (size_t j = 0; j < count && room; j++)
			room = chunk[j] == 0 || guard_count_name(guard, index, chunk[j]);
	}
	return 0;
}

static int recall_all(struct guard *guard, int fd, const struct kept_head *head,
	const struct kept_tally *tallies, size_t bank_size)
{
	size_t at = front_of(head->n_tallies) + head->number % BANKS * bank_size;
	struct tally **sorted = guard_sort_tallies(guard);
	int error = sorted ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < head->n_tallies && !error; i++) {
		const struct tally *own = guard_find_tally(sorted, guard->n_tallies, tallies[i].id);

		if (own && own->most > 0)
			error = recall_places(guard, (uint32_t)(own - guard->tallies), fd,
				tallies[i].n_places, at);
		at += tallies[i].n_places * sizeof(uint64_t);
	}
	free(sorted);
	return error;
}

int guard_recall(struct guard *guard, int fd, const char *boot)
{
	struct kept_tally *tallies;
	struct kept_head head;
	size_t bank_size;
	int error = read_head(fd, boot, &head);

	if (!error)
		error = read_tallies(fd, &head, &tallies, &bank_size);
	if (error)
		return error;
	guard->key = guard->ledger->key = head.key;
	atomic_store(&guard->names->head->raised, head.raised);
	error = recall_all(guard, fd, &head, tallies, bank_size);
	free(tallies);
	return error;
}
