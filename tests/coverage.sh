#!/bin/sh
# After `make coverage` has run the tests: lines that they reach, file by file, and whether that is enough.
set -u
BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
(cd "$BUILD/coverage" && gcov -n ./*.gcda 2>/dev/null) | "$PYTHON" -c '
import re, sys
lines = re.findall(r"File .(?:\S*/)?(src/\w+\.c).\nLines executed:([\d.]+)% of (\d+)", sys.stdin.read())
best = {}
for name, percent, n in lines:
    best[name] = max(best.get(name, (0, 0)), (float(percent), int(n)))
total = sum(n for _, n in best.values())
hit = sum(p * n / 100 for p, n in best.values())
failed = 0
for name, (p, n) in sorted(best.items()):
    full = name in ("src/spec.c", "src/checkpoint.c", "src/io.c")
    bad = full and p < 100
    failed += bad
    print(f"{p:6.1f} % of {n:4d}  {name}" + ("   wanted: 100 %" if bad else ""))
share = 100 * hit / max(total, 1)
failed += share < 92
line = f"promise: coverage: {share:.1f} % of {total} lines; spec.c, checkpoint.c, io.c: " + ", ".join(
    f"{best.get(f, (0, 0))[0]:.0f} %" for f in ("src/spec.c", "src/checkpoint.c", "src/io.c"))
print(line)
open(sys.argv[1] + "/promises.log", "a").write(line + "\n")
print(f"{len(best) + 1 - failed} passed, {failed} failed")
sys.exit(failed > 0 or not best)
' "$BUILD"
