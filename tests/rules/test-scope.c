/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/scope.h"
#include "src/base/arena.h"
#include "tests/rules/layered.h"

static int setup(void **state)
{
	return arena_new(64 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static const struct scope *scope(struct arena *arena, const char *text)
{
	return &layered_base(arena, text)->layers[0].policy->scope;
}

static const char all_parts[] = "[scope]\nusers = [7, 'root']\ngroups = [8]\n"
				"cgroups = ['system.slice/agent.service']\n"
				"interfaces = ['docker0', 'veth*']\nsources = ['10.88.0.0/16']\n";

static void test_any_part_says_so(void **state)
{
	static const struct explain_as in[] = {{.user = "7"}, {.user = "root"}, {.user = "0"},
		{.user = "1", .group = "8"}, {.cgroup = "/system.slice/agent.service"},
		{.cgroup = "system.slice/agent.service"},
		{.cgroup = "system.slice/agent.service/run-1"}, {.interface = "docker0"},
		{.interface = "veth"}, {.interface = "veth12"}, {.source = "10.88.1.2"},
		{.source = "::ffff:10.88.1.2"}, {.source = "10.89.1.2", .interface = "docker0"}};
	static const struct explain_as out[] = {{NULL}, {.user = "8"}, {.group = "7"},
		{.user = "1", .group = "root"}, {.cgroup = "system.slice/agent.service2"},
		{.cgroup = "system.slice"}, {.cgroup = "agent.service"}, {.cgroup = ""},
		{.interface = "docker01"}, {.interface = "vet"}, {.source = "10.89.1.2"},
		{.source = "2001:db8::1"}};
	const struct scope *it = scope(*state, all_parts);
	bool has;

	assert_true(scope_is_given(it));
	assert_false(scope_is_forwarded(it));
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		assert_int_equal(scope_has(it, &in[i], &has), 0);
		if (!has)
			fail_msg("not in scope: %zu", i);
	}
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		assert_int_equal(scope_has(it, &out[i], &has), 0);
		if (has)
			fail_msg("in scope: %zu", i);
	}
}

static void test_no_scope(void **state)
{
	const struct scope *it = scope(*state, "");
	bool has = false;

	assert_false(scope_is_given(it));
	assert_false(scope_is_forwarded(it));
	assert_int_equal(scope_has(it, &(struct explain_as){NULL}, &has), 0);
	assert_true(has);
}

static void test_what_passes_through(void **state)
{
	assert_true(scope_is_forwarded(scope(*state, "[scope]\ninterfaces = ['docker0']\n")));
	assert_true(scope_is_given(scope(*state, "[scope]\nsources = ['10.88.0.0/16']\n")));
	assert_false(scope_is_forwarded(
		scope(*state, "[scope]\nusers = [7]\nsources = ['10.88.0.0/16']\n")));
}

static void test_nobody(void **state)
{
	static const struct explain_as nobody[] = {{.user = "no-such-user-here"},
		{.group = "no-such-group-here"}, {.user = ""}, {.source = "10.0.0.0/8"},
		{.source = "docker0"}, {.user = "99999999999"}, {.user = "-1"},
		{.interface = "docker0", .user = "no-such-user-here"}};
	const struct scope *it = scope(*state, all_parts);
	bool has = true;

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		if (scope_has(it, &nobody[i], &has) != -ESRCH)
			fail_msg("taken: %zu", i);
		assert_true(has);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any_part_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_passes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
