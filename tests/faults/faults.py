"""Files and memory that fail, and processes that die, at every place in turn; then the run is resumed.

Usage: faults.py PROGRAM DOOR PART [--every N] [--count N] [--seed N]
  io      the Nth system call on a file fails: disk full, quota, I/O error, once and for ever; half a read or write; EINTR
  memory  the Nth allocation fails, once and for ever, in check, run, resume, render, errors
  calls   kill -9 before the Nth system call on a file, which is after the one before
  kills   kill -9 at random moments, up to five in a row
  room    no file may grow beyond so many bytes, HDF5 files included: from 256 bytes upwards until the run succeeds
  disk    the disk is full: a file system of so many pages, from 2 upwards until the run succeeds; where one may be mounted
Every time: the right exit code, one line, and a resumed run with the bytes of a run that nothing happened to.
--every N: only every Nth place (all when absent). The last line is "N passed, N failed".
"""
import argparse, ctypes, os, random, re, resource, shutil, signal, subprocess, sys, tempfile, time

CIRCUITS = {
    "held": """version: 1
name: held
seed: 3
microcircuit:
  layers: [4, 3, 2]
  transfer: logistic
  noise: 0.1 /sqrt(ms)
  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}
  plasticity: {forward: 0.01 /ms, lowpass: 5 ms}
stimulus: {kind: images, file: images}
target: {kind: random, range: [0.1, 0.9]}
schedule: [{name: a, presentations: 2, duration: 3 ms}, {name: b, presentations: 2, duration: 2 ms, teacher: off}]
record: {of: [hidden1.pyr], every: 1 ms}
probes: [{kind: rate-error, of: output}]
figures: [weights]
integrator: {newton: hierarchy}
""",
    "coupled": """version: 1
name: coupled
microcircuit:
  layers: [3, 2, 2]
  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}
  plasticity: {forward: 0.01 /ms}
stimulus: {kind: random, fresh: on, smoothing: 1 ms}
target: {kind: random, range: [0.1, 0.9]}
schedule: [{name: a, presentations: 3, duration: 3 ms}]
integrator: {kind: adams, weights: coupled}
interventions: [{name: x, kind: shuffle, projection: feedback1}]
""",
    "euler": """version: 1
name: euler
microcircuit:
  layers: [3, 3, 2]
  transfer: softplus(0.1, 1, 3)
  noise: 0.3 /sqrt(ms)
  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}
  plasticity: {forward: 0.01 /ms, lateral: 0.01 /ms, interneuron: 0.01 /ms, lowpass: 5 ms}
stimulus: {kind: random, patterns: 5}
target: {kind: teacher, input: input, hidden: 4}
schedule:
  - repeat: 2
    do: [{name: a, presentations: 2, duration: 3 ms}]
integrator: {kind: euler, step: 0.1 ms}
record: {of: [output], every: 1 ms}
""",
}
IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + b"abcdefgh"

p = argparse.ArgumentParser()
p.add_argument("program")
p.add_argument("door")
p.add_argument("part", choices=["io", "memory", "calls", "kills", "room", "disk"])
p.add_argument("--every", type=int, default=1)
p.add_argument("--count", type=int, default=200)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--circuits", default="held,coupled,euler")
args = p.parse_args()
program, door = os.path.abspath(args.program), os.path.abspath(args.door)
os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["ASAN_OPTIONS"] = "exitcode=99:allocator_may_return_null=1"
work = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
os.chdir(work)
passed = failed = 0
faults = runs = kept = 0  # what was done, for the last lines
QUICK = ["--progress", "none"]
OFTEN = ["--checkpoint-every", "1e-9"]


def check(good, what, *more):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        if failed <= 20:
            print("FAILED:", what, *more, flush=True)
    return good


def call(command, **faults):
    env = dict(os.environ, **{"APICAL_FAULT_" + k.upper(): v for k, v in faults.items()})
    r = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                       stdin=subprocess.DEVNULL, timeout=120)
    return r.returncode, r.stdout, r.stderr


def content(folder):
    out = {}
    for name in sorted(os.listdir(folder)):
        with open(f"{folder}/{name}", "rb") as f:
            data = f.read()
        if name == "manifest.json":
            data = b"\n".join(l for l in data.split(b"\n") if b'"wall_seconds"' not in l and b'"threads"' not in l)
        out[name] = data
    return out


def differences(a, b):
    return [n for n in sorted(set(a) | set(b)) if a.get(n) != b.get(n)]


def run_of(name, out="out"):
    return ["run", f"{name}.yaml", "--out", out] + QUICK


def restore(name, straight, what):
    """After whatever happened: what a user does next ends in the bytes of the straight run."""
    if os.path.exists("out/circuit.yaml") and os.path.exists("out/manifest.json"):
        command = [program, "resume", "out"] + QUICK
    else:  # nothing was begun that could be gone on with
        command = [program] + run_of(name) + (["--overwrite"] if os.path.exists("out/manifest.json") else [])
    code, stdout, stderr = call(command)
    if check(code == 0, what, "then", command[1], code, stderr):
        d = differences(content("out"), straight)
        check(not d, what, "then", command[1], "differs in", d)


def fresh():
    shutil.rmtree("out", ignore_errors=True)


def errors_in(text):
    return [l for l in text.split("\n") if "error:" in l or "out of memory" in l]


def straight_of(name):
    fresh()
    code, _, stderr = call([door] + run_of(name) + OFTEN, count="counts")
    if code != 0:
        sys.exit(f"{name}: {stderr}")
    with open("counts") as f:
        io, mem = map(int, f.read().split())
    return content("out"), io, mem


def io_faults(name):
    global faults
    straight, calls, _ = straight_of(name)
    kinds = ["ENOSPC", "ENOSPC:ever", "EIO", "EIO:ever", "EDQUOT", "PART", "PART:ever", "EINTR"]
    for k, kind in enumerate(kinds):
        for n in range(1 + (k * 7) % args.every, calls + 1, args.every):
            fresh()
            what = f"{name}, call {n}: {kind}:"
            faults += 1
            code, _, stderr = call([door] + run_of(name) + OFTEN, io=f"{n}:{kind}")
            if code == 0:
                d = differences(content("out"), straight)
                check(not d, what, "exit 0, but", d)
                continue
            lines = errors_in(stderr)
            check(kind[:2] == "EN" and kind != "EINTR" or kind[:3] in ("EIO", "EDQ"), what, code, stderr)
            check(code == 3 and len(lines) == 1 and ("out" in lines[0] or ".yaml" in lines[0] or "images" in lines[0]),
                  what, code, stderr)
            restore(name, straight, what)


def memory_faults(name):
    global faults
    straight, _, mem = straight_of(name)
    shutil.rmtree("kept", ignore_errors=True)
    code, _, stderr = call([door] + run_of(name, "kept") + OFTEN, presentation="2:stop")
    if code != 75:
        sys.exit(f"{name}: not stopped: {code} {stderr}")
    shutil.rmtree("done", ignore_errors=True)
    call([program] + run_of(name, "done"))
    verbs = {
        "check": ["check", f"{name}.yaml"],
        "expand": ["check", f"{name}.yaml", "--expand"],
        "run": run_of(name) + OFTEN,
        "resume": ["resume", "out"] + QUICK + OFTEN,
        "render": ["render", "done", "--out", "drawn"] if name == "held" else ["render", "done", "weights", "--out", "drawn"],
        "errors": ["errors", f"{name}.yaml", "--out", "errors", "--no-figures"],
        "info": ["info", "rule"],
    }

    def once(verb, command, **faults):
        for folder in ("out", "drawn", "errors"):
            shutil.rmtree(folder, ignore_errors=True)
        if verb == "resume":
            shutil.copytree("kept", "out")
        return call([door] + command, **faults)

    for verb, command in verbs.items():
        usual, _, stderr = once(verb, command, count="counts")
        check(usual == 0, name, verb, usual, stderr)
        with open("counts") as f:
            last = int(f.read().split()[1])
        for n in range(1, last + 1, args.every):
            for ever in ("", ":ever"):
                code, stdout, stderr = once(verb, command, mem=f"{n}{ever}")
                what = f"{name}, {verb}, allocation {n}{ever}:"
                check(code == 5 and len(errors_in(stderr)) == 1, what, code, stderr)
                if verb in ("run", "resume"):
                    restore(name, straight, what)
                faults += 1


def call_kills(name):
    global faults
    straight, calls, _ = straight_of(name)
    for n in range(1, calls + 1, args.every):
        fresh()
        what = f"{name}, killed before call {n}:"
        faults += 2
        code, _, stderr = call([door] + run_of(name) + OFTEN, io=f"{n}:KILL")
        if check(code == -signal.SIGKILL, what, code, stderr):
            restore(name, straight, what)
        fresh()  # and once more on the way back
        code, _, stderr = call([door] + run_of(name) + OFTEN, io=f"{calls * 2 // 3}:KILL")
        if os.path.exists("out/circuit.yaml"):
            call([door, "resume", "out"] + QUICK + OFTEN, io=f"{n}:KILL")
            restore(name, straight, what + " while resuming")


def room(name):
    global faults
    straight, _, _ = straight_of(name)
    largest = max(len(d) for d in straight.values())
    # a coverage build's counters do not fit either: they go where nobody reads them, and nothing is said of it
    environment = dict(os.environ, GCOV_PREFIX=f"{work}/counters", GCOV_ERROR_FILE=os.devnull)
    limit = 256
    while limit < largest * 1.2:
        fresh()
        what = f"{name}, files of at most {limit} bytes:"

        def confine(limit=limit):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        r = subprocess.run([program] + run_of(name) + OFTEN, env=environment, preexec_fn=confine, restore_signals=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        faults += 1
        if r.returncode == 0:
            check(not differences(content("out"), straight), what, "exit 0, but the files differ")
        else:
            check(r.returncode == 3 and len(errors_in(r.stderr)) == 1, what, r.returncode, r.stderr)
            restore(name, straight, what)
        limit = int(limit * (1 + 0.1 * args.every))


def small_disk():
    """A place for a file system of any size, which only this process sees and which ends with it; None where not permitted."""
    new_namespace = 0x20000  # CLONE_NEWNS
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or ctypes.CDLL(None).unshare(new_namespace) != 0:
        return None
    os.mkdir("disk")
    commands = (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", "size=1m", "apical-test", "disk"])
    return "disk" if all(subprocess.run(c, stderr=subprocess.DEVNULL).returncode == 0 for c in commands) else None


def full_disk(name):
    global faults, kept
    straight, _, _ = straight_of(name)
    fresh()
    os.symlink("disk/out", "out")  # what the others call out lies on the small disk
    resize = lambda size: subprocess.run(["mount", "-o", "remount,size=%d" % size, "disk"], check=True)
    page, pages, code = os.sysconf("SC_PAGE_SIZE"), 2, None
    while code != 0:
        shutil.rmtree("disk/out", ignore_errors=True)
        resize(page * pages)
        what = f"{name}, a disk of {pages} pages:"
        code, _, stderr = call([program] + run_of(name, "disk/out") + OFTEN)
        faults += code != 0
        if code == 0:
            check(not differences(content("out"), straight), what, "exit 0, but the files differ")
        elif one_message(what, code, stderr):
            marks = checkpoints()
            kept += bool(marks)
            if os.path.exists("out/circuit.yaml") and os.path.exists("out/manifest.json"):
                code, _, stderr = call([program, "resume", "disk/out"] + QUICK)  # still full
                if code != 0:
                    one_message(what + " resumed", code, stderr)
                    check(checkpoints() == marks, what, "the checkpoints are no longer those that were")
            resize(64 << 20)
            restore(name, straight, what + " then with room")
        pages += args.every
    os.unlink("out")


def one_message(what, code, stderr):
    """Exit 3, one line; it names the file and, where data found no room, how many bytes were left."""
    lines = errors_in(stderr)
    good = code == 3 and len(lines) == 1 and re.search(r"disk/out\b", lines[0])
    return check(good and (re.search(r"\b\d+ bytes", lines[0]) or "cannot write" not in lines[0]), what, code, stderr)


def checkpoints():
    return {n: d for n, d in content("out").items() if n.startswith("checkpoint-")} if os.path.isdir("out") else {}


def random_kills(name):
    straight, _, _ = straight_of(name)
    global faults, runs
    rng = random.Random(args.seed)
    longest, kills = 0.05, 0
    while kills < args.count:
        fresh()
        runs += 1
        command = [program] + run_of(name)
        for _ in range(rng.randint(1, 5)):
            began = time.monotonic()
            child = subprocess.Popen(command + OFTEN, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                child.wait(rng.random() * longest)
                longest = 0.9 * longest + 0.1 * (time.monotonic() - began)  # it was faster than that
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                kills += 1
                longest *= 1.01
            if os.path.exists("out/circuit.yaml") and os.path.exists("out/manifest.json"):
                command = [program, "resume", "out"] + QUICK
            elif os.path.exists("out/manifest.json"):
                command = [program] + run_of(name) + ["--overwrite"]
        restore(name, straight, f"{name}, random kills, run {runs} of seed {args.seed}:")
    faults += kills


try:
    with open("images", "wb") as f:
        f.write(IMAGES)
    for name, text in CIRCUITS.items():
        with open(f"{name}.yaml", "w") as f:
            f.write(text)
    if args.part == "disk" and not small_disk():
        print("skipped: no file system may be mounted here, so no disk was filled\n0 passed, 0 failed")
        sys.exit(0)
    for name in args.circuits.split(","):
        {"io": io_faults, "memory": memory_faults, "calls": call_kills, "kills": random_kills, "room": room, "disk": full_disk}[args.part](name)
finally:
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)
where = "every place" if args.every == 1 else f"one place in {args.every}"
print(f"promise: {args.part}{os.environ.get('PROMISE', '')}:", {
    "io": f"{faults} failures, {where} x 8 kinds, circuits {args.circuits}: {failed} wrong",
    "memory": f"{faults} failures, {where}, 7 commands, circuits {args.circuits}: {failed} wrong",
    "room": f"{faults} sizes at which files stop growing, HDF5 among them: {failed} wrong",
    "disk": f"{faults} sizes of a full disk, {kept} with a checkpoint by then: {failed} wrong",
    "calls": f"{faults} kills, {where}, running and resuming: {failed} differences",
    "kills": f"{faults} kills in {runs} runs: {failed} differences"}[args.part])
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
