/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_OUTLET_H
#define EGRESS_RESOLVER_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/layers.h"

/* Where a policy's records go, held open by the parent: the process that writes there has no files
 * and opens nothing. */
struct outlet {
	enum audit_kind kind;
	const char *path; /* of a file or a socket */
	int fd;
	bool failed; /* to be opened again, or connected, which was logged */
};

struct outlets {
	struct outlet list[AUDIT_SINKS_MAX];
	size_t count;
};

/* Opens what [audit] says; the layers must stay. A daemon may be away, which is logged: it is tried
 * again. 0 or -errno, which has been logged; then nothing is open. */
int outlets_open(const struct layers *layers, struct outlets *ret_outlets);

void outlets_close(struct outlets *outlets);

/* Whether lines that are written to it at once stay together, however many they are, and are
 * written without waiting: of what is no pipe and no socket. */
bool outlet_is_whole(const struct outlet *outlet);

/* After a process that wrote there was killed: what it left of a line is ended. */
void outlets_mend(const struct outlets *outlets);

/* Whether there are any that outlets_look() is to be called for, now and then. */
bool outlets_move(const struct outlets *outlets);

/*
 * Finds out whether files were renamed or daemons are others, and follows them. True: whoever
 * writes must be given the descriptors anew, since some are others now. Of a socket the descriptor
 * stays, and leads to where it was connected last.
 */
bool outlets_look(struct outlets *outlets);

#endif
