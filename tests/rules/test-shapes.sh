#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Points for the shape of real names, from $EGRESS_DATA where that is: of those that people use fewer
# than one in 10,000 may look like data; of those that carry data many do.
set -u
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}/names
shapes=${abs_top_builddir:?}/tests/rules/shapes
benign=("$data"/benign-*.tsv "$data"/benign-*.txt)
number=0

if [ ! -e "${benign[0]}" ]; then
	echo "1..0 # SKIP no names in $data"
	exit 0
fi

# score FILE...: the sums over all of them.
score() {
	local file

	for file; do
		case $file in
		*.tsv) "$shapes" 4 <"$file" ;;
		*) "$shapes" 1 <"$file" ;;
		esac
	done | awk '{ count += $1; reported += $2; refused += $3 }
		END { print count + 0, reported + 0, refused + 0 }'
}

# check WHAT CONDITION: in terms of the last scores.
check() {
	number=$((number + 1))
	echo "# $count names, $reported reported, $refused refused"
	if [ $(($2)) -ne 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
	fi
}

read -r count reported refused < <(score "${benign[@]}")
check "there are names" "count > 10000"
check "fewer than one in 10,000 of those that people use is reported" "reported * 10000 < count"
check "none is refused" "refused == 0"
read -r count reported refused < <(score "$data"/tunnel-dnscat2-*.tsv)
check "of those of dnscat2 nine in ten are reported" "reported * 10 >= count * 9"
check "and three in four refused" "refused * 4 >= count * 3"
echo "1..$number"
