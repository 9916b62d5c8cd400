#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A ruleset is replaced by one transaction, and no packet meets a moment without it: new flows go on
# being permitted while it is loaded again and again. What can go wrong is a matter of chance, so
# there are many of both.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

# Small, so that it is loaded often.
cat >lab.toml <<-'END'
	version = 1
	name = "lab"
	[network]
	block = []
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	ports = ["udp/443"]
	[[allow]]
	host = "www.lab.example"
END
lab_start
must in_client sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1
must lab_load lab
reaches "before" udp 198.18.40.1 443

# A packet keeps to the rules it began with, but looks into sets as they are by then: the elements of
# a map that belongs to a rule end with the rule (nf_tables_deactivate_set), under packets that are
# still at work on it.
unlike "no rule has a map of its own" "$(grep -v '^#' lab.nft)" 'map \{'

load_on() {
	while [ ! -e enough ]; do
		in_client nft -f lab.nft || return
		echo >>loads
	done
}
load_on 2>load.log &
loader=$!
for address in 198.18.40.1 2001:db8:40::1; do
	is "no flow to $address is refused" "$(probe flood $address 443 500000)" "0 refused"
done
: >enough
check "the ruleset loads each time" wait $loader
note "$(wc -l <loads) loads"

lab_done
