/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run-state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

/* As the XDG base directory specification has it: what isn't absolute is passed over. */
static char *find_folder(void)
{
	const char *own = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int length = -1;

	if (geteuid() == 0)
		return strdup("/var/lib/egress");
	if (is_absolute(own))
		length = asprintf(&path, "%s/egress", own);
	else if (is_absolute(home))
		length = asprintf(&path, "%s/.local/state/egress", home);
	return length < 0 ? NULL : path;
}

/* All that is missing of it. */
static bool make_folders(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		bool made;

		*at = '\0';
		made = mkdir(path, 0700) == 0 || errno == EEXIST;
		*at = '/';
		if (!made)
			return false;
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

char *run_state_folder(void)
{
	char *path = find_folder();

	if (path && make_folders(path) && access(path, W_OK | X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

const char *run_state_name(char out[RUN_STATE_NAME])
{
	struct timespec now;
	struct tm broken;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &broken);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &broken);
	snprintf(out, RUN_STATE_NAME, "%s.%06ldZ-%d", date, now.tv_nsec / 1000, (int)getpid());
	return out;
}
