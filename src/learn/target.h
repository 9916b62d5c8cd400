/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_TARGET_H
#define EGRESS_LEARN_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"
#include "src/base/text.h"

/* A place that something names: a host or an address, and a port. */

enum target_kind {
	TARGET_NAME,
	TARGET_ADDRESS,
	TARGET_GLOB, /* a name of which a part is computed: "*.example.com" */
};

struct target {
	enum target_kind kind;
	struct name name; /* of TARGET_NAME */
	char glob[NAME_TEXT];
	struct inaddr address;
	enum protocol protocol;
	uint16_t port;
};

/* Longer words are no places. */
#define TARGET_TEXT_MAX 2048

/* The port of a scheme ("https", "git+ssh", "jdbc:postgresql"), or 0 of one that is none of the
 * network's. "git+" and the like before it do not count. */
uint16_t target_scheme_port(struct text scheme, enum protocol *ret_protocol);

/* An URL: "https://user@host:8443/path". *ret_path, if not NULL, is what follows the host and port.
 * 0, or -EINVAL. */
int target_from_url(struct text url, struct target *ret_target, struct text *ret_path);

/* "host", "host:8443", "[2001:db8::1]:53", with the default port where there is none; 0 means that
 * there must be one. 0 or -EINVAL. */
int target_from_authority(struct text text, uint16_t port, struct target *ret_target);

/* Where git finds a repository: an URL, "git@host:path", "github:owner/name". 0 or -EINVAL. */
int target_from_git(struct text text, struct target *ret_target);

/* The registry of a container image; "docker.io" where it names none. 0 or -EINVAL. */
int target_from_image(struct text image, struct target *ret_target);

/* "tcp/443", "name:..." and so on: as text into `out` (NAME_TEXT bytes), without the port. */
const char *target_where(const struct target *target, char *out);

/* Whether nobody outside can be meant: this machine itself, an address of documentation, a name
 * that the resolver answers by itself. */
bool target_is_nowhere(const struct target *target);

/* Whether it stands for others in texts and templates: example.com, your-domain.com. */
bool target_is_placeholder(const struct target *target);

/* Whether the name's last label is one that names end with: of the public list, or of inside
 * networks ("internal"). Always of addresses. */
bool target_is_plausible(const struct target *target);

/* Whether it is a name of inside networks, which has addresses of these. */
bool target_is_inside(const struct target *target);

#endif
