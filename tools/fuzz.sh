#!/usr/bin/env bash
# tools/fuzz.sh SECONDS PROGRAM...: each libFuzzer program for that long, from its corpus in test/fuzz/corpus/NAME. What it
# finds worth keeping goes to build/fuzz/corpus/NAME, what breaks it to build/fuzz/broken/.
set -uo pipefail
seconds=$1
shift
[ $# -gt 0 ] || { echo "no fuzz targets"; exit 1; }
passed=0
failed=0
mkdir -p build/fuzz/broken
for program in "$@"; do
    name=$(basename "$program")
    name=${name#fuzz_}
    found=build/fuzz/corpus/$name
    mkdir -p "$found"
    declare -a corpora=("$found")
    if [ -d "test/fuzz/corpus/$name" ]; then corpora+=("test/fuzz/corpus/$name"); fi
    log=build/fuzz/$name.log
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="build/fuzz/broken/$name-" "${corpora[@]}" >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "  $name: $(grep -a -m 1 -oE 'number_of_executed_units: *[0-9]+' "$log") executed, $(find "$found" -type f | wc -l) kept"
    else
        failed=$((failed + 1))
        echo "  $name: FAILED"
        tail -n 60 "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
