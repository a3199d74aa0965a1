"""Runs circuits in full and compares learning curves with the reference values of the 2018 model.

Fig. S1 and Fig. 1: medians of five and fifteen seeds beside the reference (one seed) within a factor 3, and beside the
medians of the same equations in NumPy (independent.py, fifteen seeds), within a factor 2. Fig. 2 (rates times 300, five
tasks of the reference's size): the full model below 0.06 and the shallow control above 0.065, MNIST (784-100-10, 6,000
presentations) below 20 %. The seeds of a figure run side by side, one on each core; lines come in the order of the seeds all
the same. The last line is "N passed, N failed".
"""
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

passed = failed = 0
SEEDS, MORE = range(1, 6), range(1, 16)
TASKS = (28, 50, 63, 71, 73)  # of the seeds 1 to 80 those whose teacher has the variance of the reference's, 0.085 to 0.095
ALONE = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # the small circuits gain nothing by more
pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))  # its threads only wait for the programs that they start


def check(what, value, low, high):
    global passed, failed
    good = low <= value <= high
    passed, failed = passed + good, failed + (not good)
    print(f"{'ok    ' if good else 'FAILED'} {what}: {value:.4g} (band {low:.4g} to {high:.4g})", flush=True)


def run(circuit, *sets, env=ALONE):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "run")
        command = [sys.argv[1], "run", f"circuits/{circuit}.yaml", "--out", out, "--no-figures", "--progress", "none"]
        for s in sets:
            command += ["--set", s]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with h5py.File(os.path.join(out, "probes.h5")) as f:
            return {name: data[()] for name, data in f["probes"].items()}


def table(title, at, reference, values):
    """Prints the median and the range over seeds beside the reference value of one seed; returns the medians."""
    medians = np.median(values, axis=0)
    for k, name in enumerate(at):
        print(f"       {title}, {name}: median {medians[k]:.3g}, range {np.min(values, axis=0)[k]:.3g} to "
              f"{np.max(values, axis=0)[k]:.3g}, reference {reference[k]:.3g}", flush=True)
    return medians


def within(what, at, values, reference, factor):
    for name, value, r in zip(at, values, reference):
        check(f"{what}, {name}", value, r / factor, r * factor)


def independent():
    """Both figures by independent.py: [seed][presentation][v_A^2, mismatch, output error]."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "independent.py")
    s1, fig1 = [], []
    for text in pool.map(lambda seed: subprocess.check_output([sys.executable, script, str(seed)], env=ALONE), MORE):
        first, second = (np.array(line.split(), float).reshape(-1, 3) for line in text.decode().splitlines())
        s1.append(first)
        fig1.append(second)
    return np.array(s1), np.array(fig1)


def self_prediction(numpy_s1):
    """Fig. S1 with white noise, five seeds: means over patterns near the given one. What is left after learning is what
    differs from pattern to pattern, so it depends on what an input is. In the paper rates are the pattern itself, here
    U(0, 1): the floor is 0.25, in NumPy too. Some reimplementations draw U(-1, 1) and send it through the transfer
    function: the floor is 0.08. The reference says the first, but its floor, 0.06, and with it every one of its values
    is that of the second. So the whole reference is compared with the second; with the first its beginning, the
    mismatch, and NumPy."""
    patterns = (1, 10, 30, 100, 300)
    windows = [slice(k, k + 1 + k // 5) for k in patterns]
    names = [f"pattern {k}" for k in patterns]
    reference = (32, 3.1, 0.15, 0.07, 0.06), (16, 15, 13.6, 2.0, 0.2)
    inputs = {"": "[0, 1]", ", inputs phi(U(-1, 1))": "[0.2689414, 0.7310586]"}  # phi is nearly a straight line there
    cases, found = [(extra, seed) for extra in inputs for seed in SEEDS], {}
    for (extra, seed), p in zip(cases, pool.map(
            lambda case: run("self_prediction", "integrator.kind=euler", "schedule.before.presentations=1",
                             "schedule.learning.presentations=400", f"stimulus.range={inputs[case[0]]}", f"seed={case[1]}"),
            cases)):
        found.setdefault(extra, []).append([[np.mean(p[name][w]) for w in windows]
                                            for name in ("apical-error", "interneuron-mismatch")])
    for extra, values in found.items():
        a, m = (table(f"Fig. S1, {what}{extra}", names, reference[k], np.array(values)[:, k])
                for k, what in enumerate(("squared apical potential", "mismatch")))
        told = 5 if extra else 3
        within(f"Fig. S1, squared apical potential{extra}", names[:told], a, reference[0], 3)
        within(f"Fig. S1, mismatch{extra}", names, m, reference[1], 3)
        for column, (what, ours) in enumerate((("squared apical potential", a), ("mismatch", m))):
            theirs = np.median([[np.mean(seed[slice(w.start - 1, w.stop - 1), column]) for w in windows]
                                for seed in numpy_s1], axis=0)
            if not extra:
                within(f"Fig. S1, {what} beside NumPy", names, ours, theirs, 2)


def association(numpy_fig1):
    """Fig. 1 with white noise, fifteen seeds, from the learned self-predicting state. The size of the error is that of the
    drawn target and differs between seeds by a factor of ten; its decay from the onset is what is compared."""
    at = (0, 5, 15, 30, 99)
    apical, output = [], []
    for p in pool.map(lambda seed: run("association", "integrator.kind=euler", "stimuli.goal.range=[0.01, 0.99]",
                                       "schedule.learning.presentations=100", f"seed={seed}"), MORE):
        start = np.argmax(p["block"] == 3)
        apical.append([p["apical-error"][start + k] for k in at])
        output.append([p["output-error"][start + k] for k in at])
    names = [f"{100 * k} ms" for k in at]
    reference = np.array((3.1, 1.6, 0.68, 0.15, 0.017))
    a = table("Fig. 1, squared apical potential", names, reference, apical)
    table("Fig. 1, squared distance of the output's prediction", names, (74, 61, 38, 19, 3.4), output)
    within("Fig. 1, squared apical potential", names, a, reference, 3)
    within("Fig. 1, squared apical potential, decay from the onset", names[1:], a[1:] / a[0], reference[1:] / reference[0], 3)
    theirs = np.median(numpy_fig1[:, at, 0], axis=0)
    within("Fig. 1, squared apical potential beside NumPy", names, a, theirs, 2)


def regression():
    """Fig. 2 with rates times 300, five tasks. The error before learning is the variance of the drawn teacher's rates, 0.04 to
    0.27 for seeds 1 to 80; the reference's bands, 0.06 and 0.065, belong to its 0.085 to 0.095, so tasks of that size are
    compared with them. That the full model is the better one, and that it aligns, must hold for every task."""
    models = {"full": (), "shallow": ("microcircuit.plasticity.forward=[0 /ms, 0.15 /ms]",)}
    cases, ends = [(seed, name) for seed in TASKS for name in models], {}
    for (seed, name), p in zip(cases, pool.map(lambda case: run("regression", f"seed={case[0]}", *models[case[1]]), cases)):
        tests = p["block"] == 2
        row = (np.mean(p["squared-error"][p["block"] == 0]), np.mean(p["squared-error"][tests][-400:]),
               p["alignment"][tests][0], p["alignment"][tests][-1])
        print(f"       Fig. 2, seed {seed}, {name}: untrained {row[0]:.4f}, at 15,000 trials {row[1]:.4f}, "
              f"angle {row[2]:.0f} to {row[3]:.0f} degrees", flush=True)
        ends.setdefault(name, []).append(row)
    full, shallow = (np.array(ends[name]) for name in ("full", "shallow"))
    for k, seed in enumerate(TASKS):
        check(f"Fig. 2, seed {seed}, untrained squared error", full[k, 0], 0.085, 0.095)
    check("Fig. 2, full model at 15,000 trials, median (reference 0.043)", np.median(full[:, 1]), 0, 0.06)
    check("Fig. 2, shallow control, median (reference 0.071)", np.median(shallow[:, 1]), 0.065, 0.1)
    check("Fig. 2, full over shallow, the worst task", np.max(full[:, 1] / shallow[:, 1]), 0, 0.8)
    check("Fig. 2, angle of forward weights to the feedback falls by, the worst task", np.min(full[:, 2] - full[:, 3]), 8, 60)


def mnist():
    p = run("mnist_small", env=os.environ)  # large enough for threads of its own
    tests = p["class-error"][p["block"] == 1].reshape(-1, 1000).mean(axis=1)
    print("       test error per block [%]:", " ".join(f"{100 * e:.1f}" for e in tests))
    check("MNIST 784-100-10, test error after 6,000 presentations", tests[-1], 0, 0.2)


numpy_s1, numpy_fig1 = independent()
self_prediction(numpy_s1)
association(numpy_fig1)
regression()
mnist()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
