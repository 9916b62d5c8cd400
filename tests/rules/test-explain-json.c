/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/rules/chance.h"
#include "tests/rules/explaining.h"
#include "tests/rules/layered.h"

/* Explanations as JSON, and, since that is what can be looked at, of any policies. */

static int setup(void **state)
{
	return arena_new(256 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const json_t *at(const json_t *value, const char *path)
{
	char copy[64], *rest = copy, *step;

	snprintf(copy, sizeof(copy), "%s", path);
	while (value && (step = strsep(&rest, ".")))
		value = json_is_array(value) ? json_array_get(value, strtoul(step, NULL, 10))
					     : json_object_get(value, step);
	if (!value)
		fail_msg("nothing at %s", path);
	return value;
}

static const char *string_at(const json_t *value, const char *path)
{
	return json_string_value(at(value, path));
}

static json_t *say_json(struct arena *arena, const struct compiled *compiled,
	const char *destination, const struct explain_as *as)
{
	json_error_t error;
	bool permitted;
	const char *text = explaining_say(arena, compiled, destination, as, true, &permitted);
	json_t *value = json_loads(text, 0, &error);

	if (!value)
		fail_msg("%s: %s", error.text, text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal(json_boolean_value(at(value, "permitted")), permitted);
	return value;
}

static void test_json(void **state)
{
	struct compiled compiled = explaining_compile(
		*state, layered_two(*state,
				"[[allow]]\nhost = '**.example.com'\nports = ['443', '80']\n"
				"reason = 'our own'\ncategory = 'api'\n"
				"[[allow]]\nhost = '*.example.com'\n",
				"[[deny]]\nip = '9.0.0.0/8'\n"));
	json_t *value = say_json(*state, &compiled, "a.example.com", NULL);

	assert_string_equal(string_at(value, "destination.name"), "a.example.com");
	assert_true(json_is_null(at(value, "destination.protocol")));
	assert_true(json_is_null(at(value, "destination.port")));
	assert_true(json_is_true(at(value, "in_scope")));
	assert_string_equal(string_at(value, "verdict"), "permit");
	assert_string_equal(string_at(value, "rule"), "allow-1");
	assert_true(json_real_value(at(value, "score")) == -1.0);
	assert_int_equal(json_array_size(at(value, "ports")), 3);
	assert_string_equal(string_at(value, "ports.0.ports.0"), "tcp/80");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.id"), "allow-1");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.kind"), "host");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.match"), "**.example.com");
	assert_string_equal(
		string_at(value, "ports.0.layers.0.winner.text"), "**.example.com tcp/443, tcp/80");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.reason"), "our own");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.category"), "api");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.file"), "base.toml");
	assert_int_equal(json_integer_value(at(value, "ports.0.layers.0.winner.line")), 3);
	assert_int_equal(json_integer_value(at(value, "ports.0.layers.0.winner.column")), 8);
	assert_string_equal(string_at(value, "ports.1.rule"), "allow-2");
	assert_string_equal(string_at(value, "ports.1.layers.0.beaten.0.id"), "allow-1");
	assert_string_equal(string_at(value, "ports.1.layers.0.beaten.0.why"),
		"which is as specific, but reaches deeper");
	assert_int_equal(json_integer_value(at(value, "ports.1.layers.0.n_beaten")), 1);
	assert_true(json_is_null(at(value, "ports.1.layers.1.winner")));
	assert_true(json_is_null(at(value, "ports.1.layers.1.score")));
	assert_string_equal(string_at(value, "ports.1.layers.1.file"), "o1.toml");
	assert_string_equal(string_at(value, "ports.2.ports.0"), "other");
	assert_string_equal(string_at(value, "ports.2.verdict"), "refuse");
	assert_string_equal(string_at(value, "ports.2.rule"), "default-deny");
	assert_true(json_real_value(at(value, "ports.2.score")) == 1.0);
	assert_int_equal(json_array_size(at(value, "notes")), 4);
	assert_string_equal(string_at(value, "notes.1"),
		"override 1 (o1.toml) judges each as an address without a name");
	assert_true(json_is_null(at(value, "special")));
	assert_int_equal(json_array_size(at(value, "limits")), 2);
	assert_string_equal(string_at(value, "limits.0.rule"), "allow-1");
	assert_string_equal(string_at(value, "limits.0.domain"), "example.com");
	assert_string_equal(string_at(value, "limits.0.wildcard_bytes"), "2000/minute");
	assert_string_equal(string_at(value, "limits.0.wildcard_answer_bytes"), "16000/minute");
	assert_true(json_is_null(at(value, "limits.0.wildcard_names")));
	assert_string_equal(string_at(value, "limits.0.on_exceed"), "flag");
	assert_true(json_real_value(at(value, "limits.0.shape")) == 0);
	assert_true(json_real_value(at(value, "limits.0.score")) == -1.0);
	assert_string_equal(string_at(value, "limits.0.verdict"), "permit");
	json_decref(value);

	value = say_json(*state, &compiled, "udp/10.0.0.1:53", NULL);
	assert_string_equal(string_at(value, "destination.address"), "10.0.0.1");
	assert_string_equal(string_at(value, "destination.protocol"), "udp");
	assert_int_equal(json_integer_value(at(value, "destination.port")), 53);
	json_decref(value);
	value = say_json(*state, &compiled, "10.0.0.1", NULL);
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.id"), "block-private");
	assert_string_equal(string_at(value, "ports.0.layers.0.winner.kind"), "class");
	assert_true(json_is_null(at(value, "ports.0.layers.0.winner.file")));
	assert_true(json_is_null(at(value, "ports.0.layers.0.winner.text")));
	json_decref(value);
	value = say_json(*state, &compiled, "127.0.0.1", NULL);
	assert_string_equal(string_at(value, "rule"), "loopback");
	assert_true(json_is_null(at(value, "score")));
	assert_int_equal(json_array_size(at(value, "ports")), 0);
	json_decref(value);
}

static void test_json_special(void **state)
{
	struct compiled compiled = explaining_compile(*state, layered_base(*state, "allow = []\n"));
	json_t *value = say_json(*state, &compiled, "localhost:80", NULL);

	assert_true(json_is_true(at(value, "permitted")));
	assert_string_equal(string_at(value, "rule"), "special-name");
	assert_true(json_is_null(at(value, "score")));
	assert_int_equal(json_array_size(at(value, "ports")), 0);
	assert_string_equal(string_at(value, "special.name"), "localhost");
	assert_string_equal(string_at(value, "special.what"), "this host (RFC 6761 section 6.3)");
	assert_string_equal(string_at(value, "special.answer"), "addresses");
	assert_string_equal(string_at(value, "special.addresses.1"), "::1");
	assert_true(json_is_false(at(value, "special.yields")));
	assert_int_equal(json_array_size(at(value, "limits")), 0);
	json_decref(value);
	value = say_json(*state, &compiled, "a.home.arpa", NULL);
	assert_string_equal(string_at(value, "verdict"), "refuse");
	assert_string_equal(string_at(value, "special.answer"), "nxdomain");
	assert_int_equal(json_array_size(at(value, "special.addresses")), 0);
	assert_true(json_is_true(at(value, "special.yields")));
	json_decref(value);
	value = say_json(*state, &compiled, "home.arpa", NULL);
	assert_string_equal(string_at(value, "special.answer"), "nodata");
	json_decref(value);
	value = say_json(*state, &compiled, "1.0.0.10.in-addr.arpa", NULL);
	assert_string_equal(string_at(value, "special.answer"), "reverse");
	json_decref(value);
}

static void test_json_out_of_scope(void **state)
{
	struct compiled compiled =
		explaining_compile(*state, layered_base(*state, "[scope]\nusers = [7]\n"));
	json_t *value =
		say_json(*state, &compiled, "b.example.com", &(struct explain_as){.user = "9"});

	assert_true(json_is_false(at(value, "in_scope")));
	assert_true(json_is_true(at(value, "permitted")));
	assert_string_equal(string_at(value, "rule"), "out-of-scope");
	json_decref(value);
}

/* --- What holds of any policies --- */

/* With a port, the verdict, and for names and addresses alike the rule, are those of judge(). */
static void test_at_random(void **state)
{
	struct chance chance = chance_new();

	for (unsigned round = 0; round < 150; round++) {
		const char *texts[CHANCE_LAYERS + 1];
		const struct layers *layers = chance_layers(&chance, *state, texts);
		struct compiled compiled = explaining_compile(*state, layers);

		for (unsigned i = 0; i < 20; i++) {
			struct chance_room room;
			struct question question = chance_question(&chance, &room);
			struct judgement judgement;
			char rule[RULE_ID_MAX], text[INADDR_TEXT + NAME_TEXT], *destination;
			json_t *value;

			if (question.protocol > PROTOCOL_UDP)
				continue;
			if (question.name)
				question.address = NULL;
			judge(layers, &question, &judgement);
			judgement_rule(layers, &judgement, rule);
			if (question.name)
				name_to_text(question.name, text);
			else
				inaddr_to_text(question.address, text);
			destination =
				arena_printf(*state, strchr(text, ':') ? "%s/[%s]:%u" : "%s/%s:%u",
					question.protocol == PROTOCOL_TCP ? "tcp" : "udp", text,
					question.port);
			value = say_json(*state, &compiled, destination, NULL);
			assert_int_equal(json_is_true(at(value, "permitted")),
				judgement.verdict != VERDICT_REFUSE);
			assert_string_equal(string_at(value, "rule"), rule);
			assert_int_equal(json_array_size(at(value, "ports")), 1);
			json_decref(value);
		}
		arena_reset(*state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_special, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_out_of_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
