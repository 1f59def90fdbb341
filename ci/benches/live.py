"""What live and the last run say of restored data."""

import pathlib
import tempfile
import time

from .common import (
    MARK, alternate, big_volume, case_of, docker, end_of, pack, ratio_of, rehearsa, report, span, time_of,
)
from .inspection import Worker

# Seconds after its last write from which on the content of a live file counts, with the minute by which another clock
# may be off.
RESTED = 60 + 2 * 60 + 5


def bench_m():
    volume, name = big_volume()
    made = time.time()
    time.sleep(max(0, made + RESTED - time.time()))
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        witness(volume)
        # The time in its name says when it was made.
        archive = f"app-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
        pack(volume, folder, archive)
        all_looks(name, f"{folder}/{archive}", folder)
    million_files()


def testify(worker):
    """Compares /to with the live /from, as of a backup that began now; returns (seconds, the answer)."""
    clock = {"began": int(time.time())}
    return worker.do("witness", live="/from", restored="/to", clock=clock, slack=0, exclude=[], contents=False,
                     max_entries=0)


def witness(volume):
    target = f"{MARK}-m"

    def copy(worker):
        seconds, _ = worker.do("copy", to="/to", max_bytes=0, keep_free=0, contents=False, **{"from": "/from"})
        return seconds

    def filled(work):
        docker("volume", "create", target)
        with Worker(f"{volume}:/from:ro", f"{target}:/to") as worker:
            copied = copy(worker)
            seconds = work(worker) if work else copied
        docker("volume", "rm", target)
        return seconds

    def look(worker):
        seconds, answer = testify(worker)
        assert answer["unchanged"]["files"] == 20000 and answer["read"]["files"] == 20000, answer
        assert all(answer[kind]["named"]["count"] == 0 for kind in ("missing", "smaller", "other")), answer
        return seconds

    value, detail = ratio_of(*alternate(lambda: filled(look), lambda: filled(None)))
    report("m", "live witness over 20,000 files against copying them", value, "", 0.3, detail)


def all_looks(name, archive, folder):
    """As share_of_the_proof of part i, of a backup: with its list, the live data and the profile of the run before."""

    def rehearse():
        arguments = ("--from", f"tar:{archive}", "--history", f"{folder}/history", "--settle", "0s", "--json", "-")
        case = case_of(rehearsa("test", "--exact", name, *arguments)[2])
        steps = {step["step"]: step for step in case["steps"]}
        assert steps["verify"]["witness"]["unchanged"]["files"] == 20000, steps["verify"]
        again = time_of(steps["teardown"]["started"]) - end_of(steps["check"])
        return steps["verify"]["seconds"] + again, span(case)

    pairs = [rehearse() for _ in range(6)][1:]
    looks, wholes = [look for look, _ in pairs], [whole for _, whole in pairs]
    value, detail = ratio_of(looks, wholes)
    report("m", "all looks at a backup, as a share of a rehearsal of 1 GB in 20,000 files", value, "", 0.15, detail)


MILLION = """
import os
for folder in range(1000):
    os.makedirs(f"/data/{folder % 50}/{folder}")
    for file in range(1000):
        with open(f"/data/{folder % 50}/{folder}/{file}", "w") as out: out.write(f"file {file} of {folder}")
"""


def million_files():
    """The peak memory of the worker's process. What came back is the live volume itself, at another path."""
    volume = f"{MARK}-million"
    docker("volume", "create", volume)
    docker("run", "--rm", "--label", f"{MARK}=1", "-v", f"{volume}:/data", "--user", "0:0",
           "--entrypoint", "python3", "rehearsa-fixture/notes:latest", "-c", MILLION)
    time.sleep(RESTED)
    with Worker(f"{volume}:/from:ro", f"{volume}:/to:ro") as worker:
        seconds, answer = testify(worker)
        assert answer["unchanged"]["files"] == 1_000_000, answer
        pid = docker("inspect", "--format", "{{.State.Pid}}", f"{MARK}-worker")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    docker("volume", "rm", volume)
    report("m", "worker's peak memory over 1,000,000 live files", peak / 1e6, " MB", 256, f"in {seconds:.0f} s")
