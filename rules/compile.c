/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/compile.h"

#include "rules/load.h"

/* From a checked policy to what programs work with. */
static int lower(struct arena *arena, const struct policy *policy, struct diag *diag,
	struct compiled *ret_compiled)
{
	struct compiled compiled;
	int error;

	error = plan_make(arena, policy, diag, &compiled.plan);
	if (error == 0)
		error = match_make(arena, compiled.plan, &compiled.match);
	if (error < 0)
		return error;
	*ret_compiled = compiled;
	return 0;
}

int compile_file(
	struct arena *arena, const char *path, struct diag *diag, struct compiled *ret_compiled)
{
	const struct policy *policy;
	int error = policy_load(arena, path, diag, &policy);

	return error < 0 ? error : lower(arena, policy, diag, ret_compiled);
}

int compile_text(struct arena *arena, const char *file, const char *text, size_t size,
	struct diag *diag, struct compiled *ret_compiled)
{
	const struct policy *policy;
	int error = policy_parse(arena, file, text, size, diag, &policy);

	return error < 0 ? error : lower(arena, policy, diag, ret_compiled);
}
