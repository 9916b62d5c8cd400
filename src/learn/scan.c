/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/scan.h"

#include <errno.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/learn/glob.h"
#include "src/learn/language.h"
#include "src/learn/manifest.h"
#include "src/learn/source.h"

/*
 * Theory of operation
 *
 * A file's name says how it is read: as a declaration, as source of a language, or not at all, and
 * then it isn't opened. Where it lies says what it weighs: what is in tests, in others' code and in
 * documentation is not what the project itself reaches. Sizes are bounded; what is larger is
 * counted, and said at the end.
 */

#define MANIFEST_MAX ((size_t)32 << 20)
#define SOURCE_MAX ((size_t)4 << 20)

enum { PROGRESS_FILES = 256, SNIFF = 4096 };

struct scan {
	struct arena *arena;
	const struct scan_options *options;
	struct manifest_context context;
	struct scan_counts counts;
	bool out_of_memory;
};

/* --- Where a file lies --- */

static const char *const test_folders[] = {"__fixtures__", "__mocks__", "__tests__", "bench",
	"benchmark", "benchmarks", "demo", "demos", "e2e", "example", "examples", "fixture",
	"fixtures", "mock", "mocks", "sample", "samples", "spec", "specs", "test", "test-data",
	"testdata", "testing", "tests"};

static const char *const vendor_folders[] = {"3rdparty", "extern", "external", "third-party",
	"third_party", "thirdparty", "vendor", "vendored"};

static const char *const doc_folders[] = {
	"doc", "docs", "documentation", "licences", "licenses", "LICENSES", "man", "po"};

static const char *const test_files[] = {"*.spec.*", "*.test.*", "*Test.java", "*Test.kt",
	"*Tests.cs", "*_spec.rb", "*_test.*", "conftest.py", "test-*", "test_*"};

/* Made from other files, or from the registries. */
static const char *const left_out[] = {".bzr", ".gradle", ".hg", ".mypy_cache", ".pytest_cache",
	".ruff_cache", ".svn", ".terraform", ".tox", ".venv", "__pycache__", "bower_components",
	"node_modules", "site-packages", "venv"};

#define IS_ONE_OF(word, list) is_one_of(word, list, sizeof(list) / sizeof((list)[0]))

static bool is_one_of(struct text word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text_is(word, list[i]))
			return true;
	return false;
}

static enum evidence_origin origin_of(struct text path)
{
	enum evidence_origin origin = EVIDENCE_OWN;
	struct text part;

	while (text_cut(path, '/', &part, &path)) {
		if (IS_ONE_OF(part, vendor_folders))
			return EVIDENCE_VENDOR;
		if (IS_ONE_OF(part, doc_folders))
			origin = EVIDENCE_DOCS;
		else if (origin == EVIDENCE_OWN && IS_ONE_OF(part, test_folders))
			origin = EVIDENCE_TESTS;
	}
	for (size_t i = 0; i < sizeof(test_files) / sizeof(test_files[0]); i++)
		if (origin == EVIDENCE_OWN && glob_matches(text_of(test_files[i]), part))
			origin = EVIDENCE_TESTS;
	return origin;
}

static bool skip_folder(void *context, struct text path, const char *name)
{
	(void)context;
	(void)path;
	return IS_ONE_OF(text_of(name), left_out);
}

/* --- Files --- */

static bool is_binary(struct text text)
{
	return memchr(text.start, '\0', text.length < SNIFF ? text.length : SNIFF);
}

static bool read_file(
	struct scan *scan, const struct tree_file *file, size_t limit, struct text *ret_text)
{
	if (!tree_read(file, limit, ret_text))
		return false;
	scan->counts.read++;
	scan->counts.bytes += ret_text->length;
	return ret_text->length > 0 && !is_binary(*ret_text);
}

static void scan_source(struct scan *scan, const struct language *language, struct text text)
{
	source_scan(scan->context.evidence, scan->context.categories, text, language,
		language->kind, 1);
}

static void note_malformed(struct scan *scan, const struct tree_file *file)
{
	if (scan->counts.malformed++ == 0)
		scan->counts.first_malformed =
			arena_strndup(scan->arena, file->path.start, file->path.length);
}

static void scan_manifest(
	struct scan *scan, const struct manifest *manifest, const struct tree_file *file)
{
	const struct language *language = language_of_name(text_of(file->name));
	struct text text;
	int error;

	if (!read_file(scan, file, MANIFEST_MAX, &text))
		return;
	error = manifest_read(manifest, &scan->context, text);
	scan->out_of_memory |= error == -ENOMEM;
	/* Templates are no documents yet, and not a mistake of anybody's. */
	if (error == -EBADMSG && !memmem(text.start, text.length, "{{", 2))
		note_malformed(scan, file);
	if (language && (error == -EBADMSG || manifest_is_source(manifest)))
		scan_source(scan, language, text);
}

static void visit(void *context, const struct tree_file *file)
{
	struct scan *scan = context;
	const struct scan_options *options = scan->options;
	const struct manifest *manifest;
	const struct language *language;
	enum evidence_origin origin = origin_of(file->path);
	struct text text;

	if (++scan->counts.tree.files % PROGRESS_FILES == 0 && options->progress)
		options->progress(options->context, scan->counts.tree.files, scan->counts.bytes);
	if (origin == EVIDENCE_DOCS)
		return;
	manifest = manifest_find(file->path);
	language = manifest ? NULL : language_of_name(text_of(file->name));
	if (!manifest && !language && strchr(file->name, '.'))
		return;
	evidence_file(scan->context.evidence, file->path, origin);
	if (manifest) {
		scan_manifest(scan, manifest, file);
		return;
	}
	if (!read_file(scan, file, SOURCE_MAX, &text))
		return;
	if (!language)
		language = language_of_text(text);
	if (language)
		scan_source(scan, language, text);
}

int scan_tree(struct arena *arena, const struct scan_options *options, struct evidence *evidence,
	struct scan_counts *ret_counts)
{
	struct scan scan = {
		.arena = arena,
		.options = options,
		.context = {evidence, options->categories},
	};
	const struct tree_options tree = {
		.all = options->all,
		.visit = visit,
		.skip = skip_folder,
		.context = &scan,
	};
	int error = tree_walk(options->folder, &tree, &scan.counts.tree);

	if (error == 0 && scan.out_of_memory)
		error = -ENOMEM;
	if (error == 0)
		*ret_counts = scan.counts;
	return error;
}
