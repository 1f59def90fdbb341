"""Restores from archives and folders."""

import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time

from .common import (
    MARK, alternate, apart, docker, fill, live, ratio_of, rehearsa, report, run, steps_of, used_by_rehearsa,
)


def bench_h():
    # As in b: the steps of the worker and the restore. The survey of the backup before them is measured separately.
    volume = f"{MARK}-h"
    docker("volume", "create", volume)
    name = live("h", volume=volume)
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        folder = pathlib.Path(folder)
        tree, plain, packed = folder / "tree", folder / "app.tar", folder / "app.tar.zst"
        apart(fill, tree)
        run("tar", "-cf", str(plain), "-C", str(tree), ".")
        peaks = []

        def ours(source):
            def restore():
                _, peak, output = rehearsa("test", "--exact", name, "--settle", "0s", "--json", "-", "--from", source)
                peaks.append(peak)
                case = json.loads(output)["cases"][0]
                restored = next(step for step in case["steps"] if step["step"] == "restore")
                assert restored["amount"]["files"] == 20000, restored
                return steps_of(output, "worker", "restore")
            return restore

        def theirs(command):
            def script():
                target = f"{MARK}-h-to"
                docker("volume", "create", target)
                begin = time.monotonic()
                subprocess.run(f"{command} docker run -i --rm --label {MARK}=1 --network none --user 0:0 -v {target}:/to "
                               "--entrypoint tar rehearsa-fixture/notes:latest x -C /to" + (f" < {plain}" if not command else ""),
                               shell=True, check=True)
                seconds = time.monotonic() - begin
                docker("volume", "rm", target)
                return seconds
            return script

        def against(what, source, command, bound):
            value, detail = ratio_of(*alternate(ours(source), theirs(command)))
            report("h", what, value, "", bound, detail)

        # No more than two of the three are on the disk at a time.
        against("a folder of 1 GB against tar c and tar x", f"dir:{tree}", f"tar c -C {tree} . |", 1.0)
        shutil.rmtree(tree)
        against("a tar archive of 1 GB against tar x", f"tar:{plain}", "", 1.1)
        run("zstd", "-q", "-1", "--rm", str(plain), "-o", str(packed))
        against("one packed with zstd against zstd and tar x", f"tar:{packed}", f"zstd -dcq {packed} |", 1.1)
        packed.unlink()
        report("h", "peak memory of the client", max(peaks) / 1e6, " MB", 64, f"over {len(peaks)} runs")

        many = folder / "many.tar"
        apart(fill_archive, many)
        seconds, usage, output = used_by_rehearsa("plan", name, "--no-sizes", "--from", f"tar:{many}")
        print(f"h  a look through 1,000,000 entries: {seconds:.1f} s, {usage.ru_maxrss * 1024 / 1e6:.0f} MB", flush=True)


def fill_archive(path):
    """1,000,000 empty files in 1,000 folders."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for n in range(1_000_000):
            archive.addfile(tarfile.TarInfo(f"./{n % 1000:03}/{n}"))
