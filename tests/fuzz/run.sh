#!/bin/sh
# run.sh SECONDS TARGET...: libFuzzer on each target in turn, from its corpus. New inputs go to $BUILD/fuzz/corpus, what
# breaks a reader to $BUILD/fuzz/crash-*: add it, made small, to tests/fuzz/corpus. The last line is the sum.
set -u
BUILD=${BUILD:-build} seconds=$1 passed=0 failed=0
shift
export UBSAN_OPTIONS=print_stacktrace=1
for target in "$@"; do
    mkdir -p "$BUILD/fuzz/corpus/$target"
    set -- "$BUILD/fuzz/corpus/$target" "tests/fuzz/corpus/$target"
    options="-max_len=16384"
    [ "$target" = circuit ] && set -- "$@" circuits tests/cli/bad && options="-max_len=8192 -dict=tests/fuzz/circuit.dict"
    if "$BUILD/fuzz/fuzz_$target" $options -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$BUILD/fuzz/crash-$target-" "$@" >"$BUILD/fuzz/$target.log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 40 "$BUILD/fuzz/$target.log"
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD/fuzz/$target.log")
    echo "$target: ${runs:-?} inputs"
    all="${all:-}${all:+, }${runs:-?} $target"
done
echo "promise: fuzz: $seconds s each, inputs: $all: $failed failures" | tee -a "$BUILD/promises.log"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
