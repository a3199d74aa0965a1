"""Time and error per presentation of two workloads, beside the same circuits in NumPy, in one run.

    W1   30-20-10, soft rectifier, strong conductances, 100 ms patterns, rules 7-9 plastic with tau_w 30 ms
    W2   784-500-500-10, logistic, real MNIST, 50 and 100 ms, nudging and apical conductance 0.1 and 0.8 /ms

Every row has its error: distance of somatic potentials (frames every tenth of a presentation) and of weight changes from
a reference run with coupled weights at rtol 1e-10, each relative to the reference's norm. Times are medians of five runs,
interleaved. One thread unless said; NumPy has BLAS with one thread.

    python3 tests/bench/workloads.py APICAL [--only W1|W2|scale] [--json FILE]
"""
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

import h5py
import numpy as np

RATES = {"W1": {"forward": "[0.0011875 /ms, 0.0005 /ms]", "interneuron": "0.0011875 /ms", "lateral": "0.0005 /ms"},
         "W2": {"forward": "[0.002 /ms, 0.001 /ms, 0.0005 /ms]", "interneuron": "0.001 /ms", "lateral": "0.0005 /ms"}}
MNIST = os.path.abspath("data/mnist")
RUNS = 5
NUMPY = "NumPy Euler, 0.1 ms" if importlib.util.find_spec("scipy") else None  # its BLAS rank-1 update


def circuit(kind, layers, g, duration, presentations, record):
    if kind == "W1":
        count = f"smoothing: 3 ms, patterns: {presentations}"
        stimuli = (f"  shown: {{of: input, kind: random, range: [-1, 1], {count}}}\n"
                   f"  goal: {{of: target, kind: random, range: [-2, 2], as: potential, {count}}}\n")
        transfer, forward = '"softplus(0.1, 1, 3)"', "uniform(-1, 1)"
    else:
        stimuli = "".join(f"  {name}: {{of: {of}, kind: {kind2}, file: {MNIST}/train-{file}, count: {presentations}, "
                          "smoothing: 3 ms}\n" for name, of, kind2, file in
                          (("shown", "input", "images", "images-idx3-ubyte"), ("goal", "target", "labels", "labels-idx1-ubyte")))
        transfer, forward = "logistic", "uniform(-0.1, 0.1)"
    rates = RATES["W1" if kind == "W1" else "W2"]
    somata = [f"hidden{k}.pyr" for k in range(1, len(layers) - 1)] + ["output"] + \
             [f"hidden{k}.int" for k in range(1, len(layers) - 1)]
    return (f"version: 1\nname: bench\nseed: 1\nmicrocircuit:\n  layers: {list(layers)}\n  transfer: {transfer}\n"
            f"  conductance: {{leak: 0.1 /ms, basal: 1 /ms, apical: {g} /ms, dendrite: 1 /ms, nudge: {g} /ms}}\n"
            f"  weights: {{forward: {forward}, feedback: uniform(-1, 1)}}\n  plasticity:\n"
            + "".join(f"    {k}: {v}\n" for k, v in rates.items()) + "    lowpass: 30 ms\n"
            + f"stimuli:\n{stimuli}schedule:\n  - {{name: learning, presentations: {presentations}, duration: {duration} ms}}\n"
            + (f"record: {{of: [{', '.join(somata)}], compartments: [soma], every: {duration / 10:g} ms}}\n" if record else ""))


class Run:
    """One apical run in a folder of its own."""

    def __init__(self, apical, folder, name, text, sets=(), threads=1):
        self.out = os.path.join(folder, name)
        path = os.path.join(folder, name + ".yaml")
        with open(path, "w") as f:
            f.write(text)
        command = [apical, "run", path, "--out", self.out, "--overwrite", "--no-figures", "--progress", "none",
                   "--checkpoint-every", "0", "--threads", str(threads)]
        for s in sets:
            command += ["--set", s]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        self.digest = re.search(r"digest (\w+)", done.stdout + done.stderr).group(1)
        self.manifest = json.load(open(os.path.join(self.out, "manifest.json")))
        self.seconds = self.manifest["wall_seconds"] / self.manifest["presentations"]

    def weights(self, label):
        with h5py.File(os.path.join(self.out, "weights.h5")) as f:
            return {k: v[label][()] for k, v in f["weights"].items()}

    def report(self):
        return next(os.path.join(self.out, n) for n in os.listdir(self.out) if n.endswith(".learning.h5"))

    def frames(self):
        """[time][cell]: pyramidal cells from below, output, interneurons, as in peer_numpy.py."""
        with h5py.File(self.report()) as f:
            report = f["report"]
            order = sorted(report, key=lambda p: ("int" in p, p == "output", p))
            return np.hstack([report[population]["data"][()] for population in order])


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def changes(start, end, names):
    return np.concatenate([(end[k] - start[k]).ravel() for k in names])


def plastic(layers):
    n = len(layers) - 1
    return [f"forward{k}" for k in range(1, n + 1)] + [f"{p}{k}" for k in range(1, n) for p in ("interneuron", "lateral")]


def numpy_job(folder, kind, layers, g, duration, reference, patterns, goals):
    names = plastic(layers)
    lists = {k: [float(x) for x in re.findall(r"([0-9.]+) /ms", v)] for k, v in RATES[kind].items()}
    eta = {name: (lambda v: v[min(int(name[-1]), len(v)) - 1])(lists[name[:-1]]) for name in names}
    data = os.path.join(folder, "numpy.npz")
    np.savez(data, patterns=patterns, goals=goals, **{"w." + k: w for k, w in reference.weights("initial").items()})
    job = {"sizes": list(layers), "transfer": "logistic" if kind == "W2" else "softplus", "leak": 0.1, "basal": 1.0,
           "apical": g, "dendrite": 1.0, "nudge": g, "tau_w": 30.0, "tau_0": 3.0, "step": 0.1, "duration": duration,
           "every": duration / 10, "eta": eta, "data": data, "out": os.path.join(folder, "numpy-out.npz")}
    path = os.path.join(folder, "job.json")
    json.dump(job, open(path, "w"))
    return path


def run_numpy(path):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_numpy.py")
    alone = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return json.loads(subprocess.run([sys.executable, script, path], env=alone, check=True,
                                     stdout=subprocess.PIPE).stdout)["seconds"]


def shown(kind, apical, folder, layers):
    """The first pattern and target potential, read off apical itself: clamped populations after 400 ms."""
    text = circuit(kind, layers, 0.1, 400, 1, False) + "record: {of: [input, target], every: 200 ms}\n"
    r = Run(apical, folder, "shown", text, ("microcircuit.plasticity.forward=0 /ms", "integrator.rtol=1e-2"))
    with h5py.File(r.report()) as f:
        return tuple(f["report"][p]["data"][()][-1:] for p in ("input", "target"))


ROWS = []


def row(workload, program, seconds, fastest, slowest, **more):
    ROWS.append(dict(workload=workload, program=program, ms=1e3 * seconds, ms_min=1e3 * fastest, ms_max=1e3 * slowest, **more))
    extra = "  ".join(f"{k} {v:.2e}" if isinstance(v, float) and not 0.01 < abs(v) < 1e4 else
                      f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in more.items())
    print(f"{workload:18s} {program:34s} {1e3 * seconds:9.2f} ms [{1e3 * fastest:.2f} - {1e3 * slowest:.2f}]  {extra}", flush=True)


def workload(apical, kind, layers, g, duration, presentations):
    name = f"{kind} g {g:g}, {duration} ms"
    with tempfile.TemporaryDirectory() as folder:
        one = circuit(kind, layers, g, duration, 1, True)
        names = plastic(layers)
        reference = Run(apical, folder, "reference", one, ("integrator.weights=coupled", "integrator.rtol=1e-10",
                                                           "integrator.atol=1e-12"), threads=2)
        start, end = reference.weights("initial"), reference.weights("final")
        frames, change = reference.frames(), changes(start, end, names)

        def error(run):
            return {"potentials": relative(run.frames(), frames),
                    "weights": relative(changes(run.weights("initial"), run.weights("final"), names), change)}

        programs = [("apical held, rtol 1e-2", ("integrator.rtol=1e-2", "integrator.atol=1e-3"), 1),
                    ("apical held, rtol 1e-3", ("integrator.rtol=1e-3", "integrator.atol=1e-4"), 1),
                    ("apical held, rtol 1e-3, 2 threads", ("integrator.rtol=1e-3", "integrator.atol=1e-4"), 2),
                    ("apical Euler, 0.1 ms", ("integrator.kind=euler", "integrator.step=0.1 ms"), 1)]
        job = NUMPY and numpy_job(folder, kind, layers, g, duration, reference, *shown(kind, apical, folder, layers))
        many = circuit(kind, layers, g, duration, presentations, False)
        errors = {p[0]: error(Run(apical, folder, "error", one, p[1], p[2])) for p in programs}
        times, digests = {p[0]: [] for p in programs}, {}
        for _ in range(RUNS):
            for program, sets, threads in programs:
                fewer = max(1, presentations // 10) if "Euler" in program else presentations
                text = many if fewer == presentations else circuit(kind, layers, g, duration, fewer, False)
                r = Run(apical, folder, "time", text, sets, threads)
                times[program].append(r.seconds)
                digests[program] = r.digest
            if job:
                times.setdefault(NUMPY, []).append(run_numpy(job))
        if job:
            out = np.load(os.path.join(folder, "numpy-out.npz"))
            errors[NUMPY] = {"potentials": relative(out["frames"], frames),
                             "weights": relative(changes(start, {k: out["w." + k] for k in names}, names), change)}
        assert digests[programs[1][0]] == digests[programs[2][0]], "threads changed the result"
        for program, seconds in times.items():
            peer = {"times NumPy": statistics.median(times[NUMPY]) / statistics.median(seconds)} if job else {}
            row(name, program, statistics.median(seconds), min(seconds), max(seconds), **errors[program], **peer)


def scale(apical):
    """Cost per synapse and presentation over four decades of sizes."""
    for n in (100, 300, 1000, 3000):
        layers = (784, n, n, 10)
        with tempfile.TemporaryDirectory() as folder:
            presentations = max(2, min(40, 4000000 // (n * n)))
            text = circuit("W2", layers, 0.1, 50, presentations, False)
            seconds = [Run(apical, folder, "scale", text, ("integrator.rtol=1e-3", "integrator.atol=1e-4")).seconds
                       for _ in range(3)]
            synapses = 784 * n + 4 * n * n + 40 * n
            middle = statistics.median(seconds)
            row(f"scale {n}", "apical held, rtol 1e-3", middle, min(seconds), max(seconds), synapses=synapses,
                **{"ns per synapse": 1e9 * middle / synapses})


if __name__ == "__main__":
    apical = os.path.abspath(sys.argv[1])
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    if not NUMPY:
        print("peer NumPy: not compared, it needs scipy", flush=True)
    if only in (None, "W1"):
        workload(apical, "W1", (30, 20, 10), 0.8, 100, 200)
    if only in (None, "W2"):
        for g, duration in ((0.1, 50), (0.8, 50), (0.1, 100)):
            workload(apical, "W2", (784, 500, 500, 10), g, duration, 10)
    if only in (None, "scale"):
        scale(apical)
    if "--json" in sys.argv:
        json.dump(ROWS, open(sys.argv[sys.argv.index("--json") + 1], "w"), indent=1)
