#!/bin/sh
# Speed, in one run on this machine: kernels beside the machine's limits, then shipped circuits with one and two threads,
# then two workloads and a series of sizes with their errors, beside NumPy; rows also in build/bench.json.
APICAL=${APICAL:-build/apical}
PYTHON=${PYTHON:-/usr/bin/python3}
export OMP_WAIT_POLICY=passive
make --no-print-directory -s build/release/tests/bench_kernels && build/release/tests/bench_kernels
"$PYTHON" tests/bench/circuits.py "$APICAL"
exec "$PYTHON" tests/bench/workloads.py "$APICAL" --json build/bench.json
