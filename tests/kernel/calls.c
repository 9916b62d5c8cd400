/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *	calls list keeper|worker     prints the system calls that the process may make
 *	calls run FILE COMMAND...    runs it as a service manager would: no system calls but those
 *	                             FILE names, and no memory that becomes executable
 */

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "src/kernel/syscalls.h"

static int print(void *context, const char *name)
{
	(void)context;
	return puts(name) < 0 ? -EIO : 0;
}

static int list(const char *role)
{
	return syscalls_visit(
		strcmp(role, "keeper") == 0 ? SYSCALLS_KEEPER : SYSCALLS_WORKER, print, NULL);
}

/* systemd.exec(5), MemoryDenyWriteExecute: mapped writable and executable, or made executable. */
static int forbid_code(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp both = {.arg = 2,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = PROT_WRITE | PROT_EXEC,
		.datum_b = PROT_WRITE | PROT_EXEC};
	const struct scmp_arg_cmp executable = {
		.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = PROT_EXEC};
	int error = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1, &both);

	if (!error)
		error = seccomp_rule_add_array(
			filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), 1, &executable);
	return error;
}

/* Names that this library or machine doesn't know are left out, as systemd does. */
static int permit_listed(scmp_filter_ctx filter, const char *path)
{
	FILE *file = fopen(path, "re");
	char name[128];
	int error = 0;

	if (!file)
		return -errno;
	while (!error && fscanf(file, "%127s", name) == 1) {
		int call = seccomp_syscall_resolve_name(name);

		if (call != __NR_SCMP_ERROR)
			error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, NULL);
	}
	fclose(file);
	return error;
}

static int limit(const char *path)
{
	scmp_filter_ctx code = seccomp_init(SCMP_ACT_ALLOW);
	scmp_filter_ctx listed = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = code && listed ? forbid_code(code) : -ENOMEM;

	if (!error)
		error = permit_listed(listed, path);
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = -errno;
	if (!error)
		error = seccomp_load(code);
	if (!error)
		error = seccomp_load(listed);
	seccomp_release(code);
	seccomp_release(listed);
	return error;
}

int main(int argc, char **argv)
{
	int error;

	if (argc == 3 && strcmp(argv[1], "list") == 0)
		return list(argv[2]) ? 1 : 0;
	if (argc < 4 || strcmp(argv[1], "run") != 0)
		return 64;
	error = limit(argv[2]);
	if (!error) {
		execv(argv[3], argv + 3);
		error = -errno;
	}
	fprintf(stderr, "calls: %s\n", strerror(-error));
	return 125;
}
