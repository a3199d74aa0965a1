#!/bin/sh
# Races: every shipped circuit and rule path with 4 threads, under ThreadSanitizer. Archer (of clang's OpenMP) tells it about
# barriers; libraries that were not built for it are left out. First a race that must be found. No suppressions.
APICAL=build/tsan/apical
. tests/cli/lib.sh
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=0 exitcode=66" OMP_TOOL_LIBRARIES=libarcher.so
LD_LIBRARY_PATH=$(dirname "$(clang -print-file-name=libomp.so)"):$(ls -d /usr/lib/llvm-*/lib | tail -n 1)
export LD_LIBRARY_PATH
cat >"$work/race.c" <<'C'
#include <stdio.h>
int main(void)
{
    static int n, safe[64];
#pragma omp parallel for num_threads(4)
    for (int i = 0; i < 64; i++) {
        safe[i] = i;
#ifdef RACE
        n += i;
#endif
    }
    printf("%d\n", n + safe[3]);
}
C
clang -g -O0 -fopenmp -fsanitize=thread "$work/race.c" -o "$work/clean" && clang -DRACE -g -O0 -fopenmp -fsanitize=thread "$work/race.c" -o "$work/race"
quiet() { # command...: no report
    "$@" >"$work/out" 2>&1
    code=$?
    [ $code -eq 0 ] && ! grep -q "WARNING: ThreadSanitizer" "$work/out" && return
    grep -A 12 "WARNING: ThreadSanitizer" "$work/out" | head -n 40
    return 1
}
check "a loop without a race is clean" quiet "$work/clean"
found=0
for _ in 1 2 3 4 5; do "$work/race" >/dev/null 2>&1 || found=1; done
check "a race is found" [ $found -eq 1 ]
runs=0
run() { # circuit, presentations, options...
    circuit=$1 n=$2
    shift 2
    check "$circuit $*" quiet "$APICAL" run "circuits/$circuit.yaml" --out "$work/run" --overwrite --progress none --no-figures \
        --threads 4 --set integrator.thread-work=1 --stop-after "$n" "$@"
    runs=$((runs + 1))
}
for circuit in association self_prediction dynamic_dendrites; do
    for kind in held coupled; do
        run $circuit 2 --set schedule.0.presentations=1 --set integrator.weights=$kind
    done
done
run association 2 --set integrator.kind=adams
run association 4 --set schedule.0.presentations=1 --set "interventions=[{name: x, kind: shuffle, projection: feedback1}, {name: y, kind: mean, of: hidden1.pyr/apical}]"
run regression 3 --set schedule.0.presentations=1
run association 6 --set schedule.0.presentations=1 --set schedule.0.noise=off --set schedule.1.noise=off --set schedule.1.batch=5
[ -s data/mnist/train-images-idx3-ubyte ] && run mnist 5 --set schedule.0.do.learning.batch=5
[ -s data/mnist/train-images-idx3-ubyte ] && run mnist_small 2 && run mnist 2
echo "promise: races: $runs runs with 4 threads: $failed with reports" | tee -a build/promises.log
finish
