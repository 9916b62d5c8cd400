/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * The tables below are all there is: a row for each call, with the roles that may make it and with
 * what arguments, in groups by what they are for. What isn't listed is trapped: the call is not
 * made, and SIGSYS is raised, so that the process can say which call it was before it ends. It has
 * no way to catch the signal otherwise, since setting a handler isn't listed. Calls that the C
 * library makes by itself, and takes a failure of, are answered with an error: files, mostly.
 *
 * A call that is missing shows as a line of the log, "system call openat (257) is not permitted",
 * and the end of the process. Ask first whether it can be made before confinement; else add a row
 * here, with the narrowest arguments, and its reason if it has another one than its group.
 * setsockopt(2) has a table of its own. The shipped systemd unit must permit it as well, which
 * tests/policies/unit.sh checks.
 *
 * What the filter can't see is what pointers point to: a worker can connect(2) the sockets it has
 * been given to any address, but the ruleset lets those through to the upstream servers alone.
 *
 * The supervisor reads files, opens sockets, forks, and runs libraries that do as they like; it
 * has a list of what it never does, which its children have too.
 *
 * The sanitizers' own calls are added when they are compiled in, and only then.
 */

enum {
	K = 1 << 0, /* the keeper */
	W = 1 << 1, /* workers */
	BOTH = K | W,
};

enum { ARGS_MAX = 3 };

/* gcc says so itself. */
#if !defined(__SANITIZE_ADDRESS__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#define EQUALS(n, value)                                                                           \
	{                                                                                          \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (value)                                  \
	}
#define MASKED(n, mask, value)                                                                     \
	{                                                                                          \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)        \
	}

/* --- Permitted --- */

static const struct permitted {
	int call;
	unsigned roles;
	struct scmp_arg_cmp args[ARGS_MAX]; /* all must hold; one without an op ends them */
} permitted[] = {
	/* Descriptors it has: what it was given at the start, and the log. Of fcntl(2) nothing that
	 * would have signals sent. */
	{SCMP_SYS(read), BOTH, {{0}}},
	{SCMP_SYS(readv), BOTH, {{0}}},
	{SCMP_SYS(write), BOTH, {{0}}},
	{SCMP_SYS(writev), BOTH, {{0}}},
	{SCMP_SYS(close), BOTH, {{0}}},
	{SCMP_SYS(fcntl), BOTH, {EQUALS(1, F_GETFL)}},
	{SCMP_SYS(fcntl), BOTH, {EQUALS(1, F_SETFL)}},
	{SCMP_SYS(fcntl), BOTH, {EQUALS(1, F_GETFD)}},
	{SCMP_SYS(fcntl), BOTH, {EQUALS(1, F_SETFD)}},

	/* Waiting for them */
	{SCMP_SYS(poll), BOTH, {{0}}},
	{SCMP_SYS(ppoll), BOTH, {{0}}},
	{SCMP_SYS(epoll_create1), BOTH, {{0}}},
	{SCMP_SYS(epoll_ctl), BOTH, {{0}}},
	{SCMP_SYS(epoll_wait), BOTH, {{0}}},
	{SCMP_SYS(epoll_pwait), BOTH, {{0}}},
	{SCMP_SYS(epoll_pwait2), BOTH, {{0}}},

	/* Messages: clients, upstream servers, the channel between both, netlink */
	{SCMP_SYS(sendto), BOTH, {{0}}},
	{SCMP_SYS(sendmsg), BOTH, {{0}}},
	{SCMP_SYS(sendmmsg), BOTH, {{0}}},
	{SCMP_SYS(recvfrom), BOTH, {{0}}},
	{SCMP_SYS(recvmsg), BOTH, {{0}}},
	{SCMP_SYS(recvmmsg), BOTH, {{0}}},
	{SCMP_SYS(getsockname), BOTH, {{0}}},
	{SCMP_SYS(getpeername), BOTH, {{0}}},
	{SCMP_SYS(getsockopt), BOTH, {{0}}},
	{SCMP_SYS(shutdown), BOTH, {{0}}},
	{SCMP_SYS(connect), BOTH, {{0}}},

	/* Clients' connections */
	{SCMP_SYS(accept4), W, {{0}}},

	/* Sockets to nftables and conntrack, and those to upstream servers, which it marks and
	 * passes on: no raw ones, no other part of netlink, no other family */
	{SCMP_SYS(socket), K, {EQUALS(0, AF_NETLINK), EQUALS(2, NETLINK_NETFILTER)}},
	{SCMP_SYS(socket), K, {EQUALS(0, AF_INET), MASKED(1, 0xf, SOCK_DGRAM), EQUALS(2, 0)}},
	{SCMP_SYS(socket), K, {EQUALS(0, AF_INET), MASKED(1, 0xf, SOCK_STREAM), EQUALS(2, 0)}},
	{SCMP_SYS(socket), K, {EQUALS(0, AF_INET6), MASKED(1, 0xf, SOCK_DGRAM), EQUALS(2, 0)}},
	{SCMP_SYS(socket), K, {EQUALS(0, AF_INET6), MASKED(1, 0xf, SOCK_STREAM), EQUALS(2, 0)}},
	{SCMP_SYS(bind), K, {{0}}},

	/* Memory, none of it executable: host patterns were translated before */
	{SCMP_SYS(mmap), BOTH, {MASKED(2, PROT_EXEC, 0)}},
	{SCMP_SYS(mmap2), BOTH, {MASKED(2, PROT_EXEC, 0)}},
	{SCMP_SYS(mprotect), BOTH, {MASKED(2, PROT_EXEC, 0)}},
	{SCMP_SYS(munmap), BOTH, {{0}}},
	{SCMP_SYS(mremap), BOTH, {{0}}},
	{SCMP_SYS(madvise), BOTH, {{0}}},
	{SCMP_SYS(brk), BOTH, {{0}}},

	/* Chance and time; clocks are read without the kernel where the machine can */
	{SCMP_SYS(getrandom), BOTH, {{0}}},
	{SCMP_SYS(clock_gettime), BOTH, {{0}}},
	{SCMP_SYS(clock_getres), BOTH, {{0}}},
	{SCMP_SYS(gettimeofday), BOTH, {{0}}},
	{SCMP_SYS(time), BOTH, {{0}}},
	{SCMP_SYS(clock_nanosleep), BOTH, {{0}}},
	{SCMP_SYS(nanosleep), BOTH, {{0}}},

	/* Who and where it is, and its limits: read only */
	{SCMP_SYS(getpid), BOTH, {{0}}},
	{SCMP_SYS(gettid), BOTH, {{0}}},
	{SCMP_SYS(getuid), BOTH, {{0}}},
	{SCMP_SYS(geteuid), BOTH, {{0}}},
	{SCMP_SYS(getgid), BOTH, {{0}}},
	{SCMP_SYS(getegid), BOTH, {{0}}},
	{SCMP_SYS(getcpu), BOTH, {{0}}},
	{SCMP_SYS(sysinfo), BOTH, {{0}}},
	{SCMP_SYS(prlimit64), BOTH, {EQUALS(0, 0), EQUALS(2, 0)}},

	/* The C library's locks, and abort(3), whose signal permit_abort() adds */
	{SCMP_SYS(futex), BOTH, {{0}}},
	{SCMP_SYS(sched_yield), BOTH, {{0}}},
	{SCMP_SYS(rt_sigprocmask), BOTH, {{0}}},
	{SCMP_SYS(rt_sigreturn), BOTH, {{0}}},
	{SCMP_SYS(restart_syscall), BOTH, {{0}}},
	{SCMP_SYS(exit), BOTH, {{0}}},
	{SCMP_SYS(exit_group), BOTH, {{0}}},

#ifdef __SANITIZE_ADDRESS__
	/* Stacks and handlers of the sanitizers' own, to report and end */
	{SCMP_SYS(sigaltstack), BOTH, {{0}}},
	{SCMP_SYS(rt_sigaction), BOTH, {EQUALS(0, SIGABRT)}},
	{SCMP_SYS(rt_sigaction), BOTH, {EQUALS(0, SIGSEGV)}},
#endif
};

/* The options of sockets. Not among them: programs attached to sockets, another protocol on top of
 * TCP, iptables. */
static const struct option {
	int level;
	int name;
	unsigned roles;
} options[] = {
	{SOL_SOCKET, SO_SNDBUF, BOTH},
	{SOL_SOCKET, SO_RCVBUF, BOTH},
	{SOL_SOCKET, SO_LINGER, BOTH},
	{SOL_SOCKET, SO_KEEPALIVE, BOTH},
	{SOL_SOCKET, SO_MARK, K},
	{SOL_SOCKET, SO_SNDBUFFORCE, K},
	{SOL_SOCKET, SO_RCVBUFFORCE, K},
	{SOL_NETLINK, NETLINK_CAP_ACK, K},
	{SOL_NETLINK, NETLINK_EXT_ACK, K},
	{SOL_NETLINK, NETLINK_NO_ENOBUFS, K},
	{SOL_NETLINK, NETLINK_GET_STRICT_CHK, K},
	{SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, K},
	{IPPROTO_IP, IP_PKTINFO, BOTH},
	{IPPROTO_IP, IP_RECVERR, BOTH},
	{IPPROTO_IP, IP_MTU_DISCOVER, BOTH},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, BOTH},
	{IPPROTO_IPV6, IPV6_RECVERR, BOTH},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, BOTH},
	{IPPROTO_IPV6, IPV6_V6ONLY, BOTH},
	{IPPROTO_TCP, TCP_NODELAY, BOTH},
	{IPPROTO_TCP, TCP_CORK, BOTH},
	{IPPROTO_TCP, TCP_QUICKACK, BOTH},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, BOTH},
	{IPPROTO_UDP, UDP_SEGMENT, BOTH},
	{IPPROTO_UDP, UDP_GRO, BOTH},
};

/* --- Answered --- */

static const struct answered {
	int call;
	int error;
} answered[] = {
	/* Files that libraries look for and do without; the root directory is empty anyway */
	{SCMP_SYS(open), EACCES},
	{SCMP_SYS(openat), EACCES},
	{SCMP_SYS(access), EACCES},
	{SCMP_SYS(faccessat), EACCES},
	{SCMP_SYS(faccessat2), EACCES},
	{SCMP_SYS(stat), EACCES},
	{SCMP_SYS(lstat), EACCES},
	{SCMP_SYS(fstat), EACCES},
	{SCMP_SYS(newfstatat), EACCES},
	{SCMP_SYS(statx), EACCES},
	{SCMP_SYS(readlink), EACCES},
	{SCMP_SYS(readlinkat), EACCES},
	/* Whether a stream is a terminal */
	{SCMP_SYS(ioctl), ENOTTY},
	/* How many processors there are, for the arenas of malloc(3) */
	{SCMP_SYS(sched_getaffinity), EPERM},
};

/* --- Refused to the supervisor and all below it --- */

static const int refused[] = {
	/* Other programs, and other processes' memory and descriptors */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
#ifndef __SANITIZE_ADDRESS__
	SCMP_SYS(ptrace), /* LeakSanitizer stops the process by it as it ends */
#endif
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	/* Other namespaces, other mounts */
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fspick),
	SCMP_SYS(pivot_root),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	/* Parts of the kernel that it has no use for */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(personality),
	SCMP_SYS(quotactl),
	SCMP_SYS(fanotify_init),
	/* The machine */
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(syslog),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* --- The filters --- */

static unsigned bit_of(enum syscalls_role role)
{
	return role == SYSCALLS_KEEPER ? K : W;
}

static unsigned count_args(const struct scmp_arg_cmp *args)
{
	unsigned count = 0;

	while (count < ARGS_MAX && args[count].op != 0)
		count++;
	return count;
}

static int add_permitted(scmp_filter_ctx filter, unsigned role)
{
	int error = 0;

	for (size_t i = 0; i < ROWS(permitted) && !error; i++) {
		const struct permitted *row = &permitted[i];

		if (row->roles & role)
			error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, row->call,
				count_args(row->args), row->args);
	}
	return error;
}

static int add_options(scmp_filter_ctx filter, unsigned role)
{
	int error = 0;

	for (size_t i = 0; i < ROWS(options) && !error; i++) {
		const struct scmp_arg_cmp args[] = {EQUALS(1, (unsigned)options[i].level),
			EQUALS(2, (unsigned)options[i].name)};

		if (options[i].roles & role)
			error = seccomp_rule_add_array(
				filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, args);
	}
	return error;
}

static int add_answered(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < ROWS(answered) && !error; i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)answered[i].error),
			answered[i].call, 0, NULL);
	return error;
}

/* abort(3) sends its signal to the thread it is called by, this process's only one. */
static int permit_abort(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp args[] = {EQUALS(0, (unsigned)getpid()), EQUALS(2, SIGABRT)};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2, args);
}

static int add_refused(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < ROWS(refused) && !error; i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0, NULL);
	return error;
}

static int fill(scmp_filter_ctx filter, enum syscalls_role role)
{
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* The caller has seen to it; it is no reason to fail when it had a privilege instead. */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	/* By number, halving: older libraries go through all of them. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!error && role == SYSCALLS_SUPERVISOR)
		return add_refused(filter);
	if (!error)
		error = add_permitted(filter, bit_of(role));
	if (!error)
		error = add_options(filter, bit_of(role));
	if (!error)
		error = add_answered(filter);
	return error ? error : permit_abort(filter);
}

int syscalls_limit(enum syscalls_role role)
{
	uint32_t others = role == SYSCALLS_SUPERVISOR ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP;
	scmp_filter_ctx filter;
	int error;

	if (role == SYSCALLS_ALL)
		return 0;
	filter = seccomp_init(others);
	if (!filter)
		return -ENOMEM;
	error = fill(filter, role);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

/* --- Names --- */

enum { NAMES_MAX = 512, NAME_SIZE = 24 };

static char names[NAMES_MAX][NAME_SIZE];

void syscalls_load_names(void)
{
	for (int call = 0; call < NAMES_MAX; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		if (name)
			snprintf(names[call], NAME_SIZE, "%s", name);
		free(name);
	}
}

const char *syscalls_name(int call)
{
	return call >= 0 && call < NAMES_MAX && names[call][0] ? names[call] : "?";
}

static int visit_call(int call, int (*visit)(void *context, const char *name), void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
	int error = 0;

	/* A number below zero stands for a call that this machine hasn't. */
	if (name && call >= 0)
		error = visit(context, name);
	free(name);
	return error;
}

int syscalls_visit(
	enum syscalls_role role, int (*visit)(void *context, const char *name), void *context)
{
	int error = visit_call(SCMP_SYS(setsockopt), visit, context);

	if (!error)
		error = visit_call(SCMP_SYS(tgkill), visit, context);
	for (size_t i = 0; i < ROWS(permitted) && !error; i++)
		if (permitted[i].roles & bit_of(role))
			error = visit_call(permitted[i].call, visit, context);
	for (size_t i = 0; i < ROWS(answered) && !error; i++)
		error = visit_call(answered[i].call, visit, context);
	return error;
}
