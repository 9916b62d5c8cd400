#!/usr/bin/env zsh
# SPDX-License-Identifier: GPL-2.0-or-later
# ask.zsh FOLDER: what zsh completes on each line of standard input with the completions in FOLDER; a
# line of candidates each. A shell on a terminal of its own is asked: only its line editor completes.
emulate -L zsh
zmodload zsh/zpty zsh/zselect || exit 99
folder=$1 work=$(mktemp -d) || exit 99
trap 'zpty -d asked 2>/dev/null; rm -rf $work' EXIT
cat >$work/lines
cat >$work/rc <<'RC'
unsetopt zle_bracketed_paste
PS1= PS2=
fpath=($ASK_FOLDER $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' verbose no
zstyle ':completion:*:*:*:users' users root
lines=("${(@f)$(<$ASK_WORK/lines)}")
integer at=0
compadd() {
	local -a hits

	if [[ ${@[1,(i)(-|--)]} == *-[a-zA-Z12]#(O|A|D)\ * ]]; then
		builtin compadd "$@"
		return
	fi
	builtin compadd -A hits "$@"
	found+=($hits)
	builtin compadd "$@"
}
# Each line of the file in its turn. A "-" alone is a modifier of zsh's own before commands.
next_line() {
	typeset -ga found=()
	(( at++ ))
	BUFFER=$lines[at]
	CURSOR=$#BUFFER
	zle complete-word
	print -r -- ${${(u)found}:#-} >>$ASK_WORK/answers
	BUFFER=
	(( at < $#lines )) || : >$ASK_WORK/done
}
zle -N next_line
bindkey '^T' next_line
: >$ASK_WORK/ready
RC
export ASK_FOLDER=$folder ASK_WORK=$work TERM=dumb
zpty asked zsh -f -i
zpty -w asked "setopt extendedglob; source $work/rc"

# wait_for FILE: at most a minute; what the terminal shows is thrown away.
wait_for() {
	integer i

	for ((i = 0; i < 6000; i++)); do
		[[ -e $work/$1 ]] && return
		zpty -r -t asked ignored '*' 2>/dev/null
		zselect -t 1
	done
	print -u 2 "ask.zsh: no answer"
	exit 1
}

wait_for ready
integer lines=$(wc -l <$work/lines)
for ((i = 0; i < lines; i++)); do
	zpty -w -n asked $'\x14'
done
wait_for done
cat $work/answers
