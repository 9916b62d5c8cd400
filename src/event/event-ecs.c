/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-ecs.h"

#include "src/event/mapping.h"

/*
 * Theory of operation
 *
 * The Elastic Common Schema, version 8.11: what has a field there is in it, and all else of the
 * record in an object of our own, `egress`, as the schema has it for such. egress-events(5) has the
 * same table for people.
 */

enum {
	QUERY = MAPPING_OF(EVENT_QUERY),
	LEASE = MAPPING_OF(EVENT_LEASE),
	CONNECTION = MAPPING_OF(EVENT_CONNECTION),
	FLOW = MAPPING_OF(EVENT_FLOW),
	POLICY = MAPPING_OF(EVENT_POLICY),
	LOST = MAPPING_OF(EVENT_LOST),
	ALERT = MAPPING_OF(MEMBERS_ALERT),
	SESSION = MAPPING_OF(MEMBERS_SESSION),
	PACKETS = CONNECTION | FLOW,
	/* Of an address that somebody reaches. */
	REACHED = CONNECTION | FLOW | LEASE | ALERT,
	ALL = QUERY | LEASE | CONNECTION | FLOW | POLICY | LOST | ALERT | SESSION,
};

typedef const struct mapping_word words[];

static words query_type = {
	{"\"refuse\"", "[\"protocol\",\"denied\"]"},
	{NULL, "[\"protocol\",\"allowed\"]"},
};
static words connection_type = {
	{"\"refuse\"", "[\"connection\",\"denied\"]"},
	{NULL, "[\"connection\",\"start\",\"allowed\"]"},
};
static words alert_type = {{"\"refuse\"", "[\"denied\"]"}, {NULL, "[\"info\"]"}};
static words session_type = {
	{"\"start\"", "[\"start\"]"},
	{"\"new\"", "[\"start\"]"},
	{"\"end\"", "[\"end\"]"},
	{NULL, "[\"info\"]"},
};
static words outcome = {{"\"refuse\"", "\"failure\""}, {NULL, "\"success\""}};
static words level = {
	{"3", "\"error\""}, {"4", "\"warning\""}, {"5", "\"notice\""}, {NULL, "\"info\""}};
static words transport = {{"\"icmpv6\"", "\"ipv6-icmp\""}, {NULL, NULL}};
static words version = {{"4", "\"ipv4\""}, {"6", "\"ipv6\""}};

static const struct mapping_row rows[] = {
	MAPPING_AS_IS(ALL, "@timestamp", MEMBER_TIME),
	MAPPING_SAME(ALL, "ecs.version", "\"8.11.0\""),

	MAPPING_SAME(ALL & ~(unsigned)ALERT, "event.kind", "\"event\""),
	MAPPING_SAME(ALERT, "event.kind", "\"alert\""),
	MAPPING_SAME(QUERY | LEASE | PACKETS, "event.category", "[\"network\"]"),
	MAPPING_SAME(POLICY, "event.category", "[\"configuration\"]"),
	MAPPING_SAME(ALERT, "event.category", "[\"intrusion_detection\",\"network\"]"),
	MAPPING_SAME(SESSION, "event.category", "[\"session\"]"),
	MAPPING_BY(QUERY, "event.type", MEMBER_VERDICT, query_type),
	MAPPING_BY(CONNECTION, "event.type", MEMBER_VERDICT, connection_type),
	MAPPING_SAME(LEASE, "event.type", "[\"access\",\"allowed\"]"),
	MAPPING_SAME(FLOW, "event.type", "[\"connection\",\"end\"]"),
	MAPPING_SAME(POLICY, "event.type", "[\"change\"]"),
	MAPPING_SAME(LOST, "event.type", "[\"info\"]"),
	MAPPING_BY(ALERT, "event.type", MEMBER_VERDICT, alert_type),
	MAPPING_BY(SESSION, "event.type", MEMBER_PHASE, session_type),
	MAPPING_AS_IS(ALL, "event.action", MEMBER_KIND),
	MAPPING_BY(ALL, "event.outcome", MEMBER_VERDICT, outcome),
	MAPPING_SAME(ALL, "event.module", "\"egress\""),
	MAPPING_SAME(ALL, "event.dataset", "\"egress.events\""),
	MAPPING_AS_IS(ALL, "event.risk_score", MEMBER_SCORE),
	MAPPING_AS(ALL, "event.duration", MEMBER_DURATION, mapping_nanos, NULL),
	MAPPING_AS_IS(SESSION, "event.start", MEMBER_SINCE),
	MAPPING_AS_IS(ALL, "event.reason", MEMBER_REASON),
	MAPPING_AS(ALL, "log.level", MEMBERS, mapping_severity, level),
	MAPPING_AS_IS(ALL, "rule.id", MEMBER_RULE),
	MAPPING_AS_IS(ALL, "rule.ruleset", MEMBER_POLICY),

	MAPPING_SAME(QUERY, "dns.type", "\"answer\""),
	MAPPING_AS_IS(QUERY, "dns.question.name", MEMBER_NAME),
	MAPPING_AS_IS(QUERY, "dns.question.type", MEMBER_TYPE),
	MAPPING_AS_IS(QUERY, "dns.response_code", MEMBER_RCODE),

	MAPPING_SAME(QUERY, "network.protocol", "\"dns\""),
	MAPPING_SAME(PACKETS, "network.direction", "\"egress\""),
	MAPPING_BY(PACKETS | ALERT, "network.transport", MEMBER_PROTOCOL, transport),
	MAPPING_AS(REACHED, "network.type", MEMBER_ADDRESS, mapping_version, version),
	MAPPING_AS_IS(CONNECTION, "source.ip", MEMBER_SOURCE),
	MAPPING_AS_IS(CONNECTION, "source.port", MEMBER_SOURCE_PORT),
	MAPPING_AS_IS(FLOW, "source.bytes", MEMBER_BYTES_OUT),
	MAPPING_AS_IS(FLOW, "source.packets", MEMBER_PACKETS_OUT),
	MAPPING_AS_IS(REACHED, "destination.domain", MEMBER_NAME),
	MAPPING_AS_IS(REACHED, "destination.ip", MEMBER_ADDRESS),
	MAPPING_AS_IS(REACHED, "destination.port", MEMBER_PORT),
	MAPPING_AS_IS(FLOW, "destination.bytes", MEMBER_BYTES_IN),
	MAPPING_AS_IS(FLOW, "destination.packets", MEMBER_PACKETS_IN),
	MAPPING_AS(CONNECTION, "user.id", MEMBER_USER, mapping_text, NULL),
	MAPPING_AS(CONNECTION, "user.group.id", MEMBER_GROUP, mapping_text, NULL),
	MAPPING_SAME(ALL, "observer.product", "\"egress\""),
	MAPPING_SAME(ALL, "observer.type", "\"firewall\""),

	MAPPING_AS_IS(ALL, "egress.session", MEMBER_SESSION),
	MAPPING_AS_IS(ALL, "egress.verdict", MEMBER_VERDICT),
	MAPPING_AS_IS(ALL, "egress.category", MEMBER_CATEGORY),
	MAPPING_AS_IS(QUERY, "egress.ede", MEMBER_EDE),
	MAPPING_AS_IS(CONNECTION, "egress.cgroup", MEMBER_CGROUP),
	MAPPING_AS_IS(CONNECTION, "egress.cgroup_id", MEMBER_CGROUP_ID),
	MAPPING_AS_IS(LEASE, "egress.ports", MEMBER_PORTS),
	MAPPING_AS_IS(LEASE, "egress.ttl", MEMBER_TTL),
	MAPPING_AS_IS(LEASE, "egress.lease", MEMBER_LEASE),
	MAPPING_AS_IS(FLOW, "egress.live", MEMBER_LIVE),
	MAPPING_AS_IS(LOST, "egress.count", MEMBER_COUNT),
	MAPPING_AS_IS(LOST, "egress.what", MEMBER_WHAT),
	MAPPING_AS_IS(ALERT, "egress.value", MEMBER_VALUE),
	MAPPING_AS_IS(ALERT, "egress.threshold", MEMBER_THRESHOLD),
	MAPPING_AS_IS(ALERT, "egress.p", MEMBER_P),
	MAPPING_AS_IS(ALERT, "egress.suppressed", MEMBER_SUPPRESSED),
	MAPPING_AS_IS(SESSION, "egress.phase", MEMBER_PHASE),
	MAPPING_AS_IS(SESSION, "egress.destinations", MEMBER_DESTINATIONS),
	MAPPING_AS_IS(SESSION, "egress.unknown", MEMBER_UNKNOWN),
	MAPPING_AS_IS(SESSION, "egress.wildcard_names", MEMBER_WILDCARD_NAMES),
	MAPPING_AS_IS(SESSION, "egress.connections", MEMBER_CONNECTIONS),
	MAPPING_AS_IS(SESSION, "egress.refused", MEMBER_REFUSED),
	MAPPING_AS_IS(SESSION, "egress.bytes_out", MEMBER_BYTES_OUT),
	MAPPING_AS_IS(SESSION, "egress.bytes_in", MEMBER_BYTES_IN),
	MAPPING_AS_IS(SESSION, "egress.alerts", MEMBER_ALERTS),
	MAPPING_AS_IS(SESSION, "egress.budget", MEMBER_BUDGET),
	MAPPING_AS_IS(SESSION, "egress.baseline", MEMBER_BASELINE),
	MAPPING_AS_IS(SESSION, "egress.categories", MEMBER_CATEGORIES),
	MAPPING_AS_IS(ALERT, "egress.evidence", MEMBER_EVIDENCE),
	MAPPING_AS(ALL, "message", MEMBERS, mapping_sentence, NULL),
};

size_t event_to_ecs(const struct members *members, char out[EVENT_LINE])
{
	return mapping_write(rows, sizeof(rows) / sizeof(rows[0]), members, out);
}
