#!/bin/sh
# The same digest for 1, 2, 3, 4 and 8 threads on every shipped circuit. Threads are forced on small circuits, and the
# default (which leaves them alone) must give the same digest too; recording, figures and progress must not matter.
. tests/cli/lib.sh

digest() { # circuit, presentations, options...
    circuit=$1 presentations=$2
    shift 2
    "$APICAL" run "$circuit" --out "$work/run" --overwrite --progress none --no-figures --stop-after "$presentations" "$@" |
        sed -n 's/^digest //p'
}

same() { [ -n "$1" ] && [ "$1" = "$2" ]; }

for circuit in circuits/*.yaml; do
    case "$circuit" in
        *mnist*) n=6 ;;
        *regression*) n=8 ;;
        *) n=6 ;;
    esac
    set --
    case "$circuit" in *neurofeedback*) # straight into the closed loop
        n=12
        set -- --set schedule.listening.presentations=1 --set schedule.fitting.presentations=1 \
            --set schedule.baseline.presentations=2 ;; esac
    counts="1 2 3 4 8"
    case "$APICAL" in */asan/* | */coverage/*) n=2 counts="1 3" ;; esac # ten times slower there
    reference=$(digest "$circuit" $n "$@")
    for threads in $counts; do
        check "$circuit, $threads threads" same "$reference" \
            "$(digest "$circuit" $n --threads $threads --set integrator.thread-work=1 "$@")"
    done
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
reference=$(digest $circuit 304)
check "finer recording" same "$reference" "$(digest $circuit 304 --set record.every="0.1 ms" --set record.during=all)"
check "no recording" same "$reference" "$(digest $circuit 304 --set record.during=recall)"
"$APICAL" run $circuit --out "$work/figures" --progress json --stop-after 304 >"$work/out" 2>/dev/null
check "figures and progress" same "$reference" "$(sed -n 's/^digest //p' "$work/out")"
check "the seed matters" [ "$reference" != "$(digest $circuit 304 --set seed=2)" ]
check "seed 0 is a seed" [ "$(digest $circuit 4 --set seed=0)" != "$(digest $circuit 4 --set seed=1)" ]
LC_ALL=C.UTF-8 TZ=Asia/Tokyo check "environment" same "$reference" "$(cd / && cd - >/dev/null && digest $circuit 304)"
echo "promise: threads: $((passed + failed)) comparisons of digests, 1 to 8 threads: $failed differ"
finish
