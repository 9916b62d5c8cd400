/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_DIGEST_H
#define EGRESS_AUDIT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/audit/alerts.h"
#include "src/audit/record.h"
#include "src/audit/sessions.h"

/* What a session's event records come to: each destination once, with what became of it. Of bounded
 * size, whatever is recorded. */
struct digest;

enum digest_outcome {
	DIGEST_REACHED,  /* connections that were permitted */
	DIGEST_OBSERVED, /* connections, and names, that an enforced policy would have refused */
	DIGEST_REFUSED,  /* connections, and names */
	DIGEST_NAMED,    /* names that were permitted and answered */
	DIGEST_OUTCOMES,
};

/* Destinations kept of each outcome. What comes to others when that many are known is counted
 * together. */
#define DIGEST_ROWS_MAX 8192

/* Addresses of names that are remembered. */
#define DIGEST_ADDRESSES_MAX 32768

struct digest_row {
	enum digest_outcome outcome;
	bool asked;       /* a name that was asked for; else a connection */
	bool implied;     /* a name to which there is a row of a connection, too */
	bool host;        /* of a name: its addresses were asked for, not only something else */
	bool live;        /* a flow of it had not ended */
	bool flagged;     /* permitted, and to be reported */
	const char *name; /* presentation form; "" of an address without a name */
	bool has_address;
	struct inaddr address; /* the first one, of a name */
	char protocol[16];     /* "tcp"; "" of a name that was asked for */
	int port;              /* -1: none */
	const char *rule;      /* that decided; of a name the first one; "" unknown */
	const char *category;  /* "" none */
	uint64_t times;        /* connections; of a name: questions of the type asked most */
	uint64_t bytes_out, packets_out;
	uint64_t bytes_in, packets_in;
	int64_t first, last; /* microseconds since 1970 */
};

/* All of one outcome, whether its rows found room or not. */
struct digest_sum {
	size_t rows;      /* that are kept, but for those that are implied */
	uint64_t records; /* that found no room */
	uint64_t times;
	uint64_t bytes_out;
	uint64_t bytes_in;
};

#define DIGEST_SLOTS 60

/* What happened in one slot of time; each is as long as the others. */
struct digest_slot {
	uint64_t times[DIGEST_OUTCOMES];
	uint64_t bytes_out;
	uint64_t bytes_in;
};

struct digest_timeline {
	int64_t start; /* microseconds since 1970 */
	int64_t width; /* of a slot, in microseconds */
	size_t n_slots;
	struct digest_slot slots[DIGEST_SLOTS];
};

struct digest_lost {
	uint64_t queries;
	uint64_t connections;
	uint64_t flows;
	uint64_t others;
	uint64_t malformed; /* lines that were no records */
	uint64_t refused;   /* connections that the ruleset refused and counted alone */
};

/* 0, -ENOMEM, or another -errno when there is no randomness. */
int digest_new(struct digest **ret_digest);

void digest_free(struct digest *digest);

/* Takes a record in. */
void digest_take(struct digest *digest, const struct record *record);

/* The same of a line; NULL is one that was too long. What is no record is counted; -ENOMEM: one
 * that may be a record, too. */
int digest_take_line(struct digest *digest, const char *line, size_t size);

/* When all has been taken: finds the names of addresses that were known only later. More may be
 * taken then, and it be finished again. 0; or -ENOMEM: something is missing for lack of memory, and
 * not of room. */
int digest_finish(struct digest *digest);

/* Of a finished digest: the rows of an outcome that are not implied, the most used first. To be
 * freed; the rows stay the digest's. 0 or -ENOMEM. */
int digest_list(const struct digest *digest, enum digest_outcome outcome,
	const struct digest_row ***ret_rows, size_t *ret_count);

struct digest_sum digest_sum(const struct digest *digest, enum digest_outcome outcome);

/* Distinct names and bare addresses that were reached, of those that are kept. 0 or -ENOMEM. */
int digest_destinations(const struct digest *digest, size_t *ret_count);

const struct digest_timeline *digest_timeline(const struct digest *digest);
const struct digest_lost *digest_lost(const struct digest *digest);
const struct sessions *digest_sessions(const struct digest *digest);
const struct alerts *digest_alerts(const struct digest *digest);

/* Addresses that the name is known to have had, at most `most` of them; the count. */
size_t digest_addresses(
	const struct digest *digest, const char *name, size_t most, struct inaddr *ret_addresses);

/* Whether anything was refused, names included. */
bool digest_has_refusals(const struct digest *digest);

#endif
