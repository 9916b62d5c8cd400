/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_EVENT_ECS_H
#define EGRESS_EVENT_EVENT_ECS_H

#include "src/event/event-json.h"
#include "src/event/members.h"

/* Writes a record as a line in the fields of the Elastic Common Schema (egress-events(5)); its
 * length, as event_to_json(). */
size_t event_to_ecs(const struct members *members, char out[EVENT_LINE]);

#endif
