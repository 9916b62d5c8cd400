/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_FUZZ_FUZZ_H
#define EGRESS_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "tests/replay/world.h"

/* Each target takes one input; libFuzzer calls it, or driver.c. Returns 0; what must not happen
 * ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, with `what` on standard error, unless `holds`. */
void fuzz_require(bool holds, const char *what);

/* A policy for messages of the corpora, compiled once. */
const struct compiled *fuzz_compiled(void);

/* A world under that policy. */
struct world *fuzz_world(void);

/* Ends the world: after an hour in which nothing comes from outside, nothing may be owed. */
void fuzz_world_end(struct world *world);

/* Writes a well-formed reply with `count` addresses to the question in `asked`, as
 * question_write() made it; returns its size. `out` has room for 1024 bytes, for at most 20
 * addresses. */
size_t fuzz_reply(const uint8_t *asked, size_t size, unsigned count, uint32_t ttl, uint8_t *out);

#endif
