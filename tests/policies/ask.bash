#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ask.bash FOLDER: what bash completes on each line of standard input with the completions in FOLDER;
# a line of candidates each. Words are split as readline does.
set -u
folder=$1

# Only readline can answer this one.
compopt() {
	:
}

split() {
	local word=$1 part

	while [[ $word =~ ^([^=:]*)([=:])(.*)$ ]]; do
		part=${BASH_REMATCH[1]}
		[ -z "$part" ] || COMP_WORDS+=("$part")
		COMP_WORDS+=("${BASH_REMATCH[2]}")
		word=${BASH_REMATCH[3]}
		[ -n "$word" ] || return
	done
	COMP_WORDS+=("$word")
}

for file in "$folder"/egress-*; do
	if [[ ${file##*/} != *.* ]]; then
		# shellcheck source=/dev/null
		. "$file"
	fi
done
while IFS= read -r line; do
	COMP_WORDS=() COMPREPLY=()
	read -ra words <<<"$line"
	for word in "${words[@]}"; do
		split "$word"
	done
	case $line in *' ') COMP_WORDS+=('') ;; esac
	# shellcheck disable=SC2034 # the completions read it
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	"_${words[0]//-/_}"
	printf '%s\n' "${COMPREPLY[@]}" | xargs
done
