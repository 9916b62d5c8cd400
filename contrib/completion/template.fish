# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for @COMMAND@. Generated from the program's own tables.

# What stands before the cursor: the path, and behind it how many operands there are; `option` if an
# argument of one comes now.
function @FISH@_walk
    set -l tokens (commandline -opc)
    set -l path ''
    set -l takes $@FISH@_takes
    set -l count 0
    set -l ended no
    set -l wanted no
    for token in $tokens[2..-1]
        if test $wanted = yes
            set wanted no
        else if test $ended = no; and string match -q -- -- $token
            set ended yes
        else if test $ended = no; and string match -q -- '-?*' $token
            if contains -- $token $takes
                set wanted yes
            end
        else
            set -l longer (string trim -- "$path $token")
            if contains -- $longer $@FISH@_paths
                set path $longer
                if contains -- $path $@FISH@_own
                    set -l name @FISH@_takes_$path
                    set takes $$name
                end
            else
                set count (math $count + 1)
            end
        end
    end
    printf '%s\n' "$path" $count $wanted
end

# Whether operands are wanted at PATH: the N-th of them, or any behind it if it is the last.
function @FISH@_at --argument-names path number last
    set -l here (@FISH@_walk)
    test "$here[1]" = "$path" -a $here[3] = no; or return 1
    test -n "$number"; or set number 1
    test $here[2] -eq (math $number - 1); and return 0
    test "$last" = last -a $here[2] -ge $number
end

# Whether options of PATH are wanted: its own, or of one below that has none.
function @FISH@_options --argument-names path
    set -l here (@FISH@_walk)
    if test "$@FISH@_runs" = 1 -a $here[2] -gt 0
        return 1
    end
    test "$here[1]" = "$path"; and return 0
    test -z "$path"; and not contains -- "$here[1]" $@FISH@_own
end

# Names that come from elsewhere; what a shell would not take as it stands is left out.
function @FISH@_names
    string match -r -- '^[A-Za-z0-9._:-]+$' $argv
end

function @FISH@_stems --argument-names folder suffix
    for file in $folder/*$suffix
        @FISH@_names (basename $file $suffix)
    end
end

function @FISH@_leases
    set -l tokens (commandline -opc)
    set -l which
    for i in (seq 2 (count $tokens))
        switch $tokens[$i]
            case -s --socket -n --name
                set which $tokens[$i..(math $i + 1)]
            case '--socket=*' '--name=*'
                set which $tokens[$i]
        end
    end
    @FISH@_names (timeout 1 @COMMAND@ --json $which leases 2>/dev/null |
        string match -rga -- '"name": "([^"]*)"' | sort -u)
end

function @FISH@_who
    switch (commandline -ct)
        case '*user=*'
            printf '%s\n' user=(__fish_complete_users | string replace -r '\t.*' '')
        case '*group=*'
            printf '%s\n' group=(__fish_complete_groups | string replace -r '\t.*' '')
        case '*interface=*'
            printf '%s\n' interface=(@FISH@_stems /sys/class/net '')
        case '*'
            printf '%s\n' user= group= cgroup= interface= source=
    end
end

# Words, and kinds of things in capitals.
function @FISH@_offer
    for value in $argv
        switch $value
            case FILE
                __fish_complete_path (commandline -ct)
            case DIR
                __fish_complete_directories
            case POLICY
                complete -C "__fish_command_without_completions "(commandline -ct) |
                    string match -r -- '^.*(?:/|\.toml)$'
            case USER
                __fish_complete_users
            case PID
                __fish_complete_pids
            case COMMAND
                __fish_complete_subcommand $@FISH@_takes
            case PROFILE
                @FISH@_stems @PROFILES@ .toml
            case RESOLVER
                @FISH@_stems /run/egress .sock
            case LEASE
                @FISH@_leases
            case WHO
                @FISH@_who
            case '*'
                printf '%s\n' $value
        end
    end
end

complete -c @COMMAND@ -e
complete -c @COMMAND@ -f
# @TABLE@
