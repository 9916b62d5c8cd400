/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/preflight.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "resolver/sets.h"
#include "src/base/log.h"
#include "src/kernel/setlink.h"

#define ADVICE "load it with: %s"

/* --- The ruleset --- */

struct seen {
	uint32_t mark;
	unsigned rule;
	bool live;
};

struct marks {
	struct seen *seen; /* sorted by mark; a rule has one or two */
	size_t count;
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *left = a, *right = b;

	return left->mark < right->mark ? -1 : left->mark > right->mark;
}

static int note_mark(void *context, const struct setlink_element *element)
{
	struct marks *marks = context;
	struct seen wanted = {0}, *found;

	memcpy(&wanted.mark, element->key, sizeof(wanted.mark));
	found = bsearch(&wanted, marks->seen, marks->count, sizeof(wanted), compare_seen);
	if (found)
		found->live = true;
	return 0;
}

static int compare_rules_seen(const void *a, const void *b)
{
	const struct seen *left = a, *right = b;

	return left->rule < right->rule ? -1 : left->rule > right->rule;
}

static void warn_of_missing(const struct plan *plan, struct marks *marks)
{
	size_t n_missing = 0;
	unsigned first = 0, last = 0;
	char command[SETS_COMMAND];

	qsort(marks->seen, marks->count, sizeof(*marks->seen), compare_rules_seen);
	for (size_t i = 0; i < marks->count; i++) {
		unsigned rule = marks->seen[i].rule;

		if (marks->seen[i].live || (n_missing > 0 && rule == last))
			continue;
		if (n_missing++ == 0)
			first = rule;
		last = rule;
	}
	if (n_missing > 0)
		log_warning(
			"the loaded ruleset lacks %zu of the policy's rules, from %s on; " ADVICE,
			n_missing, plan->rules[first].id, sets_load_command(plan, command));
}

/* Warns when the loaded ruleset was made from another state of the policy. */
static int compare_rules(struct setlink *link, const struct plan *plan)
{
	struct marks marks = {.count = 0};
	int error;

	marks.seen = calloc(2 * plan->n_rules + 1, sizeof(*marks.seen));
	if (!marks.seen)
		return -ENOMEM;
	for (unsigned i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		marks.seen[marks.count++] = (struct seen){.mark = rule->mark, .rule = i};
		if (rule->flag_mark != 0)
			marks.seen[marks.count++] = (struct seen){rule->flag_mark, i, false};
	}
	qsort(marks.seen, marks.count, sizeof(*marks.seen), compare_seen);
	error = setlink_dump(link, plan->table, plan->live_set, note_mark, &marks);
	if (!error)
		warn_of_missing(plan, &marks);
	free(marks.seen);
	return error == -EINTR ? 0 : error;
}

/* 0, -ENOENT with the set that is missing, or -errno. */
static int find_sets(struct setlink *link, const struct plan *plan, const char **ret_missing)
{
	const char *set = plan->resolver_set;
	int error = setlink_find(link, plan->table, set);

	if (!error) {
		set = plan->live_set;
		error = setlink_find(link, plan->table, set);
	}
	if (!error && plan->destinations_set) {
		set = plan->destinations_set;
		error = setlink_find(link, plan->table, set);
	}
	if (!error && plan->session_map) {
		set = plan->session_map;
		error = setlink_find(link, plan->table, set);
	}
	for (size_t i = 0; i < PLAN_FAMILIES && !plan->policy->dns.has_upstream && !error; i++) {
		set = plan->family[i].upstream_set;
		error = setlink_find(link, plan->table, set);
	}
	for (size_t i = 0; i < plan->n_groups * PLAN_FAMILIES && !error; i++) {
		set = plan->groups[i / PLAN_FAMILIES].family[i % PLAN_FAMILIES].leases;
		error = setlink_find(link, plan->table, set);
	}
	if (error == -ENOENT)
		*ret_missing = set;
	return error;
}

static void log_missing(const struct plan *plan, const char *set)
{
	char command[SETS_COMMAND];

	sets_load_command(plan, command);
	if (strcmp(set, plan->resolver_set) == 0)
		log_error("table inet %s is not loaded; " ADVICE, plan->table, command);
	else
		log_error("table inet %s was made from another policy, it has no \"%s\"; " ADVICE,
			plan->table, set, command);
}

int preflight_ruleset(const struct plan *plan)
{
	__attribute__((cleanup(setlink_closep))) struct setlink *link = NULL;
	const char *missing = NULL;
	int error = setlink_open(&link);

	if (!error)
		error = find_sets(link, plan, &missing);
	if (!error)
		error = compare_rules(link, plan);
	if (missing)
		log_missing(plan, missing);
	else if (error == -EPERM)
		log_error("filling nftables sets takes CAP_NET_ADMIN: start it as root");
	else if (error)
		log_error("table inet %s: %s", plan->table, strerror(-error));
	return error;
}

/* --- The user --- */

/* Tries it with the id that file access is judged by, which nothing else depends on. */
static bool may_become(uid_t uid)
{
	uid_t before = (uid_t)setfsuid(uid);

	return (uid_t)setfsuid(before) == uid;
}

int preflight_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	uid_t uid;
	gid_t gid;
	int error = confine_user(name, &uid, &gid);

	if (error == -ENOENT) {
		log_error("there is no user \"%s\"; make one with: useradd --system "
			  "--no-create-home --shell /usr/sbin/nologin %s; or name another with "
			  "--user",
			name, name);
		return error;
	}
	if (error) {
		log_error("user \"%s\": %s", name, strerror(-error));
		return error;
	}
	if (!may_become(uid)) {
		log_error(
			"cannot become user \"%s\" (%u): that takes CAP_SETUID and, in a user "
			"namespace, a user that exists in it; or name the current one with --user "
			"%u",
			name, uid, geteuid());
		return -EPERM;
	}
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

/* --- Confinement --- */

int preflight_supervise(void)
{
	int error = confine_supervisor();

	if (error)
		log_error("cannot give up privileges: %s", strerror(-error));
	/* Here, since all children have them then. */
	syscalls_load_names();
	return error;
}

/* Runs in the place of the call, amid whatever the C library was doing: log_line() takes none of
 * its locks and none of its memory. */
static void end_at_call(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	log_error("system call %s (%d) is not permitted here: this process ends",
		syscalls_name(info->si_syscall), info->si_syscall);
	_exit(1);
}

int preflight_become(const struct confine *confine)
{
	struct sigaction action = {.sa_sigaction = end_at_call, .sa_flags = SA_SIGINFO};
	int error;

	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	error = confine_self(confine);
	if (error)
		log_error("cannot become uid %u without files: %s; starting takes CAP_SETUID, "
			  "CAP_SETGID and, unless the kernel has Landlock, CAP_SYS_CHROOT",
			confine->uid, strerror(-error));
	return error;
}
