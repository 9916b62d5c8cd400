#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# people.sh LIST DIRECTORY: people.toml there, a policy that permits the names of a list, with its
# list.txt. Names stand one a line in lists of the forms that people write them in; what has a
# variable in it is nobody's.
set -o pipefail

sed -E 's/^[a-z-]+: //; s/^(name|pattern|dns-name|dns-pattern) //; s/#.*//' "$1" | tr -s '[:blank:]' '\n' |
	sed -E 's/:[0-9]+$//' | grep -E '^(\*\.)?[a-z0-9*-]+(\.[a-z0-9*-]+)+$' | grep -vE '^[0-9.]+$' |
	LC_ALL=C sort -u >"$2/list.txt" || exit
printf 'version = 1\nname = "people"\n[[allow]]\nlist = "list.txt"\nbroad = true\n' >"$2/people.toml"
