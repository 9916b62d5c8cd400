/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "resolver/resolvconf.h"
#include "rules/compile.h"
#include "src/apply.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"
#include "src/base/log.h"
#include "src/kernel/netns.h"
#include "src/options.h"
#include "src/run/allow.h"
#include "src/run/command.h"
#include "src/run/find.h"
#include "src/run/stage.h"
#include "src/run/tend.h"

#define ARENA_MAX ((size_t)8 << 30)

enum { POLICY, USER };
enum { OVERRIDE, PROFILE, PROFILE_DIR, ALLOW, LISTS };
enum { WAIT, VERBOSE };

static int take_word(void *context, const struct option_row *row, const char *argument);
static int take_item(void *context, const struct option_row *row, const char *argument);
static int take_flag(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"policy", "FILE", "the policy; else " FIND_NAME " here or above, or the user's", take_word,
		POLICY, 'p'},
	{"override", "FILE", "a policy that narrows it; any number", take_item, OVERRIDE, 0},
	{"profile", "NAME", "a profile's entries are permitted, too", take_item, PROFILE, 0},
	{"profile-dir", "DIR", "look for profiles in DIR first", take_item, PROFILE_DIR, 0},
	{"allow", "DEST", "permit DEST as well: NAME or ADDRESS, with :PORT", take_item, ALLOW,
		'a'},
	{"user", "USER", "root: run as this user", take_word, USER, 'u'},
	{"wait", NULL, "wait for what the command leaves behind, too", take_flag, WAIT, 'w'},
	{"verbose", NULL, "show what the resolver logs", take_flag, VERBOSE, 'v'},
};

static const struct command command = {
	.name = "egress-run",
	.operands = "[--] COMMAND [ARGUMENT]...",
	.runs = true,
	.about = "Run a command that reaches what an egress policy (egress-policy(5)) permits, "
		 "and nothing\n"
		 "else. Takes no privileges.\n",
	.notes = "Exit status: the command's, or 125 when it was not run, 126 when it can't be "
		 "executed,\n"
		 "127 when there is none.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
};

#define complain(...) options_complain(&command, __VA_ARGS__)

struct request {
	const char *words[2];
	const char **lists[LISTS]; /* each has room for all arguments */
	size_t n_lists[LISTS];
	bool flags[2];
	char *const *arguments; /* the command */
};

/* The policies, where they come from and what came of them. */
struct policies {
	struct arena *arena;
	char *path; /* the base's file; NULL: there is none, its text follows */
	const char *text;
	char *added; /* what the command line adds, as a policy; NULL: nothing */
	size_t added_size;
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t n_servers;
	struct compiled compiled;
};

/* A base that permits nothing, for what the command line adds. */
static const char empty_base[] = "version = 1\nname = \"run\"\n";

static int take_word(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (request->words[row->value]) {
		complain("--%s is given twice", row->name);
		return -EINVAL;
	}
	request->words[row->value] = argument;
	return 0;
}

static int take_item(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	request->lists[row->value][request->n_lists[row->value]++] = argument;
	return 0;
}

static int take_flag(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	(void)argument;
	request->flags[row->value] = true;
	return 0;
}

/* --- The policy --- */

/* 0, also when there is none; or -errno, which has been said. */
static int find_base(const struct request *request, struct policies *policies)
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

	if (request->words[POLICY])
		policies->path = strdup(request->words[POLICY]);
	else
		error = find_policy(&places, &policies->path);
	free(folder);
	if (error == -EACCES && policies->path)
		complain("%s belongs to another user: name it with --policy if it is to be used",
			policies->path);
	else if (error != 0 && error != -ENOENT)
		complain("%s: %s", policies->path ? policies->path : "policy", strerror(-error));
	return error == -ENOENT ? 0 : error;
}

static int write_added(const struct request *request, struct policies *policies)
{
	const struct allow allow = {
		.destinations = request->lists[ALLOW],
		.n_destinations = request->n_lists[ALLOW],
		.profiles = request->lists[PROFILE],
		.n_profiles = request->n_lists[PROFILE],
	};
	const char *bad = NULL;
	int error;

	if (allow.n_destinations + allow.n_profiles == 0)
		return 0;
	error = allow_write(&allow, &policies->added, &policies->added_size, &bad);
	if (error == -EINVAL)
		complain("'%s' is no destination: expected NAME or ADDRESS, with :PORT, and tcp/, "
			 "udp/ or icmp/ before it",
			bad);
	else if (error)
		complain("%s", strerror(-error));
	return error;
}

static int compile(const struct request *request, struct policies *policies)
{
	const struct compile_options options = {
		.policy = policies->path ? policies->path : "(no policy)",
		.text = policies->text,
		.size = policies->text ? strlen(policies->text) : 0,
		.added = policies->added ? "(options)" : NULL,
		.added_text = policies->added,
		.added_size = policies->added_size,
		.overrides = request->lists[OVERRIDE],
		.n_overrides = request->n_lists[OVERRIDE],
		.profile_dirs = request->lists[PROFILE_DIR],
		.n_profile_dirs = request->n_lists[PROFILE_DIR],
		.system_servers = policies->servers,
		.n_system_servers = policies->n_servers,
		.own_namespace = true,
		.plan_only = true,
	};
	struct diag *diag = diag_new(policies->arena);
	int error = diag ? compile_policy(policies->arena, &options, diag, &policies->compiled)
			 : -ENOMEM;

	if (diag)
		diag_print(diag, stderr);
	if (error && error != -EINVAL)
		complain("%s: %s", options.policy, strerror(-error));
	return error;
}

/* 0, or -errno, which has been said. */
static int read_policies(const struct request *request, struct policies *policies)
{
	int error = find_base(request, policies);

	if (!error)
		error = write_added(request, policies);
	if (!error && !policies->path && !policies->added) {
		complain("there is no policy: no " FIND_NAME " in this folder or above, no "
			 "egress/" FIND_NAME " in $XDG_CONFIG_HOME, no " EGRESS_POLICY_DIR
			 "/" FIND_NAME "; name one with --policy, or destinations with --allow");
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

static void free_policies(struct policies *policies)
{
	arena_free(policies->arena);
	free(policies->path);
	free(policies->added);
}

/* --- The user --- */

static int change_environment(const struct passwd *user)
{
	const char *const variables[][2] = {
		{"HOME", user->pw_dir},
		{"SHELL", user->pw_shell},
		{"USER", user->pw_name},
		{"LOGNAME", user->pw_name},
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (setenv(variables[i][0], variables[i][1], 1) < 0)
			return -errno;
	/* What was the caller's. */
	return unsetenv("XDG_RUNTIME_DIR") < 0 ? -errno : 0;
}

/* Becomes the user for good. 0 or -errno, which has been said. */
static int become_user(const char *name)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;
	int error = 0;

	if (!name)
		return 0;
	if (!user) {
		complain("--user: there is no user \"%s\"", name);
		return -ENOENT;
	}
	error = change_environment(user);
	if (!error && (initgroups(user->pw_name, user->pw_gid) < 0 ||
			      setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
			      setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0))
		error = -errno;
	/* Else the user namespace to come would be out of its own reach. */
	if (!error && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		error = -errno;
	if (error)
		complain("--user %s: %s", name, strerror(-error));
	return error;
}

/* --- The run --- */

#define RESOLVER "egress-resolver"

/* The resolver beside this program, as in a build tree, or where it is installed. */
static const char *find_resolver(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(RESOLVER));

	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length > 0) {
		memcpy(path + length, RESOLVER, sizeof(RESOLVER));
		if (access(path, X_OK) == 0)
			return path;
	}
	return EGRESS_SBIN_DIR "/" RESOLVER;
}

/* A file without a name that has the text, and what to call it where it is inherited. */
static int make_file(const char *text, size_t size, int *ret_fd, char path[32])
{
	CLEANUP_FD int fd = memfd_create("policy", MFD_CLOEXEC);
	int error = fd < 0 ? -errno : fd_write_all(fd, text, size);

	if (error)
		return error;
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	*ret_fd = fd_steal(&fd);
	return 0;
}

static const char *resolvers_user(void)
{
	if (netns_roots_ids() == 0)
		return "0"; /* which is the only one there */
	return getpwnam("egress") ? "egress" : "nobody";
}

/* 0, or -errno, which has been said. */
static int start_stage(
	const struct request *request, const struct policies *policies, struct stage *ret_stage)
{
	char resolver[PATH_MAX], policy_path[32], added_path[32];
	CLEANUP_FD int policy_fd = -1;
	CLEANUP_FD int added_fd = -1;
	struct stage_failure why = {""};
	struct stage_config config = {
		.plan = policies->compiled.plan,
		.policy = policies->path,
		.overrides = request->lists[OVERRIDE],
		.n_overrides = request->n_lists[OVERRIDE],
		.profile_dirs = request->lists[PROFILE_DIR],
		.n_profile_dirs = request->n_lists[PROFILE_DIR],
		.resolver = find_resolver(resolver),
		.user = resolvers_user(),
		.verbose = request->flags[VERBOSE],
		.load = apply_first,
	};
	int error = 0;

	if (!policies->path) {
		error = make_file(policies->text, strlen(policies->text), &policy_fd, policy_path);
		config.policy = policy_path;
	}
	if (!error && policies->added) {
		error = make_file(policies->added, policies->added_size, &added_fd, added_path);
		config.added = added_path;
	}
	config.policy_fd = policy_fd;
	config.added_fd = added_fd;
	if (error)
		snprintf(why.reason, sizeof(why.reason), "%s", strerror(-error));
	else
		error = stage_start(&config, ret_stage, &why);
	if (error)
		complain("%s", why.reason);
	return error;
}

static void complain_of(const char *what, int error)
{
	complain("%s: %s", what, strerror(-error));
}

static void note(const char *what)
{
	complain("%s", what);
}

/* Runs the command in the stage; its status as waitpid(2) has it, or -errno, which has been said.
 */
static int run_command(const struct request *request, const struct policies *policies,
	struct stage *stage, struct tend *tend)
{
	bool wait = request->flags[WAIT];
	int error = tend_prepare(wait, tend);
	pid_t pid = error ? -1 : fork();

	if (pid == 0) {
		tend_restore(tend);
		command_become(request->arguments, stage->warden,
			&policies->compiled.plan->policy->dns, complain_of);
	}
	if (pid < 0) {
		error = error ? error : -errno;
		complain_of("cannot start the command", error);
		return error;
	}
	return tend_run(tend, stage, pid, wait, note);
}

/* The exit status of a run that has not come to the command. */
static int run(const struct request *request)
{
	struct policies policies = {.path = NULL};
	struct stage stage;
	struct tend tend;
	int status = read_policies(request, &policies);

	if (status == 0)
		status = become_user(request->words[USER]);
	if (status == 0)
		status = start_stage(request, &policies, &stage);
	if (status == 0) {
		status = run_command(request, &policies, &stage, &tend);
		stage_end(&stage);
		free_policies(&policies);
		if (status >= 0)
			tend_exit(&tend, status);
		return COMMAND_FAILED;
	}
	free_policies(&policies);
	return COMMAND_FAILED;
}

/* Descriptors of ours are none of the standard ones, also where the caller has closed these; to the
 * command they are closed then, too. */
static bool hold_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	struct request request = {.arguments = NULL};
	int first = 0, count = 0, result = hold_standard() ? 0 : -EBADF;

	for (size_t i = 0; i < LISTS; i++) {
		request.lists[i] = calloc((size_t)argc + 1, sizeof(char *));
		result = request.lists[i] ? result : -ENOMEM;
	}
	if (result == 0)
		result = options_read_operands(&command, argc, argv, &request, &first, &count);
	if (result == 0 && count == 0) {
		complain("no command given");
		result = -EINVAL;
	}
	if (result == 0) {
		request.arguments = argv + first;
		result = run(&request);
	} else {
		result = result < 0 ? COMMAND_FAILED : EXIT_SUCCESS;
	}
	for (size_t i = 0; i < LISTS; i++)
		free(request.lists[i]);
	return result;
}
