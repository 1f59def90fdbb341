//! Reads extended attributes; ACLs and capabilities are among them.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

/// The kernel's limit on a list of attribute names and on a value, in bytes.
const XATTR_MAX: usize = 64 * 1024;

/// Attributes that belong to the place of a file and not to its data. A copied SELinux label may have the categories of
/// the live container, which the sandbox's container cannot access; the target got its volume's label when it was made.
const LEFT_OUT: [&[u8]; 1] = [b"security.selinux"];

/// Extended attributes of an entry, by name.
pub type Xattrs = Vec<(CString, Vec<u8>)>;

/// Whether the attribute belongs to the place of a file and not to its data.
pub fn belongs_to_the_place(name: &CStr) -> bool {
    LEFT_OUT.contains(&name.to_bytes())
}

/// Reads the attributes of an open file or folder.
pub fn xattrs_of(fd: &OwnedFd) -> Result<Xattrs, Errno> {
    read_xattrs(|list| flistxattr(fd, list), |name, value| fgetxattr(fd, name, value))
}

/// Reads the attributes of an entry that cannot be opened (a symlink, a FIFO, a device).
pub fn xattrs_at(folder: &OwnedFd, name: &CStr) -> Result<Xattrs, Errno> {
    let path = through_proc(folder, name);
    read_xattrs(|list| llistxattr(&path, list), |name, value| lgetxattr(&path, name, value))
}

/// A path to an entry of an open folder. Attributes have no `*at` calls, but a descriptor has a path, and the entry
/// stays below it.
pub fn through_proc(folder: &OwnedFd, name: &CStr) -> CString {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).expect("neither part holds a NUL")
}

fn read_xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&CStr, &mut [u8]) -> Result<usize, Errno>,
) -> Result<Xattrs, Errno> {
    let mut small = [0; 1024];
    let mut big = Vec::new();
    let names: &[u8] = match list(&mut small) {
        Ok(length) => &small[..length],
        Err(Errno::RANGE) => {
            big.resize(XATTR_MAX, 0);
            let length = list(&mut big)?;
            &big[..length]
        }
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => &[],
        Err(error) => return Err(error),
    };
    let mut xattrs = Vec::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if belongs_to_the_place(name) {
            continue;
        }
        let mut value = vec![0; 256];
        let length = match get(name, &mut value) {
            Err(Errno::RANGE) => {
                value.resize(XATTR_MAX, 0);
                get(name, &mut value)
            }
            other => other,
        };
        match length {
            Ok(length) => {
                value.truncate(length);
                xattrs.push((name.to_owned(), value));
            }
            // The attribute was removed after the listing, or the file system lists it without serving it.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(xattrs)
}
