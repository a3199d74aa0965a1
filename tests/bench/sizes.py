"""What circuits cost as they grow, and several of them: time and memory per synapse of 784-N-N-10, seeds of one file.

    scale N       time per presentation of 50 ms, per synapse, and over that of reading all weights once: 8 bytes each, at the
                  bandwidth that bench_kernels finds for so many bytes, before and after each run; without what a run
                  begins and ends with. Errors, up to N = 3000: distance from held weights at rtol 1e-6
    scale N, alike   the same with weights drawn as 1/sqrt(N) and learning rates as 1/N, both those above at N = 500: sums and what
                  learning does to them are of one size, and circuits take about as many steps
    memory        bytes per synapse: difference of peak resident memory between N = 500 and 1500 over that of synapses, while it
                  simulates and with the export at the end; static, and plastic with tau_w
    replicates    seeds of tests/cli/replicates.yaml one at a time and two at once: time of both, and their ratio. It needs two free
                  cores; on a busy machine equal CPU seconds say that nothing is lost but the cores of others

    python3 tests/bench/sizes.py APICAL [--only TEXT] [--json FILE]    TEXT: part of the name of a row
"""
import json
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from rows import Rows
from workloads import PASS, RATES, Run, argument, changes, circuit, plastic, relative


def synapses(n):
    return 784 * n + 4 * n * n + 40 * n


def reading(apical, bytes_):
    """Bytes per second at which one core reads an array of this size again and again."""
    bench = os.path.join(os.path.dirname(os.path.realpath(apical)), "tests", "bench_kernels")
    done = subprocess.run([bench, "--read", str(bytes_)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def errors(apical, folder, layers, more):
    """Of one presentation, each relative to the norm of what the fine run found."""
    found = []
    for sets in (PASS, ("integrator.newton=hierarchy", "integrator.rtol=1e-6", "integrator.atol=1e-7")):
        run = Run(apical, folder, "error", circuit("W2", layers, 0.1, 50, 1, True), (*sets, *more))
        found.append((run.frames(), changes(run.weights("initial"), run.weights("final"), plastic(layers))))
    return {key: relative(coarse, fine) for key, coarse, fine in zip(("potentials", "weights"), *found)}


def alike(n):
    """What makes circuits of all sizes alike."""
    width, rate = math.sqrt(500 / n), 500 / n
    rates = {k: re.sub(r"[0-9.]+", lambda x: f"{float(x.group()) * rate:.6g}", v) for k, v in RATES["W2"].items()}
    return (f"microcircuit.weights.forward=uniform({-0.1 * width:.6g}, {0.1 * width:.6g})",
            f"microcircuit.weights.feedback=uniform({-width:.6g}, {width:.6g})",
            *(f"microcircuit.plasticity.{k}={v}" for k, v in rates.items()))


def paced(apical, folder, text, more):
    """Seconds from one presentation to the next, without what a run begins and ends with, from the lines of its progress; and steps."""
    path, seen = os.path.join(folder, "scale.yaml"), []
    with open(path, "w") as f:
        f.write(text)
    command = [apical, "run", path, "--out", os.path.join(folder, "run"), "--overwrite", "--no-figures", "--progress", "json",
               "--threads", "1", "--checkpoint-every", "0"] + [word for s in (*PASS, *more) for word in ("--set", s)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as program:
        for line in program.stderr:
            if line.startswith("{"):  # the end is said in words
                line = json.loads(line)
                seen.append((time.perf_counter(), line["presentation"], line["steps"]))
    seconds, presentations, steps = (b - a for a, b in zip(seen[0], seen[-1]))
    return seconds / presentations, steps / presentations


def scale(rows, apical, only):
    for n, like in ((n, like) for like in (False, True) for n in (100, 300, 1000, 2000, 3000, 7000)):
        name, more = f"scale {n}" + ", alike" * like, alike(n) if like else ()
        if only not in name:
            continue
        text = circuit("W2", (784, n, n, 10), 0.1, 50, max(3, min(400, 40000000 // (n * n))), False)
        size, seconds, bandwidths = synapses(n), [], [reading(apical, 8 * synapses(n))]
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(3):
                pace, steps = paced(apical, folder, text, more)
                seconds.append(pace)
                bandwidths.append(reading(apical, 8 * size))
            off = errors(apical, folder, (784, n, n, 10), more) if n <= 3000 else {}
        middle, bandwidth = statistics.median(seconds), statistics.median(bandwidths)
        rows.add(name, "apical hierarchy, rtol 3e-3", ms=1e3 * middle, ms_min=1e3 * min(seconds), ms_max=1e3 * max(seconds),
                 synapses=size, steps=steps, **{"ns per synapse": 1e9 * middle / size, "reading GB/s": bandwidth / 1e9,
                                   "readings": middle * bandwidth / (8 * size)}, **off)


def peak(apical, folder, text, whole):
    """Peak resident memory in bytes: of a whole run, or of one that is killed after its third presentation."""
    path = os.path.join(folder, "memory.yaml")
    with open(path, "w") as f:
        f.write(text)
    program = subprocess.Popen([apical, "run", path, "--out", os.path.join(folder, "run"), "--overwrite", "--no-figures",
                                "--progress", "json", "--threads", "1", "--checkpoint-every", "0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in program.stderr:
        if not whole and json.loads(line)["presentation"] >= 3:
            break
    if whole:
        return os.wait4(program.pid, 0)[2].ru_maxrss * 1024
    with open(f"/proc/{program.pid}/status") as f:
        bytes_ = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    program.kill()
    program.wait()
    return bytes_


def memory(rows, apical, only):
    if only not in "memory":
        return
    small, large = 500, 1500
    for name, static in (("static", True), ("plastic, tau_w", False)):
        found = {}
        for whole in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                bytes_ = []
                for n in (small, large):
                    text = circuit("W1", (784, n, n, 10), 0.1, 5, 2 if whole else 50000, False)  # no data files
                    text = text.replace('"softplus(0.1, 1, 3)"', "logistic").replace("[0.0011875 /ms, 0.0005 /ms]", "1e-6 /ms")
                    text = text.replace("uniform(-1, 1)", "uniform(-0.1, 0.1)")
                    if static:
                        text = text[:text.index("  plasticity:\n")] + text[text.index("stimuli:"):]
                    bytes_.append(peak(apical, folder, text, whole))
            found["bytes per synapse" + (", with export" if whole else "")] = \
                (bytes_[1] - bytes_[0]) / (synapses(large) - synapses(small))
        rows.add("memory", f"apical, {name}", **found)


def children():
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def replicates(rows, apical, only):
    if only not in "replicates":
        return
    seconds, spent, load = {1: [], 2: []}, {1: [], 2: []}, os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):  # interleaved, so that a slow moment hits both
            for threads in seconds:
                start, cpu = time.perf_counter(), children()
                subprocess.run([apical, "run", "tests/cli/replicates.yaml", "--out", os.path.join(folder, "run"), "--overwrite",
                                "--no-figures", "--progress", "none", "--threads", str(threads), "--set", "replicates=16",
                                "--set", "schedule.learning.presentations=10000"], check=True, capture_output=True)
                seconds[threads].append(time.perf_counter() - start)
                spent[threads].append(children() - cpu)
    one, two = (statistics.median(seconds[t]) for t in (1, 2))
    rows.add("replicates", "16 seeds, 2 at once", s=two, **{
        "s one at a time": one, "gain": one / two, "best gain": max(a / b for a, b in zip(*seconds.values())),
        "CPU s": statistics.median(spent[2]), "CPU s one at a time": statistics.median(spent[1]), "load average": load})


if __name__ == "__main__":
    rows, apical, only = Rows(argument("--json")), os.path.abspath(sys.argv[1]), argument("--only")
    scale(rows, apical, only)
    memory(rows, apical, only)
    replicates(rows, apical, only)
