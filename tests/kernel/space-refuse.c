/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <seccomp.h>

#include "tests/kernel/space.h"

static int add_calls(scmp_filter_ctx filter, const int *calls, size_t count, int option)
{
	const struct scmp_arg_cmp is_option = SCMP_A0(SCMP_CMP_EQ, (unsigned)option);
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EIO), calls[i],
			calls[i] == SCMP_SYS(prctl), &is_option);
	return error;
}

int space_refuse(const int *calls, size_t count, int option)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	if (!error)
		error = add_calls(filter, calls, count, option);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
