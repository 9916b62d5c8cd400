/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/observed.h"

#include <inttypes.h>
#include <string.h>

#include "rules/class.h"
#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/audit/advice.h"
#include "src/audit/rendering.h"
#include "src/base/arena.h"

enum { ADDRESSES_MAX = 64 };

/* Points of a name from which on a wildcard would report it (rules/shape.c). */
static const double odd_shape = 1.5;

const char *observed_note(struct arena *arena, const struct digest_row *row)
{
	char port[RENDERING_PORT], first[RENDERING_TIME], last[RENDERING_TIME];
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];
	const char *bytes = "";

	if (row->bytes_out + row->bytes_in > 0)
		bytes = arena_printf(arena, ", sent %s, received %s",
			rendering_bytes(row->bytes_out, sent),
			rendering_bytes(row->bytes_in, received));
	if (!bytes)
		return NULL;
	return arena_printf(arena, "%s: %" PRIu64 " %s%s, %s to %s",
		row->asked ? "only looked up" : rendering_port(row, port), row->times,
		row->times == 1 ? "time" : "times", bytes, rendering_time(row->first, first),
		rendering_time(row->last, last));
}

const char *observed_ports(struct arena *arena, const struct digest_row *const *rows, size_t count)
{
	const char *all = "", *last = "";
	bool connected = false;

	for (size_t i = 0; i < count; i++)
		connected |= !rows[i]->asked;
	for (size_t i = 0; i < count && all; i++) {
		const struct digest_row *row = rows[i];
		const char *ports;

		if (row->asked && (connected || !row->host))
			continue;
		if (advice_ports(arena, row, &ports) != 0)
			return NULL;
		if (!ports || strcmp(ports, last) == 0)
			continue;
		all = arena_printf(arena, "%s%s%s", all, *all ? " " : "", ports);
		last = ports;
	}
	return all;
}

const char *observed_addresses(struct arena *arena, const struct digest *digest, const char *name)
{
	struct inaddr addresses[ADDRESSES_MAX];
	size_t count = digest_addresses(digest, name, ADDRESSES_MAX, addresses);
	const char *text = "";
	enum address_class class;
	char one[INADDR_TEXT];
	bool blocked = false;

	for (size_t i = 0; i < count; i++)
		blocked |= class_find(&addresses[i], CLASS_ALL, &class);
	for (size_t i = 0; i < count && blocked && text; i++)
		text = arena_printf(arena, "%s%s%s/%d", text, *text ? " " : "",
			inaddr_to_text(&addresses[i], one),
			inaddr_is_ip4(&addresses[i]) ? 32 : 128);
	return text;
}

bool observed_is_odd(const struct name *name)
{
	struct name domain = suffix_registered(name);

	return shape_score(name, domain.length) >= odd_shape;
}
