/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/event/specimens.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "src/event/alert.h"
#include "src/event/event-json.h"
#include "src/event/session-json.h"

#define TIME INT64_C(1795266302123456)

static const struct event_context sparse = {.policy = "agent", .session = "s1"};
static const struct event_context rich = {"agent", "s1", "package registry",
	"what \"it\" installs [npm] \xc3\xa4", "-1.5", "/system.slice/docker-\\x2d\"1\".scope"};

static void give(specimens_visit *visit, void *context, const struct event *event,
	const struct event_context *of)
{
	char line[EVENT_LINE];

	visit(context, line, event_to_json(event, of, line));
}

static struct event begin(enum event_kind kind)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event_begin_at(&event, kind, TIME);
	return event;
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	if (inaddr_from_text(text_of(text), &address) != 0)
		abort();
	return address;
}

/* Gives it all that a record of its kind may have. False: it has nothing. */
static bool fill(struct event *event, const char *address)
{
	if (event->kind == EVENT_POLICY)
		return false;
	event->has = EVENT_HAS_VERDICT;
	event->count = 7;
	event_set_rule(event, "allow-1");
	if (event->kind == EVENT_LOST)
		return true;
	if (name_from_text(text_of("www.example.org"), &event->name) != 0)
		abort();
	event->has = EVENT_PARTS;
	event->rcode = 3;
	event->ede = 15;
	event->type = 28;
	event->source = address_of("10.0.0.2");
	event->source_port = 40000;
	event->user = 1000;
	event->group = 100;
	event->cgroup = 4711;
	event->address = address_of(address);
	event->port = 443;
	event->protocol = IPPROTO_TCP;
	event->ttl = 60;
	event->lease = 90;
	event->bytes_out = 2347;
	event->packets_out = 15;
	event->bytes_in = 40379;
	event->packets_in = 35;
	event->duration = 121002729;
	event_set_ports(event, "tcp-443");
	return true;
}

static void give_events(specimens_visit *visit, void *context)
{
	for (unsigned kind = EVENT_QUERY; kind < EVENT_KINDS; kind++) {
		struct event event = begin((enum event_kind)kind);

		give(visit, context, &event, &sparse);
		if (!fill(&event, "2001:db8::1"))
			continue;
		for (unsigned i = 0; i < EVENT_VERDICTS; i++) {
			event.verdict = (uint8_t)i;
			give(visit, context, &event, &rich);
		}
		for (unsigned i = 0; i < EVENT_LOSSES; i++) {
			event.loss = (uint8_t)i;
			give(visit, context, &event, &sparse);
		}
		event.address = address_of("192.0.2.1");
		event.has &= (uint16_t)~EVENT_IS_LIVE;
		event.protocol = IPPROTO_ICMPV6;
		event.rcode = 2;
		event.type = 65280;
		give(visit, context, &event, &rich);
		event.protocol = 132;
		event.rcode = 4095;
		give(visit, context, &event, &rich);
	}
}

static void give_alert(specimens_visit *visit, void *context, const struct alert *alert,
	const struct event_context *of)
{
	char line[EVENT_LINE];

	visit(context, line, alert_to_json(alert, of, line));
}

static void give_alerts(specimens_visit *visit, void *context)
{
	for (unsigned rule = 0; rule < ALERT_RULES; rule++) {
		struct alert alert;

		alert_begin(&alert, (enum alert_rule)rule, TIME);
		alert.value = 201;
		alert.threshold = 200;
		give_alert(visit, context, &alert, &sparse);
		alert.name = begin(EVENT_QUERY).name;
		if (name_from_text(text_of("relay.example"), &alert.name) != 0)
			abort();
		alert.has_address = alert.refuses = true;
		alert.address = address_of("192.0.2.1");
		alert.port = 443;
		alert.protocol = IPPROTO_UDP;
		alert.p = 1.5e-9;
		alert.suppressed = 3;
		for (unsigned i = 0; i < ALERT_EVIDENCE; i++)
			alert_add(&alert, "documentation %u %% -> 12 %%, \"quoted\" [x]", i);
		give_alert(visit, context, &alert, &rich);
	}
}

static void give_sessions(specimens_visit *visit, void *context)
{
	struct session_figures bare = {.since = TIME}, full = bare;
	char line[EVENT_LINE];

	full.destinations = full.unknown = full.wildcard_names = full.connections = 12;
	full.refused = full.bytes_out = full.bytes_in = 1 << 20;
	full.alerts[ALERT_UPLOAD] = 2;
	full.ceilings = (struct session_ceilings){.destinations = 200,
		.wildcard_names = 64,
		.bytes = 1 << 30,
		.connections = 1000,
		.has_unknown_share = true,
		.unknown_share = 0.3};
	full.baseline_sessions = 7;
	full.baseline_ready = true;
	full.categories.n_rows = 2;
	snprintf(full.categories.rows[0].word, sizeof(full.categories.rows[0].word), "unknown");
	snprintf(full.categories.rows[1].word, sizeof(full.categories.rows[1].word), "code host");
	full.categories.rows[0].count = full.categories.rows[1].count = 6;
	for (unsigned i = 0; i < SESSION_PHASES; i++) {
		visit(context, line,
			session_to_json(&bare, (enum session_phase)i, TIME, &sparse, line));
		visit(context, line,
			session_to_json(&full, (enum session_phase)i, TIME, &sparse, line));
	}
}

void specimens_plain(specimens_visit *visit, void *context)
{
	give_events(visit, context);
	give_alerts(visit, context);
	give_sessions(visit, context);
}

/* --- Hostile ones --- */

/* The longest name there is, of bytes of the pattern. */
static void fill_name(struct name *name, const char *pattern)
{
	size_t length = strlen(pattern), at = 0;

	name->length = 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned label = i < 3 ? 63 : 61;

		name->wire[name->length++] = (uint8_t)label;
		for (unsigned j = 0; j < label; j++)
			name->wire[name->length++] = (uint8_t)pattern[at++ % length];
	}
	name->wire[name->length++] = 0;
}

/* The pattern over and over. */
static void fill_text(char *text, size_t size, const char *pattern)
{
	size_t length = strlen(pattern);

	for (size_t i = 0; i + 1 < size; i++)
		text[i] = pattern[i % length];
	text[size - 1] = '\0';
}

static void give_hostile(const char *pattern, specimens_visit *visit, void *context)
{
	char text[2000];
	char cgroup[384];
	const struct event_context of = {text, text, text, text, "-1000", cgroup};
	const struct event_context named = {.policy = text, .session = text};
	struct session_figures figures = {.since = TIME};
	struct alert alert;
	char line[EVENT_LINE];

	fill_text(text, sizeof(text), pattern);
	fill_text(cgroup, sizeof(cgroup), "/\\");
	for (unsigned kind = EVENT_QUERY; kind < EVENT_KINDS; kind++) {
		struct event event = begin((enum event_kind)kind);

		if (fill(&event, "2001:db8:1111:2222:3333:4444:5555:6666")) {
			event_set_rule(&event, text);
			event_set_ports(&event, text);
			if (kind != EVENT_LOST)
				fill_name(&event.name, pattern);
		}
		event.bytes_out = event.bytes_in = event.packets_out = event.packets_in =
			event.duration = event.count = UINT64_MAX;
		event.ttl = event.lease = event.user = event.group = UINT32_MAX;
		event.cgroup = EVENT_CGROUPS - 1;
		event.rcode = event.ede = INT16_MAX;
		event.type = UINT16_MAX;
		give(visit, context, &event, kind == EVENT_POLICY ? &named : &of);
	}
	alert_begin(&alert, ALERT_RATIO, TIME);
	fill_name(&alert.name, pattern);
	for (unsigned i = 0; i < ALERT_EVIDENCE; i++)
		alert_add(&alert, "%s", text);
	give_alert(visit, context, &alert, &of);
	figures.categories.n_rows = 2;
	fill_text(
		figures.categories.rows[0].word, sizeof(figures.categories.rows[0].word), pattern);
	snprintf(figures.categories.rows[1].word, 2, "x");
	figures.categories.rows[0].count = figures.categories.rows[1].count = 1;
	visit(context, line, session_to_json(&figures, SESSION_END, TIME, &of, line));
}

void specimens_hostile(uint8_t byte, specimens_visit *visit, void *context)
{
	const char pattern[] = {(char)byte, '\0'};

	give_hostile(pattern, visit, context);
}

void specimens_mixed(specimens_visit *visit, void *context)
{
	static const char *const patterns[] = {
		"\n<0>1 - - - - - - forged\n",
		"\nMESSAGE=forged\nPRIORITY=0\n",
		"\x1b[2J\x1b]0;title\a\r\b\x7f",
		"\"]} \\\",{\"kind\":\"flow\"} \\u000a ]\"",
		"\xe2\x80\xae\xe2\x80\x8b\xc2\x9b\xf3\xa0\x81\x81",
		"\xff\xfe\xc0\x80\xed\xa0\x80\xf5",
		"\xf0\x9f\x98\x80\xc3\xa4",
		"%s%n%08x${jndi}`$()",
		"</script><img src=x>&amp;'",
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		give_hostile(patterns[i], visit, context);
}
