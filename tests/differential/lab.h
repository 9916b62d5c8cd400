/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_LAB_H
#define EGRESS_TESTS_DIFFERENTIAL_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/explain.h"
#include "rules/policy.h"
#include "src/base/inaddr.h"

/*
 * A network namespace for rulesets, between one with clients, whose traffic it forwards, and one
 * that swallows all that is sent anywhere. Packets are made by hand, so that a single system call
 * shows what became of each.
 */
struct lab;

/* Somebody who sends: a user, a group and a control group of the namespace itself, or a client by
 * its interface and address. */
struct sender {
	const char *what; /* "uid 4001" */
	bool is_client;
	struct explain_as as[2]; /* for IPv4 and IPv6 */
};

/* Makes the namespaces, and moves this process into them; needs root, or user namespaces. 0 or
 * -errno. */
int lab_open(struct lab **ret_lab);
void lab_close(struct lab *lab);

/* Who there is: fewer without root. */
const struct sender *lab_senders(const struct lab *lab, size_t *ret_count);

bool lab_has_cgroups(const struct lab *lab);

/* A packet that begins a connection, known by its number (0 to LAB_PACKETS_MAX - 1) from others. */
struct packet {
	unsigned sender;
	unsigned number;
	struct inaddr to;
	enum protocol protocol;
	uint16_t port;
};

#define LAB_PACKETS_MAX 60000

/* Sends it. 0; -EPERM when the ruleset refused it at once (clients: it is never known here);
 * another -errno when it can't be sent at all. */
int lab_send(struct lab *lab, const struct packet *packet);

/* What conntrack holds of a packet's connection. */
struct flow {
	bool exists; /* the packet went its way */
	uint32_t mark;
};

/* Forgets all connections. 0 or -errno. */
int lab_forget(struct lab *lab);

/* The flows of the packets, which have been sent since lab_forget(). 0 or -errno. */
int lab_flows(struct lab *lab, const struct packet *packets, size_t n_packets, struct flow *flows);

#endif
