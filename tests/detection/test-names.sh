#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real names, from $EGRESS_DATA where that is, each list as the queries of one session: those that
# people use raise no alert of names that look like data, and those of tunnels soon do.
set -u
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}/names
corpus=${abs_top_builddir:?}/tests/detection/corpus
lists=("$data"/benign-*.tsv "$data"/benign-*.txt)
number=0

if [ ! -e "${lists[0]}" ]; then
	echo "1..0 # SKIP no names in $data"
	exit 0
fi

# told FILE: the names there are, alerts, and how many names until the first.
told() {
	case $1 in
	*/benign*.tsv | */tunnel*.tsv) "$corpus" 4 <"$1" 2>/dev/null ;;
	*) "$corpus" 1 <"$1" 2>/dev/null ;;
	esac
}

# check DESCRIPTION CONDITION: in terms of the last list.
check() {
	number=$((number + 1))
	echo "# $count names, $alerts alerts, the first after $first"
	if [ $(($2)) -ne 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
	fi
}

for list in "${lists[@]}"; do
	read -r count alerts first < <(told "$list")
	check "${list##*/}: none" "count > 1000 && alerts == 0"
done
for list in "$data"/tunnel-*.tsv; do
	read -r count alerts first < <(told "$list")
	check "${list##*/}: one, within 500 names" "alerts > 0 && first <= 500"
done
echo "1..$number"
