"""Restores from repositories of restic and Borg, from folders of the engine's host, and scores without a boot."""

import contextlib
import json
import os
import pathlib
import queue
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from .common import (
    MARK, OPTIONS, alternate, apart, case_of, docker, end_of, fill, live, ratio_of, rehearsa, report, run, steps_of,
    used_by_rehearsa,
)

PASSWORD = "bench"
# The two ways of one round trip.
DELAY = 0.010


def restic(*arguments, folder=None):
    environment = os.environ | {"RESTIC_PASSWORD": PASSWORD}
    return run("restic", "--no-cache", "-q", *arguments, env=environment, cwd=folder)


def back_up(tree, repository):
    """Makes a repository of restic with one snapshot of the tree."""
    restic("-r", str(repository), "init")
    restic("-r", str(repository), "backup", ".", folder=tree)


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def empty_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def restore_from(name, source, password, peaks, *options):
    """Seconds from the start of the program to the end of the restore: the list of the repository counts, the boot does
    not. Adds the peak memory of the program without its helpers to `peaks`."""
    with tempfile.TemporaryFile() as out:
        begin = time.time()
        process = subprocess.Popen([OPTIONS.binary, "test", "--exact", name, "--settle", "0s", "--json", "-", "--from", source,
                                    "--password-file", str(password), *options], stdout=out, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
                peak = max(peak, next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
            time.sleep(0.05)
        out.seek(0)
        case = case_of(out.read().decode())
    assert process.returncode == 0, case
    restored = next(step for step in case["steps"] if step["step"] == "restore")
    assert restored["amount"]["files"] == 20000, restored
    peaks.append(peak)
    return end_of(restored) - begin


class Delay:
    """A proxy on loopback that holds back everything for a while, each way; it does not limit the rate."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    pieces = queue.Queue(maxsize=1024)
                    threading.Thread(target=self.read, args=[one, pieces], daemon=True).start()
                    threading.Thread(target=self.write, args=[other, pieces], daemon=True).start()

    @staticmethod
    def read(connection, pieces):
        data = b"first"
        while data:
            try:
                data = connection.recv(1 << 16)
            except OSError:
                data = b""
            pieces.put((time.monotonic() + DELAY, data))

    @staticmethod
    def write(connection, pieces):
        with contextlib.suppress(OSError):
            while True:
                due, data = pieces.get()
                time.sleep(max(0, due - time.monotonic()))
                if not data:
                    return connection.shutdown(socket.SHUT_WR)
                connection.sendall(data)


@contextlib.contextmanager
def served(repository):
    """Serves a repository over HTTP behind the delay; gives its address for restic."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(["rclone", "serve", "restic", str(repository), "--addr", f"127.0.0.1:{port}"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield f"rest:http://127.0.0.1:{Delay(port).port}/"
    finally:
        server.terminate()
        server.wait()


def bench_j():
    volume = f"{MARK}-j"
    docker("volume", "create", volume)
    name = live("j", volume=volume)
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        folder = pathlib.Path(folder)
        tree, repository, target, password = (folder / part for part in (volume, "repository", "restored", "password"))
        password.write_text(PASSWORD)
        apart(fill, tree)
        back_up(tree, repository)
        peaks = []

        def against(what, address, bound):
            def ours():
                return restore_from(name, f"restic:{address}", password, peaks, "--map", "/data=.")

            def theirs():
                empty_folder(target)
                return timed(lambda: restic("-r", address, "restore", "latest", "--target", str(target)))

            value, detail = ratio_of(*alternate(ours, theirs))
            report("j", what, value, "", bound, detail)

        against("restic, 1 GB in 20,000 files, against restic restore", str(repository), 1.0)
        with served(repository) as address:
            against("the same at 20 ms round trip", address, 0.7)
        shutil.rmtree(repository)

        environment = os.environ | {"BORG_PASSPHRASE": PASSWORD, "BORG_BASE_DIR": str(folder / "borg-home")}
        (folder / "borg-home").mkdir()
        run("borg", "init", "-e", "repokey", str(repository), env=environment)
        run("borg", "create", f"{repository}::one", ".", cwd=tree, env=environment)
        shutil.rmtree(tree)

        def ours():
            os.environ["BORG_BASE_DIR"] = environment["BORG_BASE_DIR"]
            return restore_from(name, f"borg:{repository}", password, peaks, "--map", "/data=.")

        def theirs():
            return timed(lambda: run("borg", "extract", f"{repository}::one", cwd=empty_folder(target), env=environment))

        value, detail = ratio_of(*alternate(ours, theirs))
        report("j", "Borg, 1 GB in 20,000 files, against borg extract", value, "", 1.0, detail)
        report("j", "peak memory of the client beside these programs", max(peaks) / 1e6, " MB", 64, f"over {len(peaks)} runs")


def bench_k():
    volume = f"{MARK}-k"
    docker("volume", "create", volume)
    name = live("k", volume=volume)
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        folder = pathlib.Path(folder)
        block = os.urandom(1 << 20)
        for size, count in (("large", 1000), ("small", 10)):
            (folder / size).mkdir()
            for number in range(count):
                (folder / size / str(number)).write_bytes(block)

        def start(size):
            _, _, output = rehearsa("test", "--exact", name, "--settle", "0s", "--json", "-", "--from", f"daemon:{folder / size}",
                                    "--map", "/data=.", "--strategy", "/data=overlay")
            return steps_of(output, "worker", "restore")

        value, detail = ratio_of(*alternate(lambda: start("large"), lambda: start("small")))
        report("k", "start of an overlay over 1 GB against one over 10 MB", value, "", 1.2, detail)


def bench_l():
    volume = f"{MARK}-l"
    docker("volume", "create", volume)
    name = live("l", volume=volume)
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        folder = pathlib.Path(folder)
        tree, repository, password = folder / volume, folder / "repository", folder / "password"
        password.write_text(PASSWORD)
        for number in range(100_000):
            place = tree / f"{number % 1000:03}"
            place.mkdir(parents=True, exist_ok=True)
            (place / str(number)).write_text(str(number))
        back_up(tree, repository)
        shutil.rmtree(tree)

        def ours():
            seconds, _, output = used_by_rehearsa("score", "--exact", name, "--from", f"restic:{repository}", "--password-file",
                                                  str(password), "--map", "/data=.", "--format", "json")
            assert json.loads(output), output
            return seconds

        def theirs():
            return timed(lambda: (restic("-r", str(repository), "snapshots", "--json", "--no-lock"),
                                  restic("-r", str(repository), "ls", "latest", "--json", "--no-lock")))

        scores, lists = alternate(ours, theirs)
        more = statistics.median(scores) - statistics.median(lists)
        report("l", "score of 100,000 files beyond restic's own time", more, " s", 5,
               f"medians {statistics.median(scores):.2f} s / {statistics.median(lists):.2f} s")
