#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-compile as a command: arguments, exit statuses, what goes where, and bad inputs.

# shellcheck disable=SC2016 # what private() is given is expanded in the namespace
# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$work" || exit 99

cat >good.toml <<'END'
version = 1
name = "cli"

[[allow]]
host = "www.example.com"

[[allow]]
ip = "192.0.2.0/28"
ports = "tcp/5432"
END
printf 'version = 1\n[[allow]]\nhots = "a.example.com"\nports = "tcp/0"\n' >bad.toml

# run STATUS OUT ERR DESCRIPTION ARGUMENT...: the status, and whether standard output and standard
# error are "empty", "any", or contain a word.
run() {
	local status=$1 out=$2 err=$3 description=$4 got

	shift 4
	"$program" "$@" >out 2>err <"${stdin:-/dev/null}"
	got=$?
	[ $got = "$status" ] && holds out "$out" && holds err "$err"
	result $? "$description" "status $got, $(head -n 5 out err)"
}

holds() {
	case $2 in
	any) ;;
	empty) [ ! -s "$1" ] ;;
	*) grep -qF -- "$2" "$1" ;;
	esac
}

# says PATH VALUE DESCRIPTION: what the run before wrote to standard output is JSON, and no more
# than one, and has the value at the path; an array's is the number of its elements.
says() {
	local got

	got=$("$abs_top_builddir/tests/policies/json-at" "$1" <out 2>&1) && [ "$got" = "$2" ]
	result $? "$3" "$1 is $got, not $2: $(head -n 20 out)"
}

# Usage
run 2 empty "no policy given" "without arguments"
run 2 empty "more than one policy" "two policies" good.toml good.toml
run 2 empty "--frobnicate" "an unknown option" --frobnicate good.toml
run 2 empty "'x'" "an unknown letter" -x good.toml
run 2 empty "--explain" "an option without its argument" good.toml --explain
run 2 empty "does not go with" "two things at once" --check --apply good.toml
run 2 empty "does not go with" "a file and another thing" -o out.nft --check good.toml
run 2 empty "expected one of nft, networkpolicy, cilium" "an unknown target" --target istio good.toml
run 2 empty "go with writing" "a target and another thing" --target cilium --check good.toml
run 2 empty "of Kubernetes" "an option of targets without one" --lossy good.toml
run 2 empty "is no namespace" "what is no namespace" --target cilium --namespace Shop good.toml
run 1 empty "'app' is no label" "what is no label" --target cilium --selector app good.toml
run 0 "table inet egress-cli" empty "the target that is the default" --target nft good.toml
run 0 "Usage: egress-compile" empty "--help" --help
run 0 "--explain DEST" empty "--help after other options" --check -h
run 0 "egress-compile (egress) " empty "--version" --version
for option in o check lint explain as explain-override diff apply remove override profile-dir \
	format json strict; do
	"$program" --help | grep -q -- "-$option\>"
	result $? "--help shows $option"
done
run 2 empty "--explain is given twice" "--explain twice" --explain a --explain b good.toml
run 2 empty "--diff is given twice" "--diff twice" --diff good.toml --diff good.toml good.toml
run 2 empty "--format takes text or json, not 'xml'" "a format that is none" \
	--format xml good.toml
run 2 empty "not ''" "an empty format" --format= good.toml
run 2 empty "requires an argument" "--format without one" good.toml --format
run 2 empty "--prove goes with --apply" "--prove alone" --prove good.toml
run 2 empty "--as goes with --explain" "--as alone" --as user=root good.toml
run 2 empty "--as goes with --explain" "--as with another task" --check --as user=root good.toml
run 2 empty "--explain-override goes with --override" "--explain-override alone" \
	--explain-override good.toml
run 2 empty "does not go with" "--lint and --check" --lint --check good.toml
run 2 empty "can be only one" "both policies from standard input" --diff - -

# Policies that are none
run 1 empty "missing.toml: error: cannot read it: there is no such file" "a missing file" missing.toml
mkdir directory
run 1 empty "directory: error: cannot read it: it is a directory" "a directory" directory
printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0' >binary
run 1 empty "binary:1:8: error: " "a binary file" binary
truncate -s 100M sparse
run 1 empty "sparse: error: cannot read it: it is larger than 64 MiB" "a file of 100 MB" sparse
truncate -s 64M sparse
run 1 empty "sparse:1:1: error: " "a file of 64 MiB of nothing" sparse
printf 'version = 1\nname = "a\377b"\n' >utf8
run 1 empty "utf8:2:10: error: " "bad UTF-8" utf8
: >nothing
run 1 empty "nothing: error: 'version' is missing" "an empty file" nothing
mkfifo pipe
run 1 empty "pipe: error: " "a pipe that nobody writes to" pipe
run 1 empty "bad.toml:3:1: error: unknown key 'hots', did you mean 'host'? [E010]" "a wrong key" \
	bad.toml
grep -q '^bad.toml:4:9: error: .* \[E022\]$' err && grep -q '^ *| *\^~' err
result $? "all errors are shown, with a caret" "$(cat err)"
for option in --check --apply --remove; do
	run 1 empty "bad.toml:3:1: error" "$option of a bad policy" $option bad.toml
done
run 1 empty "bad.toml:3:1: error" "--explain of a bad policy" --explain a.example.com bad.toml

# What is written, and where
run 0 "table inet egress-cli {" empty "the ruleset is on standard output" good.toml
cp out good.nft
run 0 empty empty "--check writes nothing" --check good.toml
stdin=good.toml run 0 "table inet egress-cli {" empty "a policy from standard input" -
sed 's/<stdin>/good.toml/' out | diff good.nft - >/dev/null
result $? "it is the same ruleset"
stdin=bad.toml run 1 empty "<stdin>:3:1: error: unknown key" "a bad policy from standard input" -
truncate -s 100M sparse
stdin=sparse run 1 empty "larger than 64 MiB [E003]" "100 MB from standard input" -
stdin=directory run 1 empty "<stdin>: error: cannot read it" "a directory as standard input" -
# What a writer shares with others may be set to that.
(sleep 0.2 && cat good.toml) | perl -e 'use Fcntl; fcntl(STDIN, F_SETFL, O_RDONLY | O_NONBLOCK);
	exec @ARGV' "$program" - >out 2>err
sed 's/<stdin>/good.toml/' out | diff good.nft - >/dev/null
result $? "a pipe that does not block as standard input" "$(cat err)"
"$program" - <&- >out 2>err
[ $? = 1 ] && [ ! -s out ] && grep -q '<stdin>: error' err
result $? "standard input closed" "$(cat err)"

run 0 empty empty "-o writes a file" -o file.nft good.toml
cmp -s file.nft good.nft
result $? "with the same ruleset"
echo old >file.nft
chmod 600 file.nft
ln -s file.nft link.nft
run 0 empty empty "-o replaces what a link names" --output link.nft good.toml
[ -L link.nft ] && cmp -s file.nft good.nft && [ "$(stat -c %a file.nft)" = 600 ]
result $? "the link and the file's mode stay"
echo old >file.nft
run 1 empty "bad.toml:3:1" "-o with a bad policy" -o file.nft bad.toml
[ "$(cat file.nft)" = old ]
result $? "leaves the file as it was"
(umask 027 && "$program" -o new.nft good.toml && [ "$(stat -c %a new.nft)" = 640 ])
result $? "a new file's mode follows the umask"
run 1 empty "cannot write missing/x.nft: No such file" "-o into a missing directory" \
	-o missing/x.nft good.toml
run 1 empty "cannot write directory: " "-o to a directory" -o directory good.toml
run 1 empty "cannot write /dev/full: No space left" "-o to a full device" -o /dev/full good.toml
[ -c /dev/full ]
result $? "which is still a device"
printf 'version = 1\n[[allow]]\nhost = "*.github.io"\n' >wild.toml
for arguments in "good.toml" "--explain www.example.com good.toml" "--help" "--version" \
	"--lint wild.toml" "--json --check good.toml" "--diff good.toml good.toml" \
	"--explain-override --override wild.toml good.toml"; do
	# shellcheck disable=SC2086
	"$program" $arguments >/dev/full 2>err
	[ $? = 1 ] && grep -q "cannot write to standard output: No space left" err
	result $? "a full standard output: $arguments" "$(cat err)"
done
"$program" good.toml >&- 2>err
[ $? = 1 ]
result $? "standard output closed" "$(cat err)"
leftovers=$(find . -name '*.nft.??????' -o -name 'directory.??????')
[ -z "$leftovers" ]
result $? "no half-written file is left" "$leftovers"

# Explanations
run 0 "www.example.com tcp/443: permitted" empty "--explain of what is permitted" \
	--explain www.example.com:443 good.toml
run 4 "default-deny" empty "--explain of what is refused" --explain www.example.com:80 good.toml
run 0 "allow-2 (good.toml:7)" empty "--explain names the rule and its place" \
	good.toml --explain 192.0.2.3
run 2 empty "'192.0.2.0/24' is no destination" "--explain of what is no destination" \
	--explain 192.0.2.0/24 good.toml
run 0 any empty "--explain as JSON" --json --explain www.example.com:443 good.toml
says destination.name www.example.com "it names the destination"
says permitted true "it says that it is permitted"
says ports.0.layers.0.winner.line 5 "and by which line"
run 4 any empty "--explain of what is refused as JSON" --format json --explain 192.0.2.3:80 good.toml
says rule block-reserved "it names the rule"
run 0 "www.example.com: permitted" empty "the last format counts" \
	--json --format text --explain www.example.com good.toml
run 2 empty "is no destination" "JSON and what is no destination" --json --explain a..b good.toml
run 1 any empty "--explain of a bad policy as JSON" --json --explain a.example.com bad.toml
says diagnostics 3 "is its errors"

# Who asks
cat >scope.toml <<'END'
version = 1

[scope]
users = ["root"]
groups = [12345]
cgroups = ["a.slice"]
interfaces = ["docker0"]
sources = ["10.88.0.0/16"]
END
for who in user=root user=0 group=12345 cgroup=a.slice cgroup=a.slice/b.service \
	interface=docker0 source=10.88.7.7; do
	run 4 "default-deny" empty "--as $who is in scope" \
		--explain a.example.com --as $who scope.toml
done
for who in user=1 group=root cgroup=b.slice interface=eth0 source=10.89.0.1; do
	run 0 "not in scope (${who/=/ })" empty "--as $who is not in scope" \
		--as $who --explain a.example.com scope.toml
done
run 4 "default-deny" empty "one of several that is in scope is enough" \
	--explain a.example.com --as user=1 --as group=12345 scope.toml
run 4 "this is about what is in scope" empty "without --as it is in scope" \
	--explain a.example.com scope.toml
for who in user=nosuch group=nosuch source=a source=10.88.0.0/16; do
	run 2 empty "--as: there is no such" "--as $who" --explain a.example.com --as $who scope.toml
done
for who in root '' who=root user= =root; do
	run 2 empty "--as takes user=" "--as '$who'" --explain a.example.com --as "$who" scope.toml
done
run 2 empty "--as user= is given twice" "--as user= twice" \
	--explain a.example.com --as user=root --as user=1 scope.toml

# Overrides
printf 'version = 1\n[[deny]]\nip = "192.0.2.3"\n' >narrow.toml
printf 'version = 1\nallow = []\n' >none.toml
printf 'version = 1\n[dns]\nupstream = ["192.0.2.53"]\n' >dns.toml
run 0 any empty "an override" --override narrow.toml good.toml
grep -q '^# narrowed by narrow.toml$' out && grep -q o1:deny-1 out
result $? "it is in the ruleset"
run 4 "refused by o1:deny-1" empty "--explain with an override" \
	--override narrow.toml good.toml --explain 192.0.2.3:5432
run 0 "192.0.2.4 tcp/5432: permitted" empty "which refuses nothing else" \
	--override narrow.toml good.toml --explain 192.0.2.4:5432
run 4 "refused by o2:default-deny" empty "a second override" \
	--override narrow.toml --override none.toml good.toml --explain 192.0.2.4:5432
run 1 empty "missing.toml: error: cannot read it" "an override that is missing" \
	--override missing.toml good.toml
run 1 empty "only the base policy has 'dns', not an override [E018]" "a key of the base" \
	--override dns.toml good.toml
run 1 empty "bad.toml:3:1: error: unknown key" "a bad override" good.toml --override bad.toml
run 1 empty "missing.toml: error" "errors of all policies are shown" \
	--override missing.toml bad.toml
grep -q '^bad.toml:3:1: error' err
result $? "together" "$(cat err)"
overrides=()
for ((i = 0; i < 15; i++)); do overrides+=(--override narrow.toml); done
run 0 empty empty "15 overrides" --check good.toml "${overrides[@]}"
run 1 empty "more than 15 overrides" "16 overrides" \
	--check good.toml "${overrides[@]}" --override narrow.toml
for ((i = 0; i < 50; i++)); do overrides+=(--override narrow.toml); done
run 2 empty "more than 64 times" "65 overrides" --check good.toml "${overrides[@]}"
run 0 "- 192.0.2.3 tcp/5432 (now: o1:deny-1)" empty "--explain-override" \
	--explain-override --override narrow.toml good.toml
run 0 "no effect of o1:allow-1" empty "--explain-override of what the base refuses anyway" \
	--explain-override --override good.toml none.toml
run 0 any empty "--explain-override as JSON" --json --explain-override --override narrow.toml good.toml
says lost.0.rule allow-2 "it says what is lost"
says lost.0.now o1:deny-1 "and by what"
says gained 0 "and that nothing is gained"

# Profiles
mkdir first second
printf 'version = 1\n[[allow]]\nhost = "first.example.com"\n' >first/mine.toml
printf 'version = 1\n[[allow]]\nhost = "second.example.com"\n' >second/mine.toml
printf 'version = 1\n[[allow]]\nhost = "other.example.com"\n' >second/other.toml
printf 'version = 1\nprofiles = ["mine", "other"]\n' >profiled.toml
run 0 "mine:allow-1 first.example.com" empty "the first --profile-dir wins" \
	--profile-dir first --profile-dir second profiled.toml
grep -q "other:allow-1 other.example.com" out && ! grep -q second.example.com out
result $? "and the others have the rest"
run 1 empty "profiled.toml:2:21: error: there is no profile 'other' [E027]" "an unknown profile" \
	--profile-dir first profiled.toml
run 1 empty "missing: error: there are no profiles to be found here: No such file or directory [E001]" \
	"a --profile-dir that is missing" --profile-dir missing profiled.toml
run 1 empty "missing: error: there are no profiles" "though the policy has no profiles" \
	--check --profile-dir second --profile-dir missing good.toml
run 1 empty "good.toml: error: there are no profiles to be found here: Not a directory [E001]" \
	"a --profile-dir that is a file" --check --profile-dir good.toml good.toml
run 1 empty "profiled.toml:2:13: error: there is no profile 'mine'" "none of these" profiled.toml
printf 'version = 1\n[dns]\n' >first/other.toml
run 1 empty "first/other.toml:2:2: error: a profile has no 'dns'" "a bad profile" \
	--profile-dir first profiled.toml
printf 'version = 1\n[[category]]\nname = "paste"\nhosts = ["**.example.com"]\n' >second/categories.toml
run 4 "category: paste (categories.toml)" empty "--explain with the category of a name" \
	--profile-dir second good.toml --explain a.example.com
run 0 any empty "the same as JSON" --profile-dir second good.toml --explain www.example.com --json
says category paste "has it too"
printf 'version = 1\n[[category]]\nname = "paste"\nhosts = ["a..b"]\n' >first/categories.toml
run 1 empty "first/categories.toml:4:10: error: 'a..b'" "--explain with bad categories" \
	--profile-dir first good.toml --explain a.example.com
run 0 empty empty "which nothing else reads" --profile-dir first good.toml --check

# Findings and warnings
: >first/doh.txt
cat >relay.toml <<'END'
version = 1

[[allow]]
host = "**.github.io"

[[allow]]
host = "old.example.com"
expires = 2020-01-01
END
run 0 "relay.toml:4:8: warning: '**.github.io' is a relay" empty "--lint" \
	--profile-dir first --lint relay.toml
grep -q ' \[W061\]$' out && grep -q ' \[W050\]$' out
result $? "its findings have codes" "$(cat out)"
run 0 empty empty "--lint of a policy that is well" --profile-dir first --lint good.toml
run 1 "is a relay" empty "--lint --strict" --profile-dir first --lint --strict relay.toml
run 0 empty empty "--lint --strict of a policy that is well" \
	--profile-dir first --lint --strict good.toml
run 1 empty "bad.toml:3:1: error: unknown key" "--lint of a bad policy" --lint bad.toml
run 0 any "expired on 2020-01-02" "a warning goes to standard error" relay.toml
grep -q "^table inet egress-default {" out
result $? "beside the ruleset"
run 1 empty "[W050]" "--strict makes it fail" --strict relay.toml
run 1 empty "[W050]" "--strict --check" --strict --check relay.toml
run 0 "table inet" empty "--strict without warnings" --strict good.toml
run 0 empty "[W050]" "--check has no findings of --lint" --check relay.toml
run 0 any empty "--lint as JSON" --profile-dir first --json --lint relay.toml
says diagnostics.0.code W061 "it has the codes"
says diagnostics.0.column 8 "and the places"
run 1 any empty "--lint --strict as JSON" --profile-dir first --json --strict --lint relay.toml
says diagnostics.0.level warning "it has the levels"
run 0 any empty "--lint as JSON of a policy that is well" --profile-dir first --json --lint good.toml
says diagnostics 0 "it has nothing"
run 0 any empty "--check as JSON" --json --check relay.toml
says diagnostics.0.code W050 "it has the warning"
run 1 any empty "--check as JSON of a bad policy" --json --check bad.toml
says diagnostics 3 "it has all errors"
says diagnostics.1.code E010 "by code"
says diagnostics.1.line 3 "and place"
run 1 any empty "--strict as JSON" --strict --json relay.toml
says diagnostics.0.code W050 "it has the warning"
run 0 "table inet" "[W050]" "a ruleset stays a ruleset with --json" --json relay.toml
run 1 any empty "a missing file as JSON" --json --check missing.toml
says diagnostics.0.file missing.toml "it has the file"
run 1 any empty "the same of an override" --json --override missing.toml good.toml
says diagnostics.0.code E001 "it has the code"
printf 'version = 1\n[[allow]]\nlist = "latin-1.txt"\n' >listed.toml
printf 'a.example.com b\377\n' >latin-1.txt
cp listed.toml $'latin-\351.toml'
run 1 any empty "bytes that are not UTF-8, as JSON" --json --check $'latin-\351.toml'
says diagnostics.0.file latin-1.txt "it has the file"
cp bad.toml $'latin-\351.toml'
run 1 any empty "a file name that is not UTF-8, as JSON" --json --check $'latin-\351.toml'
says diagnostics.0.file "latin-?.toml" "it has what can be shown of it"

# Comparisons
head -n 5 good.toml >less.toml
run 1 "+ 192.0.2.0/28 tcp/5432 (was: block-reserved)" empty "--diff: what OTHER permits more" \
	--diff good.toml less.toml
run 0 "- 192.0.2.0/28 tcp/5432 (now: block-reserved)" empty "--diff: less only" \
	--diff less.toml good.toml
run 0 "no difference" empty "--diff: nothing" --diff good.toml good.toml
run 0 "- 192.0.2.3 tcp/5432 (now: o1:deny-1)" empty "--diff: overrides behind it belong to OTHER" \
	--diff good.toml --override narrow.toml good.toml
run 1 "+ 192.0.2.3 tcp/5432 (was: o1:deny-1)" empty "--diff: those before it to the policy" \
	--override narrow.toml --diff good.toml good.toml
run 0 "no difference" empty "--diff: both" \
	--override narrow.toml good.toml --diff good.toml --override narrow.toml
stdin=less.toml run 0 "- 192.0.2.0/28" empty "--diff with standard input" --diff - good.toml
stdin=less.toml run 1 "+ 192.0.2.0/28" empty "--diff of standard input" --diff good.toml -
run 1 any empty "--diff as JSON" --json --diff good.toml less.toml
says gained.0.what 192.0.2.0/28 "it says what is gained"
says lost 0 "and that nothing is lost"
run 0 any empty "--diff as JSON: nothing" --json --diff good.toml good.toml
says gained 0 "nothing is gained"
run 1 empty "bad.toml:3:1: error" "--diff with a bad policy" --diff bad.toml good.toml
run 1 empty "bad.toml:3:1: error" "--diff of a bad policy" --diff good.toml bad.toml
run 1 any empty "the same as JSON" --json --diff bad.toml good.toml
says diagnostics 3 "is its errors"
run 1 empty "missing.toml: error" "--diff with a missing policy" --diff missing.toml good.toml
run 1 empty "[W050]" "--diff --strict with a warning of OTHER" --strict --diff relay.toml good.toml
cp less.toml $'\033[31m.toml'
run 0 "lost with allow-1 (?[31m.toml:4)" empty "a hostile file name stays text" \
	--diff none.toml $'\033[31m.toml'

# A name that tries to leave its comment
cp good.toml $'x"\n} flush ruleset; #.toml'
hostile=$'x"\n} flush ruleset; #.toml'
run 0 any empty "a hostile file name" "$hostile"
[ "$(grep -c '^add table' out)" = 1 ] && ! grep -q '^} flush' out
result $? "stays within its comment"

# The kernel
if ! has_namespaces; then
	skip "--apply and --remove" "no private network namespace"
	finish
fi
cp out hostile.nft

private() {
	said=$(unshare -Urn bash -c "$2" 2>&1)
	result $? "$1" "$said"
}
export program

# What the table holds, whatever the order in which its objects were made, and whatever generation
# its maps are of.
# shellcheck disable=SC2317 # it is called in the namespace
contents() {
	nft -s list table inet egress-cli | sed -E '/^(table .*|\})$/d; s/((addresses|refused)[46])\.[0-9]+/\1/' |
		awk -v RS= '{ gsub(/\n/, "; "); print }' | sort
}
export -f contents

private "generations are no part of what is compared, and elements are" '
	"$program" --apply good.toml && contents >one && grep -q "192.0.2.0/28" one &&
	grep -q "map refused4 {" one && "$program" --apply good.toml && contents | diff one - &&
	nft flush map inet egress-cli refused6.2 && ! contents | diff -q one - >/dev/null'

private "a hostile file name loads" 'nft -f hostile.nft && nft list table inet egress-cli'
private "--apply loads the ruleset, twice, silently" '
	for i in 1 2; do
		said=$("$program" --apply good.toml 2>&1) && [ -z "$said" ] || exit 1
		nft list table inet egress-cli | grep -q "allow-1 www.example.com" || exit 1
	done'
private "--apply is what the text does" '
	"$program" --apply good.toml && contents >applied && "$program" --remove good.toml &&
	"$program" good.toml | nft -f - && contents | diff - applied'
private "each of them in the place of the other" '
	"$program" --apply good.toml && contents >applied || exit 1
	"$program" good.toml | nft -f - && "$program" --apply good.toml || exit 1
	contents | diff - applied
'
private "--apply with an override" '
	"$program" --apply good.toml --override narrow.toml &&
	nft list table inet egress-cli | grep -q "o1:deny-1"'
private "--apply of a bad policy leaves the ruleset as it was" '
	"$program" --apply good.toml && before=$(nft list ruleset) || exit 1
	sed "s/www/other/" good.toml >worse.toml
	echo "[nonsense]" >>worse.toml
	for policy in bad.toml missing.toml binary worse.toml; do
		"$program" --apply $policy 2>/dev/null
		[ $? = 1 ] && [ "$(nft list ruleset)" = "$before" ] || exit 1
	done'
private "what the kernel refuses is said, with status 3, and changes nothing" '
	nft "add table inet egress-cli; add map inet egress-cli live { type mark : mark; }
		add chain inet egress-cli mine; add rule inet egress-cli mine meta mark set meta mark map @live" || exit 2
	before=$(nft list ruleset)
	said=$("$program" --apply good.toml 2>&1)
	[ $? = 3 ] && [ "$(nft list ruleset)" = "$before" ] && grep -q "kernel refused" <<<"$said"'
private "a rule that is gone from the policy is gone from the kernel" '
	"$program" --apply good.toml || exit 1
	printf "version = 1\nname = \"cli\"\n[[allow]]\nhost = \"www.example.com\"\n" >less.toml
	"$program" --apply less.toml && ! nft list set inet egress-cli live | grep -q allow-2 &&
	! nft list chain inet egress-cli judge | grep -q 5432'
private "--remove takes the table, and no other, and may be repeated" '
	nft add table inet other && nft add table ip egress-cli && "$program" --apply good.toml &&
	"$program" --remove good.toml && "$program" --remove good.toml &&
	[ "$(nft list tables)" = "table inet other
table ip egress-cli" ]'
private "without the capability it is status 3" '
	before=$(nft list ruleset)
	for option in --apply --remove; do
		setpriv --bounding-set=-net_admin "$program" $option good.toml
		[ $? = 3 ] || exit 1
	done
	[ "$(nft list ruleset)" = "$before" ]'
finish
