/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/kernel/space.h"

#include <stdio.h>
#include <stdlib.h>

#include "src/kernel/ruleset.h"

/* A file of its own: the resolver's tests link no libnftables. */

bool space_enter_with(const char *what, const char *ruleset, int *ret_status)
{
	char *message = NULL;
	int error = space_enter();

	if (error) {
		*ret_status = space_skip("no user and network namespace of its own", error);
		return false;
	}
	if (ruleset_load(ruleset, false, &message) == 0)
		return true;
	fprintf(stderr, "%s: %s\n", what, message);
	free(message);
	*ret_status = 1;
	return false;
}
