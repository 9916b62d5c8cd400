/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/fd.h"

static char folder[] = "/tmp/egress-test-fd-XXXXXX";
static char path[PATH_MAX];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void put_file(const void *bytes, size_t size)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, size), 0);
}

/* Reads `name` and expects `error`, with the outputs untouched. */
static void expect_refusal(const char *name, size_t limit, int error)
{
	uint8_t *bytes = (uint8_t *)folder;
	size_t size = 4711;

	assert_int_equal(fd_read_file(name, limit, &bytes, &size), error);
	assert_ptr_equal(bytes, folder);
	assert_int_equal(size, 4711);
}

static void expect_content(const char *name, size_t limit, const void *content, size_t length)
{
	uint8_t *bytes = NULL;
	size_t size = 4711;

	assert_int_equal(fd_read_file(name, limit, &bytes, &size), 0);
	assert_int_equal(size, length);
	assert_memory_equal(bytes, content, length);
	assert_int_equal(bytes[size], '\0');
	free(bytes);
}

static void closes_and_keeps_errno(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = fd;
	int bad = INT_MAX;
	int none = -1;

	(void)state;
	errno = EPROTO;
	fd_closep(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EPROTO);
	assert_false(is_open(number));
	errno = EPROTO;
	fd_closep(&bad);
	assert_int_equal(errno, EPROTO);
	fd_closep(&none);
	assert_int_equal(none, -1);
}

static void stolen_descriptors_stay_open(void **state)
{
	int kept = -1;
	int closed;

	(void)state;
	for (int i = 0; i < 1; i++) {
		CLEANUP_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		CLEANUP_FD int other = open("/dev/null", O_RDONLY | O_CLOEXEC);

		closed = other;
		kept = fd_steal(&fd);
		assert_int_equal(fd, -1);
	}
	assert_true(is_open(kept));
	assert_false(is_open(closed));
	fd_closep(&kept);
}

static void sets_nonblocking(void **state)
{
	int ends[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_set_nonblocking(ends[0]), 0);
	assert_int_equal(read(ends[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fd_set_nonblocking(-1), -EBADF);
	fd_closep(&ends[0]);
	fd_closep(&ends[1]);
}

static void reads_files_whole(void **state)
{
	static uint8_t content[300000];

	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 >> 3);
	put_file(content, sizeof(content));
	expect_content(path, 1 << 20, content, sizeof(content));
	put_file("a\0b\n", 4);
	expect_content(path, 1 << 20, "a\0b\n", 4);
	put_file("", 0);
	expect_content(path, 1 << 20, "", 0);
	expect_content(path, 0, "", 0);
}

static void holds_the_limit(void **state)
{
	static uint8_t content[20001];

	(void)state;
	put_file(content, 20000);
	expect_content(path, 20000, content, 20000);
	expect_refusal(path, 19999, -EFBIG);
	put_file(content, sizeof(content));
	expect_refusal(path, 20000, -EFBIG);
	expect_refusal(path, 0, -EFBIG);
	put_file("abc", 3);
	expect_content(path, 3, "abc", 3);
	expect_refusal(path, 2, -EFBIG);
}

/* Files of /proc say that their size is 0. */
static void reads_files_without_a_size(void **state)
{
	uint8_t *bytes = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(fd_read_file("/proc/self/status", 1 << 20, &bytes, &size), 0);
	assert_true(size > 100);
	assert_memory_equal(bytes, "Name:", 5);
	free(bytes);
	expect_refusal("/proc/self/status", 100, -EFBIG);
}

static void refuses_what_is_no_file(void **state)
{
	char beneath[PATH_MAX + 8];

	(void)state;
	put_file("x", 1);
	snprintf(beneath, sizeof(beneath), "%s/x", path);
	expect_refusal(folder, 1 << 20, -EISDIR);
	expect_refusal("/", 1 << 20, -EISDIR);
	expect_refusal("/nonexistent/file", 1 << 20, -ENOENT);
	expect_refusal("", 1 << 20, -ENOENT);
	expect_refusal("-", 1 << 20, -ENOENT);
	expect_refusal(beneath, 1 << 20, -ENOTDIR);
}

static void endless_devices_end_at_the_limit(void **state)
{
	(void)state;
	expect_refusal("/dev/zero", 1 << 20, -EFBIG);
	expect_refusal("/dev/zero", 0, -EFBIG);
	expect_refusal("/dev/urandom", 100000, -EFBIG);
	expect_content("/dev/null", 1 << 20, "", 0);
}

static void a_fifo_without_a_writer_is_empty(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_content(path, 1 << 20, "", 0);
}

/* A child that writes `size` bytes into a pipe, `piece` at a time; its pid. The pipe's write end is
 * the child's alone then, and the read end ours. */
static pid_t start_writer(int ends[2], const uint8_t *bytes, size_t size, size_t piece)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0) {
		fd_closep(&ends[1]);
		return child;
	}
	fd_closep(&ends[0]);
	for (size_t at = 0; at < size; at += piece) {
		if (fd_write_all(ends[1], bytes + at, piece) < 0)
			_exit(1);
	}
	_exit(0);
}

static void end_writer(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void reads_pipes_to_their_end(void **state)
{
	static uint8_t content[250000];
	char name[64];
	int ends[2];
	pid_t child;

	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i % 251);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = start_writer(ends, content, sizeof(content), 1000);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
	expect_content(name, sizeof(content), content, sizeof(content));
	end_writer(child);
	fd_closep(&ends[0]);
}

static void writes_all_although_the_pipe_is_full(void **state)
{
	static uint8_t content[250000];
	int ends[2];
	size_t total = 0;
	pid_t child;

	(void)state;
	memset(content, 'x', sizeof(content));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_set_nonblocking(ends[1]), 0);
	child = start_writer(ends, content, sizeof(content), sizeof(content));
	for (;;) {
		uint8_t bytes[4096];
		ssize_t got = read(ends[0], bytes, sizeof(bytes));

		assert_true(got >= 0);
		if (got == 0)
			break;
		total += (size_t)got;
	}
	assert_int_equal(total, sizeof(content));
	end_writer(child);
	fd_closep(&ends[0]);
}

static void tells_failed_writes(void **state)
{
	CLEANUP_FD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
	assert_int_equal(fd_write_all(-1, NULL, 0), 0);
}

/* A message, and the descriptor that came with it or -1. */
static int receive(int fd, char *ret_byte)
{
	union fd_control control;
	struct iovec part = {ret_byte, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};

	*ret_byte = 0;
	assert_int_equal(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), 1);
	return fd_take_passed(&message);
}

static void passes_descriptors(void **state)
{
	int ends[2], pipe_ends[2];
	char byte = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(fd_send_passing(ends[0], "a", 1, pipe_ends[1]), 0);
	assert_int_equal(fd_send_passing(ends[0], "b", 1, -1), 0);
	assert_int_equal(fd_send_passing(-1, "c", 1, -1), -EBADF);

	CLEANUP_FD int passed = receive(ends[1], &byte);
	assert_int_equal(byte, 'a');
	assert_true(passed >= 0 && passed != pipe_ends[1]);
	assert_int_equal(write(passed, "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(receive(ends[1], &byte), -1);
	assert_int_equal(byte, 'b');
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(pipe_ends[i]);
	}
}

/* There is room for two where there is for one (CMSG_SPACE(3)). */
static void keeps_none_of_several_descriptors(void **state)
{
	int ends[2], pipe_ends[2];
	union fd_control control = {.head = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {(char[]){'a'}, 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	memcpy(CMSG_DATA(&control.head), (int[]){pipe_ends[1], pipe_ends[1]}, 2 * sizeof(int));
	assert_int_equal(sendmsg(ends[0], &message, 0), 1);
	close(pipe_ends[1]);
	assert_int_equal(receive(ends[1], &byte), -1);
	/* Nobody has the other end any more. */
	assert_int_equal(read(pipe_ends[0], &byte, 1), 0);
	close(pipe_ends[0]);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes_and_keeps_errno),
		cmocka_unit_test(stolen_descriptors_stay_open),
		cmocka_unit_test(sets_nonblocking),
		cmocka_unit_test_teardown(reads_files_whole, remove_file),
		cmocka_unit_test_teardown(holds_the_limit, remove_file),
		cmocka_unit_test(reads_files_without_a_size),
		cmocka_unit_test_teardown(refuses_what_is_no_file, remove_file),
		cmocka_unit_test(endless_devices_end_at_the_limit),
		cmocka_unit_test_teardown(a_fifo_without_a_writer_is_empty, remove_file),
		cmocka_unit_test(reads_pipes_to_their_end),
		cmocka_unit_test(writes_all_although_the_pipe_is_full),
		cmocka_unit_test(tells_failed_writes),
		cmocka_unit_test(passes_descriptors),
		cmocka_unit_test(keeps_none_of_several_descriptors),
	};

	return cmocka_run_group_tests_name("fd", tests, make_folder, remove_folder);
}
