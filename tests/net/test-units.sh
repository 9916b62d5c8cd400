#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The units and the AppArmor profiles as far as they can be looked at without booting:
# tests/hosts/test-boot.sh boots them. And what host-apply does with good and bad policies.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
contrib=${abs_top_srcdir:-$PWD}/contrib

# --- systemd-analyze ---

# The units as they are installed, with the programs where the tests can have them.
mkdir -p units bin
: >units.log
ln -s "$compiler" "$resolver" bin/
for unit in egress-{apply,keep,resolver}@.service host-apply host-keep; do
	sed -e "s|@[s]*bindir@|$LAB/bin|g" -e "s|@pkglibexecdir@|$LAB/units|g" \
		"$contrib/systemd/$unit.in" >"units/$unit"
	unlike "$unit: nothing is left to substitute" "$(cat "units/$unit")" '@[a-z]+@'
done
chmod +x units/host-apply units/host-keep
cp "$contrib"/systemd/egress-servers@.* units/
if command -v systemd-analyze >/dev/null; then
	mkdir -p units/agent.service.d
	cp "$contrib/systemd/egress.conf" units/agent.service.d/
	printf '[Service]\nExecStart=/bin/true\n' >units/agent.service
	for unit in egress-apply egress-keep egress-resolver egress-servers; do
		cp "units/$unit@.service" "units/$unit@lab.service"
		said=$(SYSTEMD_UNIT_PATH=$LAB/units: systemd-analyze verify --man=no --recursive-errors=no \
			"units/$unit@lab.service" 2>&1)
		is "$unit@.service: systemd-analyze verify" "$said" ""
		check "$unit@.service: an exposure of at most 2.0" systemd-analyze security \
			--offline=yes --threshold=20 "units/$unit@lab.service"
	done
	cp units/egress-servers@.path units/egress-servers@lab.path
	is "egress-servers@.path: systemd-analyze verify" "$(SYSTEMD_UNIT_PATH=$LAB/units: \
		systemd-analyze verify --man=no --recursive-errors=no units/egress-servers@lab.path 2>&1)" ""
	is "egress.conf: systemd-analyze verify" "$(SYSTEMD_UNIT_PATH=$LAB/units: systemd-analyze \
		verify --man=no --recursive-errors=no units/agent.service 2>&1)" ""
else
	note "systemd-analyze is not installed: the units are not verified"
fi

# --- host-apply ---

must lab_namespace client
mkdir etc state
# The folder of policies is this machine's.
sed -i "s|/etc/egress|$LAB/etc|" units/host-apply
policy() {
	{
		lab_head
		cat
	} >etc/lab.toml
}
applied() {
	STATE_DIRECTORY=$LAB/state in_client units/host-apply lab 2>&1
}
tables() {
	in_client nft list tables
}
permits() {
	in_client nft list table inet egress-lab 2>/dev/null | grep -qF 198.18.40.0/24 && echo 1 || echo 0
}
reset() {
	in_client nft flush ruleset
}

echo nonsense >etc/lab.toml
said=$(applied)
is "a policy that was never right: status" $? 1
like "what it says" "$said" '<3>.*lab.toml is not in force, nor was it ever: nothing is permitted'
is "there is a table" "$(tables)" "table inet egress-lab"
is "that drops what is sent" "$(in_client nft list chain inet egress-lab output |
	grep -c 'policy drop')" 1
is "and permits nothing" "$(permits)" 0

policy <<-END
	[[allow]]
	ip = "198.18.40.0/24"
END
said=$(applied)
is "a policy: status" $? 0
is "nothing is said" "$said" ""
is "it is in force" "$(permits)" 1
is "and kept, for nobody else" "$(stat -c %a state/lab.nft)" 600

echo nonsense >>etc/lab.toml
said=$(applied)
is "wrong while the table is loaded: status" $? 1
like "what it says" "$said" '<3>.* is not in force: what was loaded before stays'
is "it stays" "$(permits)" 1
reset
said=$(applied)
is "wrong at boot: status" $? 0
like "what it says" "$said" '<3>.* is not in force: the ruleset of [0-9-]+ [0-9:]+ is, until it is'
is "the kept ruleset is in force" "$(permits)" 1
is "no more files than that are there" "$(ls state)" lab.nft

reset
: >state/lab.nft
said=$(applied)
is "wrong at boot, and what was kept is empty: status" $? 1
is "nothing is permitted" "$(tables) $(permits)" "table inet egress-lab 0"
reset
echo 'add table inet egress-lab; no ruleset' >state/lab.nft
said=$(applied)
is "what was kept is broken: status" $? 1
is "nothing is permitted" "$(tables) $(permits)" "table inet egress-lab 0"

# --- host-keep ---

policy <<-END
	[[allow]]
	ip = "198.18.40.0/24"
END
must applied
STATE_DIRECTORY=$LAB/state nsenter --net=/run/netns/client units/host-keep lab >keep.log 2>&1 &
keeper=$!
back() {
	[ "$(permits)" = 1 ]
}
applies_no_more() {
	! pgrep -P "$keeper" -f host-apply
}
for time in once again; do
	reset
	check "flushed $time: the rules are back" until_true 10 back
	must until_true 10 applies_no_more
done
is "each time it says so" "$(grep -c '^<2>table inet egress-lab was taken away' keep.log)" 2
kill $keeper

# --- AppArmor ---

if command -v apparmor_parser >/dev/null; then
	for profile in "$contrib"/apparmor/*; do
		check "apparmor_parser: ${profile##*/}" apparmor_parser --skip-kernel-load --skip-cache \
			--quiet "$profile"
	done
else
	note "apparmor_parser is not installed: the profiles are not looked at"
fi

lab_done
