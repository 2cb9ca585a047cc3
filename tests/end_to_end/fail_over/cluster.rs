//! Database servers of which one is the primary, and what is done to them.

/// How a primary is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    /// All its programs are killed, as by a power cut.
    Killed,
    /// All its programs stop in the middle of what they do. Its connections stay.
    Hung,
}

/// Database servers. All of them are on this machine and let everybody in.
pub(crate) trait Cluster {
    /// Their ports, always in the same order.
    fn ports(&self) -> &[u16];

    /// Loses the primary in this way.
    fn lose_primary(&mut self, how: Loss);

    /// Waits until another one is the primary, having made it so if nobody else does.
    fn take_over(&mut self);

    /// Kills the one that was lost, unless it is dead, brings it back as a standby, and waits until commits wait for a standby again.
    fn repair(&mut self);
}
