#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The disk that records go to is full, and the pipe, and who reads it stops or goes: names are
# answered as ever, no line is broken, and what was lost is counted. FAULT_SECONDS sets for how long.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=faults.sh
. "$here/faults.sh"
lab_needs_programs
lab_needs jq

seconds=${FAULT_SECONDS:-3}
mkdir disk
must mount -t tmpfs -o size=1m,mode=777 disk disk
faults_policy "[audit]
path = \"$LAB/disk/lab.jsonl\"
allowed = true"
faults_start
lab_up lab
recovers "at first" 10

fill() {
	cat /dev/zero >disk/filler 2>/dev/null
}

# lost FILE WHAT: whether records of them are told to be lost.
lost() {
	[ -n "$(jq -c "select(.kind == \"lost\" and .what == \"$2\" and .count > 0)" "$1")" ]
}

fill
load_start --rate 500
sleep "$seconds"
check "the disk gets full" until_true 60 grep -q "cannot write records" "$resolver_log"
sleep "$seconds"
load_end
like "others are answered" "$(cat load.out)" ' failed 0 lost 0 '
recovers "a full disk" 5
closed "a full disk"

# --- There is room again ---
rm disk/filler
goes_on() {
	ask last.example >/dev/null
	grep -q '"name":"last.example"' disk/lab.jsonl
}
check "records go on once there is room" until_true 20 goes_on
check "what was lost is told" until_true 10 lost disk/lab.jsonl queries
is "each line is JSON" "$(jq -c . disk/lab.jsonl | wc -l)" "$(wc -l <disk/lab.jsonl)"
lab_resolver_stop
is "the resolver ends with status 0" $? 0
resolver_pid=

# --- A pipe that nobody reads, then one that nobody has ---
must mount -o remount,size=64m disk
mkfifo pipe
exec 8<>pipe
exec 9>pipe
lab_resolver lab --control none --events-fd 9 8<&-
exec 9>&-
load_start --rate 500
sleep "$seconds"
load_end
like "a full pipe: others are answered" "$(cat load.out)" ' failed 0 lost 0 '
recovers "a full pipe" 5
timeout 5 cat <&8 >lines &
drain=$!
ask www.lab.example >/dev/null
check "what was lost is told" until_true 10 lost lines queries
kill $drain
wait $drain 2>/dev/null
is "each line of the pipe is JSON" "$(jq -c . lines | wc -l)" "$(wc -l <lines)"
exec 8<&-
ask www.lab.example >/dev/null
check "that nobody reads is said" until_true 10 grep -q "nobody reads" "$resolver_log"
recovers "a closed pipe" 5
closed "a closed pipe"
lab_done
