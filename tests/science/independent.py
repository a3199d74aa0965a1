"""Fig. S1 and Fig. 1 of Sacramento et al. 2018 in plain NumPy, explicit Euler with white noise: the same equations written
a second time, so that a difference from apical is a difference of programs and not of random draws. Weights, patterns
and noise are drawn anew: only medians over seeds can be compared.

    python3 tests/science/independent.py SEED    prints a line per figure
"""
import sys

import numpy as np

LEAK, BASAL, DENDRITE, APICAL, NUDGE = 0.1, 1.0, 1.0, 0.8, 0.8  # 1/ms
STEP, PATTERN, SMOOTHING, LOWPASS, SIGMA = 0.1, 100, 3.0, 30.0, 0.1  # ms, potential / sqrt(ms)


def rate(u):
    return 1 / (1 + np.exp(-u))


class Circuit:
    """30-20-10 with 10 interneurons, all weights U(-1, 1)."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        shapes = {"forward1": (20, 30), "forward2": (10, 20), "inter": (10, 20), "lateral": (20, 10),
                  "feedback": (20, 10)}
        self.w = {name: self.random.uniform(-1, 1, shape) for name, shape in shapes.items()}
        self.d = {name: np.zeros(shape) for name, shape in shapes.items()}
        self.hidden, self.out, self.int = np.zeros(20), np.zeros(10), np.zeros(10)
        self.input, self.goal = np.zeros(30), np.zeros(10)

    def show(self, pattern, rates, goal=None):
        """One presentation; time averages of |v_A|^2, |u_2 - u_I|^2 and (with goal) |v_2 - u_goal|^2."""
        w, d, steps, sums = self.w, self.d, int(PATTERN / STEP), np.zeros(3)
        noise = SIGMA * np.sqrt(STEP) * self.random.standard_normal((steps, 40))
        for k in range(steps):
            r1, r2, ri = rate(self.hidden), rate(self.out), rate(self.int)
            basal1, basal2, dendrite = w["forward1"] @ self.input, w["forward2"] @ r1, w["inter"] @ r1
            apical = w["feedback"] @ r2 + w["lateral"] @ ri
            mismatch = self.out - self.int
            error = BASAL / (LEAK + BASAL) * basal2 - goal if goal is not None else np.zeros(1)
            sums += apical @ apical, mismatch @ mismatch, error @ error
            products = {"forward1": (r1 - rate(BASAL / (LEAK + BASAL + APICAL) * basal1), self.input),
                        "forward2": (r2 - rate(BASAL / (LEAK + BASAL) * basal2), r1),
                        "inter": (ri - rate(DENDRITE / (LEAK + DENDRITE) * dendrite), r1), "lateral": (-apical, ri)}
            slope1 = -LEAK * self.hidden + BASAL * (basal1 - self.hidden) + APICAL * (apical - self.hidden)
            slope2 = -LEAK * self.out + BASAL * (basal2 - self.out)
            if goal is not None:
                slope2 += NUDGE * (self.goal - self.out)
                self.goal += STEP / SMOOTHING * (goal - self.goal)
            slope_i = -LEAK * self.int + DENDRITE * (dendrite - self.int) + NUDGE * mismatch
            self.hidden = self.hidden + STEP * slope1 + noise[k, :20]
            self.out = self.out + STEP * slope2 + noise[k, 20:30]
            self.int = self.int + STEP * slope_i + noise[k, 30:]
            self.input += STEP / SMOOTHING * (pattern - self.input)
            for name, eta in rates.items():
                w[name] += STEP * eta * d[name]
                d[name] += STEP / LOWPASS * (np.outer(*products[name]) - d[name])
        return sums / steps


def self_prediction(c, presentations, eta):
    """Fig. S1: rules (8) and (9), no teacher, a new pattern each time."""
    rates = {"inter": eta, "lateral": 0.0005}
    return np.array([c.show(c.random.uniform(0, 1, 30), rates) for _ in range(presentations)])


def association(c, presentations):
    """Fig. 1: one pattern and one target on the circuit that learned to predict itself."""
    rates = {"forward1": 0.0011875, "forward2": 0.0005, "inter": 0.0011875, "lateral": 0.0005}
    pattern, goal = c.random.uniform(0, 1, 30), c.random.uniform(0.01, 0.99, 10)
    c.show(pattern, {})
    return np.array([c.show(pattern, rates, np.log(goal / (1 - goal))) for _ in range(presentations)])


if __name__ == "__main__":
    print(*self_prediction(Circuit(int(sys.argv[1])), 400, 0.0002375).ravel())
    circuit = Circuit(int(sys.argv[1]))
    self_prediction(circuit, 300, 0.0011875)
    print(*association(circuit, 100).ravel())
