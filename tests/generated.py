#!/usr/bin/env python3
"""generated.py LOG [COUNT] [FIRST]: circuit files from a seeded generator; each runs, or is refused with a message.

Exit 0, 2 (refused) and 4 (numerical failure) are answers, with a message when not 0; anything else is wrong, and so is a NaN
in probes.h5 of a probe that does not say that it may be one. A file that fails stays in build/generated. Environment: APICAL."""
import collections
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy

MAY_BE_NAN = ("angle", "ratio", "formula")  # a direction of nothing; without teacher, see `apical info probe`


def flow(value):
    """A value of YAML on one line; strings are written as they are."""
    if isinstance(value, dict):
        return "{" + ", ".join("%s: %s" % (k, flow(v)) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if isinstance(value, float):
        return "%.4g" % value
    text = str(value)
    return '"%s"' % text if any(c in text for c in "[]{},:") else text


def circuit(seed):
    r = random.Random(seed)
    hidden = r.choice([1, 1, 1, 2, 3])
    layers = [r.randint(1, 8) for _ in range(hidden + 2)]
    teacher = r.random() < 0.8

    def start():
        w = r.choice([0.1, 0.5, 1, 1, 3, 10])
        return r.choice(["uniform(%g, %g)" % (-w, w), "normal(0, %g)" % w, "constant(%g)" % w] if r.random() < 0.3
                        else ["uniform(%g, %g)" % (-w, w), "normal(0, %g)" % w])

    def rate(scale):
        return "%.4g /ms" % (scale * 10 ** r.uniform(-3, 0.5))

    m = {"layers": layers, "transfer": r.choice(["logistic", "tanh", "relu", "linear", "softplus(0.1, 1, 3)", "softplus(1, 1, 0)"])}
    if r.random() < 0.4:
        m["conductance"] = {"leak": rate(1), "basal": rate(2), "apical": rate(2), "dendrite": rate(2), "nudge": rate(2)}
    weights = {"forward": start() if r.random() < 0.7 else [start() for _ in range(hidden + 1)],
               "feedback": start() if r.random() < 0.7 else r.choice(["transposed", "transposed-sign"])}
    for key in ("interneuron", "lateral"):
        if r.random() < 0.3:
            weights[key] = start()
    m["weights"] = weights
    if r.random() < 0.2:
        m["nudging"] = "conductance"
    if r.random() < 0.8:
        p = {"forward": [rate(0.1) for _ in range(hidden + 1)] if r.random() < 0.5 else rate(0.1)}
        for key in ("interneuron", "lateral"):
            if r.random() < 0.7:
                p[key] = rate(0.1)
        if r.random() < 0.3:
            p["feedback"] = rate(0.05)
            if r.random() < 0.4:
                p["feedback-rule"] = "kolen-pollack"
        if r.random() < 0.2:
            p["decay"] = rate(0.01)
        if r.random() < 0.5:
            p["lowpass"] = "%g ms" % r.choice([0, 1, 10, 30])
        m["plasticity"] = p
    noisy = r.random() < 0.3
    if noisy:
        m["noise"] = "%.3g /sqrt(ms)" % r.uniform(0.01, 0.5)

    def stimulus(size, of):
        kind = r.choice(["random", "random", "patterns"] + (["teacher"] if of == "target" else []))
        s = {"of": of, "kind": kind}
        if kind == "random":
            low = r.uniform(-1, 0.5)
            s["range"] = [0.05, 0.95] if of == "target" else [low, low + r.uniform(0, 2)]
            if r.random() < 0.4:
                s["fresh"] = "on"
            elif r.random() < 0.4:
                s["patterns"] = r.randint(1, 4)
        elif kind == "patterns":
            s["values"] = [[r.uniform(0.05, 0.95) for _ in range(size)] for _ in range(r.randint(1, 3))]
        else:
            s.update({"input": "input", "hidden": r.randint(1, 6)})
        if r.random() < 0.6:
            s["smoothing"] = "%g ms" % r.choice([0.5, 1, 3, 10])
        return s

    stimuli = {"pattern": stimulus(layers[0], "input")}
    if teacher or r.random() < 0.95:
        stimuli["goal"] = stimulus(layers[-1], "target")
    forward = ["forward%d" % (i + 1) for i in range(hidden + 1)]
    blocks, plastic = [], sorted(set(forward[:1] if "plasticity" in m else []))
    for i in range(r.randint(1, 3)):
        b = {"name": "block%d" % i, "presentations": r.randint(1, 3), "duration": "%g ms" % r.choice([1, 2, 5, 10]),
             "present": list(stimuli)}
        if not teacher or r.random() < 0.3:
            b["teacher"] = "off"
        if r.random() < 0.3:
            b["plasticity"] = r.choice(["off", plastic or "on"])
        for key, value in (("restart", "on"), ("reset", "on"), ("noise", "off"), ("order", "shuffled"), ("learning-lag", "0.5 ms")):
            if r.random() < 0.15:
                b[key] = value
        blocks.append(b)
    kind = r.choice(["bdf", "bdf", "adams", "euler"])
    integrator = {"kind": kind, "weights": r.choice(["held", "coupled"])}
    if kind == "euler":
        integrator["step"] = "%g ms" % r.choice([0.01, 0.1, 0.5])
    else:
        integrator.update({"rtol": r.choice([1e-2, 1e-4, 1e-6]), "atol": r.choice([1e-4, 1e-6, 1e-8])})
    interventions = []
    for i in range(r.choice([0, 0, 1, 2])):
        what = r.choice(["silence", "clamp", "inhibit", "scale", "freeze", "mean", "shuffle", "swap"])
        v = {"name": "act%d" % i, "kind": what}
        if what == "silence":
            v["of"] = r.choice(["hidden1.pyr", "hidden1.int", "output"])
        elif what in ("clamp", "inhibit", "mean"):
            v["of"] = r.choice(["hidden1.pyr/apical", "hidden1.pyr/soma", "hidden1.pyr/basal", "output/basal", "hidden1.int/dendrite"])
        elif what == "swap":
            v["projection"] = r.choice(["feedback1", "lateral1", "forward1"])
            half = max(1, layers[1] // 2)
            v["groups"] = ["hidden1.pyr[0:%d]" % half, "hidden1.pyr[%d:%d]" % (half, 2 * half)]
        else:
            v["projection"] = r.choice(forward + ["feedback1", "lateral1", "interneuron1"])
        if what == "clamp":
            v["value"] = r.uniform(-1, 1)
        if what == "inhibit":
            v.update({"conductance": rate(1), "reversal": r.uniform(-1, 1)})
        if what == "scale":
            v["factor"] = r.choice([0, 0.5, 2, -1])
        if r.random() < 0.4:
            v["from"] = "%g ms" % r.choice([0, 0.1, 0.4])
        if r.random() < 0.3:
            v["until"] = "%g ms" % r.choice([0.5, 0.9, 1])
        if r.random() < 0.3:
            v["during"] = [blocks[0]["name"]]
        interventions.append(v)
    probes = [{"kind": "squared-potential", "of": "hidden1.pyr/apical", "name": "apical-error"}]
    pool = [{"kind": "mismatch", "projection": "nudge1"}, {"kind": "transposed-angle", "projection": "feedback1", "other": "forward2"}]
    if teacher:
        pool += [{"kind": k, "of": "output"} for k in ("rate-error", "potential-error", "class-error")]
        pool += [{"kind": k, "of": "hidden1.pyr"} for k in ("apical-angle", "apical-ratio", "ngrad-angle")]
        pool += [{"kind": k, "projection": "forward1"} for k in ("gradient-angle", "change-angle", "adjoint-angle")]
    for p in r.sample(pool, r.randint(0, 2)):
        probes.append(dict(p, name=p["kind"]))
    parts = {"version": 1, "name": "generated%d" % seed, "about": "Generated.", "seed": seed, "microcircuit": m, "stimuli": stimuli}
    text = ["%s: %s" % (k, flow(v)) for k, v in parts.items()]
    for key, rows in (("schedule", blocks), ("interventions", interventions), ("probes", probes)):
        if rows:
            text.append(key + ":\n" + "\n".join("  - " + flow(row) for row in rows))
    text.append("integrator: " + flow(integrator))
    text.append("record: " + flow({"of": ["hidden1.pyr", "output"], "every": "%g ms" % r.choice([0.1, 0.5, 1])}))
    return "\n".join(text) + "\n"


def nans(path):
    """Names of probes with a NaN or infinity that may not have one."""
    found = []

    def visit(name, data):
        if isinstance(data, h5py.Dataset) and data.dtype.kind == "f" and not any(w in name for w in MAY_BE_NAN):
            if not numpy.isfinite(data[()]).all():
                found.append(name)
    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    keep = os.path.join(os.path.dirname(sys.argv[1]), "generated")
    codes, refusals, wrong = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        def run(seed):
            path, out = os.path.join(folder, "%d.yaml" % seed), os.path.join(folder, "run%d" % seed)
            text = circuit(seed)
            with open(path, "w") as file:
                file.write(text)
            try:
                p = subprocess.run([os.environ["APICAL"], "run", path, "--out", out, "--no-figures", "--progress", "none",
                                    "--threads", "1"], capture_output=True, text=True, timeout=300)
                code, words = p.returncode, p.stderr.strip()
            except subprocess.TimeoutExpired:
                code, words = "slow", "no end after 300 s"
            bad = nans(os.path.join(out, "probes.h5")) if code == 0 else []
            subprocess.run(["rm", "-rf", out, path], check=False)
            return seed, text, code, words, bad
        with ThreadPoolExecutor(2) as pool:
            for seed, text, code, words, bad in pool.map(run, range(first, first + count)):
                codes[code] += 1
                if code == 2:
                    line = words.split("\n")[0].split("error: ")[-1]
                    refusals["".join("N" if c.isdigit() else c for c in line)[:100]] += 1
                if code in (0, 2, 4) and not bad and (code == 0 or words):
                    continue
                wrong += 1
                os.makedirs(keep, exist_ok=True)
                with open(os.path.join(keep, "%d.yaml" % seed), "w") as file:
                    file.write(text)
                if wrong <= 20:
                    print("FAILED  seed %d: exit %s %s %s" % (seed, code, " ".join(bad), words.split("\n")[0][:200]))
    for code in sorted(codes, key=str):
        print("exit %s: %d" % (code, codes[code]))
    for line, n in refusals.most_common(8):
        print("  %5d refused: %s" % (n, line))
    figure = "%d generated circuits: %d ran, %d refused, %d numerical failures with a message, %d wrong" % (
        count, codes[0], codes[2], codes[4], wrong)
    print("promise: generated: " + figure)
    with open(sys.argv[1], "a") as file:
        file.write("promise: generated: " + figure + "\n")
    print("%d passed, %d failed" % (count - wrong, wrong))
    return wrong > 0


sys.exit(main())
