"""Reads what a run of apical leaves in its folder, with h5py and numpy alone.

    run = apical_io.Run("../runs/association")
    pyr = run.report("before")["hidden1.pyr"]     # pyr.t [ms], pyr.v[time][node][element]
    pyr.element(apical_io.APICAL)                 # [time][node]
    run.weights("forward1").final                 # [post][pre]
    run.probes["apical-error"]                    # one value per presentation
    run.readout("residual").residual              # [presentation][cell]
"""

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

SOMA, BASAL, APICAL = 0, 1, 2  # element ids of a pyramidal cell
DENDRITE = 1  # of an interneuron


def stored_name(name):
    """A population's name as HDF5 files hold it: hidden1.pyr becomes hidden1_pyr."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


@dataclass
class Population:
    """One reported population. All its nodes have the same elements."""

    t: np.ndarray  # [time], ms
    v: np.ndarray  # [time][node][element]
    nodes: np.ndarray  # [node], ids
    elements: np.ndarray  # [element], ids
    units: str

    def element(self, element_id):
        """Potentials of one compartment, [time][node]."""
        found = np.flatnonzero(self.elements == element_id)
        if found.size != 1:
            raise KeyError(f"element {element_id}: the report holds {self.elements.tolist()}")
        return self.v[:, :, found[0]]


@dataclass
class Weights:
    """One projection: w[post][pre] by snapshot, and where it goes."""

    snapshots: dict
    attributes: dict = field(default_factory=dict)

    @property
    def initial(self):
        return self.snapshots["initial"]

    @property
    def final(self):
        return self.snapshots["final"]


@dataclass
class Readout:
    """What readout.<name>.csv holds: a row per presentation, a column per cell."""

    presentation: np.ndarray  # [presentation], over the run
    block: np.ndarray  # [presentation], names
    cell: np.ndarray  # [cell], numbers
    group: np.ndarray  # [cell], names, "" without
    soma: np.ndarray  # [presentation][cell]
    dendrite: np.ndarray
    residual: np.ndarray


class Names(dict):
    """A dictionary that finds hidden1.pyr under its stored name hidden1_pyr, and says what there is."""

    def __missing__(self, key):
        stored = stored_name(key)
        if stored != key and stored in self:
            return self[stored]
        raise KeyError(f"no {key!r}; there is {', '.join(map(repr, self)) or 'nothing'}")


def read_population(group):
    """A group /report/<population> of a SONATA compartment report."""
    mapping = group["mapping"]
    start, _, step = mapping["time"][()]
    data = group["data"][()].astype(float)
    pointer = mapping["index_pointer"][()].astype(int)
    n_nodes = len(pointer) - 1
    sizes = np.diff(pointer)
    if n_nodes < 1 or np.any(sizes != sizes[0]):
        raise ValueError(f"{group.name}: its nodes have different numbers of elements")
    elements = mapping["element_ids"][()].reshape(n_nodes, sizes[0])
    if np.any(elements != elements[0]):
        raise ValueError(f"{group.name}: its nodes have different elements")
    units = group["data"].attrs.get("units", "")
    return Population(
        t=start + step * np.arange(len(data)),
        v=data.reshape(len(data), n_nodes, sizes[0]),
        nodes=mapping["node_ids"][()].astype(int),
        elements=elements[0].astype(int),
        units=units.decode() if isinstance(units, bytes) else str(units),
    )


class Run:
    """The output folder of one run."""

    def __init__(self, folder):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder}: no such run; `apical run <circuit> --out {self.folder}` makes it")
        manifest = self.folder / "manifest.json"
        self.manifest = json.loads(manifest.read_text()) if manifest.exists() else {}

    def _open(self, name):
        path = self.folder / name
        if not path.exists():
            there = ", ".join(sorted(p.name for p in self.folder.glob("*.h5")))
            raise FileNotFoundError(f"{path}: not there; the run holds {there or 'no HDF5 file'}")
        return h5py.File(path, "r")

    def reports(self):
        """Names of all reports: [('potentials', 'before'), ...], the second None without blocks."""
        found = []
        for path in sorted(self.folder.glob("*.h5")):
            with h5py.File(path, "r") as f:
                if "report" in f:
                    name, _, block = path.stem.partition(".")
                    found.append((name, block or None))
        return found

    def report(self, block=None, name="potentials"):
        """The populations of one report in one block, by name."""
        with self._open(f"{name}.{block}.h5" if block else f"{name}.h5") as f:
            return Names({key: read_population(group) for key, group in f["report"].items()})

    @property
    def projections(self):
        with self._open("weights.h5") as f:
            return list(f["weights"])

    def weights(self, projection):
        with self._open("weights.h5") as f:
            group = Names(f["weights"])[projection]
            first = next(iter(group.values()))
            return Weights({k: d[()] for k, d in group.items()}, dict(first.attrs))

    @property
    def probes(self):
        """Columns of probes.h5: one value per presentation; 'start' [ms] and 'block' among them."""
        with self._open("probes.h5") as f:
            return Names({k: d[()] for k, d in f["probes"].items()})

    def readout(self, name):
        """One of the circuit's readouts."""
        path = self.folder / f"readout.{name}.csv"
        if not path.exists():
            there = ", ".join(sorted(p.name for p in self.folder.glob("readout.*.csv")))
            raise FileNotFoundError(f"{path}: not there; the run holds {there or 'no readout'}")
        with path.open(newline="") as f:
            rows = list(csv.DictReader(f))
        cells = list(dict.fromkeys(row["cell"] for row in rows))
        first, every = rows[:len(cells)], rows[::len(cells)]  # of one presentation; of one cell

        def table(column):
            return np.array([float(row[column]) for row in rows]).reshape(len(every), len(cells))

        return Readout(
            presentation=np.array([int(row["presentation"]) for row in every]),
            block=np.array([row["block"] for row in every]),
            cell=np.array([int(row["cell"]) for row in first]),
            group=np.array([row["group"] for row in first]),
            soma=table("soma"),
            dendrite=table("dendrite"),
            residual=table("residual"),
        )

    def probe_unit(self, column):
        with self._open("probes.h5") as f:
            unit = f["probes"][stored_name(column)].attrs.get("unit", "")
            return unit.decode() if isinstance(unit, bytes) else str(unit)
