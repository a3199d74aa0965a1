"""The circuit of Sacramento et al. 2018 as one would write it in NumPy: explicit Euler, BLAS products, rank-1 updates in
place. The peer that workloads.py times; it starts from the weights of an apical run, so that results can be compared.

    python3 peer_numpy.py JOB.json    prints one line of JSON: seconds per presentation, and writes JOB's `out` as .npz
"""
import json
import sys
import time

import numpy as np
from scipy.linalg import blas


class Circuit:
    """job: sizes, transfer, conductances, learning rates [1/ms], tau_w, tau_0, step [ms]; weights by apical's names."""

    def __init__(self, job, weights):
        self.j, self.n = job, len(job["sizes"]) - 1
        self.w = {name: np.ascontiguousarray(w) for name, w in weights.items()}
        self.d = {name: np.zeros_like(self.w[name]) for name in job["eta"]}
        self.tmp = {name: np.empty_like(self.w[name]) for name in job["eta"]}
        self.u = [np.zeros(n) for n in job["sizes"]]  # [0] holds the input's rate
        self.q = [None] + [np.zeros(n) for n in job["sizes"][2:]]
        self.goal = np.zeros(job["sizes"][-1])

    def rate(self, u):
        if self.j["transfer"] == "logistic":
            return 1 / (1 + np.exp(-u))
        gamma, beta, theta = 0.1, 1.0, 3.0
        return gamma * np.log1p(np.exp(beta * (u - theta)))

    def learn(self, name, post, pre):
        j, w, d, tmp = self.j, self.w[name], self.d[name], self.tmp[name]
        np.multiply(d, j["step"] * j["eta"][name], out=tmp)
        w += tmp
        d *= 1 - j["step"] / j["tau_w"]
        blas.dger(j["step"] / j["tau_w"], pre, post, a=d.T, overwrite_a=1)

    def step(self, pattern, goal):
        j, w, n, u, q = self.j, self.w, self.n, self.u, self.q
        leak, basal, apical, dendrite, nudge = (j[k] for k in ("leak", "basal", "apical", "dendrite", "nudge"))
        r = [u[0]] + [self.rate(x) for x in u[1:]]
        ri = [None] + [self.rate(x) for x in q[1:]]
        du, dq, rules = [None], [None], []
        for k in range(1, n):
            below = w[f"forward{k}"] @ r[k - 1]
            above = w[f"feedback{k}"] @ r[k + 1] + w[f"lateral{k}"] @ ri[k]
            own = w[f"interneuron{k}"] @ r[k]
            du.append(-leak * u[k] + basal * (below - u[k]) + apical * (above - u[k]))
            dq.append(-leak * q[k] + dendrite * (own - q[k]) + nudge * (u[k + 1] - q[k]))
            rules += [(f"forward{k}", r[k] - self.rate(basal / (leak + basal + apical) * below), r[k - 1]),
                      (f"interneuron{k}", ri[k] - self.rate(dendrite / (leak + dendrite) * own), r[k]),
                      (f"lateral{k}", -above, ri[k])]
        below = w[f"forward{n}"] @ r[n - 1]
        du.append(-leak * u[n] + basal * (below - u[n]) + nudge * (self.goal - u[n]))
        rules.append((f"forward{n}", r[n] - self.rate(basal / (leak + basal) * below), r[n - 1]))
        for name, post, pre in rules:
            if name in self.d:
                self.learn(name, post, pre)
        for x, dx in list(zip(u, du))[1:] + list(zip(q, dq))[1:]:
            x += j["step"] * dx
        u[0] = u[0] + j["step"] / j["tau_0"] * (pattern - u[0])
        self.goal += j["step"] / j["tau_0"] * (goal - self.goal)


def main():
    job = json.load(open(sys.argv[1]))
    data = np.load(job["data"])
    circuit = Circuit(job, {k[2:]: data[k] for k in data.files if k.startswith("w.")})
    steps, every = round(job["duration"] / job["step"]), round(job["every"] / job["step"])
    frames, start = [], time.perf_counter()
    for pattern, goal in zip(data["patterns"], data["goals"]):
        for s in range(steps):
            if s % every == 0:
                frames.append(np.concatenate(circuit.u[1:] + circuit.q[1:]))
            circuit.step(pattern, goal)
    seconds = (time.perf_counter() - start) / len(data["patterns"])
    np.savez(job["out"], frames=np.array(frames), **{"w." + k: circuit.w[k] for k in circuit.d})
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
