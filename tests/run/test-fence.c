/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "src/run/fence.h"
#include "tests/kernel/space.h"

/* What a fenced process's call fails with, as a child's exit status; 0: it does not. */
enum { UNFENCED = 200, NO_NAMESPACE = 201 };

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

/* In a fenced child of a user namespace of its own. */
static int fenced(int (*try)(long argument), long argument)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(NO_NAMESPACE);
		_exit(fence_self(false) ? UNFENCED : try(argument));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_family(long family)
{
	return errno_of(socket((int)family, SOCK_DGRAM, 0));
}

static void test_families(void **state)
{
	(void)state;
	assert_int_equal(fenced(try_family, AF_UNIX), 0);
	assert_int_equal(fenced(try_family, AF_INET), 0);
	assert_int_equal(fenced(try_family, AF_INET6), 0);
	assert_int_equal(fenced(try_family, AF_PACKET), EPERM);
	assert_int_equal(fenced(try_family, AF_VSOCK), EAFNOSUPPORT);
	assert_int_equal(fenced(try_family, AF_BLUETOOTH), EAFNOSUPPORT);
	assert_int_equal(fenced(try_family, 63), EAFNOSUPPORT);
	assert_int_equal(fenced(try_family, 64), EAFNOSUPPORT);
	assert_int_equal(fenced(try_family, -1), EAFNOSUPPORT);
}

/* The kernel takes 32 bits of it. */
static int try_high_bits(long family)
{
	return errno_of(syscall(SYS_socket, family | 1L << 32, SOCK_DGRAM, 0));
}

static int try_ioctl(long request)
{
	char byte = 'x';

	return errno_of(syscall(SYS_ioctl, STDIN_FILENO, request, &byte));
}

static int try_uring(long entries)
{
	char parameters[256] = "";

	return errno_of(syscall(SYS_io_uring_setup, entries, parameters));
}

static int try_request_key(long nothing)
{
	(void)nothing;
	return errno_of(syscall(SYS_request_key, "user", "egress", "", 0));
}

/* `option` is the level, shifted, and the name. */
static int try_option(long option)
{
	int on = 1, fd = socket(AF_INET6, SOCK_DGRAM, 0);

	return errno_of(syscall(SYS_setsockopt, fd, option >> 8, option & 0xff, &on, sizeof(on)));
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(fenced(try_option, IPPROTO_IPV6 << 8 | IPV6_FREEBIND), EPERM);
	assert_int_equal(fenced(try_option, IPPROTO_IP << 8 | IP_FREEBIND), EPERM);
	assert_int_equal(fenced(try_option, IPPROTO_IPV6 << 8 | IPV6_MTU), EPERM);
	assert_int_equal(fenced(try_option, IPPROTO_IPV6 << 8 | IPV6_V6ONLY), 0);
}

static void test_calls(void **state)
{
	(void)state;
	assert_int_equal(fenced(try_high_bits, AF_VSOCK), EAFNOSUPPORT);
	assert_int_equal(fenced(try_ioctl, TIOCSTI), EPERM);
	assert_int_equal(fenced(try_ioctl, TIOCSTI | 1L << 32), EPERM);
	assert_int_equal(fenced(try_ioctl, TIOCLINUX), EPERM);
	assert_int_equal(fenced(try_uring, 8), ENOSYS);
	assert_int_equal(fenced(try_request_key, 0), ENOSYS);
}

static int try_capabilities(long nothing)
{
	(void)nothing;
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 0)
			return 1;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

static void test_capabilities(void **state)
{
	(void)state;
	assert_int_equal(fenced(try_capabilities, 0), 0);
}

/* In a user namespace where the kernel refuses that call: whether the process is told that it is
 * not fenced, and not left without. */
static bool is_told(int call, int option)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || space_refuse(&call, 1, option) != 0)
			_exit(NO_NAMESPACE);
		_exit(fence_self(false) < 0 ? 0 : UNFENCED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_what_the_kernel_refuses(void **state)
{
	(void)state;
	assert_true(is_told(SCMP_SYS(prctl), PR_CAPBSET_DROP));
	assert_true(is_told(SCMP_SYS(prctl), PR_CAP_AMBIENT));
	assert_true(is_told(SCMP_SYS(prctl), PR_SET_NO_NEW_PRIVS));
	assert_true(is_told(SCMP_SYS(seccomp), 0));
}

#ifdef __x86_64__
/* A 64-bit process may make calls of i386 as well; socketcall(2) has its arguments in memory, where
 * no filter sees them. */
static int try_socketcall(long family)
{
	uint32_t *arguments = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result = 102; /* socketcall */

	if (arguments == MAP_FAILED)
		return UNFENCED;
	arguments[0] = (uint32_t)family;
	arguments[1] = SOCK_DGRAM;
	arguments[2] = 0;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(1L), "c"(arguments)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result < 0 ? -(int)result : 0;
}

/* The same without: 359 is socket(2) there. */
static int try_i386_socket(long family)
{
	long result = 359;

	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(family), "c"((long)SOCK_DGRAM), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result < 0 ? -(int)result : 0;
}

static int try_i386_option(long name)
{
	uint32_t *arguments = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	long result = 102; /* socketcall, of which 14 is setsockopt */

	if (arguments == MAP_FAILED || fd < 0)
		return UNFENCED;
	memcpy(arguments,
		(const uint32_t[]){(uint32_t)fd, IPPROTO_IPV6, (uint32_t)name,
			(uint32_t)(uintptr_t)(arguments + 8), sizeof(int)},
		5 * sizeof(uint32_t));
	arguments[8] = 1;
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(14L), "c"(arguments)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result < 0 ? -(int)result : 0;
}

static void test_i386(void **state)
{
	(void)state;
	assert_int_equal(fenced(try_socketcall, AF_VSOCK), EAFNOSUPPORT);
	assert_int_equal(fenced(try_socketcall, AF_INET), EAFNOSUPPORT);
	assert_int_equal(fenced(try_i386_socket, AF_VSOCK), EAFNOSUPPORT);
	assert_int_equal(fenced(try_i386_socket, AF_UNIX), 0);
	assert_int_equal(fenced(try_i386_option, IPV6_FREEBIND), EPERM);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_what_the_kernel_refuses),
#ifdef __x86_64__
		cmocka_unit_test(test_i386),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
