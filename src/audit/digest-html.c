/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <inttypes.h>
#include <string.h>

#include "src/base/text.h"

/*
 * Theory of operation
 *
 * One file that needs nothing else: no network, no scripts; its Content-Security-Policy forbids
 * both to what somebody might bring into it all the same. All that is not this file's own words is
 * escaped, and characters that don't show are replaced. What the chart says is in a table below it,
 * too, for who doesn't see it; colour is never all that tells two things apart.
 */

static const char head[] =
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n"
	"<style>\n"
	":root{--paper:#fbfbf9;--panel:#fff;--ink:#1c1f23;--dim:#5b6470;--line:#d9dce1;"
	"--good:#1a7f4b;--odd:#9a6700;--bad:#c2252d;--out:#2f6fd0;--in:#8a63c9;--bar:#e7eaee}\n"
	"@media (prefers-color-scheme:dark){:root{--paper:#14171a;--panel:#1c2024;--ink:#e6e8eb;"
	"--dim:#9aa4b0;--line:#343a41;--good:#4fc488;--odd:#e0ae45;--bad:#ff7b7b;--out:#7aa9f7;"
	"--in:#bd9cf0;--bar:#2b3137}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--paper);color:var(--ink);"
	"font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\n"
	"main{max-width:70rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
	"h1{font-size:1.6rem;line-height:1.25;margin:0 0 .75rem;text-wrap:balance}\n"
	"h2{font-size:1.15rem;margin:2.5rem 0 .6rem}\n"
	"p{margin:.4rem 0}.dim{color:var(--dim)}\n"
	"code{font:.9em/1.45 ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace;"
	"overflow-wrap:anywhere}\n"
	"dl.about{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:0}\n"
	"dl.about dt{color:var(--dim)}dl.about dd{margin:0;overflow-wrap:anywhere}\n"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;"
	"margin:1.5rem 0 0;padding:0;list-style:none}\n"
	".cards li{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;"
	"padding:.7rem .9rem}\n"
	".cards b{display:block;font-size:1.6rem;line-height:1.2;font-weight:600;"
	"font-variant-numeric:tabular-nums}\n"
	".cards span{color:var(--dim);font-size:.9rem}\n"
	".good{color:var(--good)}.odd{color:var(--odd)}.bad{color:var(--bad)}\n"
	".panel{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;"
	"overflow-x:auto}\n"
	"table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
	"caption{text-align:left;color:var(--dim);padding:.7rem .9rem .3rem}\n"
	"th,td{text-align:left;vertical-align:top;padding:.45rem .9rem;"
	"border-top:1px solid var(--line)}\n"
	"thead th{border-top:0;color:var(--dim);font-weight:600;white-space:nowrap}\n"
	"tbody th{font-weight:500;min-width:13rem;max-width:24rem;overflow-wrap:anywhere}\n"
	"th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
	"td.port{white-space:nowrap}td.rule{min-width:9rem}\n"
	"td small,th small{display:block;color:var(--dim);font-size:.87em;font-weight:400}\n"
	"td pre{margin:.35rem 0 0;padding:.4rem .6rem;background:var(--bar);border-radius:.35rem;"
	"white-space:pre-wrap;overflow-wrap:anywhere;"
	"font:.86em/1.45 ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace}\n"
	"figure{margin:0;padding:.9rem}figcaption{color:var(--dim);font-size:.92rem;"
	"margin-bottom:.6rem}\n"
	"svg{display:block;width:100%;height:auto}\n"
	"svg text{fill:var(--dim);font-size:12px}\n"
	"svg .axis{stroke:var(--line)}.f-reached{fill:var(--good)}.f-observed{fill:var(--odd)}"
	".f-refused{fill:var(--bad)}.f-out{fill:var(--out)}.f-in{fill:var(--in)}\n"
	".key{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.5rem 0 0;padding:0;"
	"list-style:none;font-size:.9rem}\n"
	".key i{display:inline-block;width:.75rem;height:.75rem;border-radius:.15rem;"
	"margin-right:.4rem;vertical-align:-.06rem}\n"
	".b-reached{background:var(--good)}.b-observed{background:var(--odd)}"
	".b-refused{background:var(--bad)}.b-out{background:var(--out)}"
	".b-in{background:var(--in)}\n"
	"details{margin:.6rem 0 0}summary{cursor:pointer;color:var(--dim)}\n"
	".gauge{height:.75rem;background:var(--bar);border-radius:.4rem;overflow:hidden;"
	"min-width:8rem;margin-top:.35rem}\n"
	".gauge div{height:100%;background:var(--out)}.gauge div.over{background:var(--bad)}\n"
	"footer{margin-top:3rem;color:var(--dim);font-size:.88rem}\n"
	"@media print{:root{--paper:#fff;--panel:#fff;--ink:#000;--dim:#444;--line:#bbb;"
	"--bar:#eee;--good:#1a7f4b;--odd:#9a6700;--bad:#c2252d}main{max-width:none;padding:0}"
	"body{font-size:11px}tr,figure,.cards "
	"li{break-inside:avoid}thead{display:table-header-group}"
	".panel{overflow:visible}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n"
	"</style>\n";

/* --- Texts --- */

static void put_character(struct text character, uint32_t value, FILE *out)
{
	static const struct {
		uint32_t character;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		if (entities[i].character == value) {
			fputs(entities[i].entity, out);
			return;
		}
	}
	if (text_shows(value) || value == '\n')
		fwrite(character.start, 1, character.length, out);
	else
		fputc('?', out);
}

/* Anybody's bytes. */
static void put(const char *string, FILE *out)
{
	struct text rest = text_of(string);

	while (rest.length > 0) {
		uint32_t value = 0;
		size_t size = text_char(rest, &value);

		if (size == 0) {
			fputc('?', out);
			size = 1;
		} else {
			put_character((struct text){rest.start, size}, value, out);
		}
		rest.start += size;
		rest.length -= size;
	}
}

static void put_code(const char *string, FILE *out)
{
	fputs("<code>", out);
	put(string, out);
	fputs("</code>", out);
}

static void put_bytes(uint64_t bytes, FILE *out)
{
	char text[RENDERING_BYTES];

	fputs(rendering_bytes(bytes, text), out);
}

/* --- The top --- */

static void put_about_line(const char *label, const char *text, FILE *out)
{
	if (!text || *text == '\0')
		return;
	fprintf(out, "<dt>%s</dt><dd>", label);
	put_code(text, out);
	fputs("</dd>\n", out);
}

static void put_about(const struct rendering *it, FILE *out)
{
	const struct layers *layers = it->about->layers;
	char started[RENDERING_TIME], ended[RENDERING_TIME];

	fputs("<dl class=\"about\">\n", out);
	put_about_line("Command", it->about->command, out);
	for (size_t i = 0; i < layers->n_layers; i++)
		put_about_line(
			i == 0 ? "Policy" : "Narrowed by", layers->layers[i].policy->file, out);
	fprintf(out, "<dt>Time</dt><dd>%s to %s</dd>\n",
		rendering_time(it->about->started, started),
		rendering_time(it->about->ended, ended));
	if (it->about->ending) {
		fputs("<dt>Ended with</dt><dd>", out);
		put(it->about->ending, out);
		fputs("</dd>\n", out);
	}
	fputs("</dl>\n", out);
	if (layers->layers[0].policy->observe)
		fputs("<p class=\"odd\">Nothing was refused by the policy itself: it was only "
		      "observed.</p>\n",
			out);
}

static void put_card(const char *class, uint64_t count, const char *label, FILE *out)
{
	fprintf(out, "<li><b%s%s>%" PRIu64 "</b><span>%s</span></li>\n", count > 0 ? " class=" : "",
		count > 0 ? class : "", count, label);
}

static void put_cards(const struct rendering *it, FILE *out)
{
	const struct rendering_rows *rows = it->outcomes;

	fputs("<ul class=\"cards\">\n", out);
	put_card("good", it->destinations, "destinations reached", out);
	if (rows[DIGEST_OBSERVED].count > 0)
		put_card("odd", rows[DIGEST_OBSERVED].count, "would have been refused", out);
	put_card("bad", rows[DIGEST_REFUSED].count, "refused", out);
	fputs("<li><b>", out);
	put_bytes(rows[DIGEST_REACHED].sum.bytes_out + rows[DIGEST_OBSERVED].sum.bytes_out, out);
	fputs("</b><span>sent</span></li>\n<li><b>", out);
	put_bytes(rows[DIGEST_REACHED].sum.bytes_in + rows[DIGEST_OBSERVED].sum.bytes_in, out);
	fputs("</b><span>received</span></li>\n</ul>\n", out);
}

/* --- Over time --- */

enum { CHART_WIDTH = 900, CHART_HEIGHT = 130, CHART_TOP = 18, BAR_MAX = 40 };

/* What is drawn of a slot, one above the other. */
struct series {
	const char *name;
	const char *label;
	uint64_t (*value)(const struct digest_slot *slot);
};

static uint64_t reached_of(const struct digest_slot *slot)
{
	return slot->times[DIGEST_REACHED];
}

static uint64_t observed_of(const struct digest_slot *slot)
{
	return slot->times[DIGEST_OBSERVED];
}

static uint64_t refused_of(const struct digest_slot *slot)
{
	return slot->times[DIGEST_REFUSED];
}

static uint64_t out_of(const struct digest_slot *slot)
{
	return slot->bytes_out;
}

static uint64_t in_of(const struct digest_slot *slot)
{
	return slot->bytes_in;
}

struct chart {
	const char *id;
	const char *title;
	bool bytes;
	struct series series[3];
	size_t n_series;
};

static const struct chart charts[] = {
	{"c1", "Connections, and names that were refused", false,
		{{"reached", "reached", reached_of},
			{"observed", "would have been refused", observed_of},
			{"refused", "refused", refused_of}},
		3},
	{"c2", "Bytes, when a connection ended", true,
		{{"out", "sent", out_of}, {"in", "received", in_of}}, 2},
};

static uint64_t total_of(const struct chart *chart, const struct digest_slot *slot)
{
	uint64_t total = 0;

	for (size_t i = 0; i < chart->n_series; i++)
		total += chart->series[i].value(slot);
	return total;
}

static uint64_t most_of(const struct chart *chart, const struct digest_timeline *timeline)
{
	uint64_t most = 0;

	for (size_t i = 0; i < timeline->n_slots; i++) {
		uint64_t total = total_of(chart, &timeline->slots[i]);

		most = total > most ? total : most;
	}
	return most;
}

static void put_amount(const struct chart *chart, uint64_t amount, FILE *out)
{
	if (chart->bytes)
		put_bytes(amount, out);
	else
		fprintf(out, "%" PRIu64, amount);
}

static void put_bar(const struct chart *chart, const struct digest_slot *slot, double x,
	double width, uint64_t most, FILE *out)
{
	double base = CHART_HEIGHT;

	for (size_t i = 0; i < chart->n_series; i++) {
		uint64_t value = chart->series[i].value(slot);
		double height = (double)value / (double)most * (CHART_HEIGHT - CHART_TOP);

		if (value == 0)
			continue;
		height = height < 1.5 ? 1.5 : height;
		base -= height;
		fprintf(out,
			"<rect class=\"f-%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			"height=\"%.1f\"/>\n",
			chart->series[i].name, x, base, width, height);
	}
}

static bool has_series(const struct series *series, const struct digest_timeline *timeline)
{
	for (size_t i = 0; i < timeline->n_slots; i++)
		if (series->value(&timeline->slots[i]) > 0)
			return true;
	return false;
}

static void put_chart(const struct chart *chart, const struct digest_timeline *timeline, FILE *out)
{
	const uint64_t most = most_of(chart, timeline);
	const double step = (double)CHART_WIDTH / (double)timeline->n_slots;
	const double shown = step < BAR_MAX ? step : BAR_MAX;
	const int64_t end = timeline->start + timeline->width * (int64_t)timeline->n_slots;
	char from[RENDERING_TIME], to[RENDERING_TIME];

	if (most == 0)
		return;
	fprintf(out,
		"<figure><figcaption id=\"%s\">%s</figcaption>\n"
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s\">\n"
		"<text x=\"0\" y=\"12\">",
		chart->id, chart->title, CHART_WIDTH, CHART_HEIGHT + 22, chart->id);
	put_amount(chart, most, out);
	fprintf(out, "</text>\n<line class=\"axis\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
		CHART_WIDTH, CHART_HEIGHT, CHART_HEIGHT);
	for (size_t i = 0; i < timeline->n_slots; i++)
		put_bar(chart, &timeline->slots[i], (double)i * shown, shown * 0.8, most, out);
	fprintf(out,
		"<text x=\"0\" y=\"%d\">%.8s</text>\n"
		"<text x=\"%.0f\" y=\"%d\" text-anchor=\"end\">%.8s</text>\n</svg>\n",
		CHART_HEIGHT + 16, rendering_time(timeline->start, from) + 11,
		shown * (double)timeline->n_slots < 130 ? 130 : shown * (double)timeline->n_slots,
		CHART_HEIGHT + 16, rendering_time(end, to) + 11);
	fputs("<ul class=\"key\">", out);
	for (size_t i = 0; i < chart->n_series; i++)
		if (has_series(&chart->series[i], timeline))
			fprintf(out, "<li><i class=\"b-%s\"></i>%s</li>", chart->series[i].name,
				chart->series[i].label);
	fputs("</ul></figure>\n", out);
}

static void put_slot(const struct digest_timeline *timeline, size_t index, FILE *out)
{
	const struct digest_slot *slot = &timeline->slots[index];
	char time[RENDERING_TIME];

	if (total_of(&charts[0], slot) + total_of(&charts[1], slot) == 0)
		return;
	fprintf(out,
		"<tr><th scope=\"row\">%s</th><td class=\"n\">%" PRIu64 "</td><td class=\"n\">"
		"%" PRIu64 "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">",
		rendering_time(timeline->start + (int64_t)index * timeline->width, time),
		reached_of(slot), observed_of(slot), refused_of(slot));
	put_bytes(slot->bytes_out, out);
	fputs("</td><td class=\"n\">", out);
	put_bytes(slot->bytes_in, out);
	fputs("</td></tr>\n", out);
}

static void put_timeline(const struct digest_timeline *timeline, FILE *out)
{
	if (timeline->n_slots == 0)
		return;
	fputs("<h2>Over time</h2>\n<div class=\"panel\">\n", out);
	for (size_t i = 0; i < sizeof(charts) / sizeof(charts[0]); i++)
		put_chart(&charts[i], timeline, out);
	fputs("</div>\n<details><summary>The same in figures</summary>\n<div class=\"panel\">"
	      "<table>\n",
		out);
	fprintf(out,
		"<caption>Each row is %" PRId64 " %s; those in which nothing happened are left "
		"out</caption>\n",
		timeline->width / 1000000, timeline->width == 1000000 ? "second" : "seconds");
	fputs("<thead><tr><th scope=\"col\">From</th><th scope=\"col\" class=\"n\">Reached</th>"
	      "<th scope=\"col\" class=\"n\">Would have been refused</th>"
	      "<th scope=\"col\" class=\"n\">Refused</th><th scope=\"col\" class=\"n\">Sent</th>"
	      "<th scope=\"col\" class=\"n\">Received</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < timeline->n_slots; i++)
		put_slot(timeline, i, out);
	fputs("</tbody></table></div></details>\n", out);
}

/* --- Budgets and categories --- */

static void put_ceiling(const struct rendering_ceiling *ceiling, FILE *out)
{
	double part = (double)ceiling->used / (double)ceiling->most * 100;
	char used[RENDERING_BYTES], most[RENDERING_BYTES];

	fprintf(out, "<tr><th scope=\"row\"><code>%s</code></th><td class=\"n\">", ceiling->name);
	if (ceiling->bytes)
		fprintf(out, "%s of %s", rendering_bytes(ceiling->used, used),
			rendering_bytes(ceiling->most, most));
	else
		fprintf(out, "%" PRIu64 " of %" PRIu64, ceiling->used, ceiling->most);
	fprintf(out,
		"</td><td><div class=\"gauge\"><div%s style=\"width:%.1f%%\"></div></div></td>"
		"<td class=\"n\">%.0f %%</td><td>%s</td></tr>\n",
		part > 100 ? " class=\"over\"" : "", part > 100 ? 100 : part, part,
		ceiling->refuses ? "refused" : "reported");
}

static void put_ceilings(const struct rendering *it, FILE *out)
{
	if (it->n_ceilings == 0)
		return;
	fputs("<h2>Budgets and limits</h2>\n<div class=\"panel\" tabindex=\"0\"><table>\n"
	      "<caption>What the policy lets a session use, and what was used</caption>\n"
	      "<thead><tr><th scope=\"col\">Of the policy</th><th scope=\"col\" class=\"n\">Used"
	      "</th><th scope=\"col\">Share</th><th scope=\"col\" class=\"n\">Percent</th>"
	      "<th scope=\"col\">More is</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < it->n_ceilings; i++)
		put_ceiling(&it->ceilings[i], out);
	fputs("</tbody></table></div>\n", out);
}

static void put_category(const struct rendering_category *category, uint64_t most, FILE *out)
{
	uint64_t bytes = category->bytes_out + category->bytes_in;

	fputs("<tr><th scope=\"row\">", out);
	put(*category->name ? category->name : "(none)", out);
	fprintf(out,
		"</th><td class=\"n\">%zu</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">",
		category->rows, category->times);
	put_bytes(category->bytes_out, out);
	fputs("</td><td class=\"n\">", out);
	put_bytes(category->bytes_in, out);
	fprintf(out,
		"</td><td><div class=\"gauge\"><div style=\"width:%.1f%%\"></div></div></td>"
		"</tr>\n",
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
	fputs("<h2>By category</h2>\n<div class=\"panel\" tabindex=\"0\"><table>\n"
	      "<caption>What was reached, by the category that the policy gives it</caption>\n"
	      "<thead><tr><th scope=\"col\">Category</th><th scope=\"col\" class=\"n\">"
	      "Destinations and ports</th><th scope=\"col\" class=\"n\">Connections</th>"
	      "<th scope=\"col\" class=\"n\">Sent</th><th scope=\"col\" class=\"n\">Received</th>"
	      "<th scope=\"col\">Bytes, compared</th></tr></thead>\n<tbody>\n",
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
	bool with_advice;
};

static const struct section sections[] = {
	{"bad", "Refused", "What the policy refused, the most frequent first", DIGEST_REFUSED,
		false, true},
	{"odd", "Would have been refused", "What the policy would have refused, were it enforced",
		DIGEST_OBSERVED, true, true},
	{"good", "Reached", "What was reached, the most used first", DIGEST_REACHED, true, false},
	{"", "Looked up only", "Names that were answered, and to which nothing connected",
		DIGEST_NAMED, false, false},
};

static void put_where(const struct digest_row *row, FILE *out)
{
	char where[RENDERING_WHERE], text[INADDR_TEXT];

	fputs("<tr><th scope=\"row\">", out);
	put_code(rendering_where(row, where), out);
	if (*row->name != '\0' && row->has_address)
		fprintf(out, "<small>%s</small>", inaddr_to_text(&row->address, text));
	if (*row->category != '\0') {
		fputs("<small>", out);
		put(row->category, out);
		fputs("</small>", out);
	}
	fputs("</th>", out);
}

static void put_rule(const struct digest_row *row, const struct advice *advice, FILE *out)
{
	fputs("<td class=\"rule\">", out);
	put_code(*row->rule ? row->rule : "-", out);
	if (advice->place) {
		fputs("<small>", out);
		put(advice->place, out);
		fputs("</small>", out);
	}
	if (row->flagged)
		fputs("<small class=\"odd\">flagged</small>", out);
	fputs("</td>", out);
}

static void put_advice(const struct advice *advice, FILE *out)
{
	fputs("<td>", out);
	if (advice->says)
		put(advice->says, out);
	if (advice->option) {
		fputs(advice->says ? "<br>" : "", out);
		put_code(advice->option, out);
	}
	if (advice->entry) {
		fputs("<pre>", out);
		put(advice->entry, out);
		fputs("</pre>", out);
	}
	fputs("</td>", out);
}

static void put_row(const struct section *section, const struct digest_row *row,
	const struct advice *advice, FILE *out)
{
	char port[RENDERING_PORT], first[RENDERING_TIME], last[RENDERING_TIME];

	put_where(row, out);
	fputs("<td class=\"port\">", out);
	put(rendering_port(row, port), out);
	fputs("</td>", out);
	put_rule(row, advice, out);
	fprintf(out, "<td class=\"n\">%" PRIu64 "</td>", row->times);
	if (section->with_bytes) {
		fputs("<td class=\"n\">", out);
		put_bytes(row->bytes_out, out);
		fputs("</td><td class=\"n\">", out);
		put_bytes(row->bytes_in, out);
		fputs("</td>", out);
	}
	fprintf(out, "<td class=\"n\">%.8s<small>%.8s</small></td>",
		rendering_time(row->first, first) + (strlen(first) > 11 ? 11 : 0),
		rendering_time(row->last, last) + (strlen(last) > 11 ? 11 : 0));
	if (section->with_advice)
		put_advice(advice, out);
	fputs("</tr>\n", out);
}

static void put_section(const struct section *section, const struct rendering *it, FILE *out)
{
	const struct rendering_rows *rows = &it->outcomes[section->outcome];

	if (rows->count == 0 && rows->sum.records == 0)
		return;
	fprintf(out,
		"<h2 class=\"%s\">%s</h2>\n<div class=\"panel\" "
		"tabindex=\"0\"><table>\n<caption>%s</caption>\n"
		"<thead><tr><th scope=\"col\">Destination</th><th scope=\"col\">Port</th>"
		"<th scope=\"col\">Rule</th><th scope=\"col\" class=\"n\">Times</th>%s"
		"<th scope=\"col\" class=\"n\">First, last</th>%s</tr></thead>\n<tbody>\n",
		section->class, section->title, section->caption,
		section->with_bytes ? "<th scope=\"col\" class=\"n\">Sent</th>"
				      "<th scope=\"col\" class=\"n\">Received</th>"
				    : "",
		section->with_advice ? "<th scope=\"col\">Why, and what would permit it</th>" : "");
	for (size_t i = 0; i < rows->count; i++)
		put_row(section, rows->rows[i], &rows->advice[i], out);
	fputs("</tbody></table></div>\n", out);
	if (rows->sum.records > 0)
		fprintf(out,
			"<p>And %" PRIu64 " records of destinations beyond those that are "
			"kept.</p>\n",
			rows->sum.records);
}

/* --- The page --- */

static void put_lost(const struct rendering *it, FILE *out)
{
	const struct digest_lost *lost = digest_lost(it->digest);
	uint64_t all =
		lost->queries + lost->connections + lost->flows + lost->others + lost->malformed;

	if (it->about->incomplete)
		fputs("<p class=\"odd\">Records are missing: there may be more.</p>\n", out);
	if (all == 0)
		return;
	fprintf(out,
		"<p class=\"odd\">Not recorded: %" PRIu64 " of names, %" PRIu64
		" of connections, %" PRIu64 " of what connections carried, %" PRIu64
		" of other things, %" PRIu64 " that could not be read.</p>\n",
		lost->queries, lost->connections, lost->flows, lost->others, lost->malformed);
}

int digest_as_html(const struct rendering *it, FILE *out)
{
	const char *name = it->about->layers->layers[0].policy->name;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n", out);
	fputs(head, out);
	fputs("<title>Egress report: ", out);
	put(name, out);
	fputs("</title>\n</head>\n<body>\n<main>\n<h1>What was reached under policy ", out);
	put(name, out);
	fputs("</h1>\n", out);
	put_about(it, out);
	put_cards(it, out);
	put_lost(it, out);
	put_timeline(digest_timeline(it->digest), out);
	put_ceilings(it, out);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		put_section(&sections[i], it, out);
	put_categories(it, out);
	fputs("<footer>Times are UTC. Bytes are those of IP packets. Written by ", out);
	put(it->about->program, out);
	fputs(".</footer>\n</main>\n</body>\n</html>\n", out);
	return 0;
}
