#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What egress-run tells of a command: the summary, reports, --fail-on-refusal, --observe and the
# policy that a run is turned into.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
lab_needs jq
run_start

compiler=$(program src/egress-compile)
# json FILTER: of the report.
json() {
	jq -r "$1" home/report.json
}

# --- The summary ---
script=true
is "a line, when there is nothing" "$(told)" "egress-run: nothing was reached, and nothing refused"
is "and none with -q" "$(told -q)" ""
script='curl -4 -sS -m 10 http://www.lab.example:443/; getent hosts other.lab.example
	$probe tcp 198.18.1.3 8000; $probe tcp 198.18.1.1 80; $probe udp 2001:db8:1::3 53; true'
summary=$(told --report report.json --report report.html --report report.txt)
like "what was reached, and how often something was refused" "$summary" \
	'^egress-run: reached 1 destination, refused 3; sent [1-9][0-9]* B, received '
like "by its name" "$summary" '  www.lab.example +tcp/443 +allow-1 +[1-9][0-9]* B +[1-9][0-9]* B'
like "a name that is refused" "$summary" '  other.lab.example +name +default-deny +1'
like "with what would permit it" "$summary" $'to permit it: --allow other.lab.example\n'
like "an address that is refused" "$summary" '  198.18.1.3 +tcp/8000 +default-deny +1'
like "with its port" "$summary" $'--allow 198.18.1.3:8000\n'
like "one that a name led to, by the name" "$summary" '  www.lab.example +tcp/80 +default-deny +1'
like "and by itself" "$summary" 'at 198.18.1.1; to permit it: --allow www.lab.example:80$'
unlike "the ruleset's trial is no part of it" "$summary" 192.0.2.1
unlike "nor is DNS, which is the resolver's" "$summary" '2001:db8:1::3'
is "80 columns are enough" "$(awk 'length > 80' <<<"$summary")" ""
unlike "there are no colours but on a terminal" "$summary" $'\033'
is "what it suggests is enough" \
	"$(script='getent ahostsv4 www.lab.example >/dev/null; $probe tcp 198.18.1.1 80'
		told -q --allow www.lab.example:80; cut -d' ' -f1,2 out)" "198.18.1.1 80"
like "colours, on a terminal" "$(TERM=xterm script -qec \
	"$(printf '%q ' "${as_user[@]}" "$run" getent hosts other.lab.example)" /dev/null </dev/null)" \
	$'\033\\[1;31m  refused'
unlike "unless they are not wanted" "$(NO_COLOR=1 TERM=xterm script -qec \
	"$(printf '%q ' "${as_user[@]}" "$run" getent hosts other.lab.example)" /dev/null </dev/null)" \
	$'\033'

# What bytes are counted: a file of 300,000 is that, and headers.
is "bytes, of all that was received" "$(json '.reached.rows[0] | .bytes_in > 60 and .bytes_in < 9000 and
	.packets_in >= 3 and .bytes_out > 100')" true
script='getent ahostsv4 www.lab.example >/dev/null
	perl -MIO::Socket::INET -e '\''
		my $s = IO::Socket::INET->new(PeerAddr => q(198.18.1.1), PeerPort => 443) or die;
		print $s "x" x 100000; $s->flush; sleep 60;'\'' & sleep 1; kill -9 $!; exec sleep 0.2'
told -q --report report.json >/dev/null
like "of connections that are open, too" "$(json '.reached.rows[0].bytes_out')" '^1[0-9]{5}$'

# A burst of refusals is told to the last of them, though the ruleset reports no more than some.
script='perl -MIO::Socket::INET -e '\''
	IO::Socket::INET->new(PeerAddr => q(198.18.1.3), PeerPort => 443) for 1..2000'\'
burst=$(told --report report.json)
like "what is counted alone is told" "$burst" '  not recorded: 1,[0-9]* of refused connections'
is "and all of it comes to what was refused" "$(json '[.refused.rows[].times, .lost.refused] | add')" 2000

# --- Hostile names ---
script='printf "\\033]0;x\\007" >name
	dig +short +time=5 "\\027[31m\\010\\000;\\\$(touch\\032x).lab.example" >/dev/null; true'
summary=$(told --report report.html --report report.json)
unlike "no name is a terminal's command" "$summary" $'[\001-\010\013-\037]'
unlike "nor a shell's" "$summary" 'allow.*touch'
is "or anything in a page" "$(tr -d '\n\t' <home/report.html | grep -c '[[:cntrl:]]')" 0

# --- Reports ---
script='curl -4 -sS -m 10 http://www.lab.example:443/; getent hosts other.lab.example; exit 3'
told -q --report report.json --report report.html --report report.txt
is "the exit status is the command's" $? 3
is "JSON has what was reached" "$(json '.reached.rows[] | "\(.name) \(.protocol)/\(.port) \(.rule) \(.place)"')" \
	"www.lab.example tcp/443 allow-1 egress.toml:$(grep -n allow home/egress.toml | cut -d: -f1)"
is "and refused" "$(json '.refused.rows[] | "\(.name) \(.option)"')" \
	"other.lab.example --allow other.lab.example"
is "how it ended" "$(json .ending)" "exit status 3"
is "and nothing that was lost" "$(json '[.lost[]] | add')" 0
like "HTML is a page" "$(head -1 home/report.html)" '^<!DOCTYPE html>$'
like "with it all" "$(cat home/report.html)" 'other.lab.example'
like "text has times" "$(cat home/report.txt)" '1 time, [0-9-]+ [0-9:]+ UTC to'
is "they are the user's" "$(stat -c %u home/report.json)" $RUN_UID
is "of the mode of any file" "$(stat -c %a home/report.html)" 644
is "nothing is left beside them" "$(find home -name 'report*.??????' | wc -l)" 0
script='rm -f report.json; mkfifo report.json'
told -q --report report.json >/dev/null
is "what the command puts in its place is replaced" "$(test -f home/report.json && json .version)" 1
script='ln -sf elsewhere report.json; exit 4'
told -q --report report.json >/dev/null
is "also a link" "$(ls home/elsewhere 2>/dev/null; json .ending)" "exit status 4"
like "what can't be written is said" "$(script='exit 5'; told -q --report nowhere/report.json; echo "status $?")" \
	'^egress-run: --report: nowhere/report.json: No such file.*status 5$'
is "a report can be standard output" \
	"$(user sh -c "$run -q --report /dev/stdout true | head -1")" "command   true"
if command -v chromium >/dev/null; then
	cp home/report.html page.html
	like "a browser shows it, and finds no fault" "$(timeout 60 chromium --headless --no-sandbox \
		--disable-gpu --user-data-dir="$LAB/chromium" --enable-logging=stderr --dump-dom \
		"file://$LAB/page.html" 2>&1 | grep -E 'CONSOLE|<caption>' | head -3)" \
		'^<caption>|^.*<caption>'
fi

# --- --fail-on-refusal ---
fails() {
	probe=$prober user "$run" -q --fail-on-refusal "$@" >/dev/null 2>&1
	echo $?
}
is "nothing was refused" "$(fails curl -4 -sS -m 10 http://www.lab.example:443/)" 0
is "a name was" "$(fails sh -c 'getent hosts other.lab.example; true')" 77
is "or an address" "$(fails sh -c '$probe tcp 198.18.1.3 443; true')" 77
is "whatever the command says" "$(fails sh -c 'getent hosts other.lab.example; exit 3')" 77
is "else its status is its own" "$(fails sh -c 'exit 3')" 3
is "without the resolver nobody knows" \
	"$(fails sh -c 'pkill -KILL -f "[e]gress-resolver"; sleep 0.5; $probe tcp 198.18.1.3 443; true')" 77
is "what is observed isn't refused" "$(fails --observe sh -c '$probe tcp 198.18.1.3 443; true')" 0
is "nothing that runs" "$(fails -p nothing.toml true)" 125

# --- --observe and --save-policy ---
script='curl -4 -sS -m 10 http://www.lab.example:443/; curl -4 -sS -m 10 http://api.lab.example:8001/
	$probe tcp 198.18.1.3 8000; $probe tcp 2001:db8:1::3 8000; getent hosts six.lab.example'
summary=$(told --observe --save-policy saved.toml)
like "that nothing is refused is said first" "$(head -1 <<<"$summary")" \
	'^egress-run: nothing that the policy refuses is refused'
is "nothing is" "$(grep -c 'reached\|hello\|2001:db8' out)" 5
like "what would have been" "$summary" 'would have refused 4, refused 0;'
like "by its name" "$summary" '  api.lab.example +tcp/8001 '
like "or its address" "$summary" '  198.18.1.3 +tcp/8000 +default-deny +1'
unlike "no name is told twice" "$summary" '  api.lab.example +name'
like "a name alone" "$summary" '  six.lab.example +name'
is "what was saved is a policy" "$("$compiler" --check home/saved.toml 2>&1; echo $?)" 0
is "of what was used" "$(grep -c '^\[\[allow\]\]' home/saved.toml)" 5
is "each on its ports" "$(grep -A1 '"api.lab.example"' home/saved.toml | tail -1)" 'ports = ["tcp/8001"]'
sed -n '/^\[dns\]/,/^$/p' home/egress.toml >>home/saved.toml
summary=$(told -p saved.toml)
is "under which the same is permitted" "$(grep -c 'reached\|hello\|2001:db8' out)" 5
like "and nothing refused" "$summary" 'refused 0;'
like "a file that is there is not overwritten" \
	"$(script='touch ran'; told --save-policy saved.toml; echo "status $?")" \
	'saved.toml is there already.*status 125'
is "before anything runs" "$(ls home/ran 2>/dev/null)" ""
cat >home/op.toml <<-'END'
	version = 1
	[[deny]]
	host = "api.lab.example"
END
script='getent hosts api.lab.example; getent hosts six.lab.example'
summary=$(told --observe --override op.toml)
like "an override refuses, all the same" "$summary" '  api.lab.example +name +o1:deny-1'
like "which is told" "$summary" 'op.toml decides, which narrows the policy'
script='curl -4 -sS -m 10 http://www.lab.example:443/; getent hosts other.lab.example'
told -q --save-policy kept.toml
is "without --observe it has what was reached" "$(grep '^host' home/kept.toml)" \
	'host = "www.lab.example"'
is "and what was refused to uncomment" "$(grep '^#host' home/kept.toml)" '#host = "other.lab.example"'

# --- What is used up ---
run_policy <<-'END'
	[[allow]]
	host = ["www.lab.example", "other.lab.example"]
	[budget]
	destinations = 5
	[limits]
	bytes = "1 MiB"
END
script='for name in www other; do curl -4 -sS -m 10 http://$name.lab.example:443/; done'
summary=$(told)
like "what is used of the budget" "$summary" '\[budget\] destinations: 2 of 5'
like "and of the limits" "$summary" '\[limits\] bytes: [1-9][0-9]* B of 1.0 MiB'

# --- The end ---
resolvers="-u $RUN_UID -f [e]gress-resolver"
script="pkill -STOP $resolvers; { sleep 1; pkill -CONT $resolvers; } >/dev/null 2>&1 &"
summary=$(told)
like "a resolver that is slow is waited for" "$summary" 'nothing was reached, and nothing refused'
unlike "and no record is missing" "$summary" missing
script="pkill -STOP $resolvers; true"
before=$(date +%s%N)
like "one that hangs is not, and that is said" "$(told)" 'records are missing'
is "nor for long" "$(( ($(date +%s%N) - before) / 20000000000 ))" 0
is "no process is left" "$(pgrep -u $RUN_UID -l)" ""

lab_done
