"""Rows of the benchmark: printed as they are measured, and kept in one JSON file, where a new row replaces the old one."""
import json
import os


def text(key, value):
    if isinstance(value, float):
        return f"{key} {value:.2e}" if not 0.01 < abs(value) < 1e4 else f"{key} {value:.3g}"
    return f"{key} {value}"


class Rows:
    def __init__(self, path=None):
        self.path = path

    def add(self, workload, program, **values):
        print(f"{workload:20s} {program:36s} " + "  ".join(text(k, v) for k, v in values.items()), flush=True)
        if not self.path:
            return
        rows = json.load(open(self.path)) if os.path.exists(self.path) else []
        rows = [r for r in rows if (r["workload"], r["program"]) != (workload, program)]
        with open(self.path + ".new", "w") as f:
            json.dump(rows + [dict(workload=workload, program=program, **values)], f, indent=1)
        os.replace(self.path + ".new", self.path)
