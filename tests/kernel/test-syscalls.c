/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/confine.h"
#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/kernel/space.h"

/* ---- What is tried: each answers like a system call ---- */

static pid_t test; /* who runs the test */
static int pair[2];

static long read_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long make_file(void)
{
	return open("/tmp/egress-test", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
}

static long make_folder(void)
{
	return mkdir("/egress-test", 0700);
}

static long change_root(void)
{
	return chroot("/");
}

static long execute(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static long fork_another(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, test, NULL, NULL);
}

static long read_parent(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&test, 1};

	return process_vm_readv(test, &here, 1, &there, 1, 0);
}

static long kill_parent(void)
{
	return kill(test, SIGKILL);
}

static long kill_all(void)
{
	return kill(-1, 0);
}

static long kill_thread(void)
{
	return syscall(SYS_tgkill, test, test, SIGABRT);
}

static long kill_by_descriptor(void)
{
	return syscall(SYS_pidfd_open, test, 0);
}

static long signal_by_descriptor(void)
{
	return fcntl(pair[0], F_SETOWN, test);
}

static long new_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long other_namespace(void)
{
	return setns(pair[0], CLONE_NEWNET);
}

static long mount_something(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long load_program(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long use_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long map_code(void)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return code == MAP_FAILED ? -1 : 0;
}

static long make_code(void)
{
	void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(data != MAP_FAILED);
	return mprotect(data, 4096, PROT_READ | PROT_EXEC);
}

static long catch_signal(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static long become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	return setrlimit(RLIMIT_CORE, &limit);
}

static long socket_of(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	/* Closed for what the sanitizers know of it, and to see that it can be. */
	return fd < 0 ? -1 : close(fd);
}

static long tcp_socket(void)
{
	return socket_of(AF_INET, SOCK_STREAM, 0);
}

static long udp6_socket(void)
{
	return socket_of(AF_INET6, SOCK_DGRAM, 0);
}

static long raw_socket(void)
{
	return socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long packet_socket(void)
{
	return socket_of(AF_PACKET, SOCK_RAW, 0);
}

static long unix_socket(void)
{
	return socket_of(AF_UNIX, SOCK_STREAM, 0);
}

static long netfilter_socket(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}

static long route_socket(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static long accept_connection(void)
{
	/* A socket that doesn't listen: asked, and answered so. */
	return accept4(pair[0], NULL, NULL, 0) < 0 && errno == EINVAL ? 0 : -1;
}

static long attach_filter(void)
{
	struct sock_filter accept = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog program = {1, &accept};

	return setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static long mark_socket(void)
{
	int mark = 1;

	return setsockopt(pair[0], SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static long replace_iptables(void)
{
	return setsockopt(pair[0], IPPROTO_IP, 64 /* IPT_SO_SET_REPLACE */, NULL, 0);
}

static long use_terminal(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static long talk(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	char byte = 'x';
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pair[1], &event) == 0);
	CHECK(send(pair[0], &byte, 1, MSG_NOSIGNAL) == 1);
	CHECK(epoll_wait(epoll, &event, 1, 1000) == 1);
	CHECK(recv(pair[1], &byte, 1, 0) == 1);
	return close(epoll);
}

/* As much as the C library takes from the kernel at once, and piece by piece. */
static long use_memory(void)
{
	for (size_t size = 16; size < (size_t)64 << 20; size *= 4) {
		char *bytes = malloc(size), *more;

		CHECK(bytes != NULL);
		memset(bytes, 1, size);
		more = realloc(bytes, 2 * size);
		CHECK(more != NULL);
		free(more);
	}
	return 0;
}

static long give_up(void)
{
	abort();
}

/* ---- And what comes of it ---- */

enum outcome {
	DONE = 0,
	TRAPPED = -SIGSYS,
	ABORTED = -SIGABRT,
	/* or an errno */
};

static const struct attempt {
	const char *what;
	long (*run)(void);
	int keeper;
	int worker;
} attempts[] = {
	{"it reads a file", read_file, EACCES, EACCES},
	{"it makes a file", make_file, EACCES, EACCES},
	{"it makes a folder", make_folder, TRAPPED, TRAPPED},
	{"it changes its root", change_root, TRAPPED, TRAPPED},
	{"it executes a program", execute, TRAPPED, TRAPPED},
	{"it forks", fork_another, TRAPPED, TRAPPED},
	{"it traces another process", trace_parent, TRAPPED, TRAPPED},
	{"it reads another one's memory", read_parent, TRAPPED, TRAPPED},
	{"it kills another process", kill_parent, TRAPPED, TRAPPED},
	{"it signals all processes", kill_all, TRAPPED, TRAPPED},
	{"it aborts another process", kill_thread, TRAPPED, TRAPPED},
	{"it takes hold of a process", kill_by_descriptor, TRAPPED, TRAPPED},
	{"it has signals sent for it", signal_by_descriptor, TRAPPED, TRAPPED},
	{"it makes a namespace", new_namespace, TRAPPED, TRAPPED},
	{"it enters a namespace", other_namespace, TRAPPED, TRAPPED},
	{"it mounts", mount_something, TRAPPED, TRAPPED},
	{"it loads a BPF program", load_program, TRAPPED, TRAPPED},
	{"it uses io_uring", use_uring, TRAPPED, TRAPPED},
	{"it maps executable memory", map_code, TRAPPED, TRAPPED},
	{"it makes memory executable", make_code, TRAPPED, TRAPPED},
	{"it catches the signal", catch_signal, TRAPPED, TRAPPED},
	{"it becomes dumpable", become_dumpable, TRAPPED, TRAPPED},
	{"it raises a limit", raise_limit, TRAPPED, TRAPPED},
	{"it opens a TCP socket", tcp_socket, DONE, TRAPPED},
	{"it opens a UDP socket", udp6_socket, DONE, TRAPPED},
	{"it opens a raw socket", raw_socket, TRAPPED, TRAPPED},
	{"it opens a packet socket", packet_socket, TRAPPED, TRAPPED},
	{"it opens a local socket", unix_socket, TRAPPED, TRAPPED},
	{"it speaks with netfilter", netfilter_socket, DONE, TRAPPED},
	{"it changes routes", route_socket, TRAPPED, TRAPPED},
	{"it accepts a connection", accept_connection, TRAPPED, DONE},
	{"it attaches a filter to a socket", attach_filter, TRAPPED, TRAPPED},
	{"it marks a socket", mark_socket, DONE, TRAPPED},
	{"it replaces iptables' rules", replace_iptables, TRAPPED, TRAPPED},
	{"it types on the terminal", use_terminal, ENOTTY, ENOTTY},
	{"it uses what it was given", talk, DONE, DONE},
	{"it uses memory", use_memory, DONE, DONE},
	{"it aborts", give_up, ABORTED, ABORTED},
};

static int outcome_of(long (*run)(void), const struct confine *confine)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (confine_self(confine) != 0)
			_exit(255);
		_exit(run() < 0 ? errno : 0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void try_all(bool keeper)
{
	const struct confine confine = {.keep_net_admin = keeper,
		.empty_root = true,
		.syscalls = keeper ? SYSCALLS_KEEPER : SYSCALLS_WORKER};
	bool as_expected = true;

	test = getpid();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int expected = keeper ? attempts[i].keeper : attempts[i].worker;
		int outcome = outcome_of(attempts[i].run, &confine);

		if (outcome == expected)
			continue;
		dprintf(STDOUT_FILENO, "# %s: %d, not %d\n", attempts[i].what, outcome, expected);
		as_expected = false;
	}
	CHECK(as_expected);
}

static void keeper_tries(void)
{
	try_all(true);
}

static void worker_tries(void)
{
	try_all(false);
}

/* ---- What a keeper is there for ---- */

static void keeper_keeps(void)
{
	struct confine confine = {
		.keep_net_admin = true, .empty_root = true, .syscalls = SYSCALLS_KEEPER};
	struct setlink_element element = {.key = {1}, .key_size = 4};
	struct setlink *link;
	char *message;

	CHECK(ruleset_load("table inet t { set live { type mark; }; }", false, &message) == 0);
	CHECK(confine_self(&confine) == 0);
	CHECK(setlink_open(&link) == 0);
	setlink_begin(link, "t");
	setlink_add(link, "live", &element);
	CHECK(setlink_commit(link) == 0);
	CHECK(setlink_find(link, "t", "live") == 0);
	setlink_close(link);
}

/* ---- A violation names itself ---- */

static void name_call(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	_exit(strcmp(syscalls_name(info->si_syscall), "unshare") == 0 ? 0 : 1);
}

static void call_in_child(void *context)
{
	struct confine confine = {.syscalls = SYSCALLS_WORKER};
	struct sigaction action = {.sa_sigaction = name_call, .sa_flags = SA_SIGINFO};

	(void)context;
	CHECK(sigaction(SIGSYS, &action, NULL) == 0);
	CHECK(confine_self(&confine) == 0);
	unshare(CLONE_NEWNET);
	_exit(2);
}

static void violation_has_a_name(void)
{
	CHECK(strcmp(syscalls_name(SYS_unshare), "?") == 0);
	syscalls_load_names();
	CHECK(strcmp(syscalls_name(SYS_unshare), "unshare") == 0);
	CHECK(strcmp(syscalls_name(SYS_landlock_restrict_self), "landlock_restrict_self") == 0);
	CHECK(strcmp(syscalls_name(-1), "?") == 0 && strcmp(syscalls_name(1 << 30), "?") == 0);
	CHECK(space_child(call_in_child, NULL));
}

#ifdef __x86_64__
/* The same kernel, by the numbers of another architecture. */
static long call_as_i386(void)
{
	long number = 20, pid; /* getpid(2) there */

	__asm__ volatile("int $0x80" : "=a"(pid) : "a"(number) : "memory");
	return pid;
}

/* getpid(2) of x32. */
static long call_as_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

static void other_architectures(void)
{
	for (int role = SYSCALLS_SUPERVISOR; role <= SYSCALLS_WORKER; role++) {
		const struct confine confine = {.syscalls = (enum syscalls_role)role};

		CHECK(outcome_of(call_as_i386, &confine) == -SIGSYS);
		CHECK(outcome_of(call_as_x32, &confine) == -SIGSYS);
	}
}
#endif

/* ---- The supervisor ---- */

/* Whether the line of /proc/self/status that starts with `name` has these capabilities only. */
static bool has_only(const char *name, uint64_t wanted)
{
	char text[16384] = "";
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const char *line;

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	line = strstr(text, name);
	CHECK(line != NULL);
	return strtoull(line + strlen(name), NULL, 16) == wanted;
}

static uint64_t bits_of(const int *capabilities, size_t count)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < count; i++)
		bits |= UINT64_C(1) << capabilities[i];
	return bits;
}

static long worker_of_supervisor(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : -1;
}

static bool is_refused(long result)
{
	return result < 0 && errno == EPERM;
}

static void supervisor(void)
{
	static const int kept[] = {CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_SETPCAP, CAP_SYS_CHROOT,
		CAP_SETGID, CAP_SETUID, CAP_KILL, CAP_DAC_READ_SEARCH};
	const uint64_t wanted = bits_of(kept, sizeof(kept) / sizeof(kept[0]));
	const struct confine worker = {.empty_root = true, .syscalls = SYSCALLS_WORKER};
	const struct confine keeper = {
		.keep_net_admin = true, .empty_root = true, .syscalls = SYSCALLS_KEEPER};

	test = getpid();
	CHECK(confine_supervisor() == 0);
	CHECK(has_only("\nCapPrm:", wanted) && has_only("\nCapEff:", wanted));
	CHECK(has_only("\nCapBnd:", 0) && has_only("\nCapInh:", 0) && has_only("\nCapAmb:", 0));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(is_refused(execute()) && is_refused(new_namespace()) && is_refused(load_program()));
	CHECK(is_refused(mount_something()) && is_refused(use_uring()));
	CHECK(is_refused(read_parent()));
	CHECK(tcp_socket() == 0 && unix_socket() == 0);
	CHECK(outcome_of(worker_of_supervisor, &worker) == 0);
	CHECK(outcome_of(netfilter_socket, &keeper) == 0);
	CHECK(outcome_of(netfilter_socket, &worker) == TRAPPED);
}

/* What isn't there isn't asked for. */
static void supervisor_with_less(void)
{
	struct confine confine = {.keep_net_admin = true};

	CHECK(confine_self(&confine) == 0);
	CHECK(confine_supervisor() == 0);
	CHECK(has_only("\nCapPrm:", UINT64_C(1) << CAP_NET_ADMIN));
	CHECK(confine_supervisor() == 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"what a keeper tries", keeper_tries, SPACE_USER},
		{"what a worker tries", worker_tries, SPACE_USER},
		{"what a keeper is there for", keeper_keeps, SPACE_USER},
		{"a violation has a name", violation_has_a_name, SPACE_USER},
#ifdef __x86_64__
		{"calls of other architectures", other_architectures, SPACE_USER},
#endif
		{"the supervisor", supervisor, SPACE_USER},
		{"a supervisor that has less", supervisor_with_less, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
