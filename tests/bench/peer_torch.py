"""The circuit of Sacramento et al. 2018 as one would write it in PyTorch: explicit Euler, several patterns side by side through
shared weights, each matrix's change the mean over them. Same job and same steps as peer_numpy.py, so results can be compared.

    python3 peer_torch.py JOB.json    the job also says `precision` (float32, float64); prints seconds per pattern as JSON and
                                      writes `out` as .npz: frames [time][pattern][cell], weights
"""
import json
import sys
import time

import numpy as np
import torch


class Circuit:
    def __init__(self, job, weights, batch):
        self.j, self.n, self.batch = job, len(job["sizes"]) - 1, batch
        kind = getattr(torch, job["precision"])
        self.w = {name: torch.tensor(w, dtype=kind) for name, w in weights.items()}
        self.d = {name: torch.zeros_like(self.w[name]) for name in job["eta"]}
        zeros = [torch.zeros(batch, n, dtype=kind) for n in job["sizes"]]
        self.u = zeros  # [0] holds the input's rate
        self.q = [None] + [torch.zeros(batch, n, dtype=kind) for n in job["sizes"][2:]]
        self.goal = torch.zeros(batch, job["sizes"][-1], dtype=kind)

    def rate(self, u):
        if self.j["transfer"] == "logistic":
            return torch.sigmoid(u)
        return 0.1 * torch.log1p(torch.exp(u - 3.0))  # soft rectifier with gamma 0.1, beta 1, theta 3

    def learn(self, name, post, pre):
        j, d = self.j, self.d[name]
        part = j["step"] / j["tau_w"]
        self.w[name].add_(d, alpha=j["step"] * j["eta"][name])
        if self.batch == 1:
            d.addr_(post[0], pre[0], beta=1 - part, alpha=part)
        else:
            d.addmm_(post.T, pre, beta=1 - part, alpha=part / self.batch)

    def step(self, pattern, goal):
        j, n, u, q = self.j, self.n, self.u, self.q
        leak, basal, apical, dendrite, nudge = (j[k] for k in ("leak", "basal", "apical", "dendrite", "nudge"))
        into = lambda name, x: x @ self.w[name].T
        r = [u[0]] + [self.rate(x) for x in u[1:]]
        ri = [None] + [self.rate(x) for x in q[1:]]
        moves, rules = [], []
        for k in range(1, n):
            below, own = into(f"forward{k}", r[k - 1]), into(f"interneuron{k}", r[k])
            above = into(f"feedback{k}", r[k + 1]) + into(f"lateral{k}", ri[k])
            moves += [(u[k], -leak * u[k] + basal * (below - u[k]) + apical * (above - u[k])),
                      (q[k], -leak * q[k] + dendrite * (own - q[k]) + nudge * (u[k + 1] - q[k]))]
            rules += [(f"forward{k}", r[k] - self.rate(basal / (leak + basal + apical) * below), r[k - 1]),
                      (f"interneuron{k}", ri[k] - self.rate(dendrite / (leak + dendrite) * own), r[k]),
                      (f"lateral{k}", -above, ri[k])]
        below = into(f"forward{n}", r[n - 1])
        moves.append((u[n], -leak * u[n] + basal * (below - u[n]) + nudge * (self.goal - u[n])))
        rules.append((f"forward{n}", r[n] - self.rate(basal / (leak + basal) * below), r[n - 1]))
        for name, post, pre in rules:
            self.learn(name, post, pre)
        for x, dx in moves:
            x.add_(dx, alpha=j["step"])
        u[0].add_(pattern - u[0], alpha=j["step"] / j["tau_0"])
        self.goal.add_(goal - self.goal, alpha=j["step"] / j["tau_0"])


@torch.no_grad()
def main():
    job = json.load(open(sys.argv[1]))
    torch.set_num_threads(1)
    data = np.load(job["data"])
    patterns, goals = (torch.tensor(data[k], dtype=getattr(torch, job["precision"])) for k in ("patterns", "goals"))
    circuit = Circuit(job, {k[2:]: data[k] for k in data.files if k.startswith("w.")}, len(patterns))
    steps, every = round(job["duration"] / job["step"]), round(job["every"] / job["step"])
    frames, start = [], time.perf_counter()
    for s in range(steps):
        if s % every == 0:
            frames.append(torch.cat(circuit.u[1:] + circuit.q[1:], dim=1).numpy())
        circuit.step(patterns, goals)
    seconds = (time.perf_counter() - start) / len(patterns)
    np.savez(job["out"], frames=np.array(frames), **{"w." + k: circuit.w[k].numpy() for k in circuit.d})
    print(json.dumps({"seconds": [seconds]}))


if __name__ == "__main__":
    main()
