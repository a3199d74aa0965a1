"""Wall time per presentation of shipped circuits, median of five runs, with 1 and 2 threads, beside the error of what their weights
learned: its distance from that of the same run at rtol 1e-9, relative to that. Regression has none: its steps of Euler and Maruyama
are steps of white noise too, and what finer ones find is another run.

    python3 tests/bench/circuits.py APICAL [--only TEXT] [--json FILE]    TEXT: part of the name of a row
"""
import os
import statistics
import sys
import tempfile

from rows import Rows
from workloads import Run, argument, changes, relative

FINE = ("integrator.rtol=1e-9", "integrator.atol=1e-11")
CASES = (("association", 60, (), FINE), ("regression", 700, (), ()), ("dynamic_dendrites", 60, (), FINE), ("mnist_small", 100, (), FINE),
         ("mnist_small", 100, ("integrator.thread-work=1",), FINE))


def learned(run):
    start, end = run.weights("initial"), run.weights("final")
    return changes(start, end, sorted(start))


def main():
    rows, only, apical = Rows(argument("--json")), argument("--only"), os.path.abspath(sys.argv[1])
    for circuit, presentations, sets, finer in CASES:
        name = " ".join((circuit, *sets))
        if only not in name:
            continue
        path = os.path.abspath(f"circuits/{circuit}.yaml")
        with tempfile.TemporaryDirectory() as folder:
            def run(sets, threads):
                return Run(apical, folder, "run", path, sets, threads, presentations)

            times = {t: [] for t in (1, 2)}
            for _ in range(5):  # interleaved, so that a slow moment hits both
                for t in times:
                    times[t].append(run(sets, t).seconds)
            one, two = (1e3 * statistics.median(times[t]) for t in (1, 2))
            error = {"weights": relative(learned(run(sets, 1)), learned(run((*sets, *finer), 1)))} if finer else {}
        rows.add(name, "apical", ms=one, **{"ms, 2 threads": two, "gain": one / two}, **error)


if __name__ == "__main__":
    main()
