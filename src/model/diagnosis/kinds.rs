//! Kinds of codes that other rooms ask for.

use super::Code;

impl Code {
    /// Whether the same rehearsal would find the same again: another attempt is of no use.
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Code::OrderCycle
                | Code::ProofBelowRequired
                | Code::ScoreBelowRequired
                | Code::SourceCorrupt
                | Code::SourceOtherFormat
                | Code::SourceLockedOut
                | Code::SourceToolMissing
                | Code::SourceNoSnapshot
                | Code::SourceSeveral
                | Code::SourceStale
                | Code::SourceLive
                | Code::RestoreMountMissing
                | Code::RestoreEmpty
                | Code::RestoreAmbiguous
                | Code::RestoreUnsafeEntry
                | Code::RestoreTooLarge
                // Nothing may boot in a sandbox that is not isolated.
                | Code::SandboxNotIsolated
                | Code::SandboxWithheld
                | Code::ConfigComposeMissing
                | Code::ConfigComposeStops
                | Code::ConfigComposeUnknown
                | Code::ConfigComposeUnsafe
                | Code::ConfigImageUnavailable
                | Code::ConfigMissingFile
                | Code::ConfigMountType
                | Code::ConfigStrict
        )
    }

    /// Whether the code is about what a service did after its start, not about the backup or the restored files.
    pub fn is_of_a_running_service(self) -> bool {
        matches!(
            self,
            Code::BootExited
                | Code::BootCrashLoop
                | Code::BootOomKilled
                | Code::BootNotStarted
                | Code::HealthTimeout
                | Code::HealthUnhealthy
                | Code::OrderDependencyFailed
                | Code::DataReinitialised
                | Code::DataUnused
                | Code::DataCorrupt
                | Code::CheckFailed
        )
    }
}
