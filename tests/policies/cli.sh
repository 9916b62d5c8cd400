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

# Usage
run 2 empty "no policy given" "without arguments"
run 2 empty "more than one policy" "two policies" good.toml good.toml
run 2 empty "--frobnicate" "an unknown option" --frobnicate good.toml
run 2 empty "'x'" "an unknown letter" -x good.toml
run 2 empty "--explain" "an option without its argument" good.toml --explain
run 2 empty "does not go with" "two things at once" --check --apply good.toml
run 2 empty "does not go with" "a file and another thing" -o out.nft --check good.toml
run 0 "Usage: egress-compile" empty "--help" --help
run 0 "--explain DEST" empty "--help after other options" --check -h
run 0 "egress-compile (egress) " empty "--version" --version
for option in o check explain apply remove; do
	"$program" --help | grep -q -- "-$option"
	result $? "--help shows $option"
done

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
run 1 empty "bad.toml:3:1: error: unknown key 'hots'" "a wrong key" bad.toml
grep -q '^bad.toml:4:9: error: ' err && grep -q '^ *| *\^~' err
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
stdin=sparse run 1 empty "larger than 64 MiB" "100 MB from standard input" -
stdin=directory run 1 empty "<stdin>: error: cannot read it" "a directory as standard input" -
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
for arguments in "good.toml" "--explain www.example.com good.toml" "--help" "--version"; do
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

private "a hostile file name loads" 'nft -f hostile.nft && nft list table inet egress-cli'
private "--apply loads the ruleset, twice, silently" '
	for i in 1 2; do
		said=$("$program" --apply good.toml 2>&1) && [ -z "$said" ] || exit 1
		nft list table inet egress-cli | grep -q "allow-1 www.example.com" || exit 1
	done'
private "--apply is what the text does" '
	"$program" --apply good.toml && nft -s list table inet egress-cli >applied &&
	"$program" --remove good.toml && "$program" good.toml | nft -f - &&
	nft -s list table inet egress-cli | diff - applied'
private "--apply of a bad policy leaves the ruleset as it was" '
	"$program" --apply good.toml && before=$(nft list ruleset) || exit 1
	sed "s/www/other/" good.toml >worse.toml
	echo "[nonsense]" >>worse.toml
	for policy in bad.toml missing.toml binary worse.toml; do
		"$program" --apply $policy 2>/dev/null
		[ $? = 1 ] && [ "$(nft list ruleset)" = "$before" ] || exit 1
	done'
private "what the kernel refuses is said, with status 3, and changes nothing" '
	nft "add table inet egress-cli; add map inet egress-cli live { type mark : mark; }" || exit 2
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
