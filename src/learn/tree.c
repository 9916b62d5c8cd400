/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/learn/ignore.h"

/*
 * Theory of operation
 *
 * Each folder is opened relative to the one above it, without following a link, and what is in it
 * is opened relative to its descriptor: a tree that is changed meanwhile, or was made to mislead,
 * leads nowhere else. The folders that are open are a stack of bounded depth. A folder's names are
 * read at once and sorted, so that two walks of one tree agree.
 *
 * What git leaves out is left out, as gitignore(5) has it: .gitignore of each folder from the
 * repository's root on, and .git/info/exclude; the last pattern of the innermost file that says
 * anything decides, and nothing below a folder that is out comes in again. A repository within
 * another one is asked nothing of by that. Where the walk begins below a repository's root, the
 * files above it count, if they are of the same owner: nobody else says what is looked at. Users'
 * own excludes are not looked at: a tree gives one draft, whoever makes it. Of .git itself only its
 * configuration is visited.
 *
 * A path is kept behind that of the folder that was walked, so that patterns above it have what
 * they are matched with.
 */

#define NAMES_MAX ((size_t)256 << 20) /* bytes of a folder's names */

struct entry {
	uint32_t name;      /* offset in the frame's names */
	unsigned char type; /* DT_REG or DT_DIR */
};

/* Patterns that hold below a folder. */
struct patterns {
	struct ignore *ignore;  /* its .gitignore; NULL: none */
	struct ignore *exclude; /* .git/info/exclude of a repository that begins here */
	bool is_root;           /* one does: what is above says nothing */
	size_t path_length;     /* of the folder, with its slash */
};

struct frame {
	int fd;
	struct patterns patterns;
	char *names;
	struct entry *entries;
	size_t count, next;
	bool is_git; /* a repository's .git */
};

struct tree {
	const struct tree_options *options;
	struct tree_counts counts;
	struct patterns above[TREE_DEPTH_MAX]; /* of folders above the walk, the innermost first */
	size_t n_above;
	struct frame frames[TREE_DEPTH_MAX];
	size_t depth;
	char path[PATH_MAX + TREE_DEPTH_MAX * (NAME_MAX + 1) + 1];
	size_t start; /* where in it the path below the walk's folder begins */
	char *bytes;  /* of the file read last */
	size_t room;
};

/* --- Reading files --- */

static bool reserve(struct tree *tree, size_t size)
{
	char *bytes;

	if (size < tree->room)
		return true;
	bytes = realloc(tree->bytes, size + 65536);
	if (!bytes)
		return false;
	tree->bytes = bytes;
	tree->room = size + 65536;
	return true;
}

/* 0, -EFBIG, or another -errno. */
static int read_at(struct tree *tree, int folder, const char *name, size_t limit, size_t *ret_size)
{
	CLEANUP_FD int fd =
		openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	size_t size = 0;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if ((uint64_t)status.st_size > limit)
		return -EFBIG;
	if (!reserve(tree, (size_t)status.st_size))
		return -ENOMEM;
	/* As much as it had; one that grows meanwhile is cut. */
	while (size < (size_t)status.st_size) {
		ssize_t got = read(fd, tree->bytes + size, (size_t)status.st_size - size);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		size += got > 0 ? (size_t)got : 0;
	}
	tree->bytes[size] = '\0';
	*ret_size = size;
	return 0;
}

bool tree_read(const struct tree_file *file, size_t limit, struct text *ret_text)
{
	struct tree *tree = file->tree;
	size_t size = 0;
	int error = read_at(tree, file->folder, file->name, limit, &size);

	if (error == -EFBIG)
		tree->counts.too_large++;
	else if (error)
		tree->counts.unreadable++;
	else
		*ret_text = (struct text){tree->bytes, size};
	return error == 0;
}

static struct ignore *read_ignore(struct tree *tree, int folder, const char *name)
{
	size_t size = 0;

	if (tree->options->all || read_at(tree, folder, name, IGNORE_SIZE_MAX, &size) < 0)
		return NULL;
	return ignore_new((struct text){tree->bytes, size});
}

/* .git/info/exclude, each step without following a link. */
static struct ignore *read_exclude(struct tree *tree, int folder)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	CLEANUP_FD int git = openat(folder, ".git", flags);
	CLEANUP_FD int info = git < 0 ? -1 : openat(git, "info", flags);

	return info < 0 ? NULL : read_ignore(tree, info, "exclude");
}

static struct patterns read_patterns(struct tree *tree, int folder, size_t path_length)
{
	return (struct patterns){
		.ignore = read_ignore(tree, folder, ".gitignore"),
		.exclude = read_exclude(tree, folder),
		.is_root = faccessat(folder, ".git", F_OK, AT_SYMLINK_NOFOLLOW) == 0,
		.path_length = path_length,
	};
}

static void free_patterns(struct patterns *patterns)
{
	ignore_free(patterns->ignore);
	ignore_free(patterns->exclude);
}

/* The length of the path of the folder above, with its slash; 0: there is none. */
static size_t cut_part(const char *path, size_t length)
{
	while (length > 1 && path[length - 2] != '/')
		length--;
	return length > 1 ? length - 1 : 0;
}

static bool is_of(int folder, uid_t owner)
{
	struct stat status;

	return fstat(folder, &status) == 0 && status.st_uid == owner;
}

/* Patterns of the folders between a repository's root and the walk's folder, if that lies in one.
 */
static void read_above(struct tree *tree, int folder, const char *name)
{
	char *real = tree->options->all ? NULL : realpath(name, NULL);
	size_t length = real ? strlen(real) : 0;
	struct stat status;
	bool found = false;

	if (length < 2 || length >= PATH_MAX || fstat(folder, &status) < 0 ||
		faccessat(folder, ".git", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		free(real);
		return;
	}
	memcpy(tree->path, real, length);
	tree->path[length] = '/';
	tree->start = length + 1;
	for (length = cut_part(tree->path, tree->start); length > 0 && !found;
		length = cut_part(tree->path, length)) {
		CLEANUP_FD int fd = -1;

		real[length] = '\0';
		fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !is_of(fd, status.st_uid) || tree->n_above == TREE_DEPTH_MAX)
			break;
		tree->above[tree->n_above] = read_patterns(tree, fd, length);
		found = tree->above[tree->n_above++].is_root;
	}
	while (!found && tree->n_above > 0)
		free_patterns(&tree->above[--tree->n_above]);
	free(real);
}

/* --- Folders --- */

static int compare_names(const void *left, const void *right, void *names)
{
	const struct entry *a = left, *b = right;

	return strcmp((const char *)names + a->name, (const char *)names + b->name);
}

static unsigned char type_of(int folder, const struct dirent *file)
{
	struct stat status;

	if (file->d_type != DT_UNKNOWN)
		return file->d_type;
	if (fstatat(folder, file->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return S_ISREG(status.st_mode) ? DT_REG : S_ISDIR(status.st_mode) ? DT_DIR : DT_LNK;
}

/* Adds a name to a frame; the rooms double. */
static int add_entry(struct frame *frame, const char *name, unsigned char type, size_t *used,
	size_t *names_room, size_t *entries_room)
{
	size_t size = strlen(name) + 1;
	void *more;

	if (*used + size > *names_room) {
		*names_room = 2 * (*used + size) + 4096;
		more = *names_room > NAMES_MAX ? NULL : realloc(frame->names, *names_room);
		if (!more)
			return -ENOMEM;
		frame->names = more;
	}
	if (frame->count == *entries_room) {
		*entries_room = 2 * frame->count + 64;
		more = reallocarray(frame->entries, *entries_room, sizeof(*frame->entries));
		if (!more)
			return -ENOMEM;
		frame->entries = more;
	}
	memcpy(frame->names + *used, name, size);
	frame->entries[frame->count++] = (struct entry){(uint32_t)*used, type};
	*used += size;
	return 0;
}

/* All names of the folder, sorted. 0 or -errno. */
static int list_folder(struct tree *tree, struct frame *frame)
{
	size_t used = 0, names_room = 0, entries_room = 0;
	int copy = fcntl(frame->fd, F_DUPFD_CLOEXEC, 0);
	DIR *folder = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *file;
	int error = 0;

	if (!folder) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	while (error == 0 && (file = readdir(folder))) {
		unsigned char type = type_of(frame->fd, file);

		if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
			continue;
		if (type == DT_REG || type == DT_DIR)
			error = add_entry(
				frame, file->d_name, type, &used, &names_room, &entries_room);
		else
			tree->counts.links++;
	}
	closedir(folder);
	if (frame->count > 1)
		qsort_r(frame->entries, frame->count, sizeof(*frame->entries), compare_names,
			frame->names);
	return error;
}

/* Whether the folder has a file or a folder of that name. */
static bool has_name(const struct frame *frame, const char *name)
{
	size_t low = 0, high = frame->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(frame->names + frame->entries[middle].name, name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void close_frame(struct frame *frame)
{
	fd_closep(&frame->fd);
	free(frame->names);
	free(frame->entries);
	free_patterns(&frame->patterns);
}

/* Makes the folder `fd`, which it takes, the innermost one. 0 or -ENOMEM. */
static int push(struct tree *tree, int fd, size_t path_length, bool is_git)
{
	struct frame *frame = &tree->frames[tree->depth];
	int error;

	*frame = (struct frame){.fd = fd, .patterns.path_length = path_length, .is_git = is_git};
	error = list_folder(tree, frame);
	if (error) {
		close_frame(frame);
		tree->counts.unreadable++;
		return error == -ENOMEM ? error : 0;
	}
	if (!is_git && (has_name(frame, ".git") || has_name(frame, ".gitignore")))
		frame->patterns = read_patterns(tree, fd, path_length);
	tree->depth++;
	return 0;
}

static enum ignore_verdict ask(
	const struct tree *tree, const struct patterns *patterns, size_t length, bool is_folder)
{
	struct text path = {tree->path + patterns->path_length, length - patterns->path_length};
	enum ignore_verdict verdict = IGNORE_SILENT;

	if (patterns->ignore)
		verdict = ignore_find(patterns->ignore, path, is_folder);
	if (verdict == IGNORE_SILENT && patterns->exclude)
		verdict = ignore_find(patterns->exclude, path, is_folder);
	return verdict;
}

static bool is_ignored(const struct tree *tree, size_t length, bool is_folder)
{
	size_t count = tree->depth + tree->n_above;

	for (size_t i = 0; i < count; i++) {
		const struct patterns *patterns =
			i < tree->depth ? &tree->frames[tree->depth - 1 - i].patterns
					: &tree->above[i - tree->depth];
		enum ignore_verdict verdict = ask(tree, patterns, length, is_folder);

		if (verdict != IGNORE_SILENT || patterns->is_root)
			return verdict == IGNORE_OUT;
	}
	return false;
}

static int enter(struct tree *tree, const struct frame *frame, const char *name, size_t length)
{
	bool is_git = strcmp(name, ".git") == 0;
	int fd;

	if (!is_git && tree->options->skip &&
		tree->options->skip(tree->options->context,
			(struct text){tree->path + tree->start, length - tree->start}, name))
		return 0;
	if (tree->depth == TREE_DEPTH_MAX) {
		tree->counts.too_large++;
		return 0;
	}
	fd = openat(frame->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		tree->counts.unreadable++;
		return 0;
	}
	tree->path[length] = '/';
	return push(tree, fd, length + 1, is_git);
}

static void show(struct tree *tree, const struct frame *frame, const char *name, size_t length)
{
	const struct tree_file file = {
		.tree = tree,
		.folder = frame->fd,
		.path = {tree->path + tree->start, length - tree->start},
		.name = name,
	};

	if (tree->counts.files == TREE_FILES_MAX) {
		tree->counts.too_large++;
		return;
	}
	tree->counts.files++;
	tree->options->visit(tree->options->context, &file);
}

/* The next thing of the innermost folder. 0 or -ENOMEM. */
static int step(struct tree *tree)
{
	struct frame *frame = &tree->frames[tree->depth - 1];
	const struct entry *entry;
	const char *name;
	size_t length;

	if (frame->next == frame->count) {
		close_frame(frame);
		tree->depth--;
		return 0;
	}
	entry = &frame->entries[frame->next++];
	name = frame->names + entry->name;
	length = frame->patterns.path_length + strlen(name);
	memcpy(tree->path + frame->patterns.path_length, name, strlen(name) + 1);
	if (frame->is_git) {
		if (entry->type == DT_REG && strcmp(name, "config") == 0)
			show(tree, frame, name, length);
		return 0;
	}
	if (strcmp(name, ".git") != 0 && is_ignored(tree, length, entry->type == DT_DIR)) {
		tree->counts.ignored++;
		return 0;
	}
	if (entry->type == DT_DIR)
		return enter(tree, frame, name, length);
	show(tree, frame, name, length);
	return 0;
}

int tree_walk(
	const char *folder, const struct tree_options *options, struct tree_counts *ret_counts)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	int fd, error;

	if (!tree)
		return -ENOMEM;
	tree->options = options;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	if (!error)
		read_above(tree, fd, folder);
	if (!error)
		error = push(tree, fd, tree->start, false);
	while (error == 0 && tree->depth > 0)
		error = step(tree);
	while (tree->depth > 0)
		close_frame(&tree->frames[--tree->depth]);
	while (tree->n_above > 0)
		free_patterns(&tree->above[--tree->n_above]);
	*ret_counts = tree->counts;
	free(tree->bytes);
	free(tree);
	return error;
}
