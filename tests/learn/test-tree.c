/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	char paths[8192]; /* "a b/c " */
	size_t length;
	struct text text; /* of the last file that was read */
	size_t limit;
	uint64_t read;
};

static char folder[64];

static void make(const char *path, const char *text)
{
	char whole[512], *slash;
	FILE *out;

	snprintf(whole, sizeof(whole), "%s/%s", folder, path);
	for (slash = whole + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(whole, 0755);
		*slash = '/';
	}
	out = fopen(whole, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void link_to(const char *target, const char *path)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", folder, path);
	assert_int_equal(symlink(target, whole), 0);
}

static void visit(void *context, const struct tree_file *file)
{
	struct seen *seen = context;
	struct text text;

	if (seen->length + file->path.length + 2 < sizeof(seen->paths))
		seen->length +=
			(size_t)sprintf(seen->paths + seen->length, "%.*s ", TEXT_ARG(file->path));
	seen->read += tree_read(file, seen->limit, &text);
}

static struct tree_counts walk(bool all, size_t limit, struct seen *seen)
{
	const struct tree_options options = {.all = all, .visit = visit, .context = seen};
	struct tree_counts counts;

	*seen = (struct seen){.limit = limit};
	assert_int_equal(tree_walk(folder, &options, &counts), 0);
	return counts;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/egress-tree.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void visits_in_order(void **state)
{
	struct tree_counts counts;
	struct seen seen;

	(void)state;
	make("b", "");
	make("a/z", "");
	make("a/b/c", "");
	make("c", "");
	make(".git/config", "");
	make(".git/HEAD", "");
	make(".git/objects/00/00", "");
	counts = walk(false, 100, &seen);
	assert_string_equal(seen.paths, ".git/config a/b/c a/z b c ");
	assert_int_equal(counts.files, 5);
	assert_int_equal(seen.read, 5);
}

static void leaves_out_what_git_does(void **state)
{
	struct seen seen;

	(void)state;
	make(".gitignore", "*.o\n/out\nlogs/\n!keep.o\n");
	make("a.o", "");
	make("keep.o", "");
	make("out/x", "");
	make("x/out/y", "");
	make("x/logs/z", "");
	make("x/.gitignore", "!a.o\n*.c\n");
	make("x/a.o", "");
	make("x/b.c", "");
	make("y/b.c", "");
	make(".git/info/exclude", "secret\n");
	make("secret", "");
	walk(false, 100, &seen);
	assert_string_equal(seen.paths, ".gitignore keep.o x/.gitignore x/a.o x/out/y y/b.c ");
	walk(true, 100, &seen);
	assert_non_null(strstr(seen.paths, " out/x "));
	assert_non_null(strstr(seen.paths, " secret "));
}

/* The walk begins at `folder`, which for a while is a folder of the repository's. */
static void knows_what_is_above(void **state)
{
	size_t length = strlen(folder);
	struct seen seen;

	(void)state;
	make(".git/info/exclude", "*.log\n");
	make(".gitignore", "/sub/deep/out\n*.o\n/a\n");
	make("sub/.gitignore", "!keep.o\nb\n");
	make("sub/deep/out/x", "");
	make("sub/deep/a", "");
	make("sub/deep/b", "");
	make("sub/deep/c.o", "");
	make("sub/deep/keep.o", "");
	make("sub/deep/d.log", "");
	strcpy(folder + length, "/sub/deep");
	walk(false, 100, &seen);
	assert_string_equal(seen.paths, "a keep.o ");
	walk(true, 100, &seen);
	assert_string_equal(seen.paths, "a b c.o d.log keep.o out/x ");
	folder[length] = '\0';
}

static void needs_a_repository(void **state)
{
	size_t length = strlen(folder);
	struct seen seen;

	(void)state;
	make(".gitignore", "*\n");
	make("sub/a", "");
	strcpy(folder + length, "/sub");
	walk(false, 100, &seen);
	assert_string_equal(seen.paths, "a ");
	folder[length] = '\0';
}

static void leaves_others_repositories_alone(void **state)
{
	size_t length = strlen(folder);
	struct seen seen;

	(void)state;
	make(".git/HEAD", "");
	make(".gitignore", "*.o\nsecret\n");
	make("a.o", "");
	make("module/.git", "gitdir: ../.git/modules/module\n");
	make("module/b.o", "");
	make("module/.gitignore", "*.c\n");
	make("module/d.c", "");
	make("module/src/c.o", "");
	walk(false, 100, &seen);
	assert_string_equal(
		seen.paths, ".gitignore module/.git module/.gitignore module/b.o module/src/c.o ");
	strcpy(folder + length, "/module/src");
	walk(false, 100, &seen);
	assert_string_equal(seen.paths, "c.o ");
	folder[length] = '\0';
}

static void follows_no_link(void **state)
{
	struct tree_counts counts;
	struct seen seen;
	char fifo[128];

	(void)state;
	make("a", "");
	link_to("/etc", "etc");
	link_to("/etc/hosts", "hosts");
	link_to(".", "self");
	link_to("/nowhere", "nowhere");
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	counts = walk(false, 100, &seen);
	assert_string_equal(seen.paths, "a ");
	assert_int_equal(counts.links, 5);
}

/* A file that becomes a link between being listed and being read. */
static void swap(void *context, const struct tree_file *file)
{
	struct text text = {NULL, 0};
	char path[128];

	(void)context;
	snprintf(path, sizeof(path), "%s/a", folder);
	unlink(path);
	link_to("/etc/hosts", "a");
	assert_false(tree_read(file, 1000, &text));
}

static void is_not_misled(void **state)
{
	const struct tree_options options = {.visit = swap};
	struct tree_counts counts;

	(void)state;
	make("a", "");
	assert_int_equal(tree_walk(folder, &options, &counts), 0);
	assert_int_equal(counts.unreadable, 1);
}

static void is_bounded(void **state)
{
	struct tree_counts counts;
	struct seen seen;
	int fds[2 * TREE_DEPTH_MAX + 1];
	int deep = 0;

	(void)state;
	make("large", "0123456789");
	make("small", "012345678");
	fds[0] = open(folder, O_RDONLY | O_DIRECTORY);
	for (; deep < 2 * TREE_DEPTH_MAX; deep++) {
		assert_int_equal(mkdirat(fds[deep], "d", 0755), 0);
		fds[deep + 1] = openat(fds[deep], "d", O_RDONLY | O_DIRECTORY);
		assert_true(fds[deep + 1] >= 0);
	}
	for (; deep >= 0; deep--)
		close(fds[deep]);
	counts = walk(false, 9, &seen);
	assert_int_equal(seen.read, 1);
	assert_int_equal(counts.too_large, 2);
	assert_int_equal(counts.files, 2);
}

static void says_what_cannot_be_read(void **state)
{
	const struct tree_options options = {.visit = visit};
	struct tree_counts counts;

	(void)state;
	assert_int_equal(tree_walk("/nowhere", &options, &counts), -ENOENT);
	assert_int_equal(tree_walk("/etc/hosts", &options, &counts), -ENOTDIR);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(visits_in_order),
		TEST(leaves_out_what_git_does),
		TEST(knows_what_is_above),
		TEST(needs_a_repository),
		TEST(leaves_others_repositories_alone),
		TEST(follows_no_link),
		TEST(is_not_misled),
		TEST(is_bounded),
		TEST(says_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
