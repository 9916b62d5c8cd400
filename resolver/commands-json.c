/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/commands-json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/crew.h"
#include "resolver/guard.h"
#include "resolver/watching.h"
#include "rules/dns-server.h"
#include "rules/explain.h"
#include "rules/ports.h"
#include "src/base/json-parts.h"
#include "src/base/memstream.h"

/* --- Status --- */

static json_t *files(const struct layers *layers)
{
	json_t *array = json_array();

	for (size_t i = 0; i < layers->n_layers; i++)
		array = json_parts_add(array, json_parts_clean(layers->layers[i].policy->file));
	return array;
}

static json_t *servers(const struct commands_view *view)
{
	const struct dns_policy *dns = &view->compiled->plan->policy->dns;
	json_t *array = json_array();
	char text[DNS_SERVER_TEXT];

	for (size_t i = 0; i < dns->n_upstream; i++)
		array = json_parts_add(
			array, json_pack("{s:s, s:b}", "server",
				       dns_server_to_text(&dns->upstream[i], text), "answers",
				       view->counters.down[i] < view->workers));
	return array;
}

static json_t *counters(const struct counter_sums *sums)
{
	static const char *const names[] = {
		[COUNTER_QUERIES] = "queries",
		[COUNTER_CACHED] = "cached",
		[COUNTER_FRESH] = "fresh",
		[COUNTER_LOCAL] = "local",
		[COUNTER_REFUSED] = "refused",
		[COUNTER_FAILED] = "failed",
	};
	json_t *object = json_object();

	for (unsigned i = 0; i < COUNTERS; i++)
		object =
			json_parts_set(object, names[i], json_integer((json_int_t)sums->values[i]));
	return object;
}

static json_t *reloads(const struct reload_record *last)
{
	return json_pack("{s:i, s:o, s:o}", "count", (int)last->count, "last",
		json_parts_number(last->at != 0, last->at), "done",
		last->at != 0 ? json_boolean(last->done) : json_null());
}

json_t *commands_status(const struct commands_view *view, int64_t leases,
	const struct reload_record *last, int64_t time)
{
	const struct plan *plan = view->compiled->plan;

	return json_pack("{s:s, s:o, s:s, s:i, s:I, s:I, s:I, s:s, s:i, s:i, s:i, s:i, s:o, s:o, "
			 "s:o, s:o}",
		"policy", plan->policy->name, "files", files(plan->layers), "table", plan->table,
		"pid", (int)getpid(), "time", (json_int_t)time, "since", (json_int_t)view->since,
		"applied", (json_int_t)view->applied, "state", view->crew ? "serving" : "starting",
		"workers", (int)view->workers, "rules", (int)plan->n_rules, "listening",
		(int)view->n_listening, "crews", (int)view->n_crews, "reloads", reloads(last),
		"upstream", servers(view), "counters", counters(&view->counters), "leases",
		json_parts_number(leases >= 0, leases));
}

/* --- Leases --- */

static json_t *ports(const struct plan_group *group)
{
	json_t *array = json_array();
	char text[PORTS_TEXT];

	for (size_t i = 0; i < group->n_ports; i++)
		array = json_parts_add(
			array, json_string(port_range_to_text(&group->ports[i], text)));
	return array;
}

json_t *commands_lease(const struct plan *plan, const struct control_lease *lease, bool flows_known)
{
	char address[INADDR_TEXT], name[NAME_TEXT];
	bool has_rule = lease->rule<plan->n_rules, has_name = lease->name.length> 0;

	return json_pack("{s:s, s:s?, s:o, s:s?, s:b, s:I, s:o}", "address",
		inaddr_to_text(&lease->address, address), "name",
		has_name ? name_to_text(&lease->name, name) : NULL, "ports",
		lease->group < plan->n_groups ? ports(&plan->groups[lease->group]) : json_array(),
		"rule", has_rule ? plan->rules[lease->rule].id : NULL, "flagged",
		lease->flagged != 0, "seconds", (json_int_t)lease->seconds, "connections",
		flows_known ? json_boolean(lease->flows) : json_null());
}

/* --- The others --- */

/* Both ends of a text, when it is ours. */
static json_t *read_text(const char *text, size_t size, bool json)
{
	return json ? json_loadb(text, size, 0, NULL) : json_stringn(text, size);
}

json_t *commands_why(
	const struct compiled *compiled, const char *destination, bool json, bool *ret_permitted)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	json_t *why = NULL;
	int error;

	if (!out)
		return NULL;
	error = explain(compiled, destination, NULL, json, out, ret_permitted);
	if (fclose(out) == 0 && error == 0)
		why = read_text(text, size, json);
	free(text);
	return why;
}

/* --- The session --- */

static json_t *spent(const struct control_spent *it)
{
	return json_pack("{s:I, s:I, s:I}", "used", (json_int_t)it->used, "of", (json_int_t)it->of,
		"extended", (json_int_t)it->extended);
}

/* With what has a ceiling. */
static json_t *add_spent(json_t *budget, const char *key, const struct control_spent *it)
{
	return it->of > 0 ? json_parts_set(budget, key, spent(it)) : budget;
}

static json_t *add_share(
	json_t *object, const struct commands_view *view, const struct control_session *session)
{
	const struct budget *budget = &view->compiled->layers->budget;
	double all = (double)session->spent[SPENT_DESTINATIONS].used;

	if (!budget->has_unknown_share)
		return object;
	return json_parts_set(object, "unknown_share",
		json_pack("{s:f, s:f, s:I, s:I}", "used", all > 0 ? session->unknown / all : 0,
			"of", budget->unknown_share, "unknown", (json_int_t)session->unknown,
			"destinations", (json_int_t)all));
}

static json_t *budget_of(const struct commands_view *view, const struct control_session *session)
{
	json_t *budget = json_object();
	struct guard_names names;

	if (session) {
		budget = add_spent(budget, "destinations", &session->spent[SPENT_DESTINATIONS]);
		budget = add_share(budget, view, session);
		budget = add_spent(budget, "bytes", &session->spent[SPENT_BYTES]);
		budget = add_spent(budget, "connections", &session->spent[SPENT_CONNECTIONS]);
	}
	if (guard_names(view->guard, &names))
		budget = json_parts_set(budget, "wildcard_names",
			json_pack("{s:I, s:I, s:I, s:s}", "used", (json_int_t)names.used, "of",
				(json_int_t)names.of, "extended", (json_int_t)names.raised, "rule",
				names.entry));
	return budget;
}

/* With what was recorded, if that is known. */
static json_t *add_figures(json_t *object, const struct commands_view *view)
{
	struct session_figures figures;
	json_t *more;

	if (watching_figures(view->watching, &figures) != 0)
		return object;
	more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "destinations",
		(json_int_t)figures.destinations, "unknown", (json_int_t)figures.unknown,
		"connections", (json_int_t)figures.connections, "refused",
		(json_int_t)figures.refused, "bytes_out", (json_int_t)figures.bytes_out, "bytes_in",
		(json_int_t)figures.bytes_in, "alerts", (json_int_t)session_alerts(&figures));
	return json_parts_join(object, more);
}

json_t *commands_session(const struct commands_view *view, const struct control_session *session)
{
	const struct layers *layers = view->compiled->layers;
	const struct budget *budget = &layers->budget;
	int64_t began = session && session->began > 0 ? session->began
						      : watching_session_since(view->watching);
	json_t *root = json_pack("{s:s?, s:s, s:I, s:o, s:s, s:o, s:o}", "session",
		watching_session(view->watching), "policy", view->compiled->plan->policy->name,
		"time", (json_int_t)time(NULL), "began", json_parts_number(began > 0, began),
		"on_exceed", budget->refuse ? "refuse" : "flag", "window",
		json_parts_number(budget->window.ms > 0, budget->window.ms / 1000), "budget",
		budget_of(view, session));

	if (session && session->limit_bytes.of > 0)
		root = json_parts_set(
			root, "limits", json_pack("{s:o}", "bytes", spent(&session->limit_bytes)));
	return add_figures(root, view);
}

json_t *commands_new_session(const struct control_reply *reply)
{
	return json_pack("{s:b, s:I, s:I}", "new", true, "began", (json_int_t)reply->session.began,
		"leases", (json_int_t)reply->total);
}

json_t *commands_revoked(const struct control_reply *reply)
{
	return json_pack("{s:I, s:o}", "leases", (json_int_t)reply->total, "connections",
		json_parts_number(reply->flows_status == 0, (int64_t)reply->flows));
}

json_t *commands_reloaded(const struct commands_view *view, bool done, const char *said)
{
	json_t *text = json_string(said);

	/* What was logged may have what a user wrote, which need not be UTF-8. */
	return json_pack("{s:b, s:s, s:o}", "reloaded", done, "policy",
		view ? view->compiled->plan->policy->name : "", "said",
		text ? text : json_parts_clean(said));
}
