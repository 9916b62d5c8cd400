#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel refuses what the keeper asks of it, or loses its answers; its sets are full; others
# flush, delete and load the ruleset meanwhile. Lessons L3, L8, L15.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
[ -e "$(program tests/faults/shim.so)" ] || skip_all "shim.so was not built"

SHORT='min_lease = "2s"
max_lease = "2s"
grace = "1s"'
faults_policy "$SHORT"
faults_start
must lab_load lab
shim_start
must lab_resolver lab
recovers "at first" 10
must hold long "$opened" 443

leases() {
	in_client nft list table inet egress-lab | sed -n 's/^\tmap \(.*-leases[46]\) {/\1/p'
}

# --- Netlink ---
for fault in send=ENOBUFS send=EINTR send=ENOMEM receive=ENOBUFS receive=EINTR; do
	inject "$fault" calls=0 failed=0 every=3
	load_start --rate 100
	sleep 1.5
	load_end
	inject every=0 send=0 receive=0
	note "$fault: $(inject failed) of $(inject calls) calls failed"
	check "$fault: some calls failed" test "$(inject failed)" -gt 3
	like "$fault: nobody is left without an answer" "$(cat load.out)" ' lost 0 '
	is "$fault: no process ends" "$(grep -c "ended with" "$resolver_log")" 0
	recovers "$fault, and no more" 15
	closed "$fault"
done

# A keeper that starts meanwhile needs answers to all it asks.
inject receive=ENOBUFS every=3
must kill -KILL "$(pgrep -P "$resolver_pid" | head -n 1)"
recovers "a new keeper, while answers are lost" 10
inject every=0 receive=0
recovers "and when they are not" 10

# --- Nothing can be opened at all ---
inject send=ENOBUFS every=1
sleep 0.2
load_start --rate 50
sleep 2
load_end
like "nothing can be opened: nobody is answered" "$(cat load.out)" ' answered 0 '
closed "nothing can be opened"
inject every=0 send=0
recovers "and can again" 15
alive "a connection from the beginning goes on" long

# --- Full sets ---
must lab_resolver_stop
must in_client "$compiler" lab.toml --remove
must lab_load lab
must in_client nft delete table inet egress-lab
sed -E '/^\tmap .*-leases[46] \{/,/^\t\}/s/size [0-9]+/size 20/' lab.nft >small.nft
grep -q "size 20" small.nft || note "lease maps have no size of their own"
must in_client nft -f - <small.nft
must lab_resolver lab
recovers "small sets, at first" 10
load_start --rate 100
sleep 1
like "full: an error" "$(ask t39.fresh.lab.example)" '^SERVFAIL|^NOERROR 198'
sleep 1
load_end
like "full: some are not answered" "$(cat load.out)" 'failed [1-9]'
like "full: and some are" "$(cat load.out)" 'answered [1-9]'
# What the kernel refuses takes it some 15 ms (it waits for readers before it undoes it).
like "full: nobody is left without an answer" "$(cat load.out)" 'lost 0 '
closed "full"
recovers "there is room again" 15

# --- Others at work on the ruleset ---
must in_client "$compiler" lab.toml --remove
must lab_resolver_stop
faults_policy 'min_lease = "60s"'
must lab_load lab
must lab_resolver lab

# How long an answer that the cache may give is closed: opens_again WHAT SECONDS.
opens_again() {
	local start

	start=$(milliseconds)
	until [[ $(ask www.lab.example) = NOERROR* && $(probe udp 198.18.1.1 443) = *hello ]]; do
		if [ $(($(milliseconds) - start)) -gt $(($2 * 1000)) ]; then
			not_ok "$1: what is answered is open within $2 s"
			return
		fi
	done
	ok "$1: what is answered is open within $2 s"
	note "after $(($(milliseconds) - start)) ms"
}
opens_again "at first" 2
for map in $(leases); do
	must in_client nft flush map inet egress-lab "$map"
done
opens_again "lease maps flushed" 2
closed "lease maps flushed"
must in_client nft delete element inet egress-lab "$(leases | grep 4 | head -n 1)" '{ 198.18.1.1 }'
opens_again "one lease deleted" 2
must lab_load lab
opens_again "the ruleset loaded again" 2
must in_client nft delete table inet egress-lab
sleep 0.3
answer=$(probe --wait 5 dns "127.0.0.1:5300" t38.fresh.lab.example A)
unlike "no table: no answer" "$answer" "^NOERROR 198"
must lab_load lab
opens_again "the table is back" 5
closed "the table is back"
recovers "the table is back" 10
lab_done
