"""The rows of bench_kernels as a table, beside the OpenBLAS that suits this CPU best.

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
with subprocess.Popen([sys.argv[1], argument("--only"), *library], env=env, stdout=subprocess.PIPE, text=True) as bench:
    for line in bench.stdout:
        rows.add(**json.loads(line))
sys.exit(bench.returncode)
