/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/ports.h"

/* "tcp/443 api.example.com", or "" of nothing. */
static const char *show(int result, const struct target *target, char out[NAME_TEXT + 32])
{
	char where[NAME_TEXT];

	*out = '\0';
	if (result == 0)
		snprintf(out, NAME_TEXT + 32, "%s/%u %s", protocol_name(target->protocol),
			target->port, target_where(target, where));
	return out;
}

static void check_url(const char *url, const char *expected)
{
	char out[NAME_TEXT + 32];
	struct target target;
	int result = target_from_url(text_of(url), &target, NULL);

	assert_string_equal(show(result, &target, out), expected);
}

static void reads_urls(void **state)
{
	(void)state;
	check_url("https://a.tills.dev", "tcp/443 a.tills.dev");
	check_url("HTTP://A.Tills.dev./x?y#z", "tcp/80 a.tills.dev");
	check_url("https://u:p@a.tills.dev:8443/x@y", "tcp/8443 a.tills.dev");
	check_url("https://a.tills.dev?x=https://b.tills.dev", "tcp/443 a.tills.dev");
	check_url("git+ssh://git@a.tills.dev/x", "tcp/22 a.tills.dev");
	check_url("sparse+https://a.tills.dev/", "tcp/443 a.tills.dev");
	check_url("svn+ssh://a.tills.dev/", "tcp/22 a.tills.dev");
	check_url("jdbc:postgresql://a.tills.dev/x", "tcp/5432 a.tills.dev");
	check_url("redis://:secret@10.1.2.3/0", "tcp/6379 10.1.2.3");
	check_url("http://[2001:db9::1]:8080/", "tcp/8080 2001:db9::1");
	check_url("stun://a.tills.dev", "udp/3478 a.tills.dev");
	check_url("https://a.tills.dev:${PORT}/", "tcp/443 a.tills.dev");
	check_url("https://${A}.tills.dev/x", "tcp/443 *.tills.dev");
	check_url("https://{{ a }}-b.tills.dev/x", "tcp/443 *-b.tills.dev");
	check_url("https://%s.s3.tills.dev", "tcp/443 *.s3.tills.dev");
	check_url("mailto:a@tills.dev", "");
	check_url("file:///etc/hosts", "");
	check_url("s3://bucket/key", "");
	check_url("https://", "");
	check_url("https:///x", "");
	check_url("https://$HOST/x", "");
	check_url("https://a.${TLD}/x", "");
	check_url("https://a..b/", "");
	check_url("https://a.tills.dev:0/", "");
	check_url("https://a.tills.dev:65536/", "");
	check_url("https://1.2.3/", "");
	check_url("https://a.tills.0/", "");
	check_url("https://a.tills.0x1f/", "");
	check_url("https://a b.tills.dev/", "tcp/443 a");
	check_url("https://a\nb.tills.dev/", "tcp/443 a");
}

static void check_git(const char *source, const char *expected)
{
	char out[NAME_TEXT + 32];
	struct target target;
	int result = target_from_git(text_of(source), &target);

	assert_string_equal(show(result, &target, out), expected);
}

static void reads_repositories(void **state)
{
	(void)state;
	check_git("git@a.tills.dev:o/x.git", "tcp/22 a.tills.dev");
	check_git("git+https://a.tills.dev/x", "tcp/443 a.tills.dev");
	check_git("git://a.tills.dev/x", "tcp/9418 a.tills.dev");
	check_git("scm:git:https://a.tills.dev/x", "tcp/443 a.tills.dev");
	check_git("github:o/x", "tcp/443 github.com");
	check_git("../x", "");
	check_git("/srv/git/x", "");
	check_git("a:b", "");
	check_git("C:/x/git@y:z", "");
	check_git("", "");
}

static void check_image(const char *image, const char *expected)
{
	char out[NAME_TEXT + 32];
	struct target target;
	int result = target_from_image(text_of(image), &target);

	assert_string_equal(show(result, &target, out), expected);
}

static void reads_images(void **state)
{
	(void)state;
	check_image("nginx", "tcp/443 docker.io");
	check_image("nginx:1.2", "tcp/443 docker.io");
	check_image("o/nginx@sha256:00", "tcp/443 docker.io");
	check_image("cr.tills.dev/o/x:1", "tcp/443 cr.tills.dev");
	check_image("cr.tills.dev:5000/x", "tcp/5000 cr.tills.dev");
	check_image("docker://ghcr.io/o/x", "tcp/443 ghcr.io");
	check_image("${IMAGE}", "");
	check_image("a b", "");
	check_image("", "");
}

static struct target read(const char *url)
{
	struct target target;

	assert_int_equal(target_from_url(text_of(url), &target, NULL), 0);
	return target;
}

static void knows_what_is_nobody(void **state)
{
	static const char *const nowhere[] = {"http://localhost/", "http://127.0.0.1:8080/",
		"http://0.0.0.0/", "http://192.0.2.1/", "http://[2001:db8::1]/", "http://[::1]/",
		"http://a.localhost/", "http://224.0.0.1/"};
	static const char *const placeholders[] = {"https://example.com/", "https://a.example.org/",
		"https://your-domain.io/", "https://api.yourcompany.com/", "https://foo.bar/",
		"https://registry.mycorp.com/", "ssh://root@server.fubar.com:2222",
		"https://my-host.io/", "https://acme.dev/x", "https://more.example.com.au/",
		"https://good-example.com/", "http://the.host/"};
	static const char *const real[] = {"https://a.tills.dev/", "http://10.0.0.1/",
		"http://db.tills.internal/", "https://test.tills.dev/", "https://mysql.dev/",
		"https://server.tills.dev/"};
	struct target target;

	(void)state;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		target = read(nowhere[i]);
		assert_true(target_is_nowhere(&target));
	}
	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++) {
		target = read(placeholders[i]);
		assert_true(target_is_placeholder(&target));
	}
	for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
		target = read(real[i]);
		assert_false(target_is_nowhere(&target));
		assert_false(target_is_placeholder(&target));
		assert_true(target_is_plausible(&target));
	}
	target = read("https://object.method/");
	assert_false(target_is_plausible(&target));
	target = read("http://db.tills.internal/");
	assert_true(target_is_inside(&target));
	target = read("http://internal/");
	assert_false(target_is_inside(&target));
	assert_false(target_is_plausible(&target));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(reads_repositories),
		cmocka_unit_test(reads_images),
		cmocka_unit_test(knows_what_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
