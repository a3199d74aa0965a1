#!/bin/sh
# Speed, in one run on this machine: kernels beside the machine's limits and OpenBLAS, then shipped circuits with one and two
# threads, then two workloads with their errors beside NumPy, PyTorch and Brian2, then sizes, memory and replicates. Rows also
# in build/bench.json, where a row that is measured again takes the place of the old one. RUNS=3 make bench: medians of three instead
# of five of the workloads, half an hour instead of three quarters. Each part alone:
#     python3 tests/bench/workloads.py build/apical --only "W2 g 0.1, 50" --program PyTorch --json build/bench.json
APICAL=${APICAL:-build/apical}
PYTHON=${PYTHON:-/usr/bin/python3}
make --no-print-directory -s build/release/tests/bench_kernels &&
    "$PYTHON" tests/bench/kernels.py build/release/tests/bench_kernels --json build/bench.json
"$PYTHON" tests/bench/circuits.py "$APICAL" --json build/bench.json
"$PYTHON" tests/bench/workloads.py "$APICAL" --json build/bench.json --runs "${RUNS:-5}"
exec "$PYTHON" tests/bench/sizes.py "$APICAL" --json build/bench.json
