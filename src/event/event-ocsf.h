/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_EVENT_OCSF_H
#define EGRESS_EVENT_EVENT_OCSF_H

#include "src/event/event-json.h"
#include "src/event/members.h"

/* Writes a record as a line of the Open Cybersecurity Schema Framework (egress-events(5)); its
 * length, as event_to_json(). */
size_t event_to_ocsf(const struct members *members, char out[EVENT_LINE]);

#endif
