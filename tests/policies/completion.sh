#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the shells complete on the command lines of the programs: the lines of the file completions,
# asked of bash, fish and zsh themselves. And the programs take the words that are offered.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export HOME=$work/home
mkdir -p "$work/home" "$work/place/folder"
cd "$work/place" || exit 99
touch policy.toml other.toml file.txt

# What a resolver may say: whoever chooses names under a wildcard chooses what is in them.
mkdir "$work/bin"
cat >"$work/bin/egress-ctl" <<'EOF'
#!/bin/sh
echo '{"leases": ['
echo '{"name": "api.example.com", "address": "192.0.2.1"},'
echo '{"name": "a$(touch caught).example.com", "address": "192.0.2.2"},'
echo '{"name": "a;touch caught;.example.com", "address": "192.0.2.2"},'
echo '{"name": "db.example.com", "address": "192.0.2.1"}'
echo ']}'
EOF
chmod +x "$work/bin/egress-ctl"
PATH=$work/bin:$PATH

# The options that --help of a command line's program and task shows.
options() {
	local words=() word

	for word in ${1% -}; do
		[ "$word" = session ] || [ "$word" = extend ] || words+=("$word")
	done
	"$abs_top_builddir/src/${words[0]}" "${words[@]:1}" --help |
		sed -n 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p; s/^      \(--[a-z-]*\).*/\1/p' |
		LC_ALL=C sort | xargs
}

# With the profiles of the tree.
mkdir "$work/made"
for tables in "$abs_top_builddir"/src/table-*; do
	[ -x "$tables" ] || continue
	name=egress-${tables##*-}
	for made in "bash $name" "fish $name.fish" "zsh _$name"; do
		sh "$top/contrib/completion/generate" "${made% *}" "$tables" \
			"$top/contrib/completion/template.${made% *}" "$top/rules/profiles" \
			>"$work/made/${made#* }" || exit 99
	done
done

grep -v '^#' "$here/completions" | sed 's/^[^|]*| //' >"$work/lines"
grep -v '^#' "$here/completions" | sed 's/ *|.*//' >"$work/wanted"

check_shell() {
	local shell=$1 line wanted got

	if ! command -v "$shell" >/dev/null; then
		skip "$shell" "$shell is not installed"
		return
	fi
	"$shell" "$here/ask.$shell" "$work/made" <"$work/lines" \
		>"$work/got" 2>"$work/errors"
	[ ! -s "$work/errors" ]
	result $? "$shell says nothing else" "$(cat "$work/errors")"
	while IFS= read -r line <&3 && IFS= read -r wanted <&4; do
		IFS= read -r got <&5 || got="(no answer)"
		[ "$wanted" != ALL ] || wanted=$(options "$line" | grep -e --help)
		# shellcheck disable=SC2086 # a list
		got=$(printf '%s\n' $got | sed 's,/$,,' | LC_ALL=C sort -u | xargs)
		[ "$got" = "$wanted" ]
		result $? "$shell: $line" "it offers '$got', not '$wanted'"
	done 3<"$work/lines" 4<"$work/wanted" 5<"$work/got"
}

for shell in bash fish zsh; do
	check_shell $shell
done

[ ! -e caught ]
result $? "nothing of what is offered is executed" "it was"

# A word that is offered is none that is wrong: the program complains of something else.
"$abs_top_builddir/src/table-compile" | awk -F '\t' '
$1 == "option" && $5 !~ /[A-Z]/ {
	n = split($5, words, " ")
	for (i = 1; i <= n; i++)
		print $3, words[i]
}' >"$work/words"
while read -r name word; do
	"$program" --"$name" "$word" /nowhere.toml 2>&1 | grep -q "'$word'"
	[ $? = 1 ]
	result $? "egress-compile --$name $word is taken" "it complains of the word"
done <"$work/words"
finish
