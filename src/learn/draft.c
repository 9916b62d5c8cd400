/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/draft.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/compile.h"
#include "rules/lint.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/memstream.h"

#define CHECK_ARENA_MAX ((size_t)2 << 30)

int draft_new(struct arena *arena, size_t n_profiles, size_t n_entries, struct draft *ret_draft)
{
	struct draft draft = {
		.arena = arena,
		.profiles = arena_array(arena, n_profiles + 1, sizeof(*draft.profiles)),
		.entries = arena_array(arena, n_entries + 1, sizeof(*draft.entries)),
	};

	if (!draft.profiles || !draft.entries)
		return -ENOMEM;
	*ret_draft = draft;
	return 0;
}

const char *draft_name(const char *text, char out[DRAFT_NAME])
{
	size_t length = 0;

	for (; *text && length + 1 < DRAFT_NAME; text++) {
		if (isalnum((unsigned char)*text) && (unsigned char)*text < 0x80)
			out[length++] = text_lower(*text);
		else if (length > 0 && out[length - 1] != '-')
			out[length++] = '-';
	}
	while (length > 0 && out[length - 1] == '-')
		length--;
	out[length] = '\0';
	if (length == 0)
		memcpy(out, "project", sizeof("project"));
	return out;
}

static int put_profiles(const struct draft *draft, FILE *out)
{
	size_t used = 0;
	int error = 0;

	for (size_t i = 0; i < draft->n_profiles; i++)
		used += !draft->profiles[i].against;
	if (draft->n_profiles == 0)
		return 0;
	fputs(used > 0 ? "\nprofiles = [\n" : "\n# No profile:\n", out);
	for (size_t i = 0; i < draft->n_profiles && !error; i++) {
		const struct draft_profile *profile = &draft->profiles[i];

		error = entry_lines_put_notes(profile->notes, used > 0 ? "\t" : "", out);
		if (!error)
			error = entry_lines_put_notes(profile->against, used > 0 ? "\t" : "", out);
		fprintf(out, "%s%s\"%s\",\n", used > 0 ? "\t" : "", profile->against ? "#" : "",
			profile->name);
	}
	if (used > 0)
		fputs("]\n", out);
	return error;
}

static int write_draft(const struct draft *draft, FILE *out)
{
	int error = entry_lines_put_notes(draft->head, "", out);

	fprintf(out, "version = 1\nname = \"%s\"\n%s", draft->name, draft->top ? draft->top : "");
	if (!error)
		error = put_profiles(draft, out);
	fputs(draft->tail ? draft->tail : "", out);
	if (!error)
		error = entry_lines_put_all(draft->entries, draft->n_entries, out);
	if (!error && draft->end) {
		fputc('\n', out);
		error = entry_lines_put_notes(draft->end, "", out);
	}
	return error;
}

int draft_text(const struct draft *draft, char **ret_text, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	int error = out ? write_draft(draft, out) : -ENOMEM;

	if (out && fclose(out) != 0 && !error)
		error = -ENOMEM;
	if (error) {
		free(text);
		return error;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}

int draft_check(const char *file, const char *text, size_t size, const char *const *profile_dirs,
	size_t n_profile_dirs, FILE *out)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct compile_options options = {
		.policy = file,
		.text = text,
		.size = size,
		.profile_dirs = profile_dirs,
		.n_profile_dirs = n_profile_dirs,
	};
	struct compiled compiled;
	struct diag *diag;
	int error = arena_new(CHECK_ARENA_MAX, &arena);

	diag = error ? NULL : diag_new(arena);
	if (!diag)
		return -ENOMEM;
	error = compile_policy(arena, &options, diag, &compiled);
	if (error == 0)
		error = lint(arena, &compiled, profile_dirs, n_profile_dirs, diag);
	if (error == -EINVAL || diag_failed(diag)) {
		diag_print(diag, out);
		return -EINVAL;
	}
	return error;
}

const char *draft_safe_tail(struct arena *arena, const char *name, size_t destinations)
{
	size_t most = 2 * destinations + 32;

	return arena_printf(arena,
		"\n# Addresses of these classes stay closed, whatever a name resolves to.\n"
		"[network]\n"
		"block = [\"private\", \"shared\", \"link-local\", \"loopback\", \"metadata\", "
		"\"multicast\", \"reserved\", \"doh\"]\n"
		"\n# Far more than a build needs, and far less than a flood.\n"
		"[limits]\n"
		"connections = \"1200/minute\"\n"
		"queries = \"100/second\"\n"
		"bytes = \"2 GiB\"\n"
		"\n# What is beyond it is reported; \"refuse\" refuses it.\n"
		"[budget]\n"
		"destinations = %zu\n"
		"wildcard_names = 64\n"
		"on_exceed = \"flag\"\n"
		"\n# With a path, what is permitted is recorded, too: egress-learn drift reads "
		"it.\n"
		"[audit]\n"
		"allowed = true\n"
		"#path = \"/var/log/egress/%s.jsonl\"\n",
		most, name);
}
