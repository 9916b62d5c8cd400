#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The time of day is set while the resolver runs, by years, forwards and back. Leases know nothing
# of it; what expires does.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
[ -e "$(program tests/faults/shim.so)" ] || skip_all "shim.so was not built"

tomorrow=$(date -u -d "1 day" +%Y-%m-%dT%H:%M:%SZ)
faults_policy 'min_lease = "2s"
max_lease = "4s"
grace = "1s"'
cat >>lab.toml <<-END
	[[allow]]
	host = ["api.lab.example"]
	expires = $tomorrow
END
faults_start
must lab_load lab
shim_start
must lab_resolver lab
recovers "at first" 10
is "what expires tomorrow is answered" "$(ask api.lab.example)" "NOERROR 198.18.1.2"
must hold long "$opened" 443

DAY=86400
load_start --rate 50
for step in $((2 * DAY)) $((3650 * DAY)) -$((3650 * DAY)) $((30 * DAY)); do
	inject clock=$step
	recovers "clock $((step / DAY)) days ahead" 5
	closed "clock $((step / DAY)) days ahead"
done
answer_refused() {
	[[ $(ask api.lab.example) = NXDOMAIN* ]]
}
check "what has expired is refused" until_true 10 answer_refused
inject clock=0
load_end
gap=$(sed 's/.* gap \([0-9]*\) ms/\1/' load.out)
check "no client waited for longer than 2 s" test "$gap" -le 2000
like "and all were answered" "$(cat load.out)" ' failed 0 lost 0 '
recovers "the clock is right again" 5
alive "a connection from the beginning goes on" long
# A lease is as long as it was: it ends.
refused_now() {
	[[ $(probe tcp 198.18.1.2 443) =~ $REJECTED ]]
}
check "leases end in their time" until_true 20 refused_now
lab_done
