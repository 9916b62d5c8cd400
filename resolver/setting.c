/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/setting.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/anchor.h"
#include "resolver/guard.h"
#include "resolver/listen.h"
#include "resolver/preflight.h"
#include "resolver/resolvconf.h"
#include "resolver/scrape-socket.h"
#include "resolver/tls.h"
#include "rules/category.h"
#include "rules/dns-server.h"
#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * Everything that can be wrong with a policy shows here, before a process is started for it: what
 * it says, whom it trusts, whether its ruleset is loaded, whether its addresses are free. The parts
 * are made in the order in which they cost the least to give up.
 *
 * A policy that names no servers has the system's. At boot there may be none yet, or only the stub
 * of systemd-resolved, whose own questions may end here. Such a setting remembers what it found, so
 * that the supervisor sees when there is more; having some, it is for the administrator, or for who
 * changes them, to say that they are others now.
 */

#define ARENA_BYTES ((size_t)4 << 30)

/* As they were when the policy was read, or looked for since. */
struct system_servers {
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t count;
};

static int read_servers(struct system_servers *ret_servers)
{
	ret_servers->count = 0;
	return resolvconf_read(
		RESOLVCONF_PATH, RESOLVCONF_BEHIND_PATH, ret_servers->servers, &ret_servers->count);
}

void setting_free(struct setting *setting)
{
	if (!setting)
		return;
	outlets_close(&setting->outlets);
	scrape_socket_close(setting->scraped);
	listeners_close(setting->listeners);
	guard_free(setting->guard);
	tls_trust_free(setting->trust);
	anchors_free(setting->anchors);
	free(setting->servers);
	arena_free(setting->arena);
	free(setting);
}

/* Says whom a policy without [dns] upstream has asked. */
static void announce_servers(const struct dns_policy *dns, int error)
{
	char text[DNS_SERVER_TEXT];

	if (error)
		log_warning(RESOLVCONF_PATH ": %s", strerror(-error));
	if (dns->n_upstream == 0)
		log_warning("there is no [dns] upstream, and no server in " RESOLVCONF_PATH
			    ": only names of [dns.hosts] have addresses");
	for (size_t i = 0; i < dns->n_upstream; i++)
		log_info("upstream %s, the system's", dns_server_to_text(&dns->upstream[i], text));
}

/* The policy, and what kind of service the names are that no entry has a word for. */
static int compile_all(struct arena *arena, const struct compile_options *options,
	struct diag *diag, struct compiled *ret_compiled)
{
	const struct load_options load = {
		.profile_dirs = options->profile_dirs, .n_profile_dirs = options->n_profile_dirs};
	int error = compile_policy(arena, options, diag, ret_compiled);

	return error ? error : category_load(arena, &load, diag, &ret_compiled->categories);
}

/* Of a policy without [dns] upstream. */
static int take_servers(struct setting *setting, const struct system_servers *servers, int unread)
{
	const struct dns_policy *dns = &setting->compiled.plan->policy->dns;

	announce_servers(dns, unread);
	if (resolvconf_is_settled(dns->upstream, dns->n_upstream))
		return 0;
	setting->servers = malloc(sizeof(*servers));
	if (!setting->servers)
		return -ENOMEM;
	*setting->servers = *servers;
	return 0;
}

static enum resolver_status compile(
	const struct resolver_options *from, FILE *copy, struct setting *setting)
{
	struct system_servers servers;
	int unread = read_servers(&servers);
	const struct compile_options options = {
		.system_servers = servers.servers,
		.n_system_servers = servers.count,
		.policy = from->policy,
		.overrides = from->overrides,
		.n_overrides = from->n_overrides,
		.profile_dirs = from->profile_dirs,
		.n_profile_dirs = from->n_profile_dirs,
		.added = from->added,
		.own_namespace = from->own_namespace,
		.cgroup = from->cgroup,
		.observe = from->observe,
	};
	struct diag *diag;
	int error = arena_new(ARENA_BYTES, &setting->arena);

	if (error) {
		log_error("%s: %s", from->policy, strerror(-error));
		return RESOLVER_KERNEL;
	}
	diag = diag_new(setting->arena);
	error = diag ? compile_all(setting->arena, &options, diag, &setting->compiled) : -ENOMEM;
	if (diag)
		diag_print(diag, stderr);
	if (diag && copy)
		diag_print(diag, copy);
	if (error && error != -EINVAL)
		log_error("%s: %s", from->policy, strerror(-error));
	if (!error && !setting->compiled.plan->policy->dns.has_upstream)
		error = take_servers(setting, &servers, unread);
	return error ? RESOLVER_POLICY : RESOLVER_OK;
}

/* Reads whom to trust now: workers have no files. */
static enum resolver_status make_trust(struct setting *setting)
{
	const struct dns_policy *dns = &setting->compiled.plan->policy->dns;
	const char *problem;
	int error = tls_trust_new(dns, &setting->trust, &problem);

	if (error)
		log_error("DNS over TLS %s", problem);
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

/* Reads the trust anchors, if answers have to be validated: the same holds for them, and for
 * what OpenSSL reads. */
static enum resolver_status make_anchors(struct setting *setting)
{
	const char *path = setting->compiled.plan->policy->dns.trust_anchor;
	unsigned line;
	int error;

	if (!layers_want_dnssec(setting->compiled.layers))
		return RESOLVER_OK;
	if (!path)
		path = ANCHORS_PATH;
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	error = anchors_read(path, &setting->anchors, &line);
	if (error == -EINVAL && line > 0)
		log_error("%s:%u: not a DS or DNSKEY record", path, line);
	else if (error == -EINVAL)
		log_error("%s: no trust anchor of a kind that is known", path);
	else if (error)
		log_error("no DNSSEC trust anchors in %s: %s", path, strerror(-error));
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

static enum resolver_status make_guard(const struct setting *old, struct setting *setting)
{
	int error = guard_new(setting->compiled.layers, &setting->guard);

	if (!error && old)
		error = guard_inherit(setting->guard, old->guard);
	if (error)
		log_error("no memory for what wildcard_names counts: %s", strerror(-error));
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

static enum resolver_status listen_on(
	const struct resolver_options *options, const struct setting *old, struct setting *setting)
{
	const struct dns_policy *dns = &setting->compiled.plan->policy->dns;
	char text[INADDR_TEXT];
	size_t failed;
	int error = listeners_open(dns->listen, dns->n_listen, options->workers,
		old ? old->listeners : NULL, &setting->listeners, &failed);

	if (error && failed < dns->n_listen)
		log_error("cannot listen on %s: %s", endpoint_to_text(&dns->listen[failed], text),
			strerror(-error));
	else if (error)
		log_error("cannot listen: %s", strerror(-error));
	else if (listeners_count(setting->listeners) < dns->n_listen)
		log_warning("there is no IPv6 here: not listening on [::1]");
	return error ? RESOLVER_KERNEL : RESOLVER_OK;
}

/* In a namespace of its own nobody else would come to a loopback address. */
static bool is_served(const struct resolver_options *options, const struct metrics_policy *metrics)
{
	char text[SCRAPE_SOCKET_TEXT];

	if (!options->own_namespace || !metrics->has_endpoint)
		return metrics->path || metrics->has_endpoint;
	log_warning("no metrics at %s: that is a loopback of the command's own; \"unix:\" is not",
		scrape_socket_text(metrics, text));
	return false;
}

static enum resolver_status open_scraped(
	const struct resolver_options *options, const struct setting *old, struct setting *setting)
{
	const struct metrics_policy *metrics = &setting->compiled.plan->policy->metrics;
	char text[SCRAPE_SOCKET_TEXT];
	int error;

	if (!is_served(options, metrics))
		return RESOLVER_OK;
	error = scrape_socket_open(metrics, old ? old->scraped : NULL, &setting->scraped);
	if (!error)
		return RESOLVER_OK;
	/* Of a command there may be several at a time. */
	if (options->own_namespace)
		log_warning("no metrics at %s: %s", scrape_socket_text(metrics, text),
			strerror(-error));
	else
		log_error("cannot listen on %s: %s", scrape_socket_text(metrics, text),
			strerror(-error));
	return options->own_namespace ? RESOLVER_OK : RESOLVER_KERNEL;
}

enum resolver_status setting_make(const struct resolver_options *options, const struct setting *old,
	FILE *copy, struct setting **ret_setting)
{
	struct setting *setting = calloc(1, sizeof(*setting));
	enum resolver_status status = RESOLVER_KERNEL;

	if (!setting) {
		log_error("%s: %s", options->policy, strerror(ENOMEM));
		return status;
	}
	status = compile(options, copy, setting);
	if (!status)
		status = make_guard(old, setting);
	if (!status)
		status = make_trust(setting);
	if (!status)
		status = make_anchors(setting);
	if (!status && preflight_ruleset(setting->compiled.plan) != 0)
		status = RESOLVER_KERNEL;
	if (!status)
		status = listen_on(options, old, setting);
	if (!status && outlets_open(setting->compiled.layers, &setting->outlets) != 0)
		status = RESOLVER_KERNEL;
	if (!status)
		status = open_scraped(options, old, setting);
	if (status)
		setting_free(setting);
	else
		*ret_setting = setting;
	return status;
}

bool setting_awaits_servers(const struct setting *setting)
{
	return setting->servers;
}

bool setting_has_new_servers(struct setting *setting)
{
	struct system_servers *known = setting->servers, now;

	if (!known || read_servers(&now) != 0 ||
		resolvconf_equal(known->servers, known->count, now.servers, now.count))
		return false;
	*known = now;
	return resolvconf_is_settled(now.servers, now.count);
}
