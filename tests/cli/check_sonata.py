#!/usr/bin/python3
"""Checks the SONATA compartment reports of a file with the reading arithmetic of libsonata and of bmtk.

Usage: check_sonata.py REPORT.h5 [FRAMES]     exit 0: both read it right; 1: a deviation, named on stderr
"""
import re
import sys

import h5py
import numpy as np

EPSILON = 1e-6  # libsonata's


def need(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[1]}: {text}")


def text_attribute(dataset, name):
    """A scalar, variable-length UTF-8 string: what libsonata reads into std::string."""
    need(name in dataset.attrs, f"{dataset.name} lacks the attribute {name}")
    kind = dataset.attrs.get_id(name)
    info = h5py.check_string_dtype(kind.dtype)
    need(info is not None and info.length is None and info.encoding == "utf-8",
         f"{dataset.name}: attribute {name} is not a variable-length UTF-8 string")
    need(kind.shape == (), f"{dataset.name}: attribute {name} is not a scalar")
    return dataset.attrs[name]


def typed(group, name, dtype, rank):
    need(name in group, f"{group.name} lacks {name}")
    dataset = group[name]
    need(isinstance(dataset, h5py.Dataset), f"{dataset.name} is not a dataset")
    need(dataset.dtype == np.dtype(dtype), f"{dataset.name} is {dataset.dtype}, expected {dtype}")
    need(dataset.ndim == rank, f"{dataset.name} has {dataset.ndim} dimensions, expected {rank}")
    return dataset


def libsonata_frames(start, stop, step):
    n, t = 0, start
    while t < stop - EPSILON:
        n, t = n + 1, t + step
    return n


def check_root(f):
    magic, version = f.attrs.get_id("magic"), f.attrs.get_id("version")
    need(magic.dtype == np.uint32 and magic.shape == () and f.attrs["magic"] == 0x0A7A, "magic is not uint32 0x0A7A")
    need(version.dtype == np.uint32 and version.shape == (2,) and list(f.attrs["version"]) == [0, 1],
         "version is not uint32 [0, 1]")


def check_population(name, group, frames):
    need(re.fullmatch(r"[A-Za-z0-9_-]+", name), f"population name {name!r}")
    need(set(group) == {"data", "mapping"}, f"{group.name} holds {sorted(group)}")
    data, mapping = typed(group, "data", "<f4", 2), group["mapping"]
    need(data.chunks is not None, f"{data.name} is not chunked")
    need(text_attribute(data, "units") != "", f"{data.name}: empty units")
    need(text_attribute(data, "variable") != "", f"{data.name}: empty variable")

    ids_set = typed(mapping, "node_ids", "<u8", 1)
    ids, pointers = ids_set[()], typed(mapping, "index_pointers", "<u8", 1)[()]
    elements = typed(mapping, "element_ids", "<u4", 1)[()]
    positions = typed(mapping, "element_pos", "<f4", 1)[()]
    need(len(pointers) == len(ids) + 1, f"{mapping.name}: {len(pointers)} index_pointers for {len(ids)} nodes")
    need("index_pointer" in mapping and (mapping["index_pointer"][()] == pointers).all(),
         f"{mapping.name}: bmtk reads index_pointer, which is missing or differs")
    sorted_id = ids_set.attrs.get_id("sorted")
    need(sorted_id.dtype == np.uint8 and sorted_id.shape == (), "sorted is not a uint8 scalar")
    need(ids_set.attrs["sorted"] == 1 and (np.diff(ids.astype(np.int64)) > 0).all(), "node_ids are not sorted")
    need(pointers[0] == 0 and pointers[-1] == data.shape[1] and (np.diff(pointers.astype(np.int64)) > 0).all(),
         f"{mapping.name}: index_pointers do not divide the {data.shape[1]} values")
    need(len(elements) == len(positions) == data.shape[1], f"{mapping.name}: element_ids or element_pos too short")
    need(((positions >= 0) & (positions <= 1)).all(), f"{mapping.name}: element_pos outside 0 ... 1")
    for begin, end in zip(pointers[:-1], pointers[1:]):
        own = elements[int(begin):int(end)]
        starts = 1 + np.count_nonzero(np.diff(own.astype(np.int64)))
        need(starts == len(np.unique(own)), f"{mapping.name}: element_ids of a node are not contiguous")

    time_set = typed(mapping, "time", "<f8", 1)
    need(time_set.shape == (3,), f"{time_set.name} has shape {time_set.shape}")
    need(text_attribute(time_set, "units") == "ms", f"{time_set.name}: units are not ms")
    start, stop, step = (float(t) for t in time_set[()])
    truncated, looped = int((stop - start) / step), libsonata_frames(start, stop, step)
    need(truncated == data.shape[0], f"{name}: bmtk finds {truncated} frames of {data.shape[0]}")
    need(looped == data.shape[0], f"{name}: libsonata finds {looped} frames of {data.shape[0]}")
    need(frames is None or frames == data.shape[0], f"{name}: {data.shape[0]} frames, expected {frames}")


def main():
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with h5py.File(sys.argv[1], "r") as f:
        check_root(f)
        need("report" in f and len(f["report"]) > 0, "there is no report")
        for name, group in f["report"].items():
            check_population(name, group, frames)


if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
main()
