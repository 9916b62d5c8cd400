/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/learn/probe.h"

/* A file, and what it needs: rows that must be there ("+"), rows that are too little ("-"), in all
 * as many. */
struct manifest_case {
	const char *path;
	const char *text;
	const char *rows[8];
};

static const struct manifest_case cases[] = {
	{"package.json",
		"{\"homepage\": \"https://home.tills.dev\", \"repository\": "
		"\"https://repo.tills.dev\",\n"
		" \"dependencies\": {\"a\": \"^1.0.0\", \"b\": "
		"\"git+ssh://git@code.tills.dev/b.git\",\n"
		"  \"c\": \"https://files.tills.dev/c.tgz\", \"d\": \"owner/d\", \"e\": "
		"\"file:../e\"}}",
		{"+profile npm", "+profile github", "+tcp/22 code.tills.dev",
			"+tcp/443 files.tills.dev"}},
	{"package.json", "{\"dependencies\": {\"e\": \"file:../e\", \"f\": \"workspace:*\"}}",
		{NULL}},
	{"package.json",
		"{\"scripts\": {\"fetch\": \"curl -sO https://get.tills.dev/x && npx -y tool\"}}",
		{"+tcp/443 get.tills.dev", "+profile npm"}},
	{"web/package-lock.json",
		"{\"packages\": {\"node_modules/a\": {\n\"resolved\": "
		"\"https://npm.tills.dev/a.tgz\"},\n"
		"\"node_modules/b\": {\"resolved\": \"git+ssh://git@github.com/o/b.git#1\"}}}",
		{"+tcp/443 npm.tills.dev", "+tcp/22 github.com"}},
	{"pnpm-lock.yaml",
		"packages:\n  /a@1:\n    resolution: {integrity: sha512-x}\n"
		"  b@1:\n    resolution: {tarball: https://codeload.github.com/o/b/tar.gz/1}\n",
		{"+profile npm", "+profile github"}},
	{"yarn.lock", "a@^1:\n  version \"1.0.0\"\n  resolved \"https://npm.tills.dev/a.tgz#1\"\n",
		{"+tcp/443 npm.tills.dev"}},
	{"yarn.lock",
		"\"b@npm:^1\":\n  resolution: \"b@npm:1.0.0\"\n"
		"\"c@x\":\n  resolution: \"c@https://files.tills.dev/c.tgz\"\n",
		{"+profile npm", "+tcp/443 files.tills.dev"}},
	{"yarn.lock", "a@^1:\n  resolved \"http://registry.yarnpkg.com/a.tgz#1\"\n",
		{"+tcp/443 registry.yarnpkg.com"}},
	{"yarn.lock", "a@^1:\n  resolved \"http://npm.tills.dev/a.tgz#1\"\n",
		{"+tcp/80 npm.tills.dev"}},
	{".npmrc",
		"@tills:registry=https://npm.tills.dev/\n//npm.tills.dev/:_authToken=${T}\n"
		"sass_binary_site_mirror=https://bin.tills.dev/x\n",
		{"+tcp/443 npm.tills.dev", "+tcp/443 bin.tills.dev"}},
	{".yarnrc.yml", "npmScopes:\n  tills:\n    npmRegistryServer: \"https://npm.tills.dev\"\n",
		{"+tcp/443 npm.tills.dev"}},
	{"requirements-dev.txt",
		"# https://comment.tills.dev\n--extra-index-url https://pypi.tills.dev/simple\n"
		"flask==3.0\ntill @ https://files.tills.dev/till.whl\n"
		"-e git+https://git.tills.dev/x.git#egg=x\n",
		{"+tcp/443 pypi.tills.dev", "+profile pip", "+tcp/443 files.tills.dev",
			"+tcp/443 git.tills.dev"}},
	{".pypirc", "[tills]\nrepository = https://upload.tills.dev/legacy/\n",
		{"+tcp/443 upload.tills.dev"}},
	{"pyproject.toml",
		"[project]\ndependencies = [\"a>=1\", \"b @ git+https://git.tills.dev/b\"]\n"
		"[project.urls]\nHomepage = \"https://home.tills.dev\"\n"
		"[[tool.uv.index]]\nurl = \"https://pypi.tills.dev/simple\"\n"
		"[[tool.poetry.source]]\nname = \"p\"\nurl = \"https://poetry.tills.dev/simple\"\n",
		{"+profile pip", "+tcp/443 git.tills.dev", "+tcp/443 pypi.tills.dev",
			"+tcp/443 poetry.tills.dev"}},
	{"subprojects/till.wrap",
		"[wrap-file]\ndirectory = till-1\n"
		"source_url = https://files.tills.dev/till.tar.gz\n"
		"source_fallback_url = https://wrapdb.tills.dev/get_source\nsource_hash = 00\n"
		"patch_url = http://patches.tills.dev/get_patch\n[provide]\ntill = till_dep\n",
		{"+tcp/443 files.tills.dev", "+tcp/443 wrapdb.tills.dev",
			"+tcp/80 patches.tills.dev"}},
	{"lib/subprojects/drawer.wrap",
		"[wrap-git]\nurl=https://github.com/tills/drawer.git\nrevision=head\n"
		"push-url=git@push.tills.dev:drawer.git\n[provide]\nurl = https://none.tills.dev\n",
		{"+profile github"}},
	{"CMakeLists.txt",
		"project(till HOMEPAGE_URL https://home.tills.dev)\n"
		"# FetchContent_Declare(a URL https://comment.tills.dev/a.tgz)\n"
		"FetchContent_Declare(drawer\n  GIT_REPOSITORY "
		"https://github.com/tills/drawer.git\n"
		"  GIT_TAG https://tag.tills.dev)\n"
		"ExternalProject_Add(coin URL \"https://files.tills.dev/coin.tgz\"\n"
		"  http://second.tills.dev/coin.tgz URL_HASH SHA256=00)\n"
		"set_package_properties(coin PROPERTIES URL https://coin.tills.dev)\n",
		{"+profile github", "+tcp/443 files.tills.dev", "+tcp/80 second.tills.dev"}},
	{"cmake/Find.cmake",
		"file(DOWNLOAD https://get.tills.dev/x.cmake ${X})\n"
		"ExternalProject_Add(note GIT_REPOSITORY git@code.tills.dev:tills/note.git)\n"
		"ExternalProject_Add(bill URL ${BILL_URL} COMMENT \"at https://at.tills.dev\")\n",
		{"+tcp/443 get.tills.dev", "+tcp/22 code.tills.dev"}},
	{"poetry.lock",
		"[[package]]\nname = \"a\"\n[package.source]\ntype = \"git\"\n"
		"url = \"https://git.tills.dev/a.git\"\n",
		{"+profile pip", "+tcp/443 git.tills.dev"}},
	{"uv.lock",
		"[[package]]\nname = \"a\"\nsource = { registry = "
		"\"https://pypi.tills.dev/simple\" }\n"
		"sdist = { url = \"https://files.tills.dev/a.tar.gz\" }\n",
		{"+profile pip", "+tcp/443 pypi.tills.dev", "+tcp/443 files.tills.dev"}},
	{"Pipfile", "[[source]]\nurl = \"https://pypi.tills.dev/simple\"\n[packages]\na = \"*\"\n",
		{"+tcp/443 pypi.tills.dev", "+profile pip"}},
	{"environment.yml",
		"channels:\n  - conda-forge\n  - https://conda.tills.dev/x\ndependencies:\n"
		"  - pip:\n    - a==1\n",
		{"+tcp/443 conda.anaconda.org", "+tcp/443 conda.tills.dev", "+profile pip"}},
	{"Cargo.toml",
		"[dependencies]\na = \"1\"\nb = { git = \"ssh://git@git.tills.dev/b\" }\n"
		"[package]\nname = \"x\"\nrepository = \"https://repo.tills.dev\"\n",
		{"+profile cargo", "+tcp/22 git.tills.dev"}},
	{"Cargo.lock",
		"[[package]]\nname = \"a\"\n"
		"source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
		"[[package]]\nname = \"b\"\nsource = \"git+https://git.tills.dev/b?rev=1#1\"\n",
		{"+profile cargo", "+tcp/443 git.tills.dev"}},
	{"x/.cargo/config.toml",
		"[registries.tills]\nindex = \"sparse+https://crates.tills.dev/index/\"\n",
		{"+tcp/443 crates.tills.dev"}},
	{"go.mod", "module x\n\nrequire (\n)\n", {"+profile go"}},
	{"pom.xml",
		"<project "
		"xmlns=\"http://maven.apache.org/POM/4.0.0\"><url>https://home.tills.dev</url>\n"
		"<repositories><repository><url>https://maven.tills.dev/r</url></repository>\n"
		"</repositories><dependencies><dependency><artifactId>a</artifactId></dependency>\n"
		"</dependencies></project>",
		{"+tcp/443 maven.tills.dev", "+profile maven"}},
	{"gradle/wrapper/gradle-wrapper.properties",
		"distributionUrl=https\\://gradle.tills.dev/gradle-8.zip\n",
		{"+profile gradle", "+tcp/443 gradle.tills.dev"}},
	{"build.gradle", "repositories {\n  mavenCentral()\n  // google()\n}\n",
		{"+profile maven"}},
	{"Gemfile",
		"source 'https://gems.tills.dev'\ngem 'a'\ngem 'b', git: "
		"'https://git.tills.dev/b.git'\n",
		{"+tcp/443 gems.tills.dev", "+profile rubygems", "+tcp/443 git.tills.dev"}},
	{"Gemfile.lock", "GEM\n  remote: https://rubygems.org/\n", {"+profile rubygems"}},
	{"composer.json", "{\"require\": {\"php\": \">=8\", \"o/a\": \"^1\"}}",
		{"+tcp/443 repo.packagist.org"}},
	{"composer.lock",
		"{\"packages\": [{\"dist\": {\"url\": "
		"\"https://api.github.com/repos/o/a/zipball/1\"},\n"
		"\"support\": {\"issues\": \"https://issues.tills.dev\"}}]}",
		{"+tcp/443 api.github.com"}},
	{"app.csproj",
		"<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup>\n"
		"<RestoreAdditionalProjectSources>https://nuget.tills.dev/v3/index.json\n"
		"</RestoreAdditionalProjectSources></PropertyGroup></Project>",
		{"+profile nuget", "+tcp/443 nuget.tills.dev"}},
	{"repo/.git/config",
		"[remote \"origin\"]\n\turl = git@git.tills.dev:o/x.git\n"
		"[remote \"up\"]\n\turl = https://github.com/o/x\n",
		{"+tcp/22 git.tills.dev", "+profile github"}},
	{"Dockerfile",
		"# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 quay.io/o/base:1 AS "
		"one\n"
		"RUN apt-get update && \\\n    curl https://get.tills.dev/x\n"
		"COPY --from=one /a /b\nCOPY --from=ghcr.io/o/uv:1 /uv /uv\n"
		"ADD https://files.tills.dev/a /a\nLABEL u=https://home.tills.dev\n",
		{"+tcp/443 quay.io", "+tcp/443 cdn.quay.io", "+tcp/443 cdn01.quay.io",
			"+tcp/443 cdn02.quay.io", "+profile apt", "+tcp/443 get.tills.dev",
			"+profile github", "+tcp/443 files.tills.dev"}},
	{"a.Dockerfile",
		"FROM scratch\nENV BASE https://base.tills.dev/x\n"
		"ARG A=1 B=https://b.tills.dev DB_HOST=db.tills.dev\nENV A\n",
		{"+tcp/443 base.tills.dev", "+tcp/443 b.tills.dev", "+tcp/5432 db.tills.dev"}},
	{"requirements.txt", "--index-url https://pypi.org/simple\n",
		{"+profile pip", "+tcp/443 pypi.org"}},
	{".env", "GOPROXY=https://go.tills.dev,https://proxy.golang.org,direct\n",
		{"+profile go", "+tcp/443 go.tills.dev", "+tcp/443 proxy.golang.org"}},
	{"compose.yaml",
		"services:\n  a:\n    image: nginx:1\n    environment:\n      - "
		"API_URL=https://api.tills.dev\n"
		"      - DB_HOST=db\n      - MAIL_HOST=mail.tills.dev\n",
		{"+profile docker", "+tcp/443 api.tills.dev", "+tcp/587 mail.tills.dev",
			"-tcp/5432 db"}},
	{".github/workflows/ci.yaml",
		"jobs:\n  a:\n    container: ghcr.io/o/i:1\n    steps:\n      - uses: "
		"actions/checkout@v4\n"
		"      - uses: ./local\n      - uses: docker/login-action@v3\n        with:\n"
		"          registry: cr.tills.dev\n",
		{"+profile github", "+tcp/443 cr.tills.dev"}},
	{".gitlab-ci.yml",
		"image: cr.tills.dev/o/i\nbuild:\n  services:\n    - name: postgres:16\n  script:\n"
		"    - pip install x\n    - wget http://files.tills.dev/x\n",
		{"+tcp/443 cr.tills.dev", "+profile docker", "+profile pip",
			"+tcp/80 files.tills.dev"}},
	{"main.tf",
		"terraform {\n  required_providers {\n    aws = {\n      source = "
		"\"hashicorp/aws\"\n    }\n"
		"    x = {\n      source = \"app.tills.dev/o/x\"\n    }\n  }\n}\n",
		{"+tcp/443 registry.terraform.io", "+tcp/443 releases.hashicorp.com",
			"+tcp/443 app.tills.dev"}},
	{".terraform.lock.hcl", "provider \"registry.terraform.io/o/x\" {\n}\n",
		{"+tcp/443 registry.terraform.io", "+tcp/443 releases.hashicorp.com",
			"+profile github"}},
	{"charts/a/values.yaml", "image:\n  registry: cr.tills.dev\n  repository: o/x\n  tag: 1\n",
		{"+tcp/443 cr.tills.dev"}},
	{"deploy/pod.yaml", "spec:\n  containers:\n    - name: a\n      image: cr.tills.dev/o/x\n",
		{"+tcp/443 cr.tills.dev"}},
	{".mcp.json",
		"{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\"-y\", \"x\"],\n"
		"\"env\": {\"BASE_URL\": \"https://api.tills.dev\"}},\n"
		"\"b\": {\"command\": \"docker\", \"args\": [\"run\", \"cr.tills.dev/o/b:1\"]}}}",
		{"+profile npm", "+profile docker", "+tcp/443 api.tills.dev",
			"+tcp/443 cr.tills.dev"}},
	{".claude/settings.json",
		"{\"permissions\": {\"allow\": [\"WebFetch(domain:web.tills.dev)\", "
		"\"Bash(ls)\"]},\n"
		"\"env\": {\"ANTHROPIC_BASE_URL\": \"https://llm.tills.dev\"}}",
		{"+profile claude-code", "+tcp/443 web.tills.dev", "+tcp/443 llm.tills.dev"}},
	{".codex/config.toml",
		"[model_providers.x]\nbase_url = \"https://llm.tills.dev/v1\"\n"
		"[mcp_servers.y]\ncommand = \"uvx\"\n",
		{"+profile codex", "+tcp/443 llm.tills.dev", "+profile pip"}},
	{".devcontainer/devcontainer.json",
		"// as usual\n{\"image\": \"mcr.microsoft.com/devcontainers/base\",\n"
		"\"features\": {\"ghcr.io/devcontainers/features/node:1\": {},},}",
		{"+tcp/443 mcr.microsoft.com", "+profile github"}},
	{".cirrus.yml", "container:\n  image: cr.tills.dev/o/i\na_task:\n  script: pip install x\n",
		{"+tcp/443 cr.tills.dev", "+profile pip"}},
	{".mvn/settings.xml",
		"<settings><mirrors><mirror><mirrorOf>shop</mirrorOf>"
		"<url>https://maven.tills.dev/r</url></mirror></mirrors></settings>",
		{"+tcp/443 maven.tills.dev"}},
	{"sub/.envrc",
		"export GOPROXY=https://go.tills.dev,https://more.tills.dev:8443|direct\n"
		"export GOPRIVATE=code.tills.dev/team,*.other.dev\nexport GOPROXY=off\n"
		"PIP_INDEX_URL=https://pypi.tills.dev/simple\n",
		{"+tcp/443 go.tills.dev", "+tcp/8443 more.tills.dev", "+tcp/443 code.tills.dev",
			"+tcp/443 pypi.tills.dev", "-profile go", "-profile pip"}},
	{".env.production",
		"export API_URL=\"https://api.tills.dev\"\nSMTP_HOST=smtp.tills.dev\n"
		"KAFKA_BROKERS=k1.tills.dev:9094,k2.tills.dev:9094\nHOST=0.0.0.0\nSECRET=abc\n",
		{"+tcp/443 api.tills.dev", "+tcp/587 smtp.tills.dev", "+tcp/9094 k1.tills.dev",
			"+tcp/9094 k2.tills.dev"}},
};

static void read_case(const struct manifest_case *it)
{
	const struct manifest *manifest = manifest_find(text_of(it->path));
	struct probe probe;
	size_t expected = 0;

	probe_open(&probe);
	assert_non_null(manifest);
	assert_int_equal(manifest_read(manifest, &(struct manifest_context){probe.evidence, NULL},
				 text_of(it->text)),
		0);
	for (; expected < 8 && it->rows[expected]; expected++) {
		const char *row = it->rows[expected];
		bool there =
			*row == '+' ? probe_has(&probe, row + 1) : probe_mentions(&probe, row + 1);

		if (!there)
			fail_msg("%s: no %s", it->path, row);
	}
	if (probe_rows(&probe) != expected)
		fail_msg("%s: %zu rows, not %zu", it->path, probe_rows(&probe), expected);
	probe_close(&probe);
}

static void reads_declarations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		read_case(&cases[i]);
}

/* Whether the file, at the root or below, does away with the profile. */
static bool replaces(const char *path, const char *text, const char *profile)
{
	struct evidence_row **rows;
	struct probe probe;
	bool replaced = false;
	size_t count;

	probe_open(&probe);
	evidence_file(probe.evidence, text_of(path), EVIDENCE_OWN);
	assert_int_equal(manifest_read(manifest_find(text_of(path)),
				 &(struct manifest_context){probe.evidence, NULL}, text_of(text)),
		0);
	rows = evidence_list(probe.evidence, &count);
	for (size_t i = 0; i < count; i++)
		replaced |= rows[i]->profile && strcmp(rows[i]->profile, profile) == 0 &&
			    rows[i]->replaced;
	probe_close(&probe);
	return replaced;
}

static void a_mirror_at_the_root_replaces(void **state)
{
	(void)state;
	assert_true(replaces(".npmrc", "registry=https://npm.tills.dev/", "npm"));
	assert_false(replaces("web/.npmrc", "registry=https://npm.tills.dev/", "npm"));
	assert_false(replaces(".npmrc", "@a:registry=https://npm.tills.dev/", "npm"));
	assert_true(
		replaces("pip.conf", "[global]\nindex-url = https://p.tills.dev/simple", "pip"));
	assert_false(
		replaces("pip.conf", "[global]\nextra-index-url = https://p.tills.dev/", "pip"));
	assert_true(replaces(
		".cargo/config.toml", "[source.crates-io]\nreplace-with = \"a\"\n", "cargo"));
	assert_false(replaces(
		"x/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"a\"\n", "cargo"));
	assert_false(replaces(".npmrc", "registry=https://npm.npmjs.org/", "npm"));
	assert_false(
		replaces("requirements.txt", "--index-url https://pypi.org/simple\na\n", "pip"));
	assert_false(replaces(".env", "GOPROXY=https://proxy.golang.org,direct\n", "go"));
	assert_true(replaces("Dockerfile", "ENV GOPROXY=https://go.tills.dev\n", "go"));
	assert_false(replaces(".envrc", "export GOPROXY=direct\n", "go"));
	assert_false(replaces(".envrc", "export GOPRIVATE=code.tills.dev\n", "go"));
	assert_true(replaces("requirements.txt", "-i https://p.tills.dev/simple\na\n", "pip"));
}

/* What maven asks of a mirror: by the repositories that it stands for. */
static void a_mirror_is_of_what_it_says(void **state)
{
	static const struct {
		const char *of;
		bool replaces;
	} rows[] = {{"*", true}, {"central", true}, {"external:*", true}, {"a, *,!b", true},
		{"*,!central", false}, {"shop", false}, {"", false}};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
			"<settings><mirrors><mirror><mirrorOf>%s</mirrorOf>"
			"<url>https://m.tills.dev</url></mirror></mirrors></settings>",
			rows[i].of);
		if (replaces(".mvn/settings.xml", text, "maven") != rows[i].replaces)
			fail_msg("mirrorOf \"%s\"", rows[i].of);
	}
}

static void is_of_its_format(void **state)
{
	struct probe probe;
	const struct manifest_context context = {NULL, NULL};

	(void)state;
	probe_open(&probe);
	assert_int_equal(
		manifest_read(manifest_find(text_of("package.json")), &context, text_of("{\"a\":")),
		-EBADMSG);
	assert_int_equal(
		manifest_read(manifest_find(text_of("Cargo.toml")), &context, text_of("[a")),
		-EBADMSG);
	assert_int_equal(
		manifest_read(manifest_find(text_of("pom.xml")), &context, text_of("<a><b></a>")),
		-EBADMSG);
	assert_int_equal(manifest_read(manifest_find(text_of("compose.yml")), &context,
				 text_of("a: [b\nc: d")),
		-EBADMSG);
	probe_close(&probe);
}

static void knows_files_by_name(void **state)
{
	static const char *const none[] = {"main.c", "package.json.bak", "apackage.json",
		"xDockerfile", "config", "x/config", "workflows/ci.md", "go.sum.txt", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(manifest_find(text_of(none[i])));
	assert_non_null(manifest_find(text_of("a/b/Dockerfile.dev")));
	assert_non_null(manifest_find(text_of(".git/config")));
	assert_true(manifest_is_source(manifest_find(text_of("x.tf"))));
	assert_false(manifest_is_source(manifest_find(text_of("package.json"))));
}

/* Entities that expand to a lot, or to a file. */
static void expands_no_entities(void **state)
{
	static const char bomb[] = "<!DOCTYPE a [<!ENTITY b \"https://b.tills.dev\">"
				   "<!ENTITY c SYSTEM \"file:///etc/hosts\">]>"
				   "<project><repositories><repository><url>&b;</url></repository>"
				   "</repositories></project>";
	struct probe probe;

	(void)state;
	probe_open(&probe);
	assert_int_equal(manifest_read(manifest_find(text_of("pom.xml")),
				 &(struct manifest_context){probe.evidence, NULL}, text_of(bomb)),
		-EBADMSG);
	assert_int_equal(probe_rows(&probe), 0);
	probe_close(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_declarations),
		cmocka_unit_test(a_mirror_at_the_root_replaces),
		cmocka_unit_test(a_mirror_is_of_what_it_says),
		cmocka_unit_test(is_of_its_format),
		cmocka_unit_test(knows_files_by_name),
		cmocka_unit_test(expands_no_entities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
