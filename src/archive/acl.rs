//! Access lists as text, as pax records have them (`SCHILY.acl.access`, `SCHILY.acl.default`), and as the kernel keeps
//! them. GNU tar and restic write an entry a line; bsdtar and star put commas between them, and the number behind a
//! name. GNU tar writes the name of a user that the machine knows, and no number, also with `--numeric-owner`.

/// Beginning of the names of the records.
const RECORD: &[u8] = b"SCHILY.acl.";
/// Beginning of the names of the kernel's attributes.
const ATTRIBUTE: &[u8] = b"system.posix_acl_";

/// The version of the kernel's form.
const VERSION: u32 = 2;
/// The number in an entry that is about no certain user or group.
const NOBODY: u32 = u32::MAX;

/// Tags of the kernel's entries, in the order in which the kernel wants them.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

/// An entry of a list: tag, number and rights.
type Right = (u16, u32, u16);

/// An access list of an entry.
#[derive(Debug, PartialEq, Eq)]
pub enum AccessList {
    /// The kernel's attribute, by name and value.
    Attribute(Vec<u8>, Vec<u8>),
    /// The list says no more than the mode.
    Mode,
    /// The text is no list in numbers: a name means nothing on another machine.
    Unread,
}

/// The rest of a record's name, if it is about an access list: `access` or `default`.
pub fn record(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(RECORD)
}

/// Name of the attribute that a record stands for.
pub fn attribute(which: &[u8]) -> Vec<u8> {
    [ATTRIBUTE, which].concat()
}

/// Reads a list. `which` is `access` or `default`; other lists are not the kernel's.
pub fn read(which: &[u8], text: &[u8]) -> AccessList {
    let rights = match which {
        b"access" | b"default" => rights(text),
        _ => None,
    };
    match rights {
        None => AccessList::Unread,
        Some(rights) if which == b"access" && rights.len() == 3 => AccessList::Mode,
        Some(rights) => AccessList::Attribute(attribute(which), stored(&rights)),
    }
}

/// The entries of a list, in the kernel's order; `None`: the kernel would refuse them.
fn rights(text: &[u8]) -> Option<Vec<Right>> {
    let text = std::str::from_utf8(text).ok()?;
    let entries = text.split(['\n', ',']).map(|entry| entry.split('#').next().unwrap_or_default().trim());
    let mut rights = entries.filter(|entry| !entry.is_empty()).map(right).collect::<Option<Vec<Right>>>()?;
    rights.sort_unstable();
    let count = |tag: u16| rights.iter().filter(|right| right.0 == tag).count();
    let is_whole = [OWNER, OWNING_GROUP, OTHERS].into_iter().all(|tag| count(tag) == 1);
    let has_mask = count(MASK) == 1 || count(MASK) == 0 && count(USER) + count(GROUP) == 0;
    let is_double = rights.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    (is_whole && has_mask && !is_double).then_some(rights)
}

/// Reads `user:1234:rw-`, `user::rw-`, `mask::r--` or `user:name:rw-:1234`.
fn right(entry: &str) -> Option<Right> {
    let mut parts = entry.strip_prefix("default:").unwrap_or(entry).split(':');
    let (tag, who, letters, number) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let tag = match (tag, who.is_empty()) {
        ("user" | "u", true) => OWNER,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => OWNING_GROUP,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", true) => MASK,
        ("other" | "o", true) => OTHERS,
        _ => return None,
    };
    let number = match tag {
        // The only name that means the same on every machine.
        USER | GROUP if number.is_none() && who == "root" => 0,
        USER | GROUP => number.unwrap_or(who).parse().ok().filter(|number| *number != NOBODY)?,
        _ => NOBODY,
    };
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => return None,
        };
    }
    Some((tag, number, bits))
}

/// The kernel's form.
fn stored(rights: &[Right]) -> Vec<u8> {
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, number, bits) in rights {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `setfacl -m u:1234:rw,g:77:r` makes of a file of the mode 0644.
    const KEPT: &[u8] = b"\x02\0\0\0\
        \x01\0\x06\0\xff\xff\xff\xff\
        \x02\0\x06\0\xd2\x04\0\0\
        \x04\0\x04\0\xff\xff\xff\xff\
        \x08\0\x04\0\x4d\0\0\0\
        \x10\0\x06\0\xff\xff\xff\xff\
        \x20\0\x04\0\xff\xff\xff\xff";

    #[test]
    fn lists_of_all_writers_are_the_kernels() {
        for text in [
            "user::rw-\nuser:1234:rw-\ngroup::r--\ngroup:77:r--\nmask::rw-\nother::r--\n",
            "user::rw-,group::r--,other::r--,user:1234:rw-,group:77:r--,mask::rw-",
            "u::rw-,g::r--,o::r--,user:alice:rw-:1234,group:staff:r--:77,m::rw-",
            "user::rw-\nuser:1234:rw-\t#effective:rw-\ngroup::r--\ngroup:77:r--\nmask::rw-\nother::r--",
        ] {
            let attribute = b"system.posix_acl_access".to_vec();
            assert_eq!(read(b"access", text.as_bytes()), AccessList::Attribute(attribute, KEPT.to_vec()), "{text}");
        }
        let default = "default:user::rwx,default:group::r-x,default:other::---";
        let AccessList::Attribute(name, value) = read(b"default", default.as_bytes()) else { panic!("it is one") };
        assert_eq!((name.as_slice(), value.len()), (&b"system.posix_acl_default"[..], 4 + 3 * 8));
        let roots = |who: &str| read(b"access", format!("u::rw-,u:{who}:r--,g::r--,m::r--,o::r--").as_bytes());
        assert_eq!(roots("root"), roots("0"));
    }

    #[test]
    fn a_list_that_says_no_more_than_the_mode_is_none() {
        assert_eq!(read(b"access", b"user::rwx\ngroup::r-x\nother::r-x\n"), AccessList::Mode);
    }

    #[test]
    fn what_is_no_list_in_numbers_is_unread() {
        let whole = "user::rw-,group::r--,other::r--";
        for text in [
            "",
            "user::rw-",
            &format!("{whole},user:alice:rw-,mask::rw-"),
            &format!("{whole},user:1234:rw-"),
            &format!("{whole},user:4294967295:rw-,mask::rw-"),
            &format!("{whole},user:1:rw-,user:1:r--,mask::rw-"),
            &format!("{whole},user::rw-"),
            &format!("{whole},mask:1:rw-"),
            &format!("{whole},user:1:rwz,mask::rw-"),
            &format!("{whole},user:1:rw-:1:1,mask::rw-"),
            &format!("{whole},owner@:rw:allow"),
        ] {
            assert_eq!(read(b"access", text.as_bytes()), AccessList::Unread, "{text}");
        }
        assert_eq!(read(b"ace", whole.as_bytes()), AccessList::Unread);
        assert_eq!(read(b"access", b"user::\xff"), AccessList::Unread);
    }
}
