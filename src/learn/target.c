/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/target.h"

#include <ctype.h>
#include <errno.h>
#include <libpsl.h>
#include <stdio.h>
#include <string.h>

#include "rules/class.h"
#include "rules/host.h"
#include "rules/special-names.h"
#include "rules/suffix.h"

/* The schemes that mean a connection, and its port. */
static const struct {
	const char *name;
	uint16_t port;
	enum protocol protocol;
} schemes[] = {
	{"amqp", 5672, PROTOCOL_TCP},
	{"amqps", 5671, PROTOCOL_TCP},
	{"bolt", 7687, PROTOCOL_TCP},
	{"cassandra", 9042, PROTOCOL_TCP},
	{"clickhouse", 9000, PROTOCOL_TCP},
	{"cockroachdb", 26257, PROTOCOL_TCP},
	{"coap", 5683, PROTOCOL_UDP},
	{"docker", 443, PROTOCOL_TCP},
	{"etcd", 2379, PROTOCOL_TCP},
	{"ftp", 21, PROTOCOL_TCP},
	{"ftps", 990, PROTOCOL_TCP},
	{"git", 9418, PROTOCOL_TCP},
	{"grpc", 443, PROTOCOL_TCP},
	{"grpcs", 443, PROTOCOL_TCP},
	{"http", 80, PROTOCOL_TCP},
	{"https", 443, PROTOCOL_TCP},
	{"imap", 143, PROTOCOL_TCP},
	{"imaps", 993, PROTOCOL_TCP},
	{"irc", 6667, PROTOCOL_TCP},
	{"ircs", 6697, PROTOCOL_TCP},
	{"jdbc:mariadb", 3306, PROTOCOL_TCP},
	{"jdbc:mysql", 3306, PROTOCOL_TCP},
	{"jdbc:postgresql", 5432, PROTOCOL_TCP},
	{"jdbc:sqlserver", 1433, PROTOCOL_TCP},
	{"kafka", 9092, PROTOCOL_TCP},
	{"ldap", 389, PROTOCOL_TCP},
	{"ldaps", 636, PROTOCOL_TCP},
	{"mariadb", 3306, PROTOCOL_TCP},
	{"memcached", 11211, PROTOCOL_TCP},
	{"mongodb", 27017, PROTOCOL_TCP},
	{"mongodb+srv", 27017, PROTOCOL_TCP},
	{"mqtt", 1883, PROTOCOL_TCP},
	{"mqtts", 8883, PROTOCOL_TCP},
	{"mssql", 1433, PROTOCOL_TCP},
	{"mysql", 3306, PROTOCOL_TCP},
	{"nats", 4222, PROTOCOL_TCP},
	{"neo4j", 7687, PROTOCOL_TCP},
	{"ntp", 123, PROTOCOL_UDP},
	{"oci", 443, PROTOCOL_TCP},
	{"pop3", 110, PROTOCOL_TCP},
	{"pop3s", 995, PROTOCOL_TCP},
	{"postgres", 5432, PROTOCOL_TCP},
	{"postgresql", 5432, PROTOCOL_TCP},
	{"pulsar", 6650, PROTOCOL_TCP},
	{"redis", 6379, PROTOCOL_TCP},
	{"rediss", 6379, PROTOCOL_TCP},
	{"rsync", 873, PROTOCOL_TCP},
	{"rtmp", 1935, PROTOCOL_TCP},
	{"rtsp", 554, PROTOCOL_TCP},
	{"sftp", 22, PROTOCOL_TCP},
	{"smtp", 25, PROTOCOL_TCP},
	{"smtps", 465, PROTOCOL_TCP},
	{"sqlserver", 1433, PROTOCOL_TCP},
	{"ssh", 22, PROTOCOL_TCP},
	{"statsd", 8125, PROTOCOL_UDP},
	{"stun", 3478, PROTOCOL_UDP},
	{"svn", 3690, PROTOCOL_TCP},
	{"syslog", 514, PROTOCOL_UDP},
	{"turn", 3478, PROTOCOL_UDP},
	{"turns", 5349, PROTOCOL_TCP},
	{"ws", 80, PROTOCOL_TCP},
	{"wss", 443, PROTOCOL_TCP},
};

/* What stands before a scheme, and says who uses it. */
static const char *const carriers[] = {"git+", "hg+", "svn+", "bzr+", "registry+", "sparse+",
	"archive+", "scm:git:", "scm:svn:", "scm:hg:", "url+", "pip+"};

/* "github:owner/name", as npm and others write it. */
static const struct {
	const char *prefix;
	const char *host;
} forges[] = {
	{"github:", "github.com"},
	{"gitlab:", "gitlab.com"},
	{"bitbucket:", "bitbucket.org"},
	{"gist:", "gist.github.com"},
	{"codeberg:", "codeberg.org"},
	{"sourcehut:", "git.sr.ht"},
};

static bool starts_folded(struct text text, const char *prefix)
{
	return text.length >= strlen(prefix) &&
	       strncasecmp(text.start, prefix, strlen(prefix)) == 0;
}

static struct text without_carrier(struct text text)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (starts_folded(text, carriers[i]) && !starts_folded(text, "svn+ssh") &&
			!text_is(text, carriers[i]))
			return text_behind(text, strlen(carriers[i]));
	return text;
}

uint16_t target_scheme_port(struct text scheme, enum protocol *ret_protocol)
{
	scheme = without_carrier(scheme);
	if (starts_folded(scheme, "svn+"))
		scheme = text_behind(scheme, 4);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strlen(schemes[i].name) != scheme.length ||
			!starts_folded(scheme, schemes[i].name))
			continue;
		*ret_protocol = schemes[i].protocol;
		return schemes[i].port;
	}
	return 0;
}

/* --- Hosts --- */

/* The end of what a program puts in here at run time, "${HOST}", "{host}", "%s", "<host>",
 * "$HOST", "$(host)"; 0 if there is nothing of the kind. */
static size_t computed_length(struct text text)
{
	static const char *const pairs[] = {"${}", "$()", "#{}", "{{}", "\\()", "{}", "<>"};
	size_t length = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t open = strlen(pairs[i]) - 1;
		const char *end;

		if (text.length <= open || strncmp(text.start, pairs[i], open) != 0)
			continue;
		end = memchr(text.start, pairs[i][open], text.length);
		if (!end)
			return 0;
		while (end + 1 < text.start + text.length && end[1] == pairs[i][open])
			end++;
		return (size_t)(end + 1 - text.start);
	}
	if (text.length >= 2 && text.start[0] == '%' && isalpha((unsigned char)text.start[1]))
		return 2;
	if (text.length >= 2 && text.start[0] == '$' &&
		(isalpha((unsigned char)text.start[1]) || text.start[1] == '_'))
		for (length = 1;
			length < text.length &&
			(isalnum((unsigned char)text.start[length]) || text.start[length] == '_');)
			length++;
	return length;
}

/* A host of which parts are computed, each as '*'. Behind the last one must be two labels. */
static int read_glob(struct text text, struct target *target)
{
	const char *dot;
	size_t used = 0;
	struct name name;

	while (text.length > 0 && used + 2 < sizeof(target->glob)) {
		size_t length = computed_length(text);

		if (length == 0 && !isalnum((unsigned char)*text.start) &&
			!strchr("-._", *text.start))
			return -EINVAL;
		target->glob[used++] = length > 0 ? '*' : text_lower(*text.start);
		text = text_behind(text, length > 0 ? length : 1);
	}
	target->glob[used] = '\0';
	dot = strrchr(target->glob, '*');
	dot = dot ? strchr(dot, '.') : NULL;
	if (text.length > 0 || !dot || !strchr(dot + 1, '.') ||
		host_name_from_text(text_of(dot + 1), &name) < 0)
		return -EINVAL;
	target->kind = TARGET_GLOB;
	target->name = name;
	return 0;
}

static bool is_number(struct text text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!isdigit((unsigned char)text.start[i]) && text.start[i] != '.')
			return false;
	return true;
}

static int read_host(struct text host, struct target *target)
{
	if (inaddr_from_text(host, &target->address) == 0) {
		target->kind = TARGET_ADDRESS;
		return 0;
	}
	/* "1.2.3", "127.1": not an address that an entry can have. */
	if (is_number(host))
		return -EINVAL;
	target->kind = TARGET_NAME;
	if (host_name_from_text(host, &target->name) == 0)
		return target->name.length > 1 ? 0 : -EINVAL;
	return read_glob(host, target);
}

int target_from_authority(struct text text, uint16_t port, struct target *ret_target)
{
	struct target target = {.protocol = PROTOCOL_TCP, .port = port};
	struct text host = text, number = {NULL, 0};
	const char *colon;
	uint64_t value;

	if (text.length == 0 || text.length > TARGET_TEXT_MAX)
		return -EINVAL;
	if (text.start[0] == '[') {
		const char *end = memchr(text.start, ']', text.length);

		if (!end)
			return -EINVAL;
		host = (struct text){text.start + 1, (size_t)(end - text.start - 1)};
		number = text_behind(text, (size_t)(end + 1 - text.start));
		if (number.length > 0 && number.start[0] != ':')
			return -EINVAL;
	} else if ((colon = memrchr(text.start, ':', text.length))) {
		host.length = (size_t)(colon - text.start);
		number = text_behind(text, host.length);
	}
	/* "host:" is "host", and "host:${PORT}" has the default one. */
	if (number.length > 1 && computed_length(text_behind(number, 1)) == 0) {
		if (text_to_number(text_behind(number, 1), UINT16_MAX, &value) < 0 || value == 0)
			return -EINVAL;
		target.port = (uint16_t)value;
	}
	if (target.port == 0 || read_host(host, &target) < 0)
		return -EINVAL;
	*ret_target = target;
	return 0;
}

/* --- URLs --- */

static bool ends_authority(char c)
{
	return c == '/' || c == '?' || c == '#' || c == '\\' || c == '"' || c == '\'' || c == ' ' ||
	       c == ',' || c == ';' || c == '`' || c == '|' || (unsigned char)c < ' ';
}

/* As long as the authority is, what is computed included: "${A:-b/c}.example.com". */
static size_t authority_length(struct text text)
{
	size_t at = 0;

	while (at < text.length && !ends_authority(text.start[at])) {
		size_t computed = computed_length(text_behind(text, at));

		at += computed > 0 ? computed : 1;
	}
	return at;
}

int target_from_url(struct text url, struct target *ret_target, struct text *ret_path)
{
	const char *mark = url.length > 3 ? memmem(url.start, url.length, "://", 3) : NULL;
	struct text scheme, rest, authority, user;
	enum protocol protocol;
	struct target target;
	const char *at;
	uint16_t port;

	if (!mark)
		return -EINVAL;
	scheme = (struct text){url.start, (size_t)(mark - url.start)};
	rest = text_behind(url, scheme.length + 3);
	port = target_scheme_port(scheme, &protocol);
	if (port == 0)
		return -EINVAL;
	authority = (struct text){rest.start, authority_length(rest)};
	at = memrchr(authority.start, '@', authority.length);
	user = authority;
	if (at)
		user = text_behind(authority, (size_t)(at + 1 - authority.start));
	if (target_from_authority(user, port, &target) < 0)
		return -EINVAL;
	target.protocol = protocol;
	*ret_target = target;
	if (ret_path)
		*ret_path = text_behind(rest, authority.length);
	return 0;
}

int target_from_git(struct text text, struct target *ret_target)
{
	struct text bare = without_carrier(text);
	struct text head, path;
	const char *at;

	if (target_from_url(bare, ret_target, NULL) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(forges) / sizeof(forges[0]); i++)
		if (text_starts(text, forges[i].prefix))
			return target_from_authority(text_of(forges[i].host), 443, ret_target);
	/* scp's form, git@host:path, in which no "//" follows. */
	if (!text_cut(bare, ':', &head, &path) || path.length == 0 || text_starts(path, "//"))
		return -EINVAL;
	at = memchr(head.start, '@', head.length);
	if (!at || at == head.start || memchr(head.start, '/', head.length))
		return -EINVAL;
	return target_from_authority(
		text_behind(head, (size_t)(at + 1 - head.start)), 22, ret_target);
}

int target_from_image(struct text image, struct target *ret_target)
{
	struct text head, rest;
	bool has_slash;

	if (text_starts(image, "docker://"))
		image = text_behind(image, strlen("docker://"));
	if (text_starts(image, "oci://"))
		image = text_behind(image, strlen("oci://"));
	if (image.length == 0 || image.length > TARGET_TEXT_MAX ||
		(!isalnum((unsigned char)image.start[0]) && image.start[0] != '['))
		return -EINVAL;
	has_slash = text_cut(image, '/', &head, &rest);
	for (size_t i = 0; i < image.length; i++)
		if (!isalnum((unsigned char)image.start[i]) && !strchr("-._/:@[]", image.start[i]))
			return -EINVAL;
	/* A first part with a dot or a port is a registry (distribution/reference). */
	if (has_slash &&
		(memchr(head.start, '.', head.length) || memchr(head.start, ':', head.length) ||
			text_is(head, "localhost")))
		return target_from_authority(head, 443, ret_target);
	return target_from_authority(text_of("docker.io"), 443, ret_target);
}

/* --- What it is --- */

const char *target_where(const struct target *target, char *out)
{
	if (target->kind == TARGET_ADDRESS)
		return inaddr_to_text(&target->address, out);
	if (target->kind == TARGET_GLOB)
		snprintf(out, NAME_TEXT, "%s", target->glob);
	else
		name_to_text(&target->name, out);
	return out;
}

/* Of documentation: RFC 5737, RFC 3849. */
static const char *const documentation[] = {
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"};

static bool is_nowhere_address(const struct inaddr *address)
{
	enum address_class class;
	struct range range;

	if (class_find(address, 1u << CLASS_LOOPBACK | 1u << CLASS_MULTICAST, &class))
		return true;
	for (size_t i = 0; i < sizeof(documentation) / sizeof(documentation[0]); i++)
		if (range_from_text(text_of(documentation[i]), &range) == 0 &&
			range_contains(&range, address))
			return true;
	return range_from_text(text_of("0.0.0.0/8"), &range) == 0 &&
	       range_contains(&range, address);
}

bool target_is_nowhere(const struct target *target)
{
	const struct special *special;

	if (target->kind == TARGET_ADDRESS)
		return is_nowhere_address(&target->address);
	special = special_find(&target->name);
	return special && !special->yields;
}

/* What is registered for nobody in particular: "foo.com", "acme.example"; and names as a whole. */
static const char *const placeholder_labels[] = {"acme", "acmecorp", "bar", "baz", "blah", "domain",
	"example", "fake", "foo", "foobar", "fubar", "host", "hostname", "qux", "sample", "server",
	"site", "some", "somedomain", "somehost", "somewhere", "test", "website"};
static const char *const placeholders[] = {"domain.tld", "foo.bar", "some.host", "the.host"};

/* Behind "my". */
static const char *const own_words[] = {"app", "bucket", "cluster", "company", "corp", "domain",
	"host", "mirror", "org", "proxy", "registry", "repo", "repository", "server", "service",
	"site", "website"};

static bool is_placeholder_label(struct text label)
{
	struct text own;

	if (text_starts(label, "my")) {
		own = text_behind(label, label.length > 2 && label.start[2] == '-' ? 3 : 2);
		if (TEXT_IS_ANY(own, own_words))
			return true;
	}
	return text_is(label, "example") || text_starts(label, "example-") ||
	       text_starts(label, "your") ||
	       (label.length > 8 && memcmp(label.start + label.length - 8, "-example", 8) == 0) ||
	       memmem(label.start, label.length, "placeholder", 11);
}

bool target_is_placeholder(const struct target *target)
{
	char text[NAME_TEXT];
	struct name domain;
	struct text rest, label;

	if (target->kind == TARGET_ADDRESS)
		return false;
	rest = text_of(name_to_text(&target->name, text));
	if (TEXT_IS_ANY(rest, placeholders))
		return true;
	/* The last one is no word of anybody's. */
	while (text_cut(rest, '.', &label, &rest))
		if (is_placeholder_label(label))
			return true;
	domain = suffix_registered(&target->name);
	text_cut(text_of(name_to_text(&domain, text)), '.', &label, &rest);
	return rest.length > 0 && TEXT_IS_ANY(label, placeholder_labels);
}

/* Of networks that are nobody else's business. */
static const char *const inside[] = {
	"corp", "home", "internal", "intranet", "lan", "local", "private", "svc"};

/* The last label, in `text`; NULL of a name that has one only. */
static const char *last_label(const struct target *target, char text[NAME_TEXT])
{
	if (name_labels(&target->name) < 2)
		return NULL;
	return strrchr(name_to_text(&target->name, text), '.') + 1;
}

bool target_is_inside(const struct target *target)
{
	char text[NAME_TEXT];
	const char *last = target->kind == TARGET_NAME ? last_label(target, text) : NULL;

	return last && TEXT_IS_ANY(text_of(last), inside);
}

bool target_is_plausible(const struct target *target)
{
	char text[NAME_TEXT];
	const char *last;

	if (target->kind == TARGET_ADDRESS || target_is_inside(target))
		return true;
	last = last_label(target, text);
	return last &&
	       psl_is_public_suffix2(psl_builtin(), last, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}
