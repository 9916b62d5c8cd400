# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2178
# bash completion for @COMMAND@. Generated from the program's own tables.

_@ID@_table() {
	case $1 in
	# @TABLE@
	esac
}

# Adds each line of standard input that begins with WORD. It comes from elsewhere: what a shell would
# not take as it stands is left out.
_@ID@_lines() {
	local line

	while read -r line; do
		if [[ $line == "$1"* && $line =~ ^[A-Za-z0-9._:-]+$ ]]; then
			COMPREPLY+=("$line")
		fi
	done
}

# The names of files in a folder that end in SUFFIX, without it.
_@ID@_stems() {
	local file

	for file in "$1"/*"$2"; do
		file=${file##*/}
		[[ $file == "*$2" ]] || printf '%s\n' "${file%"$2"}"
	done
}

# What --as takes: the part behind "=" alone is replaced.
_@ID@_who() {
	local value=${1#*=}

	case $1 in
	user=*) mapfile -t COMPREPLY < <(compgen -u -- "$value") ;;
	group=*) mapfile -t COMPREPLY < <(compgen -g -- "$value") ;;
	interface=*) _@ID@_lines "$value" < <(_@ID@_stems /sys/class/net '') ;;
	*=*) ;;
	*)
		compopt -o nospace
		mapfile -t COMPREPLY < <(compgen -W 'user= group= cgroup= interface= source=' -- "$1")
		;;
	esac
}

# The names that are open now, as the resolver says that the command line names.
_@ID@_leases() {
	local which=() i

	for ((i = 1; i < COMP_CWORD - 1; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | -n | --name)
			which=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
			[[ ${which[1]} != '=' ]] || which[1]=${COMP_WORDS[i + 2]}
			;;
		esac
	done
	timeout 1 @COMMAND@ --json "${which[@]}" leases 2>/dev/null |
		grep -o '"name": "[^"]*"' | cut -d '"' -f 4 | sort -u
}

# _@ID@_offer WORD VALUES...: words, and kinds of things in capitals.
_@ID@_offer() {
	local word=$1 value more
	shift

	for value; do
		more=()
		case $value in
		FILE)
			compopt -o filenames
			mapfile -t more < <(compgen -f -- "$word")
			;;
		DIR)
			compopt -o filenames
			mapfile -t more < <(compgen -d -- "$word")
			;;
		POLICY)
			compopt -o filenames
			mapfile -t more < <(compgen -d -- "$word"; compgen -f -X '!*.toml' -- "$word")
			;;
		USER) mapfile -t more < <(compgen -u -- "$word") ;;
		PID) _@ID@_lines "$word" < <(ps -eo pid= 2>/dev/null) ;;
		PROFILE) _@ID@_lines "$word" < <(_@ID@_stems '@PROFILES@' .toml) ;;
		RESOLVER) _@ID@_lines "$word" < <(_@ID@_stems /run/egress .sock) ;;
		LEASE) _@ID@_lines "$word" < <(_@ID@_leases) ;;
		WHO) _@ID@_who "$word" ;;
		*) [[ $value != "$word"* ]] || more=("$value") ;;
		esac
		COMPREPLY+=("${more[@]}")
	done
}

# The command that is run, and its arguments, are completed as on a line of their own.
_@ID@_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif (($1 == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -c -- "$2")
	else
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
	fi
}

# The argument that begins at `i`, of which "=" and ":" make several words. Sets `i` behind it, and
# `argument` to its text. 1: the cursor is in it.
_@ID@_argument() {
	((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == '=' ]] && ((i++))
	argument=${COMP_WORDS[i]}
	while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i + 1]} == [=:]* ]]; do
		((i += 1))
		argument+=${COMP_WORDS[i]}
		if ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == *[=:] ]]; then
			((i += 1))
			argument+=${COMP_WORDS[i]}
		fi
	done
	((i < COMP_CWORD))
}

# Walks to the cursor: sets `path`, `count` of the operands behind it, and its tables. 1: what is
# there has been completed.
_@ID@_walk() {
	local i=1 word argument option

	while ((i < COMP_CWORD)); do
		word=${COMP_WORDS[i]}
		((i += 1))
		if [[ $word == -- && -z $ended ]]; then
			ended=yes
		elif [[ -z $ended && $word == -?* ]]; then
			[[ ${takes[$word]+set} ]] || continue
			option=$word
			if ! _@ID@_argument; then
				[[ $argument == '=' ]] && argument=
				# shellcheck disable=SC2086 # a list
				_@ID@_offer "$argument" ${takes[$option]}
				return 1
			fi
			((i += 1))
		elif [[ $runs ]]; then
			_@ID@_command $((i - 1)) "$current"
			return 1
		elif [[ " ${next[*]} " == *" $word "* ]]; then
			path=${path:+$path }$word
			_@ID@_table "$path"
		else
			((count += 1))
		fi
	done
}

_@ID@() {
	local current=${COMP_WORDS[COMP_CWORD]} path='' ended='' runs='' count=0
	local next=() operands=() flags=()
	local -A takes=()

	COMPREPLY=()
	_@ID@_table ''
	_@ID@_walk || return 0
	if [[ $current == -* && -z $ended ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${flags[*]} ${!takes[*]}" -- "$current")
	elif [[ $runs ]]; then
		_@ID@_command "$COMP_CWORD" "$current"
	else
		((count < ${#operands[@]})) || count=$((${#operands[@]} - 1))
		# shellcheck disable=SC2086 # a list
		_@ID@_offer "$current" "${next[@]}" ${operands[count > 0 ? count : 0]-}
	fi
} && complete -F _@ID@ @COMMAND@
