/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "src/apply.h"
#include "src/base/fd.h"
#include "src/base/footprint.h"
#include "src/kernel/netns.h"
#include "src/run-options.h"
#include "src/run-policies.h"
#include "src/run-session.h"
#include "src/run-state.h"
#include "src/run/attach.h"
#include "src/run/command.h"
#include "src/run/stage.h"
#include "src/run/tend.h"

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
		run_complain("--user: there is no user \"%s\"", name);
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
		run_complain("--user %s: %s", name, strerror(-error));
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

/* A file without a name, and what it is called where it is inherited; -1: there is none. */
struct handed {
	int fd;
	char path[32];
};

static int hand_over(const char *text, size_t size, struct handed *ret_handed)
{
	CLEANUP_FD int fd = memfd_create("policy", MFD_CLOEXEC);
	int error = fd < 0 ? -errno : fd_write_all(fd, text, size);

	if (error)
		return error;
	snprintf(ret_handed->path, sizeof(ret_handed->path), "/proc/self/fd/%d", fd);
	ret_handed->fd = fd_steal(&fd);
	return 0;
}

static const char *resolvers_user(void)
{
	if (netns_roots_ids() == 0)
		return "0"; /* which is the only one there */
	return getpwnam("egress") ? "egress" : "nobody";
}

/* Reads the words of one of the options that forward ports. 0, or -errno, which has been said. */
static int read_forwards(const struct run_request *request, enum run_list which,
	int (*add)(struct forward_list *list, const char *word), struct forward_list *list)
{
	const char *name = which == RUN_PUBLISH ? "publish" : "loopback";

	for (size_t i = 0; i < request->n_lists[which]; i++) {
		const char *word = request->lists[which][i];
		int error = add(list, word);

		if (error == -EPERM)
			run_complain("--%s %s: names are looked up by the resolver, which has "
				     "port 53",
				name, word);
		else if (error == -ENOSPC)
			run_complain("--%s: there are more than %d", name, FORWARDS_MAX);
		else if (error)
			run_complain("--%s: expected %s, not '%s'", name,
				which == RUN_PUBLISH ? "[ADDRESS:]PORT[:INNER]" : "PORT", word);
		if (error)
			return error;
	}
	return 0;
}

/* 0, or -EINVAL, which has been said. */
static int read_link(const struct run_request *request, enum stage_link *ret_link)
{
	static const struct {
		const char *name;
		enum stage_link link;
	} rows[] = {
		{"any", STAGE_LINK_ANY}, {"veth", STAGE_LINK_VETH}, {"pasta", STAGE_LINK_PASTA}};
	const char *word = request->words[RUN_LINK];

	*ret_link = STAGE_LINK_ANY;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && word; i++) {
		if (strcmp(word, rows[i].name) != 0)
			continue;
		*ret_link = rows[i].link;
		return 0;
	}
	if (word)
		run_complain("--link: expected any, veth or pasta, not '%s'", word);
	return word ? -EINVAL : 0;
}

/* Where others may have rulesets, too. */
static int load_beside(const struct plan *plan, struct apply_rest **ret_rest, char **ret_message)
{
	*ret_rest = NULL;
	return apply_plan(plan, ret_message);
}

static void unload(const struct plan *plan)
{
	char *message = NULL;

	(void)apply_remove(plan, &message);
	free(message);
}

/* What the stage's configuration points to. */
struct inputs {
	struct forward_list published, loopback;
	struct handed policy, added; /* where they have no path */
};

static void close_inputs(struct inputs *inputs)
{
	fd_closep(&inputs->policy.fd);
	fd_closep(&inputs->added.fd);
}

/* 0, or -errno, which has been said. */
static int read_inputs(const struct run_request *request, const struct run_policies *policies,
	struct inputs *inputs)
{
	int error = read_forwards(request, RUN_PUBLISH, forward_add_published, &inputs->published);

	if (!error)
		error = read_forwards(
			request, RUN_LOOPBACK, forward_add_loopback, &inputs->loopback);
	if (error)
		return error;
	if (!policies->path)
		error = hand_over(policies->text, strlen(policies->text), &inputs->policy);
	if (!error && policies->added)
		error = hand_over(policies->added, policies->added_size, &inputs->added);
	if (error)
		run_complain("%s", strerror(-error));
	return error;
}

/* 0, or -errno, which has been said. */
static int start_stage(const struct run_request *request, const struct run_policies *policies,
	const struct run_session *session, const struct attach *attach, struct stage *ret_stage)
{
	struct inputs inputs = {.policy.fd = -1, .added.fd = -1};
	char resolver[PATH_MAX], name[RUN_STATE_NAME];
	struct stage_failure why = {""};
	/* Runs are compared with those under the same policy. */
	char *state = policies->path ? run_state_folder() : NULL;
	struct stage_config config = {
		.session = run_state_name(name),
		.state = state,
		.plan = policies->compiled.plan,
		.policy = policies->path ? policies->path : inputs.policy.path,
		.added = policies->added ? inputs.added.path : NULL,
		.overrides = request->lists[RUN_OVERRIDE],
		.n_overrides = request->n_lists[RUN_OVERRIDE],
		.profile_dirs = request->lists[RUN_PROFILE_DIR],
		.n_profile_dirs = request->n_lists[RUN_PROFILE_DIR],
		.resolver = find_resolver(resolver),
		.user = resolvers_user(),
		.verbose = request->flags[RUN_VERBOSE],
		.observe = request->flags[RUN_OBSERVE],
		.published = &inputs.published,
		.loopback = &inputs.loopback,
		.events_fd = run_session_writer(session),
		.attach = attach,
		.load = attach ? load_beside : apply_first,
		.settle = apply_settle,
		.unload = unload,
	};
	int error = read_link(request, &config.link);

	if (!error)
		error = read_inputs(request, policies, &inputs);
	if (!error) {
		config.policy_fd = inputs.policy.fd;
		config.added_fd = inputs.added.fd;
		error = stage_start(&config, ret_stage, &why);
		if (error)
			run_complain("%s", why.reason);
		else if (config.verbose && ret_stage->no_veth.text[0] != '\0')
			run_complain("the link is pasta's: %s", ret_stage->no_veth.text);
	}
	close_inputs(&inputs);
	free(state);
	return error;
}

static void complain_of(const char *what, int error)
{
	run_complain("%s: %s", what, strerror(-error));
}

static void note(const char *what)
{
	run_complain("%s", what);
}

/* Runs the command in the stage; its status as waitpid(2) has it, or -errno, which has been said.
 */
static int run_command(const struct run_request *request, const struct run_policies *policies,
	struct run_session *session, struct stage *stage, struct tend *tend)
{
	const struct tend_source source = run_session_source(session);
	bool wait = request->flags[RUN_WAIT];
	int error = tend_prepare(wait, tend);
	pid_t pid;

	run_session_begin(session);
	pid = error ? -1 : fork();
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
	footprint_trim();
	return tend_run(tend, stage, pid, wait, &source, note);
}

static void note_observing(const struct run_request *request)
{
	if (request->flags[RUN_OBSERVE] && !request->flags[RUN_QUIET])
		note("nothing that the policy refuses is refused: it is only observed");
}

/* Runs the command where it is set up for; its status, or what run_command() has. *ret_refused: it
 * is to be a failure that something was refused. */
static int run_on_stage(const struct run_request *request, const struct run_policies *policies,
	struct run_session *session, struct tend *tend, bool *ret_refused)
{
	struct stage stage;
	int status = start_stage(request, policies, session, NULL, &stage);

	if (status != 0)
		return status;
	note_observing(request);
	status = run_command(request, policies, session, &stage, tend);
	if (status >= 0)
		*ret_refused = run_session_finish(session, &stage, status);
	stage_end(&stage);
	return status;
}

/* Observes the process, until it has ended or somebody ends that. The same. */
static int observe(const struct run_request *request, const struct run_policies *policies,
	const struct attach *attach, struct run_session *session, bool *ret_refused)
{
	const struct tend_source source = run_session_source(session);
	struct stage stage;
	struct tend tend;
	int error = start_stage(request, policies, session, attach, &stage);

	if (error)
		return error;
	error = tend_prepare(false, &tend);
	if (error) {
		complain_of("cannot take signals", error);
	} else {
		note_observing(request);
		run_session_begin(session);
		footprint_trim();
		tend_watch(&tend, &stage, attach->process, &source, note);
		*ret_refused = run_session_finish(session, &stage, RUN_UNKNOWN);
	}
	stage_end(&stage);
	return error;
}

/* The exit status of egress-run --pid. */
static int run_beside(const struct run_request *wanted)
{
	struct run_session *session = NULL;
	struct run_policies policies = {.path = NULL};
	struct run_request request = *wanted;
	struct attach attach;
	char reason[ATTACH_REASON];
	bool refused = false;
	int error = attach_find(request.process, &attach, reason);

	if (error) {
		run_complain("--pid %d: %s", (int)request.process, reason);
		return COMMAND_FAILED;
	}
	request.arguments = attach.arguments;
	request.cgroup = attach.cgroup[0] != '\0' ? attach.cgroup : NULL;
	error = run_read_policies(&request, &policies);
	if (error == 0)
		error = run_session_new(&request, &policies, &session);
	if (error == 0)
		error = observe(&request, &policies, &attach, session, &refused);
	run_session_free(session);
	run_free_policies(&policies);
	attach_close(&attach);
	if (refused)
		return RUN_REFUSED;
	return error ? COMMAND_FAILED : EXIT_SUCCESS;
}

/* The exit status of a run that has not come to the command. */
static int run(const struct run_request *request)
{
	struct run_session *session = NULL;
	struct run_policies policies;
	struct tend tend;
	bool refused = false;
	int status = run_read_policies(request, &policies);

	if (status == 0)
		status = become_user(request->words[RUN_USER]);
	if (status == 0)
		status = run_session_new(request, &policies, &session);
	if (status == 0)
		status = run_on_stage(request, &policies, session, &tend, &refused);
	run_session_free(session);
	run_free_policies(&policies);
	if (refused)
		return RUN_REFUSED;
	if (status >= 0)
		tend_exit(&tend, status);
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
	struct run_request request = {.arguments = NULL};
	int result = hold_standard() ? 0 : -EBADF;

	footprint_begin();
	if (result == 0)
		result = run_read_options(argc, argv, &request);
	if (result == 0)
		result = request.process ? run_beside(&request) : run(&request);
	else
		result = result < 0 ? COMMAND_FAILED : EXIT_SUCCESS;
	run_free_options(&request);
	return result;
}
