//! The summary, read by GitHub's own converter.

use std::io::Write;
use std::process::{Command, Stdio};

use rehearsa::model::diagnosis::{Code, Diagnosis, KnownCause};
use rehearsa::model::event::{CaseInfo, Event, Fact, Snapshot, Step};
use rehearsa::model::service::ServiceName;
use rehearsa::report::markdown::{CAP, Markdown, summary};

use crate::support::recorded::{self as sample, HOSTILE};

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

/// Words that act in Markdown, HTML, tables or on the pages of CI systems.
const ACTS: &str = "a | b \\| ` `` ``` ```` ~~~ **b** _i_ [l](https://e.example) ![i](x.png) <img src=x> \
     </code></summary></details><script>s</script> <!-- &amp; &#124; @octocat #1 https://e.example www.e.example \
     a@e.example :boom: $x$ ##[error]y \n\n# heading\n\n- [ ] task\n::error::z\n````\n</pre>\n\
     | c | d |\n| --- | --- |\n    code\n> quote";

#[test]
fn the_table_tells_what_the_outcome_tells() {
    for events in [sample::mixed(), sample::everything(), sample::interrupted(), sample::hostile(), sample::scored()] {
        let outcome = sample::outcome(&events);
        let told = cells(&html(&page(&events)));
        assert_eq!(told.len(), outcome.cases.len());
        for (row, case) in told.iter().zip(&outcome.cases) {
            // A run without scores has no column for them.
            let columns = 6 + usize::from(rehearsa::report::score::is_told(&outcome));
            assert_eq!(row.len(), columns, "{row:?}");
            assert_eq!(row[0], format!("<code>{}</code>", case.info.name));
            assert!(row[1].contains(case.verdict().name()), "{row:?}");
        }
    }
}

#[test]
fn no_foreign_text_acts_as_markdown_or_html() {
    for evil in [ACTS, HOSTILE, "`", "``", "|", "\\", "<", "`````` x"] {
        let case = ServiceName::of_stack(evil, evil);
        let mut info = sample::info(&case);
        info.source = evil.to_owned();
        info.snapshot = Some(Snapshot { id: evil.to_owned(), time: None });
        info.changes.push(sample::notable(evil, evil, evil));
        let skipped = CaseInfo { ignored: Some(evil.to_owned()), ..sample::info(&ServiceName::lone(evil)) };
        let mut script = sample::Script::run(vec![info, skipped]);
        let diagnosis = Diagnosis {
            cause: Some(KnownCause { meaning: evil.to_owned(), line: evil.to_owned() }),
            remedy: Some(evil.to_owned()),
            log_tail: vec![evil.to_owned(); 3],
            ..Diagnosis::new(Code::BootExited, evil)
        };
        let step = Step::Boot { service: case.clone() };
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
