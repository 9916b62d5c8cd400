/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What records in the formats of others have, against a table of their fields: which there are in
 * ECS 8.11 and which attributes in OCSF 1.3 (network_activity, dns_activity, detection_finding,
 * application_lifecycle, and the profiles security_control and host), of which type, and with which
 * values where these are numbered. The table was written by hand, in part from descriptions of
 * other versions: it catches what is misspelt or of another type, not what is wrong in itself.
 * Names of one's own are below "egress" and "unmapped".
 */

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/event/event-ecs.h"
#include "src/event/event-ocsf.h"
#include "src/event/members.h"
#include "tests/event/specimens.h"

/* A type: t, text; n, a whole number; r, any number; b, true or false; T, an array of texts. */
struct fact {
	const char *name; /* "[]" behind an array's */
	char type;
	const char *values; /* between blanks; NULL: any */
};

static const struct fact ecs[] = {
	{"@timestamp", 't', NULL},
	{"message", 't', NULL},
	{"ecs.version", 't', " 8.11.0 "},
	{"event.kind", 't', " alert asset enrichment event metric state pipeline_error signal "},
	{"event.category", 'T',
		" api authentication configuration database driver email file host iam "
		"intrusion_detection library malware network package process registry session "
		"threat vulnerability web "},
	{"event.type", 'T',
		" access admin allowed change connection creation deletion denied end error group "
		"indicator info installation protocol start user "},
	{"event.action", 't', NULL},
	{"event.outcome", 't', " failure success unknown "},
	{"event.module", 't', NULL},
	{"event.dataset", 't', NULL},
	{"event.risk_score", 'r', NULL},
	{"event.duration", 'n', NULL},
	{"event.start", 't', NULL},
	{"event.reason", 't', NULL},
	{"log.level", 't', NULL},
	{"rule.id", 't', NULL},
	{"rule.ruleset", 't', NULL},
	{"dns.type", 't', " query answer "},
	{"dns.question.name", 't', NULL},
	{"dns.question.type", 't', NULL},
	{"dns.response_code", 't', NULL},
	{"network.protocol", 't', NULL},
	{"network.direction", 't', " ingress egress inbound outbound internal external unknown "},
	{"network.transport", 't', NULL},
	{"network.type", 't', NULL},
	{"source.ip", 't', NULL},
	{"source.port", 'n', NULL},
	{"source.bytes", 'n', NULL},
	{"source.packets", 'n', NULL},
	{"destination.domain", 't', NULL},
	{"destination.ip", 't', NULL},
	{"destination.port", 'n', NULL},
	{"destination.bytes", 'n', NULL},
	{"destination.packets", 'n', NULL},
	{"user.id", 't', NULL},
	{"user.group.id", 't', NULL},
	{"observer.product", 't', NULL},
	{"observer.type", 't', NULL},
	{NULL, 0, NULL},
};

static const struct fact ocsf[] = {
	{"time", 'n', NULL},
	{"message", 't', NULL},
	{"category_uid", 'n', " 1 2 3 4 5 6 "},
	{"class_uid", 'n', " 2004 4001 4003 6002 "},
	{"activity_id", 'n', " 0 1 2 3 4 5 6 7 99 "},
	{"activity_name", 't', NULL},
	{"type_uid", 'n', NULL},
	{"severity_id", 'n', " 0 1 2 3 4 5 6 99 "},
	{"status_id", 'n', " 0 1 2 3 4 5 99 "},
	{"start_time", 'n', NULL},
	{"duration", 'n', NULL},
	{"metadata.version", 't', " 1.3.0 "},
	{"metadata.product.name", 't', NULL},
	{"metadata.product.vendor_name", 't', NULL},
	{"metadata.log_name", 't', NULL},
	{"metadata.correlation_uid", 't', NULL},
	{"metadata.profiles", 'T', " security_control host "},
	{"app.name", 't', NULL},
	{"app.vendor_name", 't', NULL},
	{"action_id", 'n', " 0 1 2 99 "},
	{"disposition_id", 'n',
		" 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 99 "},
	{"policy.name", 't', NULL},
	{"firewall_rule.uid", 't', NULL},
	{"firewall_rule.desc", 't', NULL},
	{"query.hostname", 't', NULL},
	{"query.type", 't', NULL},
	{"rcode_id", 'n', " 0 1 2 3 4 5 6 7 8 9 10 11 16 17 18 19 20 21 22 23 24 25 99 "},
	{"rcode", 't', NULL},
	{"src_endpoint.ip", 't', NULL},
	{"src_endpoint.port", 'n', NULL},
	{"dst_endpoint.ip", 't', NULL},
	{"dst_endpoint.port", 'n', NULL},
	{"dst_endpoint.hostname", 't', NULL},
	{"dst_endpoint.svc_name", 't', NULL},
	{"connection_info.direction_id", 'n', " 0 1 2 3 99 "},
	{"connection_info.protocol_name", 't', NULL},
	{"connection_info.protocol_num", 'n', NULL},
	{"connection_info.protocol_ver_id", 'n', " 0 4 6 99 "},
	{"actor.user.uid", 't', NULL},
	{"actor.user.groups[].uid", 't', NULL},
	{"traffic.bytes_out", 'n', NULL},
	{"traffic.packets_out", 'n', NULL},
	{"traffic.bytes_in", 'n', NULL},
	{"traffic.packets_in", 'n', NULL},
	{"is_alert", 'b', NULL},
	{"finding_info.title", 't', NULL},
	{"finding_info.uid", 't', NULL},
	{"finding_info.analytic.uid", 't', NULL},
	{"finding_info.analytic.type_id", 'n', " 0 1 2 3 4 99 "},
	{"evidences[].dst_endpoint.hostname", 't', NULL},
	{"evidences[].dst_endpoint.ip", 't', NULL},
	{"evidences[].dst_endpoint.port", 'n', NULL},
	{NULL, 0, NULL},
};

/* What `rcode` is where `rcode_id` isn't 99. */
static const struct {
	long long id;
	const char *caption;
} rcodes[] = {{0, "NoError"}, {1, "FormError"}, {2, "ServError"}, {3, "NXDomain"}, {4, "NotImp"},
	{5, "Refused"}, {16, "BADVERS"}};

/* What each object of a class has to have. */
static const char *const ocsf_required[] = {"time", "category_uid", "class_uid", "activity_id",
	"type_uid", "severity_id", "metadata.version", "metadata.product"};
static const char *const ocsf_finding[] = {"finding_info.title", "finding_info.uid"};
static const char *const ecs_required[] = {"@timestamp", "ecs.version", "event.kind"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* --- Looking --- */

struct check {
	const struct fact *facts;
	const char *own[2]; /* below these there is what nobody else has names for */
	unsigned n_checked;
};

static const struct fact *find_fact(const struct check *check, const char *name)
{
	for (const struct fact *fact = check->facts; fact->name; fact++)
		if (strcmp(fact->name, name) == 0)
			return fact;
	return NULL;
}

static void check_value(const struct fact *fact, const json_t *value)
{
	char word[64];

	if (!fact->values)
		return;
	if (json_is_string(value))
		snprintf(word, sizeof(word), " %s ", json_string_value(value));
	else
		snprintf(word, sizeof(word), " %lld ", (long long)json_integer_value(value));
	if (!strstr(fact->values, word))
		fail_msg("%s has no value%s", fact->name, word);
}

static bool has_type(const json_t *value, char type)
{
	switch (type) {
	case 't':
		return json_is_string(value);
	case 'n':
		return json_is_integer(value);
	case 'r':
		return json_is_number(value);
	case 'b':
		return json_is_boolean(value);
	default:
		return json_is_array(value);
	}
}

static void check_field(struct check *check, const char *name, const json_t *value)
{
	const struct fact *fact = find_fact(check, name);

	if (!fact)
		fail_msg("there is no %s", name);
	if (!has_type(value, fact->type))
		fail_msg("%s is of another type", name);
	check->n_checked++;
	if (fact->type != 'T') {
		check_value(fact, value);
		return;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		assert_true(json_is_string(json_array_get(value, i)));
		check_value(fact, json_array_get(value, i));
	}
}

static bool is_own(const struct check *check, const char *name)
{
	for (size_t i = 0; i < COUNT(check->own); i++)
		if (strncmp(name, check->own[i], strlen(check->own[i])) == 0)
			return true;
	return false;
}

enum { DEPTH = 6, NAME = 128 };

/* All below the object, whose name and a dot come first. */
static void check_object(struct check *check, json_t *object, const char *before, unsigned depth)
{
	const char *key;
	json_t *value;

	assert_true(depth < DEPTH);
	json_object_foreach(object, key, value)
	{
		char name[NAME];

		assert_true(snprintf(name, sizeof(name), "%s%s", before, key) < NAME - 4);
		if (json_is_object(value)) {
			strcat(name, ".");
			if (!is_own(check, name))
				check_object(check, value, name, depth + 1);
		} else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
			strcat(name, "[].");
			for (size_t i = 0; i < json_array_size(value); i++)
				check_object(check, json_array_get(value, i), name, depth + 1);
		} else if (!is_own(check, name)) {
			check_field(check, name, value);
		}
	}
}

static json_t *find(json_t *object, const char *name)
{
	char copy[NAME], *rest = copy, *part;

	snprintf(copy, sizeof(copy), "%s", name);
	while (object && (part = strsep(&rest, ".")))
		object = json_object_get(object, part);
	return object;
}

static void require(json_t *object, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!find(object, names[i]))
			fail_msg("%s is required", names[i]);
}

typedef size_t rewriting(const struct members *members, char out[EVENT_LINE]);

static json_t *rewritten(const char *line, size_t size, rewriting *rewrite)
{
	struct members members;
	char out[EVENT_LINE];
	json_error_t error;
	json_t *object;

	assert_int_equal(members_read(line, size, &members), 0);
	object = json_loadb(out, rewrite(&members, out), JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s", error.text);
	return object;
}

static void check_ecs(void *context, const char *line, size_t size)
{
	json_t *object = rewritten(line, size, event_to_ecs);

	check_object(context, object, "", 0);
	require(object, ecs_required, COUNT(ecs_required));
	json_decref(object);
}

static long long number(json_t *object, const char *name)
{
	return (long long)json_integer_value(find(object, name));
}

static void check_rcode(json_t *object)
{
	const json_t *id = find(object, "rcode_id");

	for (size_t i = 0; i < COUNT(rcodes) && id; i++)
		if (json_integer_value(id) == rcodes[i].id)
			assert_string_equal(
				json_string_value(find(object, "rcode")), rcodes[i].caption);
}

static void check_ocsf(void *context, const char *line, size_t size)
{
	json_t *object = rewritten(line, size, event_to_ocsf);
	long long class = number(object, "class_uid");

	check_object(context, object, "", 0);
	require(object, ocsf_required, COUNT(ocsf_required));
	if (class == 2004)
		require(object, ocsf_finding, COUNT(ocsf_finding));
	check_rcode(object);
	/* Of the network's classes one end is required; all that happens has one. */
	if (class == 4003 || (class == 4001 && memmem(line, size, "\"address\"", 9)))
		assert_true(find(object, "src_endpoint") || find(object, "dst_endpoint"));
	assert_int_equal(class / 1000, number(object, "category_uid"));
	assert_int_equal(number(object, "type_uid"), class * 100 + number(object, "activity_id"));
	json_decref(object);
}

static void test_ecs(void **state)
{
	struct check check = {.facts = ecs, .own = {"egress.", "egress."}};

	(void)state;
	specimens_plain(check_ecs, &check);
	specimens_mixed(check_ecs, &check);
	assert_true(check.n_checked > 100);
}

static void test_ocsf(void **state)
{
	struct check check = {.facts = ocsf, .own = {"unmapped.", "evidences[].data."}};

	(void)state;
	specimens_plain(check_ocsf, &check);
	specimens_mixed(check_ocsf, &check);
	assert_true(check.n_checked > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecs),
		cmocka_unit_test(test_ocsf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
