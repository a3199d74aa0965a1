#!/usr/bin/python3
"""Checks an output folder of circuits/association.yaml against itself: files, shapes, values, pictures.

Usage: check_outputs.py manifest|weights|probes|values|pictures RUN [OTHER]     exit 0, or 1 and a line on stderr
"""
import json
import os
import struct
import sys
import zlib

import h5py
import numpy as np

SIZE = {"input": 30, "hidden1.pyr": 20, "hidden1.int": 10, "output": 10, "target": 10}


def need(condition, text):
    if not condition:
        sys.exit(f"check_outputs.py: {text}")


def read_manifest(run):
    with open(f"{run}/manifest.json", encoding="utf-8") as f:
        return json.load(f)


def check_manifest(run):
    manifest = read_manifest(run)
    listed, there = set(manifest["files"]), set(os.listdir(run)) - {"manifest.json"}
    need(len(listed) == len(manifest["files"]), "the manifest lists a file twice")
    need(listed == there, f"listed but absent: {listed - there}; there but not listed: {there - listed}")
    need(manifest["status"] == "complete" and len(manifest["state_digest"]) == 32, "status or digest")


def check_weights(run):
    with h5py.File(f"{run}/weights.h5", "r") as f:
        need(set(f["weights"]) == {"forward1", "forward2", "feedback1", "interneuron1", "lateral1"}, "names of projections")
        for name, group in f["weights"].items():
            for when in ("initial", "final"):
                w = group[when]
                shape = (SIZE[w.attrs["target"]], SIZE[w.attrs["source"]])
                need(w.shape == shape, f"{name}/{when} has shape {w.shape}, expected post x pre = {shape}")
                need(w.dtype == np.float64 and np.isfinite(w[()]).all(), f"{name}/{when}: type or values")
        for name, changes in (("forward1", True), ("feedback1", False)):
            same = (f["weights"][name]["initial"][()] == f["weights"][name]["final"][()]).all()
            need(same != changes, f"{name}: {'nothing was learned' if changes else 'changed without a rule'}")


def check_probes(run):
    n = read_manifest(run)["presentations"]
    with h5py.File(f"{run}/probes.h5", "r") as f:
        for name in ("start", "block", "pattern", "apical-error", "interneuron-mismatch", "output-error"):
            need(f["probes"][name].shape == (n,), f"{name} has shape {f['probes'][name].shape}, expected ({n},)")
            need(np.isfinite(f["probes"][name][()]).all(), f"{name} holds NaN")
        need((f["probes/start"][()] == 100.0 * np.arange(n)).all(), "start times")


def potentials(run, population):
    with h5py.File(f"{run}/potentials.recall.h5", "r") as f:
        data = f["report"][population]["data"][()].astype(float)
        nodes = len(f["report"][population]["mapping/node_ids"])
    return data.reshape(len(data), nodes, -1).transpose(2, 0, 1)  # [compartment][frame][neuron]


def check_values(run):
    """Instantaneous dendrites are weighted sums of rates, at every frame (plasticity is off during recall)."""
    with h5py.File(f"{run}/weights.h5", "r") as f:
        w = {name: f["weights"][name]["final"][()] for name in f["weights"]}

    def phi(u):
        return 1 / (1 + np.exp(-u))

    soma, _, apical = potentials(run, "hidden1_pyr")
    inter, dendrite = potentials(run, "hidden1_int")
    output, basal = potentials(run, "output")
    expected = {
        "basal of output": (basal, phi(soma) @ w["forward2"].T),
        "dendrite of interneurons": (dendrite, phi(soma) @ w["interneuron1"].T),
        "apical": (apical, phi(output) @ w["feedback1"].T + phi(inter) @ w["lateral1"].T),
    }
    for name, (found, computed) in expected.items():
        worst = np.abs(found - computed).max()
        need(worst < 1e-5 * max(1, np.abs(computed).max()), f"{name} deviates by {worst}")
    with h5py.File(f"{run}/probes.h5", "r") as f:  # time average of |apical|^2, here over the frames
        recorded, sampled = f["probes/apical-error"][-1], (apical**2).sum(axis=1).mean()
    need(abs(recorded / sampled - 1) < 0.05, f"probe apical-error {recorded}, from the frames {sampled}")


def read_png(path):
    """(width, height, rows of RGB, texts) of a PNG; every checksum is checked."""
    with open(path, "rb") as f:
        data = f.read()
    need(data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG")
    at, body, texts, size = 8, b"", {}, None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + length]
        need(zlib.crc32(kind + chunk) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], f"{path}: CRC")
        at += 12 + length
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            size = width, height
            need((depth, colour) == (8, 2), f"{path}: depth {depth}, colour type {colour}")
        elif kind == b"IDAT":
            body += chunk
        elif kind in (b"tEXt", b"iTXt"):
            key, value = chunk.split(b"\0", 1)
            texts[key.decode()] = value
    pixels = zlib.decompress(body)
    need(len(pixels) == size[1] * (3 * size[0] + 1), f"{path}: amount of pixels")
    return *size, pixels, texts


def check_pictures(run, other=None):
    names = [name for name in read_manifest(run)["files"] if name.endswith(".png")]
    need(len(names) == 6, f"{len(names)} pictures")
    digest = read_manifest(run)["state_digest"]
    for name in names:
        width, height, pixels, texts = read_png(f"{run}/{name}")
        need(600 <= width <= 4000 and 300 <= height <= 4000, f"{name}: {width} x {height}")
        need({"Title", "Software", "Source", "Description"} <= set(texts), f"{name}: texts {sorted(texts)}")
        need(texts["Source"].decode() == digest, f"{name}: names the state {texts['Source']}")
        need(len(set(pixels)) > 20, f"{name} is blank")
        if other:
            need(read_png(f"{other}/{name}")[:3] == (width, height, pixels), f"{name} was drawn differently")


CHECKS = {"manifest": check_manifest, "weights": check_weights, "probes": check_probes, "values": check_values,
          "pictures": check_pictures}
if len(sys.argv) < 3 or sys.argv[1] not in CHECKS:
    sys.exit(__doc__)
CHECKS[sys.argv[1]](*sys.argv[2:])
