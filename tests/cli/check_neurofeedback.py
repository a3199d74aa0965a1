"""What an experimenter measures in runs of circuits/neurofeedback.yaml. Prints one line per run:
name, difference of residuals P+ - P- while the error falls (nan: it never does), the same through calcium, its mean and its
largest size over all of training, root mean square change of the hidden cells' input weights, error of the read-out before and
after, hits of the cursor before and after. Before and after: the same loop, without teacher. The error falls where it is
smaller than when the cursor was last at the same place."""
import csv
import sys

import h5py
import numpy as np

POSITIONS = 7


def differences(run, readout):
    """Per presentation: block, number, mean residual of P+ minus that of P-."""
    groups, blocks = {}, {}
    for row in csv.DictReader(open(f"{run}/readout.{readout}.csv")):
        number = int(row["presentation"])
        blocks[number] = row["block"]
        groups.setdefault((number, row["group"]), []).append(float(row["residual"]))
    numbers = sorted(blocks)
    mean = {key: np.mean(values) for key, values in groups.items()}
    return (np.array(numbers), np.array([blocks[n] for n in numbers]),
            np.array([mean[n, "plus"] - mean[n, "minus"] for n in numbers]))


def falling(numbers, place, error):
    """The presentations with a smaller error than the last one at the same place."""
    last, found = {}, []
    for number in numbers:
        if error[number] < last.get(place[number], -np.inf):
            found.append(number)
        last[place[number]] = error[number]
    return found


for run in sys.argv[1:]:
    with h5py.File(f"{run}/probes.h5") as f:
        error, hits = f["probes/error"][()], f["probes/hits"][()]
        place = f["probes/pattern"][()] % POSITIONS
    with h5py.File(f"{run}/weights.h5") as f:
        moved = f["weights/forward1/final"][()] - f["weights/forward1/initial"][()]
    found = []
    for readout in ("residual", "calcium"):
        numbers, blocks, difference = differences(run, readout)
        training = numbers[blocks == "training"]
        chosen = np.isin(numbers, falling(training, place, error))
        found.append(difference[chosen].mean() if chosen.any() else np.nan)
        if readout == "residual":
            whole = difference[blocks == "training"]
    before, after = (error[numbers[blocks == b]].mean() for b in ("baseline", "after"))
    reached = (hits[numbers[blocks == b]].sum() for b in ("baseline", "after"))
    print(run.rsplit("/", 1)[-1], *(f"{x:.5f}" for x in (*found, whole.mean(), np.abs(whole).max(), np.sqrt((moved**2).mean()), before, after)),
          *(f"{x:.0f}" for x in reached))
