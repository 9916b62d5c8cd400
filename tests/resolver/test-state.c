/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sessions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/slate.h"
#include "resolver/state.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/* The files of sessions, and when sessions begin and end. */

static char folder[] = "/tmp/egress-state-XXXXXX";

/* The disk has lost what is in files. */
static bool is_broken;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names, ld(1), --wrap */
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	errno = EIO;
	return is_broken ? -1 : __real_read(fd, bytes, size);
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
	errno = EIO;
	return is_broken ? -1 : __real_pread(fd, bytes, size, at);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int set_up(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	DIR *listing = opendir(folder);
	const struct dirent *entry;

	(void)state;
	while (listing && (entry = readdir(listing)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(listing), entry->d_name, 0);
	if (listing)
		closedir(listing);
	return rmdir(folder);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text, size_t size)
{
	CLEANUP_FD int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, size), 0);
}

static char *read_file(const char *name)
{
	uint8_t *bytes;
	size_t size;

	if (fd_read_file(path_of(name), 8 << 20, &bytes, &size) != 0)
		return NULL;
	return (char *)bytes;
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static struct state *opened(const char *policy, bool alone)
{
	struct state *state;

	assert_int_equal(state_open(folder, &state), 0);
	state_name(state, policy, alone);
	return state;
}

static void write_session(struct state *state, const char *record, const char *text)
{
	const struct state_session session = {.since = 1000,
		.record = (char *)(uintptr_t)record,
		.record_size = strlen(record),
		.text = (char *)(uintptr_t)text,
		.text_size = strlen(text)};

	assert_int_equal(state_write_session(state, &session, "s-1"), 0);
}

/* --- The running session --- */

static void test_written_and_read(void **unused)
{
	struct state *state = opened("agent", true);
	struct state_session session;
	struct stat status;

	(void)unused;
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	write_session(state, "{\"phase\":\"end\"}\n", "{\"version\":1}");
	assert_int_equal(state_read_session(state, &session), 0);
	assert_string_equal(session.id, "s-1");
	assert_int_equal(session.since, 1000);
	assert_false(session.fresh);
	assert_string_equal(session.record, "{\"phase\":\"end\"}\n");
	assert_string_equal(session.text, "{\"version\":1}");
	state_session_free(&session);
	assert_int_equal(stat(path_of("agent.session.json"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	/* Without a record. */
	write_session(state, "", "{}");
	assert_int_equal(state_read_session(state, &session), 0);
	assert_int_equal(session.record_size, 0);
	state_session_free(&session);
	state_forget_session(state);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	state_close(state);
}

/* Only one may have it. */
static void test_locked(void **unused)
{
	struct state *first = opened("agent", true), *second = opened("agent", true);
	struct state *other = opened("other", true);
	struct state_session session;

	(void)unused;
	write_session(first, "", "{}");
	write_session(second, "", "{\"mine\":1}");
	write_session(other, "", "{\"other\":1}");
	assert_int_equal(state_read_session(second, &session), -ENOENT);
	assert_int_equal(state_read_session(first, &session), 0);
	assert_string_equal(session.text, "{}");
	state_session_free(&session);
	state_close(first);
	state_close(second);
	state_close(other);
}

/* Whatever the file is, it is passed over or read. */
static void test_hostile(void **unused)
{
	struct state *state = opened("agent", true);
	struct state_session session;
	char *good, *huge, target[128];
	size_t size;

	(void)unused;
	write_session(state, "{\"phase\":\"end\"}\n", "{\"version\":1}");
	good = read_file("agent.session.json");
	assert_non_null(good);
	size = strlen(good);
	for (size_t i = 0; i < size; i++) {
		write_file("agent.session.json", good, i);
		assert_int_equal(state_read_session(state, &session), -ENOENT);
	}
	/* A byte of the head or the tail replaced. */
	for (size_t i = 0; i < size; i++) {
		char was = good[i];

		good[i] = was == '\n' ? ' ' : '\n';
		write_file("agent.session.json", good, size);
		assert_int_equal(state_read_session(state, &session), -ENOENT);
		good[i] = was;
	}
	good[0] = '[';
	write_file("agent.session.json", good, size);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	huge = calloc(1, (2 << 20) + 1);
	assert_non_null(huge);
	write_file("agent.session.json", huge, (2 << 20) + 1);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	write_file("agent.session.json", huge, 2 << 20);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	/* One that is in order, but for its size. */
	memset(huge, ' ', 2 << 20);
	huge[2 << 20] = '\0';
	write_session(state, "", huge);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	free(huge);
	free(good);
	/* What is no file. */
	assert_int_equal(unlink(path_of("agent.session.json")), 0);
	snprintf(target, sizeof(target), "%s", path_of("good.json"));
	write_session(state, "", "{}");
	assert_int_equal(rename(path_of("agent.session.json"), target), 0);
	assert_int_equal(symlink(target, path_of("agent.session.json")), 0);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	assert_int_equal(unlink(path_of("agent.session.json")), 0);
	assert_int_equal(mkfifo(path_of("agent.session.json"), 0600), 0);
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	/* It is replaced all the same. */
	write_session(state, "", "{}");
	assert_int_equal(state_read_session(state, &session), 0);
	state_session_free(&session);
	state_close(state);
}

static void expect_none(struct state *state, const char *head)
{
	static const char rest[] = "null\n,\"saved\":\n{}\n}\n";
	struct state_session session;
	char text[512];

	snprintf(text, sizeof(text), "%s%s", head, rest);
	write_file("agent.session.json", text, strlen(text));
	assert_int_equal(state_read_session(state, &session), -ENOENT);
}

/* First lines that are whole, and say what none says. */
static void test_head(void **unused)
{
	struct state *state = opened("agent", true);
	char head[400];

	(void)unused;
	expect_none(
		state, "{\"version\":1,\"session\":\"a b\",\"boot\":\"b\",\"since\":5,\"end\":\n");
	expect_none(
		state, "{\"version\":1,\"session\":\"s\",\"boot\":\"b\",\"since\":05,\"end\":\n");
	snprintf(head, sizeof(head),
		"%300s{\"version\":1,\"session\":\"s\",\"boot\":\"b\",\"since\":5,\"end\":\n", "");
	expect_none(state, head);
	state_close(state);
}

/* Who may write into the folder, but isn't the resolver's user nor root. */
static void test_others(void **unused)
{
	struct state *state = opened("agent", true);
	struct state_session session;
	char *text;
	size_t size;

	(void)unused;
	write_session(state, "", "{}");
	assert_int_equal(state_add_session(state, "{}\n", 3), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path_of("agent.session.json"), 4711, 4711), 0);
		assert_int_equal(chown(path_of("agent.baseline.jsonl"), 4711, 4711), 0);
		assert_int_equal(state_read_session(state, &session), -ENOENT);
		state_read_sessions(state, &text, &size);
		assert_null(text);
		assert_int_equal(state_add_session(state, "{}\n", 3), -EPERM);
	}
	state_close(state);
}

/* Folders are in the places of files. */
static void test_in_the_way(void **unused)
{
	const struct state_session session = {.text = (char[]){"{}"}, .text_size = 2};
	struct state *state = opened("agent", true);
	struct state_session found;

	(void)unused;
	assert_int_equal(mkdir(path_of("agent.session.json"), 0700), 0);
	assert_int_equal(state_write_session(state, &session, "s-1"), -EISDIR);
	assert_int_equal(access(path_of("agent.session.json.new"), F_OK), -1);
	assert_int_equal(rmdir(path_of("agent.session.json")), 0);
	assert_int_equal(mkdir(path_of("agent.session.json.new"), 0700), 0);
	assert_int_equal(state_write_session(state, &session, "s-1"), -EISDIR);
	assert_int_equal(rmdir(path_of("agent.session.json.new")), 0);
	/* Without a lock nothing is kept, nor thrown away. */
	state_close(state);
	assert_int_equal(unlink(path_of("agent.lock")), 0);
	assert_int_equal(mkdir(path_of("agent.lock"), 0700), 0);
	write_file("agent.session.json", "", 0);
	write_file("agent.names", "", 0);
	write_file("agent.names.new", "", 0);
	state = opened("agent", true);
	assert_int_equal(state_write_session(state, &session, "s-1"), 0);
	assert_int_equal(state_read_session(state, &found), -ENOENT);
	assert_int_equal(state_open_names(state, false), -ENOENT);
	state_forget_session(state);
	state_commit_names(state);
	state_drop_names(state);
	assert_int_equal(access(path_of("agent.session.json"), F_OK), 0);
	assert_int_equal(access(path_of("agent.names"), F_OK), 0);
	assert_int_equal(access(path_of("agent.names.new"), F_OK), 0);
	state_close(state);
	assert_int_equal(rmdir(path_of("agent.lock")), 0);
}

static void test_names(void **unused)
{
	(void)unused;
	assert_true(state_is_id("20261121T130502.123456Z-4711"));
	assert_false(state_is_id(""));
	assert_false(state_is_id("a b"));
	assert_false(state_is_id("a\"b"));
	assert_false(state_is_id("../x/"));
	assert_false(
		state_is_id("0123456789012345678901234567890123456789012345678901234567890123"));
}

/* --- Sessions that are over --- */

static void test_lines(void **unused)
{
	struct state *state = opened("agent", false);
	char *text;
	size_t size;

	(void)unused;
	state_read_sessions(state, &text, &size);
	assert_null(text);
	assert_int_equal(state_add_session(state, "{\"a\":1}\n", 8), 0);
	assert_int_equal(state_add_session(state, "{\"a\":2}\n", 8), 0);
	assert_int_equal(state_add_session(state, "", 0), 0);
	/* What isn't one line. */
	assert_int_equal(state_add_session(state, "{\"a\":3}", 7), -EPROTO);
	assert_int_equal(state_add_session(state, "{\n}\n", 4), -EPROTO);
	assert_int_equal(state_add_session(state, "{\0}\n", 4), -EPROTO);
	state_read_sessions(state, &text, &size);
	assert_string_equal(text, "{\"a\":1}\n{\"a\":2}\n");
	free(text);
	/* Behind the beginning of a line. */
	write_file("agent.baseline.jsonl", "{\"a\":1}\n{\"a", 11);
	assert_int_equal(state_add_session(state, "{\"a\":3}\n", 8), 0);
	text = read_file("agent.baseline.jsonl");
	assert_string_equal(text, "{\"a\":1}\n{\"a\n{\"a\":3}\n");
	free(text);
	state_close(state);
}

static void test_oldest_go(void **unused)
{
	struct state *state = opened("agent", false);
	char line[32], *text;
	unsigned n_most = 0;

	(void)unused;
	for (unsigned i = 0; i < 600; i++) {
		unsigned count;

		snprintf(line, sizeof(line), "{\"n\":%u}\n", i);
		assert_int_equal(state_add_session(state, line, strlen(line)), 0);
		text = read_file("agent.baseline.jsonl");
		count = count_lines(text);
		n_most = count > n_most ? count : n_most;
		assert_non_null(strstr(text, line));
		free(text);
	}
	assert_int_equal(n_most, 256);
	text = read_file("agent.baseline.jsonl");
	assert_in_range(count_lines(text), 128, 256);
	assert_string_equal(text + strlen(text) - strlen(line), line);
	free(text);
	state_close(state);
}

/* What cannot be read is not taken for less than it is. */
static void test_broken(void **unused)
{
	struct state *state = opened("agent", true);
	struct state_session session;
	char *text;
	size_t size;

	(void)unused;
	write_session(state, "", "{}");
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(state_add_session(state, "{}\n", 3), 0);
	is_broken = true;
	assert_int_equal(state_read_session(state, &session), -ENOENT);
	state_read_sessions(state, &text, &size);
	assert_null(text);
	assert_int_equal(state_add_session(state, "{}\n", 3), -EIO);
	is_broken = false;
	text = read_file("agent.baseline.jsonl");
	assert_int_equal(count_lines(text), 257);
	free(text);
	assert_int_equal(state_add_session(state, "{}\n", 3), 0);
	text = read_file("agent.baseline.jsonl");
	assert_int_equal(count_lines(text), 128);
	free(text);
	state_close(state);
}

/* Several at once lose nothing. */
static void test_at_once(void **unused)
{
	enum { PROCESSES = 4, EACH = 30 };
	char *text;

	(void)unused;
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		struct state *state = opened("agent", false);
		char line[64];

		for (unsigned j = 0; j < EACH; j++) {
			snprintf(line, sizeof(line), "{\"of\":%u,\"n\":%u}\n", i, j);
			while (state_add_session(state, line, strlen(line)) == -EWOULDBLOCK)
				;
		}
		state_close(state);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	text = read_file("agent.baseline.jsonl");
	assert_non_null(text);
	assert_int_equal(count_lines(text), PROCESSES * EACH);
	for (unsigned i = 0; i < PROCESSES; i++)
		for (unsigned j = 0; j < EACH; j++) {
			char line[64];

			snprintf(line, sizeof(line), "{\"of\":%u,\"n\":%u}\n", i, j);
			assert_non_null(strstr(text, line));
		}
	free(text);
}

/* Nobody waits for who keeps the lock. */
static void test_lock_is_kept(void **unused)
{
	struct state *state = opened("agent", false);
	CLEANUP_FD int fd = -1;

	(void)unused;
	assert_int_equal(state_add_session(state, "{}\n", 3), 0);
	fd = open(path_of("agent.baseline.jsonl"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(state_add_session(state, "{}\n", 3), -EWOULDBLOCK);
	state_close(state);
}

/* --- The slate --- */

static void publish(struct slate *slate, const char *text, const char *record)
{
	const struct session_figures figures = {.destinations = strlen(text)};

	memcpy(slate_text(slate), text, strlen(text));
	memcpy(slate_record(slate), record, strlen(record));
	slate_publish(slate, strlen(text), strlen(record), &figures);
}

static void test_slate(void **unused)
{
	struct session_figures figures;
	char *text = malloc(SESSION_SAVED), record[EVENT_LINE];
	struct slate *slate;
	size_t size;

	(void)unused;
	assert_non_null(text);
	assert_int_equal(slate_new(&slate), 0);
	assert_int_equal(slate_get_text(slate, text, &size), -EAGAIN);
	assert_int_equal(slate_get_figures(slate, &figures), -EAGAIN);
	for (unsigned i = 0; i < 5; i++) {
		publish(slate, i % 2 ? "odd" : "even", "line\n");
		assert_int_equal(slate_round(slate), i + 1);
		assert_int_equal(slate_get_text(slate, text, &size), 0);
		assert_int_equal(size, i % 2 ? 3 : 4);
		assert_memory_equal(text, i % 2 ? "odd" : "even", size);
		assert_int_equal(slate_get_record(slate, record, &size), 0);
		assert_int_equal(size, 5);
		assert_int_equal(slate_get_figures(slate, &figures), 0);
		assert_int_equal(figures.destinations, i % 2 ? 3 : 4);
	}
	/* Sizes that can't be, and words without an end. */
	slate_publish(slate, SESSION_SAVED + 1, EVENT_LINE + 1, &figures);
	assert_int_equal(slate_get_text(slate, text, &size), -EPROTO);
	assert_int_equal(slate_get_record(slate, record, &size), -EPROTO);
	figures.categories.n_rows = CENSUS_ROWS + 1;
	slate_publish(slate, 0, 0, &figures);
	assert_int_equal(slate_get_figures(slate, &figures), -EPROTO);
	figures.categories.n_rows = 1;
	memset(figures.categories.rows[0].word, 'x', CENSUS_WORD);
	slate_publish(slate, 0, 0, &figures);
	assert_int_equal(slate_get_figures(slate, &figures), -EPROTO);
	slate_clear(slate);
	assert_int_equal(slate_get_text(slate, text, &size), -EAGAIN);
	slate_free(slate);
	free(text);
}

/* --- Sessions --- */

static struct sessions *begun(const char *name)
{
	struct sessions *sessions;

	assert_int_equal(sessions_new(&(struct sessions_config){folder, name}, &sessions), 0);
	sessions_set_policy(sessions, "agent");
	return sessions;
}

static void test_goes_on(void **unused)
{
	struct sessions *sessions = begun(NULL);
	enum session_phase phase;
	struct monitor_past past;
	char name[64], *lines;

	(void)unused;
	assert_true(sessions_are_new(sessions));
	assert_null(sessions_past(sessions, &phase).text);
	assert_int_equal(phase, SESSION_START);
	snprintf(name, sizeof(name), "%s", sessions_name(sessions));
	publish(sessions_slate(sessions), "{\"text\":1}", "{\"line\":1}\n");
	assert_in_range(sessions_tick(sessions, (struct mono){5000}), 1, 1000);
	/* As if it were killed. */
	sessions_free(sessions);
	sessions = begun(NULL);
	assert_string_equal(sessions_name(sessions), name);
	assert_false(sessions_are_new(sessions));
	past = sessions_past(sessions, &phase);
	assert_int_equal(past.text_size, 10);
	assert_memory_equal(past.text, "{\"text\":1}", 10);
	/* The next one. */
	publish(sessions_slate(sessions), "{\"text\":2}", "{\"line\":2}\n");
	sessions_next(sessions);
	assert_string_not_equal(sessions_name(sessions), name);
	past = sessions_past(sessions, &phase);
	assert_null(past.text);
	assert_int_equal(phase, SESSION_NEW);
	assert_memory_equal(past.sessions, "{\"line\":2}\n", 11);
	sessions_stop(sessions);
	sessions_free(sessions);
	lines = read_file("agent.baseline.jsonl");
	assert_string_equal(lines, "{\"line\":2}\n");
	free(lines);
}

/* The system was started anew: what was is over. */
static void test_other_boot(void **unused)
{
	static const char text[] = "{\"version\":1,\"session\":\"old\",\"boot\":\"b\",\"since\":5,"
				   "\"end\":\n{\"line\":1}\n,\"saved\":\n{\"text\":1}\n}\n";
	struct sessions *sessions;
	enum session_phase phase;
	char *lines;

	(void)unused;
	write_file("agent.session.json", text, sizeof(text) - 1);
	sessions = begun(NULL);
	assert_string_not_equal(sessions_name(sessions), "old");
	assert_null(sessions_past(sessions, &phase).text);
	assert_null(read_file("agent.session.json"));
	lines = read_file("agent.baseline.jsonl");
	assert_string_equal(lines, "{\"line\":1}\n");
	free(lines);
	sessions_free(sessions);
}

static void test_own(void **unused)
{
	struct sessions *sessions = begun("run-1");
	char *lines;

	(void)unused;
	assert_true(sessions_end_here(sessions));
	assert_string_equal(sessions_name(sessions), "run-1");
	publish(sessions_slate(sessions), "{\"text\":1}", "{\"line\":1}\n");
	assert_int_equal(sessions_tick(sessions, (struct mono){5000}), -1);
	assert_null(read_file("agent.session.json"));
	sessions_stop(sessions);
	sessions_free(sessions);
	lines = read_file("agent.baseline.jsonl");
	assert_string_equal(lines, "{\"line\":1}\n");
	free(lines);
}

static void test_nowhere(void **unused)
{
	struct sessions *sessions;

	(void)unused;
	assert_int_equal(sessions_new(&(struct sessions_config){NULL, NULL}, &sessions), 0);
	sessions_set_policy(sessions, "agent");
	assert_true(sessions_end_here(sessions));
	assert_true(state_is_id(sessions_name(sessions)));
	publish(sessions_slate(sessions), "{\"text\":1}", "{\"line\":1}\n");
	sessions_next(sessions);
	sessions_stop(sessions);
	sessions_free(sessions);
	assert_int_not_equal(
		sessions_new(&(struct sessions_config){"/proc/nowhere", NULL}, &sessions), 0);
	assert_int_equal(sessions_new(&(struct sessions_config){"/proc/version", NULL}, &sessions),
		-ENOTDIR);
}

static void test_other_policy(void **unused)
{
	struct sessions *sessions = begun(NULL);
	char name[64];

	(void)unused;
	snprintf(name, sizeof(name), "%s", sessions_name(sessions));
	publish(sessions_slate(sessions), "{\"text\":1}", "{\"line\":1}\n");
	sessions_tick(sessions, (struct mono){5000});
	sessions_set_policy(sessions, "renamed");
	assert_string_equal(sessions_name(sessions), name);
	sessions_tick(sessions, (struct mono){50000});
	sessions_free(sessions);
	assert_int_equal(access(path_of("agent.session.json"), F_OK), -1);
	assert_int_equal(access(path_of("renamed.session.json"), F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_written_and_read),
		TEST(test_locked),
		TEST(test_hostile),
		TEST(test_head),
		TEST(test_others),
		TEST(test_in_the_way),
		TEST(test_names),
		TEST(test_lines),
		TEST(test_oldest_go),
		TEST(test_broken),
		TEST(test_at_once),
		TEST(test_lock_is_kept),
		TEST(test_slate),
		TEST(test_goes_on),
		TEST(test_other_boot),
		TEST(test_own),
		TEST(test_nowhere),
		TEST(test_other_policy),
	};

	/* What is passed over is logged, many times. */
	log_start("test-state", NULL, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
