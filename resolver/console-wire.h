/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CONSOLE_WIRE_H
#define EGRESS_RESOLVER_CONSOLE_WIRE_H

#include <stdint.h>

/*
 * What egress-ctl and a resolver's parent say to each other over a SOCK_SEQPACKET socket. A call is
 * one message of this size, and is answered by one part; the next call comes after it. What doesn't
 * fit into a part is fetched by further calls, so that nothing waits in the parent's socket for a
 * reader that is slow. Numbers are in the machine's own order: both ends are on it.
 */
#define CONSOLE_VERSION 1

/* Where a resolver's socket is unless told otherwise: CONSOLE_FOLDER/NAME CONSOLE_SUFFIX, of the
 * policy's name. */
#define CONSOLE_FOLDER "/run/egress"
#define CONSOLE_SUFFIX ".sock"

enum console_command {
	CONSOLE_STATUS = 1,
	CONSOLE_LEASES = 2, /* argument: a name, an address or nothing, which is all */
	CONSOLE_WHY = 3,    /* argument: a destination (rules/destination.h) */
	CONSOLE_RELOAD = 4,
	CONSOLE_REVOKE = 5, /* argument: a name or an address */
	CONSOLE_FLUSH = 6,
	CONSOLE_MORE = 7, /* the next part, or the next page of leases */
	CONSOLE_SESSION = 8,
	CONSOLE_SESSION_NEW = 9,
	CONSOLE_SESSION_EXTEND = 10, /* argument: a key of [budget], a space, an amount */
};

#define CONSOLE_ARGUMENT 1024

struct console_call {
	uint32_t version;
	uint32_t command;
	uint32_t json;                   /* CONSOLE_WHY: 1 for the explanation as an object */
	char argument[CONSOLE_ARGUMENT]; /* ends with a NUL */
};

enum console_status {
	CONSOLE_DONE = 0,
	CONSOLE_REFUSED = 1, /* it was not done, or could not be */
	CONSOLE_WRONG = 2,   /* the call is not one that can be made */
	CONSOLE_AGAIN = 3,   /* what was listed has been rearranged: begin anew */
	CONSOLE_DENIED = 4,  /* CONSOLE_WHY: the destination is not permitted */
};

#define CONSOLE_BYTES 32768

/* A part of an answer, which is a JSON object: {"error": text} unless the status says that there is
 * more to it. The message ends with the last of the bytes. */
struct console_part {
	uint32_t version;
	uint32_t status;
	uint32_t more; /* 1: of the same object */
	uint32_t size;
	uint8_t bytes[CONSOLE_BYTES];
};

#endif
