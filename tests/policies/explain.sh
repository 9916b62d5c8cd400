#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What --explain says of an address is what the kernel does: each destination is tried in a network
# namespace with the ruleset in force, where a table behind it notes what came through.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")" || exit 99

policies=(addresses around dns empty open ../../contrib/example)

# At the edges of entries, of classes and of what is cut out of them.
addresses=(1.1.1.0 1.1.1.1 8.8.8.8 9.255.255.255 10.0.0.0 10.41.255.255 10.42.0.0 10.42.6.255
	10.42.7.0 10.42.7.255 10.42.8.0 10.43.0.0 11.0.0.1 100.64.0.1 100.127.255.255 100.128.0.0
	127.0.0.1 127.0.0.53 169.254.0.22 169.254.0.23 169.254.127.255 169.254.128.0
	169.254.169.254 172.15.255.255 172.16.0.0 192.0.2.53 192.168.0.1 198.51.100.0
	198.51.100.15 198.51.100.16 203.0.111.255 203.0.112.0 203.0.113.5 203.0.114.9 203.0.114.10
	223.255.255.255 ::1 64:ff9b::808:404 64:ff9b::a00:1 64:ff9b:1::1 2001:db8:7::
	2001:db8:7:ffff::1 2001:db8:8:: 2002:a00:1::1 2600:: 2606:4700:4700::1111 3fff::1
	fc00::1 fd00:ec2::254 fdff::1)
ports=(tcp/443 tcp/5432 tcp/53 udp/53 udp/123)

show() { # ADDRESS PORTS
	case $1 in
	*:*) echo "${2%/*}/[$1]:${2#*/}" ;;
	*) echo "${2%/*}/$1:${2#*/}" ;;
	esac
}

# A namespace behind a cable that has every address and answers.
make_world() {
	local world

	ip link set lo up
	unshare -n sleep 600 >/dev/null &
	world=$!
	until [ "$(readlink /proc/$world/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do
		sleep 0.01
	done
	ip link add cable type veth peer name cable netns $world
	ip address add 192.168.77.2/24 dev cable
	ip address add fd77::2/64 dev cable nodad
	ip link set cable up
	nsenter --net --target $world sh -c '
		ip link set lo up
		ip address add 192.168.77.1/24 dev cable
		ip address add fd77::1/64 dev cable nodad
		ip link set cable up
		ip route add local 0.0.0.0/0 dev lo table main
		ip route add local ::/0 dev lo table main'
	ip route add default via 192.168.77.1
	ip route add default via fd77::1
	echo $world
}

witness() {
	nft -f - <<-'END'
		table inet witness {
			set seen4 {
				type ipv4_addr . inet_proto . inet_service
				flags dynamic
			}
			set seen6 {
				type ipv6_addr . inet_proto . inet_service
				flags dynamic
			}
			chain output {
				type filter hook output priority 10; policy accept;
				ct direction original meta l4proto { tcp, udp } jump note
			}
			chain note {
				add @seen4 { ip daddr . meta l4proto . th dport }
				add @seen6 { ip6 daddr . meta l4proto . th dport }
			}
		}
	END
}

was_seen() { # ADDRESS PORTS
	local set=seen4

	[[ $1 == *:* ]] && set=seen6
	nft get element inet witness $set "{ $1 . ${2%/*} . ${2#*/} }" >/dev/null 2>&1
}

# In a network namespace of its own: prints what differs.
try_all() {
	local world address port permitted seen status

	nft -f "$2" && witness || return
	world=$(make_world) || return
	for address in "${addresses[@]}"; do
		for port in "${ports[@]}"; do
			timeout 5 bash -c "echo >/dev/${port%/*}/$address/${port#*/}" 2>/dev/null
		done
	done
	for address in "${addresses[@]}"; do
		for port in "${ports[@]}"; do
			"$program" "$1" --explain "$(show "$address" "$port")" >"$work/said"
			status=$?
			[ $status = 0 ] && permitted=yes || permitted=no
			was_seen "$address" "$port" && seen=yes || seen=no
			[ $permitted = $seen ] && continue
			echo "came through: $seen, status $status:"
			cat "$work/said"
		done
	done
	kill "$world"
}

if [ "${1:-}" = --inside ]; then
	try_all "$2" "$3" 2>&1
	exit
fi

has_namespaces || { echo "1..0 # SKIP no private network namespace"; exit 0; }
for policy in "${policies[@]}"; do
	"$program" "$policy.toml" >"$work/nft"
	said=$(unshare -Urn bash ./explain.sh --inside "$policy.toml" "$work/nft")
	[ -z "$said" ]
	result $? "$policy: the kernel does what --explain says" "$said"
done
finish
