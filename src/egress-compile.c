/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/backend.h"
#include "rules/compile.h"
#include "rules/explain.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"
#include "src/kernel/readback.h"
#include "src/kernel/ruleset.h"
#include "src/options.h"

enum {
	EXIT_POLICY = 1, /* also what a machine lacks: memory, room for the output */
	EXIT_USAGE = 2,
	EXIT_KERNEL = 3,
	EXIT_REFUSED = 4, /* --explain */
};

#define ARENA_MAX ((size_t)4 << 30)
#define STDIN_MAX ((size_t)64 << 20) /* as much as a policy file may have */

enum action { WRITE, CHECK, EXPLAIN, APPLY, REMOVE };

struct request {
	enum action action;
	bool has_action;
	const char *policy;
	const char *output;      /* NULL: standard output */
	const char *destination; /* to explain */
};

static int take_action(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"output", "FILE", "write to FILE, which is replaced as a whole", take_action, WRITE, 'o'},
	{"check", NULL, "say what is wrong with the policy, write nothing", take_action, CHECK, 0},
	{"explain", "DEST", "say what the policy decides about DEST, and why", take_action, EXPLAIN,
		0},
	{"apply", NULL, "load the ruleset into the kernel", take_action, APPLY, 0},
	{"remove", NULL, "take the policy's ruleset out of the kernel", take_action, REMOVE, 0},
};

static const struct command command = {
	.name = "egress-compile",
	.about = "Compile an egress policy (egress-policy(5)) into an nftables ruleset, on "
		 "standard output.\n"
		 "POLICY is a file, or - for standard input.\n",
	.notes = "Exit status: 0 well, 1 the policy is wrong, 2 usage, 3 the kernel refused;\n"
		 "with --explain 0 permitted, 4 refused.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
};

#define complain(...) options_complain(&command, __VA_ARGS__)

static int out_of_memory(void)
{
	complain("out of memory");
	return EXIT_POLICY;
}

static int finish_stdout(int status)
{
	return options_finish_stdout(&command) == 0 ? status : EXIT_POLICY;
}

/* Takes one option into the request; -EINVAL when it doesn't go with one before. */
static int take_action(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;
	enum action action = (enum action)row->value;

	if (request->has_action && request->action != action) {
		complain("--%s does not go with the options before it", row->name);
		return -EINVAL;
	}
	request->action = action;
	request->has_action = true;
	if (action == WRITE)
		request->output = argument;
	else if (action == EXPLAIN)
		request->destination = argument;
	return 0;
}

/* All of standard input, or one byte more than a policy may have. To be freed. */
static int read_stdin(char **ret_text, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0, room = 0;

	do {
		char *more;

		room = room > 0 ? 2 * room : 65536;
		more = realloc(text, room);
		if (!more) {
			free(text);
			return -ENOMEM;
		}
		text = more;
		size += fread(text + size, 1, room - size, stdin);
	} while (size == room && size <= STDIN_MAX);
	if (ferror(stdin)) {
		free(text);
		return -EIO;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}

static int compile_stdin(struct arena *arena, struct diag *diag, struct compiled *ret_compiled)
{
	const struct place whole = {.file = "<stdin>"};
	char *text = NULL;
	size_t size = 0;
	int error = read_stdin(&text, &size);
	const char *copy = error == 0 ? arena_strndup(arena, text, size) : NULL;

	free(text);
	if (error == -EIO) {
		diag_error(diag, whole, "cannot read it: %s", strerror(errno));
		return -EINVAL;
	}
	if (!copy)
		return -ENOMEM;
	if (size > STDIN_MAX) {
		diag_error(diag, whole, "cannot read it: it is larger than 64 MiB");
		return -EINVAL;
	}
	return compile_text(arena, whole.file, copy, size, diag, ret_compiled);
}

/* Writes the ruleset to `out`, which it closes. */
static int write_closing(const struct plan *plan, FILE *out)
{
	int error;

	errno = 0;
	error = backend_find("nft")->write(plan, out);
	if (error < 0 && errno != 0)
		error = -errno;
	if (error == 0 && fsync(fileno(out)) < 0 && errno != EINVAL && errno != EROFS)
		error = -errno;
	if (fclose(out) != 0 && error == 0)
		error = -errno;
	return error;
}

/* The mode a new file would have got from open(2), or that the replaced one has. */
static mode_t output_mode(const char *path)
{
	struct stat status;
	mode_t mask;

	if (stat(path, &status) == 0)
		return status.st_mode & 07777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* Writes a file beside `path` and renames it, so that `path` is the old or the new one whole. */
static int replace_file(const struct plan *plan, const char *path)
{
	CLEANUP_FD int fd = -1;
	char *beside;
	FILE *out;
	int error;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		free(beside);
		return error;
	}
	error = fchmod(fd, output_mode(path)) < 0 ? -errno : 0;
	out = error == 0 ? fdopen(fd, "w") : NULL;
	if (out) {
		fd_steal(&fd);
		error = write_closing(plan, out);
	} else if (error == 0) {
		error = -errno;
	}
	if (error == 0 && rename(beside, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(beside);
	free(beside);
	return error;
}

/* Devices and pipes are written to; a link is followed to what it names. */
static int write_file(const struct plan *plan, const char *path)
{
	struct stat status;
	char *real;
	FILE *out;
	int error;

	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		out = fopen(path, "we");
		return out ? write_closing(plan, out) : -errno;
	}
	real = realpath(path, NULL);
	error = replace_file(plan, real ? real : path);
	free(real);
	return error;
}

static int run_write(const struct request *request, const struct compiled *compiled)
{
	int error;

	if (!request->output) {
		backend_find("nft")->write(compiled->plan, stdout);
		return finish_stdout(EXIT_SUCCESS);
	}
	error = write_file(compiled->plan, request->output);
	if (error == 0)
		return EXIT_SUCCESS;
	complain("cannot write %s: %s", request->output, strerror(-error));
	return EXIT_POLICY;
}

static int run_check(const struct request *request, const struct compiled *compiled)
{
	(void)request;
	(void)compiled;
	return EXIT_SUCCESS;
}

static int run_explain(const struct request *request, const struct compiled *compiled)
{
	bool permitted;

	if (explain(compiled, request->destination, stdout, &permitted) < 0) {
		complain("'%s' is no destination: expected NAME or ADDRESS, with :PORT, and tcp/, "
			 "udp/ or icmp/ before it",
			request->destination);
		return EXIT_USAGE;
	}
	return finish_stdout(permitted ? EXIT_SUCCESS : EXIT_REFUSED);
}

/* Says what nft said; frees it. */
static int kernel_refused(char *message)
{
	complain("the kernel refused: %s", message && *message ? message : "nft did not say why");
	free(message);
	return EXIT_KERNEL;
}

/* Whether the kernel has what was loaded. */
static int verify(const char *table, const char *text)
{
	char *held = NULL, *object = NULL;
	int error = ruleset_read(table, &held);

	if (error == 0)
		error = readback_compare(text, held, &object);
	if (error == -ESTALE)
		complain("the ruleset was loaded, but %s of table inet %s is not as it was written",
			object, table);
	else if (error < 0)
		complain("the ruleset was loaded, but table inet %s cannot be read back: %s", table,
			strerror(-error));
	free(held);
	free(object);
	return error < 0 ? EXIT_KERNEL : EXIT_SUCCESS;
}

static int run_apply(const struct request *request, const struct compiled *compiled)
{
	char *text = NULL, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status, error;

	(void)request;
	if (!out)
		return out_of_memory();
	error = backend_find("nft")->write(compiled->plan, out);
	if (fclose(out) != 0 || error < 0) {
		free(text);
		return out_of_memory();
	}
	error = ruleset_load(text, false, &message);
	status = error < 0 ? kernel_refused(message) : verify(compiled->plan->table, text);
	free(text);
	return status;
}

static int run_remove(const struct request *request, const struct compiled *compiled)
{
	char *message = NULL;

	(void)request;
	if (ruleset_remove(compiled->plan->table, &message) < 0)
		return kernel_refused(message);
	return EXIT_SUCCESS;
}

static int (*const actions[])(const struct request *, const struct compiled *) = {
	[WRITE] = run_write,
	[CHECK] = run_check,
	[EXPLAIN] = run_explain,
	[APPLY] = run_apply,
	[REMOVE] = run_remove,
};

/* Compiles the policy, shows what is wrong with it, and acts if nothing is. */
static int run(const struct request *request, struct arena *arena)
{
	struct diag *diag = diag_new(arena);
	struct compiled compiled;
	int error;

	if (!diag)
		return out_of_memory();
	if (strcmp(request->policy, "-") == 0)
		error = compile_stdin(arena, diag, &compiled);
	else
		error = compile_file(arena, request->policy, diag, &compiled);
	diag_print(diag, stderr);
	if (error == -EINVAL)
		return EXIT_POLICY;
	if (error < 0) {
		complain("cannot compile: %s", strerror(-error));
		return EXIT_POLICY;
	}
	return actions[request->action](request, &compiled);
}

int main(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {0};
	int result = options_read(&command, argc, argv, &request, &request.policy);

	if (result != 0)
		return result == -EINVAL ? EXIT_USAGE : result < 0 ? EXIT_POLICY : EXIT_SUCCESS;
	if (arena_new(ARENA_MAX, &arena) < 0)
		return out_of_memory();
	return run(&request, arena);
}
