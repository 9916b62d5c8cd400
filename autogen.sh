#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes configure and Makefile.in. Run it once after a fresh checkout.
set -eu
cd "$(dirname "$0")"

missing=
command -v autoconf >/dev/null || missing="$missing autoconf"
command -v automake >/dev/null || missing="$missing automake"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
if [ -n "$missing" ]; then
	echo "autogen.sh: missing Debian packages:$missing" >&2
	exit 1
fi
exec autoreconf --force --install
