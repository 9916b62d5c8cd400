#!/usr/bin/env fish
# SPDX-License-Identifier: GPL-2.0-or-later
# ask.fish FOLDER: what fish completes on each line of standard input with the completions in FOLDER;
# a line of candidates each.
for file in $argv[1]/*.fish
    source $file
end
while read -l line
    echo (complete -C "$line" | string replace -r '\t.*' '')
end
