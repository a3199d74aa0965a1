#!/bin/sh
# The same bytes for 1, 2, 3, 4, 7, 8 and 16 threads on every shipped circuit (a few presentations of each block): log, HDF5,
# pictures, digest. Threads are forced on small circuits, and the default (which leaves them alone) must give the same digest too;
# recording, figures and progress must not matter. test_threads.sh long LOG: 20 times with 4 threads, and nothing else.
. tests/cli/lib.sh

digest() { # circuit, presentations, options...
    circuit=$1 presentations=$2
    shift 2
    "$APICAL" run "$circuit" --out "$work/run" --overwrite --progress none --no-figures --stop-after "$presentations" "$@" |
        sed -n 's/^digest //p'
}

same() { [ -n "$1" ] && [ "$1" = "$2" ]; }

# A run to its end, with a few presentations of every block, and every figure.
whole() { # circuit, folder, threads
    case $1 in
        *association* | *dynamic*) set -- "$@" self-prediction learning ;;
        *self_prediction*) set -- "$@" learning ;;
        *neurofeedback*) set -- "$@" listening fitting baseline training after ;;
        *mnist*) set -- "$@" 0.do.learning 0.do.test ;;
        *regression*) set -- "$@" untrained 1.do.learning 1.do.test ;;
    esac
    circuit=$1 folder=$2 number=$3
    shift 3
    blocks=$(printf -- '--set schedule.%s.presentations=2 ' "$@")
    "$APICAL" run "$circuit" --out "$folder" --overwrite --progress none --set integrator.thread-work=1 $blocks --stop-after 10 \
        --threads "$number" >"$work/out" 2>&1 || { cat "$work/out"; return 1; }
}
threads() { # circuit, threads: the same files as with one thread
    whole "$1" "$work/threads" "$2" && same_run "$work/one" "$work/threads"
}

counts="2 3 4 7 8 16 4" repeats=0
[ "${1:-}" = long ] && repeats=19
case "$APICAL" in */asan/* | */coverage/*) counts=3 ;; esac # ten times slower there
runs=0
for circuit in circuits/*.yaml; do
    case $circuit in *mnist*) [ -s data/mnist/train-images-idx3-ubyte ] || continue ;; esac
    check "$circuit, 1 thread" whole "$circuit" "$work/one" 1
    check "$circuit draws and exports" [ -n "$(find "$work/one" -name '*.png')" -a -e "$work/one/weights.h5" ]
    for n in $counts $(yes 4 | head -n $repeats); do
        check "$circuit, $n threads" threads "$circuit" $n
        runs=$((runs + 1))
    done
done
figure="$runs runs with 2 to 16 threads against one thread, every file: $failed differ"
[ "${1:-}" = long ] && {
    echo "promise: threads-long: $figure" | tee -a "$2"
    finish
    exit
}

for circuit in circuits/*.yaml; do
    n=6
    case "$APICAL" in */asan/* | */coverage/*) n=2 ;; esac
    check "$circuit, threads where they pay" same "$(digest "$circuit" $n)" \
        "$(digest "$circuit" $n --threads 3 --set integrator.thread-work=1)"
    case $circuit in */mnist.yaml) continue ;; esac # a state of millions of weights
    check "$circuit, coupled weights, 1 and 4 threads" same \
        "$(digest "$circuit" 1 --threads 1 --set integrator.thread-work=1 --set integrator.weights=coupled)" \
        "$(digest "$circuit" 1 --threads 4 --set integrator.thread-work=1 --set integrator.weights=coupled)"
done

case "$APICAL" in */asan/* | */coverage/*)
    finish
    exit
    ;;
esac

circuit=circuits/association.yaml
few() { # options...: every block of the circuit but the last
    digest $circuit 11 --set schedule.self-prediction.presentations=4 --set schedule.learning.presentations=4 "$@"
}
reference=$(few)
check "finer recording" same "$reference" "$(few --set record.every="0.1 ms" --set record.during=all)"
check "no recording" same "$reference" "$(few --set record.during=recall)"
"$APICAL" run $circuit --out "$work/figures" --progress json --set schedule.self-prediction.presentations=4 \
    --set schedule.learning.presentations=4 --stop-after 11 >"$work/out" 2>/dev/null
check "figures and progress" same "$reference" "$(sed -n 's/^digest //p' "$work/out")"
check "the seed matters" [ "$reference" != "$(few --set seed=2)" ]
check "seed 0 is a seed" [ "$(few --set seed=0)" != "$(few --set seed=1)" ]
LC_ALL=C.UTF-8 TZ=Asia/Tokyo check "environment" same "$reference" "$(few)"
echo "promise: threads: $figure"
finish
