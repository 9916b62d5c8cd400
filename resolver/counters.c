/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

void counters_sum(const struct counter_pages *pages, struct counter_sums *sums)
{
	for (unsigned i = 0; i < pages->count; i++) {
		const struct counters *counters = counters_of(pages, i);

		for (unsigned j = 0; j < COUNTERS; j++)
			sums->values[j] +=
				atomic_load_explicit(&counters->values[j], memory_order_relaxed);
		for (unsigned j = 0; j < DNS_SERVERS_MAX; j++)
			sums->down[j] +=
				atomic_load_explicit(&counters->down[j], memory_order_relaxed);
	}
}
