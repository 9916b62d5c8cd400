#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The shipped profiles: each is right by itself and in a policy, alone and with all the others, and
# has none of the findings that a profile must not have.

# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")/../../rules" || exit 99

folder=$PWD/profiles
names=()
for file in profiles/*.toml; do
	name=$(basename "$file" .toml)
	[ "$name" = categories ] || names+=("$name")
done
has_namespaces && namespaces=1 || namespaces=0

# policy FILE PROFILE...: a policy of those profiles.
policy() {
	printf '"%s", ' "${@:2}" | sed '1s/^/version = 1\nprofiles = [/; $s/$/]\n/' >"$1"
}

compile() {
	"$program" --profile-dir "$folder" "$@" 2>&1
}

# Silent and 0 if it compiles without a word and the kernel takes it.
check_ruleset() { # POLICY NAME...
	local policy=$1 name said

	if ! said=$(compile -o "$work/nft" "$policy") || [ -n "$said" ]; then
		echo "$said"
		return 1
	fi
	for name in "${@:2}"; do
		grep -q "$name:allow-1" "$work/nft" || { echo "$name is not in it"; return 1; }
	done
	[ "$namespaces" = 0 ] || unshare -Urn nft -f "$work/nft" 2>&1
}

[ ${#names[@]} -gt 10 ]
result $? "there are profiles" "${names[*]}"
for name in "${names[@]}"; do
	file=profiles/$name.toml
	grep -qxF "name = \"$name\"" "$file"
	result $? "$name: it is called as its file"
	said=$(compile --strict --check "$file") && [ -z "$said" ]
	result $? "$name: it is right as a policy of its own" "$said"
	policy "$work/$name.toml" "$name"
	said=$(check_ruleset "$work/$name.toml" "$name")
	result $? "$name: it compiles in a policy, and loads" "$said"
	# Shadowed and duplicate entries, and what no profile may permit: a registry's whole suffix,
	# servers of DNS over HTTPS, all addresses.
	said=$(compile --lint "$file")
	status=$?
	[ $status = 0 ] && ! grep -qE '\[(E[0-9]*|W06[0235]|W071)\]$' <<<"$said"
	result $? "$name: --lint finds nothing that a profile must not have" "$said"
	unknown=$(comm -13 <(sed -n 's/^name = //p' profiles/categories.toml | sort -u) \
		<(sed -n 's/^category = //p' "$file" | sort -u))
	[ -z "$unknown" ]
	result $? "$name: its categories are known" "$unknown"
done

policy "$work/all.toml" "${names[@]}"
said=$(check_ruleset "$work/all.toml" "${names[@]}")
result $? "all profiles compile together, and load" "$said"
[ "$namespaces" = 1 ] || skip "they load" "no private network namespace"

policy "$work/categories.toml" categories
said=$(compile "$work/categories.toml")
[ $? = 1 ] && [[ $said == *"categories.toml:2:13: error: there is no profile 'categories' [E027]"* ]]
result $? "categories.toml is no profile" "$said"
said=$(compile --explain pastebin.com "$work/all.toml")
[[ $said == *"category: paste (categories.toml)"* ]]
result $? "categories.toml is right" "$said"
missing=$(for file in profiles/*; do grep -qF "rules/$file" Makefile.inc || echo "$file"; done)
[ -z "$missing" ]
result $? "all of the folder is installed" "$missing"
finish
