#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All scripts beside this file, a TAP test each.
cd "${abs_top_srcdir:?}" || exit 99
exec "${abs_top_builddir:?}/tests/replay/replay" tests/replay/*.rpl
