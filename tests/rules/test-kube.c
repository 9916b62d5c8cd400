/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "rules/backend.h"
#include "rules/judge.h"
#include "rules/kube.h"
#include "rules/losses.h"
#include "rules/match.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/chance.h"
#include "tests/rules/kubed.h"
#include "tests/rules/layered.h"

/*
 * Random policies as the targets of Kubernetes have them, against the language's definition
 * (rules/judge.h), by a reader of such objects that shares nothing with their writers.
 */

enum { ROUNDS = 60, QUESTIONS = 100 };

/* What the losses say may be different, as far as it is about what is reached. */
struct excuses {
	bool wider, narrower;
	bool no_echo, no_protocols; /* narrower for these */
};

struct subject {
	struct arena *arena;
	const char **texts; /* of the layers */
	const struct layers *layers;
	struct compiled compiled;
	struct losses *losses;
	struct excuses excuses;
	struct kubed *kubed;
	char *text;
};

/* The losses as a JSON text, in the arena. */
static const char *say_losses(const struct subject *subject)
{
	char *text = NULL;
	size_t size;
	const char *copy;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(losses_to_json(subject->losses, "t", "p", out), 0);
	fclose(out);
	copy = arena_strndup(subject->arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

/* Of losses that are no excuse for an answer that is different. */
static bool is_beside_it(const char *text)
{
	static const char *const parts[] = {"counts nothing", "it expires", "questions carry data",
		"about all that the pods send", "one label before", "not reported"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(text, parts[i]))
			return true;
	return false;
}

static void take_excuse(struct excuses *excuses, const json_t *loss)
{
	const char *kind = json_string_value(json_object_get(loss, "kind"));
	const char *what = json_string_value(json_object_get(loss, "what"));

	if (is_beside_it(json_string_value(json_object_get(loss, "text"))))
		return;
	if (strcmp(what, "icmp/echo") == 0)
		excuses->no_echo = true;
	else if (strcmp(what, "protocols") == 0)
		excuses->no_protocols = true;
	else if (strcmp(kind, "wider") == 0)
		excuses->wider = true;
	else if (strcmp(kind, "narrower") == 0)
		excuses->narrower = true;
}

static struct excuses excuses_of(const struct subject *subject)
{
	struct excuses excuses = {.wider = false};
	json_t *root = json_loads(say_losses(subject), 0, NULL);
	const json_t *losses = json_object_get(root, "losses");

	assert_non_null(root);
	for (size_t i = 0; i < json_array_size(losses); i++)
		take_excuse(&excuses, json_array_get(losses, i));
	json_decref(root);
	return excuses;
}

static void export_as(struct subject *subject, const char *target)
{
	const struct kube_options options = {
		.name = "it", .name_space = "there", .selector = {{"app", "web"}}, .n_selector = 1};
	struct backend_request request = {subject->arena, &subject->compiled, &options, NULL};
	size_t size;
	FILE *out = open_memstream(&subject->text, &size);

	subject->losses = request.losses = losses_new(subject->arena);
	assert_non_null(out);
	assert_non_null(subject->losses);
	assert_int_equal(backend_find(target)->write(&request, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_false(losses_failed(subject->losses));
	subject->excuses = excuses_of(subject);
	subject->kubed = kubed_read(subject->text);
}

static void forget(struct subject *subject)
{
	kubed_free(subject->kubed);
	free(subject->text);
}

static bool compile(struct subject *subject, const struct layers *layers)
{
	struct diag *diag = diag_new(subject->arena);

	subject->layers = layers;
	subject->compiled.layers = layers;
	assert_non_null(diag);
	if (plan_make(subject->arena, layers, diag, &subject->compiled.plan) != 0)
		return false;
	assert_int_equal(
		match_make(subject->arena, subject->compiled.plan, &subject->compiled.match), 0);
	return true;
}

static struct kubed_packet packet_of(
	const struct question *question, char address[INADDR_TEXT], char name[NAME_TEXT])
{
	static const char *const protocols[] = {
		[PROTOCOL_TCP] = "TCP",
		[PROTOCOL_UDP] = "UDP",
		[PROTOCOL_ICMP_ECHO] = "ICMP",
		[PROTOCOL_OTHER] = "other",
	};

	inaddr_to_text(question->address, address);
	if (question->name)
		name_to_text(question->name, name);
	return (struct kubed_packet){address, question->name ? name : NULL,
		protocols[question->protocol], question->port};
}

static bool is_permitted(const struct layers *layers, const struct question *question)
{
	struct judgement judgement;

	judge(layers, question, &judgement);
	return judgement.verdict != VERDICT_REFUSE;
}

/* What a connection to an address of a name meets: the kernel has no names, so it may be open
 * without it. */
static bool is_reached(const struct layers *layers, const struct question *question)
{
	struct question bare = *question, asked = *question;

	bare.name = NULL;
	asked.address = NULL;
	if (is_permitted(layers, &bare))
		return true;
	return question->name && is_permitted(layers, &asked) && is_permitted(layers, question);
}

/* Whether names are open by address alone: what NetworkPolicy does with them. */
static bool has_names(const struct layers *layers)
{
	for (size_t i = 0; i < layers->n_layers; i++)
		for (size_t j = 0; j < layers->layers[i].n_entries; j++)
			if (layers->layers[i].entries[j].verdict != VERDICT_REFUSE &&
				entry_has_names(layers->layers[i].entries[j].entry))
				return layers_unknown(layers) == VERDICT_REFUSE;
	return false;
}

struct tally {
	unsigned exact, equal, wider, narrower;
};

/* What is known without a look at the losses. */
static void check_bare(struct subject *subject, const char *target, const struct question *question,
	bool policy, bool there)
{
	bool opens = strcmp(target, "networkpolicy") == 0 && has_names(subject->layers);
	bool echoes = strcmp(target, "cilium") == 0;

	if (question->protocol == PROTOCOL_OTHER ||
		(question->protocol == PROTOCOL_ICMP_ECHO && !echoes))
		assert_false(there);
	else if (opens)
		assert_true(there || !policy);
	else
		assert_int_equal(there, policy);
}

static void complain(const struct subject *subject, const struct question *question, bool there)
{
	for (size_t i = 0; subject->texts[i]; i++)
		print_message("--- layer %zu\n%s", i, subject->texts[i]);
	fail_msg("%s is %s, which is no loss, in\n%s%s",
		chance_question_text(subject->arena, question), there ? "wider" : "narrower",
		subject->text, say_losses(subject));
}

static bool is_excused(const struct excuses *excuses, const struct question *question, bool wider)
{
	if (wider)
		return excuses->wider;
	return excuses->narrower ||
	       (question->protocol == PROTOCOL_ICMP_ECHO && excuses->no_echo) ||
	       (question->protocol == PROTOCOL_OTHER && excuses->no_protocols);
}

/* Whether the target permits it without the name, too. */
static bool is_open_bare(const struct subject *subject, const struct kubed_packet *packet)
{
	struct kubed_packet bare = *packet;

	bare.name = NULL;
	return kubed_permits(subject->kubed, &bare);
}

static void ask(struct subject *subject, const char *target, const struct question *question,
	struct tally *tally)
{
	char address[INADDR_TEXT], name[NAME_TEXT];
	struct kubed_packet packet = packet_of(question, address, name);
	bool policy = is_reached(subject->layers, question);
	bool there = kubed_permits(subject->kubed, &packet);

	if (!question->name)
		check_bare(subject, target, question, policy, there);
	tally->equal += policy == there;
	tally->wider += there && !policy;
	tally->narrower += policy && !there;
	if (there != policy && !is_excused(&subject->excuses, question, there))
		complain(subject, question, there);
	/* What no client can ask for is not open by name. */
	if (there && question->name && !is_open_bare(subject, &packet))
		assert_true(kubed_asks(subject->kubed, name));
	packet.port = 53;
	packet.protocol = "UDP";
	assert_false(kubed_permits(subject->kubed, &packet));
}

static void try_target(struct arena *arena, const char *target)
{
	struct chance chance = chance_new();
	struct tally tally = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *texts[CHANCE_LAYERS + 1];
		struct subject subject = {.arena = arena, .texts = texts};

		arena_reset(arena);
		if (!compile(&subject, chance_layers(&chance, arena, texts)))
			continue;
		export_as(&subject, target);
		tally.exact += !subject.excuses.wider && !subject.excuses.narrower;
		for (unsigned j = 0; j < QUESTIONS; j++) {
			struct chance_room room;
			struct question question = chance_question(&chance, &room);

			question.address = &room.address;
			question.embedded = false;
			ask(&subject, target, &question, &tally);
		}
		forget(&subject);
	}
	print_message("%s: %u policies held exactly; %u answers equal, %u wider, %u narrower\n",
		target, tally.exact, tally.equal, tally.wider, tally.narrower);
	assert_true(tally.equal > 1000);
}

static void networkpolicy_is_the_policy(void **state)
{
	try_target(*state, "networkpolicy");
}

static void cilium_is_the_policy(void **state)
{
	try_target(*state, "cilium");
}

static void clusternetworkpolicy_is_the_policy(void **state)
{
	try_target(*state, "clusternetworkpolicy");
}

/* --- Cases --- */

static struct subject subject_of(struct arena *arena, const char *target, const char *text)
{
	struct subject subject = {.arena = arena};

	assert_true(compile(&subject, layered_base(arena, text)));
	export_as(&subject, target);
	return subject;
}

static void expect_loss(const struct subject *subject, const char *part)
{
	if (!strstr(say_losses(subject), part))
		fail_msg("no '%s' in %s", part, say_losses(subject));
}

static bool reaches(const struct subject *subject, const char *name, const char *address)
{
	const struct kubed_packet packet = {address, name, "TCP", 443};

	return kubed_permits(subject->kubed, &packet);
}

static void cilium_names(void **state)
{
	struct subject it = subject_of(*state, "cilium",
		"[[allow]]\nhost = ['api.x.example', '*.y.example', '**.z.example']\n"
		"[[deny]]\nhost = 'no.y.example'\n");

	assert_true(reaches(&it, "api.x.example", "9.1.1.1"));
	assert_true(reaches(&it, "API.X.example", "9.1.1.1"));
	assert_true(reaches(&it, "a.y.example", "9.1.1.1"));
	assert_false(reaches(&it, "a.b.y.example", "9.1.1.1"));
	assert_false(reaches(&it, "y.example", "9.1.1.1"));
	assert_true(reaches(&it, "a.b.z.example", "9.1.1.1"));
	assert_false(reaches(&it, "evilz.example", "9.1.1.1"));
	/* An answer opens nothing inside. */
	assert_false(reaches(&it, "api.x.example", "10.1.1.1"));
	assert_false(reaches(&it, "api.x.example", "169.254.169.254"));
	assert_false(reaches(&it, NULL, "9.1.1.1"));
	assert_true(kubed_asks(it.kubed, "a.y.example"));
	assert_false(kubed_asks(it.kubed, "b.x.example"));
	/* It has no way to leave a name out. */
	assert_true(reaches(&it, "no.y.example", "9.1.1.1"));
	expect_loss(&it, "cannot leave out what deny-1 refuses of it, such as no.y.example");
	forget(&it);
}

static void cluster_names(void **state)
{
	struct subject it = subject_of(*state, "clusternetworkpolicy",
		"[[allow]]\nhost = ['api.x.example', '*.y.example', '**.z.example', "
		"'a-*.w.example']\n");

	assert_true(reaches(&it, "api.x.example", "9.1.1.1"));
	assert_true(reaches(&it, "a.b.z.example", "9.1.1.1"));
	assert_false(reaches(&it, "api.x.example", "10.1.1.1"));
	/* One label there is one or more. */
	assert_true(reaches(&it, "a.b.y.example", "9.1.1.1"));
	expect_loss(&it, "'*.y.example' has names of any depth there");
	assert_false(reaches(&it, "a-1.w.example", "9.1.1.1"));
	expect_loss(&it, "'a-*.w.example' is refused: the target has no way to write it");
	forget(&it);
}

static const char *const named[] = {"cilium", "clusternetworkpolicy"};

enum { NAMED = sizeof(named) / sizeof(named[0]) };

static struct subject subject_of_two(
	struct arena *arena, const char *target, const char *base, const char *override)
{
	struct subject subject = {.arena = arena};

	assert_true(compile(&subject, layered_two(arena, base, override)));
	export_as(&subject, target);
	return subject;
}

static void expect_exact(const struct subject *subject)
{
	if (subject->excuses.wider || subject->excuses.narrower)
		fail_msg("losses: %s", say_losses(subject));
}

/* An override judges the address of a name that it does not know. */
static void refused_addresses(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i],
			"[[allow]]\nhost = 'api.x.example'\n[network]\nblock = ['private']\n",
			"[[deny]]\nip = '9.0.0.0/8'\n"
			"[network]\nblock = ['private', 'metadata']\n");

		assert_false(reaches(&it, "api.x.example", "9.1.1.1"));
		assert_false(reaches(&it, "api.x.example", "169.254.169.254"));
		assert_false(reaches(&it, "api.x.example", "10.1.1.1"));
		assert_true(reaches(&it, "api.x.example", "8.1.1.1"));
		expect_exact(&it);
		forget(&it);
	}
}

/* Of two that claim the same addresses the one that denies them has them, wherever it stands. */
static void equal_claims(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i],
			"[[allow]]\nhost = 'api.x.example'\naddresses = 'any'\n",
			"[[allow]]\nip = ['9.1.1.0-9.1.1.9', '10.0.0.0/8']\n"
			"[[deny]]\nip = '9.1.1.5-9.1.1.14'\n"
			"[[allow]]\nip = '9.1.1.6-9.1.1.15'\n[score]\nunknown = 0\n"
			"[network]\nblock = ['private']\n");

		assert_true(reaches(&it, "api.x.example", "9.1.1.2"));
		assert_false(reaches(&it, "api.x.example", "9.1.1.7"));
		assert_true(reaches(&it, "api.x.example", "9.1.1.15"));
		assert_false(reaches(&it, "api.x.example", "10.1.1.1"));
		assert_true(reaches(&it, "api.x.example", "8.1.1.1"));
		expect_exact(&it);
		forget(&it);
	}
}

/* Where no entry of the override names a port, a name that it knows opens nothing that it refuses.
 */
static void unopened_addresses(void **state)
{
	static const char base[] = "[[allow]]\nhost = 'a.x.example'\naddresses = 'any'\n";

	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i], base,
			"mode = 'denylist'\n[[deny]]\nhost = 'a.x.example'\nscore = 0.7\n"
			"[[deny]]\nip = '9.0.0.0/8'\n");

		assert_false(reaches(&it, "a.x.example", "9.1.1.1"));
		assert_true(reaches(&it, "a.x.example", "8.1.1.1"));
		expect_exact(&it);
		forget(&it);
		it = subject_of_two(*state, named[i], base,
			"mode = 'denylist'\n[[deny]]\nhost = 'a.x.example'\nscore = 0.7\n"
			"[[deny]]\nip = '9.0.0.0/8'\n[[allow]]\nhost = 'b.x.example'\n");
		assert_true(reaches(&it, "a.x.example", "9.1.1.1"));
		expect_exact(&it);
		forget(&it);
	}
}

/* Of names that it does know the target opens the same addresses as of those. */
static void refused_for_some(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i],
			"[[allow]]\nhost = ['api.x.example', 'b.x.example']\n",
			"[[allow]]\nhost = 'b.x.example'\naddresses = 'any'\n"
			"[[deny]]\nip = '9.0.0.0/8'\n[score]\nunknown = 0\n");

		assert_true(reaches(&it, "b.x.example", "9.1.1.1"));
		assert_true(reaches(&it, "api.x.example", "9.1.1.1"));
		expect_loss(&it, "its names may have addresses that o1:deny-1 refuses, such as "
				 "9.0.0.0 for api.x.example");
		assert_false(it.excuses.narrower);
		forget(&it);
	}
}

/* A base that permits all that it does not mention has no say about the addresses of names that
 * only the override knows, but by its classes. */
static void names_of_overrides(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i],
			"mode = 'denylist'\n[[allow]]\nip = '169.254.0.0/17'\n"
			"[[allow]]\nhost = 'a.x.example'\naddresses = ['10.0.0.0/8']\n",
			"[[allow]]\nhost = ['a.x.example', 'c.x.example']\n"
			"addresses = 'any'\nip = '192.0.2.1'\n");

		assert_true(reaches(&it, "c.x.example", "169.254.0.1"));
		assert_false(reaches(&it, "c.x.example", "169.254.128.1"));
		assert_true(reaches(&it, "a.x.example", "10.1.2.3"));
		expect_loss(&it, "its names may have addresses that allow-2:addresses refuses");
		assert_false(it.excuses.narrower);
		assert_true(kubed_asks(it.kubed, "c.x.example"));
		forget(&it);
	}
}

/* What an entry believes is what its names may have, if there are no others on its ports. */
static void believed_addresses(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of(*state, named[i],
			"[[allow]]\nhost = 'a.x.example'\naddresses = ['10.0.0.0/8']\n"
			"[[allow]]\nhost = 'b.x.example'\nports = ['80']\n"
			"[[allow]]\nhost = 'c.x.example'\nports = ['81']\naddresses = 'any'\n"
			"[[allow]]\nip = '9.1.1.1'\n");

		assert_true(reaches(&it, "a.x.example", "10.1.2.3"));
		assert_true(reaches(&it, "a.x.example", "9.1.1.1"));
		assert_false(reaches(&it, "a.x.example", "9.1.1.2"));
		assert_false(reaches(&it, "a.x.example", "2600::1"));
		expect_exact(&it);
		forget(&it);
		it = subject_of(*state, named[i],
			"[[allow]]\nhost = 'a.x.example'\naddresses = ['10.0.0.0/8']\n"
			"[[allow]]\nhost = 'b.x.example'\n");
		assert_true(reaches(&it, "b.x.example", "10.1.2.3"));
		assert_true(reaches(&it, "a.x.example", "9.1.1.2"));
		assert_false(reaches(&it, "a.x.example", "192.168.0.1"));
		expect_loss(&it, "its names may have addresses that allow-1:addresses refuses");
		expect_loss(&it, "its names may have addresses that allow-2:addresses refuses, "
				 "such as 10.0.0.0 for b.x.example");
		forget(&it);
	}
}

/* A layer that observes refuses no address of its names. */
static void observed_addresses(void **state)
{
	for (size_t i = 0; i < NAMED; i++) {
		struct subject it = subject_of_two(*state, named[i],
			"enforcement = 'observe'\n[[allow]]\nhost = 'a.x.example'\n",
			"[[allow]]\nhost = 'a.x.example'\naddresses = ['10.0.0.0/8']\n");

		assert_true(reaches(&it, "a.x.example", "10.1.2.3"));
		assert_false(reaches(&it, "a.x.example", "9.1.1.1"));
		expect_exact(&it);
		forget(&it);
	}
}

/* Patterns of a layer may have those of a wildcard's names that none of its hosts has. */
static void wildcards_and_patterns(void **state)
{
	struct subject it = subject_of_two(*state, "cilium", "[[allow]]\nhost = '**.x.example'\n",
		"[[allow]]\nhost = '*.x.example'\n"
		"[[deny]]\nhost_pattern = '^a'\n[score]\nunknown = 0\n");

	assert_true(reaches(&it, "a.b.x.example", "9.1.1.1"));
	expect_loss(&it, "'**.x.example' cannot leave out what a pattern of o1:deny-1 refuses");
	forget(&it);
	it = subject_of_two(*state, "cilium", "[[allow]]\nhost = '**.x.example'\n",
		"[[allow]]\nhost = '*.x.example'\n[[allow]]\nhost_pattern = 'z'\n");
	assert_false(reaches(&it, "a.b.x.example", "9.1.1.1"));
	assert_true(reaches(&it, "a.x.example", "9.1.1.1"));
	expect_loss(&it, "'**.x.example' is refused where patterns decide about it");
	forget(&it);
	it = subject_of_two(*state, "cilium", "[[allow]]\nhost = '*.x.example'\n",
		"[[allow]]\nhost_pattern = '^a'\naddresses = ['10.0.0.0/8']\n"
		"[score]\nunknown = 0\n");
	assert_true(reaches(&it, "a.x.example", "9.1.1.1"));
	expect_loss(&it, "its names may have addresses that o1:allow-1:addresses refuses");
	forget(&it);
}

/* A wildcard of any depth beside others for each depth that they have. */
static void deep_wildcards(void **state)
{
	struct subject it = subject_of_two(*state, "cilium", "[[allow]]\nhost = '**.x.example'\n",
		"[[allow]]\nhost = ['*.x.example', '*.*.x.example']\n");

	assert_true(reaches(&it, "a.b.x.example", "9.1.1.1"));
	assert_false(reaches(&it, "a.b.c.x.example", "9.1.1.1"));
	expect_exact(&it);
	forget(&it);
}

/* Without a name that can be written no DNS is needed. */
static void only_patterns(void **state)
{
	struct subject it = subject_of(*state, "cilium", "[[allow]]\nhost_pattern = '^a'\n");

	assert_false(kubed_asks(it.kubed, "a.x.example"));
	expect_loss(&it, "names that match 'host_pattern' are refused");
	forget(&it);
}

static void nothing_is_permitted(void **state)
{
	static const char *const targets[] = {"networkpolicy", "cilium", "clusternetworkpolicy"};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct subject it = subject_of(*state, targets[i], "allow = []\n");

		assert_false(reaches(&it, "api.x.example", "9.1.1.1"));
		assert_false(losses_have(it.losses, LOSS_WIDER));
		assert_false(losses_have(it.losses, LOSS_NARROWER));
		assert_null(strstr(it.text, "kube-dns"));
		forget(&it);
	}
}

static void what_is_counted_is_lost(void **state)
{
	struct subject it = subject_of(*state, "cilium",
		"[[allow]]\nip = '9.1.0.0/16'\nconnections = '5/minute'\nexpires = 2030-01-01\n"
		"[limits]\nbytes = '1 GiB'\n[scope]\nusers = [0]\n"
		"[dns]\ndnssec = 'require'\n[dns.hosts]\n'a.x.example' = ['9.1.0.1']\n");

	expect_loss(&it, "its limits are not kept");
	expect_loss(&it, "it expires");
	expect_loss(&it, "[limits] bytes");
	expect_loss(&it, "[scope]");
	expect_loss(&it, "[dns.hosts]");
	expect_loss(&it, "dnssec");
	forget(&it);
}

/* What is too much for one object is in several, and the same. */
static void many_addresses(void **state)
{
	static const char *const targets[] = {"networkpolicy", "cilium", "clusternetworkpolicy"};
	char text[1 << 18] = "[[allow]]\nip = [";
	size_t length = strlen(text);

	for (unsigned i = 0; i < 9000; i++)
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "'9.%u.%u.1',", i / 256, i % 256);
	snprintf(text + length, sizeof(text) - length, "]\n");
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct subject it = subject_of(*state, targets[i], text);

		assert_true(kubed_objects(it.kubed) == (i == 0 ? 3 : 1));
		assert_true(reaches(&it, NULL, "9.0.0.1"));
		assert_true(reaches(&it, NULL, "9.35.39.1"));
		assert_false(reaches(&it, NULL, "9.35.39.2"));
		assert_false(reaches(&it, NULL, "9.36.0.1"));
		forget(&it);
	}
}

static void labels(void **state)
{
	static const char *const good[] = {"a=b", "example.com/app=web", "a=", "A_b.c=x-1"};
	static const char *const bad[] = {
		"", "a", "=b", "-a=b", "a=b c", "a=-b", "/a=b", "a/b/c=d", "a=b\n"};
	struct kube_label label;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(kube_label_from_text(*state, good[i], &label), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(kube_label_from_text(*state, bad[i], &label), 0);
	assert_true(kube_is_name("a-b1"));
	assert_false(kube_is_name("A"));
	assert_false(kube_is_name("a."));
	assert_false(kube_is_name(""));
}

static void targets(void **state)
{
	char names[80];

	(void)state;
	assert_string_equal(backend_find("nft")->name, "nft");
	assert_null(backend_find("nf"));
	assert_null(backend_find(""));
	assert_string_equal(backend_names(names, sizeof(names)),
		"nft, networkpolicy, cilium, clusternetworkpolicy, sidecar");
	assert_string_equal(backend_names(names, 6), "nft, ");
}

static int setup(void **state)
{
	return arena_new((size_t)1 << 30, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(networkpolicy_is_the_policy),
		TEST(cilium_is_the_policy),
		TEST(clusternetworkpolicy_is_the_policy),
		TEST(cilium_names),
		TEST(cluster_names),
		TEST(refused_addresses),
		TEST(unopened_addresses),
		TEST(equal_claims),
		TEST(refused_for_some),
		TEST(names_of_overrides),
		TEST(believed_addresses),
		TEST(observed_addresses),
		TEST(wildcards_and_patterns),
		TEST(deep_wildcards),
		TEST(only_patterns),
		TEST(nothing_is_permitted),
		TEST(what_is_counted_is_lost),
		TEST(many_addresses),
		TEST(labels),
		TEST(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
