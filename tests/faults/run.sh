#!/bin/sh
# The long versions of tests/cli/test_faults.sh: `run.sh faults`, `run.sh kills`. The last line is the sum.
set -u
PYTHON=${PYTHON:-/usr/bin/python3}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export PROMISE=-long # a row of its own in the table of promises
part() { # mode of the build, part, options...
    mode=$1
    shift
    "$PYTHON" tests/faults/faults.py "build/$mode/apical" "build/$mode/tests/apical-faults" "$@" | tee -a "$log"
}
case ${1:-} in
faults)
    part release io
    part release calls
    part release room
    part release disk
    part asan memory
    ;;
kills)
    part release kills --seed 2 --count 334
    APICAL_POWER_LOSSES=10000 build/release/tests/test_powerloss 2>&1 | tee -a "$log"
    ;;
*)
    echo "run.sh faults, or run.sh kills" >&2
    exit 2
    ;;
esac
grep '^promise: ' "$log" >>build/promises.log
awk '/^[0-9]+ passed, [0-9]+ failed$/ {p += $1; f += $3}
     /^\[  PASSED  \]/ {p += $4} /^\[  FAILED  \] [0-9]+ test/ {f += $4}
     END {printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0}' "$log"
