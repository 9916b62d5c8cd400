#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No first packet lost: fresh names, resolved and at once connected to, over TCP and UDP and both
# families. Lesson L21.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

names=${LAB_NAMES:-100000}
lab_policy lab <<-'END'
	[[allow]]
	host = "*.n.example"
	wildcard_bytes = "1000000000/second"
	wildcard_answer_bytes = "1000000000/second"
	ports = ["tcp/443", "udp/443"]
END
lab_start names
# Hundreds of thousands of flows in seconds: those that are over shall not fill the table.
must in_client sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close=1 \
	net.netfilter.nf_conntrack_udp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=2
lab_up lab

rejected "no address is open before" tcp 198.18.4.0 443
rejected "nor over IPv6" tcp 2001:db8:100:: 443

# run DESCRIPTION COUNT OPTION...
run() {
	local what=$1 count=$2 said

	shift 2
	said=$(in_client "$(program tests/net/firstpacket)" --names "$count" "$@" \
		$NOSERVER4 "[$NOSERVER6]" 198.18.0.98 "[2001:db8:99::98]" 2>>firstpacket.log)
	is "$what: no packet was lost" $? 0
	note "$said"
	like "$what: all were resolved" "$said" \
		"dns: $((count * 2)) answered, 0 asked again, 0 unresolved"
	like "$what: all were connected to" "$said" \
		"tcp: $((count * 2)) connected, 0 rejected, 0 retransmitted, 0 timed out"
	like "$what: all datagrams were answered" "$said" \
		"udp: $((count * 2)) answered, 0 rejected, 0 unanswered"
}
run "$names fresh names" "$names"
run "the same names, which have leases" $((names / 10))

# All over again, while ruleset and resolver are reloaded all the time.
lab_resolver_stop
must in_client "$compiler" lab.toml --remove
lab_up lab --workers 2
reload() {
	while [ ! -e enough ]; do
		lab_reload lab
		echo >>reloads
		sleep 0.5
	done
}
reload >reload.log 2>&1 &
reloader=$!
run "$((names / 5)) fresh names under reloads" $((names / 5))
: >enough
wait $reloader
note "$(wc -l <reloads) reloads"
rejected "an address that no name has is closed" tcp 198.19.200.1 443

lab_done
