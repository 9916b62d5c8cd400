#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-audit with the log of audit.jsonl: its forms, beside which their expected output lies; what
# it does with what is no log; logs that grow and are rotated; the screen of `top` in a terminal of
# its own; and the page in a browser.

# shellcheck source=../policies/tap.sh
. "${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/policies/tap.sh"
source=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
program=$abs_top_builddir/src/egress-audit
cd "$source/tests/audit" || exit 99

pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT

# same FILE DESCRIPTION: $work/out is what the file has.
same() {
	local difference

	difference=$(diff "$1" "$work/out")
	result $? "$2" "$difference"
}

# ends STATUS DESCRIPTION ARGUMENT...
ends() {
	local wanted=$1 what=$2 status

	shift 2
	"$program" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ $status -eq "$wanted" ]
	result $? "$what" "status $status: $(cat "$work/err")"
}

# says TEXT DESCRIPTION: the last one's diagnostics.
says() {
	grep -qF -- "$1" "$work/err"
	result $? "$2" "$(cat "$work/err")"
}

# --- Forms ---

"$program" report -p audit.toml audit.jsonl >"$work/out"
same audit-report.txt "the report as text"
"$program" sessions audit.jsonl >"$work/out"
same audit-sessions.txt "the table of sessions"
"$program" follow - <audit.jsonl >"$work/out"
same audit-follow.txt "lines"
grep -qP '[^\x20-\x7e\n]' "$work/out"
[ $? -eq 1 ]
result $? "lines are printable ASCII"

# What a log has that others have written, and what a policy's own texts are, steers no terminal.
evil='\u001b[2J\u001b]0;x\u0007\u009b31m\u202e\u2028\r\n'
for member in name category reason rule session policy; do
	sed -n 31p audit.jsonl | jq -c --argjson evil "\"$evil\"" ".$member = \"x\" + \$evil + \"y\"
		| .evidence = [\$evil, \"z\"]"
	grep -m 1 '"connection"' audit.jsonl |
		jq -c --argjson evil "\"$evil\"" ".$member = \"x\" + \$evil + \"y\""
done >"$work/evil.jsonl"
for form in "follow -" "report $work/evil.jsonl" "sessions $work/evil.jsonl"; do
	# shellcheck disable=SC2086 # words
	"$program" $form <"$work/evil.jsonl" >"$work/out" 2>"$work/err"
	LC_ALL=C grep -q '[^ -~]' "$work/out"
	[ $? -eq 1 ]
	result $? "nothing but printable ASCII: ${form%% *}" "$(LC_ALL=C grep -m 1 '[^ -~]' "$work/out" | cat -v)"
done
"$program" follow - <"$work/evil.jsonl" >"$work/out"
grep -q 'x.*\[2J.*y' "$work/out"
result $? "what is there is shown without it" "$(cat "$work/out")"

# json DESCRIPTION FILTER: of $work/out
json() {
	local said

	said=$(jq -e "$2" "$work/out" 2>&1)
	result $? "$1" "$said"
}

"$program" report --json -p audit.toml audit.jsonl >"$work/out"
json "the report as JSON" '.version == 1 and .policy.name == "agent" and .policy.file == "audit.toml"'
json "it has the alerts" '[.alerts.rows[].rule] == ["encoded-names", "upload", "budget-bytes", "categories", "refusals"]'
json "alerts have their evidence" '.alerts.rows[3].evidence[0] == "documentation 71 % -> 12 %" and .alerts.rows[3].p == 0.00012'
json "it has the sessions of this policy" '[.sessions.rows[] | [.policy, .alerts, .ended]] == [["agent", 0, true], ["agent", 5, false]]'
json "the line of the policy" '[.refused.rows[] | select(.name == "paste.lab.example").says] == ["denied at audit.toml:24: no paste sites"]'
json "what would refuse what was reached" '.reached.rows[] | select(.name == "api.lab.example").refusal == "[[deny]]\nhost = \"api.lab.example\"\n"'
json "what could not be read is counted" '.lost.malformed == 1'
"$program" report --json audit.jsonl >"$work/out"
json "without a policy all are taken" '(.sessions.rows | length) == 3 and .policy == {"name": null, "file": null, "overrides": [], "observe": null}'
"$program" sessions --json audit.jsonl >"$work/out"
json "sessions as JSON" '.rows[1].budget.bytes == {"used": 50333696, "of": 4194304} and .rows[1].baseline.state == "ready"'
for i in 1 2 3 4 5 6; do
	sed -n "s/20261120T090000.000000Z-41/s-$i/p" audit.jsonl
done >"$work/baseline.jsonl"
"$program" baseline "$work/baseline.jsonl" >"$work/out"
grep -qx 'state      cold: 5 sessions and 30 destinations are needed' "$work/out"
result $? "a baseline of few destinations is cold" "$(cat "$work/out")"
sed 's/"documentation":2/"documentation":20/' "$work/baseline.jsonl" >"$work/more.jsonl"
"$program" baseline --json "$work/more.jsonl" >"$work/out"
json "a baseline of more is ready" '.state == "ready" and .sessions == 6 and .categories[0].name == "documentation"'

# --- Filters ---

# lines COUNT OPTION...
lines() {
	local wanted=$1 got

	shift
	got=$("$program" follow "$@" - <audit.jsonl | grep -c '^2026')
	[ "$got" -eq "$wanted" ]
	result $? "follow $*: $wanted lines" "$got"
}
lines 5 --alerts
lines 2 --kind session --kind policy --since 2026-11-21T13
lines 34 --verdict refuse --kind query --kind connection
lines 1 --name 'PASTE.*'
lines 30 --name '198.51.100.*'
lines 1 --rule block-metadata
lines 5 --session 'ci-*'
lines 5 --policy build
lines 5 --since '2026-11-21 13:10'

"$program" report --until 2026-11-21 --json audit.jsonl >"$work/out"
json "--until" '(.sessions.rows | length) == 1 and .ended == "2026-11-20T09:59:59.000000Z"'

# --- What resolvers write ---

"$abs_top_builddir/tests/event/print-specimens" native >"$work/specimens" || exit 99
jq -c 'select(.policy == "agent")' "$work/specimens" >"$work/ordinary"
"$program" follow - <"$work/ordinary" >"$work/out"
grep 'no record' "$work/out" >"$work/err"
[ $? -eq 1 ] && [ "$(wc -l <"$work/out")" -gt 50 ]
result $? "records of every kind are read" "$(cat "$work/err")"
# Policies and sessions of that name there can't be; they are none, then.
"$program" follow - <"$work/specimens" >"$work/out"
[ "$(wc -l <"$work/out")" -eq "$(wc -l <"$work/specimens")" ]
result $? "whatever is in them, each is one line"
grep -qaP '[\x00-\x08\x0b-\x1f\x7f]' "$work/out"
[ $? -eq 1 ]
result $? "without a control character"

# --- The command line ---

ends 2 "without a command"
ends 2 "an unknown command" look audit.jsonl
ends 2 "without a log" report
ends 2 "a time that is none" report --since yesterday audit.jsonl
says "'yesterday' is no time" "which is said"
ends 2 "two forms" report --json --html audit.jsonl
ends 2 "an option of another command" sessions --html audit.jsonl
ends 2 "two baselines" baseline audit.jsonl audit.jsonl
ends 2 "an unknown kind" follow --kind packet audit.jsonl
ends 1 "a log that isn't there" report "$work/nothing"
says "$work/nothing: No such file" "which is said"
ends 1 "a log that is a folder" report "$work"
ends 1 "a policy that isn't there" report -p "$work/nothing.toml" audit.jsonl
ends 1 "a file that can't be written" report -o "$work/no/where.html" audit.jsonl
ends 1 "top without a terminal" top audit.jsonl
says "top needs a terminal" "which is said"
ends 0 "--help" --help
ends 0 "--version" --version

"$program" report audit.jsonl >/dev/full 2>"$work/err"
[ $? -eq 1 ]
result $? "a full disk is said" "$(cat "$work/err")"

# --- What is no log ---

ends 0 "an empty log" report /dev/null
grep -q 'nothing was reached' "$work/out"
result $? "which is told" "$(cat "$work/out")"
head -c 3000000 /dev/urandom >"$work/noise"
ends 0 "noise" report "$work/noise" audit.jsonl
grep -q 'that could not be read' "$work/out" && grep -q 'relay.lab.example' "$work/out"
result $? "of which nothing is shown, and records behind it are" "$(tail -n 3 "$work/out")"
for form in text json html; do
	"$program" report --$form "$work/noise" audit.jsonl >"$work/out"
	grep -qaP '[\x00-\x08\x0b-\x1f\x7f]' "$work/out"
	[ $? -eq 1 ]
	result $? "no control characters in $form"
done
printf '{"time":"2026-11-21T13:05:02Z","kind":"query","name":"cut.example","verdict":"refuse"}' >"$work/cut"
"$program" report "$work/cut" | grep -q 'cut.example'
result $? "a last line without its end is read"

# --- Growing logs ---

# wait_for FILE TEXT: within 20 seconds
wait_for() {
	local i

	for ((i = 0; i < 200; i++)); do
		if grep -qF -- "$2" "$1" 2>/dev/null; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}

line() {
	printf '{"time":"2026-11-21T13:05:02Z","kind":"query","name":"%s","verdict":"refuse"}\n' "$1"
}

line before >"$work/log"
"$program" follow "$work/log" >"$work/followed" 2>&1 &
pids+=($!)
for ((i = 0; i < 100; i++)); do
	line begun >>"$work/log"
	if grep -q begun "$work/followed"; then
		break
	fi
	sleep 0.1
done
line one >>"$work/log"
wait_for "$work/followed" one
result $? "what is written is shown" "$(cat "$work/followed")"
grep -q before "$work/followed"
[ $? -eq 1 ]
result $? "and what was there before is not"
mv "$work/log" "$work/log.1"
line two >>"$work/log.1"
line three >"$work/log"
wait_for "$work/followed" three && grep -q two "$work/followed"
result $? "a log is read on after it was renamed, and the new one" "$(cat "$work/followed")"
: >"$work/log"
sleep 1
line four >>"$work/log"
wait_for "$work/followed" four
result $? "and after it was cut" "$(cat "$work/followed")"
kill -0 "${pids[0]}" && kill "${pids[0]}"
result $? "it goes on until it is ended"

# --- A screen ---

python3 - "$program" "$work/top.jsonl" audit.jsonl >"$work/screen" 2>&1 <<'EOF'
import fcntl, os, pty, select, struct, sys, termios, time

program, log, source = sys.argv[1:]
open(log, "w").write(open(source).read())
pid, fd = pty.fork()
if pid == 0:
	os.environ["TERM"] = "xterm"
	os.environ["NO_COLOR"] = ""
	os.execv(program, [program, "top", log])

def resize(rows, columns):
	fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

shown = b""

# What is written until `text` is among it, within 30 seconds.
def expect(what, text):
	global shown
	end = time.time() + 30
	while text not in shown and time.time() < end:
		if select.select([fd], [], [], 0.2)[0]:
			try:
				shown += os.read(fd, 65536)
			except OSError:
				break
	print("ok" if text in shown else "not ok", what)
	print("#", ascii(shown[-300:]))
	shown = b""

resize(24, 80)
expect("destinations", b"registry.lab.example")
os.write(fd, b"2")
expect("refusals", b"198.51.100.1")
os.write(fd, b"3")
expect("budgets", b"57 % of 30 %")
os.write(fd, b"4")
expect("alerts", b"encoded-names")
os.write(fd, b"h")
expect("help", b"PgDn")
os.write(fd, b"2")
expect("in colours, since NO_COLOR is empty", b"\x1b[31m")
os.write(fd, b"1")
with open(log, "a") as out:
	out.write('{"time":"2026-11-21T13:20:00Z","kind":"flow","policy":"agent","verdict":"permit","name":"later.lab.example","address":"192.0.2.1","port":443,"protocol":"tcp","bytes_out":1000000000}\n')
expect("what comes later", b"later.lab.example")
resize(40, 132)
expect("a larger screen", b"npm:allow-1")
resize(4, 20)
expect("a screen that is too small", b"too small")
resize(24, 80)
expect("and the old one again", b"later.lab.example")
os.write(fd, b"q")
end, status = time.time() + 30, None
while time.time() < end and status is None:
	if select.select([fd], [], [], 0.1)[0]:
		try:
			os.read(fd, 65536)
		except OSError:
			pass
	done, code = os.waitpid(pid, os.WNOHANG)
	status = code if done else None
print("ok" if status == 0 else "not ok", "q ends it")
print("#", status)
if status is None:
	os.kill(pid, 9)
EOF
while read -r ok what; do
	case $ok in
	ok) result 0 "top: $what" ;;
	not) result 1 "top: ${what#ok }" "$(cat "$work/screen")" ;;
	esac
done < <(grep -v '^#' "$work/screen")
[ "$(grep -c '^ok' "$work/screen")" -eq 11 ]
result $? "top was tried to its end" "$(cat "$work/screen")"

# --- A page in a browser ---

browse() {
	timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$work/browser" --enable-logging=stderr "$@" 2>"$work/console"
}

"$program" report -o "$work/page.html" audit.jsonl
if ! command -v chromium >/dev/null; then
	skip "the page in a browser" "there is no chromium"
	finish
fi
browse --dump-dom "file://$work/page.html" >"$work/dom"
result $? "a browser reads the page" "$(tail -n 5 "$work/console")"
grep -q CONSOLE "$work/console"
[ $? -eq 1 ]
result $? "and has nothing to complain of" "$(grep CONSOLE "$work/console")"
echo '<script>console.error("x")</script>' >"$work/control.html"
browse --dump-dom "file://$work/control.html" >/dev/null
grep -q CONSOLE "$work/console"
result $? "where it would"
for part in '<h1>What was reached under 2 policies</h1>' '<h2 id="alerts"' '<h2 id="budgets"' \
	'<h2 id="refused"' '<h2 id="reached"' '<h2 id="sessions"' '<h2 id="categories"' \
	'<code>relay.lab.example</code>' '1200 % (over)' 'documentation 71 % -&gt; 12 %' \
	'&lt;script&gt;alert(1)&lt;/script&gt;.\027[31m.lab.example' \
	'npm:allow-1'; do
	grep -qF -- "$part" "$work/dom"
	result $? "the page has $part"
done
for part in '<script' '<img' 'http://' 'https://' 'javascript:'; do
	grep -qiF -- "$part" "$work/dom"
	[ $? -eq 1 ]
	result $? "the page has no $part"
done
# What makes it readable to those who don't see it
[ "$(grep -c '<table' "$work/dom")" -eq "$(grep -c '<caption' "$work/dom")" ]
result $? "each table has a caption"
[ "$(grep -o '<th' "$work/dom" | wc -l)" -eq "$(grep -oE '<th scope="(row|col)"|<thead' "$work/dom" | wc -l)" ]
result $? "each heading of a table has its scope"
[ "$(grep -o '<svg[^>]*' "$work/dom" | wc -l)" -eq "$(grep -o '<svg[^>]*role="img" aria-labelledby="chart[0-9]"' "$work/dom" | wc -l)" ]
result $? "each drawing has its name"
browse --screenshot="$work/page.png" --window-size=400,2000 "file://$work/page.html" >/dev/null
[ "$(stat -c %s "$work/page.png" 2>/dev/null || echo 0)" -gt 20000 ]
result $? "it can be drawn"
browse --print-to-pdf="$work/page.pdf" "file://$work/page.html" >/dev/null
head -c 5 "$work/page.pdf" 2>/dev/null | grep -q '%PDF-'
result $? "and printed"
finish
