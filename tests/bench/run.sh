#!/bin/sh
# Speed, in one run on this machine: kernels beside the machine's limits, then shipped circuits with one and two threads.
APICAL=${APICAL:-build/apical}
PYTHON=${PYTHON:-/usr/bin/python3}
export OMP_WAIT_POLICY=passive
make --no-print-directory -s build/release/tests/bench_kernels && build/release/tests/bench_kernels
exec "$PYTHON" tests/bench/circuits.py "$APICAL"
