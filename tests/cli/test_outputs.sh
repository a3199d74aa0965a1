#!/bin/sh
# What a run leaves behind: manifest, circuit, SONATA reports, weights, probes, pictures, log; and what is done to it.
. tests/cli/lib.sh
run=$work/run
short() { # options...: association, shortened to 8 presentations
    "$APICAL" run circuits/association.yaml --progress none --set schedule.self-prediction.presentations=2 \
        --set schedule.learning.presentations=2 "$@"
}
outputs() { "$PYTHON" tests/cli/check_outputs.py "$@"; }
code() { # expected exit code, command...
    expected=$1
    shift
    "$@" >"$work/out" 2>&1
    [ $? -eq "$expected" ]
}
says() { # text, exit code, command...
    text=$1
    shift
    code "$@" && grep -qF -- "$text" "$work/out"
}
equal() { [ -n "$1" ] && [ "$1" = "$2" ]; }
digest() { sed -n 's/^digest //p'; }

check "a run" code 0 short --out "$run"
first=$(digest <"$work/out")
check "the run names its pictures" [ "$(grep -c '^figure .*\.png$' "$work/out")" -eq 6 ]
check "manifest" outputs manifest "$run"
check "manifest and standard output agree" grep -q "\"state_digest\": \"$first\"" "$run/manifest.json"
"$APICAL" check "$run/circuit.yaml" --expand >"$work/circuit.yaml"
check "circuit.yaml is a valid, explicit circuit" cmp -s "$run/circuit.yaml" "$work/circuit.yaml"
check "circuit.yaml gives the same run" equal "$first" \
    "$("$APICAL" run "$run/circuit.yaml" --out "$work/again" --progress none --no-figures 2>"$work/err" | digest)"
for report in "$run"/potentials.*.h5; do
    check "$(basename "$report")" "$PYTHON" tests/cli/check_sonata.py "$report" 200
done
check "four reports" [ "$(find "$run" -name 'potentials.*.h5' | wc -l)" -eq 4 ]
for what in weights probes values; do
    check "$what" outputs $what "$run"
done

# ---- readouts: from the run, and again from its log with other settings
lines() { wc -l <"$1" | tr -d ' '; }
check "no readouts" says "lists no readouts" 2 "$APICAL" readout "$run" --out "$work/seen"
one='readouts=[{name: mine, of: hidden1.pyr, during: before, groups: {all: "hidden1.pyr[0:3]"}}]'
check "a readout of a finished run" says "file $work/seen/readout.mine.csv" 0 "$APICAL" readout "$run" --set "$one" \
    --out "$work/seen"
check "a row per cell" equal "$(lines "$work/seen/readout.mine.cells.csv")" 21
check "a row per cell and presentation" equal "$(lines "$work/seen/readout.mine.csv")" 21
check "its figure" [ -s "$work/seen/residual.png" ]
check "calcium" says "readout.mine.csv" 0 "$APICAL" readout "$run" --set "$one" \
    --set readouts.mine.kind=calcium --set "readouts.mine.decay=50 ms" --out "$work/calcium"
check "it differs" [ "$(md5sum <"$work/seen/readout.mine.csv")" != "$(md5sum <"$work/calcium/readout.mine.csv")" ]
check "nothing else can be set" says "only \`readouts\` can be set" 2 "$APICAL" readout "$run" --set seed=2

# ---- weights from a file: the same numbers, so the same run
set --
for p in forward1 forward2 feedback1 interneuron1 lateral1; do
    set -- "$@" --set "projections.$p.weights=file(run/weights.h5, /weights/$p/initial)"
done
check "weights read back from a file" equal "$first" \
    "$("$APICAL" run "$work/circuit.yaml" "$@" --out "$work/again" --overwrite --progress none --no-figures 2>"$work/err" | digest)"
continued() { # sets of the final weights: one more presentation after the end
    "$APICAL" run "$work/circuit.yaml" "$@" --out "$work/on" --overwrite --progress none --no-figures --stop-after 1
}
set --
for p in forward1 forward2 feedback1 interneuron1 lateral1; do
    set -- "$@" --set "projections.$p.weights=file(run/weights.h5, /weights/$p/final)"
done
check "a continuation" code 0 continued "$@"
check "it starts where the run ended" "$PYTHON" -c "
import h5py, sys
a, b = (h5py.File(f'$work/{run}/weights.h5')['weights'] for run in ('run', 'on'))
sys.exit(not all((a[p]['final'][()] == b[p]['initial'][()]).all() for p in a))"

# ---- pictures
check "pictures" outputs pictures "$run"
check "render" code 0 "$APICAL" render "$run" --out "$work/drawn/again"
check "rendering gives the same pixels" outputs pictures "$run" "$work/drawn/again"
check "render one, by name" says "apical-error-hidden1.pyr.png" 0 "$APICAL" render "$run" apical-error-hidden1.pyr --out "$work/one"
check "it alone" [ "$(find "$work/one" -type f | wc -l)" -eq 1 ]
check "render one, by kind" code 0 "$APICAL" render "$run" traces --out "$work/one"
check "render nonsense" says "there is no kind of figure 'tracse'" 2 "$APICAL" render "$run" tracse --out "$work/one"
check "render what has no data" says "hint:" 2 "$APICAL" render "$run" confusion --out "$work/one"
check "a run without figures" code 0 short --out "$work/bare" --set "figures=[]"
check "it has none" [ "$(find "$work/bare" -name '*.png' | wc -l)" -eq 0 ]
for kind in apical-error traces voltage learning-curve weights; do
    check "render $kind, which is not listed" says "$kind.png" 0 "$APICAL" render "$work/bare" $kind --out "$work/unlisted"
    check "$kind.png is there" [ -s "$work/unlisted/$kind.png" ]
done
check "render into a file" says "is not a folder" 3 "$APICAL" render "$run" --out "$run/run.log"

# ---- a damaged log
cat >"$work/damage.py" <<'END'
import os, random, struct, subprocess, sys
program, log, copy = sys.argv[1:]
data = open(log, "rb").read()
random.seed(1)
os.makedirs(copy, exist_ok=True)
def refused(bad):
    with open(f"{copy}/run.log", "wb") as f:
        f.write(bad)
    r = subprocess.run([program, "render", copy, "weights"], capture_output=True, text=True)
    return r.returncode == 3 and "error:" in r.stderr and not os.path.exists(f"{copy}/weights.png")
places = list(range(0, 40)) + list(range(len(data) - 160, len(data))) + [random.randrange(len(data)) for _ in range(100)]
at = 0  # of each block its head and its padding: u32 magic, u32 type, u64 length, 2 u64 sizes, payload, padding, digest
while at < len(data):
    length, = struct.unpack("<Q", data[at + 8:at + 16])
    end = at + 32 + length
    places += [at, at + 5, at + 17, at + 25] + list(range(end, end + -length % 8))
    at = end + -length % 8 + 16
for i in places:
    bad = bytearray(data)
    bad[i] ^= 1 << random.randrange(8)
    if not refused(bad):
        sys.exit(f"a flipped bit of byte {i} of {len(data)} was not noticed")
for n in [0, 1, 15, 16, 40] + [len(data) - k for k in (1, 8, 16, 17, 40)] + [random.randrange(len(data)) for _ in range(20)]:
    if not refused(data[:n]):
        sys.exit(f"a log cut after {n} of {len(data)} bytes was not noticed")
END
short --out "$work/small" --stop-after 2 --no-figures --set seed=3 >"$work/out" 2>&1
check "damage of the log is refused" "$PYTHON" "$work/damage.py" "$APICAL" "$work/small/run.log" "$work/damaged"
check "the message names log and byte" says "run.log: damaged at byte" 3 "$APICAL" render "$work/damaged"

# ---- replacing a run
echo mine >"$run/mine.txt"
mkdir "$run/sub" && echo mine >"$run/sub/circuit.yaml"
before=$(find "$run" -type f -exec md5sum {} + | sort)
check "a second run is refused" says "is not empty" 3 short --out "$run"
check "nothing was changed" equal "$before" "$(find "$run" -type f -exec md5sum {} + | sort)"
check "a broken circuit leaves the old run" code 2 short --out "$run" --overwrite --set seed=x
check "nothing was removed" equal "$before" "$(find "$run" -type f -exec md5sum {} + | sort)"
check "--overwrite" code 0 short --out "$run" --overwrite --no-figures --set record=[] --set "figures=[]" --set seed=2
check "strangers survive" equal "$(cat "$run/mine.txt" "$run/sub/circuit.yaml")" "mine
mine"
check "what the old run wrote is gone" [ "$(find "$run" -name '*.png' -o -name 'potentials.*' | wc -l)" -eq 0 ]
rm -r "$run/mine.txt" "$run/sub"
check "the new manifest is complete" outputs manifest "$run"
sed -i 's/"run.log"/"..\/bare\/run.log"/' "$run/manifest.json"
check "a manifest cannot name files elsewhere" sh -c "'$APICAL' run circuits/association.yaml --out '$run' --overwrite \
    --stop-after 1 --progress none --no-figures >'$work/out' 2>&1; [ -s '$work/bare/run.log' ]"
finish
