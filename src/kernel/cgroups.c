/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * The number of a group is that of its folder's inode (fs/kernfs/dir.c: kernfs_ino), and folders
 * tell the inodes of what is in them: so the tree is read from the top, a level after the other,
 * and nothing but folders is opened. open_by_handle_at(2) would find a group at once, but takes
 * CAP_DAC_READ_SEARCH, and who has it can open any file.
 *
 * Who may make groups gives them names, and makes as many as the limits of the tree let him. The
 * list of folders that are still to be read has its bound, and names that could be taken for
 * something else in a record are passed over.
 */

#define MOUNT "/sys/fs/cgroup"

struct walk {
	int top;
	struct cgroups_wanted *wanted;
	size_t n_wanted;
	size_t n_left; /* that were not found yet */
	size_t n_paths;
	char (*paths)[CGROUPS_PATH]; /* of folders, in the order in which they are read */
};

static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name < '!' || *name > '~')
			return false;
	return true;
}

static void note(struct walk *walk, uint64_t id, const char *path)
{
	for (size_t i = 0; i < walk->n_wanted; i++) {
		struct cgroups_wanted *wanted = &walk->wanted[i];

		if (wanted->id != id || wanted->path[0] != '\0')
			continue;
		snprintf(wanted->path, sizeof(wanted->path), "%s", path);
		walk->n_left--;
	}
}

/* A folder in that of `path`, which is "" at the top. */
static void take_folder(struct walk *walk, const char *path, const struct dirent *entry)
{
	char *own;
	int length;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		!is_plain(entry->d_name) || walk->n_paths == CGROUPS_MAX)
		return;
	own = walk->paths[walk->n_paths];
	length = snprintf(own, CGROUPS_PATH, "%s/%s", path, entry->d_name);
	if (length < 0 || length >= CGROUPS_PATH)
		return;
	walk->n_paths++;
	note(walk, entry->d_ino, own);
}

/* One that has gone meanwhile, or can't be read, has nothing in it. */
static void read_folder(struct walk *walk, const char *path)
{
	int fd = openat(walk->top, path[0] ? path + 1 : ".",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!folder) {
		fd_closep(&fd);
		return;
	}
	while (walk->n_left > 0 && (entry = readdir(folder)))
		if (entry->d_type == DT_DIR)
			take_folder(walk, path, entry);
	closedir(folder);
}

int cgroups_find_below(int folder, struct cgroups_wanted *wanted, size_t n_wanted)
{
	struct walk walk = {.top = folder, .wanted = wanted, .n_wanted = n_wanted};
	char(*paths)[CGROUPS_PATH];
	struct stat top;

	for (size_t i = 0; i < n_wanted; i++)
		wanted[i].path[0] = '\0';
	walk.n_left = n_wanted;
	if (fstat(folder, &top) < 0)
		return -errno;
	note(&walk, top.st_ino, "/");
	if (walk.n_left == 0)
		return 0;
	paths = malloc(CGROUPS_MAX * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	walk.paths = paths;
	read_folder(&walk, "");
	for (size_t i = 0; i < walk.n_paths && walk.n_left > 0; i++)
		read_folder(&walk, paths[i]);
	free(paths);
	return 0;
}

/* The top of the tree, or -errno. */
static int open_mount(void)
{
	static const char *const places[] = {MOUNT, MOUNT "/unified"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct statfs about;

		if (fd >= 0 && fstatfs(fd, &about) == 0 &&
			(unsigned long)about.f_type == CGROUP2_SUPER_MAGIC)
			return fd;
		fd_closep(&fd);
	}
	return -ENOENT;
}

int cgroups_find(struct cgroups_wanted *wanted, size_t n_wanted)
{
	CLEANUP_FD int mount = open_mount();

	return mount < 0 ? mount : cgroups_find_below(mount, wanted, n_wanted);
}
