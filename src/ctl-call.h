/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_CTL_CALL_H
#define EGRESS_CTL_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "resolver/console-wire.h"

/* Asking a running resolver over its control socket. */

#define CTL_PATH 108 /* as long as a socket's path can be */

/*
 * The path of the socket of the resolver of that name; NULL: of the only one there is. 0, -EINVAL
 * for a name that none can have, -ENOENT, or -ENOTUNIQ when there are several: then *ret_names has
 * them, a line each, of malloc(3).
 */
int ctl_find(const char *name, char *ret_path, char **ret_names);

/* 0 with the connected socket, or -errno: -ECONNREFUSED or -ENOENT when no resolver is there. */
int ctl_connect(const char *path, int *ret_fd);

/* Makes the call and waits for its answer, an object to be freed. 0; -EPROTO for what no resolver
 * of this version sends; -EAGAIN when nothing comes for long; or -errno. */
int ctl_call(int fd, const struct console_call *call, enum console_status *ret_status,
	json_t **ret_answer);

#endif
