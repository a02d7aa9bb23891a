//! Pages of a list.

use super::{Ended, Follower, ended};
use crate::record::Page;

/// Objects a page: what the API server's own clients ask for.
const OBJECTS: u32 = 500;

impl Follower {
    /// The page that begins at `next`; the first when that is empty.
    pub(super) async fn page(&self, next: &str) -> Result<Page, Ended> {
        let query = if next.is_empty() {
            format!("limit={OBJECTS}")
        } else {
            format!("limit={OBJECTS}&continue={next}")
        };
        let text =
            self.client.request_text(self.request(&query, "List")?).await.map_err(|error| ended(&error))?;
        self.kind
            .decode_list(&text)
            .map_err(|error| Ended::Failed(format!("the list cannot be read: {error}")))
    }
}
