/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_NETWORKPOLICY_H
#define EGRESS_RULES_NETWORKPOLICY_H

#include "rules/backend.h"

/* The policy as NetworkPolicy objects (networking.k8s.io/v1), for backend.c. */
int networkpolicy_write(const struct backend_request *request, FILE *out);

#endif
