#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Memory runs out, in programs that read what others wrote: one allocation fails, or all from one on.
# What is then written is what is written without that, or the program says that memory ran out and
# fails; it doesn't crash, and a sanitizer finds nothing. It then has written nothing, or JSON that is
# cut off, or a text that says so: nft refuses what a ruleset then ends with.
#
#	MEMORY_RUNS	as many allocations of each row fail in turn, each if it is "all" (4)
#	MEMORY_ROWS	an extended regular expression: only the rows that match

set -u
runs=${MEMORY_RUNS:-4}
build=${abs_top_builddir:-$PWD}
source=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
shim=$build/tests/faults/alloc.so
inject=$build/tests/faults/inject
if [ ! -e "$shim" ]; then
	echo "1..0 # SKIP alloc.so was not built"
	exit 0
fi
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
# What a program that ends has not released is no matter: jansson and libyaml do so when they fail.
export ASAN_OPTIONS=verify_asan_link_order=0:exitcode=99:detect_leaks=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99

# The program, its options, and whether what is written on standard output is for programs: then it
# is all or nothing.
rows="
write		egress-compile --profile-dir profiles policy.toml
file		egress-compile --profile-dir profiles --output written policy.toml
narrowed	egress-compile --profile-dir profiles --override operator.toml policy.toml
check		egress-compile --profile-dir profiles --check --json wrong.toml
lint		egress-compile --profile-dir profiles --lint policy.toml
lint-json	egress-compile --profile-dir profiles --lint --json policy.toml
explain		egress-compile --profile-dir profiles --explain www.example.com policy.toml
explain-json	egress-compile --profile-dir profiles --explain 192.0.2.1:25 --json policy.toml
override	egress-compile --profile-dir profiles --override operator.toml --explain-override policy.toml
diff		egress-compile --profile-dir profiles --diff other.toml policy.toml
diff-json	egress-compile --profile-dir profiles --diff other.toml --json policy.toml
cilium		egress-compile --profile-dir profiles --target cilium --lossy --losses losses policy.toml
networkpolicy	egress-compile --profile-dir profiles --target networkpolicy --lossy policy.toml
sidecar		egress-compile --profile-dir profiles --target sidecar --lossy --output folder policy.toml
scan		egress-learn scan --profile-dir profiles project
import		egress-learn --import hosts hosts.txt
observe		egress-learn observe audit.jsonl
drift		egress-learn drift --times=1 other.toml audit.jsonl
drift-json	egress-learn drift --times=1 --format=json other.toml audit.jsonl
drift-sarif	egress-learn drift --times=1 --format=sarif other.toml audit.jsonl
report		egress-audit report audit.jsonl
report-json	egress-audit report --json audit.jsonl
report-html	egress-audit report --html audit.jsonl
sessions	egress-audit sessions audit.jsonl
"

cat >policy.toml <<'END'
version = 1
name = "memory"
profiles = ["npm"]

[[allow]]
host = ["www.example.com", "*.example.net", "**.cdn.example.org"]

[[allow]]
host_pattern = '^build-[0-9]{1,4}\.example\.com$'

[[allow]]
ip = ["10.42.0.0/16", "2001:db8:7::/48"]
ports = ["tcp/5432", "udp/8000-8100"]

[[allow]]
list = "list.txt"
bytes = "1 GiB"

[[deny]]
host = "bad.example.net"
score = 3.0

[dns]
upstream = ["udp://192.0.2.53"]

[dns.hosts]
"db.internal" = ["10.42.0.7"]

[network]
raw = "drop"

[limits]
connections = "600/minute"

[budget]
destinations = 200
on_exceed = "refuse"
END
cat >operator.toml <<'END'
version = 1

[[allow]]
host = "www.example.com"

[[deny]]
ip = "10.42.1.0/24"
END
cat >other.toml <<'END'
version = 1
name = "other"

[[allow]]
host = ["www.example.com", "more.example.com"]
END
cat >wrong.toml <<'END'
version = 1
colour = "blue"

[[allow]]
host = "www..example.com"
ip = ["10.42.0.1/16"]
END
printf '%s\n' "# mirrors" 192.0.2.1 mirror.example.com "*.mirror.example.com" >list.txt
printf '%s\n' "127.0.0.1 localhost" "0.0.0.0 bad.example.com" >hosts.txt
mkdir -p project/src
cat >project/package-lock.json <<'END'
{"lockfileVersion": 3, "packages": {"node_modules/a": {"resolved": "https://packages.example.com/a.tgz"}}}
END
echo '<project><repositories><repository><url>https://maven.example.com/m</url></repository></repositories></project>' \
	>project/pom.xml
printf 'services:\n  db:\n    image: registry.example.com/db:1\n' >project/compose.yaml
printf '[source.own]\nregistry = "https://crates.example.com/git/index"\n' >project/Cargo.toml
echo 'fetch("https://api.example.com/v1");' >project/src/main.js
printf 'src/build\n' >project/.gitignore
cp "$source/tests/audit/audit.jsonl" .
ln -s "$source/rules/profiles" profiles

# program NAME OPTION...: runs it; its output is in out and err. How it ended is in $status.
program() {
	EGRESS_SHIM=$work/page LD_PRELOAD=$shim "$build/src/$1" "${@:2}" >out 2>err </dev/null
	status=$?
}

# A folder of what a row writes beside standard output.
wrote() {
	local file

	for file in written losses folder; do
		[ ! -e "$file" ] || find "$file" -type f | sort | xargs cat --
	done
}

clear_written() {
	rm -rf written losses folder
}

says_so() {
	grep -qiE 'out of memory|allocate memory|no memory left|no buffer space|not all of it' "$@"
}

# What was written begins as JSON does, and is cut off.
is_cut() {
	[ "$(head -c 1 out)" = "{" ] && ! python3 -m json.tool <out >/dev/null 2>&1
}

# toml++ ends the process where memory is short for what it says of an error, too.
is_of_toml() {
	[ $status = 134 ] && [ "$to" != "$at" ] && [ ! -s out ] && grep -q std::bad_alloc err
}

# What is wrong with how it ended, if anything is: $expected is the status without a fault.
objection() {
	if is_of_toml; then
		return
	elif [ $status -ge 99 ]; then
		echo "it ended with status $status"
	elif cmp -s out out.expected && [ $status = "$expected" ] && [ "$(wrote)" = "$written" ]; then
		cmp -s err err.expected || says_so err || echo "something is not said"
	elif ! says_so out err; then
		echo "it does not say that memory ran out, its status is $status"
	elif [ $status = 0 ]; then
		says_so out || echo "its output does not say that memory ran out"
	elif [ $status != 1 ] && [ $status != 3 ]; then
		echo "its status is $status"
	elif [ -s out ] && ! says_so out && ! is_cut; then
		echo "it wrote $(wc -c <out) bytes of $(wc -c <out.expected)"
	elif [ -e written ]; then
		echo "it wrote a file"
	fi
}

# row NAME PROGRAM OPTION...
row() {
	local name=$1 count step at to said bad=0 tried=0

	shift
	"$inject" page allocations=0 from=0 to=0
	clear_written
	program "$@"
	expected=$status
	[ $status -lt 99 ] && [ $status != 2 ] && { [ $status != 1 ] || [[ $name = @(check|diff*|drift*) ]]; } ||
		bad=1
	mv out out.expected
	mv err err.expected
	written=$(wrote)
	count=$("$inject" page allocations)
	step=1
	[ "$runs" = all ] || step=$((count / runs + 1))
	for ((at = 1 + number % step; at <= count; at += step)); do
		for to in $at 1000000000; do
			"$inject" page allocations=0 failed=0 from="$at" to="$to"
			clear_written
			program "$@"
			tried=$((tried + 1))
			said=$(objection)
			[ -n "$said" ] || continue
			bad=$((bad + 1))
			[ $bad -gt "${MEMORY_SHOWN:-3}" ] && continue
			echo "# allocation $at to $to of $count: $said"
			grep -vE '^ *$' err | head -n 30 | sed 's/^/#	/'
		done
	done
	[ $tried -gt 0 ] && [ $bad = 0 ] || printf 'not '
	echo "ok $number - $name: $tried runs without memory, of $count allocations; $bad are wrong"
}

number=0
while read -r name words; do
	if [ -z "$name" ] || ! [[ $name =~ ${MEMORY_ROWS:-.} ]]; then
		continue
	fi
	number=$((number + 1))
	# shellcheck disable=SC2086 # a list
	row "$name" $words
done <<<"$rows"
echo "1..$number"
