/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/backend.h"

#include <string.h>

#include "rules/cilium.h"
#include "rules/clusternetworkpolicy.h"
#include "rules/networkpolicy.h"
#include "rules/nft.h"

static int write_nft(const struct backend_request *request, FILE *out)
{
	return nft_write(request->compiled->plan, NULL, out);
}

static const struct backend backends[] = {
	{"nft", "an nftables ruleset for nft -f", false, write_nft},
	{"networkpolicy", "NetworkPolicy of networking.k8s.io/v1", true, networkpolicy_write},
	{"cilium", "CiliumNetworkPolicy of cilium.io/v2", true, cilium_write},
	{"clusternetworkpolicy", "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2", true,
		clusternetworkpolicy_write},
};

enum { N_BACKENDS = sizeof(backends) / sizeof(backends[0]) };

const struct backend *backend_find(const char *name)
{
	for (size_t i = 0; i < N_BACKENDS; i++)
		if (strcmp(backends[i].name, name) == 0)
			return &backends[i];
	return NULL;
}

const char *backend_names(char *out, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < N_BACKENDS && length < size; i++)
		length += (size_t)snprintf(
			out + length, size - length, "%s%s", i > 0 ? ", " : "", backends[i].name);
	return out;
}
