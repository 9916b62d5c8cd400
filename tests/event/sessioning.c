/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/event/sessioning.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct alert told[SESSIONING_TOLD];
unsigned n_told;

static void on_alert(void *context, const struct alert *alert)
{
	(void)context;
	if (n_told < SESSIONING_TOLD)
		told[n_told] = *alert;
	n_told++;
}

unsigned count_told(enum alert_rule rule)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n_told; i++)
		count += told[i].rule == rule;
	return count;
}

const struct alert *find_told(enum alert_rule rule)
{
	for (unsigned i = 0; i < n_told; i++)
		if (told[i].rule == rule)
			return &told[i];
	fail_msg("no alert of %s", alert_kind(rule)->id);
	return NULL;
}

struct session *make(struct session_ceilings ceilings)
{
	const struct session_config config = {
		.policy = "agent", .ceilings = ceilings, .on_alert = on_alert};
	struct session *session;

	n_told = 0;
	assert_int_equal(session_new(&config, &session), 0);
	session_pass(session, T0);
	return session;
}

void begin(struct event *event, enum event_kind kind, int64_t time, const char *name)
{
	event_begin_at(event, kind, time);
	event->has = EVENT_HAS_VERDICT;
	if (name)
		assert_int_equal(name_from_text(text_of(name), &event->name), 0);
}

void set_address(struct event *event, const char *address, uint16_t port)
{
	assert_int_equal(inaddr_from_text(text_of(address), &event->address), 0);
	event->has |= EVENT_HAS_ADDRESS | EVENT_HAS_PORT;
	event->port = port;
	event->protocol = IPPROTO_TCP;
}

void take(struct session *session, const struct event *event, const char *category)
{
	const struct session_note note = {.category = category};

	assert_true(event_is_sound(event, (enum event_kind)event->kind));
	session_take(session, event, &note);
}

void lease(struct session *session, const char *name, const char *category)
{
	struct event event;

	begin(&event, EVENT_LEASE, T0, name);
	set_address(&event, "192.0.2.1", 443);
	take(session, &event, category);
}

void lease_number(struct session *session, unsigned number, const char *category)
{
	char name[64];

	snprintf(name, sizeof(name), "n%u.example", number);
	lease(session, name, category);
}

void flow(struct session *session, const char *address, uint64_t id, uint64_t out, uint64_t in,
	bool live)
{
	struct event event;

	begin(&event, EVENT_FLOW, T0, NULL);
	set_address(&event, address, 443);
	event.has |= EVENT_HAS_BYTES | (live ? EVENT_IS_LIVE : 0);
	event.flow = id;
	event.bytes_out = out;
	event.bytes_in = in;
	event.packets_out = event.packets_in = 1;
	take(session, &event, NULL);
}

void refuse(struct session *session, int64_t time, unsigned host)
{
	struct event event;
	char address[32];

	begin(&event, EVENT_CONNECTION, time, NULL);
	snprintf(address, sizeof(address), "203.0.%u.%u", host / 250, host % 250 + 1);
	set_address(&event, address, 443);
	event.verdict = EVENT_REFUSE;
	event_set_rule(&event, "default-deny");
	take(session, &event, NULL);
}

struct session_figures figures_of(const struct session *session)
{
	struct session_figures figures;

	session_figures(session, &figures);
	return figures;
}
