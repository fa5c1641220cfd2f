#!/bin/sh
# Counts the instructions of one Prepare and its Fulfill through the connector in memory, with
# callgrind (part of valgrind).
#
#   benches/instructions.sh            prints the count and compares it with the baseline
#   benches/instructions.sh --update   writes the count to the baseline
#
# The count is (instructions of 2 N packets - instructions of N packets) / N, so that start-up falls
# out. The rounds of SHA-256 are left out: ring chooses them by what the processor can do, and nobody
# here can change them. What is left depends on the code and the compiler, not on the machine's mood:
# more than the tolerance above the baseline fails; well below it asks for a new baseline.
set -eu

packets=8000
tolerance_percent=3
here=$(cd "$(dirname "$0")" && pwd)
baseline_file="$here/instructions.baseline"

command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is not installed" >&2; exit 64; }

cd "$here/.."
program=$(cargo bench --no-run --bench instructions --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { echo "instructions.sh: cargo built no program" >&2; exit 1; }

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

count() {
    valgrind --tool=callgrind --callgrind-out-file="$out/callgrind" "$program" "$1" "$2" >"$out/log" 2>&1 ||
        { cat "$out/log" >&2; exit 1; }
    callgrind_annotate --threshold=100 "$out/callgrind" | awk '
        { instructions = $1; gsub(",", "", instructions) }
        /PROGRAM TOTALS/ { total = instructions }
        /sha256_block_data_order_/ { sha += instructions }
        END { printf "%d\n", total - sha }'
}

# per_packet DURABILITY
per_packet() {
    once=$(count "$packets" "$1")
    twice=$(count $((2 * packets)) "$1")
    echo $(((twice - once) / packets))
}

per_packet=$(per_packet none)
echo "one Prepare + Fulfill: $per_packet instructions and the rounds of SHA-256"

# check_store DURABILITY PERCENT: what a store costs the thread of the packets, with a cut (strict: two) for 16 packets.
check_store() {
    with_store=$(per_packet "$1")
    most=$((per_packet * (100 + $2) / 100))
    echo "with a store, $1: $with_store, at most $most"
    [ "$with_store" -le "$most" ] || { echo "a store costs more than $2 %: find out why" >&2; exit 1; }
}

check_store batched 3
check_store strict 6

if [ "${1:-}" = --update ]; then
    echo "$per_packet" >"$baseline_file"
    exit 0
fi

baseline=$(cat "$baseline_file")
most=$((baseline * (100 + tolerance_percent) / 100))
least=$((baseline * (100 - tolerance_percent) / 100))
if [ "$per_packet" -gt "$most" ]; then
    echo "more than $tolerance_percent % above the baseline of $baseline: find out why," \
        "or accept it with benches/instructions.sh --update" >&2
    exit 1
fi
if [ "$per_packet" -lt "$least" ]; then
    echo "more than $tolerance_percent % below the baseline of $baseline: keep the gain with" \
        "benches/instructions.sh --update"
fi
