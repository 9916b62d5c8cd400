/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SIDECAR_H
#define EGRESS_RULES_SIDECAR_H

#include "rules/backend.h"

/* A component of kustomize that has pods run the programs of this package, for backend.c: its
 * files, those of the policy among them. */
int sidecar_make(const struct backend_request *request, struct bundle *ret_bundle);

#endif
