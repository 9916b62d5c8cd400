/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CILIUM_H
#define EGRESS_RULES_CILIUM_H

#include "rules/backend.h"

/* The policy as a CiliumNetworkPolicy (cilium.io/v2), for backend.c. */
int cilium_write(const struct backend_request *request, FILE *out);

#endif
