#!/bin/sh
# Replicates: each the bytes of a run with its seed alone, however many at once; the summary; signals, kills and resuming;
# replacing; what is refused.
. tests/cli/lib.sh
circuit=tests/cli/replicates.yaml
code() { # expected exit code, command...
    expected=$1
    shift
    "$@" >"$work/out" 2>&1 </dev/null
    [ $? -eq "$expected" ]
}
says() { # text, exit code, command...
    text=$1
    shift
    code "$@" && grep -qF -- "$text" "$work/out"
}
same() { # folder, folder: every file in both and below, manifests but for wall time and threads
    diff -r -x manifest.json "$1" "$2" || return 1
    (cd "$1" && find . -name manifest.json) >"$work/manifests"
    while read -r name; do
        for folder in "$1" "$2"; do
            grep -vE '"(wall_seconds|threads)"' "$folder/$name" >"$work/manifest.$([ "$folder" = "$1" ] && echo a || echo b)"
        done
        cmp -s "$work/manifest.a" "$work/manifest.b" || { echo "$name differs"; return 1; }
    done <"$work/manifests"
}
run() { # name, options...
    name=$1
    shift
    "$APICAL" run $circuit --out "$work/$name" --progress none "$@"
}

check "three seeds" code 0 run two --threads 2
check "each has its digest" [ "$(grep -c '^replicate seed-[456] [0-9a-f]\{32\}$' "$work/out")" -eq 3 ]
check "they differ" [ "$(sed -n 's/^replicate seed-. //p' "$work/out" | sort -u | wc -l)" -eq 3 ]
check "one summary is drawn" [ "$(grep -c '^figure ' "$work/out")" -eq 1 ] && check "it is there" [ -s "$work/two/learning.png" ]
digest=$(sed -n 's/^digest //p' "$work/out")
check "one at once" code 0 run one --threads 1
check "the same bytes" same "$work/two" "$work/one"
check "more threads than seeds" code 0 run many --threads 7
check "the same bytes again" same "$work/two" "$work/many"
for seed in 4 6; do
    check "seed $seed alone" code 0 "$APICAL" run $circuit --out "$work/alone$seed" --progress none --set seed=$seed --set replicates=1
    check "leaves the same bytes" same "$work/two/seed-$seed" "$work/alone$seed"
done
check "a list of seeds" code 0 run list --set 'replicates=[6, 4]'
check "in its order" [ "$(sed -n 's/^replicate \(seed-.\) .*/\1/p' "$work/out" | tr '\n' ' ')" = "seed-6 seed-4 " ]
check "a seed does not know the others" same "$work/two/seed-4" "$work/list/seed-4"
check "another number, another digest" [ "$(sed -n 's/^digest //p' "$work/out")" != "$digest" ]
check "circuit.yaml gives the same runs" says "digest $digest" 0 "$APICAL" run "$work/two/circuit.yaml" --out "$work/again" --progress none
check "progress speaks of all" says '"presentations": 123,' 0 "$APICAL" run $circuit --out "$work/progress" --progress json
check "and names the seeds" grep -q '"summary": "seed 5, learning: ' "$work/out"

# ---- the summary, against the probes of each seed
cat >"$work/summary.py" <<'PY'
import csv, sys
import h5py
import numpy as np
folder = sys.argv[1]
rows = list(csv.DictReader(open(folder + "/replicates.csv")))
probes = [h5py.File(f"{folder}/seed-{seed}/probes.h5")["probes"] for seed in (4, 5, 6)]
for name, stored in (("apical", "apical"), ("error", "error"), ("error answer", "error_answer")):
    own = [row for row in rows if row["probe"] == name]
    all = np.array([p[stored][()] for p in probes])
    assert len(own) == all.shape[1] == 41, len(own)
    for key, value in (("median", np.median(all, 0)), ("min", all.min(0)), ("max", all.max(0))):
        assert (np.array([float(row[key]) for row in own]) == value).all(), (name, key)
assert {row["seeds"] for row in rows} == {"3"} and [row["block"] for row in rows].count("before") == 4
PY
check "median and range" "$PYTHON" "$work/summary.py" "$work/two"

# ---- ended and killed
long="--set schedule.learning.presentations=1000"
check "a long one" code 0 run long $long --threads 2
begun() { # folder: a replicate has begun to simulate
    for _ in $(seq 200); do
        [ -s "$1/seed-4/run.log" ] && return
        sleep 0.05
    done
}
for signal in INT TERM USR1; do
    "$APICAL" run $circuit --out "$work/$signal" --progress none $long --threads 2 >"$work/out" 2>&1 &
    begun "$work/$signal"
    kill -$signal $!
    wait $!
    check "SIG$signal: exit 75" [ $? -eq 75 ]
    check "SIG$signal: it says how to go on" grep -q "apical resume" "$work/out"
    check "SIG$signal: no child is left, so it can be resumed" code 0 "$APICAL" resume "$work/$signal" --progress none
    check "SIG$signal: the same bytes" same "$work/long" "$work/$signal"
done
"$APICAL" run $circuit --out "$work/killed" --progress none $long --threads 2 >"$work/out" 2>&1 &
begun "$work/killed"
kill -KILL $!
wait $! 2>/dev/null
resumed() { # the children end after their presentation; then the folder is free
    for _ in $(seq 100); do
        "$APICAL" resume "$1" --progress none >"$work/out" 2>&1 && return
        sleep 0.05
    done
    cat "$work/out"
    return 1
}
check "killed: resumed" resumed "$work/killed"
check "killed: the same bytes" same "$work/long" "$work/killed"
check "a complete one is left alone" says "nothing to do" 0 "$APICAL" resume "$work/killed"
check "stopped early: --stop-after is each one's" code 0 run early --stop-after 5
check "it holds five presentations" [ "$(tail -n 1 "$work/early/replicates.csv" | cut -d, -f1)" -eq 4 ]

# ---- a full disk, a kill in a child or in the parent, by the door of tests/faults (each process counts its own calls)
door=${APICAL%apical}tests/apical-faults
case "$APICAL" in build/apical) door=build/release/tests/apical-faults ;; esac
check "three presentations" code 0 run short --set schedule.learning.presentations=2
for fault in ENOSPC KILL; do
    for place in 11 45 90 120; do
        rm -rf "$work/broken"
        APICAL_FAULT_IO=$place:$fault "$door" run $circuit --out "$work/broken" --progress none --checkpoint-every 1e-9 \
            --set schedule.learning.presentations=2 >"$work/out" 2>&1
        code=$?
        [ -s "$work/broken/circuit.yaml" ] || continue # it had not begun
        case $code in 0 | 1 | 3 | 137) ;; *) check "$fault at call $place: exit $code" false ;; esac
        check "$fault at call $place: resumed" resumed "$work/broken"
        check "$fault at call $place: the same bytes" same "$work/short" "$work/broken"
    done
done

# ---- one that fails: the others go on
check "a seed that runs away" says "seed 5: potential ran away" 4 run failed --set integrator.limit=2.2
check "it alone" [ "$(grep -c error: "$work/out")" -eq 1 ]
status() { sed -n 's/.*"status": "\(.*\)",/\1/p' "$@" | tr '\n' ' '; }
check "the others came to their end" [ "$(status "$work"/failed/seed-*/manifest.json)" = "complete failed complete " ]
check "the whole is failed" [ "$(status "$work/failed/manifest.json")" = "failed " ]
check "the summary is of two" [ "$(tail -n 1 "$work/failed/replicates.csv" | cut -d, -f4)" -eq 2 ]

# ---- replacing, and what is refused
check "not empty" says "the output folder is not empty" 3 run two
check "replaced by other seeds" code 0 run list --overwrite --set 'replicates=[5]'
check "the old ones are gone" [ "$(ls "$work/list" | grep -c seed-)" -eq 1 ]
touch "$work/list/seed-5/mine.txt"
check "replaced by a single run" code 0 run list --overwrite --set replicates=1
check "a file of the user's stays" [ "$(ls -A "$work/list/seed-5")" = mine.txt ]
for verb in render readout; do
    check "$verb takes one run" says "name one of its folders seed-N" 2 "$APICAL" $verb "$work/two"
done
check "errors takes one run" says "name one of its folders seed-N" 2 "$APICAL" errors "$work/two" --out "$work/errors"
check "render of one" says "figure $work/drawn/weights.png" 0 "$APICAL" render "$work/two/seed-5" --out "$work/drawn"
check "--profile measures one run" says "--set replicates=1" 2 run profile --profile
check "nothing was written" [ ! -e "$work/profile" ]
check "a bad data file is said once, and nothing written" says "1 error" 0 sh -c \
    "'$APICAL' run $circuit --out '$work/bad' --progress none --set stimuli.pattern.kind=images --set stimuli.pattern.file=none 2>&1 |
        grep -c 'error:' | sed 's/\$/ error/'"
check "no folder" [ ! -e "$work/bad" ]
finish
