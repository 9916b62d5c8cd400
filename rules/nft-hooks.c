/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-hooks.h"

#include "rules/nft-chains.h"
#include "rules/nft-limits.h"
#include "rules/nft-objects.h"

/*
 * Theory of operation
 *
 * Without a [scope] everything that is sent here or passes through is judged. With one, a hook's
 * chain first lets connections with a live mark go on, then sends to a chain of its own what any
 * part of the scope says yes to, and accepts the rest.
 *
 *			locally sent		passes through		for this host itself
 *	hook		output			forward			input
 *	no scope	in the same chain	in the same chain	-
 *	users, groups,
 *	cgroups		sent			-			-
 *	interfaces,
 *	sources		-			passing			arriving
 *
 * A user, a group or a control group is that of the socket a packet comes from. Packets without a
 * socket (resets and answers that the kernel makes, what is left to send of a socket that was
 * closed) have none and are not in scope, unless their connection has a live mark: hence the order.
 *
 * What came in from the scope's interfaces and sources is judged, too, when it is for this host
 * itself: a service here may reach further than its client. Its DNS is sent to the resolver before
 * routing, so that it comes by chain input. Input drops nothing by itself, for it is the way that
 * an administrator comes in.
 *
 * DNS that passes through without a scope is only judged: whether a packet is meant for a server on
 * this host, prerouting cannot say.
 *
 * A program may send from an address that isn't this host's (IPV6_FREEBIND takes no privilege).
 * That would pass for a connection of that address's, and what the program itself sends to it then
 * for the answer; so nothing is sent from there but answers. It is dropped: who refuses would send
 * what is refused, as a part of an ICMP error, to that address. The same goes for what passes
 * through, or comes in from the scope, from an address to which the way back is another one.
 *
 * Who connects to this host is answered, whoever it is. A namespace that a command has for itself
 * serves nobody but its own loopback, and there is no such rule: what keeps its link lets in
 * datagrams of strangers that are sent to a port from which it has sent one, and an answer to them
 * would be a way to wherever they come from.
 *
 * What the resolver sends to its servers is known by mark and user. A program with CAP_SETUID can
 * become that user, one with CAP_NET_RAW can set any mark (since Linux 5.17), and by a packet
 *socket it sees what leaves, where a filter of its own can ask for the mark (SKF_AD_MARK). So the
 *mark is taken off as soon as it has been looked at, before any packet socket's turn; what is left
 *is to guess 32 bits. Where [network] raw is "drop" such programs are expected, and no more than
 * GUESSES packets a second are looked at, by which a guess takes days.
 *
 * DNS is redirected before anybody else's destination NAT, which is at -100: Docker has a DNS
 * server of its own in a container's namespace, at 127.0.0.11, and sends port 53 of that address
 * there, to a port that any program can find. It asks servers outside, so only the resolver may.
 */

/* Whether nobody has a way into the network namespace. */
static bool is_alone(const struct plan *plan)
{
	return plan->policy->dns.elsewhere;
}

enum {
	LINK_MTU = 65520, /* pasta(1), --mtu */
	GUESSES = 2000,
};

/* --- What packets may do whatever the policy says ----------------------------------------------
 */

static void put_reply(const struct nft *nft)
{
	if (!is_alone(nft->plan))
		nft_rule(nft, "reply", "ct state established ct direction reply accept");
	nft_rule(nft, "icmp-error", "ct state related jump icmp-errors");
}

static void put_icmp_errors(const struct nft *nft)
{
	static const char *const types[] = {"icmp type destination-unreachable",
		"icmp type time-exceeded", "icmp type parameter-problem",
		"icmpv6 type destination-unreachable", "icmpv6 type packet-too-big",
		"icmpv6 type time-exceeded", "icmpv6 type parameter-problem"};

	nft_open_chain(nft, "errors that belong to a connection", "icmp-errors");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		nft_rule(nft, "icmp-error", "%s accept", types[i]);
	nft_close_chain(nft);
}

static void put_neighbour(const struct nft *nft)
{
	static const char *const discovery[] = {"nd-router-solicit", "nd-router-advert",
		"nd-neighbor-solicit", "nd-neighbor-advert"};
	static const char *const listener[] = {
		"mld-listener-report", "mld-listener-done", "mld2-listener-report"};

	nft_open_chain(nft, "without which IPv6 has no link", "neighbour");
	for (size_t i = 0; i < sizeof(discovery) / sizeof(discovery[0]); i++)
		nft_rule(nft, "neighbour", "icmpv6 type %s ip6 hoplimit 255 accept", discovery[i]);
	for (size_t i = 0; i < sizeof(listener) / sizeof(listener[0]); i++)
		nft_rule(
			nft, "neighbour", "ip6 daddr ff02::/16 icmpv6 type %s accept", listener[i]);
	nft_close_chain(nft);
}

static const char *const transports[] = {"udp", "tcp"};

enum { TRANSPORTS = sizeof(transports) / sizeof(transports[0]) };

/* What pasta(1) of 2023 takes for something else than it is, as it looks for the ports right behind
 * the head of IPv4 or IPv6: fragments, into which goes what is larger than its link's packets, and
 * segment routing. Their contents would choose the port. */
static void put_odd(const struct nft *nft)
{
	nft_rule(nft, "fragments", "oif != lo meta l4proto != tcp meta length > %d goto refuse",
		LINK_MTU);
	nft_rule(nft, "source-route", "exthdr rt exists goto refuse");
}

/* DNS that goes to where the resolver listens. */
static void put_dns(const struct nft *nft, const struct endpoint *listen)
{
	const char *daddr = nft_families[nft_family_of(&listen->address)].daddr;
	char text[INADDR_TEXT];

	for (size_t i = 0; i < TRANSPORTS; i++)
		nft_rule(nft, "dns", "%s %s %s dport %u accept", daddr,
			inaddr_to_text(&listen->address, text), transports[i], listen->port);
}

/* Packets with a mark to the resolver's servers, its own included. */
static void put_guesses(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (nft_has_upstream(plan, family))
			nft_rule(nft, "guessed marks",
				"meta mark != 0 %s . meta l4proto . th dport @%s "
				"limit rate over %d/second burst %d packets counter drop",
				nft_families[family].daddr, plan->family[family].upstream_set,
				GUESSES, GUESSES);
}

static void put_upstream_rules(const struct nft *nft, const char *verdict)
{
	const struct plan *plan = nft->plan;

	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (nft_has_upstream(plan, family))
			nft_rule(nft, "resolver",
				"meta mark . meta skuid @%s %s . meta l4proto . th dport @%s %s",
				plan->resolver_set, nft_families[family].daddr,
				plan->family[family].upstream_set, verdict);
}

/* What goes to this host itself. A server may have been moved to where it is by another's NAT. */
static void put_loopback(const struct nft *nft)
{
	const char *resolver = nft->plan->resolver_set;

	if (!is_alone(nft->plan)) {
		nft_rule(nft, "resolver",
			"oif lo meta mark . meta skuid @%s meta mark set 0 accept", resolver);
		if (nft_refuses(nft->plan))
			nft_rule(nft, "docker-dns",
				"ip daddr 127.0.0.11 ct direction original counter goto refuse");
	}
	nft_rule(nft, "loopback", "oif lo accept");
}

static void put_live(const struct nft *nft)
{
	nft_rule(nft, "live", "ct state established,new ct mark @%s %s", nft->plan->live_set,
		nft_ongoing_verdict(nft->plan));
}

/* The rest of chain output, or of what is in scope of it. */
static void put_sent(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	put_reply(nft);
	/* Resets that refuse forwarded connections start here; conntrack has them as related. */
	nft_rule(nft, "refuse", "ct state related ct direction reply tcp flags rst accept");
	/* A word of nft's own; those of /etc/protocols are not on every machine. */
	nft_rule(nft, "neighbour", "meta l4proto icmpv6 jump neighbour");
	if (nft_refuses(plan))
		nft_rule(nft, "foreign-source", "fib saddr type != local counter drop");
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (plan->family[family].listen)
			put_dns(nft, plan->family[family].listen);
	if (plan->drops_raw)
		put_guesses(nft);
	put_upstream_rules(nft, "meta mark set 0 accept");
	put_loopback(nft);
	nft_rule(nft, "judge", "goto judge");
}

/* A source that the way back does not lead to. */
static void put_foreign_source(const struct nft *nft)
{
	if (nft_refuses(nft->plan))
		nft_rule(nft, "foreign-source", "fib saddr . iif oif missing counter drop");
}

static void put_passing(const struct nft *nft)
{
	put_reply(nft);
	put_foreign_source(nft);
	nft_rule(nft, "judge", "goto judge");
}

/* What the scope's interfaces and sources may say to this host itself. */
static void put_arriving(const struct nft *nft)
{
	const struct plan *plan = nft->plan;

	put_reply(nft);
	nft_rule(nft, "neighbour", "meta l4proto icmpv6 jump neighbour");
	put_foreign_source(nft);
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		if (plan->family[family].listen_forwarded)
			put_dns(nft, plan->family[family].listen_forwarded);
		for (size_t i = 0; i < TRANSPORTS && plan->family[family].redirect_port != 0; i++)
			nft_rule(nft, "dns", "meta nfproto %s %s dport %u accept",
				nft_families[family].nfproto, transports[i],
				plan->family[family].redirect_port);
	}
	nft_rule(nft, "judge", "goto judge");
}

/* --- The scope ---------------------------------------------------------------------------------
 */

static bool has_local(const struct scope *scope)
{
	return scope->n_users + scope->n_groups + scope->n_cgroups > 0;
}

static bool has_forwarded(const struct scope *scope)
{
	return scope->n_interfaces + scope->n_sources > 0;
}

static bool has_scope(const struct scope *scope)
{
	return has_local(scope) || has_forwarded(scope);
}

bool nft_scope_is_quotable(const struct scope *scope)
{
	for (size_t i = 0; i < scope->n_cgroups; i++)
		if (!nft_is_quotable(scope->cgroups[i]))
			return false;
	for (size_t i = 0; i < scope->n_interfaces; i++)
		if (!nft_is_quotable(scope->interfaces[i]))
			return false;
	return true;
}

/* How deep a control group lies: nft asks for that level of a socket's own. */
static unsigned cgroup_level(const char *path)
{
	unsigned level = 1;

	for (; *path; path++)
		level += *path == '/';
	return level;
}

/* Leads to the chain what was sent by somebody in scope. */
static void put_local_scope(const struct nft *nft, const char *chain)
{
	const struct scope *scope = &nft->plan->policy->scope;

	for (size_t i = 0; i < scope->n_users; i++)
		nft_rule(nft, "scope: user", "meta skuid %u goto %s", scope->users[i], chain);
	for (size_t i = 0; i < scope->n_groups; i++)
		nft_rule(nft, "scope: group", "meta skgid %u goto %s", scope->groups[i], chain);
	for (size_t i = 0; i < scope->n_cgroups; i++)
		nft_rule(nft, "scope: control group", "socket cgroupv2 level %u \"%s\" goto %s",
			cgroup_level(scope->cgroups[i]), scope->cgroups[i], chain);
}

/* Leads to the chain what came in from somewhere in scope. */
static void put_forwarded_scope(const struct nft *nft, const char *chain)
{
	const struct scope *scope = &nft->plan->policy->scope;
	char text[INADDR_TEXT];

	for (size_t i = 0; i < scope->n_interfaces; i++)
		nft_rule(nft, "scope: interface", "iifname \"%s\" goto %s", scope->interfaces[i],
			chain);
	for (size_t i = 0; i < scope->n_sources; i++)
		nft_rule(nft, "scope: source", "%s %s goto %s",
			nft_families[nft_family_of(&scope->sources[i].first)].saddr,
			nft_range_text(&scope->sources[i], text), chain);
}

static void put_out_of_scope(const struct nft *nft)
{
	nft_rule(nft, "out-of-scope", "accept");
	nft_close_chain(nft);
}

/* --- Hooks -------------------------------------------------------------------------------------
 */

static bool judges_local(const struct plan *plan)
{
	return !has_scope(&plan->policy->scope) || has_local(&plan->policy->scope);
}

static bool judges_forwarded(const struct plan *plan)
{
	return !has_scope(&plan->policy->scope) || has_forwarded(&plan->policy->scope);
}

static bool judges_arriving(const struct plan *plan)
{
	return has_forwarded(&plan->policy->scope);
}

static bool redirects_forwarded(const struct plan *plan)
{
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		if (plan->family[family].listen_forwarded || plan->family[family].redirect_port)
			return judges_arriving(plan);
	return false;
}

static void put_dnat_rules(const struct nft *nft)
{
	char to[INADDR_TEXT];

	for (size_t i = 0; i < (size_t)TRANSPORTS * PLAN_FAMILIES; i++) {
		const struct nft_family *words = &nft_families[i / TRANSPORTS];
		const struct endpoint *listen = nft->plan->family[i / TRANSPORTS].listen;

		if (listen)
			nft_rule(nft, "dns", "meta nfproto %s %s dport 53 %s %s", words->nfproto,
				transports[i % TRANSPORTS], words->dnat,
				endpoint_to_text(listen, to));
	}
}

static void put_forwarded_dnat_rules(const struct nft *nft)
{
	char to[INADDR_TEXT];

	for (size_t i = 0; i < (size_t)TRANSPORTS * PLAN_FAMILIES; i++) {
		unsigned family = (unsigned)(i / TRANSPORTS);
		const struct nft_family *words = &nft_families[family];
		const struct endpoint *listen = nft->plan->family[family].listen_forwarded;
		uint16_t port = nft->plan->family[family].redirect_port;

		if (listen)
			nft_rule(nft, "dns", "meta nfproto %s %s dport 53 %s %s", words->nfproto,
				transports[i % TRANSPORTS], words->dnat,
				endpoint_to_text(listen, to));
		else if (port != 0)
			nft_rule(nft, "dns", "meta nfproto %s %s dport 53 redirect to :%u",
				words->nfproto, transports[i % TRANSPORTS], port);
	}
}

static void put_redirect(const struct nft *nft)
{
	bool scoped = has_scope(&nft->plan->policy->scope);

	nft_open_chain(
		nft, "DNS goes to the resolver, whatever server it was meant for", "redirect-dns");
	fputs("\t\ttype nat hook output priority -101; policy accept;\n", nft->out);
	if (nft->plan->drops_raw)
		put_guesses(nft);
	put_upstream_rules(nft, "return");
	if (scoped)
		put_local_scope(nft, "to-resolver");
	else
		put_dnat_rules(nft);
	nft_close_chain(nft);
	if (!scoped)
		return;
	nft_open_chain(nft, "DNS of the scope", "to-resolver");
	put_dnat_rules(nft);
	nft_close_chain(nft);
}

static void put_redirect_forwarded(const struct nft *nft)
{
	nft_open_chain(nft, "DNS of the scope that passes through", "redirect-forwarded");
	fputs("\t\ttype nat hook prerouting priority -101; policy accept;\n", nft->out);
	put_forwarded_scope(nft, "to-resolver-here");
	nft_close_chain(nft);
	nft_open_chain(
		nft, "goes to the resolver, whatever server it was meant for", "to-resolver-here");
	put_forwarded_dnat_rules(nft);
	nft_close_chain(nft);
}

static void put_output(const struct nft *nft)
{
	bool scoped = has_scope(&nft->plan->policy->scope);

	nft_open_chain(nft, "what this namespace sends", "output");
	fputs("\t\ttype filter hook output priority filter; policy drop;\n", nft->out);
	if (is_alone(nft->plan))
		put_odd(nft);
	put_live(nft);
	if (scoped) {
		put_local_scope(nft, "sent");
		nft_rule(nft, "resolver",
			"meta mark != 0 meta mark . meta skuid @%s meta mark set 0",
			nft->plan->resolver_set);
		put_out_of_scope(nft);
		nft_open_chain(nft, "what the scope sends", "sent");
	}
	put_sent(nft);
	nft_close_chain(nft);
}

static void put_forward(const struct nft *nft)
{
	bool scoped = has_scope(&nft->plan->policy->scope);

	nft_open_chain(nft, "what passes through this namespace", "forward");
	fputs("\t\ttype filter hook forward priority filter; policy drop;\n", nft->out);
	put_live(nft);
	if (scoped) {
		put_forwarded_scope(nft, "passing");
		put_out_of_scope(nft);
		nft_open_chain(nft, "what the scope sends through", "passing");
	}
	put_passing(nft);
	nft_close_chain(nft);
}

static void put_input(const struct nft *nft)
{
	nft_open_chain(nft, "what comes in for this host itself", "input");
	fputs("\t\ttype filter hook input priority filter; policy accept;\n", nft->out);
	nft_rule(nft, "loopback", "iifname \"lo\" accept");
	put_live(nft);
	put_forwarded_scope(nft, "arriving");
	put_out_of_scope(nft);
	nft_open_chain(nft, "what the scope sends to this host itself", "arriving");
	put_arriving(nft);
	nft_close_chain(nft);
}

static bool counts_names(const struct plan *plan)
{
	return plan->destinations_set != NULL;
}

/* What the resolver sends to count a name, and whatever looks like it: see rules/nft-limits.c. */
static void put_count_names(const struct nft *nft)
{
	static const char claim[] = "ip daddr 127.0.0.1 udp dport 9 udp length 24";

	nft_open_chain(nft, "names that the resolver counts as destinations", "count-names");
	fputs("\t\ttype filter hook output priority raw; policy accept;\n", nft->out);
	nft_rule(nft, "elsewhere", "oif != lo accept");
	if (nft->plan->layers->budget.destinations > 0)
		nft_rule(nft, "budget-destinations", "%s meta nfproto @%s meta nfproto != @%s drop",
			claim, nft->plan->extended_set, nft->plan->raised_set);
	nft_rule(nft, "budget-destinations",
		"%s meta mark . meta skuid @%s add @%s { @th,64,128 } drop", claim,
		nft->plan->resolver_set, nft->plan->destinations_set);
	nft_rule(nft, "budget-destinations: no room", "%s drop", claim);
	nft_close_chain(nft);
}

static const struct nft_hook hooks[] = {
	{"redirect-dns", judges_local, put_redirect},
	{"redirect-forwarded", redirects_forwarded, put_redirect_forwarded},
	{"output", judges_local, put_output},
	{"forward", judges_forwarded, put_forward},
	{"input", judges_arriving, put_input},
	{"count-names", counts_names, put_count_names},
};

const struct nft_hook *nft_hooks(size_t *ret_count)
{
	*ret_count = sizeof(hooks) / sizeof(hooks[0]);
	return hooks;
}

void nft_put_shared_chains(const struct nft *nft)
{
	put_icmp_errors(nft);
	put_neighbour(nft);
}
