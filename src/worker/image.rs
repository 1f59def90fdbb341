//! The worker image: this executable and whatever it needs to run, imported into the engine once per content.
//!
//! A statically linked executable needs nothing. For any other one the loader and the shared objects that it names are
//! taken from where they are mapped into this very process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::stream::poll_fn;
use tokio::sync::mpsc;

use super::elf;
use super::error::WorkerError;
use crate::docker::{ByteStream, Daemon, ImageLine, labels};
use crate::model::lock::lock;

/// Repository of the image.
const REPOSITORY: &str = "rehearsa-worker";
/// Where the executable is in the image.
pub const EXECUTABLE: &str = "/rehearsa";
/// Digits of the content's hash that are in the tag.
const TAG_LENGTH: usize = 16;
/// When the image was imported, in Unix seconds.
const IMPORTED: &str = "io.rehearsa.worker.imported";
/// Images of other versions are left alone for this many seconds after their import: their runs may still need them.
const SPARED: i64 = 3600;
/// Folders that an engine mounts something on.
const FOLDERS: [&str; 5] = ["dev", "etc", "proc", "sys", "tmp"];
/// Most pieces of the image on their way to the engine, and the bytes of each.
const PIECES: usize = 4;
const PIECE: usize = 256 * 1024;

/// The worker image: made from this executable, imported once per content.
#[derive(Debug, Clone)]
pub struct WorkerImage {
    /// Its tag (`rehearsa-worker:<hash>`).
    pub tag: String,
}

/// A file of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// Absolute path in the image.
    path: PathBuf,
    /// Where its content is here.
    from: PathBuf,
}

/// The files that an image is made of, and the hash over them.
#[derive(Debug)]
struct Content {
    parts: Vec<Part>,
    hash: String,
}

impl Content {
    fn read(executable: &Path) -> Result<Content, WorkerError> {
        let parts = parts(executable)?;
        let hash = hash(&parts)?;
        Ok(Content { parts, hash })
    }

    /// The content of the running executable. A process runs one executable, so it is read once.
    fn own() -> Result<Arc<Content>, WorkerError> {
        static OWN: Mutex<Option<Arc<Content>>> = Mutex::new(None);
        let mut own = lock(&OWN);
        match &*own {
            Some(content) => Ok(Arc::clone(content)),
            None => {
                // The kernel's link leads to the running file even when it has been replaced or removed since.
                let content = Arc::new(Content::read(Path::new("/proc/self/exe"))?);
                Ok(Arc::clone(own.insert(content)))
            }
        }
    }
}

impl WorkerImage {
    /// Begins to read this executable, in the background: a run needs its hash as soon as it has a plan.
    pub fn read_ahead() {
        if cfg!(target_os = "linux") {
            // An error is told by the call of `ensure` that needs the content.
            drop(tokio::task::spawn_blocking(Content::own));
        }
    }

    /// Finds the image of this executable on the engine or imports it. Older ones that no container uses are removed in
    /// the background. `now` is the time in Unix seconds.
    pub async fn ensure(daemon: &Daemon, now: i64) -> Result<WorkerImage, WorkerError> {
        if !cfg!(target_os = "linux") {
            let error = Error::new(ErrorKind::Unsupported, "rehearsa must run on Linux to take itself to the engine");
            return Err(failed(Path::new("the executable"), error));
        }
        let content = blocking(Content::own).await?;
        let image = WorkerImage::import(daemon, &content, now).await?;
        let daemon = daemon.clone();
        drop(tokio::spawn(async move { prune(&daemon, &content.hash, now).await }));
        Ok(image)
    }

    /// As [`ensure`](Self::ensure), for another executable of the same build, as tests have it. The older images are
    /// gone when it returns.
    pub async fn ensure_of(daemon: &Daemon, executable: &Path, now: i64) -> Result<WorkerImage, WorkerError> {
        let executable = executable.to_owned();
        let content = blocking(move || Content::read(&executable)).await?;
        let image = WorkerImage::import(daemon, &content, now).await?;
        prune(daemon, &content.hash, now).await;
        Ok(image)
    }

    /// Finds the image of this content on the engine or imports it.
    async fn import(daemon: &Daemon, content: &Content, now: i64) -> Result<WorkerImage, WorkerError> {
        let image = WorkerImage { tag: tag(&content.hash) };
        if daemon.image_id(&image.tag).await?.is_some() {
            return Ok(image);
        }
        // An engine of another architecture cannot have the image yet: the hash covers the executable.
        let info = daemon.info().await?;
        if !same_architecture(&info.architecture, std::env::consts::ARCH) {
            let text = format!("built for {}, but the engine runs on {}", std::env::consts::ARCH, info.architecture);
            return Err(failed(Path::new("the executable"), Error::new(ErrorKind::Unsupported, text)));
        }
        // Two processes may both come here: then the tag ends up on the later image, and both are the same.
        let imported = now.to_string();
        let labels = [(labels::WORKER, content.hash.as_str()), (IMPORTED, imported.as_str())];
        daemon.import_image(&image.tag, &labels, stream(content.parts.clone())).await?;
        Ok(image)
    }

    /// Whether an image is a worker image of some version, and nothing else: it was imported, not made from another
    /// image that gave it the labels, and nobody gave it a name of their own.
    pub fn is_one(image: &ImageLine) -> bool {
        let hash = image.labels.get(labels::WORKER).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_imported = image.parent.is_none() && image.labels.contains_key(IMPORTED);
        let own = |hash: &String| hash.len() >= TAG_LENGTH && image.tags.iter().all(|of| *of == tag(hash));
        is_imported && hash.is_some_and(own)
    }
}

/// The tag of the image of this content.
fn tag(hash: &str) -> String {
    format!("{REPOSITORY}:{}", &hash[..TAG_LENGTH])
}

/// Removes images of other content that were imported long before `now`. An image that cannot be removed is left for
/// the next run.
async fn prune(daemon: &Daemon, hash: &str, now: i64) {
    let images = match daemon.images_labelled(labels::WORKER).await {
        Ok(images) => images,
        Err(error) => {
            tracing::debug!(%error, "worker images not listed");
            return;
        }
    };
    for image in images.iter().filter(|image| WorkerImage::is_one(image)) {
        let is_current = image.labels.get(labels::WORKER).is_some_and(|of| of == hash);
        let imported = image.labels.get(IMPORTED).and_then(|seconds| seconds.parse::<i64>().ok()).unwrap_or(0);
        if !is_current && now.saturating_sub(imported) > SPARED {
            // In use is the usual reason why not.
            if let Err(error) = daemon.remove_image(&image.id).await {
                tracing::debug!(%error, id = %image.id, "old worker image kept");
            }
        }
    }
}

fn failed(path: &Path, source: Error) -> WorkerError {
    WorkerError::Image { path: path.display().to_string(), source }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkerError> + Send + 'static,
) -> Result<T, WorkerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(failed(Path::new("the executable"), Error::other(error))),
    }
}

/// Engines name architectures as the kernel does, or as Go does.
fn same_architecture(engine: &str, ours: &str) -> bool {
    let canonical = match engine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" | "i486" | "i586" | "i686" | "386" => "x86",
        arm if arm.starts_with("armv") => "arm",
        "ppc64le" => "powerpc64",
        other => other,
    };
    canonical == ours
}

/// The files that an image of `executable` is made of, in the order of their paths.
fn parts(executable: &Path) -> Result<Vec<Part>, WorkerError> {
    let maps = if cfg!(target_os = "linux") {
        let path = Path::new("/proc/self/maps");
        std::fs::read_to_string(path).map_err(|error| failed(path, error))?
    } else {
        String::new()
    };
    parts_with(executable, &mapped(&maps))
}

/// The files mapped executable, by a table of the form of `/proc/self/maps`.
fn mapped(maps: &str) -> BTreeSet<PathBuf> {
    maps.lines()
        .filter_map(|line| {
            let at = line.find('/')?;
            let executable = line.split_ascii_whitespace().nth(1)?.contains('x');
            // A file that was replaced since it was mapped cannot be read by its name any more.
            (executable && !line.ends_with(" (deleted)")).then(|| PathBuf::from(&line[at..]))
        })
        .collect()
}

fn parts_with(executable: &Path, mapped: &BTreeSet<PathBuf>) -> Result<Vec<Part>, WorkerError> {
    let mut parts = BTreeMap::from([(PathBuf::from(EXECUTABLE), executable.to_owned())]);
    let program = describe(executable)?;
    if let Some(interpreter) = program.interpreter {
        let interpreter = PathBuf::from(interpreter);
        let loader = interpreter.canonicalize().map_err(|error| failed(&interpreter, error))?;
        // Everything a process has mapped, by the name that others need it by.
        let mut known = BTreeMap::new();
        for path in mapped {
            let Ok(library) = describe(path) else { continue };
            let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if let Some(name) = library.soname.clone().or(file_name) {
                known.insert(name, (path.clone(), library.needed));
            }
        }
        let mut wanted = program.needed;
        let mut taken = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if !taken.insert(name.clone()) {
                continue;
            }
            let Some((path, needed)) = known.remove(&name) else {
                return Err(failed(
                    executable,
                    Error::new(ErrorKind::NotFound, format!("needs {name}, which is not loaded")),
                ));
            };
            wanted.extend(needed);
            // By the name that the loader looks for: in the library's own folder (a run path leads there) and beside
            // the loader, where every loader looks.
            for folder in [path.parent(), loader.parent()].into_iter().flatten() {
                parts.insert(folder.join(&name), path.clone());
            }
        }
        parts.insert(loader.clone(), loader.clone());
        parts.insert(interpreter, loader);
    }
    Ok(parts.into_iter().map(|(path, from)| Part { path, from }).collect())
}

fn describe(path: &Path) -> Result<elf::Elf, WorkerError> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    elf::parse(&file).ok_or_else(|| failed(path, Error::new(ErrorKind::InvalidData, "not a program of Linux")))
}

/// A hash over the paths and contents of all parts, in hexadecimal digits.
fn hash(parts: &[Part]) -> Result<String, WorkerError> {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let read = || -> io::Result<()> {
            let mut file = File::open(&part.from)?;
            let path = part.path.as_os_str().as_encoded_bytes();
            // Lengths are hashed as well, so that no two sets of parts give the same bytes.
            hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
            hasher.update(&file.metadata()?.len().to_le_bytes());
            let mut piece = vec![0; PIECE];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(()),
                    length => hasher.update(&piece[..length]),
                };
            }
        };
        let mut read = read;
        read().map_err(|error| failed(&part.from, error))?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The image's root file system as a tar stream, made while it is read.
fn stream(parts: Vec<Part>) -> ByteStream {
    let (pieces, mut ready) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let writer = io::BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
        if let Err(error) = write_tar(&parts, writer) {
            // Nobody listens any more when the import was given up.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    Box::pin(poll_fn(move |context| ready.poll_recv(context)))
}

fn write_tar(parts: &[Part], writer: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(writer);
    let mut folders: BTreeSet<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    for part in parts {
        let path = part.path.strip_prefix("/").unwrap_or(&part.path);
        folders.extend(path.ancestors().skip(1).filter(|path| *path != Path::new("")).map(Path::to_owned));
    }
    for folder in folders {
        let mut header = header(tar::EntryType::Directory, 0, if folder == Path::new("tmp") { 0o1777 } else { 0o755 });
        archive.append_data(&mut header, folder, io::empty())?;
    }
    for part in parts {
        let file = File::open(&part.from)?;
        let mut header = header(tar::EntryType::Regular, file.metadata()?.len(), 0o755);
        archive.append_data(&mut header, part.path.strip_prefix("/").unwrap_or(&part.path), file)?;
    }
    archive.into_inner()?.flush()
}

/// Times and owners are the same wherever an image is made.
fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Passes on what is written, and waits while the engine is slower.
struct Pieces(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Ok(bytes.to_vec())).map_err(|_| Error::from(ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
