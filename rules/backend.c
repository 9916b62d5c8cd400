/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/backend.h"

#include <string.h>

#include "rules/cilium.h"
#include "rules/clusternetworkpolicy.h"
#include "rules/networkpolicy.h"
#include "rules/nft.h"
#include "rules/sidecar.h"

static int write_nft(const struct backend_request *request, FILE *out)
{
	return nft_write(request->compiled->plan, NULL, out);
}

static const struct backend backends[] = {
	{"nft", "an nftables ruleset for nft -f", false, write_nft, NULL},
	{"networkpolicy", "NetworkPolicy of networking.k8s.io/v1", true, networkpolicy_write, NULL},
	{"cilium", "CiliumNetworkPolicy of cilium.io/v2", true, cilium_write, NULL},
	{"clusternetworkpolicy", "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2", true,
		clusternetworkpolicy_write, NULL},
	{"sidecar", "a component of kustomize that has pods confine themselves", true, NULL,
		sidecar_make},
};

enum { N_BACKENDS = sizeof(backends) / sizeof(backends[0]) };

const struct backend *backend_find(const char *name)
{
	for (size_t i = 0; i < N_BACKENDS; i++)
		if (strcmp(backends[i].name, name) == 0)
			return &backends[i];
	return NULL;
}

const char *backend_name(size_t index)
{
	return index < N_BACKENDS ? backends[index].name : NULL;
}

const char *backend_names(char *out, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < N_BACKENDS && length < size; i++)
		length += (size_t)snprintf(
			out + length, size - length, "%s%s", i > 0 ? ", " : "", backends[i].name);
	return out;
}
