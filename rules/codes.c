/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/codes.h"

static const struct code_row rows[] = {
	{CODE_READ, "a file cannot be read"},
	{CODE_TOML, "not TOML"},
	{CODE_TOO_LARGE, "too large"},
	{CODE_VERSION, "version"},
	{CODE_LIST_LINE, "a line of a list"},
	{CODE_UNKNOWN_KEY, "unknown key"},
	{CODE_TYPE, "wrong type"},
	{CODE_RANGE, "out of range"},
	{CODE_COUNT, "too few or too many"},
	{CODE_VALUE, "unknown value"},
	{CODE_TWICE, "given twice"},
	{CODE_MISSING, "missing key"},
	{CODE_BASE_ONLY, "only for the base policy"},
	{CODE_PROFILE_KEY, "not for profiles"},
	{CODE_HOST, "not a host"},
	{CODE_ADDRESS, "not an address"},
	{CODE_PORTS, "not a port"},
	{CODE_PATTERN, "not a pattern"},
	{CODE_BROAD, "wildcard over a public suffix"},
	{CODE_CONTRADICT, "contradiction"},
	{CODE_EMBEDDED, "embedded name"},
	{CODE_PROFILE, "no such profile"},
	{CODE_USER, "no such user, group or control group"},
	{CODE_ENDPOINT, "not an endpoint"},
	{CODE_UNENFORCEABLE, "cannot be enforced"},
	{CODE_TARGET, "the target permits more"},
	{CODE_TARGET_CANNOT, "not for the target"},
	{CODE_EXPIRED, "expired"},
	{CODE_DNS_PORT, "DNS goes to the resolver"},
	{CODE_LIMITER, "limits without effect"},
	{CODE_LOSS_WIDER, "the target permits more"},
	{CODE_LOSS_NARROWER, "the target permits less"},
	{CODE_LOSS_UNWATCHED, "the target doesn't watch"},
	{CODE_LINT_BROAD, "broad wildcard"},
	{CODE_LINT_SHARED, "shared-tenant suffix"},
	{CODE_LINT_SHADOWED, "shadowed"},
	{CODE_LINT_DEAD, "dead entry"},
	{CODE_LINT_ALIAS, "only an alias"},
	{CODE_LINT_DOH, "DNS over HTTPS"},
	{CODE_LINT_PREFIX, "short prefix"},
	{CODE_LINT_HTTP, "plain HTTP"},
	{CODE_LINT_WILDCARD, "room for a tunnel"},
	{CODE_LINT_THRESHOLD, "thresholds"},
	{CODE_LINT_CGROUP, "short-lived control group"},
	{CODE_LINT_EVERYTHING, "every address"},
	{CODE_LINT_PATTERN, "pattern without an anchor"},
	{CODE_LINT_NO_EFFECT, "no effect"},
	{CODE_LINT_CHANNEL, "open channel"},
};

const struct code_row *code_rows(size_t *ret_count)
{
	*ret_count = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
