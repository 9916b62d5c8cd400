#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A process of the resolver makes a system call that isn't its to make: it ends, the log says which
# call it was, and others take its place.

# shellcheck disable=SC2034,SC2119,SC2154,SC2317 # names that are shared with the lab
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
[ -e "$(program tests/faults/shim.so)" ] || skip_all "shim.so was not built"

faults_policy
faults_start
must lab_load lab
shim_start
must lab_resolver lab
recovers "at first" 10
must hold long "$opened" 443

breach_expected=yes
for role in keeper "worker 0"; do
	pid=$(pgrep -P "$resolver_pid" | if [ "$role" = keeper ]; then head -n 1; else tail -n 1; fi)
	inject breach="$pid"
	# So that it looks at the clock
	probe --wait 1 dns $NOSERVER4 www.lab.example A >/dev/null
	check "the $role ends" until_true 20 lab_gone "$pid"
	like "the $role: the log names the call" "$(cat "$resolver_log")" \
		"$role: system call unshare \([0-9]+\) is not permitted here"
	recovers "the $role" 20
	closed "the $role"
done

# The first process goes on: the call just fails.
inject breach="$resolver_pid"
kill -HUP "$resolver_pid"
check "the first process reads the policy again" until_true 20 grep -q reloaded "$resolver_log"
is "it made the call" "$(inject breach)" 0
recovers "the first process" 20
alive "a connection from the beginning goes on" long
lab_done
