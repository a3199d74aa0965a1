#!/bin/sh
# Runs every shipped circuit in full and refreshes the gallery in plots/.
set -eu
APICAL=${APICAL:-build/apical}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for circuit in circuits/*.yaml; do
    name=$(basename "$circuit" .yaml)
    echo "$name"
    "$APICAL" run "$circuit" --out "$work/$name" --progress plain | tee "$work/$name.out" | grep -v '^figure' || true
    rm -f "plots/$name-"*.png
    for picture in "$work/$name"/*.png; do
        cp "$picture" "plots/$name-$(basename "$picture")"
    done
done
