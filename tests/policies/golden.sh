#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# golden.sh [--update]: each policy of this folder, and the shipped example, has beside it the ruleset
# that must come of it. Each ruleset is loaded twice into a network namespace of its own, beside
# tables of others. An override of the policy lies in overrides/ under the same name. --update writes
# the rulesets anew instead, for review.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")" || exit 99

policies=(*.toml ../../contrib/example.toml)

compile() {
	local override

	override=overrides/$(basename "$1")
	[ -e "$override" ] || override=
	"$program" "$1" ${override:+--override "$override"} | sed '1s/compiled by egress .*/compiled by egress VERSION/'
	return "${PIPESTATUS[0]}"
}

if [ "${1:-}" = --update ]; then
	for policy in "${policies[@]}"; do
		name=$(basename "$policy" .toml)
		compile "$policy" >"$name.nft.new" && mv "$name.nft.new" "$name.nft" || exit 1
	done
	exit 0
fi

comments() {
	grep -o 'comment "[^"]*"' | sort
}

# Chains on hooks: nft has names for what are numbers in a ruleset.
hooks() {
	grep ' hook ' | sed 's/ priority [^;]*//' | sort
}

has_set() {
	nft list set inet "$1" "$2" >/dev/null 2>&1
}

# What others have, without counters.
others() {
	nft --stateless list table inet other
	nft --stateless list table ip egress-other
}

lease_maps() {
	nft list table inet "$1" | sed -n 's/^\tmap \([^ ]*-leases[46]\) {$/\1/p'
}

# An address of the map's family.
lease_address() {
	case $1 in
	*4) echo 198.51.100.77 ;;
	*6) echo 2001:db8::77 ;;
	esac
}

# In a network namespace of its own: silent and 0 if all of it holds.
check_load() {
	local ruleset=$1 table before map

	table=$(sed -n 's/^table inet \([^ ]*\) {$/\1/p' "$ruleset")
	nft -f - <<-'END' || return
		table inet other {
			set live {
				type mark
				elements = { 0x1 comment "allow-1" }
			}
			chain output {
				type filter hook output priority filter; policy accept;
				ct mark @live counter accept comment "other"
			}
		}
		table ip egress-other {
			map leases {
				type ipv4_addr : mark
				flags timeout
				elements = { 192.0.2.1 : 0x1 }
			}
		}
	END
	before=$(others)
	nft -f "$ruleset" || { echo "the first load failed"; return 1; }
	for map in $(lease_maps "$table"); do
		nft add element inet "$table" "$map" \
			"{ $(lease_address "$map") timeout 1h : 0x1 }" || return
	done
	nft add element inet "$table" resolver '{ 0x7 . 0 }' || return
	! has_set "$table" destinations ||
		nft add element inet "$table" destinations '{ ::7 }' || return
	nft -f "$ruleset" || { echo "the second load failed"; return 1; }

	for map in $(lease_maps "$table"); do
		nft get element inet "$table" "$map" "{ $(lease_address "$map") }" >/dev/null ||
			{ echo "the lease in $map is gone"; return 1; }
	done
	nft get element inet "$table" resolver '{ 0x7 . 0 }' >/dev/null ||
		{ echo "the resolver's sockets are gone"; return 1; }
	! has_set "$table" destinations ||
		nft get element inet "$table" destinations '{ ::7 }' >/dev/null ||
		{ echo "the destinations are gone"; return 1; }
	[ "$(others)" = "$before" ] || { echo "a table of others was touched"; return 1; }
	diff <(comments <"$ruleset") <(nft list table inet "$table" | comments) ||
		{ echo "rules or elements are not listed as written"; return 1; }
	diff <(hooks <"$ruleset") <(nft list table inet "$table" | hooks)
}

# The table of one policy under the ruleset of another: no hook of the first is left.
check_change() {
	local ruleset=$1 other table

	table=$(sed -n 's/^table inet \([^ ]*\) {$/\1/p' "$ruleset")
	for other in *.nft; do
		sed "s/inet egress-[a-z]*/inet $table/" "$other" | nft -f - ||
			{ echo "$other does not load"; return 1; }
		nft -f "$ruleset" || { echo "it does not load after $other"; return 1; }
		diff <(hooks <"$ruleset") <(nft list table inet "$table" | hooks) ||
			{ echo "hooks of $other are left"; return 1; }
	done
}

case ${1:-} in
--check-load)
	check_load "$2" 2>&1
	exit
	;;
--check-change)
	check_change "$2" 2>&1
	exit
	;;
esac

has_namespaces && namespaces=1 || namespaces=0
for policy in "${policies[@]}"; do
	name=$(basename "$policy" .toml)
	if compile "$policy" >"$work/$name.nft" 2>"$work/errors"; then
		difference=$(diff -u "$name.nft" "$work/$name.nft" 2>&1)
	else
		difference=$(cat "$work/errors")
	fi
	[ -z "$difference" ]
	result $? "$name: the ruleset is as expected" "$difference"

	if [ "$namespaces" = 0 ]; then
		skip "$name: loads twice beside others" "no private network namespace"
		skip "$name: loads in place of any other" "no private network namespace"
		continue
	fi
	said=$(unshare -Urn bash ./golden.sh --check-load "$work/$name.nft" 2>&1)
	result $? "$name: loads twice beside others, leases and rules in place" "$said"
	said=$(unshare -Urn bash ./golden.sh --check-change "$work/$name.nft" 2>&1)
	result $? "$name: loads in place of any other" "$said"
done
finish
