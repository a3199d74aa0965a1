#!/bin/sh
# The readers on their fuzz corpora: circuits, good and bad, IDX files, run.log, checkpoints. `make fuzz` looks for more.
. tests/cli/lib.sh
build=${APICAL%apical}
case "$APICAL" in build/apical) build=build/release/ ;; esac
for target in circuit idx runlog checkpoint; do
    set -- tests/fuzz/corpus/$target
    [ $target = circuit ] && set -- "$@" circuits tests/cli/bad
    "${build}tests/replay_$target" "$@" >"$work/out" 2>&1
    check "$target: $(tail -n 1 "$work/out")" [ $? -eq 0 ]
    n=$(awk 'END {print $1 + 0}' "$work/out")
    check "$target: every file" [ "$n" -eq "$(find "$@" -maxdepth 1 -type f | wc -l)" ]
    files=$((${files:-0} + n))
done
echo "promise: corpus: $files files: $failed wrong"
finish
