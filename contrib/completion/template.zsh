#compdef @COMMAND@
# SPDX-License-Identifier: GPL-2.0-or-later
# zsh completion for @COMMAND@. Generated from the program's own tables.

_@ID@_table() {
	case $1 in
	# @TABLE@
	esac
}

# Names that come from elsewhere; what a shell would not take as it stands is left out.
_@ID@_names() {
	local -a names

	names=(${(M)@:#[A-Za-z0-9._:-]##})
	compadd -a names
}

_@ID@_leases() {
	local -a which
	local i

	for ((i = 2; i < $#words_all; i++)); do
		case $words_all[i] in
		-s | --socket | -n | --name) which=($words_all[i] $words_all[i+1]) ;;
		--socket=* | --name=*) which=($words_all[i]) ;;
		esac
	done
	_call_program leases timeout 1 @COMMAND@ --json ${(q)which} leases |
		grep -o '"name": "[^"]*"' | cut -d '"' -f 4 | sort -u
}

_@ID@_who() {
	case $PREFIX in
	user=*) compset -P '*=' && _users ;;
	group=*) compset -P '*=' && _groups ;;
	interface=*) compset -P '*=' && _net_interfaces ;;
	*=*) ;;
	*) compadd -S '' user= group= cgroup= interface= source= ;;
	esac
}

# Words, and kinds of things in capitals.
_@ID@_offer() {
	local value ret=1
	setopt localoptions extendedglob

	for value; do
		case $value in
		FILE) _files && ret=0 ;;
		DIR) _files -/ && ret=0 ;;
		POLICY) _files -g '*.toml' && ret=0 ;;
		USER) _users && ret=0 ;;
		PID) _pids && ret=0 ;;
		PROFILE) _@ID@_names @PROFILES@/*.toml(N:t:r) && ret=0 ;;
		RESOLVER) _@ID@_names /run/egress/*.sock(N:t:r) && ret=0 ;;
		LEASE) _@ID@_names ${(f)"$(_@ID@_leases)"} && ret=0 ;;
		WHO) _@ID@_who && ret=0 ;;
		*) compadd -- $value && ret=0 ;;
		esac
	done
	return ret
}

# At a path, whose last word is words[1].
_@ID@_at() {
	local path_here=$1 runs context state state_descr line ret=1
	local -a specs next operands
	local -A opt_args

	_@ID@_table "$path_here"
	if [[ -n $runs ]]; then
		_arguments -s -S -A '-*' : $specs '(-)1: :_command_names -e' '*:: : _normal' && ret=0
	elif (( $#next )); then
		_arguments -C -s -S : $specs '1: :->next' '*:: :->behind' && ret=0
	else
		_arguments -C -s -S : $specs '*: :->operand' && ret=0
	fi
	case $state in
	next)
		compadd -a next && ret=0
		(( ! $#operands )) || { _@ID@_offer ${=operands[1]} && ret=0 }
		;;
	behind)
		if (( ${next[(Ie)$words[1]]} )); then
			_@ID@_at "${path_here:+$path_here }$words[1]" && ret=0
		elif (( $#operands )); then
			_@ID@_offer ${=operands[-1]} && ret=0
		fi
		;;
	operand)
		local -i count=1 i
		for ((i = 1; i < $#line; i++)); do
			(( count < $#operands )) && (( count++ ))
		done
		(( ! $#operands )) || { _@ID@_offer ${=operands[count]} && ret=0 }
		;;
	esac
	return ret
}

_@ID@() {
	local curcontext=$curcontext
	local -a words_all

	words_all=($words)
	_@ID@_at ''
}

_@ID@ "$@"
