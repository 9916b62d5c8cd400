#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No first packet lost: fresh names, resolved and at once connected to, over TCP and UDP and both
# families; first undisturbed, then while the policy is read again and again in three ways. What
# isn't permitted is tried all the time, and never let through. Lesson L21.
#
#	FIRSTPACKET_HUP=1000000 FIRSTPACKET_PAUSE=1 tests/net/test-firstpacket.sh
#
# FIRSTPACKET_PLAIN, _HUP, _APPLY and _NFT say how many names each part takes, 0 leaves it out;
# FIRSTPACKET_PAUSE how many seconds lie between two reloads.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

plain=${FIRSTPACKET_PLAIN:-40000}
hup=${FIRSTPACKET_HUP:-20000}
apply=${FIRSTPACKET_APPLY:-20000}
nft=${FIRSTPACKET_NFT:-20000}
pause=${FIRSTPACKET_PAUSE:-0.3}
lab_names=$((plain + hup + apply + nft))
# Short leases: the addresses of a million names are more than may be open at one time.
lab_policy lab <<-'END'
	min_lease = "10s"
	max_lease = "20s"
	grace = "10s"
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
lab_up lab --workers 2

rejected "no address is open before" tcp 198.18.4.0 443
rejected "nor over IPv6" tcp 2001:db8:100:: 443

# run DESCRIPTION FIRST COUNT
run() {
	local what=$1 said

	said=$(in_client "$(program tests/net/firstpacket)" --first "$2" --names "$3" --strangers 20 \
		$NOSERVER4 "[$NOSERVER6]" 198.18.0.98 "[2001:db8:99::98]" 2>>firstpacket.log)
	is "$what: no packet was lost" $? 0
	note "$said"
	like "$what: all were resolved" "$said" \
		"dns: $(($3 * 2)) answered, 0 asked again, 0 unresolved"
	like "$what: all were connected to" "$said" \
		"tcp: $(($3 * 2)) connected, 0 rejected, 0 retransmitted, 0 timed out"
	like "$what: all datagrams were answered" "$said" \
		"udp: $(($3 * 2)) answered, 0 rejected, 0 unanswered"
	like "$what: nothing else was let through" "$said" \
		"strangers: 0 accepted, [1-9][0-9]* rejected, [1-9][0-9]* without an address, 0 un"
}

# --- Ways to read the policy again, once --------------------------------------------------------
reload_hup() {
	kill -HUP "$resolver_pid"
}

reload_apply() {
	in_client "$compiler" lab.toml --apply
}

reload_nft() {
	lab_load lab
}

# reloading HOW: until the file "enough" is there; what fails is a line in its log. Each way but
# SIGHUP alone is followed by it, as an administrator would.
reloading() {
	while [ ! -e enough ]; do
		"reload_$1" || echo "reload failed"
		[ "$1" = hup ] || reload_hup
		echo >>"reloads-$1"
		sleep "$pause"
	done
}

# run_reloading HOW FIRST COUNT
run_reloading() {
	local reloader

	[ "$3" -gt 0 ] || return
	rm -f enough
	reloading "$1" >"reload-$1.log" 2>&1 &
	reloader=$!
	run "$3 fresh names, reloads by $1" "$2" "$3"
	: >enough
	wait $reloader
	unlike "reloads by $1 succeeded" "$(cat "reload-$1.log")" "."
	note "$(wc -l <"reloads-$1") reloads by $1, $(grep -c reloaded "$resolver_log") by then," \
		"$(in_client cat /proc/sys/net/netfilter/nf_conntrack_count) flows"
	check "there were some" test "$(wc -l <"reloads-$1")" -gt 1
}

if [ "$plain" -gt 0 ]; then
	run "$plain fresh names" 0 "$plain"
	run "the last of them, which have leases" $((plain - plain / 10)) $((plain / 10))
fi
run_reloading hup "$plain" "$hup"
run_reloading apply $((plain + hup)) "$apply"
run_reloading nft $((plain + hup + apply)) "$nft"
rejected "an address that no name has is closed" tcp 198.19.200.1 443

lab_done
