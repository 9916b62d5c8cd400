#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# seeds.sh: writes the binary seeds below tests/fuzz/corpus from what is written here in hex. Texts
# (corpus/list, corpus/policy, corpus/text) are written by hand, and so is each input that once broke
# something.
set -eu
cd "${0%/*}/corpus"

# seed TARGET/NAME HEX...
seed() {
	local file=$1 escaped='' hex

	shift
	hex=${*//[[:space:]]/}
	while [ -n "$hex" ]; do
		escaped+="\\x${hex:0:2}"
		hex=${hex:2}
	done
	mkdir -p "${file%/*}"
	printf '%b' "$escaped" >"$file"
}

# times COUNT HEX
times() {
	for ((i = 0; i < $1; i++)); do printf '%s' "$2"; done
}

www='0377777707 6578616d706c6503636f6d00'
refused='0765787472616d6503636f6d00'
label=3f$(times 63 61)
opt='00 0029 04d0 00000000 0000'

# Clients' messages
seed query/a "1234 0100 0001 0000 0000 0000 $www 0001 0001"
seed query/aaaa-edns "1234 0120 0001 0000 0000 0001 $www 001c 0001 $opt"
seed query/mixed-case "1234 0100 0001 0000 0000 0000 0357577707 4558616d706c6503436f6d00 0001 0001"
seed query/cookie "1234 0100 0001 0000 0000 0001 $www 0001 0001 00 0029 1000 00008000 000c 000a0008 0011223344556677"
seed query/two-opts "1234 0100 0001 0000 0000 0002 $www 0001 0001 $opt $opt"
seed query/version-1 "1234 0100 0001 0000 0000 0001 $www 0001 0001 00 0029 04d0 00010000 0000"
seed query/refused "1234 0100 0001 0000 0000 0001 $refused 0001 0001 $opt"
seed query/embedded "1234 0100 0001 0000 0000 0000 0264620869 6e7465726e616c00 0001 0001"
seed query/txt "1234 0100 0001 0000 0000 0001 $www 0010 0001 $opt"
seed query/chaos "1234 0100 0001 0000 0000 0000 0776657273696f6e0462696e6400 0010 0003"
seed query/response "1234 8180 0001 0000 0000 0000 $www 0001 0001"
seed query/notify "1234 2000 0001 0000 0000 0000 $www 0006 0001"
seed query/two-questions "1234 0100 0002 0000 0000 0000 $www 0001 0001 $www 001c 0001"
seed query/no-question "1234 0100 0000 0000 0000 0000"
seed query/short "1234 0100 0001"
seed query/pointer "1234 0100 0001 0000 0000 0000 c00c 0001 0001"
seed query/pointer-back "1234 0100 0001 0000 0000 0000 0377 7777 c00c 0001 0001"
seed query/longest "1234 0100 0001 0000 0000 0000 $label $label $label 3d$(times 61 62) 00 0001 0001"
seed query/too-long "1234 0100 0001 0000 0000 0000 $label $label $label $label 00 0001 0001"
seed query/many-additional "1234 0100 0001 0000 0000 0011 $www 0001 0001 $(times 17 0000010001000000000000)"
seed query/tail "1234 0100 0001 0000 0000 0000 $www 0001 0001 00"

# Upstream servers' messages
question="$www 0001 0001"
seed answer/a "1234 8180 0001 0001 0000 0000 $question c00c 0001 0001 0000012c 0004 c0000201"
seed answer/aaaa "1234 8180 0001 0001 0000 0001 $www 001c 0001 c00c 001c 0001 0000012c 0010 20010db8000000000000000000000001 $opt"
seed answer/alias "1234 8180 0001 0002 0000 0000 $question c00c 0005 0001 0000012c 0002 c010 c010 0001 0001 0000003c 0004 c0000201"
seed answer/circle "1234 8180 0001 0002 0000 0000 $question c00c 0005 0001 0000012c 0002 c010 c010 0005 0001 0000012c 0002 c00c"
seed answer/itself "1234 8180 0001 0001 0000 0000 $question c00c 0005 0001 0000012c 0002 c00c"
seed answer/dname "1234 8180 0001 0002 0000 0000 $question c010 0027 0001 0000012c 0003 016100 0377777701 6100 0001 0001 0000012c 0004 c0000201"
seed answer/dname-growing "1234 8180 0001 0001 0000 0000 $question c010 0027 0001 0000012c 000f 016107 6578616d706c6503636f6d00"
seed answer/private "1234 8180 0001 0002 0000 0000 $question c00c 0001 0001 0000012c 0004 0a000001 c00c 0001 0001 0000012c 0004 7f000001"
seed answer/mapped "1234 8180 0001 0001 0000 0000 $www 001c 0001 c00c 001c 0001 0000012c 0010 00000000000000000000ffff0a000001"
seed answer/nat64 "1234 8180 0001 0001 0000 0000 $www 001c 0001 c00c 001c 0001 0000012c 0010 0064ff9b00000000000000000a000001"
seed answer/nxdomain "1234 8183 0001 0000 0001 0000 $question c010 0006 0001 0000003c 0016 0000 00000001 00000e10 00000258 00015180 0000003c"
seed answer/nodata "1234 8180 0001 0000 0000 0000 $question"
seed answer/servfail "1234 8182 0001 0000 0000 0000 $question"
seed answer/truncated "1234 8380 0001 0000 0000 0000 $question"
seed answer/wrong-class "1234 8180 0001 0001 0000 0000 $question c00c 0001 0003 0000012c 0004 c0000201"
seed answer/high-ttl "1234 8180 0001 0001 0000 0000 $question c00c 0001 0001 ffffffff 0004 c0000201"
seed answer/long-data "1234 8180 0001 0001 0000 0000 $question c00c 0001 0001 0000012c 0005 c000020100"
seed answer/short-data "1234 8180 0001 0001 0000 0000 $question c00c 0001 0001 0000012c 0003 c00002"
seed answer/no-data "1234 8180 0001 0001 0000 0000 $question c00c 0001 0001 0000012c 0000"
seed answer/cut "1234 8180 0001 0001 0000 0000 $question c00c 0001"
seed answer/own-owner "1234 8180 0001 0001 0000 0000 $question c021 0001 0001 0000012c 0004 c0000201"
seed answer/counts "1234 8180 0001 ffff ffff ffff $question"
seed answer/types "1234 8180 0001 0003 0000 0000 $question c00c 0010 0001 0000003c 0003 026869 c00c 0041 0001 0000003c 0003 000100 c00c 002e 0001 0000003c 0002 0001"

# Framing: the inbox's size less one, that of the pieces, the stream
seed framing/whole "ff ff 0003 616263 0000 0001 64"
seed framing/bytes "ff 00 0003 616263 0000 0001 64"
seed framing/just-fits "02 01 0003 616263 0003 646566"
seed framing/too-long "02 01 0004 61626364"
seed framing/cut "ff 02 0005 616263"
seed framing/longest "ff 3f ffff 6162"

# Names: the first two bytes are where the name begins
seed name/plain "0002 $www 00000000"
seed name/root "0002 00"
seed name/pointer "0013 $www c002 00000000 c006 00000000"
seed name/pointer-forward "0002 c004 0161 00"
seed name/pointer-itself "0002 c002"
seed name/pointer-chain "000a 0161 00 c002 c005 c007 c009 c00b"
seed name/pointer-cut "0002 0161 c0"
seed name/reserved-40 "0002 4161 00"
seed name/reserved-80 "0002 8161 00"
seed name/longest "0002 $label $label $label 3d$(times 61 62) 00"
seed name/too-long "0002 $label $label $label 3e$(times 62 62) 00"
seed name/127-labels "0002 $(times 127 0161) 00"
seed name/odd-bytes "0002 08002e5c22ff7f20c3 00"
seed name/past-the-end "ffff 0161 00"
seed name/text "7777772e6578616d706c652e636f6d2e"
seed name/text-hyphen "2d612e622d"

# The engine over time (fuzz-engine.c has the list of events)
query='00 00 10 01' reply='01 80 6a 00 00' leased='02 80 00'
seed engine/plain "$query $reply $leased"
seed engine/cached "$query $reply $leased 03 05 00 00 01 02 03 07 03 07 03 07 03 07 03 07 00 00 00 03"
seed engine/ttl-zero "$query 01 80 02 00 00 $leased 00 00 00 02 01 80 02 00 00 $leased"
seed engine/ttl-huge "$query 01 80 be 00 00 $leased 03 07 00 00 00 02"
seed engine/duplicates "$query 00 00 11 02 00 00 0a 03 00 00 04 04 $reply 00 00 22 05 $leased"
seed engine/families "$query 00 08 10 02 01 00 6a 00 00 01 01 6a 00 00 02 00 00 02 01 00"
seed engine/hosts "00 04 10 01 $leased 00 0c 10 02 $leased 00 1c 10 03"
seed engine/refused "00 05 10 01 00 07 10 02 00 03 10 03"
seed engine/truncated "$query 01 80 6a 60 00 $reply $leased"
seed engine/truncated-failed "$query 01 80 6a 60 00 06 80 01 80 6a 60 00 06 80"
seed engine/truncated-silent "$query 01 80 6a 60 00 03 04 01 80 6a 60 00 06 80"
seed engine/silent "$query 03 03 03 03 03 03 03 03 03 03"
seed engine/late "$query 03 03 01 00 6a 00 00 $reply $leased"
seed engine/servfail "$query 01 80 6a 42 00 01 80 6a 42 00"
seed engine/nxdomain "$query 01 80 00 43 00 $query"
seed engine/wrong-id "$query 01 80 6a a0 00 $reply $leased"
seed engine/cut "$query 01 80 6a 80 14 01 80 6a 80 28"
seed engine/unreachable "$query 06 80 06 80 06 00"
seed engine/lease-refused "$query $reply 02 80 0d"
seed engine/lease-short "$query $reply 02 80 0a 00 00 00 02 03 04 00 00 00 03"
seed engine/lease-late "$query $reply 03 04 $leased $query $reply 02 00 00 $leased"
seed engine/lease-unsent "07 8c $query $reply 07 02"
seed engine/unsent "07 8a $query 07 00 $query"
seed engine/stream-unsent "07 8b $query 01 80 6a 60 00"
seed engine/alias "$query 04 80 08 1e c00c 0005 0001 0000012c 0002 c010 c010 0001 0001 0000003c 0004 c0000201 $leased"
seed engine/circle "$query 04 80 08 1c c00c 0005 0001 0000012c 0002 c010 c010 0005 0001 0000012c 0002 c00c"
seed engine/soa "$query 04 80 43 22 c010 0006 0001 0000003c 0016 0000 00000001 00000e10 00000258 00015180 0000003c $query"
seed engine/raw-query "05 10 1234 0100 0001 0000 0000 0000 00 0001 0001 05 01 ff"
