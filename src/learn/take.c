/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/take.h"

#include <ctype.h>
#include <string.h>

#include "src/learn/source.h"

/* --- Places --- */

/* Where a fetch from one host leads to others, of which a profile knows. */
static const struct {
	const char *host;
	const char *profile;
} profiled[] = {
	{"codeload.github.com", "github"},
	{"docker.io", "docker"},
	{"ghcr.io", "github"},
	{"github.com", "github"},
	{"index.docker.io", "docker"},
	{"raw.githubusercontent.com", "github"},
	{"registry-1.docker.io", "docker"},
	{"registry.k8s.io", "kubernetes"},
	{"rubygems.org", "rubygems"},
};

/* npm and yarn fetch from below these by https, also where an old lock file has http. */
static const char *const always_https[] = {"npmjs.org", "yarnpkg.com"};

/* The same where no profile does. */
static const struct {
	const char *host;
	const char *also[3];
} redirected[] = {
	{"gcr.io", {"storage.googleapis.com"}},
	{"quay.io", {"cdn.quay.io", "cdn01.quay.io", "cdn02.quay.io"}},
	{"registry.gitlab.com", {"gitlab.com", "cdn.registry.gitlab-static.net"}},
	{"registry.terraform.io", {"releases.hashicorp.com"}},
};

void take_well_known(const struct manifest_context *context, const char *host,
	enum evidence_kind kind, unsigned line)
{
	struct target target;

	if (target_from_authority(text_of(host), 443, &target) == 0)
		evidence_add(context->evidence, &target, kind, line);
}

void take_target(const struct manifest_context *context, const struct target *target,
	enum evidence_kind kind, unsigned line)
{
	char where[NAME_TEXT];
	struct target https = *target;
	struct name above;

	if (kind == EVIDENCE_LOCK && target->kind == TARGET_NAME && target->port == 80)
		for (size_t i = 0; i < sizeof(always_https) / sizeof(always_https[0]); i++)
			if (name_from_text(text_of(always_https[i]), &above) == 0 &&
				name_is_below(&target->name, &above))
				https.port = 443;
	target = &https;
	target_where(target, where);
	for (size_t i = 0; i < sizeof(profiled) / sizeof(profiled[0]); i++) {
		if (target->port != 443 || strcmp(where, profiled[i].host) != 0)
			continue;
		evidence_add_profile(context->evidence, profiled[i].profile, kind, line);
		return;
	}
	evidence_add(context->evidence, target, kind, line);
	for (size_t i = 0; i < sizeof(redirected) / sizeof(redirected[0]); i++) {
		if (target->port != 443 || strcmp(where, redirected[i].host) != 0)
			continue;
		for (size_t j = 0; j < 3 && redirected[i].also[j]; j++)
			take_well_known(context, redirected[i].also[j], kind, line);
	}
}

void take_place(const struct manifest_context *context, struct text place, enum evidence_kind kind,
	unsigned line)
{
	struct target target;

	if (target_from_git(text_trim(place), &target) == 0)
		take_target(context, &target, kind, line);
}

/* Where packages come from if nobody says otherwise: settings name these, too. */
static const struct {
	const char *profile;
	const char *host;
} own_servers[] = {
	{"cargo", "index.crates.io"},
	{"go", "proxy.golang.org"},
	{"maven", "repo.maven.apache.org"},
	{"maven", "repo1.maven.org"},
	{"npm", "npmjs.org"},
	{"npm", "registry.yarnpkg.com"},
	{"pip", "pypi.org"},
};

static bool is_own_server(const char *profile, const struct target *target)
{
	struct name above;

	for (size_t i = 0; i < sizeof(own_servers) / sizeof(own_servers[0]); i++)
		if (strcmp(own_servers[i].profile, profile) == 0 && target->kind == TARGET_NAME &&
			name_from_text(text_of(own_servers[i].host), &above) == 0 &&
			name_is_below(&target->name, &above))
			return true;
	return false;
}

void take_instead(const struct manifest_context *context, const char *profile,
	const struct target *target, enum evidence_kind kind, unsigned line)
{
	/* One of its own behind a mirror is needed by itself. */
	if (is_own_server(profile, target))
		evidence_add_profile(context->evidence, profile, kind, line);
	else
		evidence_replace(context->evidence, profile);
	take_target(context, target, kind, line);
}

void take_image_name(const struct manifest_context *context, struct text image,
	enum evidence_kind kind, unsigned line)
{
	struct target target;

	image = text_trim(image);
	if (!text_is(image, "scratch") && target_from_image(image, &target) == 0)
		take_target(context, &target, kind, line);
}

/* --- Commands --- */

/* Words of a command line that fetch from where a profile says. */
static const struct {
	const char *words;
	const char *profile;
} fetchers[] = {
	{"apt install", "apt"},
	{"apt-get install", "apt"},
	{"apt-get update", "apt"},
	{"apt-get -", "apt"},
	{"bundle install", "rubygems"},
	{"bunx ", "npm"},
	{"cargo ", "cargo"},
	{"docker pull", "docker"},
	{"dotnet restore", "nuget"},
	{"dotnet build", "nuget"},
	{"gem install", "rubygems"},
	{"go build", "go"},
	{"go get", "go"},
	{"go install", "go"},
	{"go mod", "go"},
	{"gradlew ", "gradle"},
	{"mvn ", "maven"},
	{"mvnw ", "maven"},
	{"npm ci", "npm"},
	{"npm i ", "npm"},
	{"npm install", "npm"},
	{"npx ", "npm"},
	{"pip install", "pip"},
	{"pip3 install", "pip"},
	{"pipx ", "pip"},
	{"pnpm i", "npm"},
	{"poetry install", "pip"},
	{"rustup ", "cargo"},
	{"uv pip", "pip"},
	{"uv sync", "pip"},
	{"uvx ", "pip"},
	{"yarn install", "npm"},
};

static bool begins_word(struct text text, const char *at)
{
	return at == text.start || !(isalnum((unsigned char)at[-1]) || strchr("-_.", at[-1]));
}

static unsigned lines_before(struct text text, const char *at)
{
	unsigned lines = 0;

	for (const char *c = text.start; c < at; c++)
		lines += *c == '\n';
	return lines;
}

void take_commands(const struct manifest_context *context, struct text text,
	enum evidence_kind kind, unsigned line)
{
	source_scan(context->evidence, context->categories, text, language_shell(), kind, line);
	for (size_t i = 0; i < sizeof(fetchers) / sizeof(fetchers[0]); i++) {
		const char *found = text.length > 0
					    ? memmem(text.start, text.length, fetchers[i].words,
						      strlen(fetchers[i].words))
					    : NULL;

		if (found && begins_word(text, found))
			evidence_add_profile(context->evidence, fetchers[i].profile, kind,
				line + lines_before(text, found));
	}
}

/* --- Variables --- */

/* Endings of variables that have a host, and the port it is used with. */
static const struct {
	const char *part;
	uint16_t port;
} services[] = {
	{"AMQP", 5672},
	{"CASSANDRA", 9042},
	{"DATABASE", 5432},
	{"DB", 5432},
	{"ELASTIC", 9200},
	{"IMAP", 993},
	{"KAFKA", 9092},
	{"LDAP", 389},
	{"MAIL", 587},
	{"MEMCACHE", 11211},
	{"MONGO", 27017},
	{"MQTT", 1883},
	{"MYSQL", 3306},
	{"NATS", 4222},
	{"PG", 5432},
	{"POSTGRES", 5432},
	{"RABBIT", 5672},
	{"REDIS", 6379},
	{"SMTP", 587},
};

static const char *const host_keys[] = {"ADDR", "ADDRESS", "BROKER", "BROKERS", "DOMAIN",
	"ENDPOINT", "HOST", "HOSTNAME", "SERVER", "SERVERS"};

/* Whether the key, in capitals, says that its value is a host, and its usual port. */
static bool says_host(const char *key, uint16_t *ret_port)
{
	const char *last = strrchr(key, '_');
	bool found = TEXT_IS_ANY(text_of(last ? last + 1 : key), host_keys);

	*ret_port = 443;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]) && found; i++) {
		if (!strstr(key, services[i].part))
			continue;
		*ret_port = services[i].port;
		break;
	}
	return found;
}

/* One host, or several between commas. */
static void take_hosts(const struct manifest_context *context, struct text value, uint16_t port,
	enum evidence_kind kind, unsigned line)
{
	struct target target;
	struct text one;

	while (value.length > 0) {
		text_cut(value, ',', &one, &value);
		if (target_from_authority(text_trim(one), port, &target) == 0 &&
			(target_is_plausible(&target) || name_labels(&target.name) == 1))
			take_target(context, &target, kind, line);
	}
}

/* Variables that package managers take their servers from; with a profile, in place of its. */
static const struct {
	const char *key;
	const char *profile;
} registries[] = {
	{"GONOPROXY", NULL},
	{"GOPRIVATE", NULL},
	{"GOPROXY", "go"},
	{"NPM_CONFIG_REGISTRY", "npm"},
	{"PIP_EXTRA_INDEX_URL", NULL},
	{"PIP_FIND_LINKS", NULL},
	{"PIP_INDEX_URL", "pip"},
	{"UV_DEFAULT_INDEX", "pip"},
	{"UV_EXTRA_INDEX_URL", NULL},
	{"UV_INDEX_URL", "pip"},
	{"YARN_NPM_REGISTRY_SERVER", "npm"},
};

/* "https://proxy.example.com|direct", "code.example.com/team,*.example.org". What is a pattern or a
 * word alone names no host. */
static void take_registries(const struct manifest_context *context, const char *profile,
	struct text value, unsigned line)
{
	while (value.length > 0) {
		struct text one = {value.start, 0}, host, rest;
		struct target target;

		while (one.length < value.length && !strchr(",| \t", value.start[one.length]))
			one.length++;
		value.start += one.length + (one.length < value.length);
		value.length -= one.length + (one.length < value.length);
		text_cut(one, '/', &host, &rest);
		if (target_from_url(one, &target, NULL) == 0) {
			if (profile) {
				take_instead(context, profile, &target, EVIDENCE_REGISTRY, line);
				continue;
			}
		} else if (!memchr(host.start, '.', host.length) ||
			   target_from_authority(host, 443, &target) < 0) {
			continue;
		}
		take_target(context, &target, EVIDENCE_REGISTRY, line);
	}
}

/* Whether the variable is one of them, which has then been taken. */
static bool take_registry_variable(
	const struct manifest_context *context, struct text key, struct text value, unsigned line)
{
	for (size_t i = 0; i < sizeof(registries) / sizeof(registries[0]); i++) {
		if (key.length != strlen(registries[i].key) ||
			strncasecmp(key.start, registries[i].key, key.length) != 0)
			continue;
		take_registries(context, registries[i].profile, value, line);
		return true;
	}
	return false;
}

void take_assignment(const struct manifest_context *context, struct text key, struct text value,
	enum evidence_kind kind, unsigned line)
{
	char upper[64];
	uint16_t port;

	if (take_registry_variable(context, key, value, line))
		return;
	if (memmem(value.start, value.length, "://", 3) || memchr(value.start, '@', value.length)) {
		source_scan(context->evidence, context->categories, value, language_settings(),
			kind, line);
		return;
	}
	if (key.length >= sizeof(upper))
		return;
	for (size_t i = 0; i < key.length; i++) {
		bool hump = i > 0 && isupper((unsigned char)key.start[i]) &&
			    islower((unsigned char)key.start[i - 1]);

		upper[i] = hump || key.start[i] == '-' || key.start[i] == '.'
				   ? '_'
				   : (char)toupper((unsigned char)key.start[i]);
	}
	upper[key.length] = '\0';
	if (says_host(upper, &port))
		take_hosts(context, value, port, kind, line);
	else
		source_scan(context->evidence, context->categories, value, language_settings(),
			kind, line);
}

/* --- Values of documents --- */

void take_url(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct target target;

	if (target_from_url(text_trim(item->value), &target, NULL) == 0)
		take_target(context, &target, rule->kind, item->line);
}

void take_replace(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	(void)item;
	evidence_replace(context->evidence, rule->profile);
}

void take_mirrored(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = item->value, one;
	bool is_central = false;

	while (value.length > 0) {
		text_cut(value, ',', &one, &value);
		one = text_trim(one);
		if (text_is(one, "!central"))
			return;
		is_central |=
			text_is(one, "*") || text_is(one, "central") || text_is(one, "external:*");
	}
	if (is_central)
		evidence_replace(context->evidence, rule->profile);
}

void take_mirror(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct target target;

	if (target_from_url(text_trim(item->value), &target, NULL) == 0)
		take_instead(context, rule->profile, &target, rule->kind, item->line);
}

void take_host(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value);
	struct target target;

	if (target_from_url(value, &target, NULL) == 0 ||
		target_from_authority(value, 443, &target) == 0)
		take_target(context, &target, rule->kind, item->line);
}

/* "name @ https://..." of PEP 508, "patch:...", and the plain forms. */
void take_source(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value), head, tail;

	if (text_starts(value, "jsr:"))
		take_well_known(context, "jsr.io", rule->kind, item->line);
	if (text_cut(value, '@', &head, &tail) && tail.length > 1 && tail.start[0] == ' ')
		value = text_trim(tail);
	take_place(context, value, rule->kind, item->line);
}

/* Whether it is "owner/name", which npm takes for a repository at GitHub. */
static bool is_short_repository(struct text value)
{
	struct text owner, name;

	if (!text_cut(value, '/', &owner, &name) || owner.length == 0 || name.length == 0 ||
		!isalnum((unsigned char)owner.start[0]) || memchr(name.start, '/', name.length))
		return false;
	for (size_t i = 0; i < owner.length; i++)
		if (!isalnum((unsigned char)owner.start[i]) && !strchr("-_", owner.start[i]))
			return false;
	return true;
}

void take_need(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value);

	if (strcmp(rule->profile, "npm") == 0 && is_short_repository(value)) {
		evidence_add_profile(context->evidence, "github", rule->kind, item->line);
		return;
	}
	if (memchr(value.start, ':', value.length) || memchr(value.start, '@', value.length))
		take_source(context, rule, item);
	/* What lies in the project itself is fetched from nowhere. */
	if (!text_starts(value, "file:") && !text_starts(value, "link:") &&
		!text_starts(value, "workspace:"))
		evidence_add_profile(context->evidence, rule->profile, rule->kind, item->line);
}

void take_presence(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	evidence_add_profile(context->evidence, rule->profile, rule->kind, item->line);
}

void take_image(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	take_image_name(context, item->value, rule->kind, item->line);
}

/* Only what names its registry: anything may be called a repository. */
void take_repository(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value), head, tail;
	struct target target;

	if (memmem(value.start, value.length, "://", 3)) {
		take_url(context, rule, item);
		return;
	}
	if (text_cut(value, '/', &head, &tail) && memchr(head.start, '.', head.length) &&
		target_from_image(value, &target) == 0 &&
		target_from_authority(head, 443, &target) == 0 && target_is_plausible(&target))
		take_target(context, &target, rule->kind, item->line);
}

void take_shell(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	take_commands(context, item->value, rule->kind, item->line);
}

void take_text(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	source_scan(context->evidence, context->categories, item->value, language_settings(),
		rule->kind, item->line);
}

void take_variable(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text key = doc_key(item, 0), value = item->value, head;

	/* "KEY=value" as an element of a list. */
	if (text_is(key, "-") && text_cut(item->value, '=', &head, &value))
		key = head;
	take_assignment(context, text_trim(key), text_trim(value), rule->kind, item->line);
}

void take_action(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value);

	if (text_starts(value, "docker://"))
		take_image_name(context, value, rule->kind, item->line);
	else if (value.length > 0 && value.start[0] != '.')
		evidence_add_profile(context->evidence, "github", rule->kind, item->line);
}

void take_command(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	static const struct {
		const char *command;
		const char *profile;
	} rows[] = {{"bunx", "npm"}, {"docker", "docker"}, {"npx", "npm"}, {"pipx", "pip"},
		{"pnpm", "npm"}, {"podman", "docker"}, {"uv", "pip"}, {"uvx", "pip"},
		{"yarn", "npm"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (text_is(text_trim(item->value), rows[i].command))
			evidence_add_profile(
				context->evidence, rows[i].profile, rule->kind, item->line);
	take_text(context, rule, item);
}

void take_permission(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	static const char prefix[] = "WebFetch(domain:";
	struct text value = text_trim(item->value), host, rest;
	struct target target;

	if (!text_starts(value, prefix))
		return;
	value.start += strlen(prefix);
	value.length -= strlen(prefix);
	text_cut(value, ')', &host, &rest);
	if (target_from_authority(host, 443, &target) == 0)
		evidence_add(context->evidence, &target, rule->kind, item->line);
}

void take_feature(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	/* Behind the key there may be options. */
	for (size_t i = 0; i + 1 < item->depth; i++)
		if (text_is(item->keys[i], "features"))
			take_image_name(context, item->keys[i + 1], rule->kind, item->line);
}

void take_channel(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text value = text_trim(item->value);

	if (memmem(value.start, value.length, "://", 3))
		take_url(context, rule, item);
	else if (text_is(value, "defaults"))
		take_well_known(context, "repo.anaconda.com", rule->kind, item->line);
	else if (!text_is(value, "nodefaults"))
		take_well_known(context, "conda.anaconda.org", rule->kind, item->line);
}

void take_crate(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	/* The lock file names crates.io by the repository that its index once was. */
	if (memmem(item->value.start, item->value.length, "crates.io-index", 15) ||
		memmem(item->value.start, item->value.length, "//index.crates.io", 17))
		evidence_add_profile(context->evidence, rule->profile, rule->kind, item->line);
	else
		take_place(context, item->value, rule->kind, item->line);
}

void take_package(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	struct text name = doc_key(item, 0);

	/* The others are PHP itself and its extensions. */
	if (memchr(name.start, '/', name.length))
		take_well_known(context, "repo.packagist.org", rule->kind, item->line);
}

void take_argument(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	if (memmem(item->value.start, item->value.length, "://", 3))
		take_text(context, rule, item);
	else
		take_repository(context, rule, item);
}

void take_nothing(const struct manifest_context *context, const struct take_rule *rule,
	const struct doc_item *item)
{
	(void)context;
	(void)rule;
	(void)item;
}
