"""The rows of bench_kernels, beside the OpenBLAS that suits this CPU best, and at the end the roofline as a table.

    python3 tests/bench/kernels.py BENCH_KERNELS [--only TEXT] [--json FILE]    TEXT: part of the name of a row
"""
import json
import os
import subprocess
import sys

import openblas
from rows import Rows
from workloads import argument

env, about = openblas.environment()
print(f"kernels: {about}", flush=True)
where, rows = openblas.folder(), Rows(argument("--json"))
library = [os.path.join(where, "libopenblas.so.0")] if where else []
found = []
with subprocess.Popen([sys.argv[1], argument("--only"), *library], env=env, stdout=subprocess.PIPE, text=True) as bench:
    for line in bench.stdout:
        found.append(json.loads(line))
        rows.add(**found[-1])

matrices = [r for r in found if "of limit" in r]
if matrices:
    print("roofline: limit = the smaller of the peak and FMA per byte times the bandwidth of reading that working set;")
    print("peak and bandwidth are measured between the repetitions of each kernel")
    print(f"{'kernel':26s} {'MB':>6s} {'FMA/byte':>8s} {'peak':>6s} {'reading':>8s} {'limit':>7s} {'reached':>8s}")
    for r in matrices:
        bound = "FMA" if r["limit GFMA/s"] >= r["peak GFMA/s"] else "reading"
        print(f"{r['workload']:26s} {r['MB']:6.1f} {r['FMA per byte']:8.3g} {r['peak GFMA/s']:6.1f} "
              f"{r['reading GB/s']:8.1f} {r['limit GFMA/s']:7.3g} {r['GFMA/s']:8.3g}  {r['of limit']:4.0%} of {bound:7s}"
              + (f"  {r['of OpenBLAS']:4.0%} of OpenBLAS" if "of OpenBLAS" in r else ""))
    print("(GFMA/s, GB/s)")
sys.exit(bench.returncode)
