#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn observe and drift: what event logs come to, and how it is added to a policy.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
profiles=$top/rules/profiles
cd "$work" || exit 99

# record KIND VERDICT RULE MEMBERS [DAY]: a line of a log, the minute after the one before.
minute=0
record() {
	minute=$((minute + 1))
	printf '{"time":"2026-11-%02dT%02d:%02d:00.000000Z","kind":"%s","policy":"p","session":"s","verdict":"%s","rule":"%s",%s}\n' \
		"${5:-21}" $((minute / 60)) $((minute % 60)) "$1" "$2" "$3" "$4"
}

# flow NAME ADDRESS PORT [DAY] [VERDICT]: a connection by TCP, with the look-up before it.
flow() {
	record query "${5:-permit}" allow-1 "\"name\":\"$1\",\"type\":\"A\",\"rcode\":\"NOERROR\"" "${4:-21}"
	record flow "${5:-permit}" allow-1 "\"name\":\"$1\",\"address\":\"$2\",\"port\":$3,\"protocol\":\"tcp\",\"bytes_out\":100,\"packets_out\":2,\"bytes_in\":200,\"packets_in\":2,\"duration\":1.0" "${4:-21}"
}

permits() {
	"$program" --explain "$1" --profile-dir "$profiles" "${2:-draft.toml}" >explained 2>&1
	result $? "permits $1" "$(cat explained)"
}

refuses() {
	"$program" --explain "$1" --profile-dir "$profiles" "${2:-draft.toml}" >explained 2>&1
	[ $? -eq 4 ]
	result $? "refuses $1" "$(cat explained)"
}

# --- observe ---

{
	for day in 19 20 21; do
		flow api.tills.dev 11.0.0.1 443 $day
		flow api.tills.dev 11.0.0.1 8443 $day
		for i in 1 2 3 4 5 6 7 8; do
			flow n$i.cdn.tills.dev 11.0.1.$i 443 $day
			flow bucket$i.s3.amazonaws.com 11.0.2.$i 443 $day
		done
		for i in 1 2 3; do
			flow few$i.few.dev 11.0.3.$i 443 $day
			flow pod$i.pods.dev 10.0.3.$i 443 $day
		done
		flow inside.tills.dev 10.0.0.7 8080 $day
		record lease permit allow-1 '"name":"inside.tills.dev","address":"10.0.0.7","ports":"tcp-8080","ttl":60,"lease":90' $day
		record flow permit allow-2 '"address":"11.9.9.9","port":22,"protocol":"tcp","bytes_out":1,"packets_out":1,"bytes_in":1,"packets_in":1' $day
		record query refuse deny-1 '"name":"bad.tills.dev","type":"A","rcode":"NXDOMAIN"' $day
		record query refuse default-deny '"name":"egress.invalid","type":"A","rcode":"NXDOMAIN"' $day
	done
	flow once.tills.dev 11.0.4.1 443
	flow mzxw6ytboi4dqmrtgq2tmnzygezdgnbvgy3tqojq.odd.dev 11.0.5.1 443
	flow mzxw6ytboi4dqmrtgq2tmnzygezdgnbvgy3tqojq.odd.dev 11.0.5.1 443
	echo 'no record'
} >days.jsonl
"$learn" observe --profile-dir "$profiles" -o draft.toml days.jsonl 2>said
result $? "observe gives a policy" "$(cat said)"
"$program" --check draft.toml >checked 2>&1
result $? "it compiles" "$(cat checked)"
permits api.tills.dev:443
permits api.tills.dev:8443
refuses api.tills.dev:80
permits n77.cdn.tills.dev:443
grep -q '^# 8 siblings, 24 times in all:' draft.toml
result $? "siblings are a wildcard, with its evidence" "$(grep siblings draft.toml)"
permits bucket1.s3.amazonaws.com:443
refuses bucket9.s3.amazonaws.com:443
permits few1.few.dev:443
refuses few4.few.dev:443
permits inside.tills.dev:8080
grep -q '^addresses = \["10.0.0.7/32"\]' draft.toml
result $? "the inside address that it had is believed"
permits 11.9.9.9:22
refuses bad.tills.dev:443
refuses once.tills.dev:443
refuses mzxw6ytboi4dqmrtgq2tmnzygezdgnbvgy3tqojq.odd.dev:443
grep -q '^# seen once, in records of a day or more' draft.toml &&
	grep -q '^#host = "once.tills.dev"' draft.toml && grep -q '^# its name looks like data' draft.toml
result $? "what is odd is commented out, and why"
! grep -q '\.invalid' draft.toml
result $? "what egress-run asks for to try its resolver is none of it" "$(grep invalid draft.toml)"
grep -q '1 lines are no records' said
result $? "what is no record is said" "$(cat said)"

"$learn" observe --fold 0 days.jsonl >unfolded.toml 2>/dev/null
refuses n77.cdn.tills.dev:443 unfolded.toml
permits n7.cdn.tills.dev:443 unfolded.toml
"$learn" observe --fold 3 days.jsonl >folded.toml 2>/dev/null
permits few4.few.dev:443 folded.toml
refuses bucket9.s3.amazonaws.com:443 folded.toml
grep -q '^addresses = \["10.0.3.2/32"\]' folded.toml && ! grep -q '\*.pods.dev' folded.toml
result $? "siblings with inside addresses stay apart" "$(grep -A3 pods folded.toml)"

for name in api.tills.0 tills.0x1f 1.2.3.4.5 'a\\.b.dev' '*.dev'; do
	flow "$name" 11.0.6.1 443
done >numbers.jsonl
"$learn" observe numbers.jsonl >numbers.toml 2>said && "$program" --check numbers.toml >checked 2>&1
result $? "what no entry can name keeps no draft from being one" "$(cat said checked)"
[ "$(grep -c '^# no host name' numbers.toml)" -eq 5 ] && ! grep -q '^host' numbers.toml
result $? "and is commented out" "$(cat numbers.toml)"

flow single.tills.dev 11.0.4.1 443 >short.jsonl
"$learn" observe short.jsonl >short.toml 2>/dev/null
permits single.tills.dev:443 short.toml
"$learn" observe - <short.jsonl 2>/dev/null | cmp -s - short.toml
result $? "standard input is a log, too"
"$learn" observe nowhere.jsonl >said 2>&1
[ $? -eq 1 ] && grep -q 'nowhere.jsonl: No such file' said
result $? "a log that isn't there is an error" "$(cat said)"

# --- drift ---

# drifts STATUS POLICY [OPTION...]: what drift says of it, and how it ends.
drifts() {
	local status=0

	# shellcheck disable=SC2094 # the task is no file
	"$learn" drift "${@:3}" --profile-dir "$profiles" "$2" days.jsonl >drift 2>said || status=$?
	[ $status -eq "$1" ]
	result $? "drift ${*:2} ends with $1" "$(cat drift said)"
}

says() {
	grep -qF -- "$1" drift
	result $? "says: $1" "$(cat drift)"
}

drifts 1 draft.toml
! grep -q 'unused\|ports' drift
result $? "nothing of what was observed is unused" "$(cat drift)"
says "bad.tills.dev was refused 3 times"
! grep -q '\.invalid' drift
result $? "what egress-run asked for does not drift" "$(cat drift)"
drifts 0 draft.toml --times 4

cat >policy.toml <<'END'
version = 1
name = "p" # ours
profiles = ["npm"]

# The service.
[[allow]]
host = ["api.tills.dev", "gone.tills.dev"]
ports = ["tcp/443", "tcp/8000-9000", "udp/443"]

[[allow]]
host = "never.tills.dev"

[[deny]]
host = "unmet.tills.dev"
END
drifts 1 policy.toml
says "policy.toml:7: gone.tills.dev was never used (allow-1) [unused]"
says "policy.toml:10: never.tills.dev tcp/443 was never used (allow-2) [unused]"
says "policy.toml:6: of tcp/8000-9000, allow-1 used only tcp/8443 [ports]"
says "policy.toml:6: nothing used udp/443 of allow-1 [ports]"
says 'the profile "npm" was never used [unused]'
says "n1.cdn.tills.dev tcp/443 was refused"
! grep -q 'unmet\|api.tills.dev was' drift
result $? "a deny entry is not unused" "$(cat drift)"

drifts 1 policy.toml --format json
jq -e '.policy == "policy.toml" and ([.drift[].kind] | unique == ["ports", "refused", "unused"]) and
	([.drift[] | select(.kind == "ports") | .line] == [6, 6])' drift >/dev/null
result $? "as JSON" "$(cat drift)"
drifts 1 policy.toml --format sarif
jq -e '.version == "2.1.0" and .runs[0].tool.driver.name == "egress-learn" and
	(.runs[0].results | length > 4) and
	([.runs[0].results[] | .ruleId as $id | .ruleIndex as $at | $id] | length > 0) and
	all(.runs[0].results[]; .locations[0].physicalLocation.region.startLine >= 1)' drift >/dev/null
result $? "as SARIF" "$(cat drift)"
drifts 2 policy.toml --format xml
echo 'version = 2' >wrong.toml
drifts 3 wrong.toml

record query refuse deny-1 '"name":"bad.tills.dev","type":"A","rcode":"NXDOMAIN"' >refusals.jsonl
# shellcheck disable=SC2094 # the task is no file
"$learn" drift policy.toml --profile-dir "$profiles" refusals.jsonl >drift 2>said
grep -q "what was not used can't be told" said && [ ! -s drift ]
result $? "records of refusals alone tell nothing of use" "$(cat drift said)"

# --- Adding to a policy ---

cp policy.toml before.toml
"$learn" observe --profile-dir "$profiles" -o policy.toml days.jsonl >said 2>&1 </dev/null
[ $? -eq 1 ] && cmp -s policy.toml before.toml && grep -q '^+host = "\*.cdn.tills.dev"' said
result $? "what would be added is shown, and nothing written" "$(cat said)"
"$learn" observe --yes --profile-dir "$profiles" -o policy.toml days.jsonl >said 2>&1 </dev/null
result $? "--yes adds it" "$(cat said)"
head -c "$(stat -c %s before.toml)" policy.toml | cmp -s - before.toml
result $? "what was there is as it was"
! grep -q '^+.*api.tills.dev' said
result $? "what is permitted already is not added" "$(cat said)"
permits n1.cdn.tills.dev:443 policy.toml
permits 11.9.9.9:22 policy.toml
cp policy.toml after.toml
"$learn" observe --yes --profile-dir "$profiles" -o policy.toml days.jsonl >said 2>&1 </dev/null
status=$?
[ $status -eq 0 ] && cmp -s policy.toml after.toml && grep -q 'lacks nothing' said
result $? "a second time adds nothing" "$(cat said)"

mkdir project
echo '{"dependencies": {"a": "git+https://git.other.dev/a.git", "b": "^1"}}' >project/package.json
echo 'flask' >project/requirements.txt
"$learn" scan -q -y --profile-dir "$profiles" -o policy.toml project >said 2>&1 </dev/null
result $? "a scan adds to it, too" "$(cat said)"
grep -q '^profiles = \["pip", "npm"\]$' policy.toml && grep -q '^name = "p" # ours$' policy.toml
result $? "profiles go into the list that is there" "$(head -4 policy.toml)"
grep -q '^-profiles = \["npm"\]$' said && grep -q '^+profiles = \["pip", "npm"\]$' said
result $? "which the difference shows" "$(cat said)"
permits git.other.dev policy.toml
printf 'version = 1\n[dns]\ntypes = ["A"]' >bare.toml
"$learn" scan -q -y --profile-dir "$profiles" -o bare.toml project >said 2>&1 </dev/null
result $? "also where there is none" "$(cat said)"
[ "$(sed -n 2p bare.toml)" = 'profiles = ["npm", "pip", ]' ]
result $? "a list of them comes below the version" "$(cat bare.toml)"
permits git.other.dev bare.toml
# adds FILE [LOG]: what was observed, to the policy of standard input.
adds() {
	{
		printf 'version = 1\nname = "p"\n'
		cat
	} >"$1"
	"$learn" observe -y --profile-dir "$profiles" -o "$1" "${2:-days.jsonl}" >said 2>&1 </dev/null
	result $? "what was observed goes into $1" "$(cat said)"
	cp "$1" once.toml
	"$learn" observe -y --profile-dir "$profiles" -o "$1" "${2:-days.jsonl}" >again 2>&1 </dev/null
	cmp -s "$1" once.toml && grep -q 'lacks nothing' again
	result $? "$1: a second time adds nothing" "$(cat again)"
}

# has LINES: of the policy that was made last, one after the other, "|" between them.
has() {
	tr '\n' '|' <once.toml | grep -qF "$1"
	result $? "it has $1" "$(cat once.toml)"
}

adds single.toml <<'END'
[[allow]] # ours
host = "inside.tills.dev"
ports = ["tcp/8080"]
END
has '[[allow]] # ours|addresses = ["10.0.0.7/32"]|host = "inside.tills.dev"|'
for address in 11.0.6.1 10.0.0.9; do
	flow both.tills.dev $address 8080
done >both.jsonl
adds both.toml both.jsonl <<'END'
[[allow]]
host = "both.tills.dev"
ports = ["tcp/8080"]
END
has '|addresses = ["11.0.6.1/32", "10.0.0.9/32"]|host = "both.tills.dev"|'
adds narrow.toml <<'END'
[[allow]]
host = "inside.tills.dev"
ports = ["tcp/8080"]
addresses = ["10.1.0.0/16"] # theirs
END
has '|addresses = ["10.0.0.7/32", "10.1.0.0/16"] # theirs|'
adds glob.toml <<'END'
[[allow]]
host = "**.tills.dev"
ports = ["tcp/8080"]
END
has '|host = "inside.tills.dev"|ports = ["tcp/8080"]|addresses = ["10.0.0.7/32"]|'
adds several.toml <<'END'
[[allow]]
host = ["inside.tills.dev", "other.tills.dev"]
ports = ["tcp/8080"]
END
! grep -q '10.0.0.7' several.toml &&
	grep -q 'several.toml:3: inside.tills.dev had the address 10.0.0.7/32, which' said
result $? "an address is not believed of another name, and that is said" "$(cat said)"
adds inline.toml <<'END'
allow = [{host = "inside.tills.dev", ports = ["tcp/8080"]}]
END
grep -q 'inside.tills.dev had the address' said
result $? "nor is an entry within a line changed" "$(cat said)"
adds empty.toml <<'END'
allow = [] # nothing
END
permits inside.tills.dev:8080 empty.toml
adds denied.toml <<'END'
[[deny]]
host = ["api.tills.dev", "*.few.dev"]
END
! grep -q '^host = "\(api.tills\|few1\)' denied.toml &&
	grep -q 'denied.toml:3: this entry refuses api.tills.dev' said
result $? "what an entry refuses stays refused, and that is said" "$(cat said)"

cat >narrowed.toml <<'END'
version = 1
profiles = ["npm", "pip"]
[[allow]]
host = ["db.shop.internal", "git.other.dev"]
ports = ["tcp/443", "tcp/5432"]
addresses = ["10.9.0.7/32"]
END
echo 'DATABASE_URL=postgres://db.shop.internal:5432/x' >project/.env
"$learn" scan -q -y --profile-dir "$profiles" -o narrowed.toml project >said 2>&1 </dev/null &&
	grep -q 'lacks nothing' said && ! grep -q 'believe' said
result $? "what a draft would believe does not widen what is believed" "$(cat said)"
cp wrong.toml kept.toml
"$learn" scan -q -y -o wrong.toml project >said 2>&1 </dev/null
[ $? -eq 1 ] && cmp -s wrong.toml kept.toml && grep -q 'E004' said
result $? "a policy that is wrong is left alone" "$(cat said)"
finish
