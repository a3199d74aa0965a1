#!/usr/bin/env python3
"""endurance.py LOG [PRESENTATIONS]: a tiny circuit that learns, for a million presentations; /proc is watched meanwhile.

After the first 1 % resident memory stays within 1 % and the number of open files is constant. Environment: APICAL."""
import os
import subprocess
import sys
import tempfile
import time

CIRCUIT = """version: 1
name: endurance
about: Many short presentations.
seed: 1
microcircuit:
  layers: [3, 2, 2]
  transfer: logistic
  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}
  plasticity: {forward: [0.001 /ms, 0.0005 /ms], interneuron: 0.001 /ms, lateral: 0.0005 /ms, lowpass: 30 ms}
stimuli:
  pattern: {of: input, kind: random, range: [0, 1], fresh: on, smoothing: 3 ms}
  goal: {of: target, kind: random, range: [0.05, 0.95], smoothing: 3 ms}
schedule:
  - {name: learning, presentations: %d, duration: 2 ms, present: [pattern, goal]}
integrator: {kind: euler, step: 0.5 ms, weights: held}
record: {of: [output], every: 1 ms, limit: 2}
probes:
  - {kind: squared-potential, of: hidden1.pyr/apical, name: apical-error}
"""


def look(pid):
    """Resident KiB, open files, bytes of the log, or None when the program has ended."""
    try:
        with open("/proc/%d/status" % pid) as status:
            resident = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
        return resident[0], len(os.listdir("/proc/%d/fd" % pid))
    except (OSError, IndexError):
        return None


def main():
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "endurance.yaml"), os.path.join(folder, "run")
        with open(path, "w") as file:
            file.write(CIRCUIT % n)
        start, seen = time.time(), []
        run = subprocess.Popen([os.environ["APICAL"], "run", path, "--out", out, "--no-figures", "--threads", "1",
                                "--progress", "none", "--checkpoint-every", "5"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        log, done = os.path.join(out, "run.log"), None
        while run.poll() is None:
            now = look(run.pid)
            if now:
                try:
                    seen.append((time.time() - start, os.path.getsize(log)) + now)
                except OSError:
                    pass
            time.sleep(0.05)
        words = run.stdout.read() + run.stderr.read()
        seconds = time.time() - start
        size = os.path.getsize(log) if os.path.exists(log) else 0
    print(words.strip())
    # what is simulated grows the log evenly; the export into HDF5 comes after, when the log has its last length
    at = [s for s in seen if size / 100 < s[1] < size]
    after = [s for s in seen if s[1] >= size]
    if run.returncode or len(at) < 100:
        print("exit %d, %d samples" % (run.returncode, len(at)))
        print("0 passed, 1 failed")
        return 1
    low, high = min(s[2] for s in at), max(s[2] for s in at)
    files = sorted({s[3] for s in at})
    growth = 100.0 * (high - low) / low
    print("%d presentations in %.0f s; %d samples while simulating" % (n, seconds, len(at)))
    for part in (0, 0.25, 0.5, 0.75, 1):
        s = at[round(part * (len(at) - 1))]
        print("  %6.1f s  log %9d bytes  resident %6d KiB  %d open files" % s)
    if after:
        print("  exporting: resident up to %d KiB, %d to %d open files" % (
            max(s[2] for s in after), min(s[3] for s in after), max(s[3] for s in after)))
    # while a checkpoint is written there is one file more
    usual = max(files, key=lambda k: sum(s[3] == k for s in at))
    steady = all(usual <= k <= usual + 2 for k in files) and at[0][3] == at[-1][3]
    good = (growth <= 1.0) + steady
    figure = "%d presentations in %.0f s: resident memory %d KiB, range %.2f %%; %s open files; export at the end: %d KiB" % (
        n, seconds, high, growth, " or ".join(map(str, files)), max([s[2] for s in after], default=0))
    print("promise: endurance: " + figure)
    with open(sys.argv[1], "a") as file:
        file.write("promise: endurance: " + figure + "\n")
    print("%d passed, %d failed" % (good, 2 - good))
    return good < 2


sys.exit(main())
