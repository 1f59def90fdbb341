"""Reports of many cases, without an engine."""

import datetime
import json
import pathlib
import statistics
import tempfile

from .common import MARK, alternate, report, used_by_rehearsa


class Recording:
    """Writes a log of events as `rehearsa test --events` does, without a rehearsal."""

    def __init__(self, file):
        self.file, self.steps = file, 0
        self.now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)

    def tell(self, event, **fields):
        at = self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.file.write(json.dumps({"at": at, "event": event, **fields}, separators=(",", ":")) + "\n")

    def step(self, case, step, seconds, result=None):
        self.steps += 1
        self.tell("step-started", id=self.steps, cases=[case], step=step)
        self.now += datetime.timedelta(seconds=seconds)
        self.tell("step-finished", id=self.steps, result=result or {"result": "done", "amount": None, "note": None})

    def rehearsal(self, case, log):
        """Ten steps. With a log, the last check fails, after an earlier attempt that failed, too."""
        broken = None
        if log:
            broken = {"code": "boot/exited", "message": f"{case['service']} exited with code 1 after 2.1 s",
                      "cause": {"meaning": "an SQLite file is damaged", "line": log[-1]}, "log_tail": log}
        self.tell("case-started", case=case)
        for kind in ("network", "worker", "canary"):
            self.step(case, {"step": kind}, 0.3)
        for mount in ("config", "data", "cache"):
            what = {"step": "restore", "mount": f"volume {case['service']}_{mount}", "strategy": "copy", "source": "live"}
            self.step(case, what, 2.0, {"result": "done", "amount": {"files": 412, "bytes": 38_000_000}, "note": None})
        self.step(case, {"step": "boot", "service": case}, 1.0)
        end = {"result": "broke", "diagnosis": broken} if broken else None
        self.step(case, {"step": "check", "service": case, "check": {"kind": "health"}}, 1.5, end)
        if broken:
            self.tell("case-aborted", case=case, diagnosis=broken)
        else:
            self.step(case, {"step": "settle", "service": case}, 3.0)
            self.tell("case-proven", case=case, proof="healthy", log_tail=["ready"])
        self.step(case, {"step": "teardown"}, 0.4)
        self.tell("case-finished", case=case)


def record(path, count):
    """A run of so many cases, four a stack; one in ten fails, with 50 lines of log."""
    names = [{"stack": f"stack-{n // 4}", "service": f"service-{n}"} for n in range(count)]
    changes = [{"field": "ports", "live": "8096:8096/tcp", "sandbox": "not published", "notable": False},
               {"field": "mount /var/run/docker.sock", "live": "bind mount /var/run/docker.sock", "sandbox": "left out", "notable": True}]
    cases = [{"name": name, "source": "live", "snapshot": None, "image": {"reference": "app:1", "id": "sha256:" + "0" * 64},
              "changes": changes, "ignored": None, "declared": None} for name in names]
    with open(path, "w") as file:
        run = Recording(file)
        run.tell("run-started", events_version=1, session="bench", version="0.1.0", engine="Docker 20.10.24 on bench", cases=cases,
                 filtered_out=0, threads=2, partition=None, no_tests="fail")
        for n, name in enumerate(names):
            log = [f"2026-01-02 03:04:05 ERROR <{name['service']}> line {i}: cannot open \"/config/app.db\" & 'lock'" for i in range(50)]
            run.rehearsal(name, log if n % 10 == 7 else [])
        run.tell("run-finished")


def bench_g():
    # A replay writes each report once, so this is the cost of reading the record and writing every report once. During a
    # run, each report that is rewritten takes at most a tenth of the elapsed time, whatever its size.
    with tempfile.TemporaryDirectory(prefix=MARK) as folder:
        folder = pathlib.Path(folder)
        peaks = []

        def replay(count):
            log = folder / f"{count}.jsonl"
            if not log.exists():
                record(log, count)
            out = folder / f"reports-{count}"
            _, usage, _ = used_by_rehearsa("report", "--from", str(log), "--report-dir", str(out), want=(0, 101))
            written = sorted(file.name for file in out.iterdir())
            assert {"junit.xml", "report.json", "report.tap"} <= set(written), written
            assert (out / "junit.xml").read_text().count("<testcase ") == count
            if count == 5000:
                peaks.append(usage.ru_maxrss * 1024)
            return usage.ru_utime + usage.ru_stime

        many, few = alternate(lambda: replay(5000), lambda: replay(500))
        seconds = statistics.median(many)
        report("g", "reports of 5,000 cases, processor time", seconds, " s", 2.0, f"{min(many):.2f}–{max(many):.2f} s")
        report("g", "reports of 5,000 cases, peak memory", max(peaks) / 1e6, " MB", 200, f"over {len(peaks)} runs")
        ratio = (seconds / 5000) / (statistics.median(few) / 500)
        report("g", "time of a case, 5,000 against 500", ratio, "", 1.3,
               f"medians {seconds / 5000 * 1e6:.0f} µs / {statistics.median(few) / 500 * 1e6:.0f} µs")
