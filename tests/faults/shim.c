/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A library to be preloaded (ld.so(8)) into a program that speaks netlink: calls fail as the
 * kernel may have them fail, the time of day is another, and a process breaks out of its bounds.
 * What is received with ENOBUFS is lost, as it is when the kernel found no room for it; what fails
 * with EINTR has not been begun.
 */

#include "tests/faults/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 1024 };

static struct shim_page *page;
static bool is_netlink[FDS_MAX];

__attribute__((constructor)) static void find_page(void)
{
	page = shim_map();
}

/* What the call would have been without this library. */
#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* The errno that this call is to fail with, or 0. */
static int fault(int fd, enum shim_value which)
{
	int64_t every, calls;
	int error;

	if (!page || fd < 0 || fd >= FDS_MAX || !is_netlink[fd])
		return 0;
	error = (int)page->values[which];
	every = page->values[SHIM_EVERY];
	if (error == 0 || every <= 0)
		return 0;
	calls = ++page->values[SHIM_CALLS];
	if (calls % every != 0)
		return 0;
	page->values[SHIM_FAILED]++;
	return error;
}

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved */

int socket(int family, int type, int protocol)
{
	int fd = REAL(socket)(family, type, protocol);

	if (fd >= 0 && fd < FDS_MAX)
		is_netlink[fd] = family == AF_NETLINK;
	return fd;
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, __CONST_SOCKADDR_ARG to,
	socklen_t to_size)
{
	int error = fault(fd, SHIM_SEND_ERROR);

	return error ? fail(error) : REAL(sendto)(fd, bytes, size, flags, to, to_size);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
	int error = fault(fd, SHIM_SEND_ERROR);

	return error ? fail(error) : REAL(send)(fd, bytes, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	int error = fault(fd, SHIM_SEND_ERROR);

	return error ? fail(error) : REAL(sendmsg)(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	int error = fault(fd, SHIM_RECEIVE_ERROR);
	ssize_t got;

	if (error && error != ENOBUFS)
		return fail(error);
	got = REAL(recvmsg)(fd, message, flags);
	return error && got >= 0 ? fail(error) : got;
}

ssize_t recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size)
{
	int error = fault(fd, SHIM_RECEIVE_ERROR);
	ssize_t got;

	if (error && error != ENOBUFS)
		return fail(error);
	got = REAL(recvfrom)(fd, bytes, size, flags, from, from_size);
	return error && got >= 0 ? fail(error) : got;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	return recvfrom(fd, bytes, size, flags, NULL, NULL);
}

static time_t ahead(void)
{
	return page ? (time_t)page->values[SHIM_CLOCK] : 0;
}

time_t time(time_t *ret_time)
{
	time_t now = REAL(time)(NULL) + ahead();

	if (ret_time)
		*ret_time = now;
	return now;
}

/* What somebody would try who has taken the process over. */
static void breach(void)
{
	if (!page || page->values[SHIM_BREACH] != getpid())
		return;
	page->values[SHIM_BREACH] = 0;
	unshare(CLONE_NEWUSER);
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = REAL(clock_gettime)(clock, ret_time);

	breach();
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret_time->tv_sec += ahead();
	return result;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
	int result = REAL(gettimeofday)(ret_time, zone);

	if (result == 0)
		ret_time->tv_sec += ahead();
	return result;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
