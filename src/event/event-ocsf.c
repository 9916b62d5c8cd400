/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-ocsf.h"

#include "src/event/mapping.h"

/*
 * Theory of operation
 *
 * The Open Cybersecurity Schema Framework, version 1.3: a query is DNS Activity (4003), whatever
 * packets do is Network Activity (4001), an alert a Detection Finding (2004), and what is about the
 * record keeping itself Application Lifecycle (6002). The profile Security Control has the verdict
 * and the rule. What has no attribute there is in `unmapped`, as the framework has it.
 * egress-events(5) has the same table for people.
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
	NETWORK = LEASE | CONNECTION | FLOW,
	KEEPING = POLICY | LOST | SESSION,
	ALL = QUERY | NETWORK | ALERT | KEEPING,
};

typedef const struct mapping_word words[];

static words connection_activity = {{"\"refuse\"", "5"}, {NULL, "1"}};
static words connection_type = {{"\"refuse\"", "400105"}, {NULL, "400101"}};
static words flow_activity = {{"true", "6"}, {NULL, "2"}};
static words flow_type = {{"true", "400106"}, {NULL, "400102"}};
static words session_activity = {
	{"\"start\"", "3"}, {"\"new\"", "3"}, {"\"end\"", "4"}, {NULL, "99"}};
static words session_type = {
	{"\"start\"", "600203"}, {"\"new\"", "600203"}, {"\"end\"", "600204"}, {NULL, "600299"}};
static words session_name = {{"\"start\"", "\"Start\""}, {"\"new\"", "\"Start\""},
	{"\"end\"", "\"Stop\""}, {NULL, NULL}};
static words severity = {{"3", "4"}, {"4", "3"}, {"5", "2"}, {NULL, "1"}};
static words action = {{"\"refuse\"", "2"}, {NULL, "1"}};
/* Allowed, Alert, Logged, Blocked; of a finding Detected and Blocked. */
static words disposition = {
	{"\"permit\"", "1"}, {"\"flag\"", "19"}, {"\"observe\"", "17"}, {NULL, "2"}};
static words finding_disposition = {{"\"refuse\"", "2"}, {NULL, "15"}};
static words rcode_id = {{"\"NOERROR\"", "0"}, {"\"FORMERR\"", "1"}, {"\"SERVFAIL\"", "2"},
	{"\"NXDOMAIN\"", "3"}, {"\"NOTIMP\"", "4"}, {"\"REFUSED\"", "5"}, {"\"BADVERS\"", "16"},
	{NULL, "99"}};
static words rcode = {{"\"NOERROR\"", "\"NoError\""}, {"\"FORMERR\"", "\"FormError\""},
	{"\"SERVFAIL\"", "\"ServError\""}, {"\"NXDOMAIN\"", "\"NXDomain\""},
	{"\"NOTIMP\"", "\"NotImp\""}, {"\"REFUSED\"", "\"Refused\""}, {NULL, NULL}};
static words protocol = {
	{"\"icmp\"", "1"}, {"\"tcp\"", "6"}, {"\"udp\"", "17"}, {"\"icmpv6\"", "58"}, {NULL, "-1"}};
static words version = {{"4", "4"}, {"6", "6"}};

static const struct mapping_row rows[] = {
	MAPPING_AS(ALL, "time", MEMBER_TIME, mapping_epoch, NULL),
	MAPPING_SAME(QUERY, "category_uid", "4"),
	MAPPING_SAME(QUERY, "class_uid", "4003"),
	MAPPING_SAME(QUERY, "activity_id", "6"),
	MAPPING_SAME(QUERY, "type_uid", "400306"),
	MAPPING_SAME(NETWORK, "category_uid", "4"),
	MAPPING_SAME(NETWORK, "class_uid", "4001"),
	MAPPING_SAME(LEASE, "activity_id", "99"),
	MAPPING_SAME(LEASE, "activity_name", "\"Lease\""),
	MAPPING_SAME(LEASE, "type_uid", "400199"),
	MAPPING_BY_ELSE(CONNECTION, "activity_id", MEMBER_VERDICT, connection_activity, "1"),
	MAPPING_BY_ELSE(CONNECTION, "type_uid", MEMBER_VERDICT, connection_type, "400101"),
	MAPPING_BY_ELSE(FLOW, "activity_id", MEMBER_LIVE, flow_activity, "2"),
	MAPPING_BY_ELSE(FLOW, "type_uid", MEMBER_LIVE, flow_type, "400102"),
	MAPPING_SAME(ALERT, "category_uid", "2"),
	MAPPING_SAME(ALERT, "class_uid", "2004"),
	MAPPING_SAME(ALERT, "activity_id", "1"),
	MAPPING_SAME(ALERT, "type_uid", "200401"),
	MAPPING_SAME(KEEPING, "category_uid", "6"),
	MAPPING_SAME(KEEPING, "class_uid", "6002"),
	MAPPING_SAME(POLICY | LOST, "activity_id", "99"),
	MAPPING_AS_IS(POLICY | LOST, "activity_name", MEMBER_KIND),
	MAPPING_SAME(POLICY | LOST, "type_uid", "600299"),
	MAPPING_BY_ELSE(SESSION, "activity_id", MEMBER_PHASE, session_activity, "99"),
	MAPPING_BY(SESSION, "activity_name", MEMBER_PHASE, session_name),
	MAPPING_BY_ELSE(SESSION, "type_uid", MEMBER_PHASE, session_type, "600299"),
	MAPPING_AS(ALL, "severity_id", MEMBERS, mapping_severity, severity),

	MAPPING_SAME(ALL, "metadata.version", "\"1.3.0\""),
	MAPPING_SAME(ALL, "metadata.product.name", "\"egress\""),
	MAPPING_SAME(ALL, "metadata.product.vendor_name", "\"egress\""),
	MAPPING_AS_IS(ALL, "metadata.log_name", MEMBER_POLICY),
	MAPPING_AS_IS(ALL, "metadata.correlation_uid", MEMBER_SESSION),
	MAPPING_SAME(ALL & ~(unsigned)CONNECTION, "metadata.profiles", "[\"security_control\"]"),
	MAPPING_SAME(CONNECTION, "metadata.profiles", "[\"security_control\",\"host\"]"),
	MAPPING_SAME(KEEPING, "app.name", "\"egress\""),
	MAPPING_SAME(KEEPING, "app.vendor_name", "\"egress\""),

	MAPPING_BY(ALL, "action_id", MEMBER_VERDICT, action),
	MAPPING_BY(ALL & ~(unsigned)ALERT, "disposition_id", MEMBER_VERDICT, disposition),
	MAPPING_BY(ALERT, "disposition_id", MEMBER_VERDICT, finding_disposition),
	MAPPING_AS_IS(ALL, "policy.name", MEMBER_POLICY),
	MAPPING_AS_IS(ALL, "firewall_rule.uid", MEMBER_RULE),
	MAPPING_AS_IS(ALL, "firewall_rule.desc", MEMBER_REASON),

	MAPPING_AS_IS(QUERY, "query.hostname", MEMBER_NAME),
	MAPPING_AS_IS(QUERY, "query.type", MEMBER_TYPE),
	MAPPING_BY(QUERY, "rcode_id", MEMBER_RCODE, rcode_id),
	MAPPING_BY(QUERY, "rcode", MEMBER_RCODE, rcode),
	/* Who was asked, whatever server the question was meant for. */
	MAPPING_SAME(QUERY, "dst_endpoint.svc_name", "\"egress-resolver\""),

	MAPPING_AS_IS(CONNECTION, "src_endpoint.ip", MEMBER_SOURCE),
	MAPPING_AS_IS(CONNECTION, "src_endpoint.port", MEMBER_SOURCE_PORT),
	MAPPING_AS_IS(NETWORK, "dst_endpoint.hostname", MEMBER_NAME),
	MAPPING_AS_IS(NETWORK, "dst_endpoint.ip", MEMBER_ADDRESS),
	MAPPING_AS_IS(NETWORK, "dst_endpoint.port", MEMBER_PORT),
	MAPPING_SAME(NETWORK, "connection_info.direction_id", "2"),
	MAPPING_AS_IS(NETWORK, "connection_info.protocol_name", MEMBER_PROTOCOL),
	MAPPING_BY(NETWORK, "connection_info.protocol_num", MEMBER_PROTOCOL, protocol),
	MAPPING_AS(NETWORK, "connection_info.protocol_ver_id", MEMBER_ADDRESS, mapping_version,
		version),
	MAPPING_AS(CONNECTION, "actor.user.uid", MEMBER_USER, mapping_text, NULL),
	MAPPING_AS(CONNECTION, "actor.user.groups[].uid", MEMBER_GROUP, mapping_text, NULL),
	MAPPING_AS(FLOW, "duration", MEMBER_DURATION, mapping_millis, NULL),
	MAPPING_AS_IS(FLOW, "traffic.bytes_out", MEMBER_BYTES_OUT),
	MAPPING_AS_IS(FLOW, "traffic.packets_out", MEMBER_PACKETS_OUT),
	MAPPING_AS_IS(FLOW, "traffic.bytes_in", MEMBER_BYTES_IN),
	MAPPING_AS_IS(FLOW, "traffic.packets_in", MEMBER_PACKETS_IN),

	MAPPING_SAME(ALERT, "is_alert", "true"),
	MAPPING_SAME(ALERT, "status_id", "1"),
	MAPPING_AS_IS(ALERT, "finding_info.title", MEMBER_RULE),
	MAPPING_AS(ALERT, "finding_info.uid", MEMBER_TIME, mapping_finding, NULL),
	MAPPING_AS_IS(ALERT, "finding_info.analytic.uid", MEMBER_RULE),
	MAPPING_SAME(ALERT, "finding_info.analytic.type_id", "1"),
	MAPPING_AS_IS(ALERT, "evidences[].dst_endpoint.hostname", MEMBER_NAME),
	MAPPING_AS_IS(ALERT, "evidences[].dst_endpoint.ip", MEMBER_ADDRESS),
	MAPPING_AS_IS(ALERT, "evidences[].dst_endpoint.port", MEMBER_PORT),
	MAPPING_AS_IS(ALERT, "evidences[].data.protocol", MEMBER_PROTOCOL),
	MAPPING_AS_IS(ALERT, "evidences[].data.value", MEMBER_VALUE),
	MAPPING_AS_IS(ALERT, "evidences[].data.threshold", MEMBER_THRESHOLD),
	MAPPING_AS_IS(ALERT, "evidences[].data.p", MEMBER_P),
	MAPPING_AS_IS(ALERT, "evidences[].data.evidence", MEMBER_EVIDENCE),
	MAPPING_AS(SESSION, "start_time", MEMBER_SINCE, mapping_epoch, NULL),

	MAPPING_AS_IS(ALL, "unmapped.verdict", MEMBER_VERDICT),
	MAPPING_AS_IS(ALL, "unmapped.score", MEMBER_SCORE),
	MAPPING_AS_IS(ALL, "unmapped.category", MEMBER_CATEGORY),
	MAPPING_AS_IS(QUERY, "unmapped.ede", MEMBER_EDE),
	MAPPING_AS_IS(CONNECTION, "unmapped.cgroup", MEMBER_CGROUP),
	MAPPING_AS_IS(CONNECTION, "unmapped.cgroup_id", MEMBER_CGROUP_ID),
	MAPPING_AS_IS(LEASE, "unmapped.ports", MEMBER_PORTS),
	MAPPING_AS_IS(LEASE, "unmapped.ttl", MEMBER_TTL),
	MAPPING_AS_IS(LEASE, "unmapped.lease", MEMBER_LEASE),
	MAPPING_AS_IS(LOST, "unmapped.count", MEMBER_COUNT),
	MAPPING_AS_IS(LOST, "unmapped.what", MEMBER_WHAT),
	MAPPING_AS_IS(ALERT, "unmapped.suppressed", MEMBER_SUPPRESSED),
	MAPPING_AS_IS(SESSION, "unmapped.phase", MEMBER_PHASE),
	MAPPING_AS_IS(SESSION, "unmapped.destinations", MEMBER_DESTINATIONS),
	MAPPING_AS_IS(SESSION, "unmapped.unknown", MEMBER_UNKNOWN),
	MAPPING_AS_IS(SESSION, "unmapped.wildcard_names", MEMBER_WILDCARD_NAMES),
	MAPPING_AS_IS(SESSION, "unmapped.connections", MEMBER_CONNECTIONS),
	MAPPING_AS_IS(SESSION, "unmapped.refused", MEMBER_REFUSED),
	MAPPING_AS_IS(SESSION, "unmapped.bytes_out", MEMBER_BYTES_OUT),
	MAPPING_AS_IS(SESSION, "unmapped.bytes_in", MEMBER_BYTES_IN),
	MAPPING_AS_IS(SESSION, "unmapped.alerts", MEMBER_ALERTS),
	MAPPING_AS_IS(SESSION, "unmapped.budget", MEMBER_BUDGET),
	MAPPING_AS_IS(SESSION, "unmapped.baseline", MEMBER_BASELINE),
	MAPPING_AS_IS(SESSION, "unmapped.categories", MEMBER_CATEGORIES),
	MAPPING_AS(ALL, "message", MEMBERS, mapping_sentence, NULL),
};

size_t event_to_ocsf(const struct members *members, char out[EVENT_LINE])
{
	return mapping_write(rows, sizeof(rows) / sizeof(rows[0]), members, out);
}
