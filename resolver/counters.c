/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const unsigned counters_delays[TALLY_DELAYS] = {1, 2, 5, 10, 25, 50, 100, 250, 1000};

_Static_assert(sizeof(struct counters) <= 4096, "it fits into a page");

struct counter_pages {
	uint8_t *mapping;
	size_t page;
	unsigned count;
};

int counters_new(unsigned count, struct counter_pages **ret_pages)
{
	struct counter_pages *pages = calloc(1, sizeof(*pages));
	void *mapping;

	if (!pages)
		return -ENOMEM;
	pages->page = (size_t)sysconf(_SC_PAGESIZE);
	pages->count = count;
	mapping = mmap(NULL, count * pages->page, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mapping == MAP_FAILED) {
		free(pages);
		return -ENOMEM;
	}
	pages->mapping = mapping;
	*ret_pages = pages;
	return 0;
}

void counters_free(struct counter_pages *pages)
{
	if (!pages)
		return;
	munmap(pages->mapping, pages->count * pages->page);
	free(pages);
}

struct counters *counters_of(const struct counter_pages *pages, unsigned worker)
{
	return (struct counters *)(void *)(pages->mapping + worker * pages->page);
}

/* For who writes the page. */
static void add(_Atomic uint64_t *to, uint64_t number)
{
	atomic_store_explicit(
		to, atomic_load_explicit(to, memory_order_relaxed) + number, memory_order_relaxed);
}

void counters_note_delay(struct counters *counters, unsigned upstream, struct duration delay)
{
	uint64_t ms = delay.ms > 0 ? (uint64_t)delay.ms : 0;
	unsigned i = 0;

	while (i < TALLY_DELAYS && ms > counters_delays[i])
		i++;
	add(&counters->delays[upstream][i], 1);
	add(&counters->delays_ms[upstream], ms);
}

void counters_note_leases(struct counters *counters, uint64_t *opened, uint64_t leases)
{
	if (!counters)
		return;
	add(&counters->opened, *opened);
	*opened = 0;
	atomic_store_explicit(&counters->leases, leases, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

static void sum_servers(const struct counters *counters, struct counter_sums *sums)
{
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++) {
		sums->down[i] += atomic_load_explicit(&counters->down[i], memory_order_relaxed);
		sums->delays_ms[i] += load(&counters->delays_ms[i]);
		for (unsigned j = 0; j <= TALLY_DELAYS; j++)
			sums->delays[i][j] += load(&counters->delays[i][j]);
	}
}

void counters_sum(const struct counter_pages *pages, struct counter_sums *sums)
{
	for (unsigned i = 0; i < pages->count; i++) {
		const struct counters *counters = counters_of(pages, i);

		for (unsigned j = 0; j < COUNTERS; j++)
			sums->values[j] += load(&counters->values[j]);
		sum_servers(counters, sums);
		sums->opened += load(&counters->opened);
		sums->leases += load(&counters->leases);
	}
}

void counters_tell(const struct counter_sums *sums, struct tally_numbers *numbers)
{
	static const enum tally_number places[COUNTERS] = {
		[COUNTER_QUERIES] = TALLY_QUERIES,
		[COUNTER_CACHED] = TALLY_CACHED,
		[COUNTER_FRESH] = TALLY_FRESH,
		[COUNTER_LOCAL] = TALLY_LOCAL,
		[COUNTER_REFUSED] = TALLY_REFUSED,
		[COUNTER_FAILED] = TALLY_FAILED,
	};

	for (unsigned i = 0; i < COUNTERS; i++)
		numbers->values[places[i]] = sums->values[i];
	numbers->values[TALLY_LEASES] = sums->leases;
	numbers->values[TALLY_OPENED] = sums->opened;
	for (unsigned i = 0; i < DNS_SERVERS_MAX; i++) {
		numbers->servers[i].down = sums->down[i];
		numbers->servers[i].delays_us = 1000 * sums->delays_ms[i];
		memcpy(numbers->servers[i].delays, sums->delays[i], sizeof(sums->delays[i]));
	}
}
