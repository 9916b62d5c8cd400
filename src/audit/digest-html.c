/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <inttypes.h>
#include <string.h>

#include "src/audit/html.h"

/*
 * Theory of operation
 *
 * One file that needs nothing else: no network, no scripts; its Content-Security-Policy forbids
 * both to what somebody might bring into it all the same. All that is not this file's own words is
 * escaped, and characters that don't show are replaced. What the chart says is in a table below it,
 * too, for who doesn't see it; colour is never all that tells two things apart.
 */

/* --- The top --- */

static void put_about_line(const char *label, const char *text, FILE *out)
{
	if (!text || *text == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", label);
	html_code(text, out);
	fputs("</dd>\n", out);
}

static void put_about(const struct rendering *it, FILE *out)
{
	const struct layers *layers = it->about->layers;
	char started[RENDERING_TIME], ended[RENDERING_TIME];

	fputs("<dl class=\"about\">\n", out);
	put_about_line("Command", it->about->command, out);
	for (size_t i = 0; i < layers->n_layers && !it->about->unread; i++)
		put_about_line(
			i == 0 ? "Policy" : "Narrowed by", layers->layers[i].policy->file, out);
	fprintf(out, "<dt>Time</dt><dd>%s to %s</dd>\n",
		rendering_time(it->about->started, started),
		rendering_time(it->about->ended, ended));
	if (it->about->ending) {
		fputs("<dt>Ended with</dt><dd>", out);
		html_put(it->about->ending, out);
		fputs("</dd>\n", out);
	}
	fputs("</dl>\n", out);
	if (layers->layers[0].policy->observe)
		fputs("<p class=\"odd\">Nothing was refused by the policy itself: it was only "
		      "observed.</p>\n",
			out);
}

static void put_title(const struct rendering *it, const char *before, FILE *out)
{
	fputs(before, out);
	if (it->policy) {
		fputs("policy ", out);
		html_put(it->policy, out);
	} else {
		fprintf(out, "%zu policies", rendering_policies(it));
	}
}

static void put_card(const char *class, uint64_t count, const char *label, FILE *out)
{
	const bool is_marked = count > 0 && *class;

	fprintf(out, "<li><b%s%s>%" PRIu64 "</b><span>%s</span></li>\n", is_marked ? " class=" : "",
		is_marked ? class : "", count, label);
}

static void put_cards(const struct rendering *it, FILE *out)
{
	const struct rendering_rows *rows = it->outcomes;
	const struct alerts *list = digest_alerts(it->digest);
	const uint64_t alerts = alerts_count(list) + alerts_more(list);

	fputs("<ul class=\"cards\">\n", out);
	put_card("good", it->destinations, "destinations reached", out);
	if (rows[DIGEST_OBSERVED].count > 0)
		put_card("odd", rows[DIGEST_OBSERVED].count, "would have been refused", out);
	put_card("bad", rows[DIGEST_REFUSED].count, "refused", out);
	if (alerts > 0)
		put_card("odd", alerts, alerts == 1 ? "alert" : "alerts", out);
	if (it->n_sessions > 1)
		put_card("", it->n_sessions, "sessions", out);
	fputs("<li><b>", out);
	html_bytes(rows[DIGEST_REACHED].sum.bytes_out + rows[DIGEST_OBSERVED].sum.bytes_out, out);
	fputs("</b><span>sent</span></li>\n<li><b>", out);
	html_bytes(rows[DIGEST_REACHED].sum.bytes_in + rows[DIGEST_OBSERVED].sum.bytes_in, out);
	fputs("</b><span>received</span></li>\n</ul>\n", out);
}

/* --- Categories --- */

static void put_category(const struct rendering_category *category, uint64_t most, FILE *out)
{
	uint64_t bytes = category->bytes_out + category->bytes_in;

	fputs("<tr><th scope=\"row\">", out);
	html_put(*category->name ? category->name : "(none)", out);
	fputs("</th>", out);
	html_number_cell("Destinations", category->rows, out);
	html_number_cell("Connections", category->times, out);
	html_number_cell("Refused", category->refused, out);
	html_bytes_cell("Sent", category->bytes_out, out);
	html_bytes_cell("Received", category->bytes_in, out);
	fprintf(out,
		"<td class=\"gauges\" aria-hidden=\"true\"><div class=\"gauge\"><div "
		"style=\"width:%.1f%%\"></div></div></td></tr>\n",
		most > 0 ? (double)bytes / (double)most * 100 : 0);
}

static void put_categories(const struct rendering *it, FILE *out)
{
	uint64_t most = 0;

	if (it->n_categories == 0)
		return;
	for (size_t i = 0; i < it->n_categories; i++) {
		uint64_t bytes = it->categories[i].bytes_out + it->categories[i].bytes_in;

		most = bytes > most ? bytes : most;
	}
	fputs("<h2 id=\"categories\">By category</h2>\n<div class=\"panel\" tabindex=\"0\" "
	      "role=\"region\" aria-label=\"By category\"><table class=\"rows\">\n"
	      "<caption>What was reached and refused, by the category that its records "
	      "have</caption>\n"
	      "<thead><tr><th scope=\"col\">Category</th><th scope=\"col\" class=\"n\">"
	      "Destinations and ports</th><th scope=\"col\" class=\"n\">Connections</th>"
	      "<th scope=\"col\" class=\"n\">Refused</th>"
	      "<th scope=\"col\" class=\"n\">Sent</th><th scope=\"col\" class=\"n\">Received</th>"
	      "<td class=\"gauges\" aria-hidden=\"true\"></td></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < it->n_categories; i++)
		put_category(&it->categories[i], most, out);
	fputs("</tbody></table></div>\n", out);
}

/* --- Destinations --- */

struct section {
	const char *class;
	const char *title;
	const char *caption;
	enum digest_outcome outcome;
	bool with_bytes;
	const char *advice; /* what its last column is called */
	const char *id;
};

static const struct section sections[] = {
	{"bad", "Refused", "What the policy refused, the most frequent first", DIGEST_REFUSED,
		false, "Why, and what would permit it", "refused"},
	{"odd", "Would have been refused", "What the policy would have refused, were it enforced",
		DIGEST_OBSERVED, true, "Why, and what would permit it", "observed"},
	{"good", "Reached", "What was reached, the most used first", DIGEST_REACHED, true,
		"What would refuse it", "reached"},
	{"", "Looked up only", "Names that were answered, and to which nothing connected",
		DIGEST_NAMED, false, "What would refuse it", "named"},
};

static void put_where(const struct digest_row *row, FILE *out)
{
	char where[RENDERING_WHERE], text[INADDR_TEXT];

	fputs("<tr><th scope=\"row\">", out);
	html_code(rendering_where(row, where), out);
	if (*row->name != '\0' && row->has_address)
		fprintf(out, "<small>%s</small>", inaddr_to_text(&row->address, text));
	if (*row->category != '\0') {
		fputs("<small>", out);
		html_put(row->category, out);
		fputs("</small>", out);
	}
	fputs("</th>", out);
}

static void put_rule(const struct digest_row *row, const struct advice *advice, FILE *out)
{
	fputs("<td class=\"rule\">", out);
	html_code(*row->rule ? row->rule : "-", out);
	if (advice->place) {
		fputs("<small>", out);
		html_put(advice->place, out);
		fputs("</small>", out);
	}
	if (row->flagged)
		fputs("<small class=\"odd\">flagged</small>", out);
	fputs("</td>", out);
}

static void put_advice(const struct advice *advice, FILE *out)
{
	fputs("<td class=\"wide\">", out);
	if (advice->says)
		html_put(advice->says, out);
	if (advice->option) {
		fputs(advice->says ? "<br>" : "", out);
		html_code(advice->option, out);
	}
	if (advice->entry) {
		fputs("<pre>", out);
		html_put(advice->entry, out);
		fputs("</pre>", out);
	}
	if (advice->refusal) {
		fputs("<details><summary>An entry</summary><pre>", out);
		html_put(advice->refusal, out);
		fputs("</pre></details>", out);
	}
	fputs("</td>", out);
}

static void put_row(const struct rendering *it, const struct section *section,
	const struct digest_row *row, const struct advice *advice, FILE *out)
{
	char port[RENDERING_PORT], first[RENDERING_TIME], last[RENDERING_TIME];

	put_where(row, out);
	fputs("<td class=\"port\">", out);
	html_put(rendering_port(row, port), out);
	fputs("</td>", out);
	put_rule(row, advice, out);
	html_number_cell("Times", row->times, out);
	if (section->with_bytes) {
		html_bytes_cell("Sent", row->bytes_out, out);
		html_bytes_cell("Received", row->bytes_in, out);
	}
	rendering_moment(it, row->first, first);
	rendering_moment(it, row->last, last);
	fprintf(out, "<td class=\"n\" data-l=\"First, last\">%s", first);
	if (strcmp(first, last) != 0)
		fprintf(out, "<small>%s</small>", last);
	fputs("</td>", out);
	put_advice(advice, out);
	fputs("</tr>\n", out);
}

static void put_section(const struct section *section, const struct rendering *it, FILE *out)
{
	const struct rendering_rows *rows = &it->outcomes[section->outcome];

	if (rows->count == 0 && rows->sum.records == 0)
		return;
	fprintf(out,
		"<h2 id=\"%s\" class=\"%s\">%s</h2>\n<div class=\"panel\" tabindex=\"0\" "
		"role=\"region\" aria-label=\"%s\"><table class=\"rows\">\n<caption>%s</caption>\n"
		"<thead><tr><th scope=\"col\">Destination</th><th scope=\"col\">Port</th>"
		"<th scope=\"col\">Rule</th><th scope=\"col\" class=\"n\">Times</th>%s"
		"<th scope=\"col\" class=\"n\">First, last</th><th scope=\"col\" "
		"class=\"wide\">%s</th></tr>"
		"</thead>\n<tbody>\n",
		section->id, section->class, section->title, section->title, section->caption,
		section->with_bytes ? "<th scope=\"col\" class=\"n\">Sent</th>"
				      "<th scope=\"col\" class=\"n\">Received</th>"
				    : "",
		section->advice);
	for (size_t i = 0; i < rows->count; i++)
		put_row(it, section, rows->rows[i], &rows->advice[i], out);
	fputs("</tbody></table></div>\n", out);
	if (rows->sum.records > 0)
		fprintf(out,
			"<p>And %" PRIu64 " records of destinations beyond those that are "
			"kept.</p>\n",
			rows->sum.records);
}

/* --- The page --- */

static void put_loss(uint64_t count, const char *what, const char **comma, FILE *out)
{
	if (count == 0)
		return;
	fprintf(out, "%s%" PRIu64 " %s", *comma, count, what);
	*comma = ", ";
}

static void put_lost(const struct rendering *it, FILE *out)
{
	const struct digest_lost *lost = digest_lost(it->digest);
	const char *start = "<p class=\"odd\">Not recorded: ", *comma = start;

	if (it->about->incomplete)
		fputs("<p class=\"odd\">Records are missing: there may be more.</p>\n", out);
	put_loss(lost->queries, "of names", &comma, out);
	put_loss(lost->connections, "of connections", &comma, out);
	put_loss(lost->refused, "of refused connections", &comma, out);
	put_loss(lost->flows, "of what connections carried", &comma, out);
	put_loss(lost->others, "of other things", &comma, out);
	put_loss(lost->malformed, "that could not be read", &comma, out);
	if (comma != start)
		fputs(".</p>\n", out);
}

static void put_link(bool is_there, const char *id, const char *title, FILE *out)
{
	if (is_there)
		fprintf(out, "<li><a href=\"#%s\">%s</a></li>", id, title);
}

static void put_contents(const struct rendering *it, FILE *out)
{
	const struct alerts *alerts = digest_alerts(it->digest);

	fputs("<nav aria-label=\"Contents\"><ul>", out);
	put_link(alerts_count(alerts) + alerts_more(alerts) > 0, "alerts", "Alerts", out);
	put_link(digest_timeline(it->digest)->n_slots > 0, "time", "Over time", out);
	put_link(it->n_ceilings > 0 || it->has_budgets, "budgets", "Budgets and limits", out);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const struct rendering_rows *rows = &it->outcomes[sections[i].outcome];

		put_link(rows->count > 0 || rows->sum.records > 0, sections[i].id,
			sections[i].title, out);
	}
	put_link(it->n_categories > 0, "categories", "By category", out);
	put_link(it->n_sessions > 0, "sessions", "Sessions", out);
	fputs("</ul></nav>\n", out);
}

int digest_as_html(const struct rendering *it, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n", out);
	fputs(html_head, out);
	put_title(it, "<title>Egress report: ", out);
	put_title(it, "</title>\n</head>\n<body>\n<main>\n<h1>What was reached under ", out);
	fputs("</h1>\n", out);
	put_about(it, out);
	put_cards(it, out);
	put_contents(it, out);
	put_lost(it, out);
	html_alerts(it, out);
	html_timeline(it, out);
	html_budgets(it, out);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		put_section(&sections[i], it, out);
	put_categories(it, out);
	html_sessions(it, out);
	fputs("<footer>Times are UTC. Bytes are those of IP packets. Written by ", out);
	html_put(it->about->program, out);
	fputs(".</footer>\n</main>\n</body>\n</html>\n", out);
	return 0;
}
