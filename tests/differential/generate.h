/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DIFFERENTIAL_GENERATE_H
#define EGRESS_TESTS_DIFFERENTIAL_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "src/base/inaddr.h"
#include "tests/differential/chance.h"

/*
 * Policies and destinations by chance, from a universe small enough that they meet. A policy is
 * text, made of blocks with an empty line between, so that parts of it can be taken away.
 */

enum generate_scope { GENERATE_NO_SCOPE, GENERATE_SCOPE, GENERATE_SCOPE_CGROUPS };

/* A policy that may name lists "list-0.txt" to "list-2.txt" and the profile "generated", with any
 * key of the language; as an override without what only a base may have. `scoped`: with a [scope].
 */
void generate_policy(struct chance *chance, bool is_override, enum generate_scope scope, FILE *out);

/* One more [[allow]] or [[deny]] for a policy. */
void generate_entry(struct chance *chance, FILE *out);

/* A list, and a profile. */
void generate_list(struct chance *chance, FILE *out);
void generate_profile(struct chance *chance, FILE *out);

/* A name that policies may be about. */
const char *generate_name(struct chance *chance, char out[256]);

/* An address in or beside something that policies may be about. */
struct inaddr generate_address(struct chance *chance);

/* A port likewise: "tcp/443", "icmp/echo", "other". */
const char *generate_port(struct chance *chance);

#endif
