/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_KERNEL_SPACE_H
#define EGRESS_TESTS_KERNEL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Namespaces and processes for tests that change what the kernel does. */

/* Where a test's body runs: always in a child of its own. */
enum space_where {
	SPACE_HERE, /* where the program is */
	SPACE_USER, /* as space_enter() leaves it */
	SPACE_ROOT, /* as space_enter_as_root() leaves it; only when space_is_root() */
};

struct space_test {
	const char *what;
	void (*body)(void); /* ends itself by a failed CHECK or space_skip_test(), or returns */
	enum space_where where;
};

/* Runs the tests and reports them in TAP, those that can't run here as skipped; returns main()'s
 * result. */
int space_tests(const struct space_test *tests, size_t count);

/* In a test's body: ends it as skipped. */
void space_skip_test(const char *reason) __attribute__((noreturn));

/* Moves this process into a new network namespace, with its loopback up, inside a new user
 * namespace whose uid and gid 0 are the caller's. 0 or -errno. */
int space_enter(void);

/* The same without a user namespace, for real root. 0 or -errno. */
int space_enter_as_root(void);

/* Whether this process is root with a root's capabilities outside any test's namespace. */
bool space_is_root(void);

/* Says in TAP that the whole program is skipped and why; returns main()'s result. */
int space_skip(const char *what, int error);

/* space_enter(), and loads a ruleset there: true, or false and *ret_status is what main() returns,
 * of which all has been said. */
bool space_enter_with(const char *what, const char *ruleset, int *ret_status);

/* Numbers that look like chance, the same in each run. */
uint32_t space_draw(void);

/* Runs `body` in a child. True when it returned; false when a CHECK in it failed. */
bool space_child(void (*body)(void *context), void *context);

/* Has the kernel refuse some calls (SCMP_SYS() of libseccomp) with EIO, from here on, to this
 * process and its children; of prctl(2) one option only. Takes CAP_SYS_ADMIN over the user
 * namespace. 0 or -errno. */
int space_refuse(const int *calls, size_t count, int option);

/* Runs a shell command made by `format`; true if it succeeded. */
bool space_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In a child: ends it when the condition is false, with a TAP comment that says where. */
#define CHECK(condition) space_check(condition, #condition, __FILE__, __LINE__)
void space_check(bool condition, const char *text, const char *file, int line);

#endif
