//! Formats that are no tar archive, recognised by their first bytes.

use super::compression::detect_encryption;
use super::header::Block;
use super::header_of_tar;

/// Bytes at the beginning of a file that are enough to recognise every format.
pub const HEAD: usize = 0x1_0048;

/// A format that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherFormat {
    /// What the file is, for people: `a zip file`.
    pub what: String,
    /// What the user can do; `None`: a database dump, which another kind of source reads.
    pub remedy: Option<String>,
}

/// What can be done with a format.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// It is a database dump.
    Dump,
    /// This command writes it out as it was before it was packed.
    Pipe(&'static str),
    /// It is unpacked into a folder.
    Unpack(&'static str),
    /// It is decrypted by the program that encrypted it.
    Decrypt(&'static str),
    /// It is mounted.
    Mount,
    /// It is one file of many.
    Piece(&'static str),
}

/// Position and bytes of each format.
const KNOWN: &[(usize, &[u8], &str, Way)] = &[
    (0, b"PK\x03\x04", "a zip file", Way::Unpack("unzip FILE -d FOLDER")),
    (0, b"PK\x05\x06", "an empty zip file", Way::Unpack("unzip FILE -d FOLDER")),
    (0, b"PK\x07\x08", "a zip file in several parts", Way::Unpack("zip -s 0 FILE --out WHOLE, then unzip")),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip file", Way::Unpack("7z x FILE -oFOLDER")),
    (0, b"Rar!", "a RAR file", Way::Unpack("unrar x FILE FOLDER/")),
    (0, b"\x04\x22\x4d\x18", "something packed with lz4", Way::Pipe("lz4 -dc")),
    (0, b"\x02\x21\x4c\x18", "something packed with lz4", Way::Pipe("lz4 -dc")),
    (0, b"LZIP", "something packed with lzip", Way::Pipe("lzip -dc")),
    (0, b"\x89LZO\0\r\n\x1a\n", "something packed with lzop", Way::Pipe("lzop -dc")),
    (0, b"\x1f\x9d", "something packed with compress", Way::Pipe("gzip -dc")),
    (0, b"\x5d\0\0\x80\0\xff\xff\xff\xff", "something packed with lzma", Way::Pipe("xz --format=lzma -dc")),
    (0, b"\xff\x06\0\0sNaPpY", "something packed with snappy", Way::Pipe("snzip -dc")),
    (0, b"PGDMP", "a dump of PostgreSQL (which `dump:FILE` loads)", Way::Dump),
    (0, b"--\n-- PostgreSQL database", "a dump of PostgreSQL (which `dump:FILE` loads)", Way::Dump),
    (0, b"-- M", "a dump of MariaDB or MySQL (which `dump:FILE` loads)", Way::Dump),
    (0, b"/*M!999999", "a dump of MariaDB (which `dump:FILE` loads)", Way::Dump),
    (0, b"/*!999999", "a dump of MariaDB (which `dump:FILE` loads)", Way::Dump),
    (0, b"REDIS0", "a dump of Redis (which `dump:FILE` loads)", Way::Dump),
    (0, b"SQLite format 3\0", "a database of SQLite", Way::Piece("put it into a folder under its name")),
    (
        0,
        b"XBSTCK01",
        "a stream of mariabackup or xtrabackup",
        Way::Unpack("mbstream -x -C FOLDER <FILE, then --prepare"),
    ),
    (0, b"\x6d\xe2\x99\x81", "an archive of mongodump", Way::Unpack("mongorestore --archive=FILE")),
    (0, b"07070", "a cpio archive", Way::Unpack("cpio -idm <FILE")),
    (0, b"\xc7\x71", "a cpio archive", Way::Unpack("cpio -idm <FILE")),
    (0, b"\0\0\0\x7b", "an archive of dar", Way::Unpack("dar -x BASENAME -R FOLDER")),
    (0, b"xar!", "a xar archive", Way::Unpack("bsdtar -xf FILE -C FOLDER")),
    (0, b"!<arch>\n", "an ar archive", Way::Unpack("ar x FILE")),
    (0, b"MSCF", "a cabinet file", Way::Unpack("cabextract -d FOLDER FILE")),
    (0, b"MSWIM\0\0\0", "a Windows image (WIM)", Way::Unpack("wimapply FILE FOLDER")),
    (0, b"VMA\0", "a backup of a virtual machine by Proxmox", Way::Unpack("vma extract FILE FOLDER")),
    (0, b"Salted__", "encrypted by openssl", Way::Decrypt("openssl enc -d -CIPHER -pbkdf2 -in FILE")),
    (0, b"U2FsdGVkX1", "encrypted by openssl, as text", Way::Decrypt("openssl enc -d -a -CIPHER -pbkdf2 -in FILE")),
    (0, b"-----BEGIN CMS-----", "encrypted by openssl cms", Way::Decrypt("openssl cms -decrypt -inform PEM -in FILE")),
    (0, b"-----BEGIN PKCS7-----", "encrypted (PKCS #7)", Way::Decrypt("openssl smime -decrypt -inform PEM -in FILE")),
    (0, b"LUKS\xba\xbe", "an encrypted disk (LUKS)", Way::Mount),
    (0, b"AES\x02", "encrypted by AES Crypt (or Duplicati)", Way::Decrypt("aescrypt -d -o - FILE")),
    (0, b"scrypt\0", "encrypted by scrypt", Way::Decrypt("scrypt dec FILE")),
    (0, b"\0m\x03", "encrypted by mcrypt", Way::Decrypt("mcrypt -d <FILE")),
    (0, b"$ANSIBLE_VAULT;", "encrypted by Ansible Vault", Way::Decrypt("ansible-vault decrypt --output - FILE")),
    (0, b"RCLONE\0\0", "encrypted by rclone", Way::Decrypt("rclone cat CRYPT-REMOTE:FILE")),
    (0, b"BORG_SEG", "a segment of a repository of Borg", Way::Piece("borg extract REPOSITORY::ARCHIVE")),
    (12, b"BB02", "a volume of Bacula or Bareos", Way::Piece("bextract")),
    (0, b"\xac\xcb\xba\xf5\x02", "a stream of zfs send", Way::Piece("zfs receive")),
    (8, b"\xac\xcb\xba\xf5\x02", "a stream of zfs send", Way::Piece("zfs receive")),
    (0, b"btrfs-stream\0", "a stream of btrfs send", Way::Piece("btrfs receive FOLDER -f FILE")),
    (0, b"xFSdump0", "a dump of xfsdump", Way::Piece("xfsrestore -f FILE FOLDER")),
    (24, b"\x6c\xea\0\0", "a dump of dump(8)", Way::Piece("restore -rf FILE")),
    (0, b"QFI\xfb", "a disk image (qcow2)", Way::Mount),
    (0, b"KDMV", "a disk image (VMDK)", Way::Mount),
    (0, b"COWD", "a disk image (VMDK)", Way::Mount),
    (0, b"# Disk DescriptorFile", "the descriptor of a disk image (VMDK)", Way::Mount),
    (0, b"<<< ", "a disk image (VDI)", Way::Mount),
    (0, b"vhdxfile", "a disk image (VHDX)", Way::Mount),
    (0, b"conectix", "a disk image (VHD)", Way::Mount),
    (0, b"hsqs", "a file system image (SquashFS)", Way::Mount),
    (0, b"XFSB", "a file system image (XFS)", Way::Mount),
    (0x438, b"\x53\xef", "a file system image (ext4)", Way::Mount),
    (0x8001, b"CD001", "a file system image (ISO 9660)", Way::Mount),
    (0x1_0040, b"_BHRfS_M", "a file system image (Btrfs)", Way::Mount),
    (0x1fe, b"\x55\xaa", "a disk image with partitions", Way::Mount),
];

impl Way {
    fn remedy(self) -> Option<String> {
        Some(match self {
            Way::Dump => return None,
            Way::Pipe(command) => format!("Pipe it: `{command} FILE | rehearsa test --from tar:-`."),
            Way::Unpack(command) => {
                format!("Unpack it into a folder ({command}) and restore from that: --from dir:FOLDER.")
            }
            Way::Decrypt(command) => format!(
                "Decrypt it with the program that encrypted it, and pipe it: `{command} | rehearsa test --from tar:-`. \
                 rehearsa itself decrypts age and GPG."
            ),
            Way::Mount => {
                "Mount it read-only (guestmount, mount -o ro,loop) and restore from the folder: --from dir:FOLDER."
                    .to_owned()
            }
            Way::Piece(command) => {
                format!("Restore it into a folder with its own program ({command}), and name that: --from dir:FOLDER.")
            }
        })
    }
}

/// Recognises the format of a file by its first bytes, at most [`HEAD`]; `None`: a tar archive, or not known.
pub fn recognize(start: &[u8]) -> Option<OtherFormat> {
    if header_of_tar(start).is_some() {
        return None;
    }
    let is_there = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let (_, _, what, way) = KNOWN.iter().find(|(at, magic, _, _)| is_there(*at, magic))?;
    Some(OtherFormat { what: (*what).to_owned(), remedy: way.remedy() })
}

/// Names the format that begins like this block; `None`: not known.
pub fn recognize_other_format(start: &Block) -> Option<String> {
    if let Some(encryption) = detect_encryption(start) {
        return Some(format!("it is encrypted ({encryption})"));
    }
    recognize(start).map(|found| format!("it looks like {}", found.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_known_by_its_bytes_and_says_what_to_do() {
        for (at, magic, what, way) in KNOWN {
            let mut head = vec![0xa5; *at];
            head.extend_from_slice(magic);
            assert!(head.len() <= HEAD, "{what}");
            let found = recognize(&head).unwrap_or_else(|| panic!("{what} is not known"));
            assert_eq!(found.what, *what);
            assert_eq!(found.remedy.is_none(), matches!(way, Way::Dump), "{what}");
        }
        assert_eq!(recognize(b"INSERT INTO t VALUES (1);"), None);
        assert_eq!(recognize(&[0; HEAD]), None);
    }

    #[test]
    fn a_tar_archive_is_one_whatever_its_first_name_and_content_are() {
        let mut out = Vec::new();
        let mut content = vec![0; HEAD];
        content[0x8001 - 512..][..5].copy_from_slice(b"CD001");
        let entry = crate::archive::write::plain_file(b"Rar!.txt", content.len() as u64);
        crate::archive::write::pack_stream(&entry, &mut content.as_slice(), &mut out).expect("packed");
        assert_eq!(recognize(&out), None);
    }
}
