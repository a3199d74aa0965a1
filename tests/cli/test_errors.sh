#!/bin/sh
# `apical errors`: files, agreement of CSV, HDF5 and probes, what is nan, what is refused.
. tests/cli/lib.sh
scratch=$work/out
circuit=$work/circuit.yaml
cat >"$circuit" <<'YAML'
version: 1
name: beside
seed: 5
microcircuit:
  layers: [6, 9, 7, 4]
  conductance: {leak: 0.1 /ms, basal: 1 /ms, apical: 0.08 /ms, dendrite: 1 /ms, nudge: 0.08 /ms}
  weights: {forward: "uniform(-1, 1)", feedback: transposed}
  plasticity: {forward: 0.0001 /ms}
stimulus: {kind: random, range: [0, 1], patterns: 5}
target: {kind: random, range: [0.1, 0.9], patterns: 5}
schedule:
  - {name: quiet, presentations: 1, duration: 100 ms, teacher: off, plasticity: off}
  - {name: learning, presentations: 4, duration: 100 ms}
integrator: {kind: bdf, rtol: 1e-9, atol: 1e-12}
probes:
  - {kind: apical-angle, of: hidden1.pyr}
  - {kind: gradient-angle, projection: forward1}
  - {kind: ngrad-angle, of: hidden1.pyr}
  - {kind: change-angle, projection: forward1}
  - {kind: adjoint-angle, projection: forward1}
YAML
says() { # text, exit code, command...
    text=$1 expected=$2
    shift 2
    "$@" >"$scratch" 2>&1 </dev/null
    [ $? -eq "$expected" ] && grep -qF -- "$text" "$scratch"
}
field() { awk -F, -v row="$1" -v col="$2" 'NR == row {print $col}' "$work/a/errors.csv"; }
below() { awk -v x="$1" -v y="$2" 'BEGIN {exit !(x != "nan" && x + 0 < y)}'; }

check "it runs" says "means over 4 presentations with teacher, of 5 analysed, of 5" 0 \
    "$APICAL" errors "$circuit" --out "$work/a"
for file in errors.csv errors.h5 errors-angles.png errors-scatter.png errors-maps.png; do
    check "$file is there and named" [ -s "$work/a/$file" ] && grep -q "file $work/a/$file" "$scratch"
done
check "its log is gone" [ ! -e "$work/a/errors.log" ]
check "a row per presentation and layer" [ "$(wc -l <"$work/a/errors.csv")" -eq 16 ]
check "no teacher, no angle" [ "$(field 2 7)" = nan ]
check "no apical dendrite at the output, no angle" [ "$(field 7 7)" = nan ]
check "transposed feedback follows backprop" below "$(field 5 7)" 5
check "its rule follows the gradient" below "$(field 5 12)" 5
check "transposed weights" below "$(field 2 11)" 0.001
digest=$(sed -n 's/^digest //p' "$scratch")
"$APICAL" run "$circuit" --out "$work/run" --progress none --no-figures >"$scratch" 2>/dev/null
check "the digest is that of the run" [ "$digest" = "$(sed -n 's/^digest //p' "$scratch")" ]
check "HDF5, CSV and probes agree" "$PYTHON" - "$work" <<'PY'
import csv, math, sys
import h5py, numpy
work = sys.argv[1]
rows = list(csv.DictReader(open(work + "/a/errors.csv")))
same = lambda a, b: a == b or (math.isnan(a) and math.isnan(b))
with h5py.File(work + "/a/errors.h5") as f, h5py.File(work + "/run/probes.h5") as p:
    for i, row in enumerate(rows):
        group = f[row["layer"].replace(".", "_")]
        for name in ("apical_angle", "apical_ratio", "formula_error", "gradient_angle", "loss"):
            assert same(float(row[name]), group[name][i // 3]), name
    g = f["hidden1_pyr"]
    probes = {k: v[:] for k, v in p["probes"].items()}
    for name, column in (("apical-angle", "apical_angle"), ("gradient-angle", "gradient_angle"),
                         ("ngrad-angle", "ngrad_angle"), ("change-angle", "change_angle"),
                         ("adjoint-angle", "change_adjoint_angle")):
        key = min(k for k in probes if k.startswith(name))
        assert all(same(a, b) for a, b in zip(probes[key], g[column][:])), (name, sorted(probes))
    for layer in ("hidden1_pyr", "hidden2_pyr", "output"): # of the last presentation
        change, backprop, adjoint = (f[layer][m][:] for m in ("change", "backprop_gradient", "adjoint_gradient"))
        angle = lambda a, b: math.degrees(math.acos((a * b).sum() / numpy.linalg.norm(a) / numpy.linalg.norm(b)))
        for a, b, column in ((change, -backprop, "change_angle"), (change, -adjoint, "change_adjoint_angle"),
                             (adjoint, backprop, "adjoint_angle")):
            assert abs(angle(a, b) - f[layer][column][-1]) < 1e-5, (layer, column)
        assert f[layer]["adjoint_angle"][-1] < 10, layer # transients make the change itself another matter
        ratio = numpy.linalg.norm(adjoint) / numpy.linalg.norm(backprop)
        assert abs(ratio / f[layer]["adjoint_ratio"][-1] - 1) < 1e-12 and 0.9 < ratio < 1.1
    a, b = g["apical"][:], g["backprop"][:]
    assert a.shape == (5, 9) and numpy.allclose(a, g["topdown"][:] + g["lateral"][:], atol=1e-14)
    assert numpy.isnan(b[0]).all() and not numpy.isnan(b[1:]).any()
    for i in range(1, 5):
        cosine = a[i] @ b[i] / numpy.linalg.norm(a[i]) / numpy.linalg.norm(b[i])
        assert abs(cosine - g["apical_cosine"][i]) < 1e-12
PY
check "a block for longer than it lasts" says "of 3 analysed, of 9" 0 \
    "$APICAL" errors "$circuit" --block learning --presentations 9 --every 3 --out "$work/b" --no-figures
check "no figures" [ ! -e "$work/b/errors-angles.png" ]
check "a folder that is not empty" says "is not empty" 3 "$APICAL" errors "$circuit" --out "$work/b"
check "it is replaced when asked" says "of 2 analysed, of 2" 0 "$APICAL" errors "$circuit" --block learning \
    --presentations 2 --out "$work/b" --overwrite
check "an unknown block" says "did you mean 'learning'" 2 "$APICAL" errors "$circuit" --block learnin --out "$work/c"
check "a block without teacher" says "the teacher is off" 2 "$APICAL" errors "$circuit" --block quiet --out "$work/c"
check "too few presentations to meet the teacher" says "1 presentations: the teacher is off" 2 \
    "$APICAL" errors "$circuit" --presentations 1 --out "$work/c"
check "nothing was written" [ ! -e "$work/c" ]
check "a probe of the output" says "output is no hidden layer" 2 "$APICAL" check "$circuit" --set probes.0.of=output
check "a probe of no matrix" says "is no matrix of the feedforward network" 2 \
    "$APICAL" check "$circuit" --set probes.1.projection=feedback1
check "a probe of a matrix without rule" says "has no plasticity rule" 2 \
    "$APICAL" check "$circuit" --set "microcircuit.plasticity.forward=0 /ms"
"$APICAL" errors "$work/run" --out "$work/d" --no-figures >"$scratch" 2>&1
check "a run is repeated to its digest" grep -qx "digest $digest, that of the run" "$scratch"
check "with the same numbers" cmp -s "$work/a/errors.csv" "$work/d/errors.csv"
loop=$("$APICAL" run circuits/neurofeedback.yaml --out "$work/loop" --progress none --no-figures \
    --set schedule.listening.presentations=1 --set schedule.fitting.presentations=1 --set schedule.baseline.presentations=5 \
    --set schedule.training.presentations=9 2>"$scratch" | sed -n 's/^digest //p')
"$APICAL" errors "$work/loop" --no-adjoint --out "$work/k" --no-figures >"$scratch" 2>&1
check "so is one whose cursor chooses the patterns" grep -qx "digest ${loop:-none}, that of the run" "$scratch"
"$APICAL" errors "$work/run" --set seed=6 --out "$work/e" --no-figures >"$scratch" 2>&1
check "overrides are another run" grep -q "warning: $work/run has the digest $digest" "$scratch"
check "a run's final weights, in its last block with teacher" says "of 2 analysed, of 2" 0 \
    "$APICAL" errors "$work/run" --weights final --presentations 2 --out "$work/f" --no-figures
check "the circuit's own weights are the initial ones" cmp -s "$work/g/errors.csv" "$work/h/errors.csv" <<EOF
$("$APICAL" errors "$work/run" --weights initial --block learning --out "$work/g" --no-figures 2>&1)
$("$APICAL" errors "$circuit" --block learning --out "$work/h" --no-figures 2>&1)
EOF
check "the final weights are others" sh -c "! cmp -s '$work/f/errors.csv' '$work/b/errors.csv'"
check "weights that the log does not hold" says "no weights 'middle'" 2 \
    "$APICAL" errors "$work/run" --weights middle --out "$work/i"
check "weights of a circuit file" says "--weights needs the folder of a run" 2 \
    "$APICAL" errors "$circuit" --weights final --out "$work/i"
check "a folder without a run" says "a/circuit.yaml" 3 "$APICAL" errors "$work/a" --out "$work/i"
check "other layers" says "has 9 x 6 weights in the log" 2 \
    "$APICAL" errors "$work/run" --weights final --set populations.hidden1.pyr.size=8 --out "$work/i"
check "no adjoint, no column" "$APICAL" errors "$circuit" --no-adjoint --out "$work/j" --no-figures
check "it is nan" [ "$(awk -F, 'NR == 5 {print $19}' "$work/j/errors.csv")" = nan ]
for threads in 1 2; do
    "$APICAL" errors "$circuit" --out "$work/t$threads" --threads $threads >/dev/null 2>&1
done
check "the same bits for any number of threads" cmp -s "$work/t1/errors.csv" "$work/t2/errors.csv"
finish
