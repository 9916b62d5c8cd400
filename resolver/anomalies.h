/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ANOMALIES_H
#define EGRESS_RESOLVER_ANOMALIES_H

#include "rules/layers.h"
#include "src/event/anomaly.h"

/* What [anomaly] of the policy and its overrides comes to: the base's thresholds in place of the
 * defaults, and of an override those that are stricter. */
struct anomaly_settings anomalies_of(const struct layers *layers);

#endif
