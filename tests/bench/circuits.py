"""Wall time per presentation of shipped circuits, median of five runs, with 1 and 2 threads."""
import os
import re
import statistics
import subprocess
import sys
import tempfile

CASES = (("association", 60, ()), ("regression", 100, ()), ("dynamic_dendrites", 60, ()), ("mnist_small", 100, ()),
         ("mnist_small", 100, ("integrator.thread-work=1",)))


def seconds(circuit, presentations, sets, threads):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.argv[1], "run", f"circuits/{circuit}.yaml", "--out", os.path.join(folder, "run"), "--no-figures",
                   "--progress", "none", "--stop-after", str(presentations), "--threads", str(threads)]
        for s in sets:
            command += ["--set", s]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.search(r"([0-9.]+) s\s*$", out).group(1)) / presentations


for circuit, presentations, sets in CASES:
    times = {t: [] for t in (1, 2)}
    for _ in range(5):  # interleaved, so that a slow moment hits both
        for t in times:
            times[t].append(seconds(circuit, presentations, sets, t))
    one, two = (1000 * statistics.median(times[t]) for t in (1, 2))
    print(f"{circuit:18s} {' '.join(sets):26s} 1 thread {one:8.3f} ms, 2 threads {two:8.3f} ms per presentation: {one / two:.2f}")
