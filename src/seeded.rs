//! Seeded bugs: the mutants that the loom scenarios must catch. They exist under `cfg(loom)` only.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A seeded bug.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(not(loom), allow(unreachable_pub, dead_code))]
        pub enum Bug { $($(#[doc = $doc])+ $name,)+ }

        #[cfg(loom)]
        impl Bug {
            fn text(self) -> &'static str {
                match self { $(Bug::$name => $text,)+ }
            }

            /// Every seeded bug by name.
            pub const ALL: &'static [&'static str] = &[$($text,)+];
        }
    };
}

bugs! {
    /// The clock shows a commit before its marks are in place.
    FlipBeforeMark = "flip-before-mark",
    /// An evaluation does not take over stamps that the marker could not give it.
    NoInherit = "no-inherit",
    /// The memo is published before the stamps are taken over.
    PublishBeforeInherit = "publish-before-inherit",
    /// No fence between a mark and the look at the observers.
    NoMarkFence = "no-mark-fence",
    /// No fence between subscribing and the look at the stamps.
    NoInheritFence = "no-inherit-fence",
    /// An evaluation reads the newest version instead of the one of its revision.
    ReadHead = "read-head",
    /// A claim is taken without order against the marker's look at it.
    NoClaimFence = "no-claim-fence",
    /// The marker does not look again for nodes that subscribed meanwhile.
    SubscribersMissed = "subscribers-missed",
    /// Only signals' stamps are taken over, not those of computeds.
    InheritSkipsComputeds = "inherit-skips-computeds",
    /// A top-level read shows a version whose commit is not visible yet.
    PendingVisible = "pending-visible",
    /// A verified memo counts as valid since it last changed.
    ValidFromBackdated = "valid-from-backdated",
    /// The stamps are taken over before the subscription.
    SubscribeLate = "subscribe-late",
    /// A result built on a private one is published.
    NoTaint = "no-taint",
    /// A superseded version is reclaimed although a held revision needs it.
    IgnoreHolds = "ignore-holds",
    /// Holding a revision is announced without a fence.
    NoHoldFence = "no-hold-fence",
    /// An equal write is skipped without looking whether its version is still the head.
    EqualUnchecked = "equal-unchecked",
    /// A conditional write is committed without its condition.
    ConditionUnchecked = "condition-unchecked",
    /// A transaction's reads are not checked at its commit.
    ReadsUnchecked = "reads-unchecked",
    /// The end of a wave does not look again for effects queued meanwhile.
    NoSecondLook = "no-second-look",
    /// An effect found running is dropped from the queue.
    RunningForgotten = "running-forgotten",
    /// An effect that missed a mark does not queue itself again.
    NoRequeue = "no-requeue",
    /// A notification without its fence.
    NotifyUnfenced = "notify-unfenced",
    /// A thread that holds a claim waits for another's.
    WaitWithClaim = "wait-with-claim",
    /// A private result is not kept for the rest of the evaluation.
    NoTable = "no-table",
    /// A read of a value that may be reclaimed, without a pin.
    NoPin = "no-pin",
    /// A pin is announced without a fence.
    NoPinFence = "no-pin-fence",
    /// What is retired is freed without waiting for a grace period.
    NoGrace = "no-grace",
    /// A link below a pending version is followed although that has become visible.
    LinkUnchecked = "link-unchecked",
    /// An equal result counts as a change.
    NoCutoff = "no-cutoff",
    /// A batch's private result is published.
    OverlayPublished = "overlay-published",
    /// The commit right is left without looking into the inbox again.
    InboxForgotten = "inbox-forgotten",
    /// The marker stops at a node that was dirty, without looking whether it still is.
    MarkStopsEarly = "mark-stops-early",
    /// A memo is used at revisions before it was exact.
    ValidFromIgnored = "valid-from-ignored",
    /// What a version that is not visible yet supersedes may go.
    TrimPending = "trim-pending",
    /// A value is dropped although a thread announced that it looks at it.
    KeptIgnored = "kept-ignored",
    /// What is unlinked may be freed in the next epoch.
    OneEpoch = "one-epoch",
    /// The epoch moves on while a thread is pinned at an older one.
    PinsIgnored = "pins-ignored",
    /// A read steps over one pending version, not over all.
    OneStepBack = "one-step-back",
    /// A condition on a computed is checked before the members of the group before have marked.
    ShowLate = "show-late",
    /// An update in a batch is not made again on a newer value.
    NoReplay = "no-replay",
    /// A parked writer is not woken.
    NoWake = "no-wake",
    /// The commit right is left without a fence before the look into the inbox.
    NoInboxFence = "no-inbox-fence",
    /// A wave ends without a fence before the look at the queue.
    NoWaveFence = "no-wave-fence",
    /// A waiter registers without a fence before its check.
    NoWaitFence = "no-wait-fence",
    /// A released claim gives nothing to the next owner.
    ClaimRelaxed = "claim-relaxed",
    /// A thread about to hold a revision announces its guess as if it were the revision.
    GuessExact = "guess-exact",
    /// The retired memos are taken after the look at the holds.
    ScanBeforeRetired = "scan-before-retired",
    /// A replaced memo is kept for the revisions at which it was verified only.
    UntilShort = "until-short",
    /// A commit beside the trimmer's last look leaves its signal unlisted.
    TrimForgets = "trim-forgets",
    /// A signal dropped while it is trimmed is freed by the dropper, too.
    DropIgnoresList = "drop-ignores-list",
    /// A parked writer that is woken for nothing names its thread again.
    ParkTwice = "park-twice",
    /// Over several graphs, what follows a commit is done graph by graph, with the other rights.
    LeaveOneByOne = "leave-one-by-one",
    /// Over several graphs, the rights are taken in the order of the writes.
    RightsUnordered = "rights-unordered",
    /// A thread that ends another's solo does not wait for the step that one is in.
    SoloBusyIgnored = "solo-busy-ignored",
    /// A thread that ends another's solo does without the barrier.
    SoloNoBarrier = "solo-no-barrier",
    /// A lone thread gives up what it keeps itself.
    LoneIgnoresKept = "lone-ignores-kept",
    /// Who disposes an effect is no participant.
    DisposeUnannounced = "dispose-unannounced",
    /// A lone thread looks for newer commits before it knows that it is still alone only.
    LoneLooksEarly = "lone-looks-early",
    /// A panic leaves the claim held.
    ClaimLost = "claim-lost",
}

/// Is this bug seeded? Always false outside of loom.
#[inline(always)]
pub(crate) fn seeded(bug: Bug) -> bool {
    #[cfg(loom)]
    {
        static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| std::env::var("ISOBAR_LOOM_BUG").ok());
        chosen.as_deref() == Some(bug.text())
    }
    #[cfg(not(loom))]
    {
        let _ = bug;
        false
    }
}
