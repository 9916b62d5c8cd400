/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/frames.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include "rules/nft-link.h"

static int write_for(const struct plan *plan, const struct if_nameindex *list, FILE *out)
{
	const char **names;
	size_t count = 0;
	int error;

	while (list[count].if_name)
		count++;
	names = calloc(count + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		names[i] = list[i].if_name;
	error = nft_write_link(plan, names, count, out);
	free(names);
	return error;
}

int frames_write(const struct plan *plan, FILE *out)
{
	struct if_nameindex *list;
	int error;

	if (!plan->drops_raw)
		return 0;
	list = if_nameindex();
	if (!list)
		return -errno;
	error = write_for(plan, list, out);
	if_freenameindex(list);
	return error;
}
