//! The page as text.

use super::*;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::Event;
use crate::model::service::ServiceName;
use crate::report::sample;

fn page(events: &[Event]) -> String {
    sample::written(events, Markdown)
}

#[test]
fn a_failed_run_reads_from_the_counts_to_the_log() {
    assert_eq!(
        page(&sample::one_failed()),
        "\
## ❌ Restore Simulation: FAILED

**0 passed, 1 failed, 0 errored, 0 skipped** (2 filtered out) in 4.1s

- rehearsa `0.1.0` on `Docker 20.10.24 on nas`, session `k3x9`

| service | verdict | proof | time | restored | source |
| --- | --- | --- | ---: | ---: | --- |
| `media::sonarr` | ❌ failed | - | 4.1s | 1 file, 1.2 GB | `live` |

<details>
<summary>❌ <code>media::sonarr</code> <code>boot/exited: sonarr exited with 1 after 2.1 s</code></summary>

**the service exited** (`boot/exited`)

```text
sonarr exited with 1 after 2.1 s
```

**Known cause:** `the database file is damaged`

```text
sqlite3.DatabaseError: database disk image is malformed
```

**What it means:** The container stopped while it should have been starting or running on the restored data.

**What to do:** `Restore config.db from an older backup.`

**Last log lines:**

```text
starting
sqlite3.DatabaseError: database disk image is malformed
bye
```

**Changed in the sandbox:**

- `mount /var/run/docker.sock: left out (live: /var/run/docker.sock)`

**Warnings:**

- `files changed while they were copied: logs.db`

</details>

"
    );
}

#[test]
fn every_way_to_end_is_told() {
    let page = page(&sample::everything());
    for part in [
        "## ⚠️ Restore Simulation: interrupted\n",
        "**2 passed, 2 failed, 2 errored, 2 skipped** (1 of the passed only at a later attempt, 2 filtered out) in ",
        "- **Interrupted** by SIGTERM.\n",
        "\nMore than *listening* (`files::nextcloud`",
        "- **Left behind:** something could not be removed, see below.\n",
        "- Only a part of the selected services: `slice:1/2`.\n",
        "| `files::nextcloud` | ✅ passed (flaky) | listening (live) | ",
        "| `restic` `4f1c09d2` of 2026-01-01T03:04:05Z |\n",
        "| `files::office` | ❌ failed | - | ",
        "- attempt 1: failed, `boot/exited: sonarr exited with 1 after 2.1 s`\n",
        "- `files::nextcloud`, attempt 1: errored, `worker/failed: the worker's container ended with 137`\n",
        "| `vaultwarden` | ⏭️ skipped | - | - | - | `live` |\n",
        "- `vaultwarden` was skipped: `not run: the run was interrupted`\n",
        "- `something of the sandbox is left: volume rehearsa-k3x9-1: the engine says it is in use`\n",
        "**What to do:** Run `rehearsa clean` when the engine answers again",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn a_run_whose_time_was_over_and_whose_reports_are_lost_says_so() {
    let mut outcome = sample::outcome(&sample::one_passed());
    outcome.timed_out = Some(90);
    outcome.lost_reports = (0..7).map(|nth| format!("report {nth}: disk | full")).collect();
    let page = summary(&outcome, CAP);
    assert!(page.contains("- **Timed out:** the run did not end within its time of 1m 30s.\n"), "{page}");
    assert!(page.contains("- **Lost:** the `report 4: disk │ full`\n- **Lost:** 2 more reports\n"), "{page}");
    assert!(page.starts_with("## ⚠️ Restore Simulation: ERROR\n"), "{page}");
}

#[test]
fn a_run_without_cases_says_so() {
    let page = page(&sample::nothing());
    assert!(page.starts_with("## ⚠️ Restore Simulation: nothing was selected\n\n**0 passed"), "{page}");
    assert!(!page.contains('|'), "no table: {page}");
}

#[test]
fn a_killed_run_leaves_an_unfinished_page() {
    let page = summary(&sample::outcome(&sample::killed()), CAP);
    for part in [
        "## ⏳ Restore Simulation: unfinished\n\n**1 passed, 0 failed, 0 errored, 0 skipped, 2 not finished**",
        "- **Unfinished:** the run had not ended when this was written.\n",
        "| `media::sonarr` | ⏳ running | - | - | - | `live` |\n",
        "| `media::radarr` | ⏳ waiting |",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

/// A run of many cases that all fail with long logs.
fn large(count: usize) -> Outcome {
    let names: Vec<ServiceName> = (0..count).map(|nth| sample::name("stack", &format!("service-{nth}"))).collect();
    let mut script = sample::Script::run(names.iter().map(sample::info).collect());
    for name in &names {
        let diagnosis = Diagnosis { log_tail: vec!["`log` ".repeat(20); 200], ..sample::exited() };
        let step = crate::model::event::Step::Boot { service: name.clone() };
        script.begin(name).step(name, step, 1.0, sample::broke(&diagnosis)).end(name);
    }
    sample::outcome(&script.over())
}

#[test]
fn a_page_is_never_longer_than_its_cap_and_has_all_counts() {
    for (count, cap) in [(40, CAP), (300, CAP), (20_000, CAP), (300, 20_000), (300, 1_500)] {
        let page = summary(&large(count), cap);
        assert!(page.len() <= cap, "{count} {cap} {}", page.len());
        assert!(page.contains(&format!("**0 passed, {count} failed, 0 errored, 0 skipped**")), "{count} {cap}");
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        let details = page.matches("<details>").count();
        assert_eq!(details, page.matches("</details>").count());
        let told = |left: usize, what: &str| match left {
            0 => !page.contains(&format!("more {what}, for which")),
            left => page.contains(&format!(
                "… and {left} more {what}, for which there is no room here; see the other reports.\n"
            )),
        };
        assert!(told(count - rows, "services"), "{count} {cap} {rows}");
        assert!(told(count - details, "services that are not green"), "{count} {cap} {details}");
    }
    assert_eq!(summary(&large(40), CAP).matches("<details>").count(), 40, "what fits is there");
}
