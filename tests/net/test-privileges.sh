#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the resolver's processes may still do: one holds CAP_NET_ADMIN and nothing else, the others
# below the first hold nothing. When it has ended, nothing of what it could do is left.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
END
lab_start
lab_up lab --workers 2
is "it works" "$(ask www.lab.example)" "NOERROR 198.18.1.1"

field() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

NET_ADMIN=0000000000001000
NONE=0000000000000000
keepers=0
workers=0
for pid in $(pgrep -P "$resolver_pid"); do
	held=$(field "$pid" CapEff)
	case $held in
	"$NET_ADMIN") keepers=$((keepers + 1)) what="keeper" ;;
	"$NONE") workers=$((workers + 1)) what="worker $workers" ;;
	*) what="process with capabilities $held" ;;
	esac
	is "$what: permitted" "$(field "$pid" CapPrm)" "$held"
	for set in CapInh CapBnd CapAmb; do
		is "$what: $set" "$(field "$pid" $set)" $NONE
	done
	is "$what: user" "$(field "$pid" Uid)" "$(printf '%s\t%s\t%s\t%s' "$LAB_UID" "$LAB_UID" \
		"$LAB_UID" "$LAB_UID")"
	unlike "$what: group" "$(field "$pid" Gid)" '^0|	0'
	is "$what: no other groups" "$(field "$pid" Groups | tr -d ' ')" ""
	is "$what: gains nothing by exec" "$(field "$pid" NoNewPrivs)" 1
	is "$what: sees no files" "$(ls -A "/proc/$pid/root")" ""
done
is "one keeper" $keepers 1
is "two workers" $workers 2

# Its way to the upstream servers is there while it runs.
marks() {
	in_client nft list set inet egress-lab resolver | grep -c "elements"
}
is "its mark is in the ruleset" "$(marks)" 1
check "it ends as told" lab_resolver_stop
is "its mark is gone" "$(marks)" 0

# What the systemd unit leaves to it is enough.
unit=$here/../../contrib/systemd/egress-resolver@.service.in
capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr '[:upper:] ' '[:lower:],' |
	sed 's/cap_/+/g')
cat >confined <<-END
	#!/bin/sh
	exec setpriv --no-new-privs --bounding-set=-all,$capabilities --inh-caps=-all $resolver "\$@"
END
chmod +x confined
resolver=$PWD/confined
check "it starts with the unit's capabilities" lab_resolver lab
is "and works" "$(ask www.lab.example)" "NOERROR 198.18.1.1"

lab_done
