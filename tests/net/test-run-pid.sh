#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A process that runs already, observed by egress-run --pid: in another network namespace, by the
# user who owns that, and in the same one by root, told from others by its control group.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck disable=SC2317 # functions are called by name
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start

# What is observed: every name is looked up anew, one of them permitted by the policy. Unless that
# is redirected, nobody answers.
work='for name in www other; do
		curl -sS -m 1 "http://$name.lab.example:443/" >>reached.new 2>&1
	done
	mv reached.new reached; sleep 0.2'

# has_reached ADDRESS: the process has come round since, and was there.
has_reached() {
	until_true 30 grep -q "^reached $1 port 443" home/reached
}

tables() {
	"$@" nft list tables | grep egress
}

# --- Another network namespace ---
# What pasta makes is like a container without root: a user namespace with its network.
"${as_user[@]}" setsid pasta --config-net --quiet -t none -u none -T none -U none -- \
	sh -c "echo \$\$ >pid.inner; while :; do $work; done" >pasta.log 2>&1 &
pasta=$!
check "a process is at work elsewhere" until_true 20 test -s home/reached
process=$(pgrep -u $RUN_UID -f 'echo .* >pid.inner' | while read -r pid; do
	[ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/$pasta/ns/net)" ] || echo $pid
done | head -1)
"${as_user[@]}" "$run" --pid "$process" --save-policy saved.toml >said 2>&1 &
observer=$!
check "what is permitted is not kept from it" has_reached 198.18.1.1
check "nor anything else" has_reached 198.18.1.3
inside_it() {
	nsenter --user="/proc/$process/ns/user" --net="/proc/$process/ns/net" -- "$@"
}
like "by a ruleset in its namespace" "$(tables inside_it)" 'inet egress-'
is "and no other" "$(tables in_client)" ""
sleep 1
kill -INT $observer
wait $observer
is "until somebody ends that" $? 0
is "nothing is left" "$(tables inside_it)" ""
rm -f home/reached
check "it goes on" until_true 20 test -s home/reached
like "what the policy permits was reached" "$(cat said)" 'www\.lab\.example'
like "what it would refuse is told" "$(cat said)" 'other\.lab\.example'
like "nothing was refused" "$(cat said)" 'would'
check "a policy is made of it" "$compiler" --check home/saved.toml
like "that permits both" "$(grep host home/saved.toml)" 'other\.lab\.example'
"${as_user[@]}" "$run" --pid "$process" -q >said 2>&1 &
observer=$!
until_true 20 sh -c "nsenter --user=/proc/$process/ns/user --net=/proc/$process/ns/net -- \
	nft list tables | grep -q egress"
like "who is observed is not observed twice" \
	"$(user "$run" --pid "$process" 2>&1; echo $?)" 'in force there already.*125$'
pkill -KILL -f "^sh -c echo .* >pid.inner"
wait $observer
is "it ends with the process" $? 0

# The user's own process, in a network that somebody else's namespace owns.
nsenter --net=/run/netns/world setpriv --reuid $RUN_UID --regid $RUN_UID --clear-groups sleep 60 &
process=$!
sleeps() {
	[ "$(cat "/proc/$process/comm")" = sleep ]
}
until_true 20 sleeps
like "another's network is not its user's" "$(user "$run" --pid $process 2>&1; echo $?)" \
	"not this user's: takes root.*125\$"
kill -KILL $process
wait $process 2>/dev/null

# --- The same network namespace ---
must mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/egress-observed /sys/fs/cgroup/egress-other
rm -f home/reached
as_root=(env -C "$RUN_HOME" nsenter --net=/run/netns/client)
in_group() {
	in_client sh -c "echo \$\$ >/sys/fs/cgroup/$1/cgroup.procs; shift; exec \"\$@\"" - "$@"
}
"${as_root[@]}" sh -c "echo \$\$ >/sys/fs/cgroup/egress-observed/cgroup.procs
	while :; do $work; done" &
process=$!
until_true 20 test -s home/reached
root_run() {
	"${as_root[@]}" "$run" "$@"
}
like "an ordinary user may not" "$(user "$run" --pid $process 2>&1; echo $?)" 'takes root.*125$'
observed=$process
"${as_user[@]}" sleep 60 &
process=$!
until_true 20 sleeps
like "nor what is the user's own" "$(user "$run" --pid $process 2>&1; echo $?)" \
	'in this network namespace: takes root.*125$'
kill -KILL $process
wait $process 2>/dev/null
process=$observed
"${as_root[@]}" "$run" --policy egress.toml --pid $process --report said.json >said 2>&1 &
observer=$!
until_true 20 sh -c 'ip netns exec client nft list tables | grep -q egress'
check "nothing is kept from root's either" has_reached 198.18.1.3
like "nobody else is in scope" \
	"$(in_group egress-other "$prober" --wait 1 dns 198.18.0.99 www.lab.example A)" \
	'TIMEOUT|ECONNREFUSED'
like "the group's others are" \
	"$(in_group egress-observed "$prober" dns 198.18.0.99 www.lab.example A)" 198.18.1.1
sleep 1
kill -TERM $observer
wait $observer
is "until it is ended" $? 0
like "told what would be refused" "$(cat said)" 'other\.lab\.example'
is "the ruleset is gone" "$(tables in_client)" ""
"${as_root[@]}" "$run" --policy egress.toml --pid $process -q >said 2>&1 &
observer=$!
until_true 20 sh -c 'ip netns exec client nft list tables | grep -q egress'
kill -KILL $observer
wait $observer 2>/dev/null
gone() {
	[ -z "$(tables in_client)" ]
}
check "also when it was killed" until_true 20 gone
kill -KILL $process
wait $process 2>/dev/null
like "a process that is not there" "$(root_run --pid $process 2>&1; echo $?)" '125$'
"${as_root[@]}" sleep 60 &
process=$!
like "one that nothing tells from others" \
	"$(root_run --policy egress.toml --pid $process 2>&1; echo $?)" 'nothing tells it.*125$'
kill -KILL $process
wait $process 2>/dev/null
# Whoever may make groups may name them so that no policy could.
odd='/sys/fs/cgroup/egress-"odd"'
must mkdir "$odd"
"${as_root[@]}" sh -c 'echo $$ >"$1/cgroup.procs"; exec sleep 60' - "$odd" &
process=$!
until_true 20 grep -q . "$odd/cgroup.procs"
like "nor one whose group cannot be written down" \
	"$(root_run --policy egress.toml --pid $process 2>&1; echo $?)" 'nothing tells it.*125$'
kill -KILL $process
wait $process 2>/dev/null
rmdir "$odd"

# --- What makes no sense ---
for words in '--pid 0' '--pid x' '--pid 1 true' '--pid 1 --override egress.toml' \
	'--pid 1 --publish 80' '--pid 1 --wait'; do
	like "$words" "$(user "$run" $words 2>&1; echo $?)" '125$'
done

lab_done
