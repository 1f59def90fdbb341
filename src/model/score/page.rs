//! The page of weights, docs/score.md: its tables are written from the code.

use super::weights::{Cap, Measure, Point, ScoredBy, most_of};

const PAGE: &str = "docs/score.md";

fn point_table() -> String {
    let mut table =
        "| group | points | given for | `test` | `score` | raised by |\n|---|---|---|---|---|---|\n".to_owned();
    for measure in Measure::ALL {
        table.push_str(&format!(
            "| **{}** | **{}** | **{}** | | | |\n",
            measure.name(),
            measure.most(),
            measure.question()
        ));
        for point in Point::ALL.iter().filter(|point| point.measure() == measure) {
            let seen = |command| if point.is_seen_by(command) { "yes" } else { "–" };
            table.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                point.name(),
                point.most(),
                point.given_for(),
                seen(ScoredBy::Test),
                seen(ScoredBy::Score),
                point.raised_by()
            ));
        }
    }
    let (test, score) = (most_of(ScoredBy::Test), most_of(ScoredBy::Score));
    table.push_str(&format!("| **total** | **100** | | **{test}** | **{score}** | |\n"));
    table
}

fn cap_table() -> String {
    let mut table = "| at most | name | when | lifted by |\n|---|---|---|---|\n".to_owned();
    for cap in Cap::ALL {
        table.push_str(&format!("| {} | {} | {} | {} |\n", cap.at(), cap.name(), cap.when(), cap.lifted_by()));
    }
    table
}

#[test]
fn generated_tables_of_the_score_page() {
    let mut page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE))
        .expect("the page is there");
    for (name, made) in [("points", point_table()), ("caps", cap_table())] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
        let (before, rest) = page.split_once(&begin).expect("the table has a beginning");
        let (_, after) = rest.split_once(&end).expect("the table has an end");
        page = format!("{before}{begin}{made}{end}{after}");
    }
    crate::model::generated::check(PAGE, &page);
}
