//! `rehearsa inspect`: a service's configuration as read from its live container, free of secrets.

use super::args::{Global, InspectArgs};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::inspect_view::{self, InspectView};
use super::{console, runtime};
use crate::config::Environment;
use crate::config::values::suggest::suggestion;
use crate::discover;
use crate::model::outcome::ExitCode;
use crate::model::service::Service;

/// The least number of characters of a container id that are taken for an id.
const SHORTEST_ID: usize = 6;

/// The command.
pub fn run(args: &InspectArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let services = runtime::start()?.block_on(async {
        let daemon = endpoint.connect().await?;
        Ok::<_, Failure>(discover::live(&daemon).await?.services)
    })?;
    let service = find(&services, &args.service)?;
    let view = InspectView::of(service);
    match args.format {
        TextOrJson::Text => console::print_text(&inspect_view::text(&view))?,
        TextOrJson::Json => {
            let json = serde_json::to_string_pretty(&view).expect("a view has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    Ok(ExitCode::Passed)
}

/// The service that `wanted` names: by its full name, its container's name, its own name if only one service has it,
/// or a container id.
fn find<'a>(services: &'a [Service], wanted: &str) -> Result<&'a Service, Failure> {
    let exact = |service: &&Service| service.name.to_string() == wanted || service.container_name == wanted;
    if let Some(service) = services.iter().find(exact) {
        return Ok(service);
    }
    let by_id = |service: &Service| wanted.len() >= SHORTEST_ID && service.container_id.starts_with(wanted);
    let found: Vec<&Service> = services.iter().filter(|s| s.name.service == wanted || by_id(s)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(services, wanted)),
        several => {
            let names: Vec<String> = several.iter().map(|service| format!("`{}`", service.name)).collect();
            Err(Failure::usage(format!("`{wanted}` may be {}; give the full name", names.join(" or "))))
        }
    }
}

fn unknown(services: &[Service], wanted: &str) -> Failure {
    let names: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
    let near = suggestion(wanted, names.iter().map(String::as_str));
    let message = match near {
        Some(near) => format!("no running service is called `{wanted}`; {near}"),
        None => format!("no running service is called `{wanted}`"),
    };
    Failure::usage(message).hint("`rehearsa test --list` shows all of them")
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
