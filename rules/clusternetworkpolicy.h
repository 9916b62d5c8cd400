/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CLUSTERNETWORKPOLICY_H
#define EGRESS_RULES_CLUSTERNETWORKPOLICY_H

#include "rules/backend.h"

/* The policy as ClusterNetworkPolicy objects (policy.networking.k8s.io/v1alpha2), for backend.c. */
int clusternetworkpolicy_write(const struct backend_request *request, FILE *out);

#endif
