//! The table of all settings in docs/settings.md, and tests of what is declared.

use std::collections::BTreeSet;

use super::{SERVICE_VALUES, Setting, all};

const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->\n";

/// The table in Markdown: flags by name, then labels without a flag, then keys without either.
fn table() -> String {
    let mut settings: Vec<&Setting> = all().collect();
    settings
        .sort_by_key(|setting| (setting.flag.is_empty(), setting.flag_name(), setting.label.is_empty(), setting.label));
    let rows = settings.into_iter().map(row);
    let head = "| flag | environment | label | plan file | default | what it does |\n|---|---|---|---|---|---|\n";
    [head.to_owned()].into_iter().chain(rows).collect()
}

fn row(setting: &Setting) -> String {
    let Setting { flag, short, variables, other_variables, label, keys, default, example: _, about } = setting;
    let code = |text: &&str| format!("`{text}`");
    let of = |texts: &[&str]| texts.iter().filter(|text| !text.is_empty()).map(code).collect::<Vec<_>>().join(", ");
    let mut environment = vec![of(variables), (*other_variables).to_owned()];
    environment.retain(|text| !text.is_empty());
    let cells = [of(&[short, flag]), environment.join(", "), of(&[label]), of(keys), (*default).to_owned()];
    let cells: Vec<String> = cells.map(|cell| if cell.is_empty() { cell } else { format!("{cell} ") }).into();
    format!("| {}| {} |\n", cells.join("| "), about.trim())
}

#[test]
fn generated_table_of_the_settings_page() {
    const PAGE: &str = "docs/settings.md";
    let page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the table has a beginning");
    let (_, after) = rest.split_once(END).expect("the table has an end");
    crate::model::generated::check(PAGE, &format!("{before}{BEGIN}{}{END}{after}", table()));
}

#[test]
fn a_place_belongs_to_one_setting() {
    let places = all().flat_map(|setting| {
        let flag = setting.flag_name();
        setting.variables.iter().chain(setting.keys).copied().chain([flag, setting.short, setting.label])
    });
    let mut seen = BTreeSet::new();
    for place in places.filter(|place| !place.is_empty()) {
        assert!(seen.insert(place), "{place} stands twice");
    }
}

/// A value of a service has one name, spelled as its place spells names.
#[test]
fn a_value_of_a_service_is_called_the_same_everywhere() {
    for setting in SERVICE_VALUES {
        let &[key] = setting.keys else { panic!("one key: {setting:?}") };
        let kebab = key.replace('_', "-");
        assert_eq!(setting.flag_name(), format!("--{kebab}"));
        assert_eq!(setting.label, format!("rehearsa.{kebab}"));
        assert_eq!(setting.variables, [format!("REHEARSA_{}", key.to_uppercase())]);
        assert!(!setting.default.is_empty() && !setting.example.is_empty(), "{setting:?}");
    }
}
