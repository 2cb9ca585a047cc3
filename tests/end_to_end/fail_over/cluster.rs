//! Database servers of which one is the primary, and what is done to them.

/// Database servers. All of them are on this machine and let everybody in.
pub(crate) trait Cluster {
    /// Their ports, always in the same order.
    fn ports(&self) -> &[u16];

    /// Kills the primary as a power cut would.
    fn kill_primary(&mut self);

    /// Waits until another one is the primary, having made it so if nobody else does.
    fn take_over(&mut self);

    /// Brings the one that was killed back as a standby, and waits until commits wait for a standby again.
    fn repair(&mut self);
}
