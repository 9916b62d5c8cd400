/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/run/names.h"

/*
 * Theory of operation
 *
 * A network namespace doesn't contain sockets that are files. Behind some of them a program outside
 * looks up names (nscd, systemd-resolved, avahi), connects, or starts what it is told to, and with
 * that the command would be out. They are hidden: a folder by an empty file system, so that a
 * socket made anew later doesn't show, a file by /dev/null, which lasts until who made the socket
 * makes another in its place. Everything else is as it was, and what the host mounts later is seen,
 * but for /run.
 *
 * Our own files lie in a file system in memory, which is mounted over a folder that is there in any
 * case for as long as it takes to copy its files' mounts elsewhere: a mount can be copied only from
 * where the process has one.
 *
 * resolv.conf is often a link into a folder that is hidden; then its file is made there.
 */

enum { PLACE_MAX = 512, FILE_MAX = 1 << 20 };

#define RESOLV_CONF "/etc/resolv.conf"
#define NSSWITCH "/etc/nsswitch.conf"

/* What is hidden, and why. "%u" is the user's id, "%h" the home folder, "%s" that of programs'
 * states. */
static const struct {
	const char *path;
	const char *reason;
} places[] = {
	{"/run/nscd", "looks names up"},
	{"/var/run/nscd", "looks names up"},
	{"/run/systemd/resolve", "looks names up"},
	{"/run/avahi-daemon", "looks names up"},
	{"/run/dbus", "has services look up names, connect and start programs"},
	{"/run/user/%u/bus", "the same for one user"},
	{"/run/user/%u/at-spi", "the same for one user"},
	{"/run/user/%u/systemd", "starts programs"},
	{"/run/systemd/private", "starts programs"},
	{"/run/systemd/io.systemd.Manager", "starts programs"},
	{"/run/docker.sock", "starts programs in containers"},
	{"/run/docker", "starts programs in containers"},
	{"/run/containerd", "starts programs in containers"},
	{"/run/podman", "starts programs in containers"},
	{"/run/crio", "starts programs in containers"},
	{"/run/buildkit", "starts programs in containers"},
	{"/run/user/%u/docker.sock", "starts programs in containers"},
	{"/run/user/%u/docker", "starts programs in containers"},
	{"/run/user/%u/podman", "starts programs in containers"},
	{"/run/user/%u/containerd", "starts programs in containers"},
	{"/run/user/%u/buildkit", "starts programs in containers"},
	{"/run/libvirt", "starts virtual machines"},
	{"/run/user/%u/libvirt", "starts virtual machines"},
	{"/run/snapd.socket", "starts programs"},
	{"/run/snapd-snap.socket", "starts programs"},
	{"/run/lxd.socket", "starts programs in containers"},
	{"/var/lib/lxd/unix.socket", "starts programs in containers"},
	{"/var/lib/incus/unix.socket", "starts programs in containers"},
	{"%h/.docker/run", "starts programs in containers"},
	{"%h/.docker/desktop", "starts programs in containers"},
	{"/nix/var/nix/daemon-socket", "starts builders, which may fetch anything"},
	{"/var/guix/daemon-socket", "starts builders, which may fetch anything"},
	{"/run/pcscd", "leads out of the machine"},
	{"/run/user/%u/gnupg/S.dirmngr", "fetches what it is told to"},
	{"%h/.gnupg/S.dirmngr", "fetches what it is told to"},
	{"/run/mpd", "fetches what it is told to"},
	{"/run/user/%u/gvfsd", "connects to other machines"},
	{"/run/tailscale", "connects to other machines"},
	{"/run/cups", "prints wherever it is told to"},
	{"/run/user/%u/pulse", "sends sound wherever it is told to"},
	{"/tmp/tmux-%u", "starts programs in a terminal outside"},
	{"/run/screen", "starts programs in a terminal outside"},
	{"/run/user/%u/zellij", "starts programs in a terminal outside"},
	{"/tmp/zellij-%u", "starts programs in a terminal outside"},
	{"/run/user/%u/wezterm", "starts programs in a terminal outside"},
	{"/run/user/%u/emacs", "starts programs"},
	{"/tmp/emacs%u", "starts programs"},
	{"%s/egress", "is what runs are compared with"},
	{"/var/lib/egress", "is what runs are compared with"},
};

/* Environment variables that name such a socket. */
static const char *const variables[] = {
	"DBUS_SESSION_BUS_ADDRESS",
	"DBUS_SYSTEM_BUS_ADDRESS",
	"TMUX",
	"DOCKER_HOST",
	"CONTAINER_HOST",
	"PULSE_SERVER",
	"VSCODE_IPC_HOOK_CLI",
	"NVIM",
	"KITTY_LISTEN_ON",
	"WEZTERM_UNIX_SOCKET",
	"ALACRITTY_SOCKET",
	"I3SOCK",
	"SWAYSOCK",
};

struct mounts {
	const struct dns_policy *dns;
	char *resolv_conf; /* where it really is; NULL: nowhere */
	char **ret_what;
};

char *mounts_named_socket(const char *value)
{
	static const char *const heads[] = {"unix:path=", "unix://", "unix:", ""};
	const char *start = NULL;
	size_t length;

	for (size_t i = 0; !start; i++) {
		start = strstr(value, heads[i]);
		if (start)
			start += strlen(heads[i]);
	}
	length = strcspn(start, ",;");
	return *start == '/' ? strndup(start, length) : NULL;
}

static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

/* The place's path. false: it has none here, or is too long. */
static bool write_place(const char *place, uid_t uid, char path[PLACE_MAX])
{
	const char *mark = strchr(place, '%'), *home = getenv("HOME");
	const char *states = getenv("XDG_STATE_HOME");
	int length;

	if (!mark)
		length = snprintf(path, PLACE_MAX, "%s", place);
	else if (mark[1] == 'u')
		length = snprintf(
			path, PLACE_MAX, "%.*s%u%s", (int)(mark - place), place, uid, mark + 2);
	else if (mark[1] == 's' && is_absolute(states))
		length = snprintf(path, PLACE_MAX, "%s%s", states, mark + 2);
	else if (is_absolute(home))
		length = snprintf(path, PLACE_MAX, "%s%s%s", home,
			mark[1] == 's' ? "/.local/state" : "", mark + 2);
	else
		return false;
	return length < PLACE_MAX;
}

void mounts_visit(uid_t uid, void (*visit)(void *context, const char *path, const char *reason),
	void *context)
{
	char path[PLACE_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (write_place(places[i].path, uid, path))
			visit(context, path, places[i].reason);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);
		char *named = value ? mounts_named_socket(value) : NULL;

		if (named)
			visit(context, named, variables[i]);
		free(named);
	}
}

/* --- File systems --- */

static int fail(struct mounts *mounts, int error, const char *what)
{
	if (error && !*mounts->ret_what)
		*mounts->ret_what = strdup(what);
	return error;
}

/* A mount of a new file system in memory, anywhere yet: its descriptor, or -errno. */
static int new_memory(void)
{
	CLEANUP_FD int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mount;

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		fsconfig(context, FSCONFIG_SET_STRING, "size", "4m", 0) < 0 ||
		fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount = fsmount(
		context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount < 0 ? -errno : mount;
}

static int make_read_only(int mount)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};

	return mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0 ? -errno
											    : 0;
}

static int write_into(int folder, const char *name, const char *text, size_t size)
{
	CLEANUP_FD int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	return fd < 0 ? -errno : fd_write_all(fd, text, size);
}

/* The mount goes where `place` is open. */
static int put_mount(int mount, int place)
{
	return move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
			       0
		       ? -errno
		       : 0;
}

/* --- Our own files --- */

static int write_resolv_conf(const struct mounts *mounts, int folder, const char *name)
{
	char *text;
	size_t size;
	int error = names_resolv_conf(mounts->dns, &text, &size);

	if (error)
		return error;
	error = write_into(folder, name, text, size);
	free(text);
	return error;
}

/* The system's, changed. 0, -ENOENT when it has none, or -errno. */
static int write_nsswitch(int folder, const char *name)
{
	uint8_t *before;
	size_t size;
	char *text = NULL;
	int error = fd_read_file(NSSWITCH, FILE_MAX, &before, &size);

	if (error)
		return error;
	error = names_nsswitch((struct text){(const char *)before, size}, &text, &size);
	free(before);
	if (!error)
		error = write_into(folder, name, text, size);
	free(text);
	return error;
}

/* Covers `place` by a file of the folder. A place that isn't there is left so. */
static int cover_file(const char *folder, const char *name, int place)
{
	char path[PLACE_MAX];
	CLEANUP_FD int copy = -1;
	int error;

	if (place < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	copy = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (copy < 0)
		return -errno;
	error = make_read_only(copy);
	return error ? error : put_mount(copy, place);
}

static int write_files(const struct mounts *mounts, int folder)
{
	int error = write_resolv_conf(mounts, folder, "resolv.conf");

	if (!error)
		error = write_nsswitch(folder, "nsswitch.conf");
	return error == -ENOENT ? 0 : error;
}

/* Where the files are mounted for a while; each system has it, and what lies there is opened
 * before. */
#define WORKBENCH "/proc"

static int cover_files(struct mounts *mounts)
{
	CLEANUP_FD int resolv_conf = open(RESOLV_CONF, O_PATH | O_CLOEXEC);
	CLEANUP_FD int nsswitch = open(NSSWITCH, O_PATH | O_CLOEXEC);
	CLEANUP_FD int files = new_memory();
	int error = files < 0 ? files : write_files(mounts, files);

	if (!error && move_mount(files, "", AT_FDCWD, WORKBENCH, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		error = -errno;
	if (error)
		return fail(mounts, error, "files of its own");
	error = fail(mounts, cover_file(WORKBENCH, "resolv.conf", resolv_conf), RESOLV_CONF);
	if (!error)
		error = fail(mounts, cover_file(WORKBENCH, "nsswitch.conf", nsswitch), NSSWITCH);
	if (umount2(WORKBENCH, MNT_DETACH) < 0 && !error)
		error = fail(mounts, -errno, WORKBENCH);
	return error;
}

/* --- Hidden places --- */

/* Makes resolv.conf in the file system that is to hide a folder above it; its path below the folder
 * has no further folders, or there is none. */
static int place_resolv_conf(struct mounts *mounts, const char *folder, int mount)
{
	size_t length = strlen(folder);
	const char *path = mounts->resolv_conf;

	if (!path || strncmp(path, folder, length) != 0 || path[length] != '/' ||
		strchr(path + length + 1, '/'))
		return 0;
	return write_resolv_conf(mounts, mount, path + length + 1);
}

static int hide_folder(struct mounts *mounts, const char *path, int place)
{
	CLEANUP_FD int mount = new_memory();
	int error = mount < 0 ? mount : place_resolv_conf(mounts, path, mount);

	if (!error)
		error = make_read_only(mount);
	return error ? error : put_mount(mount, place);
}

/* Connecting to what is no socket is refused. */
static int hide_file(int place)
{
	CLEANUP_FD int copy = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return copy < 0 ? -errno : put_mount(copy, place);
}

static int hide_place(struct mounts *mounts, const char *path)
{
	CLEANUP_FD int place = open(path, O_PATH | O_CLOEXEC);
	struct stat status;
	char *real;
	int error;

	if (place < 0 || fstat(place, &status) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (!S_ISDIR(status.st_mode))
		return hide_file(place);
	real = realpath(path, NULL);
	error = real ? hide_folder(mounts, real, place) : -errno;
	free(real);
	return error;
}

/* --- What is mounted later --- */

/* Has the folder be a mount of its own. */
static int split_off(const char *path)
{
	CLEANUP_FD int copy =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (copy < 0)
		return -errno;
	return move_mount(copy, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int make_private(const char *path)
{
	return mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

/* A user's folder in /run/user is mounted when the user logs in, and has sockets then. Nothing new
 * comes into /run. */
static int keep_run(struct mounts *mounts)
{
	int error = make_private("/run");

	if (error == -EINVAL)
		error = split_off("/run");
	if (!error)
		error = make_private("/run");
	return error == -ENOENT ? 0 : fail(mounts, error, "/run");
}

/* --- What root may only read --- */

/* Who writes is judged by the user id alone, which is root's outside as well; and what is written
 * has the kernel start programs, or change the network namespace. */
static const char *const settings[] = {"/proc/sys", "/proc/sysrq-trigger", "/sys"};

static int keep_from_writing(const char *path)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	CLEANUP_FD int copy =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (copy < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) <
			0 ||
		move_mount(copy, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int keep_settings(struct mounts *mounts)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !error; i++)
		error = fail(mounts, keep_from_writing(settings[i]), settings[i]);
	return error;
}

struct hiding {
	struct mounts *mounts;
	int error;
};

static void visit_place(void *context, const char *path, const char *reason)
{
	struct hiding *hiding = context;

	(void)reason;
	if (!hiding->error)
		hiding->error = fail(hiding->mounts, hide_place(hiding->mounts, path), path);
}

int mounts_enter(const struct dns_policy *dns, uid_t uid, char **ret_what)
{
	struct mounts mounts = {.dns = dns, .ret_what = ret_what};
	struct hiding hiding = {&mounts, 0};
	int error = 0;

	*ret_what = NULL;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fail(&mounts, -errno, "a mount namespace of its own");
	mounts.resolv_conf = realpath(RESOLV_CONF, NULL);
	error = keep_run(&mounts);
	if (!error)
		error = cover_files(&mounts);
	if (!error)
		mounts_visit(uid, visit_place, &hiding);
	free(mounts.resolv_conf);
	if (!error)
		error = hiding.error;
	return !error && uid == 0 ? keep_settings(&mounts) : error;
}
