//! What sources are given in these tests: an empty environment, and an engine's host that is this machine.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rehearsa::archive::survey::Survey;
use rehearsa::archive::write;
use rehearsa::model::environment::Environment;
use rehearsa::model::source::MountQuery;
use rehearsa::source::{DecodeBounds, EngineHost, HostFolder, SourceContext, SourceError};

/// The engine's host, which in these tests is this machine.
pub struct LocalHost;

impl EngineHost for LocalHost {
    fn survey(&self, path: &str, queries: &[MountQuery]) -> Result<HostFolder, SourceError> {
        let metadata = fs::metadata(path).map_err(|error| SourceError::NotThere(error.to_string()))?;
        let modified = metadata.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
        let mut survey = Survey::new(queries);
        write::list(Path::new(path), &mut |entry| survey.see(entry)).expect("it can be looked through");
        Ok(HostFolder { contents: survey.finish(), modified })
    }
}

/// What sources are given in these tests.
pub fn context() -> SourceContext {
    SourceContext {
        environment: Environment::default(),
        decoding: DecodeBounds::default(),
        executable: env!("CARGO_BIN_EXE_rehearsa").into(),
        host_name: None,
        now: jiff::Timestamp::now(),
        host: Arc::new(LocalHost),
    }
}
