/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_CTL_SHOW_H
#define EGRESS_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What a resolver has answered, as text for people. Nothing in it controls a terminal, whatever the
 * answer has. */

void show_status(const json_t *status, FILE *out);
void show_why(const json_t *why, FILE *out);
void show_reload(const json_t *reload, FILE *out);
void show_revoked(const json_t *revoked, FILE *out);
void show_session(const json_t *session, FILE *out);
void show_new_session(const json_t *begun, FILE *out);

/* What is wrong. */
void show_error(const json_t *answer, FILE *out);

/*
 * Leases, a page after the other, in columns that are as wide as those of the first thousand take,
 * or as JSON: begun, pages, ended. Zeros and `json` are a listing that has not begun.
 */
struct lease_table {
	bool json;
	json_t *held; /* until the widths are known */
	size_t count; /* shown */
	bool begun;
	int address;
	int ports;
	int rule;
};

/* 0 or -ENOMEM. */
int show_leases(struct lease_table *table, const json_t *page, FILE *out);
void show_leases_end(struct lease_table *table, FILE *out);

#endif
