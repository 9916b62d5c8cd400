/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/kernel/space.h"

#define OTHER 65534 /* nobody, everywhere */

/* ---- What the kernel says of this process ---- */

/* Opened before confinement, which may take /proc away; read at any time. */
static int status_fd = -1;

/* The rest of the line of /proc/self/status that starts with `name`. */
static const char *status(const char *name)
{
	static char text[16384];
	ssize_t size = pread(status_fd, text, sizeof(text) - 1, 0);
	char *line;

	CHECK(size > 0);
	text[size] = '\0';
	line = strstr(text, name);
	CHECK(line != NULL);
	line += strlen(name);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static uint64_t capability_set(const char *name)
{
	return strtoull(status(name), NULL, 16);
}

static void check_ids(const struct confine *confine)
{
	char ids[64];

	snprintf(ids, sizeof(ids), "\t%u\t%u\t%u\t%u", confine->uid, confine->uid, confine->uid,
		confine->uid);
	CHECK(strcmp(status("\nUid:"), ids) == 0);
	snprintf(ids, sizeof(ids), "\t%u\t%u\t%u\t%u", confine->gid, confine->gid, confine->gid,
		confine->gid);
	CHECK(strcmp(status("\nGid:"), ids) == 0);
}

static void check_capabilities(const struct confine *confine)
{
	uint64_t wanted = confine->keep_net_admin ? UINT64_C(1) << CAP_NET_ADMIN : 0;

	CHECK(capability_set("\nCapPrm:") == wanted);
	CHECK(capability_set("\nCapEff:") == wanted);
	CHECK(capability_set("\nCapInh:") == 0);
	CHECK(capability_set("\nCapAmb:") == 0);
}

static void check_rest(void)
{
	int signal = 0;

	CHECK(strtol(status("\nNoNewPrivs:"), NULL, 10) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) == 0);
	CHECK(signal == SIGKILL);
}

/* Only for who had CAP_SETPCAP. */
static void check_exec_disarmed(void)
{
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	CHECK(capability_set("\nCapBnd:") == 0);
	CHECK((bits & SECBIT_NOROOT) && (bits & SECBIT_NOROOT_LOCKED));
	CHECK((bits & SECBIT_NO_CAP_AMBIENT_RAISE) && (bits & SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED));
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0);
}

static void check_empty_root(void)
{
	char where[64];
	struct stat file;

	CHECK(stat("/etc", &file) < 0 && stat("/proc", &file) < 0 && stat("etc", &file) < 0);
	CHECK(open("/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0);
	CHECK(mkdir("/new", 0700) < 0 && mkdir("new", 0700) < 0);
	CHECK(stat("/", &file) == 0 && file.st_nlink == 0); /* it is removed */
	CHECK(getcwd(where, sizeof(where)) == NULL || strcmp(where, "/") == 0);
}

static void check_no_way_back(void)
{
	CHECK(setuid(0) < 0 && errno == EPERM);
	CHECK(seteuid(0) < 0 && errno == EPERM);
	CHECK(setresuid(0, 0, 0) < 0 && errno == EPERM);
	CHECK(setgid(0) < 0 && errno == EPERM);
	CHECK(setresgid(0, 0, 0) < 0 && errno == EPERM);
	CHECK(setgroups(0, NULL) < 0 && errno == EPERM);
	CHECK(chroot("/") < 0);
}

/* ---- What may be committed ---- */

static struct setlink *table_link(void)
{
	struct setlink *link;
	char *message;

	CHECK(ruleset_load("table inet t { set live { type mark; }; }", false, &message) == 0);
	CHECK(setlink_open(&link) == 0);
	return link;
}

static int commit_one(struct setlink *link)
{
	struct setlink_element element = {.key = {1}, .key_size = 4};

	setlink_begin(link, "t");
	setlink_add(link, "live", &element);
	return setlink_commit(link);
}

/* Confines this child, and tries everything. */
static void confine_and_check(const struct confine *confine)
{
	struct setlink *link = table_link();

	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	CHECK(status_fd >= 0);
	CHECK(commit_one(link) == 0);
	CHECK(confine_self(confine) == 0);
	check_ids(confine);
	check_capabilities(confine);
	check_exec_disarmed();
	check_rest();
	if (confine->empty_root)
		check_empty_root();
	CHECK(commit_one(link) == (confine->keep_net_admin ? 0 : -EPERM));
	setlink_close(link);
}

/* ---- Root, who becomes another ---- */

static void root_in_child(void *context)
{
	const gid_t groups[2] = {1, 2};
	const char *left;

	CHECK(setgroups(2, groups) == 0);
	confine_and_check(context);
	left = status("\nGroups:");
	CHECK(left[strspn(left, "\t ")] == '\0');
	check_no_way_back();
}

static void in_both_ways(void (*body)(void *context), struct confine confine)
{
	CHECK(space_child(body, &confine));
	confine.keep_net_admin = true;
	CHECK(space_child(body, &confine));
}

static void root_becomes_another(void)
{
	in_both_ways(root_in_child, (struct confine){.uid = OTHER, .gid = OTHER});
}

static void root_in_an_empty_root(void)
{
	in_both_ways(
		root_in_child, (struct confine){.uid = OTHER, .gid = OTHER, .empty_root = true});
}

/* ---- The one user of a namespace ---- */

static void user_in_child(void *context)
{
	confine_and_check(context);
}

static void user_stays(void)
{
	in_both_ways(user_in_child, (struct confine){.uid = 0, .gid = 0});
}

static void user_in_an_empty_root(void)
{
	in_both_ways(user_in_child, (struct confine){.uid = 0, .gid = 0, .empty_root = true});
}

static int count_leftovers(const char *folder)
{
	DIR *entries = opendir(folder);
	const struct dirent *entry;
	int count = 0;

	CHECK(entries != NULL);
	while ((entry = readdir(entries)))
		count += strncmp(entry->d_name, "egress-empty-", 13) == 0;
	closedir(entries);
	return count;
}

static void nothing_is_left_behind(void)
{
	struct confine confine = {.uid = 0, .gid = 0, .empty_root = true};
	int before = count_leftovers("/run") + count_leftovers("/tmp");

	CHECK(space_child(user_in_child, &confine));
	CHECK(count_leftovers("/run") + count_leftovers("/tmp") == before);
}

static void impossible_ids(void)
{
	const struct confine nobody = {.uid = (uid_t)-1, .gid = 0};
	const struct confine no_group = {.uid = 0, .gid = (gid_t)-1};
	const struct confine unmapped = {.uid = 12345, .gid = 0};

	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	CHECK(confine_self(&nobody) == -EINVAL);
	CHECK(confine_self(&no_group) == -EINVAL);
	CHECK(capability_set("\nCapBnd:") != 0); /* nothing was done yet */
	CHECK(confine_self(&unmapped) < 0);
}

/* As a service manager may start it: no more than what it keeps, and no right to change more. */
static void only_what_it_keeps(void)
{
	struct confine confine = {.uid = 0, .gid = 0, .keep_net_admin = true};
	struct setlink *link = table_link();

	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	CHECK(status_fd >= 0);
	CHECK(confine_self(&confine) == 0);
	CHECK(confine_self(&confine) == 0);
	check_capabilities(&confine);
	check_rest();
	CHECK(commit_one(link) == 0);
	confine.keep_net_admin = false;
	CHECK(confine_self(&confine) == 0);
	check_capabilities(&confine);
	CHECK(commit_one(link) == -EPERM);
	confine.keep_net_admin = true;
	CHECK(confine_self(&confine) == -EPERM);
}

/* ---- A process with nothing to give up ---- */

static void become_ordinary(void)
{
	if (geteuid() != 0)
		return;
	if (!space_is_root())
		space_skip_test("uid 0, and no other to become");
	CHECK(setgroups(0, NULL) == 0 && setresgid(OTHER, OTHER, OTHER) == 0);
	CHECK(setresuid(OTHER, OTHER, OTHER) == 0);
	/* setresuid() made it undumpable, and its files in /proc root's */
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static void ordinary_process(void)
{
	struct confine confine = {.uid = 0};

	become_ordinary();
	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	CHECK(status_fd >= 0);
	confine.uid = geteuid();
	confine.gid = getegid();
	CHECK(confine_self(&confine) == 0);
	check_ids(&confine);
	check_capabilities(&confine);
	check_rest();
}

static void is_not_permitted(void *context)
{
	CHECK(confine_self(context) == -EPERM);
}

static void ordinary_process_asks_for_more(void)
{
	struct confine confine = {.keep_net_admin = true};

	become_ordinary();
	confine.uid = geteuid();
	confine.gid = getegid();
	CHECK(space_child(is_not_permitted, &confine));
	confine.keep_net_admin = false;
	confine.uid = 0;
	CHECK(space_child(is_not_permitted, &confine));
	confine.uid = geteuid();
	confine.gid = 0;
	CHECK(space_child(is_not_permitted, &confine));
}

/* ---- Files, without a privilege ---- */

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 1;
}

static void ordinary_process_without_files(void)
{
	struct confine confine = {.empty_root = true};

	become_ordinary();
	confine.uid = geteuid();
	confine.gid = getegid();
	if (!has_landlock()) {
		CHECK(space_child(is_not_permitted, &confine));
		return;
	}
	CHECK(confine_self(&confine) == 0);
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	CHECK(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES);
	CHECK(open("/tmp/egress-test", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0);
	CHECK(errno == EACCES);
	CHECK(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EACCES);
}

/* ---- Later ---- */

static void exec_gains_nothing(void)
{
	struct confine confine = {.uid = 0, .gid = 0, .keep_net_admin = true};

	CHECK(confine_self(&confine) == 0);
	execl("/bin/sh", "sh", "-c", "! grep -Eq '^Cap(Eff|Prm|Amb):.*[1-9a-f]' /proc/$$/status",
		(char *)NULL);
	CHECK(false);
}

/* A confined process holds the pipe's end open until its parent's death kills it. */
static void orphan_in_child(void *context)
{
	struct confine confine = {.uid = 0, .gid = 0};
	int *ends = context, ready[2];
	char byte = 1;

	CHECK(pipe(ready) == 0);
	if (fork() == 0) {
		CHECK(confine_self(&confine) == 0);
		CHECK(write(ready[1], &byte, 1) == 1);
		alarm(60); /* it must not stay if this fails */
		pause();
		_exit(1);
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(close(ends[1]) == 0);
}

static void dies_with_its_parent(void)
{
	struct pollfd end = {.events = POLLIN};
	int ends[2];

	CHECK(pipe(ends) == 0);
	CHECK(space_child(orphan_in_child, ends));
	CHECK(close(ends[1]) == 0);
	end.fd = ends[0];
	CHECK(poll(&end, 1, 30000) == 1);
	CHECK(end.revents == POLLHUP);
}

/* ---- What the kernel refuses ---- */

enum { FAULT_CALLS = 3 };

/* Calls that fail, as a kernel or a filter around this process may have it; of prctl(2) with one
 * option only. */
static const struct fault {
	const char *what;
	int calls[FAULT_CALLS];
	int option;
	bool empty_root;
	bool bearable; /* what it is for is had without */
	bool supervisors;
} faults[] = {
	{"capabilities cannot be read", {SCMP_SYS(capget)}, 0, false, false, true},
	{"capabilities stay", {SCMP_SYS(capset)}, 0, false, false, true},
	{"the bounding set stays", {SCMP_SYS(prctl)}, PR_CAPBSET_DROP, false, false, true},
	{"the ambient set stays", {SCMP_SYS(prctl)}, PR_CAP_AMBIENT, false, false, true},
	{"securebits stay", {SCMP_SYS(prctl)}, PR_SET_SECUREBITS, false, false, false},
	{"groups stay", {SCMP_SYS(setgroups)}, 0, false, false, false},
	{"no capability outlasts the user", {SCMP_SYS(prctl)}, PR_SET_KEEPCAPS, false, false,
		false},
	{"the group stays", {SCMP_SYS(setresgid)}, 0, false, false, false},
	{"the user stays", {SCMP_SYS(setresuid)}, 0, false, false, false},
	{"exec adds", {SCMP_SYS(prctl)}, PR_SET_NO_NEW_PRIVS, false, false, true},
	{"it can be traced", {SCMP_SYS(prctl)}, PR_SET_DUMPABLE, false, false, true},
	{"it outlives its parent", {SCMP_SYS(prctl)}, PR_SET_PDEATHSIG, false, false, false},
	{"no filter", {SCMP_SYS(seccomp), SCMP_SYS(prctl)}, PR_SET_SECCOMP, false, false, true},
	{"no folder", {SCMP_SYS(mkdir), SCMP_SYS(mkdirat)}, 0, true, true, false},
	{"no way there", {SCMP_SYS(chdir)}, 0, true, true, false},
	{"it is not removed", {SCMP_SYS(rmdir)}, 0, true, true, false},
	{"no root of its own", {SCMP_SYS(chroot)}, 0, true, true, false},
	{"no Landlock", {SCMP_SYS(landlock_create_ruleset)}, 0, true, true, false},
	{"Landlock does not hold", {SCMP_SYS(landlock_restrict_self)}, 0, true, true, false},
	{"files, as there is no folder",
		{SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(landlock_create_ruleset)}, 0, true,
		false, false},
	{"files, as nothing leads there", {SCMP_SYS(chdir), SCMP_SYS(landlock_create_ruleset)}, 0,
		true, false, false},
	{"files, as it is not removed", {SCMP_SYS(rmdir), SCMP_SYS(landlock_restrict_self)}, 0,
		true, false, false},
	{"files, as the root stays", {SCMP_SYS(chroot), SCMP_SYS(landlock_restrict_self)}, 0, true,
		false, false},
};

static void refuse(const struct fault *fault)
{
	size_t count = 0;

	while (count < FAULT_CALLS && fault->calls[count] != 0)
		count++;
	CHECK(space_refuse(fault->calls, count, fault->option) == 0);
}

static void confine_with_fault(void *context)
{
	const struct fault *fault = context;
	const struct confine confine = {.uid = 0,
		.gid = 0,
		.keep_net_admin = true,
		.empty_root = fault->empty_root,
		.syscalls = SYSCALLS_KEEPER};

	refuse(fault);
	CHECK((confine_self(&confine) == 0) == fault->bearable);
}

static void supervise_with_fault(void *context)
{
	refuse(context);
	CHECK(confine_supervisor() < 0);
}

/* Nothing goes on with more than it should have. */
static void faults_are_told(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct fault fault = faults[i];

		fprintf(stderr, "# %s\n", fault.what);
		CHECK(space_child(confine_with_fault, &fault));
		CHECK(!fault.supervisors || space_child(supervise_with_fault, &fault));
	}
}

/* ---- Users by name ---- */

static void users(void)
{
	uid_t uid = 7;
	gid_t gid = 7;

	CHECK(confine_user("no such user", &uid, &gid) == -ENOENT);
	CHECK(confine_user("", &uid, &gid) == -ENOENT);
	CHECK(confine_user("-1", &uid, &gid) == -ENOENT);
	CHECK(confine_user("4294967295", &uid, &gid) == -ENOENT);
	CHECK(confine_user("4294967296", &uid, &gid) == -ENOENT);
	CHECK(uid == 7 && gid == 7);
	CHECK(confine_user("root", &uid, &gid) == 0);
	CHECK(uid == 0 && gid == 0);
	CHECK(confine_user("3987654321", &uid, &gid) == 0);
	CHECK(uid == 3987654321 && gid == 3987654321);
	CHECK(confine_user("0", &uid, &gid) == 0);
	CHECK(uid == 0 && gid == 0);
}

/* Every user of /etc/passwd, by name and by number, of which the first with it counts. */
static void users_have_a_group(void)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;
	unsigned count = 0;
	char number[16];
	uid_t uid;
	gid_t gid;

	CHECK(file != NULL);
	for (; (entry = fgetpwent(file)); count++) {
		CHECK(confine_user(entry->pw_name, &uid, &gid) == 0);
		CHECK(uid == entry->pw_uid && gid == entry->pw_gid);
		snprintf(number, sizeof(number), "%u", entry->pw_uid);
		CHECK(confine_user(number, &uid, &gid) == 0);
		CHECK(uid == entry->pw_uid);
	}
	CHECK(count > 0);
	fclose(file);
}

int main(void)
{
	const struct space_test tests[] = {
		{"root becomes another user", root_becomes_another, SPACE_ROOT},
		{"root becomes another user, in an empty root", root_in_an_empty_root, SPACE_ROOT},
		{"the one user of a namespace stays", user_stays, SPACE_USER},
		{"the one user of a namespace, in an empty root", user_in_an_empty_root,
			SPACE_USER},
		{"the empty root leaves nothing behind", nothing_is_left_behind, SPACE_USER},
		{"a process with only what it keeps", only_what_it_keeps, SPACE_USER},
		{"impossible ids", impossible_ids, SPACE_USER},
		{"an ordinary process", ordinary_process, SPACE_HERE},
		{"an ordinary process asks for more", ordinary_process_asks_for_more, SPACE_HERE},
		{"an ordinary process gives up files", ordinary_process_without_files, SPACE_HERE},
		{"what cannot be given up is told", faults_are_told, SPACE_USER},
		{"exec gains nothing", exec_gains_nothing, SPACE_USER},
		{"dies with its parent", dies_with_its_parent, SPACE_USER},
		{"users by name and number", users, SPACE_HERE},
		{"users have a group", users_have_a_group, SPACE_HERE},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
