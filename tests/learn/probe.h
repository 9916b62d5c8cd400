/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_LEARN_PROBE_H
#define EGRESS_TESTS_LEARN_PROBE_H

#include <stdbool.h>

#include "src/learn/evidence.h"

/* Evidence, and what became of it, for tests. */
struct probe {
	struct arena *arena;
	struct evidence *evidence;
};

void probe_open(struct probe *probe);
void probe_close(struct probe *probe);

/* Whether there is a row, "tcp/443 api.example.com" or "profile npm", that is enough for an entry;
 * and whether there is one that isn't. */
bool probe_has(const struct probe *probe, const char *key);
bool probe_mentions(const struct probe *probe, const char *key);

/* Where the row was found best: its line; and how often in all. 0: nowhere. */
unsigned probe_line(const struct probe *probe, const char *key);
unsigned probe_count(const struct probe *probe, const char *key);

/* Rows in all. */
size_t probe_rows(const struct probe *probe);

#endif
