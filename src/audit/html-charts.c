/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "src/audit/html.h"
#include "src/audit/rendering.h"

/*
 * A chart for each number, one below the other over the same time, so that nothing has to be told
 * apart by its colour. Their words are outside the drawings, which are as wide as there is room: a
 * unit is a slot across, and a hundredth of the highest bar up.
 */

enum { HEIGHT = 100, HEIGHT_LEAST = 2, SLOT_MAX = 40 };

struct series {
	const char *class;
	const char *title;
	const char *unit; /* NULL: bytes */
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

static const struct series series[] = {
	{"good", "Reached", "connections", reached_of},
	{"odd", "Would have been refused", "connections and names", observed_of},
	{"bad", "Refused", "connections and names", refused_of},
	{"out", "Sent, when a connection ended", NULL, out_of},
	{"in", "Received, when a connection ended", NULL, in_of},
};

enum { SERIES = sizeof(series) / sizeof(series[0]) };

static void put_amount(const struct series *of, uint64_t amount, FILE *out)
{
	if (of->unit)
		fprintf(out, "%" PRIu64, amount);
	else
		html_bytes(amount, out);
}

static void put_width(const struct digest_timeline *timeline, FILE *out)
{
	char span[RENDERING_SPAN];

	fputs(rendering_span(timeline->width, span), out);
}

static void put_caption(const struct series *of, size_t index,
	const struct digest_timeline *timeline, uint64_t most, FILE *out)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < timeline->n_slots; i++)
		sum += of->value(&timeline->slots[i]);
	fprintf(out, "<figure><figcaption id=\"chart%zu\"><b class=\"%s\">%s:</b> ", index,
		of->class, of->title);
	put_amount(of, sum, out);
	fprintf(out, "%s%s, at most ", of->unit ? " " : "", of->unit ? of->unit : "");
	put_amount(of, most, out);
	fputs(" in ", out);
	put_width(timeline, out);
	fputs("</figcaption>\n", out);
}

static void put_bars(
	const struct series *of, const struct digest_timeline *timeline, uint64_t most, FILE *out)
{
	for (size_t i = 0; i < timeline->n_slots; i++) {
		uint64_t value = of->value(&timeline->slots[i]);
		double height = (double)value / (double)most * HEIGHT;

		if (value == 0)
			continue;
		height = height < HEIGHT_LEAST ? HEIGHT_LEAST : height;
		fprintf(out, "<rect x=\"%zu.08\" y=\"%.1f\" width=\".84\" height=\"%.1f\"/>\n", i,
			HEIGHT - height, height);
	}
}

static void put_chart(const struct rendering *it, size_t index, FILE *out)
{
	const struct digest_timeline *timeline = digest_timeline(it->digest);
	const int64_t end = timeline->start + timeline->width * (int64_t)timeline->n_slots;
	const struct series *of = &series[index];
	char from[RENDERING_TIME], to[RENDERING_TIME];
	uint64_t most = 0;

	for (size_t i = 0; i < timeline->n_slots; i++) {
		uint64_t value = of->value(&timeline->slots[i]);

		most = value > most ? value : most;
	}
	if (most == 0)
		return;
	put_caption(of, index, timeline, most, out);
	fprintf(out,
		"<div style=\"max-width:%zupx\"><svg class=\"%s\" viewBox=\"0 0 %zu %d\" "
		"preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"chart%zu\">\n",
		timeline->n_slots * SLOT_MAX < 200 ? 200 : timeline->n_slots * SLOT_MAX, of->class,
		timeline->n_slots, HEIGHT, index);
	put_bars(of, timeline, most, out);
	fprintf(out, "</svg><p class=\"axis\"><span>%s</span><span>%s</span></p></div></figure>\n",
		rendering_moment(it, timeline->start, from), rendering_moment(it, end, to));
}

static bool is_empty(const struct digest_slot *slot)
{
	uint64_t all = 0;

	for (size_t i = 0; i < SERIES; i++)
		all |= series[i].value(slot);
	return all == 0;
}

static void put_slot(const struct rendering *it, size_t index, FILE *out)
{
	const struct digest_timeline *timeline = digest_timeline(it->digest);
	const struct digest_slot *slot = &timeline->slots[index];
	char time[RENDERING_TIME];

	if (is_empty(slot))
		return;
	fprintf(out, "<tr><th scope=\"row\">%s</th>",
		rendering_time(timeline->start + (int64_t)index * timeline->width, time));
	for (size_t i = 0; i < SERIES; i++) {
		fputs("<td class=\"n\">", out);
		put_amount(&series[i], series[i].value(slot), out);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

void html_timeline(const struct rendering *it, FILE *out)
{
	const struct digest_timeline *timeline = digest_timeline(it->digest);

	if (timeline->n_slots == 0)
		return;
	fputs("<h2 id=\"time\">Over time</h2>\n<div class=\"panel charts\">\n", out);
	for (size_t i = 0; i < SERIES; i++)
		put_chart(it, i, out);
	fputs("</div>\n<details><summary>The same in figures</summary>\n"
	      "<div class=\"panel\" tabindex=\"0\" role=\"region\" aria-label=\"Over time, in "
	      "figures\"><table>\n<caption>Each row is ",
		out);
	put_width(timeline, out);
	fputs("; those in which nothing happened are left out</caption>\n<thead><tr>"
	      "<th scope=\"col\">From</th><th scope=\"col\" class=\"n\">Reached</th>"
	      "<th scope=\"col\" class=\"n\">Would have been refused</th>"
	      "<th scope=\"col\" class=\"n\">Refused</th><th scope=\"col\" class=\"n\">Sent</th>"
	      "<th scope=\"col\" class=\"n\">Received</th></tr></thead>\n<tbody>\n",
		out);
	for (size_t i = 0; i < timeline->n_slots; i++)
		put_slot(it, i, out);
	fputs("</tbody></table></div></details>\n", out);
}
