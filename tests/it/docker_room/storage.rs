//! Volumes and mounts.

use rehearsa::docker::DockerErrorKind;
use rehearsa::model::sandbox::{ContainerSpec, MountSource, VolumeSpec};

use crate::support::bench::{Bench, mount, script, seen, with_session};

async fn volume(bench: &Bench, what: &str) -> String {
    let volume =
        bench.daemon.create_volume(&bench.name(what), &VolumeSpec::Plain, &bench.marks).await.expect("a volume");
    volume.name
}

#[tokio::test]
async fn an_empty_volume_is_not_filled_from_the_image() {
    with_session(async |bench| {
        let name = volume(bench, "empty").await;
        let (_, out, _) = bench.run("without", script("ls -A /www | wc -l"), b"").await;
        assert_ne!(out.trim(), "0", "the image has files there");
        let mounts = vec![mount("/www", MountSource::Volume(name), false)];
        let (_, out, _) = bench.run("with", ContainerSpec { mounts, ..script("ls -A /www | wc -l") }, b"").await;
        assert_eq!(out.trim(), "0");
    })
    .await;
}

#[tokio::test]
async fn a_volume_that_is_there_already_is_not_handed_out_as_new() {
    with_session(async |owner| {
        let name = volume(owner, "taken").await;
        with_session(async |bench| {
            let error =
                bench.daemon.create_volume(&name, &VolumeSpec::Plain, &bench.marks).await.expect_err("it is taken");
            assert!(matches!(error.kind, DockerErrorKind::Conflict(_)), "{error}");
        })
        .await;
        owner.daemon.volume(&name).await.expect("it is still there");
    })
    .await;
}

#[tokio::test]
async fn a_volume_that_the_engine_makes_for_a_mount_is_known_as_ours() {
    with_session(async |bench| {
        let mounts = vec![mount("/data", MountSource::Volume(bench.name("vanished")), true)];
        let id = bench.create("c", &ContainerSpec { mounts, ..script("true") }).await;
        bench.daemon.remove_container(&id).await.expect("removed");
        let objects = bench.daemon.objects(Some(&bench.marks.session)).await.expect("objects");
        assert_eq!(objects.volumes.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn anonymous_volumes_go_with_their_container() {
    with_session(async |bench| {
        let id = bench.started("c", &script("sleep 60")).await;
        let name = seen(&id, "(index .Mounts 0).Name").as_str().expect("a name").to_owned();
        bench.daemon.volume(&name).await.expect("the image declares a volume");
        bench.daemon.remove_container(&id).await.expect("removed");
        assert!(matches!(bench.daemon.volume(&name).await.expect_err("gone").kind, DockerErrorKind::NotFound(_)));
    })
    .await;
}

#[tokio::test]
async fn a_read_only_mount_is_read_only() {
    with_session(async |bench| {
        let name = volume(bench, "ro").await;
        let mounts = vec![mount("/data", MountSource::Volume(name), true)];
        let (code, _, err) = bench.run("c", ContainerSpec { mounts, ..script("touch /data/x") }, b"").await;
        assert_ne!(code, 0);
        assert!(err.contains("Read-only"), "{err}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_host_path_is_an_error_and_is_not_created() {
    with_session(async |bench| {
        let path = format!("/var/tmp/rehearsa-test-{}", bench.marks.session);
        let mounts = vec![mount("/data", MountSource::HostPath(path.clone()), true)];
        let spec = ContainerSpec { mounts, ..script("true") };
        let made = bench.daemon.create_container(&bench.name("c"), &spec, &bench.marks).await;
        let error = match made {
            Err(error) => error,
            Ok(id) => bench.daemon.start_container(&id).await.expect_err("nothing is there"),
        };
        assert!(error.to_string().contains(&path), "{error}");
        let mounts = vec![mount("/tmp/look", MountSource::HostPath("/var/tmp".into()), true)];
        let look = format!("test ! -e /tmp/look/rehearsa-test-{}", bench.marks.session);
        let (code, _, err) = bench.run("look", ContainerSpec { mounts, ..script(&look) }, b"").await;
        assert_eq!(code, 0, "{err}");
    })
    .await;
}

#[tokio::test]
async fn tmpfs_has_the_options_it_was_given() {
    with_session(async |bench| {
        let mounts = vec![
            mount("/scratch", MountSource::Tmpfs("size=1m,mode=1770".into()), false),
            mount("/fixed", MountSource::Tmpfs("size=1m".into()), true),
        ];
        let ask = "stat -c %a /scratch; df -k /scratch | tail -1 | awk '{print $2}'; touch /fixed/x || echo fixed";
        let (_, out, _) = bench.run("c", ContainerSpec { mounts, ..script(ask) }, b"").await;
        assert_eq!(out, "1770\n1024\nfixed\n");
    })
    .await;
}

#[tokio::test]
async fn an_overlay_shows_the_data_and_never_writes_to_it() {
    with_session(async |bench| {
        let (data, work) = (volume(bench, "data").await, volume(bench, "work").await);
        let mounts = vec![
            mount("/data", MountSource::Volume(data.clone()), false),
            mount("/work", MountSource::Volume(work.clone()), false),
        ];
        let prepare = "echo original > /data/file; mkdir /work/upper /work/work";
        let (code, _, err) = bench.run("prepare", ContainerSpec { mounts, ..script(prepare) }, b"").await;
        assert_eq!(code, 0, "{err}");
        let place = async |name: &str| bench.daemon.volume(name).await.expect("a volume").mountpoint;
        let (lower, top) = (place(&data).await, place(&work).await);
        let overlay = VolumeSpec::Overlay { lower, upper: format!("{top}/upper"), work: format!("{top}/work") };
        let name = bench.name("overlay");
        let info = bench.daemon.create_volume(&name, &overlay, &bench.marks).await.expect("a volume");
        assert_eq!(info.options["type"], "overlay");
        let mounts = vec![mount("/data", MountSource::Volume(name), false)];
        let change = "cat /data/file; echo changed > /data/file; cat /data/file";
        let (_, out, err) = bench.run("change", ContainerSpec { mounts, ..script(change) }, b"").await;
        assert_eq!(out, "original\nchanged\n", "{err}");
        let mounts = vec![mount("/data", MountSource::Volume(data), true)];
        let (_, out, _) = bench.run("look", ContainerSpec { mounts, ..script("cat /data/file") }, b"").await;
        assert_eq!(out, "original\n");
    })
    .await;
}
