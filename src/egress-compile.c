/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/backend.h"
#include "rules/category.h"
#include "rules/codes.h"
#include "rules/compile.h"
#include "rules/diff.h"
#include "rules/explain.h"
#include "rules/lint.h"
#include "rules/load.h"
#include "src/apply.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"
#include "src/frames.h"
#include "src/options.h"
#include "src/output.h"
#include "src/prove.h"
#include "src/report.h"
#include "src/target.h"

enum {
	EXIT_POLICY = 1, /* also what a machine lacks: memory, room for the output */
	EXIT_USAGE = 2,
	EXIT_KERNEL = 3,
	EXIT_REFUSED = 4, /* --explain */
};

#define ARENA_MAX ((size_t)8 << 30)
#define STDIN_MAX ((size_t)64 << 20) /* as much as a policy file may have */
#define FILES_MAX 64                 /* overrides, profile folders */

enum task { WRITE, CHECK, EXPLAIN, EXPLAIN_OVERRIDE, DIFF, LINT, APPLY, REMOVE };

/* One of the policies of a command line, with its overrides. */
struct subject {
	const char *policy;
	const char *overrides[FILES_MAX];
	size_t n_overrides;
};

struct request {
	enum task task;
	bool has_task;
	struct subject subject;
	struct subject other;    /* to compare with */
	const char *output;      /* NULL: standard output */
	const char *destination; /* to explain */
	struct explain_as as;
	bool has_as;
	bool json;
	bool strict;
	bool prove;
	struct target target;
	bool has_target;               /* or an option for one */
	struct target_objects objects; /* of a target that is no ruleset, once they are made */
	const char *profile_dirs[FILES_MAX];
	size_t n_profile_dirs;
};

static int take_task(void *context, const struct option_row *row, const char *argument);
static int take_file(void *context, const struct option_row *row, const char *argument);
static int take_as(void *context, const struct option_row *row, const char *argument);
static int take_format(void *context, const struct option_row *row, const char *argument);
static int take_strict(void *context, const struct option_row *row, const char *argument);
static int take_prove(void *context, const struct option_row *row, const char *argument);
static int take_target(void *context, const struct option_row *row, const char *argument);

enum { OVERRIDE, PROFILE_DIR };

static const struct option_row rows[] = {
	{"output", "FILE", "write to FILE, which is replaced as a whole", take_task, WRITE, 'o'},
	{"check", NULL, "say what is wrong with the policy, write nothing", take_task, CHECK, 0},
	{"lint", NULL, "say also what may not be meant", take_task, LINT, 0},
	{"explain", "DEST", "say what the policy decides about DEST, and why", take_task, EXPLAIN,
		0},
	{"as", "WHO", "for --explain: user=, group=, cgroup=, interface= or source=", take_as, 0,
		0},
	{"explain-override", NULL, "say what the overrides take away", take_task, EXPLAIN_OVERRIDE,
		0},
	{"diff", "OTHER", "say what OTHER permits more or less; 1 if more", take_task, DIFF, 0},
	{"apply", NULL, "load the ruleset into the kernel", take_task, APPLY, 0},
	{"prove", NULL, "for --apply: try afterwards whether unknown addresses are refused",
		take_prove, 0, 0},
	{"remove", NULL, "take the policy's ruleset out of the kernel", take_task, REMOVE, 0},
	{"override", "FILE", "narrow the policy by another; after --diff: OTHER", take_file,
		OVERRIDE, 0},
	{"profile-dir", "DIR", "look for profiles in DIR first", take_file, PROFILE_DIR, 0},
	{"format", "FORMAT", "text, or json for what is said", take_format, 0, 0},
	{"json", NULL, "the same as --format json", take_format, 0, 0},
	{"strict", NULL, "warnings fail too", take_strict, 0, 0},
	{"target", "TARGET",
		"write that: nft, networkpolicy, cilium, clusternetworkpolicy, sidecar",
		take_target, TARGET_BACKEND, 0},
	{"name", "NAME", "of the Kubernetes objects; the policy's", take_target, TARGET_NAME, 0},
	{"namespace", "NAME", "of the pods", take_target, TARGET_NAMESPACE, 0},
	{"selector", "LABELS", "of the pods: KEY=VALUE,...; all of them", take_target,
		TARGET_SELECTOR, 0},
	{"labels", "LABELS", "of the objects: KEY=VALUE,...", take_target, TARGET_LABELS, 0},
	{"lossy", NULL, "write the target even if it permits more", take_target, TARGET_LOSSY, 0},
	{"losses", "FILE", "write what the target cannot hold to FILE, as JSON", take_target,
		TARGET_LOSSES, 0},
};

static const struct option_values values[] = {
	{"as", "WHO", NULL},
	{"format", "text json", NULL},
	{"override", "POLICY", NULL},
	{"target", NULL, backend_name},
};

static const struct command command = {
	.name = "egress-compile",
	.about = "Compile an egress policy (egress-policy(5)) into an nftables ruleset, on "
		 "standard output.\n"
		 "POLICY is a file, or - for standard input.\n",
	.notes = "Exit status: 0 well, 1 the policy is wrong, 2 usage, 3 the kernel refused;\n"
		 "with --explain 0 permitted, 4 refused; with --diff 1 if anything was gained.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
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
static int take_task(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;
	enum task task = (enum task)row->value;

	if (request->has_task && request->task != task) {
		complain("--%s does not go with the options before it", row->name);
		return -EINVAL;
	}
	if (request->has_task && argument) {
		complain("--%s is given twice", row->name);
		return -EINVAL;
	}
	request->task = task;
	request->has_task = true;
	if (task == WRITE)
		request->output = argument;
	else if (task == EXPLAIN)
		request->destination = argument;
	else if (task == DIFF)
		request->other.policy = argument;
	return 0;
}

static int take_file(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;
	struct subject *subject = request->other.policy ? &request->other : &request->subject;
	const char **files = subject->overrides;
	size_t *count = &subject->n_overrides;

	if (row->value == PROFILE_DIR) {
		files = request->profile_dirs;
		count = &request->n_profile_dirs;
	}
	if (*count == FILES_MAX) {
		complain("--%s is given more than %d times", row->name, FILES_MAX);
		return -EINVAL;
	}
	files[(*count)++] = argument;
	return 0;
}

/* "user=agent", each key at most once. */
static int take_as(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;
	const struct {
		const char *key;
		const char **value;
	} keys[] = {
		{"user=", &request->as.user},
		{"group=", &request->as.group},
		{"cgroup=", &request->as.cgroup},
		{"interface=", &request->as.interface},
		{"source=", &request->as.source},
	};

	request->has_as = true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t length = strlen(keys[i].key);

		if (strncmp(argument, keys[i].key, length) != 0 || argument[length] == '\0')
			continue;
		if (*keys[i].value) {
			complain("--%s %s is given twice", row->name, keys[i].key);
			return -EINVAL;
		}
		*keys[i].value = argument + length;
		return 0;
	}
	complain("--%s takes user=, group=, cgroup=, interface= or source=, not '%s'", row->name,
		argument);
	return -EINVAL;
}

static int take_format(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (argument && strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
		complain("--%s takes text or json, not '%s'", row->name, argument);
		return -EINVAL;
	}
	request->json = !argument || strcmp(argument, "json") == 0;
	return 0;
}

static int take_strict(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	(void)row;
	(void)argument;
	request->strict = true;
	return 0;
}

static int take_prove(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	(void)row;
	(void)argument;
	request->prove = true;
	return 0;
}

static int take_target(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;
	const char *problem =
		target_take(&request->target, (enum target_option)row->value, argument);
	char names[160];

	request->has_target = true;
	if (!problem)
		return 0;
	if (row->value == TARGET_BACKEND)
		complain("--%s: '%s' %s: expected one of %s", row->name, argument, problem,
			backend_names(names, sizeof(names)));
	else
		complain("--%s: '%s' %s", row->name, argument, problem);
	return -EINVAL;
}

/* The policy is what standard input has. */
static int use_stdin(struct arena *arena, struct diag *diag, struct compile_options *options)
{
	const struct place whole = {.file = "<stdin>"};
	uint8_t *bytes = NULL;
	size_t size = 0;
	int error = fd_read_all(STDIN_FILENO, STDIN_MAX, &bytes, &size);
	const char *copy = error == 0 ? arena_strndup(arena, (char *)bytes, size) : NULL;

	free(bytes);
	if (error == -EFBIG)
		diag_error(diag, CODE_TOO_LARGE, whole, "cannot read it: it is larger than 64 MiB");
	else if (error && error != -ENOMEM)
		diag_error(diag, CODE_READ, whole, "cannot read it: %s", strerror(-error));
	else if (!copy)
		return -ENOMEM;
	if (error)
		return -EINVAL;
	options->policy = whole.file;
	options->text = copy;
	options->size = size;
	return 0;
}

static int write_ruleset(const void *context, FILE *out)
{
	const struct backend_request request = {.compiled = context};
	int error = backend_find("nft")->write(&request, out);

	return error < 0 ? error : frames_write(request.compiled->plan, out);
}

static int write_text(const void *context, FILE *out)
{
	fputs(context, out);
	return 0;
}

/* What came out before a failure can't be taken back, and nft, at the other end of a pipe, would
 * load it if it ended between two tables: it ends with what nft doesn't take. */
static int write_stdout(int (*write)(const void *context, FILE *out), const void *what)
{
	int error = write(what, stdout);

	if (error == 0 || ferror(stdout))
		return finish_stdout(EXIT_SUCCESS);
	puts("\n}: this is not all of it: egress-compile failed");
	complain("cannot write all of it: %s", strerror(-error));
	return finish_stdout(EXIT_POLICY);
}

/* What was put together already, or the ruleset. */
static int run_write(struct request *request, const struct compiled *compiled)
{
	const char *text = request->objects.text;
	int (*write)(const void *, FILE *) = text ? write_text : write_ruleset;
	const void *what = text ? (const void *)text : compiled;
	int error;

	if (!request->output)
		return write_stdout(write, what);
	error = request->objects.bundle
			? target_write_bundle(request->objects.bundle, request->output)
			: output_file(request->output, write, what);
	if (error == 0)
		return EXIT_SUCCESS;
	complain("cannot write %s: %s", request->output, strerror(-error));
	return EXIT_POLICY;
}

/* What is to be said has been said. */
static int run_check(struct request *request, const struct compiled *compiled)
{
	(void)request;
	(void)compiled;
	return EXIT_SUCCESS;
}

static int run_explain(struct request *request, const struct compiled *compiled)
{
	bool permitted;
	int error = explain(compiled, request->destination, request->has_as ? &request->as : NULL,
		request->json, stdout, &permitted);

	if (error == -EINVAL) {
		complain("'%s' is no destination: expected NAME or ADDRESS, with :PORT, and tcp/, "
			 "udp/ or icmp/ before it",
			request->destination);
		return EXIT_USAGE;
	}
	if (error == -ESRCH) {
		complain("--as: there is no such user or group here, or the source is no address");
		return EXIT_USAGE;
	}
	if (error < 0)
		return out_of_memory();
	return finish_stdout(permitted ? EXIT_SUCCESS : EXIT_REFUSED);
}

static int run_explain_override(struct request *request, const struct compiled *compiled)
{
	int error = diff_overrides(compiled, request->json, stdout);

	if (error == 0)
		return finish_stdout(EXIT_SUCCESS);
	complain("cannot compare: %s", strerror(-error));
	return EXIT_POLICY;
}

/* Says why nothing was applied, or not all of it; frees the message. */
static int apply_failed(const struct plan *plan, int error, char *message)
{
	if (error == -EIO)
		complain("the kernel refused: %s",
			message && *message ? message : "nft did not say why");
	else if (error == -ESTALE)
		complain("the ruleset was loaded, but %s of table inet %s is not as it was written",
			message, plan->table);
	else
		complain("table inet %s: %s", plan->table, strerror(-error));
	free(message);
	return EXIT_KERNEL;
}

/* Packets meet the rules, too. */
static int run_prove(const struct compiled *compiled)
{
	char *message = NULL;
	int error = prove_plan(compiled->plan, &message);

	if (error == 0)
		return EXIT_SUCCESS;
	complain("the ruleset was loaded, but nothing is proved: %s",
		message ? message : strerror(-error));
	free(message);
	return EXIT_KERNEL;
}

static int run_apply(struct request *request, const struct compiled *compiled)
{
	char *message = NULL;
	int error = apply_plan(compiled->plan, &message);

	if (error == -ENOMEM)
		return out_of_memory();
	if (error < 0)
		return apply_failed(compiled->plan, error, message);
	return request->prove ? run_prove(compiled) : EXIT_SUCCESS;
}

static int run_remove(struct request *request, const struct compiled *compiled)
{
	char *message = NULL;
	int error = apply_remove(compiled->plan, &message);

	(void)request;
	return error < 0 ? apply_failed(compiled->plan, error, message) : EXIT_SUCCESS;
}

/* Shows what is wrong. With JSON, as the output of what says nothing else; else on standard error,
 * but for findings, which are what was asked for. */
static int show_diag(const struct request *request, const struct diag *diag, bool failed)
{
	bool on_stdout = request->task == CHECK || request->task == LINT || failed;

	if (request->json && on_stdout)
		return report_json(diag, stdout) < 0 ? out_of_memory()
						     : finish_stdout(EXIT_SUCCESS);
	diag_print(diag, request->task == LINT && !diag_failed(diag) ? stdout : stderr);
	return request->task == LINT ? finish_stdout(EXIT_SUCCESS) : EXIT_SUCCESS;
}

/* What a task needs beside the policy itself. 0 or -errno as compile_policy(). */
static int add_to(
	struct request *request, struct arena *arena, struct diag *diag, struct compiled *compiled)
{
	const struct load_options options = {
		.profile_dirs = request->profile_dirs,
		.n_profile_dirs = request->n_profile_dirs,
	};

	if (request->task == WRITE && target_is_kube(&request->target))
		return target_make(&request->target, arena, compiled, diag, &request->objects);
	if (request->task == LINT)
		return lint(arena, compiled, request->profile_dirs, request->n_profile_dirs, diag);
	if (request->task == EXPLAIN)
		return category_load(arena, &options, diag, &compiled->categories);
	return 0;
}

/* Compiles one of the policies, with all that is wrong with it in the diag. EXIT_SUCCESS, or the
 * status to end with. */
static int compile_subject(struct request *request, const struct subject *subject,
	struct arena *arena, struct diag *diag, struct compiled *ret_compiled)
{
	struct compile_options options = {
		.policy = subject->policy,
		.overrides = subject->overrides,
		.n_overrides = subject->n_overrides,
		.profile_dirs = request->profile_dirs,
		.n_profile_dirs = request->n_profile_dirs,
		.plan_only = (request->task == WRITE && !target_is_kube(&request->target)) ||
			     request->task == APPLY,
	};
	int error = 0;

	if (strcmp(subject->policy, "-") == 0)
		error = use_stdin(arena, diag, &options);
	if (error == 0)
		error = compile_policy(arena, &options, diag, ret_compiled);
	if (error == 0)
		error = add_to(request, arena, diag, ret_compiled);
	if (error == 0)
		return request->strict && diag_warned(diag) ? EXIT_POLICY : EXIT_SUCCESS;
	if (error == -EINVAL)
		return EXIT_POLICY;
	diag_error(diag, 0, (struct place){.line = 0}, "cannot compile: %s", strerror(-error));
	return EXIT_POLICY;
}

static int run_diff(struct request *request, const struct compiled *compiled)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct diag *diag = arena_new(ARENA_MAX, &arena) == 0 ? diag_new(arena) : NULL;
	struct compiled other;
	bool gained;
	int status, error;

	if (!diag)
		return out_of_memory();
	status = compile_subject(request, &request->other, arena, diag, &other);
	if (show_diag(request, diag, status != EXIT_SUCCESS) != EXIT_SUCCESS ||
		status != EXIT_SUCCESS)
		return EXIT_POLICY;
	error = diff(compiled, &other, request->json, stdout, &gained);
	if (error == 0)
		return finish_stdout(gained ? EXIT_POLICY : EXIT_SUCCESS);
	complain("cannot compare: %s", strerror(-error));
	return EXIT_POLICY;
}

static int (*const tasks[])(struct request *, const struct compiled *) = {
	[WRITE] = run_write,
	[CHECK] = run_check,
	[EXPLAIN] = run_explain,
	[EXPLAIN_OVERRIDE] = run_explain_override,
	[DIFF] = run_diff,
	[LINT] = run_check,
	[APPLY] = run_apply,
	[REMOVE] = run_remove,
};

/* Compiles the policy, shows what is wrong with it, and acts if nothing is. */
static int run(struct request *request, struct arena *arena)
{
	struct diag *diag = diag_new(arena);
	struct compiled compiled;
	int status;

	if (!diag)
		return out_of_memory();
	status = compile_subject(request, &request->subject, arena, diag, &compiled);
	if (show_diag(request, diag, status != EXIT_SUCCESS) != EXIT_SUCCESS)
		return EXIT_POLICY;
	return status == EXIT_SUCCESS ? tasks[request->task](request, &compiled) : status;
}

/* Options that say nothing without another. */
static int check_request(const struct request *request)
{
	if (request->has_as && request->task != EXPLAIN)
		complain("--as goes with --explain");
	else if (request->prove && request->task != APPLY)
		complain("--prove goes with --apply");
	else if (request->has_target && request->task != WRITE)
		complain("--target and its options go with writing");
	else if (request->has_target && !target_is_kube(&request->target) &&
		 !request->target.backend)
		complain("--name, --namespace, --selector, --labels, --lossy and --losses go with "
			 "a --target of Kubernetes");
	else if (target_is_bundle(&request->target) && !request->output)
		complain("--target %s writes a folder of files: --output names it",
			request->target.backend->name);
	else if (request->task == EXPLAIN_OVERRIDE && request->subject.n_overrides == 0)
		complain("--explain-override goes with --override");
	else if (request->task == DIFF && strcmp(request->subject.policy, "-") == 0 &&
		 strcmp(request->other.policy, "-") == 0)
		complain("standard input can be only one of the two policies");
	else
		return 0;
	return -EINVAL;
}

int main(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {0};
	int result = options_read(&command, argc, argv, &request, &request.subject.policy);

	if (result == 0 && check_request(&request) < 0)
		return EXIT_USAGE;
	if (result != 0)
		return result == -EINVAL ? EXIT_USAGE : result < 0 ? EXIT_POLICY : EXIT_SUCCESS;
	if (arena_new(ARENA_MAX, &arena) < 0)
		return out_of_memory();
	result = run(&request, arena);
	free(request.objects.text);
	return result;
}
