/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_ASSUME_WIRE_H
#define EGRESS_TESTS_ASSUME_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "src/kernel/setlink.h"

/*
 * Two network namespaces with a wire between them: the test's own, with the addresses 10.77.0.1 and
 * fd77::1, and the world, with 10.77.0.2, 10.77.0.3, fd77::2 and fd77::3. Whatever fails here ends
 * the test.
 */
void wire_lay(void);

/* A bound socket in the world; for SOCK_STREAM it listens. */
int wire_listen(int type, const char *address, uint16_t port);

/* The same in the test's own namespace. */
int wire_listen_here(int type, const char *address, uint16_t port);

/* A connected socket; -errno when connect() refuses, which must not take longer than 10 s. */
int wire_connect(int type, const char *address, uint16_t port);

/* Whether what is written at one end arrives at the other, either of which may be UDP. */
bool wire_carries(int from, int to);

/* Waits until the socket has something to say, and returns its error or 0. */
int wire_error(int fd);

/* Loads a ruleset. */
void wire_load(const char *text);

/* Packets that the rule with this comment in table inet t has counted. */
unsigned long wire_packets(const char *comment);

/* An element of an ipv4_addr : mark map. */
struct setlink_element wire_lease(const char *address, uint32_t mark, struct duration timeout);

/* An element of a set of marks. */
struct setlink_element wire_mark(uint32_t mark);

/* What setlink_commit() says of adding or deleting one element in table inet t. */
int wire_add(struct setlink *link, const char *set, struct setlink_element element);
int wire_delete(struct setlink *link, const char *set, struct setlink_element element);

/* The element of table inet t's set; *ret_count (may be NULL) says how many it has. Ends the test
 * when there is more than one. */
struct setlink_element wire_only(struct setlink *link, const char *set, unsigned *ret_count);

#endif
