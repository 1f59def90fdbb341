//! The page as text, and as the reader of GitHub's dialect makes HTML of it.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::model::diagnosis::{Code, Diagnosis, KnownCause};
use crate::model::event::{Event, Fact};
use crate::model::service::ServiceName;
use crate::report::sample::{self, HOSTILE};

fn page(events: &[Event]) -> String {
    sample::written(events, Markdown)
}

/// What GitHub's own converter makes of it, with all that GitHub has on, and HTML let through.
fn html(markdown: &str) -> String {
    let mut child = Command::new("cmark-gfm")
        .args(["-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tasklist", "--unsafe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cmark-gfm is installed");
    child.stdin.take().expect("piped").write_all(markdown.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every tag of the page, without its attributes.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split(['>', ' ', '\n']).next().unwrap_or("")).collect()
}

/// The text of the table's cells.
fn cells(html: &str) -> Vec<Vec<String>> {
    let body = html.split("<tbody>").nth(1).and_then(|rest| rest.split("</tbody>").next()).unwrap_or("");
    let row = |row: &str| {
        row.split("<td")
            .skip(1)
            .map(|cell| cell.split_once('>').expect("a tag").1.split("</td>").next().unwrap_or("").to_owned())
            .collect()
    };
    body.split("<tr>").skip(1).map(row).collect()
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

**In the sandbox, not as live:**

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
        "| `files::nextcloud` | ✅ passed (flaky) | listening | ",
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
    assert!(page.contains("- **Timed out:** the run's time of 1m 30s was over before its end.\n"), "{page}");
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

#[test]
fn the_table_tells_what_the_outcome_tells() {
    for events in
        [sample::mixed(), sample::everything(), sample::interrupted(), sample::hostile(), sample::left_behind()]
    {
        let outcome = sample::outcome(&events);
        let told = cells(&html(&page(&events)));
        assert_eq!(told.len(), outcome.cases.len());
        for (row, case) in told.iter().zip(&outcome.cases) {
            assert_eq!(row.len(), 6, "{row:?}");
            assert_eq!(row[0], format!("<code>{}</code>", case.info.name));
            assert!(row[1].contains(case.verdict().name()), "{row:?}");
        }
    }
}

/// Words that act in Markdown, HTML, tables or on the pages of CI systems.
const ACTS: &str = "a | b \\| ` `` ``` ```` ~~~ **b** _i_ [l](https://e.example) ![i](x.png) <img src=x> </code></summary>\
     </details><script>s</script> <!-- &amp; &#124; @octocat #1 https://e.example www.e.example a@e.example :boom: $x$ ##[error]y \
     \n\n# heading\n\n- [ ] task\n::error::z\n````\n</pre>\n| c | d |\n| --- | --- |\n    code\n> quote";

#[test]
fn no_foreign_text_acts_as_markdown_or_html() {
    for evil in [ACTS, HOSTILE, "`", "``", "|", "\\", "<", "`````` x"] {
        let case = ServiceName::of_stack(evil, evil);
        let mut info = sample::info(&case);
        info.source = evil.to_owned();
        info.snapshot = Some(crate::model::event::Snapshot { id: evil.to_owned(), time: None });
        info.changes.push(sample::notable(evil, evil, evil));
        let skipped = CaseInfo { ignored: Some(evil.to_owned()), ..sample::info(&ServiceName::lone(evil)) };
        let mut script = sample::Script::run(vec![info, skipped]);
        let diagnosis = Diagnosis {
            cause: Some(KnownCause { meaning: evil.to_owned(), line: evil.to_owned() }),
            remedy: Some(evil.to_owned()),
            log_tail: vec![evil.to_owned(); 3],
            ..Diagnosis::new(Code::BootExited, evil)
        };
        let step = crate::model::event::Step::Boot { service: case.clone() };
        let left = Diagnosis { remedy: Some(evil.to_owned()), ..Diagnosis::new(Code::SandboxLeftBehind, evil) };
        script
            .begin(&case)
            .fact(Fact::Warned { cases: vec![case.clone()], diagnosis: Diagnosis::new(Code::DataTornCopy, evil) })
            .step(&case, step, 1.0, sample::broke(&diagnosis))
            .end(&case)
            .fact(Fact::LeftBehind { diagnosis: left });
        let mut outcome = sample::outcome(&script.over());
        outcome.lost_reports.push(evil.to_owned());
        let page = summary(&outcome, CAP);
        let html = html(&page);
        let known = [
            "h2", "h3", "p", "strong", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "details",
            "summary", "pre",
        ];
        for tag in tags(&html) {
            assert!(known.contains(&tag.trim_start_matches('/')), "<{tag}> by {evil:?} in {html}");
        }
        let count = |tag: &str| tags(&html).into_iter().filter(|found| *found == tag).count();
        assert_eq!(["h2", "h3", "table", "details", "/details", "summary"].map(count), [1, 1, 1, 2, 2, 2], "{html}");
        assert_eq!(cells(&html).iter().map(Vec::len).collect::<Vec<_>>(), [6, 6], "{html}");
        assert!(page.lines().all(|line| !line.trim_start().starts_with("::") && !line.contains("##[")), "{page}");
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
