#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A slice of check-differential: what once went wrong, and policies by chance, of a seed that stays
# and of one that is the time.

here=$(dirname "$0")
program=${abs_top_builddir:?}/tests/differential/differential
shopt -s nullglob

exec "$program" -n "${POLICIES:-40}" -p 250 -c "${abs_top_builddir:?}/src/egress-compile" "$here"/fixtures/*.drill
