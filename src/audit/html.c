/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/html.h"

#include <inttypes.h>
#include <stddef.h>

#include "src/audit/rendering.h"
#include "src/base/text.h"

const char html_head[] =
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
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.75rem;"
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
	"thead td{border-top:0}thead "
	"th{border-top:0;color:var(--dim);font-weight:600;white-space:nowrap}thead "
	"th.wide{white-space:normal}td.wide{min-width:11rem}\n"
	"tbody th{font-weight:500;min-width:10rem;max-width:24rem;overflow-wrap:anywhere}\n"
	"th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
	"td.port{white-space:nowrap}td.rule{min-width:8rem;overflow-wrap:anywhere}\n"
	"td small,th small{display:block;color:var(--dim);font-size:.87em;font-weight:400}\n"
	"td pre{margin:.35rem 0 0;padding:.4rem .6rem;background:var(--bar);border-radius:.35rem;"
	"white-space:pre-wrap;overflow-wrap:anywhere;"
	"font:.86em/1.45 ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace}\n"
	"figure{margin:0;padding:.7rem .9rem .4rem}figcaption{color:var(--dim);font-size:.92rem;"
	"margin-bottom:.6rem}\n"
	"figcaption b{font-weight:600}.out{color:var(--out)}.in{color:var(--in)}\n"
	"svg{display:block;width:100%;height:3.5rem;fill:currentColor;"
	"border-bottom:1px solid var(--line)}\n"
	".axis{display:flex;justify-content:space-between;gap:1rem;color:var(--dim);"
	"font-size:.82rem;margin:.15rem 0 0;font-variant-numeric:tabular-nums}\n"
	"nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:1rem 0 0;padding:0;"
	"list-style:none;font-size:.92rem}a{color:var(--out)}\n"
	".alerts{margin:0;padding:0;list-style:none;display:grid;gap:.6rem}\n"
	".alerts>li{background:var(--panel);border:1px solid var(--line);"
	"border-left:.3rem solid var(--odd);border-radius:.5rem;padding:.6rem .9rem}\n"
	".alerts h3{font-size:1rem;margin:0;overflow-wrap:anywhere}"
	".alerts ul{margin:.2rem 0;padding-left:1.2rem;overflow-wrap:anywhere}"
	".alerts p{overflow-wrap:anywhere}\n"
	"details{margin:.6rem 0 0}td details{margin:0}summary{cursor:pointer;color:var(--dim)}\n"
	":focus-visible{outline:2px solid var(--out);outline-offset:1px}\n"
	".gauge{height:.75rem;background:var(--bar);border-radius:.4rem;overflow:hidden;"
	"min-width:8rem;margin-top:.35rem}td.gauges{width:25%}\n"
	".gauge div{height:100%;background:var(--out)}.gauge div.over{background:var(--bad)}\n"
	"@media (max-width:40rem){main{padding:1rem .75rem 3rem}body{font-size:15px}"
	".cards "
	"b{font-size:1.3rem}.cards{grid-template-columns:repeat(auto-fit,minmax(6.5rem,1fr))}"
	"dl.about{grid-template-columns:1fr;gap:0}dl.about dd{margin-bottom:.4rem}"
	".rows,.rows tbody,.rows tr,.rows caption{display:block}"
	".rows thead{position:absolute;width:1px;height:1px;overflow:hidden;"
	"clip-path:inset(50%)}.rows tr{padding:.6rem .9rem;border-top:1px solid var(--line)}"
	".rows th,.rows td{display:inline-block;border:0;padding:0 .9rem 0 0;text-align:left;"
	"vertical-align:baseline}.rows tbody th{display:block;max-width:none;padding:0}"
	".rows td small{display:inline-block;margin-left:.5rem}.rows td.n{white-space:normal}.rows "
	"td.wide,.rows "
	"td.gauges{display:block;width:auto;padding:0}.rows "
	"td[data-l]::before{content:attr(data-l) "
	"\" \";color:var(--dim)}}\n"
	"footer{margin-top:3rem;color:var(--dim);font-size:.88rem}\n"
	"@media print{:root{--paper:#fff;--panel:#fff;--ink:#000;--dim:#444;--line:#bbb;"
	"--bar:#eee;--good:#1a7f4b;--odd:#9a6700;--bad:#c2252d}main{max-width:none;padding:0}"
	"html{font-size:11px}body{font-size:1rem}tr,figure,.cards "
	"li{break-inside:avoid}thead{display:table-header-group}"
	"nav{display:none}.panel{overflow:visible}details::details-content{content-visibility:"
	"visible;"
	"block-size:auto}summary{list-style:none}td,th{padding:.25rem .4rem}tbody "
	"th{min-width:7rem}"
	"td.rule{min-width:6rem}.alerts>li{break-inside:avoid}*{-webkit-print-color-adjust:exact;"
	"print-color-adjust:exact}}\n"
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
void html_put(const char *string, FILE *out)
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

void html_code(const char *string, FILE *out)
{
	fputs("<code>", out);
	html_put(string, out);
	fputs("</code>", out);
}

void html_bytes(uint64_t bytes, FILE *out)
{
	char text[RENDERING_BYTES];

	fputs(rendering_bytes(bytes, text), out);
}

void html_number_cell(const char *label, uint64_t number, FILE *out)
{
	fprintf(out, "<td class=\"n\" data-l=\"%s\">%" PRIu64 "</td>", label, number);
}

void html_bytes_cell(const char *label, uint64_t bytes, FILE *out)
{
	fprintf(out, "<td class=\"n\" data-l=\"%s\">", label);
	html_bytes(bytes, out);
	fputs("</td>", out);
}
