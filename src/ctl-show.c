/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/ctl-show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "src/base/json-parts.h"
#include "src/base/text.h"

enum { HELD_MAX = 1000 };

/* --- Pieces --- */

/* A text of the answer's; line ends are kept where there may be some. */
static void put_clean(const char *string, bool lines, FILE *out)
{
	struct text rest = text_of(string ? string : "");

	while (rest.length > 0) {
		uint32_t character;
		size_t size = text_char(rest, &character);

		if (size == 0 || !(text_shows(character) ||
					 (lines && (character == '\n' || character == '\t')))) {
			fputc('?', out);
			size = size > 0 ? size : 1;
		} else {
			fwrite(rest.start, 1, size, out);
		}
		rest.start += size;
		rest.length -= size;
	}
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *string = json_string_value(json_object_get(object, key));

	return string ? string : "-";
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

static void put_string(const json_t *object, const char *key, FILE *out)
{
	put_clean(string_of(object, key), false, out);
}

/* "57 s", "12 min", "3 h", "5 d" */
static const char *span_to_text(int64_t seconds, char out[32])
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds < 2 * units[i].seconds)
			continue;
		snprintf(out, 32, "%" PRId64 " %s", seconds / units[i].seconds, units[i].unit);
		return out;
	}
	snprintf(out, 32, "%" PRId64 " s", seconds);
	return out;
}

static void put_since(const json_t *status, const char *key, FILE *out)
{
	int64_t since = number_of(status, key);
	time_t at = (time_t)since;
	char date[64] = "-", span[32];
	struct tm local;

	if (localtime_r(&at, &local))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local);
	fprintf(out, "%s, %s ago", date, span_to_text(number_of(status, "time") - since, span));
}

/* --- Status --- */

static void put_head(const char *word, FILE *out)
{
	fprintf(out, "%-12s", word);
}

/* "1 rule", "2 rules". */
static void put_count(const json_t *object, const char *key, const char *what, FILE *out)
{
	int64_t count = number_of(object, key);

	fprintf(out, "%" PRId64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void show_policy(const json_t *status, FILE *out)
{
	const json_t *files = json_object_get(status, "files"), *file;
	size_t i;

	put_head("policy", out);
	put_string(status, "policy", out);
	fputs(", ", out);
	put_count(status, "rules", "rule", out);
	fputc('\n', out);
	for (i = 0; (file = json_array_get(files, i)); i++) {
		put_head(i == 0 ? "  file" : "  override", out);
		put_clean(json_string_value(file), false, out);
		fputc('\n', out);
	}
	put_head("  applied", out);
	put_since(status, "applied", out);
	put_head("\n  table", out);
	fputs(" inet ", out);
	put_string(status, "table", out);
	fputc('\n', out);
}

static void show_reloads(const json_t *reloads, FILE *out)
{
	time_t at = (time_t)number_of(reloads, "last");
	char date[64] = "-";
	struct tm local;

	put_head("  reloads", out);
	fprintf(out, "%" PRId64, number_of(reloads, "count"));
	if (has(reloads, "last") && localtime_r(&at, &local)) {
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local);
		fprintf(out, ", the last one %s at %s",
			json_is_true(json_object_get(reloads, "done")) ? "done" : "refused", date);
	}
	fputc('\n', out);
}

static void show_process(const json_t *status, FILE *out)
{
	put_head("resolver", out);
	put_string(status, "state", out);
	fprintf(out, ", process %" PRId64 "\n", number_of(status, "pid"));
	put_head("  started", out);
	put_since(status, "since", out);
	fputc('\n', out);
	show_reloads(json_object_get(status, "reloads"), out);
	put_head("  workers", out);
	fprintf(out, "%" PRId64 "\n", number_of(status, "workers"));
	put_head("  starts", out);
	fprintf(out, "%" PRId64 ", of the workers and their keeper\n", number_of(status, "crews"));
	put_head("  listening", out);
	fprintf(out, "addresses: %" PRId64 "\n", number_of(status, "listening"));
}

static void show_counters(const json_t *counters, FILE *out)
{
	static const struct {
		const char *key;
		const char *about;
	} rows[] = {
		{"cached", "from memory"},
		{"fresh", "asked of a server, or of [dns.hosts]"},
		{"local", "of special names and types"},
		{"refused", "by the policy"},
		{"failed", "no answer, or a limit"},
	};

	put_head("queries", out);
	fprintf(out, "%" PRId64 "\n", number_of(counters, "queries"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "  %-9s %11" PRId64 "  %s\n", rows[i].key,
			number_of(counters, rows[i].key), rows[i].about);
}

void show_status(const json_t *status, FILE *out)
{
	const json_t *servers = json_object_get(status, "upstream"), *server;
	size_t i;

	show_policy(status, out);
	show_process(status, out);
	for (i = 0; (server = json_array_get(servers, i)); i++) {
		put_head(i == 0 ? "upstream" : "", out);
		put_string(server, "server", out);
		fputs(json_is_true(json_object_get(server, "answers")) ? "\n"
								       : ", does not answer\n",
			out);
	}
	put_head("leases", out);
	if (has(status, "leases"))
		fprintf(out, "%" PRId64 "\n", number_of(status, "leases"));
	else
		fputs("not known\n", out);
	show_counters(json_object_get(status, "counters"), out);
}

/* --- Leases --- */

/* "tcp/443,udp/53" */
static const char *ports_to_text(const json_t *lease, char *out, size_t size)
{
	const json_t *ports = json_object_get(lease, "ports"), *port;
	size_t length = 0, i;

	out[0] = '\0';
	for (i = 0; (port = json_array_get(ports, i)); i++) {
		const char *text = json_string_value(port);
		int put = snprintf(
			out + length, size - length, "%s%s", i > 0 ? "," : "", text ? text : "?");

		if (put < 0 || (size_t)put >= size - length)
			break;
		length += (size_t)put;
	}
	return out;
}

static void measure(struct lease_table *table, const json_t *lease)
{
	char ports[64];
	const int widths[] = {(int)strlen(string_of(lease, "address")),
		(int)strlen(ports_to_text(lease, ports, sizeof(ports))),
		(int)strlen(string_of(lease, "rule"))};
	int *columns[] = {&table->address, &table->ports, &table->rule};

	for (unsigned i = 0; i < 3; i++)
		if (widths[i] > *columns[i])
			*columns[i] = widths[i];
}

static void put_padded(const char *text, int width, FILE *out)
{
	int length = (int)strlen(text);

	put_clean(text, false, out);
	fprintf(out, "%*s", length < width ? width - length + 2 : 2, "");
}

static void show_lease(struct lease_table *table, const json_t *lease, FILE *out)
{
	const json_t *connections = json_object_get(lease, "connections");
	char ports[64], left[32];

	table->count++;
	put_padded(string_of(lease, "address"), table->address, out);
	put_padded(ports_to_text(lease, ports, sizeof(ports)), table->ports, out);
	put_padded(string_of(lease, "rule"), table->rule, out);
	fprintf(out, "%6s  %-3s  ", span_to_text(number_of(lease, "seconds"), left),
		json_is_null(connections)   ? "?"
		: json_is_true(connections) ? "yes"
					    : "no");
	put_string(lease, "name", out);
	fputc('\n', out);
}

static void show_head(struct lease_table *table, FILE *out)
{
	put_padded("ADDRESS", table->address, out);
	put_padded("PORTS", table->ports, out);
	put_padded("RULE", table->rule, out);
	fprintf(out, "%6s  %-3s  NAME\n", "LEFT", "USE");
}

/* The widths are known. */
static void show_held(struct lease_table *table, FILE *out)
{
	const json_t *lease;
	size_t i;

	if (table->begun)
		return;
	table->begun = true;
	table->address = table->address > 7 ? table->address : 7;
	table->ports = table->ports > 5 ? table->ports : 5;
	table->rule = table->rule > 4 ? table->rule : 4;
	if (json_array_size(table->held) > 0)
		show_head(table, out);
	for (i = 0; (lease = json_array_get(table->held, i)); i++)
		show_lease(table, lease, out);
	json_decref(table->held);
	table->held = NULL;
}

static int write_lease(struct lease_table *table, const json_t *lease, FILE *out)
{
	fputs(table->count++ > 0 ? ",\n  " : "\n  ", out);
	return json_dumpf(lease, out, JSON_ENSURE_ASCII) == 0 ? 0 : -ENOMEM;
}

static int hold_lease(struct lease_table *table, json_t *lease)
{
	measure(table, lease);
	table->held = json_parts_add(table->held ? table->held : json_array(), json_incref(lease));
	return table->held ? 0 : -ENOMEM;
}

static int take_lease(struct lease_table *table, json_t *lease, FILE *out)
{
	if (table->json)
		return write_lease(table, lease, out);
	if (!table->begun)
		return hold_lease(table, lease);
	show_lease(table, lease, out);
	return 0;
}

int show_leases(struct lease_table *table, const json_t *page, FILE *out)
{
	const json_t *leases = json_object_get(page, "leases");
	json_t *lease;
	int error = 0;
	size_t i;

	if (table->json && !table->begun)
		fputs("{\"leases\": [", out);
	table->begun |= table->json;
	for (i = 0; !error && (lease = json_array_get(leases, i)); i++)
		error = take_lease(table, lease, out);
	if (json_array_size(table->held) >= HELD_MAX)
		show_held(table, out);
	return error;
}

void show_leases_end(struct lease_table *table, FILE *out)
{
	if (table->json)
		fputs(table->count > 0 ? "\n]}\n" : "]}\n", out);
	else
		show_held(table, out);
}

/* --- The session --- */

/* "512 B", "1.5 MiB" */
static const char *size_to_text(int64_t bytes, char out[32])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double size = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, 32, "%" PRId64 " B", bytes);
		return out;
	}
	for (size /= 1024; size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		size /= 1024;
	snprintf(out, 32, "%.1f %s", size, units[unit]);
	return out;
}

static const char *amount_to_text(const json_t *spent, const char *key, bool is_size, char out[32])
{
	int64_t amount = number_of(spent, key);

	if (is_size)
		return size_to_text(amount, out);
	snprintf(out, 32, "%" PRId64, amount);
	return out;
}

/* "  destinations      3 of 7, 2 of them for this session" */
static void show_spent(const json_t *budget, const char *key, bool is_size, FILE *out)
{
	const json_t *spent = json_object_get(budget, key);
	char used[32], of[32], extended[32];

	if (!spent)
		return;
	fprintf(out, "  %-18s%s of %s", key, amount_to_text(spent, "used", is_size, used),
		amount_to_text(spent, "of", is_size, of));
	if (number_of(spent, "extended") > 0)
		fprintf(out, ", %s of them for this session",
			amount_to_text(spent, "extended", is_size, extended));
	if (has(spent, "rule")) {
		fputs(", under ", out);
		put_string(spent, "rule", out);
	}
	fputc('\n', out);
}

static void show_share(const json_t *budget, FILE *out)
{
	const json_t *share = json_object_get(budget, "unknown_share");

	if (!share)
		return;
	fprintf(out, "  %-18s%.2f of %.2f, %" PRId64 " of ", "unknown_share",
		json_number_value(json_object_get(share, "used")),
		json_number_value(json_object_get(share, "of")), number_of(share, "unknown"));
	put_count(share, "destinations", "destination", out);
	fputc('\n', out);
}

static void show_recorded(const json_t *session, FILE *out)
{
	char size[32];

	if (!has(session, "alerts"))
		return;
	put_head("recorded", out);
	put_count(session, "destinations", "destination", out);
	fputs(", ", out);
	put_count(session, "connections", "connection", out);
	fprintf(out, ", sent %s, ", size_to_text(number_of(session, "bytes_out"), size));
	fprintf(out, "received %s, ", size_to_text(number_of(session, "bytes_in"), size));
	put_count(session, "alerts", "alert", out);
	fputc('\n', out);
}

void show_session(const json_t *session, FILE *out)
{
	const json_t *budget = json_object_get(session, "budget");
	char span[32];

	put_head("session", out);
	put_string(session, "session", out);
	fputs(", policy ", out);
	put_string(session, "policy", out);
	fputc('\n', out);
	put_head("  began", out);
	put_since(session, "began", out);
	fputc('\n', out);
	if (has(session, "window")) {
		put_head("  window", out);
		fprintf(out, "%s\n", span_to_text(number_of(session, "window"), span));
	}
	put_head("budget", out);
	fprintf(out, "on excess: ");
	put_string(session, "on_exceed", out);
	fputc('\n', out);
	show_spent(budget, "destinations", false, out);
	show_share(budget, out);
	show_spent(budget, "wildcard_names", false, out);
	show_spent(budget, "connections", false, out);
	show_spent(budget, "bytes", true, out);
	if (has(session, "limits")) {
		put_head("limits", out);
		fputc('\n', out);
		show_spent(json_object_get(session, "limits"), "bytes", true, out);
	}
	show_recorded(session, out);
}

void show_new_session(const json_t *begun, FILE *out)
{
	fputs("a new session has begun, ", out);
	put_count(begun, "leases", "lease", out);
	fputs(" closed\n", out);
}

/* --- The others --- */

void show_why(const json_t *why, FILE *out)
{
	const json_t *leases = json_object_get(why, "leases"), *lease;
	char ports[64], left[32];
	size_t i;

	put_clean(json_string_value(json_object_get(why, "text")), true, out);
	for (i = 0; (lease = json_array_get(leases, i)); i++) {
		fputs("  open now: ", out);
		put_string(lease, "address", out);
		fputc(' ', out);
		put_clean(ports_to_text(lease, ports, sizeof(ports)), false, out);
		fprintf(out, " for %s by ", span_to_text(number_of(lease, "seconds"), left));
		put_string(lease, "rule", out);
		fputs(", name ", out);
		put_string(lease, "name", out);
		fputs(json_is_true(json_object_get(lease, "connections")) ? ", in use\n" : "\n",
			out);
	}
	if (leases && json_array_size(leases) == 0)
		fputs("  open now: no address\n", out);
	if (json_is_null(leases))
		fputs("  open now: not known\n", out);
}

void show_reload(const json_t *reload, FILE *out)
{
	put_clean(json_string_value(json_object_get(reload, "said")), true, out);
	if (json_is_true(json_object_get(reload, "reloaded"))) {
		fputs("reloaded: ", out);
		put_string(reload, "policy", out);
		fputc('\n', out);
	}
}

void show_revoked(const json_t *revoked, FILE *out)
{
	put_count(revoked, "leases", "lease", out);
	fputs(" revoked", out);
	if (has(revoked, "connections")) {
		fputs(", ", out);
		put_count(revoked, "connections", "connection", out);
		fputs(" ended", out);
	}
	fputc('\n', out);
}

void show_error(const json_t *answer, FILE *out)
{
	const json_t *said = json_object_get(answer, "said");

	if (said)
		put_clean(json_string_value(said), true, out);
	else
		put_string(answer, "error", out);
}
