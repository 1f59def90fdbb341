//! The HTML report in a real browser: no request, no script, nothing too wide, readable colours, a name for every
//! element that needs one.

use serde_json::{Value, json};

use crate::browser::{Browser, Sight};
use crate::support::recorded as sample;
use crate::support::recorded::html::{hostile_to_html, page};

/// The least phone and a desk, by day and by night, and the least screen on which the table is drawn as one.
const SIGHTS: [Sight; 5] = [
    Sight { width: 360, scheme: "light" },
    Sight { width: 360, scheme: "dark" },
    Sight { width: 1280, scheme: "light" },
    Sight { width: 1280, scheme: "dark" },
    Sight { width: 720, scheme: "light" },
];

const DESK: Sight = SIGHTS[2];

/// Everything that is wrong with a page.
fn complaints(browser: &mut Browser, html: &str, sight: Sight) -> Vec<String> {
    browser.open(html, sight);
    let looks = browser.evaluate(&include_str!("looks.js").replace("WIDTH", &sight.width.to_string()));
    let looks: Vec<String> = serde_json::from_value(looks).expect("sentences");
    // After it: everything is unfolded then.
    let nameless = browser.nameless();
    let misdeeds = browser.misdeeds();
    misdeeds.into_iter().chain(looks).chain(nameless).collect()
}

#[test]
fn every_page_is_sound_on_every_screen() {
    let mut browser = Browser::start();
    for (name, events) in sample::all().into_iter().chain([("hostile_to_html", hostile_to_html())]) {
        let html = page(&events);
        for sight in SIGHTS {
            let wrong = complaints(&mut browser, &html, sight);
            assert!(wrong.is_empty(), "{name}, {sight:?}:\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn a_page_that_is_not_sound_is_found_out() {
    let mut browser = Browser::start();
    let html = page(&sample::one_failed());
    for (harm, complaint) in [
        ("<script>console.error(1)</script>", "console: "),
        ("<img src='https://example.org/x.png' alt='x'>", "console: "),
        ("<b onclick='alert(1)'>x</b>", "strange attribute"),
        ("<svg role='img' width='1' height='1'></svg>", "mute picture"),
        ("<a href='#services'></a>", "without a name: \"link\""),
        ("<div style='width:2000px'>x</div>", "too wide"),
        ("<p style='color:#999;background:#fff'>x</p>", "contrast 2.8"),
        ("<h5>x</h5>", "heading of level 5"),
        ("<pre tabindex='0'>x</pre>", "reached without a name"),
    ] {
        let harmed = html.replacen("<main>", &format!("<main>{harm}"), 1);
        for sight in [DESK, SIGHTS[0]] {
            let wrong = complaints(&mut browser, &harmed, sight);
            assert!(wrong.iter().any(|found| found.starts_with(complaint)), "{harm}, {sight:?}: {wrong:?}");
        }
    }
    // Without the policy a script runs and an image is asked for: the policy is what keeps them out.
    let lawless = html.replace(rehearsa::report::html::POLICY, "default-src *; script-src 'unsafe-inline'");
    let harmed = lawless.replacen("<main>", "<main><script>console.error(1)</script><img src='x.png' alt='x'>", 1);
    let wrong = complaints(&mut browser, &harmed, DESK);
    assert!(wrong.iter().any(|found| found.starts_with("console: [")), "{wrong:?}");
    assert!(wrong.iter().any(|found| found.starts_with("request: ")), "{wrong:?}");
}

#[test]
fn the_keyboard_reaches_everything_and_is_seen() {
    let mut browser = Browser::start();
    browser.open(&page(&sample::everything()), DESK);
    let mut reached = Vec::new();
    for _ in 0..80 {
        browser.press("Tab", 9);
        let focused = browser.evaluate(
            "(() => { const e = document.activeElement; if (e === document.body) return null;
              const seen = e.matches('input') ? e.nextElementSibling : e, box = seen.getBoundingClientRect();
              const style = getComputedStyle(seen);
              return [e.matches('.skip') ? 'skip' : e.tagName.toLowerCase(),
                      style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                      box.bottom > 0 && box.top < innerHeight]; })()",
        );
        if focused.is_null() {
            break;
        }
        assert_eq!((&focused[1], &focused[2]), (&json!(true), &json!(true)), "{focused}: outlined and on the screen");
        reached.push(focused[0].as_str().expect("a name").to_owned());
    }
    assert_eq!(reached[0], "skip");
    for element in ["input", "a", "summary", "pre", "div"] {
        assert!(reached.iter().any(|name| name == element), "{element}: {reached:?}");
    }
}

#[test]
fn a_link_from_the_table_unfolds_the_case() {
    let mut browser = Browser::start();
    browser.open(&page(&sample::everything()), DESK);
    let opened = browser.evaluate(
        "(async () => { const link = document.querySelector('tr.passed a');
          const details = document.querySelector(link.hash).closest('details'), before = details.open;
          link.click(); await new Promise(done => setTimeout(done, 100));
          const top = details.querySelector('summary').getBoundingClientRect().top;
          return [before, details.open, top >= 0 && top < innerHeight]; })()",
    );
    assert_eq!(opened, json!([false, true, true]));
}

#[test]
fn what_is_chosen_is_shown_without_a_script() {
    let mut browser = Browser::start();
    browser.open(&page(&sample::everything()), DESK);
    let mut shown = |choice: &str| -> Value {
        browser.evaluate(&format!(
            "document.querySelector('#show-{choice}').click();
             [...document.querySelectorAll('.case')].filter(e => e.checkVisibility()).map(e => e.tagName + ' ' +
                 e.querySelector('a, h3').textContent)"
        ))
    };
    assert_eq!(
        shown("errored"),
        json!(["TR paperless::web", "TR photos::immich", "DETAILS paperless::web", "DETAILS photos::immich"])
    );
    assert_eq!(shown("flaky"), json!(["TR files::nextcloud", "DETAILS files::nextcloud"]));
    assert_eq!(shown("all").as_array().map(Vec::len), Some(16));
}

#[test]
fn on_a_phone_the_table_is_drawn_as_cards_but_heard_as_a_table() {
    let mut browser = Browser::start();
    let html = page(&sample::mixed());
    let mut heard = |sight: Sight| {
        browser.open(&html, sight);
        ["table", "row", "rowheader", "columnheader", "cell", "list", "listitem"].map(|role| browser.count_of(role))
    };
    let (phone, desk) = (heard(SIGHTS[0]), heard(DESK));
    assert_eq!(phone, desk);
    assert!(phone.iter().all(|count| *count > 0), "{phone:?}");
}
