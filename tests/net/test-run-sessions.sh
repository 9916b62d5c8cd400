#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs of egress-run are sessions of their own: each is kept for later ones to be compared with, and
# what stands out in one is in its summary.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # scripts for the shell inside; variables of
# run.sh, one of which subshells change for themselves
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
lab_needs jq
run_start

kept=home/.local/state/egress/lab.baseline.jsonl

run_policy <<-'END'
	[[allow]]
	host = ["www.lab.example", "*.fresh.lab.example"]
	category = "docs"
	[budget]
	destinations = 2
END
script='getent ahostsv4 www.lab.example; getent ahostsv4 t1.fresh.lab.example; true'
for i in 1 2 3; do
	summary=$(told)
done
unlike "a run within its budget has no alert" "$summary" "budget-destinations:"
is "each run is kept" "$(jq -r '[.kind, .phase, .destinations, .categories.docs, .alerts] |
	map(tostring) | join(" ")' $kept)" "$(printf 'session end 2 2 0\n%.0s' 1 2 3)"
is "under a name of its own" "$(jq -r .session $kept | sort -u | wc -l)" 3
is "for nobody else" "$(stat -c '%a %u' home/.local/state/egress $kept)" \
	"$(printf '700 %s\n600 %s\n' $RUN_UID $RUN_UID)"
is "no running session is" "$(ls home/.local/state/egress)" lab.baseline.jsonl

script='for i in 1 2 3 4; do getent ahostsv4 t$i.fresh.lab.example; done; true'
summary=$(told --report report.json)
like "what is beyond the budget is told" "$summary" "budget-destinations"
is "in the report, too" "$(jq '[.. | strings] | any(. == "budget-destinations")' home/report.json)" true
is "the run is kept with it" "$(tail -n 1 $kept | jq -r '[.destinations, .alerts] | join(" ")')" "4 1"

script=true
told >/dev/null
is "one that reaches nothing is not kept" "$(wc -l <$kept)" 4

# --- Folders ---

is "XDG_STATE_HOME is used" "$(script='getent ahostsv4 www.lab.example'
	as_user+=(env XDG_STATE_HOME="$RUN_HOME/state") && told -q --report /dev/null
	wc -l <home/state/egress/lab.baseline.jsonl)" 1
mkdir -p home/closed
chmod 500 home/closed
chown $RUN_UID home/closed
script='getent ahostsv4 www.lab.example'
is "what runs there sees none of them" "$(script='ls -A ~/.local/state/egress state/egress; touch state/egress/x 2>&1'
	as_user+=(env XDG_STATE_HOME="$RUN_HOME/state") && told -q --report /dev/null >/dev/null; ls -A home/state/egress)" lab.baseline.jsonl
is "nor where none is set" "$(script='ls -A ~/.local/state/egress; touch ~/.local/state/egress/x'
	told -q --report /dev/null >/dev/null; ls -A home/.local/state/egress; cat out)" lab.baseline.jsonl
is "where there is none it goes without" "$(as_user+=(env XDG_STATE_HOME="$RUN_HOME/closed") &&
	told -q; cut -d' ' -f 1 out | sort -u)" 198.18.1.1
echo nonsense >>$kept
like "a file that is none harms nothing" "$(told)" "reached|nothing was reached"
is "and the next run is kept" "$(tail -n 1 $kept | jq -r .destinations)" 1
rm $kept
lab_done
