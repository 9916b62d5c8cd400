#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The systemd unit: systemd knows all that it says, finds it confined well enough, and would let
# each process make the system calls that it may make.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v systemd-analyze >/dev/null; then
	echo "1..0 # SKIP systemd-analyze is not installed"
	exit 0
fi
if ! systemd-analyze --help | grep -q -e --offline; then
	echo "1..0 # SKIP this systemd-analyze can't look at files"
	exit 0
fi

EXPOSURE_MAX=2.0

unit=$work/egress-resolver@.service
sed -e 's|@[a-z]*@/[a-z-]*|/bin/true|' \
	"$here/../../contrib/systemd/egress-resolver@.service.in" >"$unit"

out=$(systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1)
result $? "systemd knows all of its keys" "$out"
[ -z "$out" ]
result $? "and has nothing to say against it" "$out"

out=$(systemd-analyze security --offline=true --no-pager --threshold="${EXPOSURE_MAX/./}" "$unit" 2>&1)
result $? "its exposure is $EXPOSURE_MAX at most" "$(grep -v '^✓' <<<"$out")"
sed -nE 's/^(→|->)/#/p' <<<"$out"

"$here/unit-calls" "$unit" >"$work/permitted"
for role in keeper worker; do
	"$abs_top_builddir/tests/kernel/calls" list $role | sort -u >"$work/$role"
	[ "$(wc -l <"$work/$role")" -gt 30 ]
	result $? "the calls of a $role" "$(cat "$work/$role")"
	missing=$(comm -23 "$work/$role" "$work/permitted")
	[ -z "$missing" ]
	result $? "the unit permits all calls of a $role" "$missing"
done
! grep -qxE 'ptrace|mount|bpf|reboot|init_module|settimeofday|io_uring_setup|keyctl' "$work/permitted"
result $? "and none that nobody needs"

for key in MemoryMax TasksMax LimitNOFILE LimitCORE; do
	grep -q "^$key=[0-9]" "$unit"
	result $? "it has $key"
done
finish
