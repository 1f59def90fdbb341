//! Which snapshot of a set a path comes from. A snapshot claims the paths that were backed up; of several snapshots
//! that claim a path, the first one of the set has it.

use crate::archive::below;

/// The claims of the snapshots of a set, in the order of the set. Paths have the form of an archive's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Vec<Vec<Vec<u8>>>);

impl Claims {
    pub fn new(roots: Vec<Vec<Vec<u8>>>) -> Claims {
        Claims(roots)
    }

    /// Whether the path in the snapshot of this index is a part of the source.
    pub fn has(&self, index: usize, path: &[u8]) -> bool {
        let claims = |roots: &Vec<Vec<u8>>| roots.iter().any(|root| below(path, root).is_some());
        claims(&self.0[index]) && !self.0[..index].iter().any(claims)
    }

    /// The paths that have to be read from the snapshot of this index for what is at and below `wanted`. In them
    /// [`Claims::has`] still leaves out what earlier snapshots claim.
    pub fn pieces(&self, index: usize, wanted: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for root in &self.0[index] {
            let piece = if below(wanted, root).is_some() {
                wanted.to_vec()
            } else if below(root, wanted).is_some() {
                root.clone()
            } else {
                continue;
            };
            if self.has(index, &piece) && !pieces.iter().any(|known| below(&piece, known).is_some()) {
                pieces.retain(|known| below(known, &piece).is_none());
                pieces.push(piece);
            }
        }
        pieces
    }

    /// A path that the snapshots of both indices claim, of those that touch `path`; `None`: there is none.
    pub fn shared(&self, index: usize, other: usize, path: &[u8]) -> Option<&[u8]> {
        let touches = |root: &[u8]| below(root, path).is_some() || below(path, root).is_some();
        let roots = self.0[index].iter().filter(|root| touches(root));
        roots
            .flat_map(|root| self.0[other].iter().filter(|root| touches(root)).map(move |other| (root, other)))
            .find_map(|(root, other)| match (below(root, other), below(other, root)) {
                (Some(_), _) => Some(root.as_slice()),
                (None, Some(_)) => Some(other.as_slice()),
                (None, None) => None,
            })
    }
}

/// Whether each path is one of `covering`, or below one. No path at all is not covered.
pub fn is_covered(paths: &[String], covering: &[&str]) -> bool {
    let is_below = |path: &str| covering.iter().any(|above| below(path.as_bytes(), above.as_bytes()).is_some());
    !paths.is_empty() && paths.iter().all(|path| is_below(path))
}

/// The wanted paths without those that are below others of them. No path means everything.
pub fn outermost(wanted: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut sorted = wanted.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted.is_empty() {
        return vec![Vec::new()];
    }
    let is_inner = |path: &Vec<u8>| sorted.iter().any(|other| other != path && below(path, other).is_some());
    sorted.iter().filter(|path| !is_inner(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(roots: &[&[&str]]) -> Claims {
        Claims::new(roots.iter().map(|roots| paths(roots)).collect())
    }

    fn paths(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_path_comes_from_the_first_snapshot_that_claims_it() {
        let claims = claims(&[&["srv/app"], &["srv", "etc"]]);
        assert!(claims.has(0, b"srv/app/a") && !claims.has(1, b"srv/app/a"));
        assert!(claims.has(1, b"srv/other") && !claims.has(0, b"srv/other"));
        assert!(claims.has(1, b"srv/app2"), "whole components only");
        assert_eq!(claims.pieces(0, b"srv"), paths(&["srv/app"]));
        assert_eq!(claims.pieces(1, b"srv"), paths(&["srv"]));
        assert_eq!(claims.pieces(1, b"srv/app/data"), paths(&[]));
        assert_eq!(claims.pieces(1, b""), paths(&["srv", "etc"]));
        assert_eq!(claims.pieces(0, b"var"), paths(&[]));
    }

    #[test]
    fn one_snapshot_claims_everything() {
        let claims = claims(&[&[""]]);
        assert!(claims.has(0, b"") && claims.has(0, b"a/b"));
        assert_eq!(claims.pieces(0, b"a/b"), paths(&["a/b"]));
        assert_eq!(claims.pieces(0, b""), paths(&[""]));
    }

    #[test]
    fn a_claim_of_two_snapshots_matters_to_the_parts_that_it_touches() {
        let claims = claims(&[&["srv/app", "etc"], &["srv", "etc"]]);
        assert_eq!(claims.shared(0, 1, b"srv/app/data"), Some(&b"srv/app"[..]));
        assert_eq!(claims.shared(0, 1, b"srv"), Some(&b"srv/app"[..]));
        assert_eq!(claims.shared(0, 1, b"srv/other"), None);
        assert_eq!(claims.shared(0, 1, b"etc/x"), Some(&b"etc"[..]));
    }

    #[test]
    fn paths_are_covered_by_those_above_them() {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(is_covered(&owned(&["/srv/db", "/etc"]), &["/srv", "/etc"]));
        assert!(!is_covered(&owned(&["/srv/db", "/var"]), &["/srv", "/etc"]));
        assert!(!is_covered(&[], &["/srv"]));
        assert_eq!(outermost(&paths(&["a/b", "a", "c", "c"])), paths(&["a", "c"]));
        assert_eq!(outermost(&[]), paths(&[""]));
        assert_eq!(outermost(&paths(&["a", ""])), paths(&[""]));
    }
}
