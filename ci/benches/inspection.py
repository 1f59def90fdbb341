"""The inspection of restored data."""

import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from .common import (
    MARK, OPTIONS, alternate, apart, big_volume, case_of, docker, end_of, live, pack, ratio_of, rehearsa, report, run, span,
    steps_of, time_of,
)


class Worker:
    """A worker container with the capabilities and the memory of a rehearsal's worker, driven by the worker's protocol."""

    def __init__(self, *mounts):
        rights = [f"--cap-add={right}" for right in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP")]
        shown = [part for mount in (f"{OPTIONS.binary}:/rehearsa:ro", *mounts) for part in ("-v", mount)]
        self.process = subprocess.Popen(
            ["docker", "run", "-i", "--rm", "--name", f"{MARK}-worker", "--label", f"{MARK}=1", "--network", "none", "--user", "0:0",
             "--memory", "1g", "--read-only", "--cap-drop=ALL", *rights, *shown, "--entrypoint", "/rehearsa", "rehearsa-fixture/notes:latest",
             "worker", "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.jobs = 0
        assert self.hear()["message"] == "ready"

    def hear(self):
        return json.loads(self.process.stdout.readline())["message"]

    def say(self, request, **fields):
        self.process.stdin.write(json.dumps({"request": request, "id": self.jobs, **fields}).encode() + b"\n")

    def pieces(self, stream):
        while piece := stream.read(1 << 18):
            self.say("data", length=len(piece))
            self.process.stdin.write(piece)
        self.say("data", length=0)
        self.process.stdin.flush()

    def do(self, job, stream=None, **fields):
        """Does a job, with its stream if it takes one; returns (seconds, the answer)."""
        self.jobs += 1
        begin = time.monotonic()
        self.say("start", job={"job": job, **fields})
        self.process.stdin.flush()
        if stream:
            threading.Thread(target=self.pieces, args=[stream]).start()
        message = {"message": "progress"}
        while message["message"] == "progress":
            message = self.hear()
        assert message["message"] == "done", message
        return time.monotonic() - begin, message["with"]["answer"]

    def inspect(self, path, **wants):
        """Inspects a tree for nothing but these parts; returns (seconds, the answer)."""
        nothing = {"names": False, "owners": False, "version_files": False, "fingerprint": False, "manifest": None,
                   "sqlite": None, "lost_in": None, "tally": False}
        return self.do("inspect", path=path, max_entries=0, wants={**nothing, **wants})

    def user_time(self):
        """Processor seconds of the worker's own code: neither waiting nor the kernel's work counts."""
        pid = docker("inspect", "--format", "{{.State.Pid}}", f"{MARK}-worker")
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The worker ends when its input ends.
        self.process.stdin.close()
        self.process.wait()


def bench_i():
    volume, name = big_volume()
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        pack(volume, folder, "app.tar")
        inventory_and_contents(volume, pathlib.Path(folder) / "app.tar")
    sqlite_check()
    negative_control()
    share_of_the_proof(name)


READING = """
import os, subprocess, time
for folder, _, files in os.walk("/data"):
    for name in files:
        file = os.open(f"{folder}/{name}", os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
begin = time.monotonic()
subprocess.run("find /data -type f -exec cat {} + >/dev/null", shell=True, check=True)
print(time.monotonic() - begin)
"""


def read_once(volume):
    """Seconds to read all files of a volume in a container. Data that is on the disk is read from the disk, as the worker
    does; neither dropping it from memory nor the container's start counts."""
    return float(docker("run", "--rm", "--label", f"{MARK}=1", "--network", "none", "--user", "0:0", "--memory", "1g", "-v",
                        f"{volume}:/data:ro", "--entrypoint", "python3", "rehearsa-fixture/notes:latest", "-c", READING))


def inventory_and_contents(volume, archive):
    """The worker notes contents while it fills a volume and compares them in the inventory. The cost of noting is measured as
    extra processor time of the worker, because the time of filling varies more than that from run to run; all of it counts,
    although the worker has two threads and waits for the disk meanwhile. The cost of comparing is the extra time of the
    inventory."""

    def filled(contents, from_archive):
        target = f"{MARK}-i"
        docker("volume", "create", target)
        with Worker(f"{volume}:/from:ro", f"{target}:/to") as worker:
            before = worker.user_time()
            if from_archive:
                with open(archive, "rb") as stream:
                    route = {"prefix": [], "to": "/to", "contents": contents}
                    fill, _ = worker.do("unpack", stream, routes=[route], max_bytes=0, max_entries=0, keep_free=0, max_window=0)
            else:
                fill, _ = worker.do("copy", to="/to", max_bytes=0, keep_free=0, contents=contents, **{"from": "/from"})
            used = worker.user_time() - before
            look, answer = worker.inspect("/to", manifest={"volume": "/to", "contents": contents})
        answer = answer["inventory"]
        assert answer["content"]["count"] == 0, answer
        assert not contents or answer["compared"]["files"] == 20000, answer
        # Not read before, so not in memory.
        read = None if contents else read_once(target)
        docker("volume", "rm", target)
        return fill, used, look, read

    for what, from_archive in (("a copy", False), ("an archive", True)):
        without, with_contents = alternate(lambda: filled(False, from_archive), lambda: filled(True, from_archive))
        if not from_archive:
            value, detail = ratio_of([look for _, _, look, _ in without], [fill for fill, *_ in without])
            report("i", "inventory of 20,000 files against copying them", value, "", 0.25, detail)
        more = [(used - other_used) + (look - other_look)
                for (_, used, look, _), (_, other_used, other_look, _) in zip(with_contents, without)]
        value, detail = ratio_of(more, [read for *_, read in without])
        report("i", f"contents of {what} against reading them once", value, "", 1.0, detail)


def sqlite_check():
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        database = pathlib.Path(folder) / "app.db"
        apart(fill_database, database)
        scratch = f"{MARK}-i-scratch"
        docker("volume", "create", scratch)
        with Worker(f"{folder}:/db:ro", f"{scratch}:/scratch") as worker:
            def ours():
                wanted = {"scratch": "/scratch", "source": None, "live": None, "keep_free": 0, "rows": False}
                seconds, answer = worker.inspect("/db", sqlite=wanted)
                answer = answer["databases"]
                assert (answer["found"], answer["sound"]) == (1, 1), answer
                return seconds

            def theirs():
                begin = time.monotonic()
                if shutil.which("sqlite3"):
                    told = run("sqlite3", "-readonly", str(database), "pragma quick_check")
                else:
                    ask = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('pragma quick_check').fetchone())"
                    told = run(sys.executable, "-c", ask, str(database))
                assert told == "ok", told
                return time.monotonic() - begin

            value, detail = ratio_of(*alternate(ours, theirs))
        report("i", "SQLite check of 500 MB against sqlite3's", value, "", 1.2, detail)


def fill_database(path):
    """500 MB of rows of mixed sizes, with an index."""
    random.seed(7)
    block = os.urandom(1 << 20)
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, name TEXT NOT NULL, content BLOB)")
    database.execute("CREATE INDEX names ON entries (name)")
    while path.stat().st_size < 500_000_000:
        rows = ((random.randbytes(12).hex(), block[: int(4000 * random.random())]) for _ in range(20000))
        database.executemany("INSERT INTO entries (name, content) VALUES (?, ?)", rows)
        database.commit()
    database.close()


def negative_control():
    volume = f"{MARK}-i-control"
    docker("volume", "create", volume)
    name = live("i-control", volume=volume)
    docker("exec", name, "sh", "-c", "echo note > /data/note")

    def control():
        _, _, output = rehearsa("test", "--exact", name, "--settle", "0s", "--control", "--json", "-")
        return steps_of(output, "control")

    def empty():
        _, _, output = rehearsa("test", "--exact", name, "--settle", "0s", "--strategy", "/data=empty", "--json", "-")
        return span(case_of(output))

    value, detail = ratio_of(*alternate(control, empty))
    report("i", "negative control against one boot on empty mounts", value, "", 1.1, detail)


def share_of_the_proof(name):
    """Time of the steps that inspect the restored data, and of the time between the last check and the teardown, in which the
    data is inspected once more; no rehearsal without inspections exists to compare with. The settle window is 0, since part
    of the inspection would hide in it."""
    proofs, wholes = [], []
    for _ in range(OPTIONS.runs + 1):
        case = case_of(rehearsa("test", "--exact", name, "--settle", "0s", "--json", "-")[2])
        steps = {step["step"]: step for step in case["steps"]}
        again = time_of(steps["teardown"]["started"]) - end_of(steps["check"])
        proofs.append(steps["verify"]["seconds"] + again)
        wholes.append(span(case))
    value, detail = ratio_of(proofs[1:], wholes[1:])
    report("i", "the proof's share of a rehearsal of 1 GB in 20,000 files", value, "", 0.15, detail)
