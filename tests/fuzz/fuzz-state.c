/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Files in which sessions are kept, which may be anybody's: a running one, and lines of those that
 * are over. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/event/session.h"
#include "tests/fuzz/fuzz.h"

static struct session *make(void)
{
	const struct session_config config = {.policy = "fuzz", .ceilings = {.destinations = 100}};
	struct session *session;

	fuzz_require(session_new(&config, &session) == 0, "memory for a session");
	return session;
}

/* What was taken in is given out again, and taken in as it is given out. */
static void check_session(const char *text, size_t size)
{
	static char saved[SESSION_SAVED], again[SESSION_SAVED];
	struct session *session = make(), *next = make();
	int error = session_restore(session, text, size), length;

	fuzz_require(error == 0 || error == -EINVAL || error == -ENOMEM, "a known error");
	length = session_save(session, saved, sizeof(saved));
	fuzz_require(length > 0, "a session is saved");
	fuzz_require(session_restore(next, saved, (size_t)length) == 0, "and goes on");
	fuzz_require(session_save(next, again, sizeof(again)) == length &&
			     memcmp(saved, again, (size_t)length) == 0,
		"as the same");
	session_pass(session, INT64_C(2000000000000));
	session_end(session, INT64_C(2000000001000));
	session_free(session);
	session_free(next);
}

static void check_baseline(const char *text, size_t size)
{
	struct census census = {.n_rows = 0};
	struct baseline *baseline;
	unsigned bad = 0;
	double likelihood;

	fuzz_require(baseline_new(&baseline) == 0, "memory for a baseline");
	baseline_read_all(baseline, text, size, &bad);
	fuzz_require(bad <= size, "a bad line has a byte at least");
	fuzz_require(baseline_sessions(baseline) <= BASELINE_SESSIONS, "no more than are kept");
	census_add(&census, "docs", 20);
	census_add(&census, NULL, 20);
	likelihood = baseline_likelihood(baseline, &census);
	fuzz_require(likelihood >= 0 && likelihood <= 1, "a likelihood is one");
	fuzz_require(!isnan(baseline_share(baseline, "docs")), "a share is one");
	baseline_free(baseline);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size >= SESSION_SAVED)
		return 0;
	if (data[0] % 2)
		check_session((const char *)data + 1, size - 1);
	else
		check_baseline((const char *)data + 1, size - 1);
	return 0;
}
