/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * The first program of a container whose network namespace others share. It loads the ruleset, sees
 * that packets meet it, and becomes the resolver; before that nothing has a name, and behind a
 * failure of either the container ends, while what was loaded stays.
 *
 * The image's user isn't root. Container engines give such a user no capabilities by themselves, so
 * this program's file permits CAP_NET_ADMIN, which it takes, and hands on to the two it executes as
 * an ambient one (capabilities(7)). In the file it is not effective: with that the kernel would
 * execute nothing where the container may not have it, and say no more than EPERM.
 *
 * It reads no policy and opens no socket: there is no shell in the image, and this is what it would
 * be for.
 */

#define COMPILER EGRESS_BIN_DIR "/egress-compile"
#define RESOLVER EGRESS_SBIN_DIR "/egress-resolver"

enum {
	EXIT_USAGE = 2,
	EXIT_KERNEL = 3,
	RESOLVER_ARGUMENTS = 5, /* besides those that it is given */
};

static char default_policy[] = EGRESS_POLICY_DIR "/policy.toml";

static const char help[] =
	"Usage: egress-container [POLICY [RESOLVER-OPTION...]]\n"
	"       egress-container --reload [POLICY]\n"
	"\n"
	"Confines the network namespace of this container by an egress policy\n"
	"(egress-policy(5)), " EGRESS_POLICY_DIR
	"/policy.toml unless named: loads its ruleset, tries\n"
	"it, and becomes egress-resolver(8).\n"
	"\n"
	"  --reload       in a container that runs: the policy is read again\n"
	"  -h, --help     print this and exit\n"
	"  -V, --version  print the version and exit\n"
	"\n"
	"Exit status: 1 the policy is wrong or cannot be read, 2 usage, 3 the kernel refused.\n";

static const char no_capability[] =
	"this container has no CAP_NET_ADMIN over its network namespace, which loading a ruleset\n"
	"takes. Start it with --cap-add NET_ADMIN, as Docker and Podman have it; in a compose "
	"file\n"
	"cap_add: [NET_ADMIN]; in Kubernetes securityContext.capabilities.add: [NET_ADMIN].\n"
	"%s";

static const char no_new_privileges[] =
	"As the user that the image names, it must not be started with no-new-privileges\n"
	"(Kubernetes: allowPrivilegeEscalation: false), or else as root: --user 0.\n";

/* Capabilities as bits, those above 31 left out. */
struct capabilities {
	uint32_t effective;
	uint32_t permitted;
};

static struct capabilities read_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data) < 0)
		return (struct capabilities){0};
	return (struct capabilities){data[0].effective, data[0].permitted};
}

static bool has(uint32_t set, unsigned capability)
{
	return (set & 1u << capability) != 0;
}

/* Takes what is permitted; root need not hand it on. 0 or -errno. */
static int take_capability(const struct capabilities *held)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].effective = held->effective | 1u << CAP_NET_ADMIN;
	data[0].inheritable |= geteuid() == 0 ? 0 : 1u << CAP_NET_ADMIN;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	if (geteuid() != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0)
		return -errno;
	return 0;
}

static int prepare(const char *policy)
{
	const struct capabilities held = read_capabilities();
	bool limited = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	int error;

	if (!has(held.permitted, CAP_NET_ADMIN)) {
		fprintf(stderr, "egress-container: ");
		fprintf(stderr, no_capability, geteuid() != 0 && limited ? no_new_privileges : "");
		return EXIT_KERNEL;
	}
	if (access(policy, R_OK) < 0) {
		fprintf(stderr,
			"egress-container: cannot read %s as user %u: %s. Mount the policy there, "
			"read-only.\n",
			policy, geteuid(), strerror(errno));
		return EXIT_FAILURE;
	}
	error = take_capability(&held);
	if (error == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "egress-container: cannot take CAP_NET_ADMIN: %s\n", strerror(-error));
	return EXIT_KERNEL;
}

/* Loads the ruleset, and proves it. The compiler has said what is wrong; its status is ours. */
static int apply(const char *policy)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execl(COMPILER, COMPILER, "--apply", "--prove", policy, NULL);
		fprintf(stderr, "egress-container: %s: %s\n", COMPILER, strerror(errno));
		_exit(EXIT_KERNEL);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		fprintf(stderr, "egress-container: %s\n", strerror(errno));
		return EXIT_KERNEL;
	}
	if (!WIFEXITED(status))
		return EXIT_KERNEL;
	return WEXITSTATUS(status);
}

/* Who may not become another user stays who it is. */
static int become_resolver(char *policy, char **options, int n_options)
{
	static char resolver[] = RESOLVER, user_option[] = "--user";
	char **arguments = calloc((size_t)n_options + RESOLVER_ARGUMENTS, sizeof(*arguments));
	char user[16];
	int n = 0;

	if (!arguments) {
		fprintf(stderr, "egress-container: out of memory\n");
		return EXIT_FAILURE;
	}
	snprintf(user, sizeof(user), "%u", geteuid());
	arguments[n++] = resolver;
	arguments[n++] = policy;
	if (!has(read_capabilities().effective, CAP_SETUID)) {
		arguments[n++] = user_option;
		arguments[n++] = user;
	}
	memcpy(arguments + n, options, (size_t)n_options * sizeof(*options));
	execv(RESOLVER, arguments);
	fprintf(stderr, "egress-container: %s: %s\n", RESOLVER, strerror(errno));
	free(arguments);
	return EXIT_KERNEL;
}

/* The rules first: what they don't have yet the resolver would not find. */
static int reload(void)
{
	if (kill(1, SIGHUP) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr,
		"egress-container: the ruleset is loaded, but the resolver (process 1): %s\n",
		strerror(errno));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"reload", no_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	char *policy = default_policy;
	bool reloads = false;
	int letter, status;

	while ((letter = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		if (letter == 'h')
			return fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		if (letter == 'V')
			return printf("egress-container %s\n", PACKAGE_VERSION) < 0 ? EXIT_FAILURE
										    : EXIT_SUCCESS;
		if (letter != 'r')
			return EXIT_USAGE;
		reloads = true;
	}
	if (optind < argc)
		policy = argv[optind++];
	if (reloads && optind < argc) {
		fprintf(stderr, "egress-container: --reload takes a policy only\n");
		return EXIT_USAGE;
	}
	status = prepare(policy);
	if (status == EXIT_SUCCESS)
		status = apply(policy);
	if (status != EXIT_SUCCESS)
		return status;
	return reloads ? reload() : become_resolver(policy, argv + optind, argc - optind);
}
