/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_ANOMALY_OWN_H
#define EGRESS_EVENT_ANOMALY_OWN_H

#include "src/event/anomaly.h"
#include "src/event/beacon.h"

/* What anomaly*.c share, and nobody else sees. */

enum {
	ANOMALY_PLACES = 256, /* destinations */
	ANOMALY_FLOWS = 256,  /* that go on, and were told of */
};

/* A destination: a name, or an address that no name led to. */
struct place_seen {
	struct name name; /* length 0: by its address */
	struct inaddr address;
	bool used;
	unsigned told; /* bits of enum alert_rule */
	struct payload payload;
	struct beacon beacon;
};

/* What a flow that goes on had carried when it was told of last. */
struct running {
	uint64_t flow; /* 0: none */
	int64_t until;
	uint64_t out;
	uint64_t in;
};

struct anomaly {
	struct anomaly_config config;
	struct anomaly_settings settings;
	struct payload all;
	struct burst burst;
	struct encoded encoded;
	unsigned told; /* bits of rules that are told once */
	struct running running[ANOMALY_FLOWS];
	struct place_seen places[ANOMALY_PLACES];
};

#endif
