//! Values of the environment and of labels that arrive in another form than they were written: YAML reads a number.

use super::notes::Notes;
use crate::compose_places::yaml::Value;
use crate::model::diagnosis::Code;
use crate::model::mask::sounds_secret;
use crate::model::service::Service;

/// The longest value that a message shows. A longer number may be a secret.
const SHOWN: usize = 12;

pub(super) fn find(notes: &mut Notes<'_>) {
    for service in notes.checkout.services {
        for var in &service.env {
            if let Some(value) = &var.value {
                compare(notes, service, "environment", &var.name, value.reveal());
            }
        }
        for (name, value) in &service.labels {
            compare(notes, service, "labels", name, value);
        }
    }
}

/// Compares a value with what the files have for it.
fn compare(notes: &mut Notes<'_>, service: &Service, section: &str, name: &str, arrived: &str) {
    let Some((place, node)) = notes.last(&["services", &service.name.service, section, name]) else { return };
    let Value::Scalar(scalar) = &node.value else { return };
    let written = scalar.text.as_str();
    // A value that is not there is taken from elsewhere; one with variables is another text anyhow.
    if !scalar.is_plain || written.contains('$') || matches!(written, "" | "~" | "null") || written == arrived {
        return;
    }
    let is_shown = !sounds_secret(name) && written.len() <= SHOWN && arrived.len() <= 2 * SHOWN;
    let (form, mend) = if is_shown {
        (format!("arrives as `{arrived}` and not as `{written}`"), format!("Write `{name}: \"{written}\"`."))
    } else {
        ("does not arrive as it is written".to_owned(), format!("Write the value of `{name}` in quotes."))
    };
    let what = format!("{name} of {} {form}: YAML reads a number or a truth value", service.name.service);
    notes.add(Some(place), Some(&service.name), Code::ConfigValueChanged, &what, mend);
}
