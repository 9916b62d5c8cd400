/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/footprint.h"

enum { TABLE = 1 << 20, LARGE = 1 << 20, LESS = 1 << 17 };

/* In the program's file, which is mapped. */
static const unsigned char table[TABLE] = {1, [TABLE - 1] = 2};
static unsigned char written[TABLE] = {1};

static size_t mappings(void)
{
	return mallinfo2().hblks;
}

/* Goes through a volatile pointer, or nothing would be allocated. */
static void *volatile taken;

static void large_memory_is_always_a_mapping(void **state)
{
	size_t before = mappings();

	(void)state;
	footprint_begin();
	taken = malloc(LARGE);
	/* Sanitizers and valgrind have a malloc(3) of their own, which counts nothing. */
	if (mappings() == 0) {
		free(taken);
		print_message("# not the C library's malloc\n");
		return;
	}
	assert_int_equal(mappings(), before + 1);
	free(taken);
	taken = malloc(LESS);
	assert_int_equal(mappings(), before + 1);
	free(taken);
	assert_int_equal(mappings(), before);
}

/* Reads each page, whatever a compiler knows of it. */
static unsigned sum(const volatile unsigned char *bytes)
{
	unsigned result = 0;

	for (size_t i = 0; i < TABLE; i += 1024)
		result += bytes[i];
	return result + bytes[TABLE - 1];
}

/* Of pages that this process has mapped (Documentation/admin-guide/mm/pagemap.rst), those among the
 * bytes. */
static size_t count_mapped(const void *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
	uintptr_t first = (uintptr_t)bytes / page, last = ((uintptr_t)bytes + size) / page;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (uintptr_t number = first; number < last; number++) {
		uint64_t entry;

		assert_int_equal(pread(fd, &entry, sizeof(entry), (off_t)(number * sizeof(entry))),
			sizeof(entry));
		count += entry >> 63;
	}
	close(fd);
	return count;
}

static void files_are_given_back_and_read_again(void **state)
{
	size_t pages = TABLE / (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	assert_int_equal(sum(table), 3);
	assert_true(count_mapped(table, TABLE) >= pages - 1);
	footprint_trim();
	assert_true(count_mapped(table, TABLE) < pages / 2);
	assert_int_equal(sum(table), 3);
}

static void what_was_written_stays(void **state)
{
	unsigned char *heap = malloc(TABLE);

	(void)state;
	assert_non_null(heap);
	for (size_t i = 0; i < TABLE; i++)
		heap[i] = written[i] = 1;
	footprint_trim();
	assert_int_equal(sum(written), TABLE / 1024 + 1);
	assert_int_equal(sum(heap), TABLE / 1024 + 1);
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_memory_is_always_a_mapping),
		cmocka_unit_test(files_are_given_back_and_read_again),
		cmocka_unit_test(what_was_written_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
