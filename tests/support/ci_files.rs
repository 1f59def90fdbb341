//! The files for CI systems: read as these systems read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::text;

/// The documents of a YAML file as JSON; the key `on` stays a text.
const TO_JSON: &str = "
import json, sys, yaml
class Loader(yaml.SafeLoader): pass
Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag != 'tag:yaml.org,2002:bool' or first in 'tTfF']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
json.dump(list(yaml.load_all(open(sys.argv[1]), Loader)), sys.stdout, default=str)
";

/// A file of the project.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The text of a file of the project.
pub fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a YAML file of the project.
pub fn yaml(file: &str) -> Vec<Value> {
    let python = path("target/tools/venv/bin/python");
    let output = Command::new(python).args(["-c", TO_JSON]).arg(path(file)).output().expect("ci/setup made it");
    assert!(output.status.success(), "{file}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("python writes JSON")
}

/// The only document of a YAML file of the project.
pub fn document(file: &str) -> Value {
    let mut documents = yaml(file);
    assert_eq!(documents.len(), 1, "{file}");
    documents.remove(0)
}

/// The text with each `OPEN name CLOSE` replaced by the value of the name, which has to be known.
pub fn filled(text: &str, (open, close): (&str, &str), values: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(open) {
        let (name, after) = after.split_once(close).unwrap_or_else(|| panic!("{text}: {open} is not closed"));
        let value = values.get(name.trim()).unwrap_or_else(|| panic!("{text}: nothing is known of {}", name.trim()));
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

/// A list of texts.
pub fn lines(list: &Value) -> Vec<String> {
    let lines = list.as_array().into_iter().flatten();
    lines.map(|line| line.as_str().unwrap_or_else(|| panic!("{line} is no text")).to_owned()).collect()
}

/// The scripts of a Jenkinsfile, in order.
pub fn jenkins_scripts(file: &str) -> Vec<String> {
    let text = read(file);
    let mut scripts = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("sh '") {
        let (quote, after) = after.strip_prefix("''").map_or(("'", after), |after| ("'''", after));
        let (script, after) = after.split_once(quote).expect("the script ends");
        // Groovy joins lines that end with a backslash.
        scripts.push(script.replace("\\\n", ""));
        rest = after;
    }
    scripts
}

/// The values of a key in a file of systemd, in order.
pub fn unit_values(unit: &str, key: &str) -> Vec<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}
