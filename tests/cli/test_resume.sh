#!/bin/sh
# A run that was stopped, killed or interrupted at any presentation and resumed leaves the bytes of a run that was not:
# log, HDF5, pictures, manifest (but for wall time). Noise, held and coupled weights, all integrators, threads; who may
# write where; signals; damaged checkpoints. Also checks its own comparison.
. tests/cli/lib.sh
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
# The same program with a door in it (tests/faults/door.c): SIGTERM or SIGKILL as the Nth presentation is written.
door=${APICAL%apical}tests/apical-faults
case "$APICAL" in build/apical) door=build/release/tests/apical-faults ;; esac
legs() { # circuit, "options", presentations of each leg: stopped and killed in turn, then to the end
    circuit=$1 options=$2
    shift 2
    rm -rf "$work/straight" "$work/broken"
    eval "code 0 \"\$APICAL\" run $circuit --out $work/straight $options" || { cat "$work/out"; return 1; }
    verb="run $circuit --out $work/broken $options" how=stop
    for n in "$@"; do
        eval "APICAL_FAULT_PRESENTATION=$n:$how \"\$door\" $verb --threads $((1 + n % 2 * 3)) --checkpoint-every 1e-9" \
            >"$work/out" 2>&1
        case $how:$? in stop:75) how=kill ;; kill:137) how=stop ;; *) cat "$work/out"; return 1 ;; esac
        verb="resume $work/broken --progress none"
    done
    eval "code 0 \"\$APICAL\" $verb" || { cat "$work/out"; return 1; }
    same_run "$work/straight" "$work/broken"
}
quick="--progress none"
short="$quick --set schedule.self-prediction.presentations=4 --set schedule.learning.presentations=4"

# ---- the same bytes
a=circuits/association.yaml
check "association" legs $a "$short" 1 1 2 2 1 3 1
check "stopped where it ends" legs $a "$short --stop-after 7" 6 1
check "stopped before the first checkpoint" legs $a "$short --stop-after 2" 1
check "coupled weights" legs $a "$short --stop-after 3 --set integrator.weights=coupled --no-figures" 1 2
check "Adams" legs $a "$short --stop-after 3 --set integrator.kind=adams --no-figures" 1 2
check "euler, white noise" legs $a "$short --set integrator.kind=euler --set 'integrator.step=0.1 ms'" 2 3 2
check "dynamic dendrites" legs circuits/dynamic_dendrites.yaml "$quick --set schedule.0.presentations=2 --stop-after 6" 1 2 2
check "self-prediction" legs circuits/self_prediction.yaml "$quick --stop-after 5" 2 2
check "regression, softplus" legs circuits/regression.yaml "$quick --set schedule.0.presentations=2 --stop-after 6" 2 2 1
check "interventions" legs $a "$short --stop-after 8 --set 'interventions=[{name: x, kind: shuffle, projection: feedback1}]'" 2 3
loop="--set schedule.listening.presentations=1 --set schedule.fitting.presentations=1 --set schedule.baseline.presentations=3"
check "batches" legs $a "$short --set schedule.self-prediction.batch=3 --set schedule.learning.batch=2 --set schedule.self-prediction.noise=off --set schedule.learning.noise=off" 1 2 1 1
check "closed loop" legs circuits/neurofeedback.yaml "$quick $loop --stop-after 12" 3 2 1 3
[ -s data/mnist/train-images-idx3-ubyte ] && check "mnist" legs circuits/mnist_small.yaml "$quick --stop-after 4 --no-figures" 1 2

echo "promise: resume: $passed circuits and settings, each stopped and killed on the way: $failed differ"

# ---- the comparison notices
rm -rf "$work/other" && cp -r "$work/straight" "$work/other"
check "it finds equal what is equal" same_run "$work/straight" "$work/other"
printf x >>"$work/other/run.log"
check "it notices a byte" [ "$(same_run "$work/straight" "$work/other")" = "run.log differs" ]
rm "$work/other/run.log"
check "it notices what is not there" [ "$(same_run "$work/straight" "$work/other" 2>&1)" = "run.log differs" ]

# ---- what is said
stopped() { # folder, options...: a run that was stopped after three presentations
    out=$1
    shift
    rm -rf "$out"
    APICAL_FAULT_PRESENTATION=3:stop "$door" run $a --out "$out" $short --no-figures --checkpoint-every 1e-9 "$@" >"$work/out" 2>&1
    [ $? -eq 75 ]
}
s=$work/s
check "a stopped run" stopped "$s"
check "its end names the way on" grep -qF "\`apical resume $s\` goes on" "$work/out"
check "it has two checkpoints" [ -s "$s/checkpoint-a" ] && [ -s "$s/checkpoint-b" ]
check "its manifest says so" grep -q '"status": "stopped"' "$s/manifest.json"
check "a run into it is refused" says "holds an unfinished run" 3 "$APICAL" run $a --out "$s"
check "with the way on" grep -q "apical resume" "$work/out"
cp -r "$s" "$work/kept"
check "resume" says "digest " 0 "$APICAL" resume "$s" $quick
check "no checkpoint is left" [ ! -e "$s/checkpoint-a" ] && [ ! -e "$s/checkpoint-b" ]
check "the manifest does not list any" [ "$(grep -c checkpoint "$s/manifest.json")" -eq 0 ]
digest=$(sed -n 's/^digest //p' "$work/out")
check "again: nothing to do" says "nothing to do" 0 "$APICAL" resume "$s"
check "the same digest" grep -qx "digest $digest" "$work/out"
check "a folder without a run" says "holds no manifest.json of an apical run" 3 "$APICAL" resume circuits
check "no folder" says "cannot open: No such file" 3 "$APICAL" resume "$work/none"
check "which run?" says "which run?" 2 "$APICAL" resume
check "seconds" says "expected seconds, 0 or more" 2 "$APICAL" resume x --checkpoint-every -1
check "seconds with a unit" says "expected seconds, 0 or more" 2 "$APICAL" run x --checkpoint-every 1m
check "--overwrite replaces it" code 0 "$APICAL" run $a --out "$work/kept" --overwrite $quick --stop-after 1 --no-figures
check "and its checkpoints" [ ! -e "$work/kept/checkpoint-a" ]

# ---- a checkpoint that cannot be used
damaged() { # "command on the folder", text, exit code: of a fresh copy of the stopped run
    rm -rf "$work/d" && cp -r "$s" "$work/d"
    (cd "$work/d" && eval "$1")
    says "$2" "$3" "$APICAL" resume "$work/d" $quick --no-figures
}
flip() { "$PYTHON" -c "import sys; f = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); c = f.read(1); f.seek(int(sys.argv[2])); f.write(bytes([c[0] ^ 1]))" "$1" "$2"; }
stopped "$s"
[ "$s/checkpoint-a" -nt "$s/checkpoint-b" ] && new=checkpoint-a old=checkpoint-b || { new=checkpoint-b old=checkpoint-a; }
check "the newer one damaged" damaged "flip $new 5000" "one of two checkpoints cannot be used" 0
check "why" grep -q "its digest does not match" "$work/out"
check "the same end" grep -qx "digest $digest" "$work/out"
check "the older one damaged" damaged "flip $old 5000" "digest $digest" 0
check "the newer one cut" damaged "truncate -s 5000 $new" "is cut short" 0
check "both damaged" damaged "flip $new 500; flip $old 600" "cannot go on from" 3
check "nothing was touched" [ -s "$work/d/$old" ] && [ "$(stat -c %s "$work/d/run.log")" = "$(stat -c %s "$s/run.log")" ]
check "a log that is too short" damaged "truncate -s 1000 run.log" "the checkpoint was made after" 3
check "a damaged log" damaged "flip run.log 1000" "run.log: damaged at byte" 3
check "another circuit" damaged "sed -i 's/^seed: 1/seed: 2/' circuit.yaml" "it is of another circuit" 3
check "no circuit" damaged "rm circuit.yaml" "the run ended before its circuit was written" 3
check "no checkpoint: from the start" damaged "rm checkpoint-*" "digest $digest" 0
check "a torn log behind the checkpoint" damaged "printf torn >>run.log" "digest $digest" 0
check "temporaries are swept" damaged "touch .apical-3.tmp" "digest $digest" 0
check "they are gone" [ ! -e "$work/d/.apical-3.tmp" ]

# ---- data files that changed
printf '\000\000\010\003\000\000\000\002\000\000\000\002\000\000\000\002abcdefgh' >"$work/images"
cat >"$work/images.yaml" <<'YAML'
version: 1
name: images
microcircuit: {layers: [4, 3, 2], transfer: logistic, weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}, plasticity: {forward: 0.001 /ms}}
stimulus: {kind: images, file: images}
target: {kind: random, range: [0.1, 0.9]}
schedule: [{name: learning, presentations: 9, duration: 5 ms}]
YAML
stop_images() { :; rm -rf "$work/i" && APICAL_FAULT_PRESENTATION=3:stop "$door" run "$work/images.yaml" --out "$work/i" $quick >"$work/out" 2>&1; [ $? -eq 75 ]; }
check "a run on images" stop_images
check "it is resumed from another folder" sh -c "cd / && case '$APICAL' in /*) p='$APICAL' ;; *) p='$PWD/$APICAL' ;; esac; \$p resume '$work/i' $quick 2>'$work/out'"
check "again" stop_images
sed -i 's/abcdefgh/abcdefgx/' "$work/images"
check "images that changed" says "data files have changed" 3 "$APICAL" resume "$work/i" $quick

# ---- signals, and who may write where
slow="$quick --no-figures --set schedule.self-prediction.presentations=1000000"
begin() { # folder, command...: in the background, until it has begun to record
    rm -rf "$1"
    "$APICAL" run $a --out "$1" $slow >"$work/slow" 2>&1 &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ "$(stat -c %s "$1/run.log" 2>/dev/null || echo 0)" -gt 20000 ] && break
        sleep 0.1
    done
}
begin "$work/slow1"
check "a second run into the folder is refused" says "another apical is at work in this folder" 3 "$APICAL" run $a --out "$work/slow1" --overwrite $quick
check "and resuming it" says "another apical is at work in this folder" 3 "$APICAL" resume "$work/slow1"
check "it goes on" kill -0 $pid
kill -TERM $pid
wait $pid
check "SIGTERM ends it" [ $? -eq 75 ]
check "resumable" says "digest" 0 "$APICAL" resume "$work/slow1" $quick --no-figures --stop-after 200
begin "$work/slow2"
kill -KILL $pid
wait $pid 2>/dev/null
check "the lock of a killed process is gone" says "digest" 0 "$APICAL" resume "$work/slow2" $quick --no-figures --stop-after 3
"$door" run $a --out "$work/twice" $slow --set schedule.0.duration="1000 s" >"$work/slow" 2>&1 &
pid=$!
sleep 0.7
kill -INT $pid
sleep 0.3
check "one signal waits for the presentation" kill -0 $pid
kill -INT $pid
wait $pid
check "two end it at once" [ $? -eq 130 ]
finish
