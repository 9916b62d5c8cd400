#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn scan at a terminal, and of a tree of LEARN_FILES files: its progress, the question
# before it writes, ^C, and how much memory and time it takes.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
files=${LEARN_FILES:-12000}
cd "$work" || exit 99

# scan OPTION...: the command, for typist.
scan=("$learn" scan --profile-dir "$top/rules/profiles")

# typed [WANTED TYPED]... -- COMMAND...: what the terminal showed is in `shown`.
typed() {
	"$top/tests/learn/typist" "$@" >shown 2>&1
}

mkdir project
echo 'API = "https://api.tillworks.dev/v1"' >project/pay.py
printf 'version = 1\nname = "p" # ours\n' >egress.toml
cp egress.toml before.toml

# unchanged DESCRIPTION: the policy, and there is nothing beside it.
unchanged() {
	cmp -s egress.toml before.toml && [ "$(echo egress.toml*)" = egress.toml ]
	result $? "$1" "$(ls; cat egress.toml)"
}

# --- The question ---

typed '[y/N] ' '\n' -- "${scan[@]}" -o egress.toml project
[ $? -eq 1 ] && grep -q '^+host = "api.tillworks.dev"' shown && grep -q 'Add that to egress.toml?' shown
result $? "the difference is shown, and a question asked" "$(cat shown)"
unchanged "without an answer nothing is written"
typed '[y/N] ' 'no\n' -- "${scan[@]}" -o egress.toml project
unchanged "nor is with a no"
typed '[y/N] ' '\x04' -- "${scan[@]}" -o egress.toml project
unchanged "nor at the end of the input"
typed '[y/N] ' '\x03' -- "${scan[@]}" -o egress.toml project
[ $? -eq 130 ]
result $? "^C ends it" "$(cat shown)"
unchanged "and nothing is written"
typed '[y/N] ' 'y\n' -- "${scan[@]}" -o egress.toml project &&
	grep -q '^host = "api.tillworks.dev"' egress.toml && grep -q 'ours$' egress.toml
result $? "with a yes it is written" "$(cat shown egress.toml)"
"$program" --check egress.toml >checked 2>&1
result $? "and compiles" "$(cat checked)"
cp egress.toml before.toml

# --- Many files ---

"$top/tests/learn/tree" tree "$files"
result $? "there are $files files"
typed -- "${scan[@]}" -o many.toml tree
result $? "a scan of them gives a policy" "$(tail -n 5 shown)"
grep -q "$files files seen" shown
result $? "all were seen" "$(tail -n 5 shown)"
[ "$(grep -c '^host = "api[0-9]*.deepworks.dev"' many.toml)" -gt 10 ]
result $? "and what they name is found" "$(tail many.toml)"
! grep -q '[[:cntrl:]]' <(tr -d '\n\t' <many.toml)
result $? "no file's name is a terminal's command" "$(grep -n '[[:cntrl:]]' many.toml | cat -v | head)"
# What has been shown is gone at the end.
if [ "$files" -ge 100000 ]; then
	grep -qP '^\r[0-9]+ files, [0-9]+ MiB read\r' shown && grep -qP '\r\x1b\[K' shown
	result $? "progress is shown, and taken away" "$(head -c 300 shown | cat -v)"
fi
typed -- "${scan[@]}" -q tree
! grep -q 'files' <(grep -v '^#' shown)
result $? "with -q there is none"
"${scan[@]}" tree 2>said >piped.toml
! grep -q "$(printf '\r')" said
result $? "nor where standard error is no terminal" "$(head -c 300 said)"
cmp -s many.toml piped.toml
result $? "and the draft is the same"
rm -f egress.toml
(
	sleep 0.05
	exec "${scan[@]}" -o egress.toml tree >said 2>&1
) &
scanner=$!
sleep 0.3
kill -TERM $scanner 2>/dev/null
wait $scanner 2>/dev/null
[ ! -e egress.toml ] || "$program" --check --profile-dir "$top/rules/profiles" egress.toml >/dev/null 2>&1
result $? "one that is ended leaves a whole policy, or none" "$(ls)"
[ "$(find . -maxdepth 1 -name 'egress.toml.*' | wc -l)" = 0 ]
result $? "and nothing beside it"

# measure COMMAND...: seconds and MiB.
measure() {
	python3 -c 'import os, subprocess, sys, time
start = time.monotonic()
pid = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
usage = os.wait4(pid, 0)[2]
print("%.2f %d" % (time.monotonic() - start, usage.ru_maxrss // 1024))' "$@"
}
grep -rIq no-such-text tree
read -r seconds memory < <(measure "${scan[@]}" -q tree)
read -r plain _ < <(measure grep -rI no-such-text tree)
echo "# $files files: $seconds s and $memory MiB; grep -rI takes $plain s"
[ "$memory" -lt 1024 ]
result $? "it takes less than 1 GiB" "$memory MiB"
finish
