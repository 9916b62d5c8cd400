/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * A sidecar beside each container is paid for many times over, and most of what one takes is left
 * behind by its start: the linker has read the symbols of each library to relocate it, a policy was
 * read by a parser that is not called again until it changes. Two things keep that from staying.
 *
 * malloc(3) serves what is large from a mapping of its own, but takes the largest that was freed so
 * far as the new measure of large (mallopt(3), M_MMAP_THRESHOLD). Tables that are sized for a busy
 * day would come from the heap then, where calloc(3) writes zeros to them if something else was
 * there before. A threshold that is set stays.
 *
 * Pages of a file that is mapped and never written are the page cache's. To give them back takes
 * them out of this process only (madvise(2), MADV_DONTNEED): the next access has them mapped again,
 * some sixteen at a time. A segment that was relocated by writing to its code, as some machines
 * have them, would lose that, and is left alone.
 */

enum { LARGE_BYTES = 1 << 16 };

void footprint_begin(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

static bool relocates_code(const ElfW(Dyn) * entry)
{
	for (; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_TEXTREL ||
			(entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
			return true;
	return false;
}

static bool is_written_to(const struct dl_phdr_info *object)
{
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + header->p_vaddr;

		/* NOLINTNEXTLINE(performance-no-int-to-ptr): dl_iterate_phdr(3) has numbers */
		if (header->p_type == PT_DYNAMIC && relocates_code((const ElfW(Dyn) *)start))
			return true;
	}
	return false;
}

static int give_back(struct dl_phdr_info *object, size_t size, void *page)
{
	const uintptr_t mask = *(const uintptr_t *)page - 1;

	(void)size;
	if (is_written_to(object))
		return 0;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + header->p_vaddr;
		uintptr_t end = (start + header->p_memsz) & ~mask;

		start = (start + mask) & ~mask;
		if (header->p_type == PT_LOAD && !(header->p_flags & PF_W) && start < end)
			/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void footprint_trim(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	malloc_trim(0);
	dl_iterate_phdr(give_back, &page);
}
