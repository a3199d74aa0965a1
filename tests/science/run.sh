#!/bin/sh
# Long checks against published figures, minutes each; every line prints the measured value and its band.
export OMP_WAIT_POLICY=passive
exec "${PYTHON:-/usr/bin/python3}" tests/science/figures.py "${APICAL:-build/apical}"
