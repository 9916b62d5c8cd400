/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LOCAL_SOCKET_H
#define EGRESS_RESOLVER_LOCAL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

/* A listening socket of AF_UNIX with a file, which goes with it. */
struct local_socket {
	int fd; /* -1: there is none */
	struct sockaddr_un address;
	struct stat file; /* to know it again */
};

struct local_socket_config {
	const char *path;
	int type;    /* SOCK_SEQPACKET or SOCK_STREAM */
	mode_t mode; /* of the file */
	int backlog;
	bool with_folder; /* makes the folder it lies in, which must be nobody else's than `uid` or
			     root to write to */
	uid_t uid;
};

/* What a dead process left there is taken away. 0; -EADDRINUSE when somebody listens there, or it
 * is something else than a socket; or another -errno. */
int local_socket_open(const struct local_socket_config *config, struct local_socket *ret_socket);

/* Takes the file away, if it is still this one's. */
void local_socket_close(struct local_socket *socket);

#endif
