/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include <string.h>

#include "src/learn-tasks.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} tasks[] = {
	{"scan", learn_scan},
	{"observe", learn_observe},
	{"drift", learn_drift},
};

enum { N_TASKS = sizeof(tasks) / sizeof(tasks[0]) };

struct command_task learn_task(size_t index)
{
	return (struct command_task){index < N_TASKS ? tasks[index].name : NULL, NULL};
}

int main(int argc, char **argv)
{
	static char name[] = "egress-learn";

	for (size_t i = 0; argc > 1 && i < N_TASKS; i++) {
		if (strcmp(argv[1], tasks[i].name) != 0)
			continue;
		argv[1] = name;
		return tasks[i].run(argc - 1, argv + 1);
	}
	return learn_import(argc, argv);
}
