/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/base/arena-fails.h"

#include <stdarg.h>
#include <stddef.h>

#include "src/base/arena.h"

static unsigned calls, failing;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names, ld(1), --wrap */
char *__wrap_arena_printf(struct arena *arena, const char *format, ...);
char *__wrap_arena_strndup(struct arena *arena, const char *text, size_t length);
char *__real_arena_strndup(struct arena *arena, const char *text, size_t length);

char *__wrap_arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;

	if (++calls == failing)
		return NULL;
	va_start(arguments, format);
	text = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}

char *__wrap_arena_strndup(struct arena *arena, const char *text, size_t length)
{
	return ++calls == failing ? NULL : __real_arena_strndup(arena, text, length);
}

void arena_fails_at(unsigned number)
{
	calls = 0;
	failing = number;
}

unsigned arena_fails_calls(void)
{
	return calls;
}

/* NOLINTEND(bugprone-reserved-identifier) */
