#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where records go: several places at once, the journal of a real systemd-journald, syslog, files
# that are rotated; and in the formats of others.

# shellcheck disable=SC2119,SC2317 # functions are called by name
reader=$(cd "$(dirname "$0")" && pwd)/logreader
rotation=$(cd "$(dirname "$0")/../.." && pwd)/contrib/logrotate/egress
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs jq dig python3 journalctl rsyslogd logrotate
journald=/lib/systemd/systemd-journald
[ -x $journald ] || journald=/usr/lib/systemd/systemd-journald
[ -x $journald ] || skip_all "systemd-journald is not installed"

# --- The daemons' places, which nobody outside the lab sees ---

make_places() {
	local node

	mkdir -p newdev/pts newdev/shm /run/systemd &&
		mount -t tmpfs -o mode=755 lab newdev && mkdir newdev/pts newdev/shm || return
	for node in null zero full random urandom tty; do
		touch "newdev/$node" && mount --bind "/dev/$node" "newdev/$node" || return
	done
	mount --bind /dev/pts newdev/pts && ln -s /proc/self/fd newdev/fd &&
		mount --rbind newdev /dev &&
		mount -t tmpfs -o mode=755 lab /run/systemd && mkdir -p /run/log &&
		mount -t tmpfs -o mode=755 lab /run/log && mkdir -p /run/log/journal || return
	[ -e /etc/machine-id ] || touch /etc/machine-id || return
	echo 0123456789abcdef0123456789abcdef >machine-id
	mount --bind machine-id /etc/machine-id || return
	printf '%s\n' '[Journal]' Storage=volatile ReadKMsg=no Audit=no RateLimitIntervalSec=0 \
		ForwardToSyslog=no ForwardToWall=no >journald.conf
	mkdir -p /etc/systemd && touch /etc/systemd/journald.conf &&
		mount --bind journald.conf /etc/systemd/journald.conf
}

start_journald() {
	SYSTEMD_LOG_TARGET=console $journald 2>journald.log &
	journald_pid=$!
	until_true 20 test -S /run/systemd/journal/socket
}

start_syslog() {
	"$reader" /dev/log >>syslog.jsonl 2>syslog.log &
	syslog_pid=$!
	until_true 20 test -S /dev/log
}

end_daemon() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null
}

# entries: the journal's, as lines of JSON.
entries() {
	journalctl -D /run/log/journal -o json --no-pager SYSLOG_IDENTIFIER=egress 2>/dev/null
}

in_journal() {
	[ -n "$(entries | jq -c "select($1)")" ]
}

in_lines() {
	[ -n "$(jq -c "select($2)" "$1")" ]
}

must make_places
must start_journald
lab_start
# Behind the lab's servers, which write there as well, in another format.
must start_syslog
mkdir log
chmod 777 log

# policy PATHS FORMAT
policy() {
	lab_policy lab <<-END
		[[allow]]
		host = "www.lab.example"
		ports = ["tcp/80"]
		category = "docs"
		[audit]
		path = $1
		format = "$2"
	END
}

# --- All of them at once ---

policy "[\"journal\", \"syslog\", \"-\", \"$LAB/log/lab.jsonl\"]" native
lab_up lab
ask refused.example AAAA >/dev/null
probe tcp 198.18.1.3 443 >/dev/null
check "the journal has a refused query, in fields of its own" until_true 15 in_journal '
	.EGRESS_KIND == "query" and .EGRESS_VERDICT == "refuse" and .EGRESS_RULE == "default-deny" and
	.EGRESS_NAME == "refused.example" and .EGRESS_TYPE == "AAAA" and .EGRESS_POLICY == "lab" and
	.EGRESS_SCORE == "1" and .PRIORITY == "4" and .SYSLOG_FACILITY == "3" and
	.MESSAGE == "refuse query: refused.example AAAA, NXDOMAIN (default-deny)"'
check "and a refused connection" until_true 15 in_journal '
	.EGRESS_KIND == "connection" and .EGRESS_ADDRESS == "198.18.1.3" and .EGRESS_PORT == "443"'
is "the kernel says who wrote: the watcher" "$(entries | jq -r ._UID | sort -u)" "$LAB_UID"
check "syslog has the query" until_true 15 in_lines syslog.jsonl '
	.pri == 28 and .app == "egress" and .id == "query" and
	.data["egress@32473"].name == "refused.example" and
	.data["egress@32473"].rule == "default-deny" and
	.text == "refuse query: refused.example AAAA, NXDOMAIN (default-deny)"'
is "from this host" "$(jq -r .host syslog.jsonl | sort -u)" "$(hostname)"
check "the file has it" until_true 15 in_lines log/lab.jsonl '.name == "refused.example" and .score == 1'
check "standard output, too" until_true 15 in_lines resolver.out '.name == "refused.example"'
for fields in time rule session; do
	is "all have the same ($fields)" "$(entries | jq -r "select(.EGRESS_NAME == \"refused.example\") |
		.EGRESS_${fields^^}")" "$(jq -r "select(.name == \"refused.example\") | .$fields" log/lab.jsonl)"
done

# --- What strangers ask for ---

label=$(printf '\\255%.0s' {1..63})
for name in '\010MESSAGE=forged\010PRIORITY=0\010.injected.example' \
	'\010\<0\>1\ -\ -\ -\ -\ forged.injected.example' '\027[2J\007\\\"\].injected.example' \
	'\255\128\195.injected.example' "$label.$label.$label.${label:0:240}"; do
	in_client dig +tries=1 +time=5 "@$NOSERVER4" "$name" A >>dig.out
done
count_journal() {
	[ "$(entries | jq -c 'select(.EGRESS_NAME and (.EGRESS_NAME | test("injected|255\\.")))' | wc -l)" -ge 5 ]
}
check "the journal has all of them" until_true 15 count_journal
is "and nothing that they meant to be" "$(entries | jq -c 'select(.PRIORITY == "0" or .MESSAGE == "forged")')" ""
is "each entry is of one record" "$(entries | jq -c 'select([.. | arrays] | length > 0)')" ""
last_in_syslog() {
	in_lines syslog.jsonl '(.data["egress@32473"].name // "") | length > 900'
}
check "syslog has them" until_true 15 last_in_syslog
is "as messages that are well-formed" "$(jq -c 'select(.bad)' syslog.jsonl)" ""
is "none of them urgent" "$(jq -c 'select(.pri != 28 and .pri != 30 and .pri != 29)' syslog.jsonl)" ""

# --- Daemons come and go ---

before=$(pgrep -P "$resolver_pid" | sort | tr "\n" " ")
end_daemon "$syslog_pid"
ask while.syslog.is.away >/dev/null
ask while.syslog.is.still.away >/dev/null
check "the journal goes on meanwhile" until_true 15 in_journal '.EGRESS_NAME == "while.syslog.is.away"'
must start_syslog
check "a new syslog daemon gets what came while there was none" until_true 20 in_lines syslog.jsonl '
	.data["egress@32473"].name == "while.syslog.is.still.away"'
is "in its order" "$(jq -r '.data["egress@32473"].name // empty' syslog.jsonl | grep away | uniq | tr '\n' ' ')" \
	"while.syslog.is.away while.syslog.is.still.away "
end_daemon "$journald_pid"
ask while.the.journal.is.away >/dev/null
must start_journald
check "the same of the journal" until_true 20 in_journal '.EGRESS_NAME == "while.the.journal.is.away"'
is "no process was replaced for that" "$(pgrep -P "$resolver_pid" | sort | tr '\n' ' ')" "$before"

# More than has room: counted, and told.
end_daemon "$syslog_pid"
for i in {1..250}; do
	echo "$i.flood.example"
done >names
in_client dig +tries=1 +time=5 "@$NOSERVER4" -f names >/dev/null
check "the file has all" until_true 20 in_lines log/lab.jsonl '.name == "250.flood.example"'
must start_syslog
check "what was lost is told" until_true 20 in_lines syslog.jsonl '
	.id == "lost" and .data["egress@32473"].what == "queries"'
got=$(jq -r '.data["egress@32473"].name // empty' syslog.jsonl | grep -c flood)
lost=$(jq -r 'select(.id == "lost") | .data["egress@32473"].count' syslog.jsonl)
is "how many: all that are missing ($got came)" "$((got + lost))" 250

# --- Rotation ---

# asked NAME: asks for it, and notes that.
asked() {
	ask "$1" >/dev/null
	echo "$1" >>asked
}

# recorded NAME: within 30 s what is asked is in the file. A watcher that is about to be followed
# writes what has come by then to the file before.
recorded() {
	local i

	for i in {1..15}; do
		asked "$1.$i"
		until_true 2 in_lines log/lab.jsonl ".name == \"$1.$i\"" && return
	done
	return 1
}

check "before" recorded before.rotation
mv log/lab.jsonl log/lab.jsonl.1
must lab_reload lab
check "renamed, and a reload: a new file is there" until_true 15 test -e log/lab.jsonl
check "where records go on" recorded after.renaming
mv log/lab.jsonl log/lab.jsonl.2
check "renamed, and nobody says so: a new file comes by itself" until_true 15 test -e log/lab.jsonl
check "where records go on, too" recorded by.itself
cp log/lab.jsonl log/lab.jsonl.3
truncate -s 0 log/lab.jsonl
check "copied and cut to nothing: records go on at its start" recorded after.truncation
is "without a hole" "$(LC_ALL=C grep -c '^{' log/lab.jsonl)" "$(wc -l <log/lab.jsonl)"
is "nothing is lost or twice" "$(cat log/lab.jsonl.1 log/lab.jsonl.2 log/lab.jsonl.3 log/lab.jsonl |
	jq -r 'select(.name) | .name' | grep -E '^(before|after|by)\.' | sort)" "$(sort asked)"

# --- Other formats ---

for format in ecs ocsf; do
	policy "[\"$LAB/log/$format.jsonl\", \"journal\", \"syslog\"]" $format
	must lab_reload lab
	check "$format: a policy is in force" until_true 15 in_lines log/$format.jsonl '.message == "policy: lab is in force"'
	ask $format.example >/dev/null
	probe tcp 198.18.1.4 443 >/dev/null
	check "$format: a sentence with each" until_true 15 in_lines log/$format.jsonl \
		'.message == "refuse query: '$format'.example A, NXDOMAIN (default-deny)"'
done
check "a query in ECS" in_lines log/ecs.jsonl '.ecs.version and .event.kind == "event" and
	.event.action == "query" and .event.outcome == "failure" and .rule.id == "default-deny" and
	.dns.question.name == "ecs.example" and .dns.response_code == "NXDOMAIN"'
check "a connection in ECS" until_true 15 in_lines log/ecs.jsonl '.destination.ip == "198.18.1.4" and
	.destination.port == 443 and .source.ip == "192.168.77.2" and .network.transport == "tcp" and
	.user.id == "0" and .event.type == ["connection", "denied"]'
check "a query in OCSF" in_lines log/ocsf.jsonl '.class_uid == 4003 and .type_uid == 400306 and
	.query.hostname == "ocsf.example" and .rcode_id == 3 and .action_id == 2 and .severity_id == 3 and
	.firewall_rule.uid == "default-deny" and (.time | type) == "number"'
check "a connection in OCSF" until_true 15 in_lines log/ocsf.jsonl '.class_uid == 4001 and
	.activity_id == 5 and .dst_endpoint.ip == "198.18.1.4" and .connection_info.protocol_num == 6'
check "the journal's text is the same object, beside its fields" until_true 15 in_journal '
	.EGRESS_NAME == "ocsf.example" and (.MESSAGE | fromjson | .query.hostname == "ocsf.example")'
check "syslog's, too" until_true 15 in_lines syslog.jsonl '.id == "query" and .data == {} and
	(.text | fromjson | .query.hostname == "ocsf.example")'

# --- An override adds a place ---

policy "\"$LAB/log/base.jsonl\"" native
printf 'version = 1\n[audit]\npath = ["syslog", "%s/log/more.jsonl"]\n' "$LAB" >over.toml
lab_resolver_stop
resolver_pid=
must lab_resolver lab --override=over.toml
ask override.example >/dev/null
for file in base more; do
	check "$file.jsonl has it" until_true 15 in_lines log/$file.jsonl '.name == "override.example"'
done
check "syslog has it" until_true 15 in_lines syslog.jsonl '.data["egress@32473"].name == "override.example"'
lab_resolver_stop
is "the resolver ends with status 0" $? 0

# --- No daemon at all ---

end_daemon "$syslog_pid"
end_daemon "$journald_pid"
rm -f /dev/log /run/systemd/journal/socket
policy '["syslog", "journal"]' native
must lab_resolver lab
like "it starts, and says what is missing" "$(cat "$resolver_log")" "/dev/log: No such file"
like "names are answered" "$(ask www.lab.example)" "^NOERROR"
ask early.example >/dev/null
must start_syslog
check "a daemon that comes later gets what waited" until_true 20 in_lines syslog.jsonl '
	.data["egress@32473"].name == "early.example"'
check "which is logged" until_true 20 grep -q "/dev/log: connected" "$resolver_log"
lab_resolver_stop
end_daemon "$syslog_pid"

# --- A real rsyslogd ---

# Its own configuration, and /dev/log of the lab; what it understands of structured data is JSON.
cat >rsyslog.conf <<-'END'
	module(load="imuxsock" SysSock.Name="/dev/log" SysSock.UseSpecialParser="off"
		SysSock.RateLimit.Interval="0")
	module(load="mmpstrucdata")
	template(name="parsed" type="list") {
		constant(value="{")
		property(name="pri" outname="pri" format="jsonf")
		constant(value=", ")
		property(name="app-name" outname="app" format="jsonf")
		constant(value=", ")
		property(name="msgid" outname="id" format="jsonf")
		constant(value=", ")
		property(name="msg" outname="text" format="jsonf")
		constant(value=", \"data\": ")
		property(name="$!rfc5424-sd")
		constant(value="}\n")
	}
	if $app-name == "egress" then {
		action(type="mmpstrucdata")
		action(type="omfile" file="rsyslog.jsonl" template="parsed" asyncWriting="off")
	}
END
sed -i "s|rsyslog.jsonl|$LAB/&|" rsyslog.conf
rm -f /dev/log
rsyslogd -n -iNONE -f "$LAB/rsyslog.conf" >rsyslog.log 2>&1 &
rsyslog_pid=$!
must until_true 20 test -S /dev/log
policy '"syslog"' native
must lab_resolver lab
ask refused.example AAAA >/dev/null
in_client dig +tries=1 +time=5 "@$NOSERVER4" '\027[2J\007\\\"\].injected.example' A >>dig.out
probe tcp 198.18.1.3 443 >/dev/null
check "rsyslogd understands a query, and its structured data" until_true 20 in_lines rsyslog.jsonl '
	.pri == "28" and .app == "egress" and .id == "query" and
	.data["egress@32473"].name == "refused.example" and .data["egress@32473"].type == "AAAA" and
	.data["egress@32473"].rule == "default-deny" and
	(.text | ltrimstr(" ")) == "refuse query: refused.example AAAA, NXDOMAIN (default-deny)"'
check "a connection" until_true 20 in_lines rsyslog.jsonl '.id == "connection" and
	.data["egress@32473"].address == "198.18.1.3" and .data["egress@32473"].port == "443"'
check "and what a stranger made of a name" until_true 20 in_lines rsyslog.jsonl '
	(.data["egress@32473"].name // "") | endswith("injected.example")'
is "each message is one line of JSON" "$(jq -c . rsyslog.jsonl | wc -l)" "$(wc -l <rsyslog.jsonl)"
lab_resolver_stop
end_daemon "$rsyslog_pid"
rm -f /dev/log

# --- A real logrotate ---

mkdir -m 755 rotated
# rotate [OPTION]: as contrib/logrotate/egress has it, but for where, and with an option.
rotate() {
	sed "s|/var/log/egress|$LAB/rotated|; s|nocopytruncate|${1:-&}|" \
		"$rotation" >logrotate.conf
	chmod 644 logrotate.conf
	logrotate --force --state "$LAB/logrotate.state" "$LAB/logrotate.conf" >>logrotate.log 2>&1
}
# of_files SUFFIX: the names below it that all files have, each as often as there are records.
of_files() {
	zcat -f rotated/lab.jsonl* | jq -r 'select(.name) | .name' | grep "$1\$" | sort
}
is_there() {
	[ -n "$(of_files "$1")" ]
}
# ask_while SUFFIX COMMAND...: 300 names are asked for while the command runs, twice.
ask_while() {
	local suffix=$1 asker i

	shift
	for ((i = 0; i < 300; i++)); do
		echo "n$i.$suffix"
	done >names
	in_client dig +tries=1 +time=5 "@$NOSERVER4" -f names >/dev/null &
	asker=$!
	for ((i = 0; i < 2; i++)); do
		until_true 5 test -s rotated/lab.jsonl
		"$@" || return
	done
	wait "$asker"
	ask "last.$suffix" >/dev/null
	until_true 20 is_there "last.$suffix"
}
policy "\"$LAB/rotated/lab.jsonl\"" native
must lab_resolver lab
ask first.example >/dev/null
check "logrotate renames while records come" ask_while renamed.example rotate
{
	cat names
	echo last.renamed.example
} | sort >expected
check "no record is lost, none is there twice" diff expected <(of_files renamed.example)
check "compressed is what nobody writes to any more" test -e rotated/lab.jsonl.2.gz
rm rotated/lab.jsonl.*
check "the same with copytruncate" ask_while cut.example rotate copytruncate
is "where none is there twice" "$(of_files cut.example | uniq -d)" ""
is "none is broken" "$(zcat -f rotated/lab.jsonl* | jq -c . | wc -l)" "$(zcat -f rotated/lab.jsonl* | wc -l)"
ask quiet.cut.example >/dev/null
check "and what comes while none is cut" until_true 20 in_lines rotated/lab.jsonl '.name == "quiet.cut.example"'
must rotate copytruncate
is "is not lost" "$(of_files quiet.cut.example)" quiet.cut.example
lab_resolver_stop
lab_done
