/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * libnftables parses and evaluates a whole text, then sends it as one netlink transaction, so a
 * text is loaded wholly or not at all. It prints into buffers of its own; only those are read here,
 * nothing goes to the standard streams. Its return value tells success from failure and nothing
 * finer: what was wrong is in the text.
 *
 * It takes a text in memory for one line and shows the wrong place in messages. A file it reads
 * line by line, so a text is given to it as a file that lies in memory.
 */

/* What the text is called in nft's messages: "ruleset:2:16-23: Error: ...". */
#define SOURCE "ruleset"

/* Bytes of a transaction that are asked for; the system gives net.core.wmem_max of them, twice. */
#define SEND_MAX (16 << 20)

/* The descriptor that will be opened next. */
static int next_fd(void)
{
	CLEANUP_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return fd;
}

/*
 * A transaction has to fit into the socket's buffer. libnftables makes it larger only by the way
 * that is closed to user namespaces (SO_SNDBUFFORCE), and doesn't tell its socket: it is the one
 * descriptor that it opens and keeps. Whatever else it were would stay as it is.
 */
static bool is_netfilter(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       domain == AF_NETLINK && protocol == NETLINK_NETFILTER;
}

static void widen_socket(int fd)
{
	const int room = SEND_MAX;

	if (is_netfilter(fd))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* A context that collects what it prints; NULL when memory is short. */
static struct nft_ctx *context_new(bool dry_run)
{
	int fd = next_fd();
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!nft)
		return NULL;
	widen_socket(fd);
	if (nft_ctx_buffer_output(nft) || nft_ctx_buffer_error(nft)) {
		nft_ctx_free(nft);
		return NULL;
	}
	nft_ctx_set_dry_run(nft, dry_run);
	return nft;
}

/* Every `path` in the message becomes SOURCE, which is shorter. */
static void name_source(char *message, const char *path)
{
	size_t length = strlen(path);

	for (; (message = strstr(message, path)); message += strlen(SOURCE)) {
		memcpy(message, SOURCE, strlen(SOURCE));
		memmove(message + strlen(SOURCE), message + length, strlen(message + length) + 1);
	}
}

/* Runs the commands in the file. */
static int run_file(struct nft_ctx *nft, int fd, char **ret_message)
{
	char path[sizeof("/proc/self/fd/") + 12];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nft_run_cmd_from_filename(nft, path) == 0)
		return 0;
	*ret_message = strdup(nft_ctx_get_error_buffer(nft));
	if (*ret_message)
		name_source(*ret_message, path);
	return -EIO;
}

/* What a listing command prints; -EIO when there is nothing to list. */
static int list(const char *command, char **ret_text)
{
	struct nft_ctx *nft = context_new(false);
	int error = 0;
	char *text;

	if (!nft)
		return -ENOMEM;
	if (nft_run_cmd_from_buffer(nft, command)) {
		error = -EIO;
	} else {
		text = strdup(nft_ctx_get_output_buffer(nft));
		if (text)
			*ret_text = text;
		else
			error = -ENOMEM;
	}
	nft_ctx_free(nft);
	return error;
}

/* What nft's scanner takes for a name: a letter first. */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define OTHERS "0123456789/\\_.-"

/* Room for a command about a table. */
#define COMMAND_SIZE (2 * NFT_NAME_MAXLEN + 64)

/* Whether nft reads it as one word, so that it can't be more than a name. */
static bool is_table_name(const char *table)
{
	size_t length = strlen(table);

	return length > 0 && length < NFT_NAME_MAXLEN && strspn(table, LETTERS) > 0 &&
	       strspn(table, LETTERS OTHERS) == length;
}

/* A file that has the text, or -errno. */
static int make_file(const char *text)
{
	CLEANUP_FD int fd = memfd_create(SOURCE, MFD_CLOEXEC);
	int error = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	return error ? error : fd_steal(&fd);
}

int ruleset_load(const char *text, bool dry_run, char **ret_message)
{
	CLEANUP_FD int fd = make_file(text);
	struct nft_ctx *nft = fd < 0 ? NULL : context_new(dry_run);
	int error;

	if (!nft)
		return fd < 0 ? fd : -ENOMEM;
	error = run_file(nft, fd, ret_message);
	nft_ctx_free(nft);
	return error;
}

struct ruleset_held {
	struct nft_ctx *nft;
};

/* The socket must not be inherited by programs that are executed. */
static int hold(struct ruleset_held *held, const char *text, char **ret_message)
{
	CLEANUP_FD int file = make_file(text);
	int socket = next_fd();

	if (file < 0)
		return file;
	held->nft = context_new(false);
	if (!held->nft)
		return -ENOMEM;
	if (!is_netfilter(socket) || fcntl(socket, F_SETFD, FD_CLOEXEC) < 0)
		return -EBADF;
	return run_file(held->nft, file, ret_message);
}

int ruleset_hold(const char *text, struct ruleset_held **ret_held, char **ret_message)
{
	struct ruleset_held *held = calloc(1, sizeof(*held));
	int error = held ? hold(held, text, ret_message) : -ENOMEM;

	if (error)
		ruleset_let_go(held);
	else
		*ret_held = held;
	return error;
}

void ruleset_let_go(struct ruleset_held *held)
{
	if (!held)
		return;
	if (held->nft)
		nft_ctx_free(held->nft);
	free(held);
}

int ruleset_remove(const char *table, char **ret_message)
{
	char commands[COMMAND_SIZE];

	if (!is_table_name(table))
		return -EINVAL;
	/* Adding what exists does nothing: so there is always one to delete. */
	snprintf(commands, sizeof(commands), "add table inet %s\ndelete table inet %s\n", table,
		table);
	return ruleset_load(commands, false, ret_message);
}

/* 0 when the kernel has the table, -ENOENT when it hasn't. */
static int find_table(const char *table)
{
	char line[COMMAND_SIZE];
	char *tables, *found;
	int error = list("list tables inet\n", &tables);

	if (error)
		return error;
	snprintf(line, sizeof(line), "\ntable inet %s\n", table);
	found = strncmp(tables, line + 1, strlen(line + 1)) == 0 ? tables : strstr(tables, line);
	error = found ? 0 : -ENOENT;
	free(tables);
	return error;
}

int ruleset_remove_link(const char *table, char **ret_message)
{
	char command[COMMAND_SIZE];

	if (!is_table_name(table))
		return -EINVAL;
	snprintf(command, sizeof(command), "delete table netdev %s\n", table);
	return ruleset_load(command, false, ret_message);
}

int ruleset_read(const char *table, char **ret_text)
{
	char command[COMMAND_SIZE];
	int error;

	if (!is_table_name(table))
		return -EINVAL;
	error = find_table(table);
	if (error)
		return error;
	snprintf(command, sizeof(command), "list table inet %s\n", table);
	return list(command, ret_text);
}

int ruleset_read_tables(char **ret_text)
{
	return list("list tables inet", ret_text);
}
