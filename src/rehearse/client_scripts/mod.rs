//! Scripts that run in the container of a database server: in its own shell, with its own client and the credentials of
//! its environment. Values from outside are arguments, so no shell interprets them.

#[macro_use]
mod connect;
mod count;
mod databases;
#[macro_use]
mod load;
mod read;

pub use connect::{SERVER, WHICH, probe};
pub use count::count;
pub use databases::databases;
pub use load::{OF_OWNER, ROLES, filled, load};
pub use read::read;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::connect::{PROBE_MYSQL, PROBE_POSTGRES};
    use super::count::{COUNT_MYSQL, COUNT_POSTGRES};
    use super::databases::{DATABASES_MYSQL, DATABASES_POSTGRES};
    use super::load::{FILLED_MYSQL, FILLED_POSTGRES, LOAD_MYSQL, LOAD_POSTGRES};
    use super::read::{READ_MYSQL, READ_POSTGRES};
    use super::*;

    #[test]
    fn every_script_is_one() {
        let probes = [PROBE_POSTGRES, PROBE_MYSQL, READ_POSTGRES, READ_MYSQL, DATABASES_POSTGRES, DATABASES_MYSQL];
        let all = [OF_OWNER, WHICH, SERVER, LOAD_POSTGRES, LOAD_MYSQL, ROLES, FILLED_POSTGRES, FILLED_MYSQL]
            .into_iter()
            .chain(probes);
        let all = all.chain([COUNT_POSTGRES, COUNT_MYSQL]);
        for script in all {
            let output = Command::new("sh").args(["-n", "-c", script]).output().expect("sh runs");
            assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        }
    }

    fn run(script: &str, words: &[&str], env: &[(&str, &str)]) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(words).envs(env.iter().copied());
        String::from_utf8(command.output().expect("sh runs").stdout).expect("text").trim().to_owned()
    }

    #[test]
    fn the_servers_user_is_that_of_its_process_else_of_its_data() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("a folder");
        // A process has the name of the file that was started. Other users may run `sleep`, too.
        let server = dir.path().join("rehearsa-server");
        let path = std::env::var_os("PATH").expect("a PATH");
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("sleep"));
        let sleep = programs.find(|program| program.exists()).expect("sleep is there");
        std::os::unix::fs::symlink(sleep, &server).expect("linked");
        let mut sleeping = Command::new(server).arg("60").spawn().expect("sleep runs");
        let own = std::fs::metadata("/proc/self").expect("it is there");
        assert_eq!(run(SERVER, &["mysqld rehearsa-server", "/none"], &[]), format!("{}:{}", own.uid(), own.gid()));
        drop((sleeping.kill(), sleeping.wait()));
        let folder = std::fs::metadata("/").expect("it is there");
        assert_eq!(run(SERVER, &["no-such-one", "/none /"], &[]), format!("{}:{}", folder.uid(), folder.gid()));
        assert_eq!(run(SERVER, &["no-such-one", ""], &[("PGDATA", "/")]), "");
    }

    #[test]
    fn the_client_is_given_no_secret_that_it_does_not_need() {
        let script = concat!(forget!(), "way=tcp user=me; export user; forget; echo $way $user; env");
        let secrets = [("POSTGRES_PASSWORD", "fixture-secret"), ("KEY", "fixture-secret\nOTHER=fixture-secret")];
        let said = run(script, &[], &[&secrets[..], &[("PGPASSWORD", "kept"), ("LC_ALL", "C")]].concat());
        assert!(
            said.starts_with("tcp me\n") && said.contains("PGPASSWORD=kept") && said.contains("LC_ALL=C"),
            "{said}"
        );
        assert!(!said.contains("fixture-secret"), "{said}");
    }

    /// The client of this test stops at the first line `quit`, and exits well.
    #[test]
    fn a_client_that_stops_before_the_end_of_a_dump_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let dump = dir.path().join("dump.sql");
        let begin = concat!(whole!(), "whole \"$1\" e4d awk '/^quit/ { exit } /^bad/ { exit 3 } /^SELECT/ { print }'");
        let script = format!("{begin}; echo exit $?");
        for (content, said) in
            [("SELECT 1;\n", "ended\nexit 0"), ("SELECT 1;\nquit\nSELECT 2;", "exit 0"), ("bad\n", "exit 3")]
        {
            std::fs::write(&dump, content).expect("written");
            assert_eq!(run(&script, &[&dump.to_string_lossy()], &[]), said, "{content}");
        }
    }

    #[test]
    fn an_image_without_the_client_says_which_it_has() {
        let dir = tempfile::tempdir().expect("a folder");
        for (script, other) in [(PROBE_POSTGRES, "mariadb"), (PROBE_MYSQL, "psql")] {
            let name = dir.path().join(other);
            std::fs::write(&name, "").expect("written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&name, mode).expect("allowed");
            let output =
                Command::new("/bin/sh").args(["-c", script]).env("PATH", dir.path()).output().expect("sh runs");
            assert_eq!(output.status.code(), Some(127), "{output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), other);
            std::fs::remove_file(&name).expect("removed");
        }
    }
}
