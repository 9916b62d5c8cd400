/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/backend.h"

#include <string.h>

#include "rules/nft.h"

static int write_nft(const struct plan *plan, FILE *out)
{
	return nft_write(plan, NULL, out);
}

static const struct backend backends[] = {
	{"nft", "an nftables ruleset for nft -f", write_nft},
};

const struct backend *backend_find(const char *name)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i].name, name) == 0)
			return &backends[i];
	return NULL;
}
