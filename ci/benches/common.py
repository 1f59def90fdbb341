"""What all measurements share: the engine, the program, pairs of times and their report."""

import dataclasses
import datetime
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time


ROOT = pathlib.Path(__file__).resolve().parents[2]
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
MARK = f"rehearsa-bench-{os.getpid()}"
TINY = "rehearsa-fixture/tiny:latest"
PROBE_INTERVAL = 400_000_000  # as in the sandbox


@dataclasses.dataclass
class Options:
    """What holds for all measurements of one call."""

    runs: int = 5
    binary: str = ""
    results: list = dataclasses.field(default_factory=list)


OPTIONS = Options()


class Engine(http.client.HTTPConnection):
    """The Docker API over one kept connection: what a careful script would use."""

    def __init__(self):
        super().__init__("localhost", timeout=120)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)

    def call(self, method, path, body=None, ok=(200, 201, 204, 304)):
        data = None if body is None else json.dumps(body)
        self.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self.getresponse()
        text = answer.read()
        if answer.status not in ok:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()[:400]}")
        return json.loads(text) if text and answer.getheader("Content-Type", "").startswith("application/json") else text


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.strip()


def apart(work, *arguments):
    """Calls it in a process of its own: the peak memory of this process would count for the programs that it starts."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, work


def docker(*arguments):
    return run("docker", *arguments)


def rehearsa(*arguments, want=(0,)):
    """Runs it; returns (seconds, peak memory of the process in bytes, standard output)."""
    seconds, usage, output = used_by_rehearsa(*arguments, want=want)
    return seconds, usage.ru_maxrss * 1024, output


def used_by_rehearsa(*arguments, want=(0,)):
    """Runs it; returns (seconds, what the process used, standard output)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        process = subprocess.Popen([OPTIONS.binary, *arguments], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if process.returncode not in want:
            err.seek(0)
            sys.exit(f"rehearsa {' '.join(arguments)}: exit {process.returncode}\n{err.read().decode()}\n{out.read().decode()}")
        return seconds, usage, out.read().decode()


def live(name, image=TINY, volume=None, command=(), *options):
    mount = ["-v", f"{volume}:/data"] if volume else []
    docker("run", "-d", "--name", f"{MARK}-{name}", "--label", f"{MARK}=1", *mount, *options, image, *command)
    return f"{MARK}-{name}"


def clean_up():
    ids = docker("ps", "-aq", "--filter", f"label={MARK}").split()
    for start in range(0, len(ids), 50):
        docker("rm", "-f", "-v", *ids[start : start + 50])
    volumes = docker("volume", "ls", "-q", "--filter", f"name={MARK}").split()
    if volumes:
        docker("volume", "rm", "-f", *volumes)


def alternate(first, second):
    """Runs both in turn after one warm-up each; returns their lists of seconds."""
    first(), second()
    ours, theirs = [], []
    for _ in range(OPTIONS.runs):
        ours.append(first())
        theirs.append(second())
    return ours, theirs


def report(letter, what, value, unit, bound, detail):
    met = value <= bound
    OPTIONS.results.append(met)
    print(f"{letter}  {what}: {value:.2f}{unit} (bound {bound}{unit}) {'ok' if met else 'NOT MET'}   {detail}", flush=True)


def ratio_of(ours, theirs):
    ratios = [a / b for a, b in zip(ours, theirs)]
    detail = f"medians {statistics.median(ours):.2f} s / {statistics.median(theirs):.2f} s, pairs {min(ratios):.2f}–{max(ratios):.2f}"
    return statistics.median(ours) / statistics.median(theirs), detail


def big_volume():
    """20,000 files and 1 GB in all, of mixed sizes."""
    volume = f"{MARK}-big"
    docker("volume", "create", volume)
    program = (
        "import os, random\nrandom.seed(7)\n"
        "block = os.urandom(1 << 20)\n"
        "for n in range(20000):\n"
        "    folder = f'/data/{n % 200:03}/{n % 7}'\n    os.makedirs(folder, exist_ok=True)\n"
        "    size = 53687 * 2 * random.random()\n"
        "    with open(f'{folder}/{n}', 'wb') as file: file.write(block[:int(size)])\n"
    )
    docker("run", "--rm", "--label", f"{MARK}=1", "-v", f"{volume}:/data", "--user", "0:0", "--entrypoint", "python3",
           "rehearsa-fixture/notes:latest", "-c", program)
    return volume, live("big", volume=volume)


def pack(volume, folder, name):
    """Packs the files of a volume into folder/name, with the owners that they have."""
    docker("run", "--rm", "--label", f"{MARK}=1", "--user", "0:0", "-v", f"{volume}:/data:ro", "-v", f"{folder}:/out",
           "--entrypoint", "tar", "rehearsa-fixture/notes:latest", "cf", f"/out/{name}", "-C", "/data", ".")


def steps_of(output, *kinds):
    case = json.loads(output)["cases"][0]
    return sum(step["seconds"] for step in case["steps"] if step["step"] in kinds)


def time_of(text):
    """Seconds since 1970 of an RFC 3339 time in UTC; Python before 3.11 reads no more than six digits of a fraction."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def case_of(output):
    return json.loads(output)["cases"][0]


def end_of(step):
    return time_of(step["started"]) + step["seconds"]


def span(case):
    """Seconds from the beginning of a case's first step to the end of its last."""
    return max(map(end_of, case["steps"])) - min(time_of(step["started"]) for step in case["steps"])


def fill(tree):
    """20,000 files and 1 GB in all, of mixed sizes, as in big_volume."""
    random.seed(7)
    block = os.urandom(64 << 20)
    for n in range(20000):
        folder = tree / f"{n % 200:03}" / str(n % 7)
        folder.mkdir(parents=True, exist_ok=True)
        begin = random.randrange(60 << 20)
        (folder / str(n)).write_bytes(block[begin : begin + int(53687 * 2 * random.random())])
