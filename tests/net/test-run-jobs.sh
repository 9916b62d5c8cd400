#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-run as a job of a shell: signals, stopping and going on, ends by a signal, core dumps,
# terminals, and what a command leaves behind.

# shellcheck disable=SC2317 # functions are called by name
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start

# A shell without job control has what it starts in the background ignore these.
attentive=(perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV')

# job COMMAND...: starts it in a process group of its own; $job is egress-run's process.
job() {
	rm -f home/started
	set -m
	"${as_user[@]}" "${attentive[@]}" "$run" -q -- "$@" >job.out 2>&1 &
	job=$!
	set +m
	until_true 20 test -e home/started
}
state() {
	sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null
}

has_state() {
	[ "$(state "$1")" = "$2" ]
}

left() {
	pgrep -u $RUN_UID -l
}

nothing_left() {
	[ -z "$(left)" ]
}

# --- Signals ---
for signal in TERM HUP USR1 USR2 INT QUIT ALRM; do
	job sh -c "trap 'echo got $signal; exit 7' $signal; touch started; while :; do sleep 0.1; done"
	kill -$signal "$job"
	wait "$job"
	is "SIG$signal comes to the command" "$? $(cat job.out)" "7 got $signal"
done
user timeout --signal=TERM 6 "$run" -q -- perl -e '$SIG{TERM} = sub { syswrite STDOUT, "got\n"; };
	sleep 1 for 1 .. 12' >job.out 2>&1
is "one that somebody in the group sends to all of it comes once" "$(cat job.out)" got
user "$run" -q -- sh -c 'kill -TERM $$'
is "a command that was ended by a signal" $? $((128 + 15))
ended=$(user bash -c "$run -q -- sh -c 'kill -KILL \$\$'; echo \$?" 2>&1)
like "looks to the shell like one" "$ended" '137$'
is "and to its parent" "$(user perl -e 'system(@ARGV); print $? & 127' "$run" -q -- \
	sh -c 'kill -SEGV $$')" 11
is "no core is dumped but the command's" "$(ASAN_OPTIONS=disable_coredump=0 user \
	sh -c 'ulimit -c unlimited; ulimit -c
	exec '"$run"' -q -- sh -c "ulimit -c"')" $'unlimited\nunlimited'

# --- Stopping ---
count='touch started; while :; do echo x; sleep 0.1; done'
for signal in TSTP STOP TTIN; do
	job sh -c "echo \$\$ >pid; $count"
	inner=$(cat home/pid)
	kill -$signal "$inner"
	check "a command stopped by SIG$signal" until_true 10 has_state "$inner" T
	check "stops the job" until_true 10 has_state "$job" T
	kill -CONT -- "-$job"
	check "which goes on" until_true 10 has_state "$job" S
	check "with the command" until_true 10 has_state "$inner" S
	kill -TERM "$job"
	wait "$job"
	is "to its end" $? 143
done
job sh -c "echo \$\$ >pid; $count"
inner=$(cat home/pid)
kill -TSTP "$job"
check "SIGTSTP to egress-run alone stops both" until_true 10 has_state "$inner" T
check "also itself" until_true 10 has_state "$job" T
kill -CONT "$job"
check "SIGCONT has both go on" until_true 10 has_state "$inner" S
kill -TERM "$job"
wait "$job"

# --- Terminals ---
# What %q writes is for bash; script(1) takes $SHELL, or sh.
terminal() {
	SHELL=$BASH script -qec "$(printf '%q ' "${as_user[@]}" "$@")" /dev/null </dev/null | tr -d '\r'
}
for what in 'stty -g' 'stty size' 'tty' 'ps -o tpgid= -p $$ | grep -c "^ *[1-9]"'; do
	is "a terminal: ${what%% -p*}" "$(terminal "$run" -q -- sh -c "$what")" \
		"$(terminal sh -c "$what")"
done
like "^C in it ends the command by SIGINT" "$(terminal perl -e '
	$SIG{INT} = "IGNORE"; my $p = fork();
	if (!$p) { $SIG{INT} = "DEFAULT"; exec @ARGV }
	for (1 .. 200) { last if -e "typed"; select undef, undef, undef, 0.1 }
	unlink "typed"; kill INT => -getpgrp(); waitpid $p, 0; print "signal ", $? & 127, "\n"' \
	"$run" -q -- sh -c 'touch typed; while :; do sleep 0.1; done')" 'signal 2$'

# --- What it leaves behind ---
user "$run" -q -- sh -c '(sleep 3; touch later) >/dev/null 2>&1 & :'
is "it does not wait for what the command leaves behind" "$(ls home/later 2>/dev/null)" ""
check "which goes on" until_true 20 test -e home/later
user "$run" -q -- sh -c 'setsid sh -c "sleep 3
	getent hosts www.lab.example >/dev/null; echo \$? >reached
	'"$prober"' --wait 3 tcp 198.18.1.3 443 >refused
	'"$prober"' --wait 3 tcp 198.18.1.1 443 >>refused" >/dev/null 2>&1 &'
check "in what is shut" until_true 30 grep -q . home/refused
until_true 30 nothing_left
is "without names" "$(cat home/reached)" 2
unlike "and without addresses" "$(cat home/refused)" hello
user "$run" -q --wait -- sh -c '(sleep 2; getent hosts www.lab.example >waited) >/dev/null 2>&1 & exit 5'
is "with --wait it waits" "$? $(sed 's/.* //' home/waited)" "5 www.lab.example"

# --- Who is killed ---
job sh -c "$count"
kill -KILL "$job"
wait "$job" 2>/dev/null
pkill -KILL -u $RUN_UID -x sh
check "when egress-run is killed all that it has started ends" until_true 20 nothing_left
is "and its fifo is gone" "$(find /tmp -maxdepth 1 -user $RUN_UID)" ""
mkdir bin
printf '#!/bin/sh\nexec sleep 70\n' >bin/pasta
chmod +x bin/pasta
"${as_user[@]}" "${attentive[@]}" env PATH="$LAB/bin:$PATH" "$run" -q -- true &
job=$!
until_true 20 pgrep -u $RUN_UID -x sleep
kill -INT $job
wait $job
is "when it is ended by ^C while it sets up" $? 130
check "nothing is left" until_true 20 nothing_left
is "no fifo either" "$(find /tmp -maxdepth 1 -user $RUN_UID)" ""
job sh -c "touch started; sleep 60"
pkill -KILL -u $RUN_UID 'passt|pasta'
sleep 2
pkill -KILL -u $RUN_UID -x sleep
wait "$job"
like "that the link has ended is said" "$(cat job.out)" 'the link is gone'

lab_done
