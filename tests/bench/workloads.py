"""Time and error per presentation of two workloads, beside the same circuits in NumPy, PyTorch and Brian2, in one run.

    W1   30-20-10, soft rectifier, strong conductances, 100 ms patterns, rules 7-9 plastic with tau_w 30 ms
    W2   784-500-500-10, logistic, real MNIST, 50 and 100 ms, nudging and apical conductance 0.1 and 0.8 /ms

Every row has its error: distance of somatic potentials (frames every tenth of a presentation) and of weight changes from
a reference run with coupled weights at rtol 1e-10, each relative to the reference's norm. Peers that show several patterns at
once share their weights, so their reference is one run per pattern (held, rtol 1e-5) and the mean of the changes. Times are
medians of five runs (--runs), interleaved (Brian2: one after the other, without the build). One thread unless said. Peers that are not
installed are named; `.ci/setup.sh bench` installs them.

    python3 tests/bench/workloads.py APICAL [--only TEXT] [--program REGEX] [--runs 5] [--references DIR] [--json FILE]

TEXT is part of the name of a row. References take longest; with DIR they are kept there and made once.
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

import openblas
from rows import Rows

RATES = {"W1": {"forward": "[0.0011875 /ms, 0.0005 /ms]", "interneuron": "0.0011875 /ms", "lateral": "0.0005 /ms"},
         "W2": {"forward": "[0.002 /ms, 0.001 /ms, 0.0005 /ms]", "interneuron": "0.001 /ms", "lateral": "0.0005 /ms"}}
MNIST = os.path.abspath("data/mnist")


def argument(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


RUNS = int(argument("--runs") or 5)
# name: script, module that it needs, Debian package, workloads, what its job adds; all are explicit Euler at 0.1 ms
PEERS = {"NumPy": ("peer_numpy.py", "scipy", "python3-scipy", "W1 W2", {}),
         "PyTorch float64": ("peer_torch.py", "torch", "python3-torch", "W1 W2", {"precision": "float64"}),
         "PyTorch float32": ("peer_torch.py", "torch", "python3-torch", "W1 W2", {"precision": "float32"}),
         "PyTorch float32, batch 8": ("peer_torch.py", "torch", "python3-torch", "W1 W2", {"precision": "float32", "batch": 8}),
         "PyTorch float32, batch 32": ("peer_torch.py", "torch", "python3-torch", "W1 W2", {"precision": "float32", "batch": 32}),
         "Brian2, C++ standalone": ("peer_brian.py", "brian2", "python3-brian", "W1", {"runs": RUNS})}
FLOAT64 = ("NumPy", "PyTorch float64", "Brian2, C++ standalone")


def circuit(kind, layers, g, duration, presentations, record, batch=1):
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
            + f"stimuli:\n{stimuli}schedule:\n  - {{name: learning, presentations: {presentations}, duration: {duration} ms, batch: {batch}}}\n"
            + (f"record: {{of: [{', '.join(somata)}], compartments: [soma], every: {duration / 10:g} ms}}\n" if record else ""))


class Run:
    """One apical run in a folder of its own, of a circuit written out or of a file; all of it, or some presentations."""

    def __init__(self, apical, folder, name, text, sets=(), threads=1, presentations=None):
        self.out = os.path.join(folder, name)
        path = text if os.path.isabs(text) else os.path.join(folder, name + ".yaml")
        if path != text:
            with open(path, "w") as f:
                f.write(text)
        command = [apical, "run", path, "--out", self.out, "--overwrite", "--no-figures", "--progress", "none",
                   "--checkpoint-every", "0", "--threads", str(threads)]
        for s in sets:
            command += ["--set", s]
        if presentations:
            command += ["--stop-after", str(presentations)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        self.digest = re.search(r"digest (\w+)", done.stdout + done.stderr).group(1)
        self.manifest = json.load(open(os.path.join(self.out, "manifest.json")))
        self.seconds = self.manifest["simulating_seconds"] / self.manifest["presentations"]  # peers too: without reading or building

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


def peer_job(folder, kind, layers, g, duration, start, patterns, goals, more):
    names = plastic(layers)
    lists = {k: [float(x) for x in re.findall(r"([0-9.]+) /ms", v)] for k, v in RATES[kind].items()}
    eta = {name: (lambda v: v[min(int(name[-1]), len(v)) - 1])(lists[name[:-1]]) for name in names}
    path = tempfile.mkdtemp(dir=folder)
    data, batch = os.path.join(path, "start.npz"), more.get("batch", 1)
    np.savez(data, patterns=patterns[:batch], goals=goals[:batch], **{"w." + k: w for k, w in start.items()})
    job = {"sizes": list(layers), "transfer": "logistic" if kind == "W2" else "softplus", "leak": 0.1, "basal": 1.0,
           "apical": g, "dendrite": 1.0, "nudge": g, "tau_w": 30.0, "tau_0": 3.0, "step": 0.1, "duration": duration,
           "every": duration / 10, "eta": eta, "data": data, "out": os.path.join(path, "out.npz"), **more}
    with open(os.path.join(path, "job.json"), "w") as f:
        json.dump(job, f)
    return f.name


def run_peer(script, job, env):
    """Seconds per pattern of each run."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
    done = subprocess.run([sys.executable, path, job], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{script}: {done.stderr[-2000:]}")
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return seconds if isinstance(seconds, list) else [seconds]


def shown(kind, apical, folder, layers, count):
    """The first patterns and target potentials, read off apical itself: clamped populations 200 ms after each switch."""
    text = circuit(kind, layers, 0.1, 400, count, False) + "record: {of: [input, target], every: 200 ms}\n"
    r = Run(apical, folder, "shown", text, ("microcircuit.plasticity.forward=0 /ms", "integrator.rtol=1e-2"))
    with h5py.File(r.report()) as f:
        return tuple(f["report"][p]["data"][()][1::2] for p in ("input", "target"))


def listed(kind, text, pattern, goal):
    """The circuit with one pattern written out, and its target potentials."""
    values = {"shown": ("input", "rate" if kind == "W2" else "potential", pattern), "goal": ("target", "potential", goal)}
    lines = "".join(f"  {name}: {{of: {of}, kind: patterns, as: {what}, smoothing: 3 ms, values: [[{', '.join(map(repr, v.tolist()))}]]}}\n"
                    for name, (of, what, v) in values.items())
    return re.sub(r"stimuli:\n(  .*\n)+", "stimuli:\n" + lines, text)


def side_by_side(apical, kind, folder, one, patterns, goals, names):
    """Reference of several patterns that share weights: frames [time][pattern][cell], mean change of the weights after n of them."""
    frames, change = [], []
    for pattern, goal in zip(patterns, goals):
        r = Run(apical, folder, "single", listed(kind, one, pattern, goal), ("integrator.rtol=1e-5", "integrator.atol=1e-7"))
        frames.append(r.frames())
        change.append(changes(r.weights("initial"), r.weights("final"), names))
    return np.stack(frames, axis=1), np.cumsum(change, axis=0) / np.arange(1, len(change) + 1)[:, None]


def available(kind, wanted):
    """Peers of this workload that are asked for and installed."""
    found = {}
    for name, peer in PEERS.items():
        if kind not in peer[3] or not wanted(name):
            continue
        if importlib.util.find_spec(peer[1]):
            found[name] = peer
        else:
            print(f"{kind}: {name} is not compared, it needs {peer[2]}", flush=True)
    return found


PASS = ("integrator.newton=hierarchy", "integrator.rtol=3e-3", "integrator.atol=3e-4")
COARSE = ("integrator.newton=hierarchy", "integrator.rtol=5e-3", "integrator.atol=5e-4")
COARSER = ("integrator.newton=hierarchy", "integrator.rtol=8e-3", "integrator.atol=8e-4")
COARSEST = ("integrator.newton=hierarchy", "integrator.rtol=2e-2", "integrator.atol=2e-3")
LOOSE = ("integrator.newton=hierarchy", "integrator.rtol=5e-2", "integrator.atol=5e-3")
LOOSEST = ("integrator.newton=hierarchy", "integrator.rtol=1e-1", "integrator.atol=1e-2")
# settings, threads, patterns at once
APICAL = {"apical krylov, rtol 1e-3": (("integrator.rtol=1e-3", "integrator.atol=1e-4"), 1, 1),
          "apical hierarchy, rtol 2e-2": (COARSEST, 1, 1),
          "apical hierarchy, rtol 2e-2, steps of 4 ms at most": ((*COARSEST, "integrator.max-step=4 ms"), 1, 1),
          "apical hierarchy, rtol 2e-2, steps of 4 ms at most, 2 threads": ((*COARSEST, "integrator.max-step=4 ms"), 2, 1),
          "apical hierarchy, rtol 8e-3": (COARSER, 1, 1),
          "apical hierarchy, rtol 5e-3": (COARSE, 1, 1),
          "apical hierarchy, rtol 3e-3": (PASS, 1, 1),
          "apical hierarchy, rtol 3e-3, 2 threads": (PASS, 2, 1),
          "apical hierarchy, rtol 3e-3, batch 8": (PASS, 1, 8),
          "apical hierarchy, rtol 3e-3, batch 8, 2 threads": (PASS, 2, 8),
          "apical hierarchy, rtol 3e-3, batch 32": (PASS, 1, 32),
          "apical hierarchy, rtol 3e-3, batch 32, 2 threads": (PASS, 2, 32),
          "apical hierarchy, rtol 8e-3, 2 threads": (COARSER, 2, 1),
          "apical hierarchy, rtol 8e-3, batch 32": (COARSER, 1, 32),
          "apical hierarchy, rtol 8e-3, batch 32, 2 threads": (COARSER, 2, 32),
          "apical hierarchy, rtol 5e-2, batch 32": (LOOSE, 1, 32),
          "apical hierarchy, rtol 5e-2, batch 32, 2 threads": (LOOSE, 2, 32),
          "apical hierarchy, rtol 1e-1, batch 32": (LOOSEST, 1, 32),
          "apical hierarchy, rtol 1e-1, batch 32, 2 threads": (LOOSEST, 2, 32),
          "apical Euler, 0.1 ms": (("integrator.kind=euler", "integrator.step=0.1 ms"), 1, 1)}


def reference(apical, folder, name, one, names):
    """Weights at the start, frames and changes of the weights of the run that all others are compared with."""
    kept = os.path.join(argument("--references"), name + ".npz") if argument("--references") else ""
    if not os.path.exists(kept):
        r = Run(apical, folder, "reference", one, ("integrator.weights=coupled", "integrator.rtol=1e-10", "integrator.atol=1e-12"),
                threads=2)
        start = r.weights("initial")
        found = {"frames": r.frames(), "change": changes(start, r.weights("final"), names), **{"w." + k: w for k, w in start.items()}}
        if not kept:
            return start, found["frames"], found["change"]
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        np.savez(kept, **found)
    found = np.load(kept)
    return {k[2:]: found[k] for k in found.files if k.startswith("w.")}, found["frames"], found["change"]


def workload(rows, apical, env, wanted, name, kind, layers, g, duration, presentations):
    programs, peers = {k: v for k, v in APICAL.items() if wanted(k)}, available(kind, wanted)
    with tempfile.TemporaryDirectory() as folder:
        one = circuit(kind, layers, g, duration, 1, True)
        names = plastic(layers)
        start, frames, change = reference(apical, folder, name, one, names)
        errors, times, digests, jobs = {}, {p: [] for p in (*programs, *peers)}, {}, {}
        batch = max([p[4].get("batch", 1) for p in peers.values()] + [p[2] for p in programs.values()], default=0)
        patterns, goals = shown(kind, apical, folder, layers, batch) if batch else (None, None)
        if batch > 1:
            many_frames, many_change = side_by_side(apical, kind, folder, one, patterns, goals, names)
        for program, (sets, threads, n) in programs.items():
            r = Run(apical, folder, "error", circuit(kind, layers, g, duration, n, True, n), sets, threads)
            found = r.frames().reshape((n, -1, frames.shape[1])).swapaxes(0, 1)  # presentations come one after the other
            errors[program] = {"potentials": relative(found[:, 0] if n == 1 else found, frames if n == 1 else many_frames[:, :n]),
                               "weights": relative(changes(start, r.weights("final"), names),
                                                   change if n == 1 else many_change[n - 1])}
        for program, peer in peers.items():
            jobs[program] = peer_job(folder, kind, layers, g, duration, start, patterns, goals, peer[4])
        for turn in range(RUNS):
            for program, (sets, threads, n) in programs.items():
                fewer = max(1, presentations // 20) if "Euler" in program else max(presentations, 20 * n if n > 1 else 0)
                r = Run(apical, folder, "time", circuit(kind, layers, g, duration, fewer, False, n), sets, threads)
                times[program].append(r.seconds)
                digests.setdefault((sets, n), set()).add(r.digest)
            for program, peer in peers.items():
                if turn == 0 or "runs" not in peer[4]:
                    times[program] += run_peer(peer[0], jobs[program], env)
        for program, peer in peers.items():
            out, n = np.load(os.path.join(os.path.dirname(jobs[program]), "out.npz")), peer[4].get("batch", 1)
            end = {k: out["w." + k] for k in names}  # against what it started from in its own precision
            changed = changes({k: start[k].astype(end[k].dtype) for k in names}, end, names)
            errors[program] = {"potentials": relative(out["frames"].reshape(frames.shape) if n == 1 else out["frames"],
                                                      frames if n == 1 else many_frames[:, :n]),
                               "weights": relative(changed, change if n == 1 else many_change[n - 1])}
        assert all(len(d) == 1 for d in digests.values()), "threads changed the result"
        middle = {p: statistics.median(s) for p, s in times.items()}
        fastest = min((p for p in FLOAT64 if p in peers), key=middle.get, default=None)
        for program, seconds in times.items():
            beside = {f"times {fastest}": middle[fastest] / middle[program]} if fastest else {}
            if "PyTorch float32, batch 32" in peers:
                beside["times PyTorch batch 32"] = middle["PyTorch float32, batch 32"] / middle[program]
            rows.add(name, program, ms=1e3 * middle[program], ms_min=1e3 * min(seconds), ms_max=1e3 * max(seconds),
                     **errors[program], **beside)


WORKLOADS = [("W1", (30, 20, 10), 0.8, 100, 200)] + [("W2", (784, 500, 500, 10), g, ms, 240)
                                                     for g in (0.1, 0.8) for ms in (50, 100)]


def main():
    rows, only, program = Rows(argument("--json")), argument("--only"), argument("--program")
    env, about = openblas.environment()
    print(f"peers: {about}", flush=True)
    for kind, layers, g, duration, presentations in WORKLOADS:
        name = f"{kind} g {g:g}, {duration} ms"
        if only in name:
            workload(rows, os.path.abspath(sys.argv[1]), env, lambda p: re.search(program, p), name, kind, layers, g, duration,
                     presentations)


if __name__ == "__main__":
    main()
