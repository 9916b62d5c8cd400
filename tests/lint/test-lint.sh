#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each check of "make lint" passes a small sound tree and objects to one with its fault.
set -uo pipefail
lint=$(cd "${0%/*}" && pwd)
top=$(cd "$lint/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
unset LINT_CPPFLAGS

number=0

result() { # result OK WHAT
	number=$((number + 1))
	if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

header() { # header FILE [LINE...]
	printf '%s\n' "#ifndef GUARD" "#define GUARD" "" "${@:2}" "" "#endif" >"$1"
}

sound_tree() {
	rm -rf "${tree:?}"/*
	mkdir -p src/base src/kernel rules resolver contrib tests/base
	cp -f "$top/.clang-format" "$top/.clang-tidy" .
	header src/base/low.h 'int low(void);'
	printf '%s\n' '#include "src/base/low.h"' '' 'int low(void)' '{' '	return 0;' '}' >src/base/low.c
	header rules/rule.h '#include "src/base/low.h"' '' 'int rule(void);'
	printf '%s\n' '#include "rules/rule.h"' '' 'int rule(void)' '{' '	return low();' '}' >rules/rule.c
	header src/kernel/set.h 'int set(void);'
	printf '%s\n' '#include "src/base/low.h"' >tests/base/test-low.c
	# shellcheck disable=SC2016 # a script's text
	printf '%s\n' '#!/bin/sh' 'echo "$1"' >contrib/say.sh
	printf '%s\n' '.Dd January 1, 2026' '.Dt SAY 1' '.Os' '.Sh NAME' '.Nm say' '.Nd say it' >contrib/say.1
}

# red CHECK WHERE WHAT: on the tree as it was just broken, CHECK fails and names the place.
red() {
	local output
	output=$("$lint/run" . "$1" 2>&1)
	if [[ $output == "not ok 1 - $1"* && $output == *"$2"* ]]; then
		result 0 "$1: $3"
	else
		echo "# $output"
		result 1 "$1: $3"
	fi
	sound_tree
}

sound_tree
output=$("$lint/run" . 2>&1)
result $? "a sound tree passes every check"
grep '^#' <<<"$output"

echo '#include "rules/rule.h"' >>src/base/low.c
red layers src/base/low.c:7 "upward include"
echo '#include "src/kernel/set.h"' >>rules/rule.c
red layers rules/rule.c:7 "sideways include"
echo '#include "rules/rule.h"' >>tests/base/test-low.c
red layers tests/base/test-low.c:2 "a unit test reaches above its room"
echo '#include "low.h"' >>src/base/low.c
red layers src/base/low.c:7 "a path that isn't from the root"
sed -i '1i #include <stdio.h>' src/base/low.c
red layers src/base/low.c:1 "own header is not first"
header src/base/other.h '#include "src/base/low.h"'
header src/base/low.h '#include "src/base/other.h"'
red layers src/base/low.h "headers in a circle"

header src/base/low.h 'size_t low(void);'
red headers size_t "a header that needs another"

printf '\n%.0s' {1..800} >>src/base/low.c
red sizes src/base/low.c:801 "a long file"
{ printf 'int f(void)\n{\n'; printf '\n%.0s' {1..78}; printf '}\n'; } >>src/base/low.c
red sizes src/base/low.c:7 "a long function"
{ printf 'int f(void)\n{\n'; printf '\n%.0s' {1..77}; printf '}\n'; } >>src/base/low.c
output=$("$lint/run" . sizes 2>&1)
result $? "sizes: 80 lines are none too many"
printf '\t%s\n' 'for (;;)' '	if (1)' '		if (2)' '			while (3)' \
	'				if (4)' '					return 5;' |
	sed -i '4r /dev/stdin' src/base/low.c
red sizes src/base/low.c:9 "deep nesting"

sed -i 's/return 0/return  0/' src/base/low.c
red format src/base/low.c:5 "a stray space"

printf '%s\n' 'int f(void);' 'int f(void)' '{' '	int *p = 0;' '	return *p;' '}' >>src/base/low.c
red tidy src/base/low.c:11 "a null pointer"

printf '%s\n' 'int f(void)' '{' '	int a[2] = {1, 2};' '	return a[2];' '}' >>src/base/low.c
red cppcheck src/base/low.c:10 "past the end of an array"

printf '%s\n' '#include <stdlib.h>' 'int f(void);' 'int f(void)' '{' '	char *p = malloc(8);' \
	'	if (!p)' '		return 1;' '	*p = 1;' '	return *p;' '}' >>src/base/low.c
red analyzer src/base/low.c:11 "memory that nobody releases"

# shellcheck disable=SC2016 # the fault to find
echo 'cd $1' >>contrib/say.sh
red shell contrib/say.sh:3 "an unquoted variable"

echo '.Zz' >>contrib/say.1
red manuals contrib/say.1:7 "an unknown macro"

# shellcheck disable=SC2016 # a document's text
echo 'The lowest is `src/base/gone.c`.' >README
red documents README:1 "a file that a document names is not there"
echo 'check-all:' >Makefile.am
echo '    make check-most' >README
red documents README:1 "a target that a document names is not there"

printf '/* rec%s */\n' ieve >>src/base/low.c
red spelling src/base/low.c:7 "a misspelt word"

printf '/* TO%s: more */\n' DO >>resolver/new.h
red words resolver/new.h:1 "unfinished work"

echo "1..$number"
