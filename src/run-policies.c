/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run-policies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/resolvconf.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/run-options.h"
#include "src/run/allow.h"
#include "src/run/find.h"

#define ARENA_MAX ((size_t)8 << 30)

/* A base that permits nothing, for what the command line adds. */
static const char empty_base[] = "version = 1\nname = \"run\"\n";

/* What is in the working directory is called as it is there. */
static void shorten(char *path, const char *folder)
{
	size_t length = strlen(folder);

	if (strncmp(path, folder, length) == 0 && path[length] == '/' && path[length + 1] != '\0')
		memmove(path, path + length + 1, strlen(path + length + 1) + 1);
}

/* 0, also when there is none; or -errno, which has been said. */
static int find_base(const struct run_request *request, struct run_policies *policies)
{
	char *folder = getcwd(NULL, 0);
	const struct find_places places = {
		.folder = folder ? folder : "/",
		.config = getenv("XDG_CONFIG_HOME"),
		.home = getenv("HOME"),
		.system = EGRESS_POLICY_DIR "/" FIND_NAME,
		.uid = geteuid(),
	};
	int error = 0;

	if (request->words[RUN_POLICY]) {
		policies->path = strdup(request->words[RUN_POLICY]);
		error = policies->path ? 0 : -ENOMEM;
	} else {
		error = find_policy(&places, &policies->path);
	}
	if (!error && folder)
		shorten(policies->path, folder);
	free(folder);
	if (error == -EACCES && policies->path)
		run_complain(
			"%s belongs to another user: name it with --policy if it is to be used",
			policies->path);
	else if (error != 0 && error != -ENOENT)
		run_complain(
			"%s: %s", policies->path ? policies->path : "policy", strerror(-error));
	return error == -ENOENT ? 0 : error;
}

static int write_added(const struct run_request *request, struct run_policies *policies)
{
	const struct allow allow = {
		.destinations = request->lists[RUN_ALLOW],
		.n_destinations = request->n_lists[RUN_ALLOW],
		.profiles = request->lists[RUN_PROFILE],
		.n_profiles = request->n_lists[RUN_PROFILE],
	};
	const char *bad = NULL;
	int error;

	if (allow.n_destinations + allow.n_profiles == 0)
		return 0;
	error = allow_write(&allow, &policies->added, &policies->added_size, &bad);
	if (error == -EINVAL)
		run_complain(
			"'%s' is no destination: expected NAME or ADDRESS, with :PORT, and tcp/, "
			"udp/ or icmp/ before it",
			bad);
	else if (error)
		run_complain("%s", strerror(-error));
	return error;
}

static int compile(const struct run_request *request, struct run_policies *policies)
{
	const struct compile_options options = {
		.policy = policies->path ? policies->path : "(no policy)",
		.text = policies->text,
		.size = policies->text ? strlen(policies->text) : 0,
		.added = policies->added ? "(options)" : NULL,
		.added_text = policies->added,
		.added_size = policies->added_size,
		.overrides = request->lists[RUN_OVERRIDE],
		.n_overrides = request->n_lists[RUN_OVERRIDE],
		.profile_dirs = request->lists[RUN_PROFILE_DIR],
		.n_profile_dirs = request->n_lists[RUN_PROFILE_DIR],
		.system_servers = policies->servers,
		.n_system_servers = policies->n_servers,
		.own_namespace = !request->cgroup,
		.cgroup = request->cgroup,
		.observe = request->flags[RUN_OBSERVE],
		.plan_only = true,
	};
	struct diag *diag = diag_new(policies->arena);
	int error = diag ? compile_policy(policies->arena, &options, diag, &policies->compiled)
			 : -ENOMEM;

	if (diag)
		diag_print(diag, stderr);
	if (error && error != -EINVAL)
		run_complain("%s: %s", options.policy, strerror(-error));
	return error;
}

int run_read_policies(const struct run_request *request, struct run_policies *ret_policies)
{
	struct run_policies *policies = ret_policies;
	int error;

	*policies = (struct run_policies){.path = NULL};
	error = find_base(request, policies);
	if (!error)
		error = write_added(request, policies);
	if (!error && !policies->path && !policies->added && !request->flags[RUN_OBSERVE]) {
		run_complain(
			"there is no policy: no " FIND_NAME " in this folder or above, no "
			"egress/" FIND_NAME " in $XDG_CONFIG_HOME, no " EGRESS_POLICY_DIR
			"/" FIND_NAME "; name one with --policy, destinations with --allow, or try "
			"--observe");
		error = -ENOENT;
	}
	if (error)
		return error;
	if (!policies->path)
		policies->text = empty_base;
	/* Without it the policy may name servers, or have no need of any. */
	(void)resolvconf_read(
		RESOLVCONF_PATH, RESOLVCONF_BEHIND_PATH, policies->servers, &policies->n_servers);
	error = arena_new(ARENA_MAX, &policies->arena);
	return error ? error : compile(request, policies);
}

void run_free_policies(struct run_policies *policies)
{
	arena_free(policies->arena);
	free(policies->path);
	free(policies->added);
}
