/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/learn/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/base/arena.h"

void probe_open(struct probe *probe)
{
	assert_int_equal(arena_new((size_t)64 << 20, &probe->arena), 0);
	assert_int_equal(evidence_new(probe->arena, &probe->evidence), 0);
	evidence_file(probe->evidence, text_of("file"), EVIDENCE_OWN);
}

void probe_close(struct probe *probe)
{
	arena_free(probe->arena);
}

static const struct evidence_row *find(const struct probe *probe, const char *key)
{
	size_t count;
	struct evidence_row **rows = evidence_list(probe->evidence, &count);

	assert_non_null(rows);
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i]->key, key) == 0)
			return rows[i];
	return NULL;
}

bool probe_has(const struct probe *probe, const char *key)
{
	const struct evidence_row *row = find(probe, key);

	return row && evidence_suffices(row);
}

bool probe_mentions(const struct probe *probe, const char *key)
{
	const struct evidence_row *row = find(probe, key);

	return row && !evidence_suffices(row);
}

unsigned probe_line(const struct probe *probe, const char *key)
{
	const struct evidence_row *row = find(probe, key);

	return row && row->n_places > 0 ? row->places[0].line : 0;
}

unsigned probe_count(const struct probe *probe, const char *key)
{
	const struct evidence_row *row = find(probe, key);
	uint64_t total = 0;

	for (size_t i = 0; row && i < EVIDENCE_KINDS; i++)
		total += row->counts[i];
	return (unsigned)total;
}

size_t probe_rows(const struct probe *probe)
{
	size_t count;

	assert_non_null(evidence_list(probe->evidence, &count));
	return count;
}
