"""The circuit of Sacramento et al. 2018 as one would write it in Brian2, compiled as a C++ program of its own: explicit Euler,
clock-driven synapses. Sums, rates and errors are stored once per neuron and step, which is the fast way. Same job and same
steps as peer_numpy.py, so results can be compared.

    python3 peer_brian.py JOB.json    builds once, runs `runs` times; prints seconds per pattern of the simulation loop of each
                                      run and of the build as JSON, and writes `out` as .npz
"""
import json
import logging
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
import brian2 as b
import numpy as np

ms = b.ms
RATE = {"logistic": "1/(1 + exp(-({0})))", "softplus": "0.1*log(1 + exp(({0}) - 3))"}


def build(job, data):
    rate = RATE[job["transfer"]].format
    n = len(job["sizes"]) - 1
    leak, basal, apical, dendrite, nudge = (job[k] for k in ("leak", "basal", "apical", "dendrite", "nudge"))
    names = {"leak": leak, "basal": basal, "apical": apical, "dendrite": dendrite, "nudge": nudge,
             "hidden": basal / (leak + basal + apical), "top": basal / (leak + basal), "inter": dendrite / (leak + dendrite),
             "tau_0": job["tau_0"] * ms, "tau_w": job["tau_w"] * ms,
             "pattern": b.TimedArray(data["patterns"], dt=job["duration"] * ms),
             "target": b.TimedArray(data["goals"], dt=job["duration"] * ms)}
    things, cells, inter = [], [], [None]

    # Within a step: sums over synapses, errors, weights from what is there, then potentials and clamped input.
    def group(size, equations, errors, name):
        g = b.NeuronGroup(size, equations, method="euler", namespace=names, name=name)
        if errors:
            g.run_regularly(errors, when="before_synapses", order=2)
        things.append(g)
        return g

    source = b.NeuronGroup(job["sizes"][0], "r : 1", namespace=names, name="input")
    source.run_regularly("r += dt/tau_0*(pattern(t, i) - r)", when="end")
    things.append(source)
    cells.append(source)
    for k in range(1, n):
        cells.append(group(job["sizes"][k], f"""
            du/dt = (-leak*u + basal*(below - u) + apical*(above + cancel - u))/ms : 1
            r = {rate('u')} : 1 (constant over dt)
            below : 1
            above : 1
            cancel : 1
            e_forward : 1
            e_lateral : 1""", f"e_forward = r - {rate('hidden*below')}\ne_lateral = -(above + cancel)", f"cells{k}"))
        inter.append(group(job["sizes"][k + 1], f"""
            du/dt = (-leak*u + dendrite*(own - u) + nudge*(up - u))/ms : 1
            r = {rate('u')} : 1 (constant over dt)
            own : 1
            up : 1
            e_interneuron : 1""", f"e_interneuron = r - {rate('inter*own')}", f"inter{k}"))
    output = group(job["sizes"][n], f"""
        du/dt = (-leak*u + basal*(below - u) + nudge*(goal - u))/ms : 1
        r = {rate('u')} : 1 (constant over dt)
        below : 1
        goal : 1
        e_forward : 1""", f"e_forward = r - {rate('top*below')}", f"cells{n}")
    output.run_regularly("goal += dt/tau_0*(target(t, i) - goal)", when="end")
    cells.append(output)

    matrices = {}

    def synapses(name, pre, post, into):
        learns = name in job["eta"]
        equations = (f"""dw/dt = {job['eta'][name]}*d/ms : 1 (clock-driven)
            dd/dt = (e_{name[:-1]}_post*r_pre - d)/tau_w : 1 (clock-driven)""" if learns else "w : 1")
        s = b.Synapses(pre, post, equations + f"\n{into}_post = w*r_pre : 1 (summed)", method="euler", namespace=names,
                       name=name)
        w = data["w." + name]  # [post][pre]
        s.connect(i=np.repeat(np.arange(w.shape[1]), w.shape[0]), j=np.tile(np.arange(w.shape[0]), w.shape[1]))
        s.w = w.T.ravel()
        s.summed_updaters[into + "_post"].when = "before_synapses"
        s.summed_updaters[into + "_post"].order = 0
        if learns:
            s.state_updater.when = "synapses"
            matrices[name] = (s, w.shape)
        things.append(s)

    for k in range(1, n + 1):
        synapses(f"forward{k}", cells[k - 1], cells[k], "below")
    for k in range(1, n):
        synapses(f"feedback{k}", cells[k + 1], cells[k], "above")
        synapses(f"lateral{k}", inter[k], cells[k], "cancel")
        synapses(f"interneuron{k}", cells[k], inter[k], "own")
        s = b.Synapses(cells[k + 1], inter[k], "up_post = u_pre : 1 (summed)", name=f"pull{k}")
        s.connect(j="i")
        s.summed_updaters["up_post"].when = "before_synapses"
        s.summed_updaters["up_post"].order = 0
        things.append(s)
    for g in cells[1:] + inter[1:]:
        g.state_updater.when = "after_synapses"
    monitors = [b.StateMonitor(g, "u", record=True, dt=job["every"] * ms, when="start") for g in cells[1:] + inter[1:]]
    return b.Network(*things, *monitors), monitors, matrices


def main():
    job = json.load(open(sys.argv[1]))
    data = np.load(job["data"])
    logging.getLogger("brian2").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="apical-brian-") as folder:
        b.set_device("cpp_standalone", build_on_run=False)
        b.defaultclock.dt = job["step"] * ms
        start = time.perf_counter()
        network, monitors, matrices = build(job, data)
        network.run(job["duration"] * len(data["patterns"]) * ms)
        b.device.build(directory=os.path.join(folder, "program"), compile=True, run=False, with_output=False)
        built, seconds = time.perf_counter() - start, []
        for _ in range(job["runs"]):
            b.device.run(os.path.join(folder, "program"), with_output=False, run_args=[])
            seconds.append(b.device._last_run_time / len(data["patterns"]))
        np.savez(job["out"], frames=np.vstack([m.u[:] for m in monitors]).T,
                 **{"w." + k: np.array(s.w[:]).reshape(shape[::-1]).T for k, (s, shape) in matrices.items()})
    print(json.dumps({"seconds": seconds, "build": built}))


if __name__ == "__main__":
    main()
