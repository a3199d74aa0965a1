"""OpenBLAS for the peers and for yardsticks: where it is, and the core type that suits this CPU best.

Debian's NumPy takes whatever libblas.so.3 stands for, often the slow reference; libraries of libopenblas0-serial or -pthread are
found here and put before it. OpenBLAS may not know a new CPU and fall back to an old one, so its core types are tried.

    python3 tests/bench/openblas.py        prints what it found
OPENBLAS=DIR names a folder with libblas.so.3 and libopenblas.so.0; OPENBLAS_CORETYPE, when set, is left as it is.
"""
import ctypes
import glob
import os
import subprocess
import sys
import time

CORES = ("", "Haswell", "Zen", "SkylakeX", "Cooperlake", "Sapphirerapids")  # "": as it decides


def folder():
    """Of the OpenBLAS with one thread, else of another one; None when there is none."""
    found = [os.environ.get("OPENBLAS", "")] + sorted(glob.glob("/usr/lib/*/openblas-*"), key=lambda p: "serial" not in p)
    return next((f for f in found if os.path.exists(os.path.join(f, "libopenblas.so.0"))), None)


def dgemm(path, n=384):
    """GFLOP/s of a square dgemm, the best of a few."""
    blas = ctypes.CDLL(path)
    a = (ctypes.c_double * (n * n))(*[0.5] * (n * n))
    c = (ctypes.c_double * (n * n))()
    one = ctypes.c_double(1)
    best = 1e9
    for _ in range(20):
        start = time.perf_counter()
        blas.cblas_dgemm(101, 111, 111, n, n, n, one, a, n, a, n, ctypes.c_double(0), c, n)
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


def core(path):
    """The core type with the fastest dgemm, and what each reached."""
    reached = {}
    for name in CORES:
        env = dict(os.environ, OPENBLAS_NUM_THREADS="1")
        env.pop("OPENBLAS_CORETYPE", None)
        if name:
            env["OPENBLAS_CORETYPE"] = name
        done = subprocess.run([sys.executable, os.path.abspath(__file__), "--dgemm", path], env=env, capture_output=True, text=True)
        if done.returncode == 0:  # else the CPU lacks an instruction
            reached[name] = float(done.stdout)
    return max(reached, key=reached.get), reached


def environment():
    """Variables under which NumPy and PyTorch find the best OpenBLAS with one thread, and a line about it."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    where = folder()
    if not where:
        return env, "OpenBLAS is not installed (libopenblas0-serial): NumPy has the reference BLAS"
    env["LD_LIBRARY_PATH"] = where + ":" + env.get("LD_LIBRARY_PATH", "")
    if "OPENBLAS_CORETYPE" not in os.environ:
        best, reached = core(os.path.join(where, "libopenblas.so.0"))
        if best:
            env["OPENBLAS_CORETYPE"] = best
        tried = ", ".join(f"{name or 'its own choice'} {speed:.0f}" for name, speed in reached.items())
        return env, f"OpenBLAS of {os.path.basename(where)}, core type {best or 'of its own choice'} (dgemm in GFLOP/s: {tried})"
    return env, f"OpenBLAS of {os.path.basename(where)}, core type {os.environ['OPENBLAS_CORETYPE']} as asked for"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dgemm"]:
        print(dgemm(sys.argv[2]))
    else:
        print(environment()[1])
