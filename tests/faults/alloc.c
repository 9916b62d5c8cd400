/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A library to be preloaded (ld.so(8)): allocations fail, those that the page of shim.h says,
 * counted over all processes that have it mapped. A size that nobody asks for is refused by the
 * real allocator anyway, so only the order of the calls matters. What an allocation of the C
 * library or of C++ takes from another one is counted once; those of libseccomp (2.5.4) are neither
 * counted nor fail: it would loop for ever, free twice, read through NULL, or leave a call out of
 * those it was told to permit.
 */

#include "tests/faults/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct shim_page *page;
/* Reached without a call: the sanitizers intercept the one for others, before they are ready. */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name,bugprone-reserved-identifier):
 * the names are those of the C library and of C++ */

/* Of C++, where the program has it: std::__throw_bad_alloc() and std::get_new_handler(). */
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));
extern void (*_ZSt15get_new_handlerv(void))(void) __attribute__((weak));
void *_Znwm(size_t size);
void *_Znam(size_t size);

/* Where libseccomp's instructions are, if the program has it. */
static uintptr_t spared_from, spared_to;

static int find_spared(struct dl_phdr_info *object, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (!strstr(object->dlpi_name, "/libseccomp.so"))
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		spared_from = object->dlpi_addr + part->p_vaddr;
		spared_to = spared_from + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void find_page(void)
{
	dl_iterate_phdr(find_spared, NULL);
	page = shim_map();
}

/* What the call would have been without this library, looked for once. */
#define REAL(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&(name)) real;                                                   \
		if (!real)                                                                         \
			real = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name);                       \
		real;                                                                              \
	})

/* Counts an allocation that the caller has asked for; whether it is to fail. */
static bool fails_for(const void *caller)
{
	int64_t number;

	if (!page || inside || ((uintptr_t)caller >= spared_from && (uintptr_t)caller < spared_to))
		return false;
	number = ++page->values[SHIM_ALLOCATIONS];
	if (number < page->values[SHIM_FAIL_FROM] || number > page->values[SHIM_FAIL_TO])
		return false;
	page->values[SHIM_FAILED]++;
	errno = ENOMEM;
	return true;
}

#define fails() fails_for(__builtin_return_address(0))

/* The call itself, in which nothing else is counted. */
#define ALLOCATE(call)                                                                             \
	({                                                                                         \
		bool was_inside = inside;                                                          \
		inside = true;                                                                     \
		__typeof__(call) got = (call);                                                     \
		inside = was_inside;                                                               \
		got;                                                                               \
	})

void *malloc(size_t size)
{
	return fails() ? NULL : ALLOCATE(REAL(malloc)(size));
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : ALLOCATE(REAL(calloc)(count, size));
}

void *realloc(void *block, size_t size)
{
	return fails() ? NULL : ALLOCATE(REAL(realloc)(block, size));
}

void *reallocarray(void *block, size_t count, size_t size)
{
	return fails() ? NULL : ALLOCATE(REAL(reallocarray)(block, count, size));
}

int posix_memalign(void **ret_block, size_t align, size_t size)
{
	return fails() ? ENOMEM : ALLOCATE(REAL(posix_memalign)(ret_block, align, size));
}

void *aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : ALLOCATE(REAL(aligned_alloc)(align, size));
}

#undef strdup
#undef strndup

char *strdup(const char *text)
{
	return fails() ? NULL : ALLOCATE(REAL(strdup)(text));
}

char *strndup(const char *text, size_t length)
{
	return fails() ? NULL : ALLOCATE(REAL(strndup)(text, length));
}

/* One allocation each: glibc (2.36) reads through NULL, or ends the process, if one of its own
 * fails in the first of them. */
struct passwd *getpwnam(const char *name)
{
	return fails() ? NULL : ALLOCATE(REAL(getpwnam)(name));
}

struct passwd *getpwuid(uid_t uid)
{
	return fails() ? NULL : ALLOCATE(REAL(getpwuid)(uid));
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return fails() ? MAP_FAILED : REAL(mmap)(at, size, protection, flags, fd, offset);
}

/* As operator new does it, but that a handler is asked once: what it frees would not be counted. */
static void fail_new(void)
{
	void (*handler)(void) = _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;

	if (handler)
		handler();
	if (_ZSt17__throw_bad_allocv)
		_ZSt17__throw_bad_allocv();
}

void *_Znwm(size_t size)
{
	if (fails())
		fail_new();
	return ALLOCATE(REAL(_Znwm)(size));
}

void *_Znam(size_t size)
{
	if (fails())
		fail_new();
	return ALLOCATE(REAL(_Znam)(size));
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name,bugprone-reserved-identifier) */
