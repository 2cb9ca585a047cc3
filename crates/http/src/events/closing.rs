//! The end of the server, as streams learn of it: they have none of their own.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells answers without an end that the server is ending. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Closing(Arc<watch::Sender<bool>>);

impl Closing {
    /// Nothing ends yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Ends every stream after what it is sending now. What [`serve`](crate::serve) waits for then comes to an end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the end has begun.
    pub(crate) async fn begun(&self) {
        let mut began = self.0.subscribe();
        // The sender is held by `self`, so it cannot be gone.
        let _ = began.wait_for(|began| *began).await;
    }

    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

impl Default for Closing {
    fn default() -> Self {
        Self::new()
    }
}
