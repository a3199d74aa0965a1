"""Backprop beside circuits/mnist.yaml: the same layers, first weights, images in the same order, one at a time.

    python3 tests/science/backprop.py RUN [RATE ...] [--images N] [--shallow]    RUN: a folder of `apical run circuits/mnist.yaml`

Logistic units without biases, as the circuit has them in its feedforward limit; plain stochastic gradient descent on half the squared distance of
the output from 0.8 for the class and 0.1 otherwise, one rate for all layers. Prints for each rate the error on the 500
held-out images after each 1,000 of N, and on t10k at the end; after 55,000 images they come again. With --shallow the hidden weights
stay as they are.
"""
import os
import sys

import h5py
import numpy as np


def idx(path):
    with open(path, "rb") as f:
        raw = f.read()
    shape = tuple(int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3]))
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def load(name, first, count):
    folder = "data/mnist"
    x = idx(os.path.join(folder, f"{name}-images-idx3-ubyte"))[first:first + count]
    y = idx(os.path.join(folder, f"{name}-labels-idx1-ubyte"))[first:first + count]
    return x.reshape(count, -1) / 255.0, y


def logistic(u):
    return 1 / (1 + np.exp(-u))


def wrong(w, x, y):
    for m in w:
        x = logistic(x @ m.T)
    return 100 * np.mean(x.argmax(axis=1) != y)


def train(start, rate, shallow, count, digits, labels, test, exam):
    w = [m.copy() for m in start]
    errors = []
    for k in range(count):
        layer, label = [digits[k % len(digits)]], labels[k % len(labels)]
        for m in w:
            layer.append(logistic(m @ layer[-1]))
        target = np.full(10, 0.1)
        target[label] = 0.8
        delta = (layer[-1] - target) * layer[-1] * (1 - layer[-1])
        for i in (2, 1, 0):
            back = w[i].T @ delta * layer[i] * (1 - layer[i]) if i else None
            if i == 2 or not shallow:
                w[i] -= rate * np.outer(delta, layer[i])
            delta = back
        if k % 1000 == 999:
            errors.append(wrong(w, *test))
    return errors, wrong(w, *exam)


def main():
    words = sys.argv[1:]
    shallow, count = "--shallow" in words, 55000
    if "--images" in words:
        at = words.index("--images")
        count = int(words[at + 1])
        del words[at:at + 2]
    words = [a for a in words if not a.startswith("--")]
    with h5py.File(os.path.join(words[0], "weights.h5")) as f:
        start = [f[f"weights/forward{k}/initial"][()] for k in (1, 2, 3)]
    digits, labels = load("train", 0, 55000)
    test, exam = load("train", 55000, 500), load("t10k", 0, 10000)
    for rate in [float(r) for r in words[1:]] or [0.3]:
        errors, final = train(start, rate, shallow, count, digits, labels, test, exam)
        print(f"rate {rate:g}: " + " ".join(f"{e:.1f}" for e in errors) + f" % of 500 held-out images, {final:.2f} % of t10k", flush=True)


if __name__ == "__main__":
    main()
