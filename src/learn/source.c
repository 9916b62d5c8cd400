/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/source.h"

#include <ctype.h>
#include <string.h>

#include "rules/category.h"

/*
 * Theory of operation
 *
 * Most files name nothing, so the colons are looked for first, and only of those that may belong to
 * a destination the place is judged: the lexer goes on from the place before, and knows there
 * whether it is in a comment, in a string, or between them. It knows comments, strings and nothing
 * else of a language, and forgets a string at the line's end, so that what it misunderstands is
 * soon over.
 *
 * A string that is a destination, or is one from its last blank on behind a word like curl, is
 * used; one with a destination among words is text for people. Links to pages for reading, names of
 * namespaces and licences, and what a key like "homepage" has, are nothing at all.
 */

enum state { CODE, LINE_COMMENT, BLOCK_COMMENT, STRING };

enum { WORD_MAX = 255, BLANKS_MAX = 64, ELEMENT_MAX = 160, REACH = 2048 };

struct scanner {
	struct evidence *evidence;
	const struct categories *categories;
	const struct language *language;
	enum evidence_kind kind;
	struct text text;
	size_t at;
	size_t counted; /* up to where `line` counts lines */
	unsigned line;
	bool stops[256]; /* bytes of code that may begin something else */
	enum state state;
	char quote;
	bool triple;
	size_t opened; /* where the string's text begins */
};

/* --- The lexer --- */

static bool is_at(const struct scanner *scanner, const char *mark)
{
	size_t length = mark ? strlen(mark) : 0;

	return length > 0 && scanner->text.length - scanner->at >= length &&
	       memcmp(scanner->text.start + scanner->at, mark, length) == 0;
}

/* Where words have no quotes, what begins a comment stands at the line's begin or behind a blank.
 */
static bool begins_comment(const struct scanner *scanner)
{
	char before = scanner->at > 0 ? scanner->text.start[scanner->at - 1] : '\n';

	if (scanner->language->bare && !isspace((unsigned char)before) && before != '@')
		return false;
	for (size_t i = 0; i < sizeof(scanner->language->line) / sizeof(char *); i++)
		if (is_at(scanner, scanner->language->line[i]) &&
			!(isalpha((unsigned char)*scanner->language->line[i]) &&
				isalnum((unsigned char)before)))
			return true;
	return false;
}

/* A character's quotes, as 'a' or '\u{41}', are gone over; Rust's lifetimes have one only. */
static size_t char_length(const struct scanner *scanner)
{
	const char *start = scanner->text.start + scanner->at;
	size_t left = scanner->text.length - scanner->at;

	for (size_t i = 2; i < left && i < 12; i++) {
		if (start[i] == '\'')
			return i + 1;
		if (start[1] != '\\' && i > 4)
			break;
	}
	return 1;
}

static void begin_string(struct scanner *scanner, char quote)
{
	const char *start = scanner->text.start + scanner->at;
	size_t left = scanner->text.length - scanner->at;

	scanner->state = STRING;
	scanner->quote = quote;
	scanner->triple =
		scanner->language->triple && left >= 3 && start[1] == quote && start[2] == quote;
	scanner->at += scanner->triple ? 3 : 1;
	scanner->opened = scanner->at;
}

static void step_code(struct scanner *scanner)
{
	const struct language *language = scanner->language;
	char c = scanner->text.start[scanner->at];

	if (begins_comment(scanner)) {
		scanner->state = LINE_COMMENT;
	} else if (is_at(scanner, language->block[0])) {
		scanner->state = BLOCK_COMMENT;
		scanner->at += strlen(language->block[0]) - (*language->block[0] == '\n');
		return;
	} else if (c == '\'' && language->chars) {
		scanner->at += char_length(scanner);
		return;
	} else if (strchr(language->quotes, c) || (c == '`' && language->ticks)) {
		begin_string(scanner, c);
		return;
	} else if (c == '\\') {
		scanner->at++;
	}
	scanner->at++;
}

static void step_string(struct scanner *scanner)
{
	const char *here = scanner->text.start + scanner->at;
	bool over_lines = scanner->triple || scanner->quote == '`';

	if (*here == '\\' && here[1] != '\n') {
		scanner->at += 2;
		return;
	}
	if (*here == scanner->quote &&
		(!scanner->triple || (here[1] == scanner->quote && here[2] == scanner->quote))) {
		scanner->at += scanner->triple ? 2 : 0;
		scanner->state = CODE;
	} else if (*here == '\n' && !over_lines) {
		scanner->state = CODE;
	}
	scanner->at++;
}

static void step_comment(struct scanner *scanner)
{
	const char *end = scanner->language->block[1];

	if (scanner->state == LINE_COMMENT) {
		if (scanner->text.start[scanner->at] == '\n')
			scanner->state = CODE;
	} else if (is_at(scanner, end)) {
		scanner->state = CODE;
		scanner->at += strlen(end) - 1;
	}
	scanner->at++;
}

/* Which bytes end a run of plain code. */
static void find_stops(struct scanner *scanner)
{
	const struct language *language = scanner->language;
	const char *const marks[] = {language->line[0], language->line[1], language->line[2],
		language->block[0], "\\", language->ticks ? "`" : NULL,
		language->chars ? "'" : NULL};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (marks[i])
			scanner->stops[(unsigned char)*marks[i]] = true;
	for (const char *c = language->quotes; *c; c++)
		scanner->stops[(unsigned char)*c] = true;
}

/* The next byte from `at` on that a step is needed for, or `to`. */
static size_t skip_plain(const struct scanner *scanner, size_t to)
{
	const char *text = scanner->text.start, *found = NULL;
	size_t at = scanner->at;

	if (scanner->state == LINE_COMMENT)
		found = memchr(text + at, '\n', to - at);
	else if (scanner->state == BLOCK_COMMENT)
		found = memchr(text + at, *scanner->language->block[1], to - at);
	else if (scanner->state == CODE)
		for (; at < to && !scanner->stops[(unsigned char)text[at]];)
			at++;
	else
		for (; at < to && text[at] != scanner->quote && text[at] != '\\' &&
			text[at] != '\n';)
			at++;
	if (scanner->state == LINE_COMMENT || scanner->state == BLOCK_COMMENT)
		return found ? (size_t)(found - text) : to;
	return at;
}

/* Goes on to `to`; the text is NUL-terminated, which steps may look at. */
static void advance(struct scanner *scanner, size_t to)
{
	const char *from = scanner->text.start + scanner->counted, *end;

	while (scanner->at < to) {
		scanner->at = skip_plain(scanner, to);
		if (scanner->at == to)
			break;
		if (scanner->state == CODE)
			step_code(scanner);
		else if (scanner->state == STRING)
			step_string(scanner);
		else
			step_comment(scanner);
		if (scanner->at > scanner->text.length)
			scanner->at = scanner->text.length;
	}
	if (scanner->at < scanner->counted)
		return;
	end = scanner->text.start + scanner->at;
	scanner->counted = scanner->at;
	while ((from = memchr(from, '\n', (size_t)(end - from)))) {
		scanner->line++;
		from++;
	}
}

/* --- What is only read --- */

static const char *const reading_labels[] = {"blog", "blogs", "bugs", "bugzilla", "community",
	"discourse", "discuss", "doc", "docs", "documentation", "developer", "developers", "faq",
	"forum", "forums", "help", "issues", "javadoc", "jira", "learn", "lists", "mailman", "man",
	"manpages", "manual", "ns", "rfc", "schema", "schemas", "spec", "specs", "support", "wiki",
	"xmlns"};

/* Of names for things, and of pages. */
static const char *const reading_domains[] = {"ant.apache.org/ivy", "apache.org/licenses",
	"apache.org/POM", "apache.org/xml", "apache.org/xslt", "apache.org/xalan", "bit.ly",
	"buymeacoffee.com", "codecov.io", "communitybridge.org", "coveralls.io", "crates.io/crates",
	"creativecommons.org", "cve.mitre.org", "cve.org/CVERecord", "cwe.mitre.org", "docs.rs",
	"dublincore.org", "fsf.org", "github.com/advisories", "github.com/sponsors",
	"gnu.org/licenses", "gnu.org/software", "godoc.org", "goo.gl", "google.com/kml",
	"goreportcard.com", "ietf.org", "issuehunt.io", "json-schema.org", "keepachangelog.com",
	"ko-fi.com", "liberapay.com", "microformats.org", "mozilla.org/MPL", "npmjs.com/package",
	"nvd.nist.gov/vuln", "oasis-open.org", "ogp.me", "opencollective.com", "opengis.net",
	"openid.net", "opensource.org", "otechie.com", "packagist.org/packages", "patreon.com",
	"paypal.me", "pkg.go.dev", "purl.oclc.org", "purl.org", "pypi.org/project", "relaxng.org",
	"rfc-editor.org", "schema.org", "schemastore.org", "semver.org", "shields.io", "spdx.org",
	"stackexchange.com", "stackoverflow.com", "sun.com", "thanks.dev", "tidelift.com",
	"topografix.com/GPX", "unicode.org", "unlicense.org", "w3.org", "whatwg.org",
	"wikipedia.org", "xml.org/sax", "xmlsoap.org", "youtube.com"};

static const char *const reading_paths[] = {"/blob/", "/CHANGELOG", "/changelog", "/CONTRIBUTING",
	"/discussions", "/doc/", "/docs", "/documentation", "/faq", "/help", "/issues", "/licence",
	"/license", "/LICENSE", "/manual", "/pull/", "/questions/", "/README", "/rfc", "/schema/",
	"/schemas/", "/spec/", "/tree/", "/tutorial", "/wiki", "/man/", "/commit/", "/compare/",
	"/releases/tag/", "/security/advisories", ".dtd", ".html", ".md", ".pdf", ".xsd"};

/* Whether the name, as text, is the domain or below it. */
static bool is_below(const char *text, size_t length, const char *domain, size_t domain_length)
{
	size_t above = length - domain_length;

	return length >= domain_length && memcmp(text + above, domain, domain_length) == 0 &&
	       (above == 0 || text[above - 1] == '.');
}

static bool is_reading_domain(const struct name *name, struct text path)
{
	char text[NAME_TEXT];
	size_t length = strlen(name_to_text(name, text));

	for (size_t i = 0; i < sizeof(reading_domains) / sizeof(reading_domains[0]); i++) {
		size_t host = strcspn(reading_domains[i], "/");

		if (is_below(text, length, reading_domains[i], host) &&
			text_starts(path, reading_domains[i] + host))
			return true;
	}
	return false;
}

bool source_is_reading(
	const struct categories *categories, const struct target *target, struct text path)
{
	const char *category;
	struct text label;

	if (target->kind == TARGET_ADDRESS)
		return false;
	label = (struct text){(const char *)target->name.wire + 1, target->name.wire[0]};
	if (name_labels(&target->name) > 2 && TEXT_IS_ANY(label, reading_labels))
		return true;
	for (size_t i = 0; i < sizeof(reading_paths) / sizeof(reading_paths[0]); i++)
		if (path.length > 0 && !text_starts(label, "api") &&
			memmem(path.start, path.length, reading_paths[i], strlen(reading_paths[i])))
			return true;
	category = category_find(categories, &target->name);
	if (category && strcmp(category, "documentation") == 0)
		return true;
	return is_reading_domain(&target->name, path);
}

/* Keys whose value is for people, or names a namespace. */
static const char *const reading_keys[] = {"$id", "$ref", "$schema", "alt", "attribution", "author",
	"authors", "author_url", "bugs", "bug_reports", "bugtracker", "caption", "changelog",
	"cite", "comment", "copyright", "credits", "description", "doc", "doc_url", "docs",
	"docs_url", "documentation", "documentationurl", "donate", "funding", "help", "help_url",
	"helpurl", "homepage", "homepage_uri", "homepage_url", "html_root_url", "href", "icon_url",
	"issue", "issues", "ivyauthor", "license", "license_url", "licence", "link", "links",
	"maintainer", "more_info", "moreinfo", "namespace", "note", "ns", "references", "rel",
	"report", "repository", "schemalocation", "see", "see_also", "source_url", "sponsor",
	"summary", "support", "targetnamespace", "title", "tooltip", "vendor_url", "website",
	"wiki", "xmlns"};

/* The word before `from` that a value is assigned to, lowered, into `out`; blanks, quotes and one
 * '=', ':', '>' or '(' between them are gone over. */
static size_t key_before(struct text text, size_t from, char out[64])
{
	size_t end, start, length, least = from > BLANKS_MAX ? from - BLANKS_MAX : 0;

	while (from > least && strchr(" \t\"'=:>([{,rbf", text.start[from - 1]) &&
		text.start[from - 1] != '\n') {
		/* A letter is a string's prefix only right before its quote. */
		if (isalpha((unsigned char)text.start[from - 1]) &&
			(from < 2 || isalnum((unsigned char)text.start[from - 2])))
			break;
		from--;
	}
	end = start = from;
	while (start > 0 && end - start < 60 &&
		(isalnum((unsigned char)text.start[start - 1]) ||
			strchr("_$-", text.start[start - 1])))
		start--;
	length = end - start;
	for (size_t i = 0; i < length; i++)
		out[i] = text.start[start + i] == '-' ? '_' : text_lower(text.start[start + i]);
	out[length] = '\0';
	return length;
}

/* In a link of a page that is written here, perhaps in pieces: '<a href="' . 'https://...'. */
static bool is_linked(struct text text, size_t from)
{
	const char *end = text.start + from;
	const char *at = end - (from > BLANKS_MAX ? BLANKS_MAX : from);
	const char *link = memmem(at, (size_t)(end - at), "href=", 5);

	return link && !memchr(link, '>', (size_t)(end - link)) &&
	       !memmem(link, (size_t)(end - link), "://", 3);
}

/* The name of the element that `from` is in an attribute of, into `out`; empty if it is in none. */
static void element_before(struct text text, size_t from, char out[64])
{
	size_t least = from > ELEMENT_MAX ? from - ELEMENT_MAX : 0, length = 0;

	while (from > least && !strchr("<>", text.start[from - 1]))
		from--;
	if (from > least && text.start[from - 1] == '<')
		while (length < 63 && isalnum((unsigned char)text.start[from + length])) {
			out[length] = text_lower(text.start[from + length]);
			length++;
		}
	out[length] = '\0';
}

static bool has_reading_key(struct text text, size_t from)
{
	char key[64], element[64];
	const char *word = key;
	size_t length = key_before(text, from, key);

	element_before(text, from, element);
	if (is_linked(text, from) || TEXT_IS_ANY(text_of(element), reading_keys))
		return true;
	while (length > 0 && key[length - 1] == '_')
		key[--length] = '\0';
	while (*word == '_')
		word++;
	if (strncmp(word, "xmlns", 5) == 0)
		return true;
	return TEXT_IS_ANY(text_of(word), reading_keys);
}

/* --- Candidates --- */

static bool has_blank(struct text text, size_t from, size_t to)
{
	if (to - from > REACH)
		return true;
	for (; from < to; from++)
		if (isspace((unsigned char)text.start[from]))
			return true;
	return false;
}

static const char *const commands[] = {"curl ", "wget ", "git ", "clone ", "fetch ", "--index-url",
	"--registry", "http ", "aria2c "};

/* Whether the words before say that it is used. */
static bool is_commanded(struct text text, size_t from, size_t to)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (memmem(text.start + from, to - from, commands[i], strlen(commands[i])))
			return true;
	return false;
}

/* Whether words follow the word that ends at `at`. */
static bool has_words_behind(struct text text, size_t at)
{
	return at + 1 < text.length && text.start[at] == ' ' &&
	       isalpha((unsigned char)text.start[at + 1]);
}

/* What a destination from `from` to `to` is where it stands; the lexer is at `from`. */
static enum evidence_kind judge(const struct scanner *scanner, size_t from, size_t to)
{
	size_t line = from;

	if (scanner->state == LINE_COMMENT || scanner->state == BLOCK_COMMENT)
		return EVIDENCE_COMMENT;
	if (scanner->state == CODE)
		return scanner->language->bare ? scanner->kind : EVIDENCE_PROSE;
	if (!has_blank(scanner->text, scanner->opened, from))
		return has_words_behind(scanner->text, to) ? EVIDENCE_PROSE : scanner->kind;
	while (line > scanner->opened && from - line < REACH &&
		scanner->text.start[line - 1] != '\n')
		line--;
	return is_commanded(scanner->text, line, from) ? scanner->kind : EVIDENCE_PROSE;
}

static bool is_scheme_char(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.';
}

static bool ends_url(char c)
{
	return (unsigned char)c <= ' ' || strchr("\"'`<>|\\^", c) || c == 0x7f;
}

/* Adds an URL from `from` to `to`, with that path. */
static void add_url(struct scanner *scanner, const struct target *target, struct text path,
	size_t from, size_t to)
{
	enum evidence_kind kind;

	advance(scanner, from);
	kind = judge(scanner, scanner->at > from ? scanner->at : from, to);
	if (kind == EVIDENCE_PROSE && target->port != 80 && target->port != 443)
		kind = scanner->kind;
	if (source_is_reading(scanner->categories, target, path) ||
		(kind != EVIDENCE_COMMENT &&
			has_reading_key(
				scanner->text, scanner->state == STRING ? scanner->opened : from)))
		return;
	if (!target_is_plausible(target) && target->kind == TARGET_NAME &&
		name_labels(&target->name) > 1 && evidence_kind_suffices(kind))
		kind = EVIDENCE_PLACEHOLDER;
	evidence_add(scanner->evidence, target, kind, scanner->line);
}

/* An URL whose "://" is at `colon`. Returns where to go on. */
static size_t take_url(struct scanner *scanner, size_t colon)
{
	struct text text = scanner->text, path;
	enum protocol protocol;
	struct target target;
	size_t from = colon, to = colon + 3;

	while (from > 0 && colon - from < 24 && is_scheme_char(text.start[from - 1]))
		from--;
	/* A sentence's dot, an option's dash. */
	while (from < colon && !isalpha((unsigned char)text.start[from]))
		from++;
	if (target_scheme_port((struct text){text.start + from, colon - from}, &protocol) == 0)
		return colon + 3;
	while (to < text.length && to - colon < TARGET_TEXT_MAX && !ends_url(text.start[to]))
		to++;
	if (target_from_url((struct text){text.start + from, to - from}, &target, &path) < 0)
		return colon + 3;
	if (from >= scanner->at)
		add_url(scanner, &target, path, from, to);
	return (size_t)(path.start - text.start);
}

/* Endings of files that names end with, too. */
static const char *const file_endings[] = {
	"cc", "java", "md", "ml", "mm", "pl", "pm", "ps", "py", "rs", "sh", "so", "zip"};

static bool looks_like_file(const struct target *target)
{
	char text[NAME_TEXT];
	const char *last;

	if (target->kind != TARGET_NAME)
		return false;
	last = strrchr(name_to_text(&target->name, text), '.');
	for (size_t i = 0; last && i < sizeof(file_endings) / sizeof(file_endings[0]); i++)
		if (strcmp(last + 1, file_endings[i]) == 0)
			return true;
	return false;
}

static bool is_host_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

/* "host:port", whose colon is at `colon`. */
static void take_pair(struct scanner *scanner, size_t colon)
{
	struct text text = scanner->text;
	struct target target;
	enum evidence_kind kind;
	size_t from = colon, to = colon + 1;

	while (from > 0 && colon - from < WORD_MAX && is_host_char(text.start[from - 1]))
		from--;
	while (to < text.length && isdigit((unsigned char)text.start[to]))
		to++;
	if (from < scanner->at || to - colon > 6 || !memchr(text.start + from, '.', colon - from) ||
		(from > 0 && strchr("/\\:$%}", text.start[from - 1])) ||
		(to < text.length && (is_host_char(text.start[to]) || text.start[to] == ':')))
		return;
	if (target_from_authority((struct text){text.start + from, to - from}, 0, &target) < 0 ||
		!target_is_plausible(&target) || looks_like_file(&target))
		return;
	advance(scanner, from);
	kind = judge(scanner, scanner->at > from ? scanner->at : from, to);
	if (kind == EVIDENCE_COMMENT || (scanner->state == CODE && kind == EVIDENCE_PROSE))
		return;
	evidence_add(scanner->evidence, &target, kind, scanner->line);
}

/* "git@host:path", whose colon is at `colon`. */
static void take_scp(struct scanner *scanner, size_t colon)
{
	struct text text = scanner->text;
	size_t from = colon, to = colon + 1;
	struct target target;

	while (from > 0 && colon - from < WORD_MAX &&
		(is_host_char(text.start[from - 1]) || text.start[from - 1] == '@'))
		from--;
	if (from < scanner->at || colon - from < 6 || memcmp(text.start + from, "git@", 4) != 0)
		return;
	while (to < text.length && !ends_url(text.start[to]))
		to++;
	if (target_from_git((struct text){text.start + from, to - from}, &target) < 0)
		return;
	advance(scanner, from);
	evidence_add(scanner->evidence, &target,
		judge(scanner, scanner->at > from ? scanner->at : from, to), scanner->line);
}

void source_scan(struct evidence *evidence, const struct categories *categories, struct text text,
	const struct language *language, enum evidence_kind kind, unsigned line)
{
	struct scanner scanner = {
		.evidence = evidence,
		.categories = categories,
		.language = language,
		.kind = kind,
		.text = text,
		.line = line,
	};
	const char *end = text.start + text.length;
	const char *colon = text.start;

	find_stops(&scanner);
	while (colon < end && (colon = memchr(colon, ':', (size_t)(end - colon)))) {
		size_t at = (size_t)(colon - text.start);

		if (end - colon > 3 && colon[1] == '/' && colon[2] == '/') {
			colon = text.start + take_url(&scanner, at);
			continue;
		}
		if (at > 3 && end - colon > 1 && isdigit((unsigned char)colon[1]) &&
			isalnum((unsigned char)colon[-1]))
			take_pair(&scanner, at);
		else if (at > 6 && end - colon > 1 && isalnum((unsigned char)colon[1]) &&
			 isalnum((unsigned char)colon[-1]))
			take_scp(&scanner, at);
		colon++;
	}
}
