/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "src/audit/html.h"
#include "src/audit/rendering.h"

/* What is shown of each; files of sessions may be long. */
enum { ALERTS_SHOWN = 500, SESSIONS_SHOWN = 500 };

/* A sentence on what is not there; nothing of 0. */
static void put_more(uint64_t count, const char *what, FILE *out)
{
	if (count > 0)
		fprintf(out, "<p>And %" PRIu64 " %s.</p>\n", count, what);
}

/* --- Alerts --- */

static void put_alert(const struct rendering *it, const struct alerts_row *row, FILE *out)
{
	const char *meaning = alerts_meaning(row->rule);
	char where[ALERTS_WHERE], numbers[ALERTS_NUMBERS], time[RENDERING_TIME];

	fputs("<li><h3><code>", out);
	html_put(row->rule, out);
	fputs("</code> ", out);
	html_put(alerts_where(row, where), out);
	fputs("</h3>\n<p>", out);
	html_put(meaning ? meaning : "", out);
	fputs(meaning ? ": " : "", out);
	fputs("<b>", out);
	html_put(alerts_numbers(row, numbers), out);
	fprintf(out, "</b>%s</p>\n",
		row->refuses ? "; what goes beyond is refused" : "; it is reported only");
	if (row->n_evidence > 0) {
		fputs("<ul>", out);
		for (size_t i = 0; i < row->n_evidence; i++) {
			fputs("<li>", out);
			html_put(row->evidence[i], out);
			fputs("</li>", out);
		}
		fputs("</ul>\n", out);
	}
	fprintf(out, "<p class=\"dim\">%s, session ", rendering_time(row->at, time));
	html_code(*row->session ? row->session : "-", out);
	if (!it->policy) {
		fputs(" of policy ", out);
		html_code(row->policy, out);
	}
	fputs("</p></li>\n", out);
}

void html_alerts(const struct rendering *it, FILE *out)
{
	const struct alerts *alerts = digest_alerts(it->digest);
	const size_t count = alerts_count(alerts);
	const size_t shown = count < ALERTS_SHOWN ? count : ALERTS_SHOWN;

	if (count + alerts_more(alerts) == 0)
		return;
	fputs("<h2 id=\"alerts\" class=\"odd\">Alerts</h2>\n<ol class=\"alerts\">\n", out);
	for (size_t i = 0; i < shown; i++)
		put_alert(it, alerts_at(alerts, i), out);
	fputs("</ol>\n", out);
	put_more(count - shown + alerts_more(alerts), "alerts that are not shown", out);
	put_more(alerts_suppressed(alerts), "of which no record was made", out);
}

/* --- Budgets --- */

static void put_gauge(double part, FILE *out)
{
	fprintf(out,
		"<td class=\"n\">%.0f %%%s</td><td class=\"gauges\" aria-hidden=\"true\"><div "
		"class=\"gauge\"><div%s style=\"width:%.1f%%\"></div></div></td>",
		part * 100, part > 1 ? " (over)" : "", part > 1 ? " class=\"over\"" : "",
		part > 1 ? 100 : part * 100);
}

static void put_budget(const struct rendering *it, const struct sessions_row *row,
	const struct record_budget *budget, FILE *out)
{
	char use[SESSIONS_USE];

	fputs("<tr><th scope=\"row\"><code>[budget] ", out);
	html_put(budget->key, out);
	fputs("</code>", out);
	if (it->n_sessions > 1) {
		fputs("<small>", out);
		html_put(*row->id ? row->id : "-", out);
		fputs("</small>", out);
	}
	fprintf(out, "</th><td class=\"n\">%s</td>", sessions_use(budget, use));
	put_gauge(sessions_part(budget), out);
	fputs(it->n_ceilings > 0 ? "<td></td></tr>\n" : "</tr>\n", out);
}

/* Of all sessions. */
static void put_told(const struct rendering *it, FILE *out)
{
	const size_t shown = it->n_sessions < SESSIONS_SHOWN ? it->n_sessions : SESSIONS_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		const struct sessions_row *row = it->sessions[i];

		for (size_t j = 0; j < row->figures.n_budgets; j++)
			put_budget(it, row, &row->figures.budgets[j], out);
	}
}

static void put_ceiling(const struct rendering_ceiling *ceiling, FILE *out)
{
	char used[RENDERING_BYTES], most[RENDERING_BYTES];

	fprintf(out, "<tr><th scope=\"row\"><code>%s</code></th><td class=\"n\">", ceiling->name);
	if (ceiling->bytes)
		fprintf(out, "%s of %s", rendering_bytes(ceiling->used, used),
			rendering_bytes(ceiling->most, most));
	else
		fprintf(out, "%" PRIu64 " of %" PRIu64, ceiling->used, ceiling->most);
	fputs("</td>", out);
	put_gauge((double)ceiling->used / (double)ceiling->most, out);
	fprintf(out, "<td>%s</td></tr>\n", ceiling->refuses ? "refused" : "reported");
}

void html_budgets(const struct rendering *it, FILE *out)
{
	if (it->n_ceilings == 0 && !it->has_budgets)
		return;
	fputs("<h2 id=\"budgets\">Budgets and limits</h2>\n<div class=\"panel\" tabindex=\"0\" "
	      "role=\"region\" aria-label=\"Budgets and limits\"><table class=\"rows\">\n"
	      "<caption>What the policy lets a session use, and what was used</caption>\n"
	      "<thead><tr><th scope=\"col\">Of the policy</th><th scope=\"col\" class=\"n\">Used"
	      "</th><th scope=\"col\" class=\"n\">Share</th>"
	      "<td class=\"gauges\" aria-hidden=\"true\"></td>",
		out);
	fprintf(out, "%s</tr></thead>\n<tbody>\n",
		it->n_ceilings > 0 ? "<th scope=\"col\">More is</th>" : "");
	put_told(it, out);
	for (size_t i = 0; i < it->n_ceilings; i++)
		put_ceiling(&it->ceilings[i], out);
	fputs("</tbody></table></div>\n", out);
}

/* --- Sessions --- */

static void put_session(const struct rendering *it, const struct sessions_row *row, FILE *out)
{
	const struct record_budget *fullest = sessions_fullest(row);
	char began[RENDERING_TIME], span[RENDERING_SPAN];

	fputs("<tr><th scope=\"row\"><code>", out);
	html_put(*row->id ? row->id : "-", out);
	fputs("</code>", out);
	if (!it->policy) {
		fputs("<small>policy ", out);
		html_put(*row->policy ? row->policy : "-", out);
		fputs("</small>", out);
	}
	if (*row->figures.baseline) {
		fputs("<small>baseline ", out);
		html_put(row->figures.baseline, out);
		fprintf(out, ", %" PRIu64 " sessions</small>", row->figures.baseline_sessions);
	}
	fprintf(out,
		"</th><td class=\"wide\">%s<small>%s%s</small></td><td class=\"n\" "
		"data-l=\"Destinations\">%" PRIu64 "%s</td>",
		rendering_time(row->first, began), rendering_span(row->last - row->first, span),
		row->ended ? "" : ", not ended", row->destinations,
		row->at_least ? " or more" : "");
	html_number_cell("Connections", row->connections, out);
	html_number_cell("Refused", row->refused, out);
	html_bytes_cell("Sent", row->bytes_out, out);
	html_bytes_cell("Received", row->bytes_in, out);
	html_number_cell("Alerts", row->alerts, out);
	if (fullest) {
		fprintf(out, "<td class=\"n\" data-l=\"Budget\">%.0f %%<small>",
			sessions_part(fullest) * 100);
		html_put(fullest->key, out);
		fputs("</small></td></tr>\n", out);
	} else {
		fputs("<td class=\"n\" data-l=\"Budget\">none</td></tr>\n", out);
	}
}

void html_sessions(const struct rendering *it, FILE *out)
{
	const size_t shown = it->n_sessions < SESSIONS_SHOWN ? it->n_sessions : SESSIONS_SHOWN;
	const uint64_t beyond = sessions_more(digest_sessions(it->digest));

	if (it->n_sessions == 0)
		return;
	fputs("<h2 id=\"sessions\">Sessions</h2>\n<div class=\"panel\" tabindex=\"0\" "
	      "role=\"region\" aria-label=\"Sessions\"><table class=\"rows\">\n"
	      "<caption>Each run, or each window that the policy names</caption>\n"
	      "<thead><tr><th scope=\"col\">Session</th><th scope=\"col\">From, for</th>"
	      "<th scope=\"col\" class=\"n\">Destinations</th>"
	      "<th scope=\"col\" class=\"n\">Connections</th>"
	      "<th scope=\"col\" class=\"n\">Refused</th><th scope=\"col\" class=\"n\">Sent</th>"
	      "<th scope=\"col\" class=\"n\">Received</th>"
	      "<th scope=\"col\" class=\"n\">Alerts</th>"
	      "<th scope=\"col\" class=\"n\">Fullest budget</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < shown; i++)
		put_session(it, it->sessions[i], out);
	fputs("</tbody></table></div>\n", out);
	put_more(it->n_sessions - shown, "sessions that are not shown", out);
	put_more(beyond, "records of sessions beyond those that are kept", out);
}
