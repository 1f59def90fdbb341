//! Reads partitions: `slice:1/3`, `hash:2/5`.

use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::environment::Environment;
use crate::model::partition::{Partition, Sharing};

const WANTED: &str = "a partition such as `slice:1/3` or `hash:2/5`, counted from 1";

/// Reads a partition. Parts count from 1; a part beyond the last is an error that names `origin`.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<Partition, ConfigError> {
    let wrong = || ConfigError::value(origin, text, WANTED);
    let (sharing, part) = text.trim().split_once(':').ok_or_else(wrong)?;
    let sharing = match sharing {
        "slice" | "count" => Sharing::Slice,
        "hash" => Sharing::Hash,
        _ => return Err(wrong()),
    };
    let (index, total) = part.split_once('/').ok_or_else(wrong)?;
    let index: u64 = index.trim().parse().map_err(|_| wrong())?;
    let total: u64 = total.trim().parse().map_err(|_| wrong())?;
    if index < 1 || index > total {
        return Err(wrong());
    }
    Ok(Partition { sharing, index, total })
}

/// The part that GitLab gives to this job. GitLab sets both variables for a job with `parallel:`, and only the total,
/// as 1, for other jobs: then there is no partition.
pub fn of_ci(env: &Environment) -> Result<Option<Partition>, ConfigError> {
    let (Some(index), Some(total)) = (env.get("CI_NODE_INDEX"), env.get("CI_NODE_TOTAL")) else { return Ok(None) };
    parse(&SettingOrigin::Variable("CI_NODE_INDEX"), &format!("slice:{index}/{total}")).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Partition, String> {
        parse(&SettingOrigin::Flag("--partition"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn partitions_are_read() {
        assert_eq!(read("slice:1/3"), Ok(Partition { sharing: Sharing::Slice, index: 1, total: 3 }));
        assert_eq!(read("hash:5/5"), Ok(Partition { sharing: Sharing::Hash, index: 5, total: 5 }));
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in ["", "1/3", "slice:0/3", "slice:4/3", "slice:1", "slice:a/b", "other:1/2", "slice:1/0"] {
            let error = read(text).expect_err(text);
            assert_eq!(error, format!("--partition: `{text}` is not {WANTED}"));
        }
    }

    #[test]
    fn gitlab_shares_a_parallel_job_out() {
        let env = |pairs: &[(&str, &str)]| of_ci(&pairs.iter().copied().collect());
        let both = env(&[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")]).expect("numbers").expect("a part");
        assert_eq!(both.to_string(), "slice:2/4");
        assert_eq!(env(&[("CI_NODE_TOTAL", "1")]).expect("not parallel"), None);
        assert!(env(&[("CI_NODE_INDEX", "9"), ("CI_NODE_TOTAL", "4")]).is_err());
    }
}
