/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "src/event/anomaly.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define MIB ((uint64_t)1 << 20)

/* 2026-11-21, on a slot's edge. */
static const int64_t noon = INT64_C(1795262400) * SECOND;

/* --- What the detectors are told, and what they tell --- */

struct told {
	unsigned count[ALERT_RULES];
	struct alert last;
};

static void on_alert(void *context, const struct alert *alert)
{
	struct told *told = context;

	told->count[alert->rule]++;
	told->last = *alert;
}

/* Names of more than 20 bytes look like data. */
static double score(const struct name *name, unsigned fixed)
{
	return name->length - fixed > 20 ? 1 : 0;
}

static struct name domain(const struct name *name)
{
	struct name domain = *name;

	while (name_labels(&domain) > 2)
		domain = name_parent(&domain);
	return domain;
}

static struct anomaly *begin_with(struct told *told, const struct anomaly_settings *settings)
{
	struct anomaly_config config = {
		.settings = settings,
		.names = {score, domain},
		.on_alert = on_alert,
		.context = told,
	};
	struct anomaly *anomaly;

	memset(told, 0, sizeof(*told));
	assert_int_equal(anomaly_new(&config, &anomaly), 0);
	return anomaly;
}

static struct anomaly *begin(struct told *told)
{
	return begin_with(told, NULL);
}

static struct name named(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

/* A flow of TCP to a name that began at `start` and lasts, as far as is told, so many seconds. */
static struct event flow_of(
	const char *name, int64_t start, unsigned seconds, uint64_t out, uint64_t in)
{
	struct event event;

	event_begin_at(&event, EVENT_FLOW, start + seconds * SECOND);
	event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS | EVENT_HAS_PROTOCOL | EVENT_HAS_PORT |
		    EVENT_HAS_BYTES | EVENT_HAS_DURATION;
	event.name = named(name);
	event.address = inaddr_from_ip4((const uint8_t[4]){192, 0, 2, 1});
	event.protocol = IPPROTO_TCP;
	event.port = 443;
	event.packets_out = out / 1448 + 2;
	event.packets_in = in / 1448 + 2;
	event.bytes_out = out + 52 * event.packets_out;
	event.bytes_in = in + 52 * event.packets_in;
	event.duration = (uint64_t)(seconds * SECOND);
	return event;
}

static void take_query(struct anomaly *anomaly, const char *text, enum event_verdict verdict)
{
	struct event event;

	event_begin_at(&event, EVENT_QUERY, noon);
	event.has = EVENT_HAS_VERDICT;
	event.verdict = (uint8_t)verdict;
	event.name = named(text);
	anomaly_take(anomaly, &event, NULL);
}

/* --- Uploads --- */

static void test_upload(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event = flow_of("a.example", noon, 130, 16 * MIB - 1, 16 * MIB);

	(void)state;
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 0);
	event = flow_of("a.example", noon, 130, 16 * MIB, 16 * MIB);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 1);
	assert_true(told.last.value == 16.0 * MIB && told.last.threshold == 16.0 * MIB);
	assert_int_equal(told.last.name.length, named("a.example").length);
	assert_int_equal(told.last.port, 443);
	assert_string_equal(told.last.evidence[0], "one flow sent 16.0 MiB in 10 s");
	/* Once of each destination. */
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 1);
	event = flow_of("b.example", noon, 130, 16 * MIB, 16 * MIB);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 2);
	anomaly_free(anomaly);
	anomaly_free(NULL);
}

/* What a download sends are acknowledgements: 20 GiB of it are no upload. */
static void test_download(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event = flow_of("a.example", noon, 1000, 2000, 20 * 1024 * MIB);

	(void)state;
	event.packets_out = event.packets_in / 2;
	event.bytes_out = 2000 + 52 * event.packets_out;
	assert_true(event.bytes_out > 300 * MIB);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 0);
	assert_int_equal(told.count[ALERT_UPLOAD_BURST], 0);
	assert_int_equal(anomaly_payload(anomaly)->out, 2000);
	anomaly_free(anomaly);
}

static void test_leave(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event = flow_of("api.example", noon, 1130, 100 * MIB, 1 * MIB);

	(void)state;
	anomaly_take(anomaly, &event, "model api");
	assert_int_equal(told.count[ALERT_UPLOAD] + told.count[ALERT_RATIO], 0);
	event = flow_of("api2.example", noon, 1130, 300 * MIB, 100);
	anomaly_take(anomaly, &event, "model api");
	assert_int_equal(told.count[ALERT_UPLOAD], 1);
	assert_int_equal(told.count[ALERT_RATIO], 1);
	anomaly_free(anomaly);
}

static void test_ratio(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event;

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		event = flow_of("a.example", noon + i * 10 * MINUTE, 130, MIB / 2, 10000);
		anomaly_take(anomaly, &event, NULL);
	}
	assert_int_equal(told.count[ALERT_RATIO], 0);
	event = flow_of("a.example", noon + 70 * MINUTE, 130, MIB / 2, 10000);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_RATIO], 1);
	assert_true(told.last.value > 52 && told.last.value < 53 && told.last.threshold == 20);
	/* Who gets as much as it gives is none. */
	event = flow_of("b.example", noon, 130, 10 * MIB, MIB);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_RATIO], 1);
	anomaly_free(anomaly);
}

static void test_burst(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	char name[32];

	(void)state;
	/* 4 MiB each two minutes are none. */
	for (unsigned i = 0; i < 30; i++) {
		struct event event =
			flow_of("slow.example", noon + i * 2 * MINUTE, 125, 4 * MIB, 4 * MIB);

		anomaly_take(anomaly, &event, NULL);
	}
	assert_int_equal(told.count[ALERT_UPLOAD_BURST], 0);
	/* Within a minute, by many flows to many destinations, they are one. */
	for (unsigned i = 0; i < 12; i++) {
		struct event event;

		snprintf(name, sizeof(name), "n%u.example", i);
		event = flow_of(name, noon + 120 * MINUTE + i * 4 * SECOND, 121, 4 * MIB, 4 * MIB);
		anomaly_take(anomaly, &event, NULL);
		assert_int_equal(told.count[ALERT_UPLOAD_BURST], i == 11);
	}
	assert_true(told.last.value == 48.0 * MIB);
	assert_int_equal(told.count[ALERT_UPLOAD], 0);
	anomaly_free(anomaly);
}

/* A flow that goes on is told of with all it has carried so far, and counted once. */
static void test_running(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event;

	(void)state;
	for (unsigned i = 1; i <= 10; i++) {
		event = flow_of("a.example", noon, 10 * i, i * 2 * MIB, i * MIB);
		event.has |= EVENT_IS_LIVE;
		event.flow = 7;
		anomaly_take(anomaly, &event, NULL);
		assert_int_equal(told.count[ALERT_UPLOAD], i >= 8);
	}
	assert_non_null(strstr(told.last.evidence[0], "goes on"));
	assert_int_equal(anomaly_payload(anomaly)->out, 20 * MIB);
	assert_int_equal(anomaly_payload(anomaly)->flows, 0);
	event = flow_of("a.example", noon, 230, 21 * MIB, 11 * MIB);
	event.flow = 7;
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(anomaly_payload(anomaly)->out, 21 * MIB);
	assert_int_equal(anomaly_payload(anomaly)->in, 11 * MIB);
	assert_int_equal(anomaly_payload(anomaly)->flows, 1);
	assert_int_equal(anomaly_payload(anomaly)->longest, 21 * MIB);
	/* The number may come again. */
	event = flow_of("a.example", noon + 10 * MINUTE, 230, MIB, MIB);
	event.flow = 7;
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(anomaly_payload(anomaly)->out, 22 * MIB);
	anomaly_free(anomaly);
}

/* More of them than there is room for are counted at their ends. */
static void test_many_running(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);

	(void)state;
	for (unsigned end = 0; end < 2; end++)
		for (unsigned i = 1; i <= 1000; i++) {
			struct event event = flow_of("a.example", noon, 130, MIB, MIB);

			event.has |= end ? 0 : EVENT_IS_LIVE;
			event.flow = i;
			anomaly_take(anomaly, &event, NULL);
		}
	assert_int_equal(anomaly_payload(anomaly)->out, 1000 * MIB);
	assert_int_equal(anomaly_payload(anomaly)->flows, 1000);
	anomaly_free(anomaly);
}

/* Any numbers are taken. */
static void test_numbers(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event = flow_of("a.example", noon, 10, 1, 1);

	(void)state;
	event.bytes_out = event.bytes_in = event.packets_out = UINT64_MAX;
	event.packets_in = 0;
	event.duration = UINT64_MAX;
	for (unsigned i = 0; i < 4; i++)
		anomaly_take(anomaly, &event, NULL);
	event.packets_out = 0;
	event.time = INT64_MAX;
	for (unsigned i = 0; i < 4; i++)
		anomaly_take(anomaly, &event, NULL);
	event.time = -5;
	anomaly_take(anomaly, &event, NULL);
	assert_true(anomaly_payload(anomaly)->out == UINT64_MAX);
	anomaly_free(anomaly);
}

/* Whoever fills the table loses the destinations that were sent least. */
static void test_many_places(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	char name[32];
	struct event event = flow_of("kept.example", noon, 130, 3 * MIB, 100);

	(void)state;
	anomaly_take(anomaly, &event, NULL);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		event = flow_of(name, noon + i * MINUTE, 130, 1000, 100);
		anomaly_take(anomaly, &event, NULL);
	}
	event = flow_of("kept.example", noon + 5000 * MINUTE, 130, 2 * MIB, 100);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_RATIO], 1);
	anomaly_free(anomaly);
}

/* --- Names --- */

static void test_encoded(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	char name[128];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "%024u.data.example", i);
		/* Of one that comes again nothing is counted. */
		take_query(anomaly, name, i % 2 ? EVENT_REFUSE : EVENT_PERMIT);
		take_query(anomaly, name, i % 2 ? EVENT_REFUSE : EVENT_PERMIT);
		take_query(anomaly, "www.data.example", EVENT_PERMIT);
		assert_int_equal(told.count[ALERT_ENCODED_NAMES], i >= 7);
	}
	assert_true(told.last.value == 8 && told.last.threshold == 8);
	assert_int_equal(told.last.name.length, named("data.example").length);
	assert_string_equal(
		told.last.evidence[0], "8 names below it look like data, 4 of them were refused");
	anomaly_free(anomaly);
}

/* Spread over many domains they are one alert; over more than there is room for, too. */
static void test_encoded_spread(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	char name[128];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%024u.data%u.example", i, i);
		take_query(anomaly, name, EVENT_PERMIT);
		assert_int_equal(told.count[ALERT_ENCODED_NAMES], i >= 31);
	}
	assert_int_equal(told.last.name.length, 0);
	/* A domain of its own is told of all the same, and keeps its room among those with fewer.
	 */
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%024u.one.example", i);
		take_query(anomaly, name, EVENT_PERMIT);
	}
	assert_int_equal(told.count[ALERT_ENCODED_NAMES], 2);
	for (unsigned i = 0; i < 4 * 100; i++) {
		bool first = i % 100 < 2;

		snprintf(name, sizeof(name), "%024u.%s%u.example", i, first ? "two" : "data",
			first ? 0 : i + 1000);
		take_query(anomaly, name, EVENT_PERMIT);
	}
	assert_int_equal(told.count[ALERT_ENCODED_NAMES], 3);
	anomaly_free(anomaly);
}

/* --- Beacons --- */

static void connect_at(
	struct anomaly *anomaly, const char *name, int64_t start, const char *category)
{
	struct event event = flow_of(name, start, 121, 500, 500);

	anomaly_take(anomaly, &event, category);
}

static void test_beacon(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		/* +-20 % */
		connect_at(anomaly, "c2.example", noon + i * MINUTE + (i % 3) * 12 * SECOND, NULL);
		connect_at(anomaly, "log.example", noon + i * MINUTE, "telemetry");
		assert_int_equal(told.count[ALERT_BEACON], i == 11);
	}
	assert_int_equal(told.last.name.length, named("c2.example").length);
	assert_true(strncmp(told.last.evidence[0], "connections every 6", 19) == 0);
	anomaly_free(anomaly);
}

static void test_no_beacon(void **state)
{
	static const unsigned work[] = {0, 3, 4, 60, 63, 70, 300, 310, 311, 900, 1500, 1510, 1800,
		2000, 2100, 2105, 2600, 2601, 3000, 3600, 3700, 3702, 4100, 4800};
	struct told told;
	struct anomaly *anomaly = begin(&told);

	(void)state;
	for (unsigned i = 0; i < sizeof(work) / sizeof(work[0]); i++)
		connect_at(anomaly, "work.example", noon + work[i] * SECOND, NULL);
	/* For some minutes only, and in quick succession. */
	for (unsigned i = 0; i < 18; i++)
		connect_at(anomaly, "wait.example", noon + i * 30 * SECOND, NULL);
	for (unsigned i = 0; i < 1000; i++)
		connect_at(anomaly, "fast.example", noon + i * 2 * SECOND, NULL);
	assert_int_equal(told.count[ALERT_BEACON], 0);
	connect_at(anomaly, "wait.example", noon + 18 * 30 * SECOND, NULL);
	connect_at(anomaly, "wait.example", noon + 19 * 30 * SECOND, NULL);
	connect_at(anomaly, "wait.example", noon + 20 * 30 * SECOND, NULL);
	assert_int_equal(told.count[ALERT_BEACON], 1);
	anomaly_free(anomaly);
}

/* Flows are told of when they end, in that order; and refused connections when they begin. */
static void test_beacon_order(void **state)
{
	struct told told;
	struct anomaly *anomaly = begin(&told);
	struct event event;

	(void)state;
	for (unsigned i = 0; i < 14; i++)
		connect_at(anomaly, "c2.example", noon + (i ^ 1) * MINUTE, NULL);
	assert_int_equal(told.count[ALERT_BEACON], 1);
	for (unsigned i = 0; i < 14; i++) {
		event_begin_at(&event, EVENT_CONNECTION, noon + i * MINUTE);
		event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS;
		event.address = inaddr_from_ip4((const uint8_t[4]){203, 0, 113, 9});
		event.verdict = EVENT_REFUSE;
		anomaly_take(anomaly, &event, NULL);
	}
	assert_int_equal(told.count[ALERT_BEACON], 2);
	assert_true(told.last.has_address && told.last.name.length == 0);
	anomaly_free(anomaly);
}

/* --- Settings --- */

static void test_settings(void **state)
{
	struct anomaly_settings settings = anomaly_defaults();
	struct told told;
	struct anomaly *anomaly;
	struct event event = flow_of("a.example", noon, 130, 17 * MIB, 17 * MIB);

	(void)state;
	settings.off[ALERT_UPLOAD] = true;
	anomaly = begin_with(&told, &settings);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 0);
	settings.off[ALERT_UPLOAD] = false;
	settings.upload = MIB;
	anomaly_free(anomaly);
	anomaly = begin_with(&told, &settings);
	event = flow_of("a.example", noon, 130, MIB, MIB);
	anomaly_take(anomaly, &event, NULL);
	assert_int_equal(told.count[ALERT_UPLOAD], 1);
	anomaly_free(anomaly);
}

/* --- Categories --- */

static void test_categories(void **state)
{
	struct census census = {.n_rows = 0};
	struct anomaly_config config = {.on_alert = on_alert};
	struct baseline *baseline;
	struct anomaly *anomaly;
	struct told told = {.count = {0}};

	(void)state;
	assert_int_equal(baseline_new(&baseline), 0);
	census_add(&census, "documentation", 27);
	census_add(&census, "search", 10);
	census_add(&census, NULL, 1);
	for (unsigned i = 0; i < 10; i++)
		baseline_add(baseline, &census);
	config.baseline = baseline;
	config.context = &told;
	assert_int_equal(anomaly_new(&config, &anomaly), 0);
	anomaly_weigh(anomaly, &census, noon);
	census = (struct census){.n_rows = 0};
	census_add(&census, "search", 8);
	for (unsigned i = 0; i < 60; i++) {
		census_add(&census, NULL, 1);
		anomaly_weigh(anomaly, &census, noon);
	}
	assert_int_equal(told.count[ALERT_CATEGORIES], 1);
	assert_true(told.last.p <= 0.001 && told.last.p > 0 && told.last.threshold == 0.001);
	assert_true(strncmp(told.last.evidence[1], "unknown 3 % -> ", 15) == 0);
	assert_string_equal(told.last.evidence[0], "documentation 71 % -> 0 %");
	anomaly_free(anomaly);
	baseline_free(baseline);
}

/* --- That it goes on elsewhere --- */

/* Half of each thing that leads to an alert. */
static void do_half(struct anomaly *anomaly, unsigned half)
{
	char name[128];
	struct event event;

	event = flow_of("up.example", noon + half * 10 * SECOND, 121, 30 * MIB, 30 * MIB);
	event.flow = half;
	anomaly_take(anomaly, &event, NULL);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "%024u.data.example", half * 6 + i);
		take_query(anomaly, name, EVENT_PERMIT);
		connect_at(anomaly, "c2.example", noon + (half * 6 + i) * MINUTE, NULL);
	}
	event = flow_of("live.example", noon, 10 + 10 * half, (half + 1) * 3 * MIB, 100);
	event.has |= EVENT_IS_LIVE;
	event.flow = 99;
	anomaly_take(anomaly, &event, NULL);
}

static void test_saved(void **state)
{
	struct told told, again;
	struct anomaly *anomaly = begin(&told), *next = begin(&again);
	json_t *saved;

	(void)state;
	do_half(anomaly, 0);
	assert_int_equal(told.count[ALERT_UPLOAD], 1);
	saved = anomaly_save(anomaly);
	assert_non_null(saved);
	assert_int_equal(anomaly_restore(next, saved), 0);
	json_decref(saved);
	do_half(next, 1);
	assert_int_equal(again.count[ALERT_UPLOAD], 0);
	assert_int_equal(again.count[ALERT_ENCODED_NAMES], 1);
	assert_int_equal(again.count[ALERT_BEACON], 1);
	assert_int_equal(again.count[ALERT_UPLOAD_BURST], 1);
	assert_int_equal(again.count[ALERT_RATIO], 1);
	assert_int_equal(anomaly_payload(next)->out, 66 * MIB + 12 * 500);
	anomaly_free(anomaly);
	anomaly_free(next);
}

/* Of what is wrong anywhere nothing is taken. */
static void test_broken(void **state)
{
	static const char *const broken[] = {"[]", "{}", "{\"told\":0}", "null", "7"};
	struct told told;
	struct anomaly *anomaly = begin(&told);
	json_t *saved, *part;
	const char *key;
	void *next;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		saved = json_loads(broken[i], JSON_DECODE_ANY, NULL);
		assert_non_null(saved);
		assert_int_equal(anomaly_restore(anomaly, saved), -EINVAL);
		json_decref(saved);
	}
	do_half(anomaly, 0);
	saved = anomaly_save(anomaly);
	json_object_foreach_safe(saved, next, key, part)
	{
		json_t *without = json_copy(saved);

		json_object_del(without, key);
		assert_int_equal(anomaly_restore(anomaly, without), -EINVAL);
		json_object_set_new(without, key, json_integer(-1));
		assert_int_equal(anomaly_restore(anomaly, without), -EINVAL);
		json_object_set_new(without, key, json_pack("[[[]]]"));
		assert_int_equal(anomaly_restore(anomaly, without), -EINVAL);
		json_decref(without);
		assert_int_equal(anomaly_payload(anomaly)->out, 33 * MIB + 6 * 500);
	}
	part = json_object_get(saved, "places");
	for (unsigned i = 0; i < 1000; i++)
		json_array_append(part, json_array_get(part, 0));
	assert_int_equal(anomaly_restore(anomaly, saved), -EINVAL);
	json_decref(saved);
	assert_int_equal(anomaly_payload(anomaly)->out, 33 * MIB + 6 * 500);
	anomaly_free(anomaly);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_download),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_many_running),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_many_places),
		cmocka_unit_test(test_encoded),
		cmocka_unit_test(test_encoded_spread),
		cmocka_unit_test(test_beacon),
		cmocka_unit_test(test_no_beacon),
		cmocka_unit_test(test_beacon_order),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_categories),
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
