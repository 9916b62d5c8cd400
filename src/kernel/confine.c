/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * Three kinds of callers: root, who becomes another user; uid 0 of a user namespace that has no
 * other user to become; and an ordinary user's process. All end the same way: the wanted capability
 * or none in the permitted and effective sets, and no exec or id change that could bring one back.
 *
 * The bounding set and the securebits take CAP_SETPCAP to change. A process without it (an ordinary
 * one, or a container's root that was given only what it needs) keeps them; there no_new_privs
 * alone sees to it that exec adds nothing (security/commoncap.c: cap_bprm_creds_from_file).
 *
 * Files are taken away twice. A root directory that is empty takes CAP_SYS_CHROOT; it hides names,
 * and needs that no descriptor of a directory is left. Landlock (landlock(7)) takes no privilege
 * but a kernel that has it; it refuses every opening, making, removing and executing of a file
 * wherever it lies, but not to see that it is there. Either one alone will do, since the filter of
 * system calls comes on top, and is last: what goes before it takes calls that it refuses.
 */

static int capabilities_apply(capng_select_t set)
{
	errno = 0;
	if (capng_apply(set) == 0)
		return 0;
	return errno ? -errno : -EPERM;
}

static bool contains(const int *capabilities, size_t count, int capability)
{
	for (size_t i = 0; i < count; i++)
		if (capabilities[i] == capability)
			return true;
	return false;
}

/* capng_apply(3) does not say so when it fails (0.8.3). */
int confine_bounds(const int *keeps, size_t n_keeps)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!contains(keeps, n_keeps, i) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* Nothing that is executed later gets a capability: neither from its file, nor for being run by uid
 * 0, nor through the ambient set. */
static int disarm_exec(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	int error;

	if (capng_get_caps_process())
		return -EPERM;
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return 0;
	error = confine_bounds(NULL, 0);
	if (error)
		return error;
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) ? -errno : 0;
}

/* Makes `path`, goes there and removes it: in a removed directory nothing can be created. */
static int enter_removed(char *path)
{
	int error = 0;

	if (!mkdtemp(path))
		return -errno;
	if (chdir(path))
		error = -errno;
	if (rmdir(path) && !error)
		error = -errno;
	return error;
}

static int enter_empty_root(void)
{
	/* A container's root is often read-only, but one of these can be written. */
	static const char *const places[] = {"/run", "/tmp", "/dev/shm"};
	char path[64];
	int error = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && error; i++) {
		snprintf(path, sizeof(path), "%s/egress-empty-XXXXXX", places[i]);
		error = enter_removed(path);
	}
	if (error)
		return error;
	return chroot(".") || chdir("/") ? -errno : 0;
}

/* What may be regulated, by version of the interface; newer kernels take more than their headers
 * here know of (include/uapi/linux/landlock.h). */
struct landlock_rights {
	uint64_t files;
	uint64_t network; /* from version 4 on */
	uint64_t scoped;  /* from version 6 on */
};

enum { LANDLOCK_VERSIONS = 6 };

#define FILES_1 ((UINT64_C(1) << 13) - 1)     /* all, up to LANDLOCK_ACCESS_FS_MAKE_SYM */
#define FILES_2 (FILES_1 | UINT64_C(1) << 13) /* LANDLOCK_ACCESS_FS_REFER */
#define FILES_3 (FILES_2 | UINT64_C(1) << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE */
#define FILES_5 (FILES_3 | UINT64_C(1) << 15) /* LANDLOCK_ACCESS_FS_IOCTL_DEV */
#define BIND_TCP 1 /* LANDLOCK_ACCESS_NET_BIND_TCP; to connect is a worker's job */
#define SCOPES 3   /* abstract sockets and signals of processes outside */

static const struct {
	struct landlock_rights rights;
	size_t size; /* that this version knows */
} landlock_versions[LANDLOCK_VERSIONS] = {
	{{FILES_1, 0, 0}, 8},
	{{FILES_2, 0, 0}, 8},
	{{FILES_3, 0, 0}, 8},
	{{FILES_3, BIND_TCP, 0}, 16},
	{{FILES_5, BIND_TCP, 0}, 16},
	{{FILES_5, BIND_TCP, SCOPES}, 24},
};

/* Regulates all and permits none. 0; -ENOSYS or -EOPNOTSUPP where the kernel has no Landlock. */
static int enter_landlock(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	CLEANUP_FD int ruleset = -1;

	if (version < 1)
		return version < 0 ? -errno : -ENOSYS;
	if (version > LANDLOCK_VERSIONS)
		version = LANDLOCK_VERSIONS;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &landlock_versions[version - 1].rights,
		landlock_versions[version - 1].size, 0);
	if (ruleset < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) ? -errno : 0;
}

/* A process that stays who it is may lack the right, or be in a user namespace that forbids it to
 * everybody (user_namespaces(7)): then the groups are those its user has anyhow. */
static int drop_groups(const struct confine *confine)
{
	if (setgroups(0, NULL) == 0)
		return 0;
	if (errno == EPERM && geteuid() == confine->uid && getegid() == confine->gid)
		return 0;
	return -errno;
}

/* Real, effective and saved ids, the group first as it takes privilege too. With SECBIT_KEEP_CAPS
 * leaving uid 0 clears the effective set, but not the permitted one. */
static int change_ids(const struct confine *confine)
{
	if (confine->keep_net_admin && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if (setresgid(confine->gid, confine->gid, confine->gid))
		return -errno;
	return setresuid(confine->uid, confine->uid, confine->uid) ? -errno : 0;
}

/* Also where the id change has dropped them already: uid 0 may have stayed uid 0. */
static int drop_capabilities(const struct confine *confine)
{
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

	capng_clear(CAPNG_SELECT_ALL);
	if (confine->keep_net_admin && capng_update(CAPNG_ADD, sets, CAP_NET_ADMIN))
		return -EPERM;
	return capabilities_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
}

/* What takes privileges, in the order of CAP_SETPCAP, CAP_SYS_CHROOT, CAP_SETGID, CAP_SETUID.
 * Whether there is an empty root is told apart. */
static int drop_privileges(const struct confine *confine, int *ret_root)
{
	int error = disarm_exec();

	if (error)
		return error;
	*ret_root = confine->empty_root ? enter_empty_root() : 0;
	error = drop_groups(confine);
	if (!error)
		error = change_ids(confine);
	return error ? error : drop_capabilities(confine);
}

static int set_flags(void)
{
	/* Set-user-id files and file capabilities count for nothing from here on. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* Others of this user can't trace it, nor read its memory; an id change resets this. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}

int confine_self(const struct confine *confine)
{
	pid_t parent = getppid();
	int error, root;

	if (confine->uid == (uid_t)-1 || confine->gid == (gid_t)-1) /* setresuid(2): "unchanged" */
		return -EINVAL;
	error = drop_privileges(confine, &root);
	if (!error)
		error = set_flags();
	if (error)
		return error;
	if (confine->empty_root && enter_landlock() != 0 && root != 0)
		return root;
	/* After all changes of credentials, which clear it; for a parent already dead it is late.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	return syscalls_limit(confine->syscalls);
}

/* --- The supervisor --- */

/* What it keeps, and why. It stays root where it was: files and directories of root's are its own,
 * and what the children can't take with them it can't give them. */
static const unsigned supervisor_keeps[] = {
	CAP_NET_ADMIN,        /* to read the ruleset, and take its mark away; the keeper's */
	CAP_NET_BIND_SERVICE, /* to listen on port 53, also after a reload */
	CAP_SETPCAP,          /* so that children can empty their bounding set, */
	CAP_SYS_CHROOT,       /* leave all files behind, */
	CAP_SETGID,           /* and become another user */
	CAP_SETUID, CAP_KILL, /* to end a child that has become that user and hangs */
	CAP_DAC_READ_SEARCH,  /* to read a policy that lies in a user's own folder */
};

int confine_supervisor(void)
{
	const size_t n_keeps = sizeof(supervisor_keeps) / sizeof(supervisor_keeps[0]);
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	bool has[sizeof(supervisor_keeps) / sizeof(supervisor_keeps[0])];
	bool may_bound;
	int error;

	if (capng_get_caps_process())
		return -EPERM;
	for (size_t i = 0; i < n_keeps; i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, supervisor_keeps[i]);
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n_keeps; i++)
		if (has[i] && capng_update(CAPNG_ADD, sets, supervisor_keeps[i]))
			return -EPERM;
	/* The bounding set first, and empty: nothing that is executed has any. */
	error = may_bound ? confine_bounds(NULL, 0) : 0;
	if (!error)
		error = capabilities_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	if (!error)
		error = set_flags();
	return error ? error : syscalls_limit(SYSCALLS_SUPERVISOR);
}

/* --- Users --- */

int confine_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	uint64_t number = 0;
	bool is_number = text_to_number(text_of(name), UINT32_MAX - 1, &number) == 0;
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user && is_number)
		user = getpwuid((uid_t)number);
	if (!user && errno == ENOMEM)
		return -ENOMEM;
	if (!user && !is_number)
		return -ENOENT;
	*ret_uid = user ? user->pw_uid : (uid_t)number;
	*ret_gid = user ? user->pw_gid : (gid_t)number;
	return 0;
}
