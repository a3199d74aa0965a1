#!/usr/bin/env python3
"""mutants.py LOG [--count N] [--seed N] [--file NAME]: do the tests notice a wrong line?

One line at a time is changed in the files of TESTS, of a copy (an operator, a constant, an index, a
condition, a statement that is left out); the tests of that file run until one fails, which kills the mutant, as does a test that
no longer ends. Lines are drawn by a hash of their own text, so that a change elsewhere draws the same ones. A mutant with the
same object code is none. Those that no test can tell from the original are listed with the reason in tests/mutants.txt.
The last line is "N passed, N failed": killed and survived. Environment: MAKE.
"""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

p = argparse.ArgumentParser()
p.add_argument("log")
p.add_argument("--count", type=int, default=80)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--file", help="one file alone")
args = p.parse_args()

# Fast ones first. `golden few` compares digests, so for the engine it sees every bit of a short run.
TESTS = {
    "rhs": ["test_rhs", "test_sim", "golden few", "test_plasticity", "test_intervention", "test_model", "test_adjoint",
            "golden short"],
    "stage": ["test_rhs", "test_sim", "golden few", "test_plasticity", "test_intervention", "test_model", "test_adjoint",
              "golden short"],
    "tangent": ["test_rhs", "test_adjoint", "test_hierarchy", "golden few", "test_intervention", "golden short"],
    "hierarchy": ["test_hierarchy", "golden few", "golden short"],
    "factor": ["test_factor", "golden few", "golden short"],
    "mirror": ["test_mirror", "golden few", "golden short"],
    "batch": ["test_batch", "golden few", "golden short"],
    "plasticity": ["test_plasticity", "test_sim", "golden few", "test_model", "test_intervention", "golden short"],
    "checkpoint": ["test_checkpoint", "test_powerloss", "resume", "faults"],
    "spec": ["test_spec", "test_schema", "test_circuit", "test_intervention", "test_registry", "bad", "commands",
             "outputs", "golden few"],
}
SWAPS = [(" + ", " - "), (" - ", " + "), (" * ", " / "), (" / ", " * "), (" < ", " <= "), (" <= ", " < "), (" > ", " >= "),
         (" >= ", " > "), (" == ", " != "), (" != ", " == "), (" && ", " || "), (" || ", " && "), (" += ", " -= "),
         (" -= ", " += "), ("true", "false"), ("false", "true"), ("continue;", "break;")]
STATEMENT = re.compile(r"^(?!return|break|continue|goto|else|case|static|const|struct|enum|double|int|size_t|bool|char)"
                       r"(\*?[\w\->.\[\]]+ [-+*|&]?= [^;]*|[\w\->.\[\]]+\(.*\)|[\w\->.]+\+\+);$")


def masked(text):
    """The same text with comments, strings and lines of the preprocessor blanked."""
    out = re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'",
                 lambda m: re.sub(r"[^\n]", "\x00", m.group()), text, flags=re.S)
    return [re.sub(r".", "\x00", line) if line.startswith("#") else line for line in out.split("\n")]


def mutants_of_line(code, line):
    """(name, new line) of everything that is tried on one line; code: the line masked."""
    for old, new in SWAPS:
        for m in re.finditer(r"\b%s" % old if old[0].isalpha() else re.escape(old), code):
            yield old.strip() + " to " + new.strip(), line[:m.start()] + new + line[m.end():]
    for m in re.finditer(r"(?<![\w.])\d+(?![\w.])", code):
        yield "constant", line[:m.start()] + str(int(m.group()) + 1) + line[m.end():]
    for m in re.finditer(r"\[([\w>.\-]*[a-z]\w*)\](?! ?=? ?\{)", code):
        if not re.match(r"\s*(static |const )*(struct \w+|char|double|enum \w+|bool|size_t)\W[^=]*$", code[:m.start()]):
            yield "index", line[:m.end() - 1] + " + 1" + line[m.end() - 1:]
    for m in re.finditer(r"!(?=[a-zA-Z_(*])", code):
        yield "not", line[:m.start()] + line[m.end():]
    m = re.match(r"^(\s*(?:\} else )?(?:if|while) )(\(.*\))( \{)?$", code)
    if m and m.group(2).count("(") == m.group(2).count(")"):
        yield "condition", line[:m.start(2)] + "(!" + line[m.start(2):m.end(2)] + ")" + line[m.end(2):]
    m = STATEMENT.match(code.strip())
    if m:
        yield "left out", line[:len(line) - len(line.lstrip())] + ";"


def candidates(name, text):
    """All mutants of a file in the order in which they are taken: (name of the change, number of the line, new line)."""
    lines, seen, out = text.split("\n"), {}, []
    for number, code in enumerate(masked(text)):
        line = lines[number]
        seen[line] = seen.get(line, 0) + 1
        for kind, new in mutants_of_line(code, line):
            key = "%d %s %d %s %s" % (args.seed, name, seen[line], line, new)
            out.append((hashlib.sha256(key.encode()).hexdigest(), kind, number, new))
    taken, order = set(), []
    for _, kind, number, new in sorted(out):  # one of each line
        if number not in taken:
            order.append((kind, number, new))
        taken.add(number)
    return order


def run(command, limit=None):
    """True when it succeeds in time."""
    child = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, start_new_session=True, env=environment)
    try:
        run.said = child.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.communicate()
        return False
    return child.returncode == 0


def make(*targets):
    return run([os.environ.get("MAKE", "make"), "-s", "WARN=", "FLAGS.release=-O1", *targets])


def build_of(test):
    return ["build/release/tests/" + test] if test.startswith("test_") else ["all", "build/release/tests/apical-faults"]


def command_of(test):
    if test.startswith("test_"):
        return ["build/release/tests/" + test]
    script, *options = test.split()
    return ["sh", "tests/cli/test_%s.sh" % script, *options]


def verdict(name, path, text):
    """What becomes of a mutant that lies in path."""
    if not make("build/release/%s.o" % name):
        return "not compiling", ""
    with open(os.path.join(work, "build/release/%s.o" % name), "rb") as f:
        if f.read() == objects[name]:
            return "same code", ""
    for test in TESTS[name]:
        if not make(*build_of(test)):
            return "not compiling", ""
        if not run(command_of(test), limits[test]):
            return "killed", test
    return "survived", ""


def marked():
    """{(file, new line): reason} of tests/mutants.txt."""
    out = {}
    with open("tests/mutants.txt") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, new, reason = (part.strip() for part in line.split(" | "))
                out[name, new] = reason
    return out


equivalent = marked()
names = [args.file] if args.file else list(TESTS)
work = tempfile.mkdtemp()
environment = dict(os.environ, OMP_WAIT_POLICY="passive", APICAL="build/release/apical", OBJ="build/release", PYTHON=sys.executable,
                   TMPDIR=work)
for key in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"):  # of the make that called us
    environment.pop(key, None)
sums = {}
try:
    for path in subprocess.check_output(["git", "ls-files"], text=True).split("\n"):
        if path and os.path.exists(path) and not path.endswith((".png", ".ipynb")):
            os.makedirs(os.path.join(work, os.path.dirname(path)), exist_ok=True)
            shutil.copy2(path, os.path.join(work, path))
    os.symlink(os.path.realpath("data"), os.path.join(work, "data"))
    if not make("all", "tests-built"):
        sys.exit("the copy was not built:\n" + run.said)
    objects, limits = {}, {}
    for name in names:
        with open(os.path.join(work, "build/release/%s.o" % name), "rb") as f:
            objects[name] = f.read()
        for test in TESTS[name]:
            if test not in limits:
                began = time.monotonic()
                if not run(command_of(test)):
                    sys.exit("%s fails without any mutant:\n%s" % (test, run.said[-3000:]))
                limits[test] = 20 + 10 * (time.monotonic() - began)
    for at, name in enumerate(names):
        path = os.path.join(work, "src/%s.c" % name)
        with open(path) as f:
            text = f.read()
        wanted = args.count * (at + 1) // len(names) - args.count * at // len(names)
        for kind, number, new in candidates(name, text):
            if wanted == 0:
                break
            lines = text.split("\n")
            old, lines[number] = lines[number], new
            with open(path, "w") as f:
                f.write("\n".join(lines))
            what, by = verdict(name, path, text)
            if what == "survived" and (name, new.strip()) in equivalent:
                what, by = "equivalent", equivalent[name, new.strip()]
            wanted -= what in ("killed", "survived", "equivalent")
            sums[what] = sums.get(what, 0) + 1
            print("%-13s %s.c:%d %s: %s%s" % (what, name, number + 1, kind, new.strip(), by and "  [%s]" % by), flush=True)
            if what == "survived":
                print("%-13s %s" % ("  it was", old.strip()), flush=True)
        with open(path, "w") as f:
            f.write(text)
finally:
    shutil.rmtree(work, ignore_errors=True)
killed, survived = sums.get("killed", 0), sums.get("survived", 0)
figure = "%d of %d killed, %d survived; besides %d equivalent, %d with the same code, %d not compiling" % (
    killed, killed + survived, survived, sums.get("equivalent", 0), sums.get("same code", 0), sums.get("not compiling", 0))
if not args.file:
    os.makedirs(os.path.dirname(args.log) or ".", exist_ok=True)
    with open(args.log, "a") as f:
        f.write("promise: mutants: %s\n" % figure)
print("promise: mutants: " + figure)
print("%d passed, %d failed" % (killed, survived))
sys.exit(survived > 0)
