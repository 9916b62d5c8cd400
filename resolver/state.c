/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/base/log.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * NAME.session.json is the running session. It is written beside and renamed, so it is always
 * whole. Its five lines are one object of JSON; the first one, which is this file's own, says which
 * session it is and since which start of the system, and the others are what the watcher made of
 * it. Who has the lock on NAME.lock is the only one that reads and writes it.
 *
 * NAME.baseline.jsonl has the record of each session that is over, a line each. Several resolvers
 * may have sessions of one policy, as egress-run does: a line is added by one write under the
 * file's lock, and when there are too many the newest are written beside and renamed. Who waited
 * for the lock of a file that was replaced meanwhile opens the new one.
 *
 * NAME.names is the guard's. As names are counted there without anybody writing it, it is right at
 * any time; another one is made beside it when the policy has changed, and renamed.
 *
 * The parent does this and trusts nobody: files are opened in the folder it has open, never through
 * a link, and are only read if they are files, of its own user or of root, and not too large.
 * Nothing waits: a lock that somebody else has for long is done without.
 */

enum {
	SESSION_MOST = 2 << 20,  /* bytes of a running session's file */
	SESSIONS_MOST = 2 << 20, /* of the other one */
	LINES_MOST = 256,        /* there, before the oldest go */
	LINES_LEFT = 128,        /* then */
	LOCK_TRIES = 20,
	LOCK_WAIT_MS = 10,
	BOOT_ID = 37,
	HEAD = 256,
};

struct state {
	int folder;
	int lock; /* -1: the running session isn't kept */
	char policy[160];
	char boot[BOOT_ID];
};

bool state_is_id(const char *id)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._:-";
	size_t length = strnlen(id, STATE_ID);

	return length > 0 && length < STATE_ID && strspn(id, plain) == length;
}

/* Where the system has no number of its start, each start of the resolver is one. */
static void read_boot(char boot[BOOT_ID])
{
	uint8_t *bytes;
	size_t size;

	memset(boot, 0, BOOT_ID);
	if (fd_read_file("/proc/sys/kernel/random/boot_id", 4096, &bytes, &size) == 0) {
		if (size >= BOOT_ID - 1)
			memcpy(boot, bytes, BOOT_ID - 1);
		free(bytes);
	}
	if (strspn(boot, "0123456789abcdef-") != BOOT_ID - 1)
		snprintf(boot, BOOT_ID, "%ld-%ld", (long)time(NULL), (long)getpid());
}

int state_open(const char *path, struct state **ret_state)
{
	struct state *state = calloc(1, sizeof(*state));
	int error = state ? 0 : -ENOMEM;

	if (!error) {
		state->lock = -1;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			error = -errno;
		state->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!error && state->folder < 0)
			error = -errno;
	}
	if (error) {
		log_error("--state %s: %s", path, strerror(-error));
		state_close(state);
		return error;
	}
	read_boot(state->boot);
	*ret_state = state;
	return 0;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	fd_closep(&state->folder);
	fd_closep(&state->lock);
	free(state);
}

/* --- Files --- */

#define STATE_PATH 256

static const char *path_of(const struct state *state, const char *suffix, char out[STATE_PATH])
{
	snprintf(out, STATE_PATH, "%s.%s", state->policy, suffix);
	return out;
}

/* A file of the folder, if it is one of ours. The descriptor or -errno. */
static int open_file(const struct state *state, const char *path, int flags)
{
	int fd = openat(state->folder, path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
		(status.st_uid != geteuid() && status.st_uid != 0)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* All of a file, of at most `most` bytes, with a NUL behind it. 0 or -errno. */
static int read_all(int fd, size_t most, char **ret_text, size_t *ret_size)
{
	uint8_t *bytes;
	int error;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return -EIO;
	error = fd_read_all(fd, most, &bytes, ret_size);
	if (!error)
		*ret_text = (char *)bytes;
	return error;
}

static int read_file(
	const struct state *state, const char *path, size_t most, char **ret_text, size_t *ret_size)
{
	CLEANUP_FD int fd = open_file(state, path, O_RDONLY);

	return fd < 0 ? fd : read_all(fd, most, ret_text, ret_size);
}

struct piece {
	const char *bytes;
	size_t size;
};

/* Writes a file beside and renames it. */
static int replace_file(
	const struct state *state, const char *path, const struct piece *pieces, size_t n_pieces)
{
	char beside[STATE_PATH + 8];
	CLEANUP_FD int fd = -1;
	int error = 0;

	snprintf(beside, sizeof(beside), "%s.new", path);
	if (unlinkat(state->folder, beside, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = open_file(state, beside, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n_pieces && !error; i++)
		error = fd_write_all(fd, pieces[i].bytes, pieces[i].size);
	if (!error && renameat(state->folder, beside, state->folder, path) < 0)
		error = -errno;
	if (error)
		(void)unlinkat(state->folder, beside, 0);
	return error;
}

/* --- The running session --- */

bool state_has_name(const struct state *state, const char *policy)
{
	return strcmp(state->policy, policy) == 0;
}

/* The session goes on under another name. */
static void move_names(const struct state *state, const char *policy)
{
	static const char *const suffixes[] = {"names", "names.new"};
	char from[STATE_PATH], to[STATE_PATH];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && state->lock >= 0; i++) {
		snprintf(to, sizeof(to), "%s.%s", policy, suffixes[i]);
		(void)renameat(state->folder, path_of(state, suffixes[i], from), state->folder, to);
	}
}

void state_name(struct state *state, const char *policy, bool alone)
{
	char path[STATE_PATH];
	int error;

	if (state_has_name(state, policy))
		return;
	move_names(state, policy);
	snprintf(state->policy, sizeof(state->policy), "%s", policy);
	fd_closep(&state->lock);
	if (!alone)
		return;
	state->lock = open_file(state, path_of(state, "lock", path), O_RDWR | O_CREAT);
	error = state->lock < 0 ? state->lock : 0;
	if (!error && flock(state->lock, LOCK_EX | LOCK_NB) < 0)
		error = -errno;
	if (!error)
		return;
	fd_closep(&state->lock);
	state->lock = -1;
	log_warning("the session of policy \"%s\" is not kept in a file: %s: %s", policy, path,
		error == -EWOULDBLOCK ? "another resolver has it" : strerror(-error));
}

static const char first_line[] =
	"{\"version\":1,\"session\":\"%s\",\"boot\":\"%s\",\"since\":%" PRId64 ",\"end\":\n";
static const char third_line[] = ",\"saved\":\n";
static const char last_line[] = "}\n";

int state_write_session(struct state *state, const struct state_session *session, const char *id)
{
	char head[HEAD], path[STATE_PATH];
	struct piece pieces[] = {
		{head, 0},
		{session->record, session->record_size},
		{third_line, sizeof(third_line) - 1},
		{session->text, session->text_size},
		{"\n", 1},
		{last_line, sizeof(last_line) - 1},
	};

	if (state->lock < 0)
		return 0;
	pieces[0].size =
		(size_t)snprintf(head, sizeof(head), first_line, id, state->boot, session->since);
	if (session->record_size == 0)
		pieces[1] = (struct piece){"null\n", 5};
	return replace_file(state, path_of(state, "session.json", path), pieces,
		sizeof(pieces) / sizeof(pieces[0]));
}

void state_forget_session(struct state *state)
{
	char path[STATE_PATH];

	if (state->lock >= 0)
		(void)unlinkat(state->folder, path_of(state, "session.json", path), 0);
}

/* The next line, with its newline; false: there is none. */
static bool take_line(struct piece *rest, struct piece *ret_line)
{
	const char *newline = memchr(rest->bytes, '\n', rest->size);
	size_t size;

	if (!newline)
		return false;
	size = (size_t)(newline + 1 - rest->bytes);
	*ret_line = (struct piece){rest->bytes, size};
	rest->bytes += size;
	rest->size -= size;
	return true;
}

static bool is_line(const struct piece *line, const char *text)
{
	return line->size == strlen(text) && memcmp(line->bytes, text, line->size) == 0;
}

/* What stands between `before` and the next quote or comma, from *at on, which moves there. */
static bool take_part(const char **at, const char *before, char *out, size_t size)
{
	size_t length;

	if (strncmp(*at, before, strlen(before)) != 0)
		return false;
	*at += strlen(before);
	length = strcspn(*at, "\",");
	if (length >= size)
		return false;
	memcpy(out, *at, length);
	out[length] = '\0';
	*at += length;
	return true;
}

/* What the first line says, and nothing else. */
static bool read_head(const struct piece *line, char boot[BOOT_ID], struct state_session *session)
{
	char head[HEAD], again[HEAD], since[24];
	const char *at = head;
	uint64_t seconds;

	if (line->size >= sizeof(head))
		return false;
	memcpy(head, line->bytes, line->size);
	head[line->size] = '\0';
	if (!take_part(&at, "{\"version\":1,\"session\":\"", session->id, STATE_ID) ||
		!take_part(&at, "\",\"boot\":\"", boot, BOOT_ID) ||
		!take_part(&at, "\",\"since\":", since, sizeof(since)) ||
		text_to_number(text_of(since), INT64_MAX, &seconds) < 0 ||
		!state_is_id(session->id))
		return false;
	session->since = (int64_t)seconds;
	snprintf(again, sizeof(again), first_line, session->id, boot, session->since);
	return is_line(line, again);
}

static char *copy(const struct piece *piece)
{
	char *made = malloc(piece->size + 1);

	if (made) {
		memcpy(made, piece->bytes, piece->size);
		made[piece->size] = '\0';
	}
	return made;
}

/* Reads the file's lines. 0, -EPROTO or -ENOMEM. */
static int read_lines(
	const struct state *state, struct piece rest, struct state_session *ret_session)
{
	struct piece head, record, middle, text, last;
	struct state_session session = {.id = ""};
	char boot[BOOT_ID];

	if (!take_line(&rest, &head) || !read_head(&head, boot, &session) ||
		!take_line(&rest, &record) || !take_line(&rest, &middle) ||
		!is_line(&middle, third_line) || !take_line(&rest, &text) ||
		!take_line(&rest, &last) || !is_line(&last, last_line) || rest.size > 0)
		return -EPROTO;
	session.fresh = strcmp(boot, state->boot) != 0;
	session.record_size = is_line(&record, "null\n") ? 0 : record.size;
	/* Without its newline. */
	text.size--;
	session.text_size = text.size;
	session.record = copy(&record);
	session.text = copy(&text);
	if (!session.record || !session.text) {
		state_session_free(&session);
		return -ENOMEM;
	}
	*ret_session = session;
	return 0;
}

void state_session_free(struct state_session *session)
{
	free(session->record);
	free(session->text);
}

int state_read_session(struct state *state, struct state_session *ret_session)
{
	char path[STATE_PATH], *bytes;
	size_t size;
	int error;

	if (state->lock < 0)
		return -ENOENT;
	error = read_file(state, path_of(state, "session.json", path), SESSION_MOST, &bytes, &size);
	if (error == -ENOENT)
		return -ENOENT;
	if (!error) {
		error = read_lines(state, (struct piece){bytes, size}, ret_session);
		free(bytes);
	}
	if (error == -EPROTO)
		log_warning("%s is no session of this program, and passed over", path);
	else if (error)
		log_warning("%s is not read: %s", path, strerror(-error));
	return error ? -ENOENT : 0;
}

/* --- Sessions that are over --- */

void state_read_sessions(struct state *state, char **ret_text, size_t *ret_size)
{
	char path[STATE_PATH], *text = NULL;
	size_t size = 0;
	int error = read_file(
		state, path_of(state, "baseline.jsonl", path), SESSIONS_MOST, &text, &size);

	if (error && error != -ENOENT)
		log_warning("%s is not read, so there are no earlier sessions: %s", path,
			strerror(-error));
	*ret_text = text;
	*ret_size = size;
}

static void pause_for_lock(void)
{
	const struct timespec wait = {0, LOCK_WAIT_MS * 1000000L};

	nanosleep(&wait, NULL);
}

/* Whether the file is the one that has the name. */
static bool is_named(const struct state *state, int fd, const char *path)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 &&
	       fstatat(state->folder, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

/* The file, locked: its descriptor or -errno. */
static int lock_sessions(const struct state *state, const char *path)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		int fd = open_file(state, path, O_RDWR | O_APPEND | O_CREAT);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(state, fd, path))
			return fd;
		close(fd);
		pause_for_lock();
	}
	return -EWOULDBLOCK;
}

/* Keeps the newest lines, if there are too many. */
static int cut_sessions(const struct state *state, int fd, const char *path)
{
	char *text = NULL, *from;
	unsigned n_lines = 0;
	size_t size = 0;
	int error = read_all(fd, SESSIONS_MOST, &text, &size);

	if (error)
		return error;
	for (size_t i = 0; i < size; i++)
		n_lines += text[i] == '\n';
	if (n_lines <= LINES_MOST) {
		free(text);
		return 0;
	}
	from = text;
	for (; n_lines > LINES_LEFT; n_lines--)
		from = (char *)memchr(from, '\n', size - (size_t)(from - text)) + 1;
	error = replace_file(state, path, &(struct piece){from, size - (size_t)(from - text)}, 1);
	free(text);
	return error;
}

/* Whether the last line of the file has an end: who wrote it may have been killed. */
static bool is_torn(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last;

	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

int state_add_session(struct state *state, const char *record, size_t size)
{
	char path[STATE_PATH];
	CLEANUP_FD int fd = -1;
	int error;

	if (size == 0)
		return 0;
	if (memchr(record, '\n', size) != record + size - 1 || memchr(record, '\0', size))
		return -EPROTO;
	fd = lock_sessions(state, path_of(state, "baseline.jsonl", path));
	if (fd < 0)
		return fd;
	error = is_torn(fd) ? fd_write_all(fd, "\n", 1) : 0;
	if (!error)
		error = fd_write_all(fd, record, size);
	return error ? error : cut_sessions(state, fd, path);
}

/* --- Names that were counted --- */

const char *state_boot(const struct state *state)
{
	return state->boot;
}

int state_open_names(const struct state *state, bool next)
{
	char path[STATE_PATH];

	if (state->lock < 0)
		return -ENOENT;
	if (!next)
		return open_file(state, path_of(state, "names", path), O_RDWR);
	(void)unlinkat(state->folder, path_of(state, "names.new", path), 0);
	return open_file(state, path, O_RDWR | O_CREAT | O_EXCL);
}

void state_commit_names(const struct state *state)
{
	char from[STATE_PATH], to[STATE_PATH];

	if (state->lock >= 0)
		(void)renameat(state->folder, path_of(state, "names.new", from), state->folder,
			path_of(state, "names", to));
}

void state_drop_names(const struct state *state)
{
	char path[STATE_PATH];

	if (state->lock >= 0)
		(void)unlinkat(state->folder, path_of(state, "names", path), 0);
}
