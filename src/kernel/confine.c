/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

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
 */

static int capabilities_apply(capng_select_t set)
{
	errno = 0;
	if (capng_apply(set) == 0)
		return 0;
	return errno ? -errno : -EPERM;
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
	capng_clear(CAPNG_SELECT_BOUNDS);
	error = capabilities_apply(CAPNG_SELECT_BOUNDS);
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

int confine_self(const struct confine *confine)
{
	pid_t parent = getppid();
	int error;

	if (confine->uid == (uid_t)-1 || confine->gid == (gid_t)-1) /* setresuid(2): "unchanged" */
		return -EINVAL;
	/* In the order of what they take: CAP_SETPCAP, CAP_SYS_CHROOT, CAP_SETGID, CAP_SETUID. */
	error = disarm_exec();
	if (!error && confine->empty_root)
		error = enter_empty_root();
	if (!error)
		error = drop_groups(confine);
	if (!error)
		error = change_ids(confine);
	if (!error)
		error = drop_capabilities(confine);
	if (error)
		return error;
	/* Set-user-id files and file capabilities count for nothing from here on. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* Others of this user can't trace it, nor read its memory; an id change resets this. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	/* Last, since a change of credentials clears it; for a parent already dead it is late. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int confine_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user = getpwnam(name);
	uint64_t number = 0;
	bool is_number = text_to_number(text_of(name), UINT32_MAX - 1, &number) == 0;

	if (!user && is_number)
		user = getpwuid((uid_t)number);
	if (!user && !is_number)
		return -ENOENT;
	*ret_uid = user ? user->pw_uid : (uid_t)number;
	*ret_gid = user ? user->pw_gid : (gid_t)number;
	return 0;
}
