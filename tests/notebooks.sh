#!/bin/sh
# Executes every notebook headless on a fresh run, with Debian's own Python. Notebooks are committed without outputs.
. tests/cli/lib.sh
root=$(pwd)
export OMP_WAIT_POLICY=passive
case "$APICAL" in /*) ;; *) APICAL=$root/$APICAL ;; esac
unset MPLBACKEND # the notebook shows its figures inline

"$APICAL" run circuits/association.yaml --out "$work/association" --progress none --no-figures >/dev/null 2>&1
for notebook in notebooks/*.ipynb; do
    check "$notebook is committed without outputs" "$PYTHON" - "$notebook" <<'EOF'
import json, sys
cells = json.load(open(sys.argv[1]))["cells"]
sys.exit(any(c.get("outputs") or c.get("execution_count") for c in cells))
EOF
    check "$notebook runs" env APICAL="$APICAL" APICAL_RUN="$work/association" \
        APICAL_RUNS="$work/runs" "$PYTHON" -m nbconvert --to notebook --execute \
        --ExecutePreprocessor.timeout=120 --output-dir "$work" --log-level ERROR "$root/$notebook"
    check "$notebook shows figures" grep -q image/png "$work/$(basename "$notebook")"
done
finish
