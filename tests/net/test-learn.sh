#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn with a project that reaches real servers: what a scan drafts, a run that refuses
# nothing, what that run adds, and that it comes to rest: another round, under the policy, adds
# nothing, and nothing of the policy is unused.

# shellcheck disable=SC2016,SC2034,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
learn=$(program src/egress-learn)
lab_needs "$learn" patch
profiles=${abs_top_srcdir:?}/rules/profiles
policy=home/project/egress.toml
log=home/project/events.jsonl

# shop: names whose addresses are of no class that is blocked, and one inside.
shop() {
	zone_head 300
	echo "ns A 11.7.0.53"
	for name in 1 2 3 4 5 6 7 8 9; do
		echo "n$name A 11.7.1.$name"
	done
	for name in api:2 hooks:3 files:4 stats:5 late:6 idle:8; do
		echo "${name%:*} A 11.7.0.${name#*:}"
		echo "${name%:*} AAAA 2600:7::${name#*:}"
	done
	echo "cdn CNAME files"
	echo "store A 10.9.0.7"
}
mkdir -p upstream
shop >upstream/tillworks.dev
run_start
must ip -n world route add local 11.7.0.0/16 dev lo
must ip -n world route add local 10.9.0.0/16 dev lo
must ip -n world -6 route add local 2600:7::/32 dev lo
# A draft names no upstream: it is the system's.
echo "nameserver $UPSTREAM4" >resolv.conf

# --- The project ---

mkdir -p home/project/src
cat >home/project/.env.example <<'END'
HOOKS_URL=http://hooks.tillworks.dev:8000/in
STORE_URL=http://store.tillworks.dev:8002/
END
cat >home/project/src/pay.py <<'END'
API = "http://api.tillworks.dev/v2"
END
# What a run does, of which names are computed that no file has: a host, ports, a bare address.
cat >home/project/build.sh <<'END'
#!/bin/sh
set -e
get() {
	curl -4 -fsS -m 20 "$1"
}
. ./.env.example
get "$(sed 's/.*"\(.*\)"/\1/' src/pay.py)"
get "$HOOKS_URL"
get "$STORE_URL"
domain=tillworks.dev
get "http://stats.$domain:8003/"
curl -6 -fsS -m 20 "http://stats.$domain:8004/"
get "http://cdn.$domain/"
get "http://$(printf %s 11.7)".3.3:8005/
getent ahostsv4 "late.$domain"
[ "$1" = once ] || exit 0
for i in 1 2 3 4 5 6 7 8 9; do
	get "http://n$i.$domain/"
done
END
chmod +x home/project/build.sh
chown -R $RUN_UID:$RUN_UID home

# tell TASK OPTION...: the task, by the user, in the project.
tell() {
	user env -C "$RUN_HOME/project" "$learn" "$1" --profile-dir "$profiles" "${@:2}" </dev/null
}

# build OPTION... -- ARGUMENT...: the project's script, by egress-run, whose records make a new log.
build() {
	rm -f $log
	user env -C "$RUN_HOME/project" "$run" --report report.json --policy egress.toml \
		--profile-dir "$profiles" "$@" >build.out 2>build.said
}

# entries: what the policy permits, a destination a line.
entries() {
	awk '/^\[\[allow/ { getline; host = $3; getline; print host, $0 }' $policy
}

# --- Scan ---

tell scan -o egress.toml >scan.out 2>&1
is "a scan drafts a policy" $? 0
is "with what files name" "$(entries | cut -d' ' -f1,4- | xargs -n2 | sort | xargs)" \
	"api.tillworks.dev [tcp/80] hooks.tillworks.dev [tcp/8000] store.tillworks.dev [tcp/8002]"
sed -i "s|^#path = .*|path = \"$RUN_HOME/project/events.jsonl\"|" $policy
cp $policy first.toml

# --- The first run, which refuses nothing ---

check "the project builds" build --observe -- ./build.sh
is "by real connections" "$(grep -c '^reached' build.out)" 7
tell observe -y -o egress.toml events.jsonl >observe.out 2>&1
is "what it reached is added" $? 0
cp $policy second.toml
is "nothing of the draft is gone" "$(diff first.toml second.toml | grep -c '^<')" 0
is "what names of files had not" "$(entries | sed 1,3d | cut -d' ' -f1,4- | tr -d '"' | xargs)" \
	"cdn.tillworks.dev [tcp/80] late.tillworks.dev [tcp/443] stats.tillworks.dev [tcp/8003, tcp/8004] 11.7.3.3 [tcp/8005]"
is "an inside address goes to the entry that is there" \
	"$(grep -A1 '^addresses' $policy | xargs)" \
	"addresses = [10.9.0.7/32] host = store.tillworks.dev"
cp first.toml patched.toml
sed -n '/^--- /,/^[^-+@]/p' observe.out | patch -s patched.toml
check "the difference that was shown is the one that was made" cmp patched.toml second.toml
tell drift egress.toml events.jsonl >drift.out 2>&1
is "nothing drifts" "$? $(cat drift.out)" "0 "

# --- Rest: the policy holds, and another round changes nothing ---

# at_rest ROUND: by the log that is there.
at_rest() {
	cp $policy kept.toml
	tell scan -y -o egress.toml >scan.out 2>&1
	is "round $1: a scan adds nothing" "$? $(tail -n1 scan.out)" \
		"0 egress-learn scan: egress.toml lacks nothing"
	tell observe -y -o egress.toml events.jsonl >observe.out 2>&1
	is "round $1: what was observed adds nothing" "$? $(cat observe.out)" \
		"0 egress-learn observe: egress.toml lacks nothing"
	tell drift egress.toml events.jsonl >drift.out 2>&1
	is "round $1: nothing drifts" "$? $(cat drift.out)" "0 "
	check "round $1: the policy is the same, byte for byte" cmp kept.toml $policy
}

for round in 2 3; do
	check "round $round: it builds under the policy" build --fail-on-refusal -- ./build.sh
	is "round $round: by real connections" "$(grep -c '^reached' build.out)" 7
	at_rest $round
done
check "the policy is what the first round made" cmp second.toml $policy

# --- Siblings ---

check "a build that reaches many siblings" build --observe -- ./build.sh once
tell observe -y -o egress.toml events.jsonl >observe.out 2>&1
is "they are one wildcard" "$(diff second.toml $policy | grep -c '^> host = "\*.tillworks.dev"')" 1
check "it builds under the policy" build --fail-on-refusal -- ./build.sh once
is "by real connections, to these too" "$(grep -c '^reached' build.out)" 16
at_rest 4

# --- What is declared, and not used ---

echo 'IDLE_URL=http://idle.tillworks.dev:8006/' >>home/project/.env.example
tell scan -y -o egress.toml >scan.out 2>&1
is "a declaration more is an entry more" \
	"$? $(grep -A1 '^host = "idle.tillworks.dev"' $policy | tail -n1)" '0 ports = ["tcp/8006"]'
tell drift egress.toml events.jsonl >drift.out 2>&1
is "which nothing used" "$? $(cat drift.out)" "1 egress.toml:$(($(grep -n '^host = "idle' $policy |
	cut -d: -f1) - 1)): idle.tillworks.dev tcp/8006 was never used ($(grep -c '^\[\[allow' $policy |
	sed 's/^/allow-/')) [unused]"

# --- What is refused ---

sed -i 's/"tcp\/8003", //' $policy
build -- sh -c 'for i in 1 2 3; do curl -4 -sS -m 20 http://stats.tillworks.dev:8003/; done'
tell drift egress.toml events.jsonl >drift.out 2>&1
like "what is refused repeatedly is named" "$? $(cat drift.out)" \
	'^1 .*stats.tillworks.dev tcp/8003 was refused 3 times'
lab_done
