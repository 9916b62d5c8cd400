/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/nft.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"
#include "src/kernel/ruleset.h"
#include "tests/differential/child.h"
#include "tests/differential/foresee.h"

/*
 * Theory of operation
 *
 * A ruleset comes into the kernel as a text, which libnftables loads, or by the program itself with
 * --apply, which fills interval maps over netlink and changes from one generation of them to the
 * next. The policies before it make the table that it is loaded over: the first of them comes as a
 * text, the next by --apply, so that there are changes from each to the latter.
 */

#define PATH_ROOM 128

/* A policy of the drill, by the name of its file. */
struct source {
	char policy[PATH_ROOM];
	char overrides[DRILL_OVERRIDES_MAX][PATH_ROOM];
	size_t n_overrides;
};

static struct source source_of(const struct trial *trial, const char *file, size_t n_overrides)
{
	struct source source = {.n_overrides = n_overrides};

	snprintf(source.policy, PATH_ROOM, "%s/%s", trial->runner->folder, file);
	for (size_t i = 0; i < n_overrides; i++)
		snprintf(source.overrides[i], PATH_ROOM, "%s/o%zu.toml", trial->runner->folder,
			i + 1);
	return source;
}

static int compile(const struct trial *trial, const struct source *source, struct diag *diag,
	struct compiled *ret_compiled)
{
	const char *overrides[DRILL_OVERRIDES_MAX], *folder = trial->runner->folder;
	struct compile_options options = {.policy = source->policy,
		.overrides = overrides,
		.n_overrides = source->n_overrides,
		.profile_dirs = &folder,
		.n_profile_dirs = 1};

	for (size_t i = 0; i < source->n_overrides; i++)
		overrides[i] = source->overrides[i];
	return compile_policy(trial->arena, &options, diag, ret_compiled);
}

int load_compile(struct trial *trial)
{
	const struct source source = source_of(trial, "base.toml", trial->drill->n_overrides);

	return compile(trial, &source, trial->diag, &trial->compiled);
}

static int load_text(const struct trial *trial, const struct plan *plan)
{
	char *text = NULL, *message = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int error = out ? nft_write(plan, NULL, out) : -ENOMEM;

	if (out)
		fclose(out);
	if (error == 0)
		error = ruleset_load(text, false, &message);
	if (error < 0 && trial->say)
		printf("# nft refuses the ruleset: %s\n", message ? message : strerror(-error));
	free(text);
	free(message);
	return error;
}

/* What the program said when it failed. */
static void print_said(const char *path)
{
	uint8_t *said = NULL;
	size_t size;

	if (fd_read_file(path, 65536, &said, &size) == 0)
		printf("# --apply fails: %s\n", (const char *)said);
	free(said);
}

static int load_applied(struct trial *trial, const struct plan *plan, const struct source *source)
{
	const char *folder = trial->runner->folder;
	const char *arguments[8 + 2 * DRILL_OVERRIDES_MAX] = {
		trial->runner->program, source->policy, "--apply", "--profile-dir", folder};
	size_t count = 5;
	char said[PATH_ROOM];
	int error;

	for (size_t i = 0; i < source->n_overrides; i++) {
		arguments[count++] = "--override";
		arguments[count++] = source->overrides[i];
	}
	snprintf(said, sizeof(said), "%s/said", folder);
	error = child_run(arguments, said);
	if (error == 0)
		foresee_swept(trial, plan);
	else if (trial->say)
		print_said(said);
	return error;
}

/* Leases for all probes with names, as the keeper gives them. `again`: half of what is in force
 * stays as it is, as if the resolver had not been asked for it since the policy changed. */
static int lease_all(struct trial *trial, const struct compiled *compiled, bool again)
{
	int error = 0;

	for (size_t i = 0; i < trial->drill->n_probes && error == 0; i++)
		if (again && i % 2 == 1 && foresee_held(trial, i) != 0)
			trial->runner->tally->n_outlived++;
		else
			error = foresee_lease(trial, compiled, i);
	if (error < 0 && trial->say)
		printf("# a lease cannot be given: %s\n", strerror(-error));
	return error;
}

/* One of the policies before; what does not compile was never in force. */
static int load_before(struct trial *trial, size_t index)
{
	struct diag *diag = diag_new(trial->arena);
	struct compiled compiled;
	struct source source;
	char file[32];
	int error;

	snprintf(file, sizeof(file), "p%zu.toml", index + 1);
	source = source_of(trial, file, 0);
	file[0] = 'q';
	if (drill_has(trial->drill, file))
		snprintf(source.overrides[source.n_overrides++], PATH_ROOM, "%s/%s",
			trial->runner->folder, file);
	if (!diag)
		return -ENOMEM;
	if (compile(trial, &source, diag, &compiled) < 0)
		return 0;
	trial->tables_before[index] = compiled.plan->table;
	error = index > 0 && trial->runner->program ? load_applied(trial, compiled.plan, &source)
						    : load_text(trial, compiled.plan);
	return error == 0 ? lease_all(trial, &compiled, false) : error;
}

/* Whether there is a table of a policy before. */
static bool is_over(const struct trial *trial)
{
	for (size_t i = 0; i < DRILL_BEFORE_MAX; i++)
		if (trial->tables_before[i])
			return true;
	return false;
}

int load_policy(struct trial *trial)
{
	const struct source source = source_of(trial, "base.toml", trial->drill->n_overrides);
	bool applied = trial->drill->applied && trial->runner->program;
	int error = 0;

	for (size_t i = 0; i < trial->drill->n_before && error == 0; i++)
		error = load_before(trial, i);
	if (error == 0)
		error = applied ? load_applied(trial, trial->compiled.plan, &source)
				: load_text(trial, trial->compiled.plan);
	if (error < 0)
		return error;
	trial->runner->tally->n_applied += applied;
	trial->runner->tally->n_applied_over += applied && is_over(trial);
	trial->runner->tally->n_text_over += !applied && is_over(trial);
	return lease_all(trial, &trial->compiled, true);
}

/* A fixture may give them names of their own. */
void load_remove(const struct trial *trial)
{
	const char *tables[] = {trial->compiled.plan->table, trial->tables_before[0],
		trial->tables_before[DRILL_BEFORE_MAX - 1]};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char *message = NULL;

		if (tables[i])
			(void)ruleset_remove(tables[i], &message);
		free(message);
	}
}
