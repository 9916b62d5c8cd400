/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/detection/names.h"

#include <stdio.h>
#include <string.h>

/*
 * The names are of rules/profiles/categories.toml, and of the allowlists that step-security/
 * harden-runner's users publish and github/gh-aw ships (most frequent ones first). '%' stands for a
 * word, '#' for an identifier of a content network, '@' for a number.
 */

static const char *const documentation[] = {"developer.mozilla.org", "docs.python.org",
	"stackoverflow.com", "docs.rs", "docs.github.com", "%.readthedocs.io", "en.wikipedia.org",
	"learn.microsoft.com", "pkg.go.dev", "react.dev", "kubernetes.io", "docs.docker.com",
	"man7.org", "%.readthedocs.io", "www.postgresql.org", "doc.rust-lang.org",
	"packaging.python.org", "peps.python.org", "www.typescriptlang.org", "nextjs.org",
	"docs.aws.amazon.com", "%.stackexchange.com", "%.readthedocs.io", "superuser.com",
	"serverfault.com", "datatracker.ietf.org", "www.rfc-editor.org", "www.w3.org",
	"cloud.google.com", "developers.google.com", "jestjs.io", "eslint.org", "vuejs.org",
	"vite.dev", "tailwindcss.com", "redis.io", "www.sqlite.org", "en.cppreference.com",
	"wiki.archlinux.org", "docs.gitlab.com", "helm.sh", "www.gnu.org", "spring.io",
	"docs.oracle.com", "docs.ruby-lang.org", "api.rubyonrails.org", "svelte.dev", "angular.dev",
	"playwright.dev", "arxiv.org", "docs.spring.io", "devdocs.io", "linux.die.net",
	"www.kernel.org", "docs.kernel.org", "de.wikipedia.org", "commons.wikimedia.org",
	"web.archive.org"};
static const char *const search[] = {"www.google.com", "duckduckgo.com", "www.bing.com",
	"api.search.brave.com", "html.duckduckgo.com", "api.tavily.com", "search.brave.com",
	"kagi.com"};
static const char *const source[] = {"github.com", "api.github.com", "raw.githubusercontent.com",
	"objects.githubusercontent.com", "codeload.github.com",
	"release-assets.githubusercontent.com", "gitlab.com", "avatars.githubusercontent.com",
	"camo.githubusercontent.com", "bitbucket.org", "codeberg.org", "git.kernel.org",
	"%.googlesource.com", "sourceware.org", "%.launchpad.net"};
static const char *const packages[] = {"files.pythonhosted.org", "pypi.org", "index.crates.io",
	"static.crates.io", "proxy.golang.org", "sum.golang.org", "repo.maven.apache.org",
	"repo1.maven.org", "registry.yarnpkg.com", "nodejs.org", "rubygems.org",
	"index.rubygems.org", "api.nuget.org", "plugins.gradle.org", "services.gradle.org",
	"downloads.gradle.org", "archive.ubuntu.com", "security.ubuntu.com",
	"azure.archive.ubuntu.com", "dl-cdn.alpinelinux.org", "packages.microsoft.com",
	"static.rust-lang.org", "sh.rustup.rs", "conda.anaconda.org", "download.pytorch.org",
	"packagist.org", "repo.packagist.org", "hex.pm", "repo.hex.pm", "pub.dev",
	"cdn.playwright.dev", "bootstrap.pypa.io", "astral.sh", "bun.sh", "dl.google.com"};
static const char *const containers[] = {"ghcr.io", "pkg-containers.githubusercontent.com",
	"auth.docker.io", "registry-1.docker.io", "production.cloudflare.docker.com", "quay.io",
	"cdn03.quay.io", "gcr.io", "mcr.microsoft.com", "public.ecr.aws",
	"docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com"};
static const char *const model[] = {
	"api.anthropic.com", "api.openai.com", "generativelanguage.googleapis.com"};
static const char *const delivery[] = {"cdn.jsdelivr.net", "fonts.googleapis.com",
	"fonts.gstatic.com", "cdnjs.cloudflare.com", "unpkg.com", "#.cloudfront.net",
	"img.shields.io", "i.imgur.com", "code.jquery.com", "ajax.googleapis.com",
	"#.cloudfront.net", "s.w.org", "i@.wp.com", "esm.sh", "%.b-cdn.net",
	"lh@.googleusercontent.com", "%.azureedge.net", "use.typekit.net",
	"static.cloudflareinsights.com"};
static const char *const telemetry[] = {"statsig.anthropic.com", "sentry.io",
	"collector.github.com", "www.google-analytics.com", "api.segment.io",
	"dc.services.visualstudio.com", "telemetry.nextjs.org", "o@.ingest.sentry.io"};
static const char *const social[] = {"news.ycombinator.com", "www.reddit.com", "dev.to",
	"medium.com", "%.medium.com", "www.youtube.com", "i.redd.it", "lobste.rs"};
static const char *const api[] = {"api.osv.dev", "codecov.io", "ipinfo.io", "snyk.io",
	"www.googleapis.com", "api.deps.dev", "sonarcloud.io", "api.linear.app"};
static const char *const cloud[] = {"%.github.io", "%.vercel.app", "%.pages.dev", "%.netlify.app",
	"%.herokuapp.com", "%.workers.dev", "%.gitlab.io"};
static const char *const certificate[] = {"tuf-repo-cdn.sigstore.dev", "fulcio.sigstore.dev",
	"rekor.sigstore.dev", "ocsp.digicert.com", "r@.o.lencr.org", "crl3.digicert.com"};
static const char *const identity[] = {"token.actions.githubusercontent.com",
	"login.microsoftonline.com", "oauth2.googleapis.com", "accounts.google.com"};
static const char *const storage[] = {"productionresultssa@.blob.core.windows.net",
	"storage.googleapis.com", "%.s3.amazonaws.com", "%.blob.core.windows.net"};
static const char *const relay[] = {"transfer.sh", "%.s3.amazonaws.com", "webhook.site", "file.io",
	"gist.github.com", "discord.com", "%.ngrok-free.app", "%.blob.core.windows.net",
	"api.telegram.org", "content.dropboxapi.com"};
static const char *const unknown[] = {"%-%.com", "www.%%.com", "%%.dev", "blog.%-%.io", "%%.org",
	"docs.%%.io", "%%.net", "%.%-%.com", "www.%-%.de", "%%.info", "%%@.com", "www.%%.co.uk",
	"static.%%.com", "%%.app", "api.%%.io", "%-%-%.com"};

#define POOL(array)                                                                                \
	{                                                                                          \
		array, sizeof(array) / sizeof((array)[0])                                          \
	}

static const struct {
	const char *const *names;
	unsigned count;
} pools[POOLS] = {
	[POOL_DOCUMENTATION] = POOL(documentation),
	[POOL_SEARCH] = POOL(search),
	[POOL_SOURCE] = POOL(source),
	[POOL_PACKAGES] = POOL(packages),
	[POOL_CONTAINERS] = POOL(containers),
	[POOL_MODEL] = POOL(model),
	[POOL_DELIVERY] = POOL(delivery),
	[POOL_TELEMETRY] = POOL(telemetry),
	[POOL_SOCIAL] = POOL(social),
	[POOL_API] = POOL(api),
	[POOL_CLOUD] = POOL(cloud),
	[POOL_CERTIFICATE] = POOL(certificate),
	[POOL_IDENTITY] = POOL(identity),
	[POOL_STORAGE] = POOL(storage),
	[POOL_RELAY] = POOL(relay),
	[POOL_UNKNOWN] = POOL(unknown),
};

static const char *const words[] = {"alder", "amber", "anchor", "apex", "arrow", "atlas", "basalt",
	"beacon", "birch", "blue", "bridge", "canyon", "cedar", "cinder", "cloud", "cobalt",
	"copper", "coral", "crane", "crystal", "data", "delta", "drift", "eagle", "echo", "elm",
	"ember", "falcon", "fern", "field", "flint", "forge", "fox", "garnet", "glacier", "granite",
	"green", "harbor", "hawk", "hazel", "heron", "horizon", "indigo", "iron", "ivory", "jade",
	"juniper", "kernel", "lake", "lantern", "laurel", "ledger", "lunar", "maple", "marble",
	"meadow", "metric", "mint", "mosaic", "nimbus", "north", "nova", "oak", "ocean", "onyx",
	"orbit", "otter", "pine", "pixel", "plain", "prairie", "prism", "quartz", "raven", "reef",
	"ridge", "river", "sable", "sage", "scarlet", "shadow", "signal", "silver", "slate",
	"solar", "spruce", "stack", "stone", "summit", "tango", "tidal", "timber", "topaz", "tower",
	"valley", "vector", "velvet", "violet", "willow", "zephyr"};

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567", hex[] = "0123456789abcdef";

static void add_text(char out[NAME_ROOM], const char *text)
{
	strncat(out, text, NAME_ROOM - 1 - strlen(out));
}

/* "d111111abcdef8" */
static void add_identifier(struct chance *chance, char out[NAME_ROOM])
{
	char text[15] = "d";

	for (unsigned i = 1; i < 14; i++)
		text[i] = chance_one_in(chance, 3) ? hex[chance_below(chance, 10)]
						   : digits[chance_below(chance, 26)];
	add_text(out, text);
}

const char *names_draw(struct chance *chance, enum pool pool, char out[NAME_ROOM])
{
	const char *pattern = pools[pool].names[draw_ranked(chance, pools[pool].count)];

	out[0] = '\0';
	for (; *pattern; pattern++) {
		char text[16] = {*pattern};

		if (*pattern == '%')
			add_text(out, chance_of(chance, words));
		else if (*pattern == '#')
			add_identifier(chance, out);
		else if (*pattern == '@')
			snprintf(text, sizeof(text), "%u", chance_below(chance, 20));
		if (*pattern != '%' && *pattern != '#')
			add_text(out, text);
	}
	return out;
}

const char *names_carrier(
	struct chance *chance, const char *domain, unsigned most, char out[NAME_ROOM])
{
	bool base32 = most % 2;
	unsigned left = base32 ? most * 8 / 5 : most * 2, label = 0;
	size_t at = 0;

	/* Lengths and polls. */
	if (chance_one_in(chance, 8))
		left = 4 + chance_below(chance, 8);
	while (left-- > 0 && at + strlen(domain) + 3 < 240) {
		out[at++] =
			base32 ? digits[chance_below(chance, 32)] : hex[chance_below(chance, 16)];
		if (++label == 60 && left > 0) {
			out[at++] = '.';
			label = 0;
		}
	}
	if (label > 0)
		out[at++] = '.';
	out[at] = '\0';
	add_text(out, domain);
	return out;
}
