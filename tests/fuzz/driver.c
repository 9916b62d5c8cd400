/* SPDX-License-Identifier: GPL-2.0-or-later */

/* In the place of libFuzzer's main: runs each input file, and each file of a folder, once.
 * Arguments that begin with '-' are libFuzzer's own and are passed over. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/fd.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX ((size_t)1 << 20)

static unsigned inputs;

static int run_file(const char *path)
{
	uint8_t *bytes = NULL;
	uint8_t *exact;
	size_t size;
	int error = fd_read_file(path, INPUT_MAX, &bytes, &size);

	if (error < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-error));
		return error;
	}
	/* Without the NUL behind the end, so that a read of it is seen. */
	exact = malloc(size ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, bytes, size);
	free(bytes);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	inputs++;
	return 0;
}

static int run_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	int error = count < 0 ? -1 : 0;

	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && run_file(file) < 0)
			error = -1;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return error;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat status;

		if (argv[i][0] == '-')
			continue;
		if (stat(argv[i], &status) < 0) {
			perror(argv[i]);
			failed = 1;
		} else if (S_ISDIR(status.st_mode)) {
			failed |= run_folder(argv[i]) < 0;
		} else {
			failed |= run_file(argv[i]) < 0;
		}
	}
	printf("%u inputs\n", inputs);
	return failed;
}
