/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "rules/codes.h"
#include "rules/load.h"
#include "rules/reading.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/* [metrics]: where numbers can be asked for. */

#define LISTEN_WORDS                                                                               \
	"is not a place to listen at, as \"unix:/run/egress/agent.metrics\", \"127.0.0.1:9533\" "  \
	"or \"[::1]:9533\""

int read_metrics(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "metrics", value);
}

/* Only whoever is on this host may ask. */
static bool is_loopback(const struct inaddr *address)
{
	static const uint8_t one[16] = {[15] = 1};
	const struct inaddr localhost = inaddr_from_ip6(one);
	size_t size;

	if (inaddr_is_ip4(address))
		return inaddr_raw(address, &size)[0] == 127;
	return inaddr_compare(address, &localhost) == 0;
}

static int read_path(struct load *load, const struct toml_node *value, struct text path)
{
	char *copy;

	if (path.length == 0 || path.start[0] != '/' || memchr(path.start, '\0', path.length)) {
		reading_reject(load, CODE_VALUE, value, "has no absolute path behind \"unix:\"");
		return 0;
	}
	if (path.length >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		reading_reject(load, CODE_RANGE, value, "has a path that is too long for a socket");
		return 0;
	}
	copy = arena_printf(load->arena, "%.*s", TEXT_ARG(path));
	load->policy->metrics.path = copy;
	return copy ? 0 : -ENOMEM;
}

int read_metrics_listen(struct load *load, const struct toml_node *value)
{
	struct text text = value->value.string;
	struct metrics_policy *metrics = &load->policy->metrics;
	struct endpoint at;

	metrics->place = walk_place(load, value->at);
	if (text_starts(text, "unix:"))
		return read_path(load, value, (struct text){text.start + 5, text.length - 5});
	if (endpoint_from_text(text, 0, &at) < 0) {
		reading_reject(load, CODE_VALUE, value, LISTEN_WORDS);
	} else if (!is_loopback(&at.address)) {
		reading_reject(load, CODE_ENDPOINT, value,
			"is not a loopback address: who may read it there would be anybody");
	} else {
		metrics->at = at;
		metrics->has_endpoint = true;
	}
	return 0;
}
