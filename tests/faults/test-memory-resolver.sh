#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Memory runs out in the resolver. While it starts: it serves all the same, or ends and says why. While
# it reads its policy again: the new one is in force, or all of the old one is. While it is at work:
# it works again afterwards. Nothing is open at any time that may not be.
#
#	MEMORY_RUNS	starts, and reloads, that are tried, each with another allocation (6)

# shellcheck disable=SC2034,SC2119,SC2154,SC2317 # names that are shared with the lab
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
lab_needs "$ctl"
[ -e "$(program tests/faults/alloc.so)" ] || skip_all "alloc.so was not built"
runs=${MEMORY_RUNS:-6}

# policy NAME: permits that name and www.
policy() {
	faults_policy "" && sed -i "s/\"www\.lab\.example\"/&, \"$1.lab.example\"/" lab.toml
}

answers() {
	[[ $(probe --wait 3 dns "$NOSERVER4" "$1.lab.example" A) = NOERROR* ]]
}

# The name that is permitted, which shows whose policy is in force: both, or none of the two is wrong.
in_force() {
	local name

	for name in api twin; do
		! answers $name || echo $name
	done
}

faults_start
policy api
must lab_load lab
shim_start "$(program tests/faults/alloc.so)"

# --- While it starts ---

# starts FROM: with that allocation failing, whichever process it is in.
starts() {
	resolver_starts=$((resolver_starts + 1))
	resolver_log=resolver-$resolver_starts.log
	inject allocations=0 failed=0 from="$1" to="$1"
	nsenter --net=/run/netns/client "$resolver" lab.toml --user "$LAB_USER" >>resolver.out \
		2>"$resolver_log" &
	resolver_pid=$!
	until_true 20 ended_or_serves
	inject from=0 to=0
}

ended_or_serves() {
	! kill -0 "$resolver_pid" 2>/dev/null || answers www
}

inject allocations=0 from=0 to=0
starts 0
check "without a fault it serves" answers www
count=$(inject allocations)
note "$count allocations"
lab_resolver_stop

served=0 bad=
for ((i = 0; i < runs; i++)); do
	at=$((1 + (i * count + count / 3) / runs))
	starts $at
	if kill -0 "$resolver_pid" 2>/dev/null; then
		answers www && served=$((served + 1)) || bad+=" $at (does not serve)"
		kill -TERM "$resolver_pid"
		wait "$resolver_pid" || bad+=" $at (ends with $?)"
	else
		wait "$resolver_pid"
		status=$?
		[ $status = 1 ] || [ $status = 3 ] || bad+=" $at (status $status)"
		grep -qE "[Mm]emory|\(process [0-9]+\) (was )?ended" "$resolver_log" ||
			bad+=" $at (does not say why)"
	fi
done
is "of $runs starts without memory, each serves or says why not" "$bad" ""
note "$served of them served"
closed "after starts without memory"

# --- While it reads its policy again ---
must lab_resolver lab
check "it serves" answers www
policy twin
inject allocations=0
must "$ctl" reload
count=$(inject allocations)
note "$count allocations"
is "a reload without a fault" "$(in_force)" twin

now=twin bad='' done=0
for ((i = 0; i < runs; i++)); do
	at=$((1 + (i * count + count / 3) / runs))
	before=$now
	next=api
	[ "$before" = twin ] || next=twin
	policy $next
	inject allocations=0 failed=0 from=$at to=$at
	if "$ctl" reload >reload.out 2>&1; then
		now=$next
		done=$((done + 1))
	elif grep -q "may have been done" reload.out; then
		now=$(in_force)
		[[ $now = @(api|twin) ]] || bad+=" $at (in force: $now)"
	else
		grep -qE "[Mm]emory|stays in force" reload.out || bad+=" $at (does not say why: $(cat reload.out))"
	fi
	inject from=0 to=0
	[ "$(in_force)" = "$now" ] || bad+=" $at (in force: $(in_force), not $now)"
	kill -0 "$resolver_pid" || bad+=" $at (it ended)"
done
is "of $runs reloads without memory, each is done or changes nothing" "$bad" ""
note "$done of them were done"
policy api
check "a reload with memory works" "$ctl" reload
is "and is in force" "$(in_force)" api
closed "after reloads without memory"

# --- While it is at work ---
load_start --rate 200
inject allocations=0 failed=0 from=1 to=1000000000
sleep 1
inject from=0 to=0
note "$(inject failed) allocations failed"
load_end
recovers "without memory for a second" 20
closed "without memory for a second"
lab_resolver_stop
is "the resolver ends with status 0" $? 0
lab_done
