#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Some sessions of agents, from a fixed seed: how many of them raise alerts is within bounds. More of
# them: make check-detection.
exec "${abs_top_builddir:?}/tests/detection/detection" -c -s 1 -n 30 \
	"${abs_top_srcdir:?}/rules/profiles"
