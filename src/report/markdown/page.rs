//! A page of bounded length: the required text, and as much of the rest as fits.

/// Bytes that are reserved for the note on what was left out, and for the end of a list.
const RESERVE: usize = 1024;

/// The page so far.
pub struct Page {
    text: String,
    cap: usize,
}

impl Page {
    /// An empty page for `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { text: String::new(), cap }
    }

    /// Adds required text, whatever the length.
    pub fn must(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds the pieces, one after another, while they fit and at most `share` (0 to 1) of the page is filled. Returns
    /// the number of pieces that are left out; these are not rendered.
    pub fn fill(&mut self, share: f64, pieces: impl ExactSizeIterator<Item = String>) -> usize {
        let room = ((self.cap.saturating_sub(RESERVE)) as f64 * share) as usize;
        let mut left = pieces.len();
        for piece in pieces {
            if self.text.len() + piece.len() > room {
                break;
            }
            self.text.push_str(&piece);
            left -= 1;
        }
        left
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stop_where_the_room_ends_and_the_rest_is_counted() {
        let mut page = Page::new(RESERVE + 20);
        page.must("head ");
        let pieces = || ["1234", "5678", "9abc", "def0"].into_iter().map(str::to_owned);
        assert_eq!(page.fill(0.5, pieces()), 3);
        assert_eq!(page.fill(1.0, pieces()), 2);
        assert_eq!(page.finish(), "head 123412345678");
    }

    #[test]
    fn a_page_without_room_takes_what_must_be() {
        let mut page = Page::new(10);
        page.must("head");
        assert_eq!(page.fill(1.0, ["x".to_owned()].into_iter()), 1);
        assert_eq!(page.finish(), "head");
    }
}
