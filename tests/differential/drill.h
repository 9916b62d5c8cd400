/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_DRILL_H
#define EGRESS_TESTS_DIFFERENTIAL_DRILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"
#include "tests/differential/chance.h"

/*
 * A drill: policies as files, and destinations to try under them. Kept as one text:
 *
 *	== base.toml
 *	version = 1
 *	== list-0.txt
 *	a.example.com
 *	== probes
 *	0 a.example.com 198.41.0.4 tcp/443
 *	2 - 10.42.0.1 icmp/echo
 *
 * A probe is who sends (the lab's number), a name whose answer has the address or "-", the address,
 * the port. Overrides are o1.toml, o2.toml and so on; p1.toml and p2.toml policies that are in
 *force one after the other before it is loaded. Empty sections say how it is tried: "== applied" by
 * egress-compile --apply, "== layers" also with each of its layers alone.
 */

struct probe {
	unsigned sender;
	bool has_name;
	struct name name;
	struct inaddr address;
	char port[16]; /* "tcp/443", "icmp/echo", "other" */
};

struct file {
	char name[32];
	char *text;
};

enum { DRILL_FILES_MAX = 16, DRILL_OVERRIDES_MAX = 3, DRILL_BEFORE_MAX = 2 };

struct drill {
	struct file files[DRILL_FILES_MAX]; /* the base first, then overrides */
	size_t n_files;
	size_t n_overrides;
	size_t n_before;
	bool applied;
	bool by_layers;
	struct probe *probes;
	size_t n_probes;
};

struct draw {
	size_t n_probes;
	size_t n_senders;
	bool cgroups;
	bool applied; /* by --apply */
	bool before;  /* with policies before it */
};

/* Drawn by chance; to be cleared. False: no memory. */
bool drill_draw(struct chance *chance, const struct draw *draw, struct drill *ret_drill);
void drill_clear(struct drill *drill);

/* Writes the files into a folder. */
bool drill_unpack(const struct drill *drill, const char *folder);

void drill_print(const struct drill *drill, FILE *out);
bool drill_read(FILE *in, struct drill *ret_drill);

/* Whether it has a file of that name. */
bool drill_has(const struct drill *drill, const char *name);

/* A copy without the file at `index`, or with another text in it; to be cleared. */
bool drill_without(const struct drill *drill, size_t index, struct drill *ret_drill);
bool drill_with(const struct drill *drill, size_t index, const char *text, struct drill *ret_drill);

/* A copy of which one layer is all, to be cleared: of 0 the base; of others the override, over a
 * base that permits everything. False: no memory. */
bool drill_layer(const struct drill *drill, size_t layer, struct drill *ret_drill);

#endif
