"""Whole rehearsals, copies of live data, and the list of services."""

import json
import random
import statistics
import time

from .common import (
    Engine, MARK, OPTIONS, PROBE_INTERVAL, TINY, alternate, big_volume, docker, live, ratio_of, rehearsa, report,
    steps_of, time_of,
)


def bench_a():
    volume = f"{MARK}-a"
    docker("volume", "create", volume)
    name = live("a", volume=volume)
    docker("exec", name, "sh", "-c", "for i in 1 2 3 4 5; do echo note $i > /data/$i; done")
    engine = Engine()
    probe = engine.call("GET", f"/images/{TINY}/json")["Config"]["Healthcheck"] | {"Interval": PROBE_INTERVAL, "Retries": 360}

    def script(isolated):
        begin = time.monotonic()
        tag = f"{MARK}-script"
        network, remove_wire = (isolated_network if isolated else internal_network)(engine, tag)
        engine.call("POST", "/volumes/create", {"Name": tag})
        helper = engine.call("POST", "/containers/create", {
            "Image": TINY, "Entrypoint": ["cp", "-a", "/from/.", "/to/"], "Cmd": [], "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {"Binds": [f"{volume}:/from:ro", f"{tag}:/to"], "NetworkMode": "none"}})["Id"]
        engine.call("POST", f"/containers/{helper}/start")
        engine.call("POST", f"/containers/{helper}/wait")
        engine.call("DELETE", f"/containers/{helper}?v=true")
        service = engine.call("POST", "/containers/create", {
            "Image": TINY, "Healthcheck": probe, "HostConfig": {"Binds": [f"{tag}:/data"], "NetworkMode": tag}})["Id"]
        engine.call("POST", f"/containers/{service}/start")
        while engine.call("GET", f"/containers/{service}/json")["State"]["Health"]["Status"] != "healthy":
            time.sleep(0.05)
        engine.call("DELETE", f"/containers/{service}?v=true&force=true")
        engine.call("DELETE", f"/volumes/{tag}")
        engine.call("DELETE", f"/networks/{network}")
        remove_wire()
        return time.monotonic() - begin

    for isolated, what in [(False, "a script"), (True, "a script whose network the host is not on either")]:
        ours, theirs = alternate(lambda: rehearsa("test", "--exact", name, "--settle", "0s")[0], lambda: script(isolated))
        value, detail = ratio_of(ours, theirs)
        report("a", f"one small service against {what}", value, "", 1.0, detail)


def internal_network(engine, name):
    """A bridge on which the host has an address; returns its id, and what removes the rest."""
    return engine.call("POST", "/networks/create", {"Name": name, "Internal": True})["Id"], lambda: None


def isolated_network(engine, name):
    """A network as rehearsa makes it (src/rehearse/sandbox/network.rs); returns its id, and what removes the rest."""
    request = {"Name": name, "Internal": True, "Driver": "macvlan", "Options": {"macvlan_mode": "bridge"}}
    created = engine.call("POST", "/networks/create", request, ok=range(200, 600))
    if "Id" in created:
        return created["Id"], lambda: None
    # The kernel has no dummy devices.
    below = engine.call("POST", "/networks/create", {
        "Name": f"{name}-wire", "Internal": True, "Driver": "bridge",
        "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"}})["Id"]
    request["Options"]["parent"] = f"br-{below[:12]}"
    network = engine.call("POST", "/networks/create", request)["Id"]
    keeper = engine.call("POST", "/containers/create", {
        "Image": TINY, "Entrypoint": ["sleep", "900"], "Cmd": [], "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {"NetworkMode": f"{name}-wire"}})["Id"]
    engine.call("POST", f"/containers/{keeper}/start")

    def remove():
        engine.call("DELETE", f"/containers/{keeper}?v=true&force=true")
        engine.call("DELETE", f"/networks/{below}")

    return network, remove


def bench_b_and_e(wanted):
    volume, name = big_volume()
    peaks = []

    def clone():
        _, peak, output = rehearsa("test", "--exact", name, "--settle", "0s", "--json", "-")
        peaks.append(peak)
        return steps_of(output, "worker", "restore")

    def script():
        target = f"{MARK}-to"
        docker("volume", "create", target)
        begin = time.monotonic()
        docker("run", "--rm", "--label", f"{MARK}=1", "--network", "none", "--user", "0:0", "-v", f"{volume}:/from:ro", "-v", f"{target}:/to",
               "--entrypoint", "cp", "rehearsa-fixture/notes:latest", "-a", "/from/.", "/to/")
        seconds = time.monotonic() - begin
        docker("volume", "rm", target)
        return seconds

    value, detail = ratio_of(*alternate(clone, script))
    if "b" in wanted:
        report("b", "clone of 1 GB in 20,000 files against cp -a", value, "", 0.55, detail)
    if "e" in wanted:
        report("e", "peak memory of the client", max(peaks) / 1e6, " MB", 64, f"over {len(peaks)} runs")


def bench_c():
    # The service says in its log when its healthcheck begins to pass; its own interval is 30 s.
    program = "import sys, time; time.sleep(float(sys.argv[1])); open('/tmp/ok', 'w').close(); print('passes', time.time(), flush=True); time.sleep(900)"
    delays = []
    for n in range(max(OPTIONS.runs, 5) + 2):
        name = live(f"c{n}", "rehearsa-fixture/notes:latest", None, ("-c", program, f"{1 + random.random():.3f}"),
                    "--entrypoint", "python3", "--health-cmd", "test -e /tmp/ok", "--health-interval", "30s")
        _, _, output = rehearsa("test", "--exact", name, "--settle", "0s", "--json", "-")
        case = json.loads(output)["cases"][0]
        passes = next(float(line.split()[1]) for line in case["log_tail"] if line.startswith("passes"))
        check = next(step for step in case["steps"] if step["step"] == "check")
        started = time_of(check["started"])
        delays.append(started + check["seconds"] - passes)
        docker("rm", "-f", "-v", name)
    report("c", "from passing to seen", statistics.median(delays), " s", 0.5, f"{min(delays):.2f}–{max(delays):.2f} s over {len(delays)} runs")


def bench_d():
    for n in range(6):
        live(f"d{n}", volume=f"{MARK}-d{n}")

    def with_threads(threads):
        return rehearsa("test", f"{MARK}-d", "--test-threads", threads)[0]

    for threads, word, bound in [("2", "two", 0.52), ("4", "four", 0.35)]:
        value, detail = ratio_of(*alternate(lambda: with_threads(threads), lambda: with_threads("1")))
        report("d", f"six services, {word} threads against one", value, "", bound, detail)


def bench_f():
    for n in range(200):
        docker("run", "-d", "--name", f"{MARK}-f{n}", "--label", f"{MARK}=1", "--network", "none", "rehearsa-fixture/no-ports:latest")

    def list_them():
        seconds, _, output = rehearsa("test", "--list", "--format", "terse")
        assert output.count(f"{MARK}-f") == 200, output
        return seconds

    def ps():
        begin = time.monotonic()
        docker("ps")
        return time.monotonic() - begin

    ours, theirs = alternate(list_them, ps)
    more = statistics.median(ours) - statistics.median(theirs)
    report("f", "--list with 200 containers beyond docker ps", more, " s", 0.3,
           f"medians {statistics.median(ours):.2f} s / {statistics.median(theirs):.2f} s")
