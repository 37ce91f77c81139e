//! Ways to break the contract, and which case must notice.

/// One way to break the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    // Of the transport.
    NoNativeFences,
    ShrinkingCapabilities,
    OneChannelForAll,
    // Of `subscribe`.
    ConfirmsBeforeSubscribing,
    ReplaysTheLastFrame,
    NewSequencerEachTime,
    SameSequencerForEver,
    RunsOutOfSubscriptions,
    StuckAfterADroppedSubscribe,
    StealsTheEarlierSubscription,
    // Of `publish`.
    LosesOnPublish,
    PublishesTwice,
    AcceptsLater,
    MergesEqualFrames,
    DropsEmptyFrames,
    ReplacesInvalidText,
    CutsTheLargestFrame,
    SwallowsTooLarge,
    TooLargeIsUnreachable,
    BrokenByTooLarge,
    StuckAfterADroppedPublish,
    SwallowsPublishErrors,
    // Of the stream.
    LosesInTheStream,
    LosesInABurst,
    LosesAfterAWait,
    RepeatsInTheStream,
    SwapsNeighbours,
    HidesOwnFrames,
    HidesForeignFrames,
    PanicsOnForeignFrames,
    KeepsTheFirstWaker,
    // Of fences.
    FencesEarly,
    FencesNever,
    FencesTwice,
    FencesBackwards,
    FencesForEveryone,
    // Of failures.
    SwallowsTheEnd,
    ReconnectsInSecret,
    ContinuesAfterLagging,
    EndsForGood,
    DroppingOneEndsAll,
    ShowsTheSecret,
}

/// Every flaw with cases that must find it; others may, too.
pub(crate) const FLAWS: &[(Flaw, &[&str])] = &[
    (
        Flaw::ShrinkingCapabilities,
        &["capabilities_are_constant_and_sane"],
    ),
    (Flaw::OneChannelForAll, &["channels_are_isolated"]),
    (
        Flaw::ConfirmsBeforeSubscribing,
        &[
            "everything_after_the_confirmation",
            "subscribing_amid_traffic_leaves_no_hole",
        ],
    ),
    (
        Flaw::ReplaysTheLastFrame,
        &["nothing_from_before_the_confirmation"],
    ),
    (
        Flaw::NewSequencerEachTime,
        &["one_channel_has_one_sequencer"],
    ),
    (
        Flaw::SameSequencerForEver,
        &["a_restarted_broker_is_another_sequencer"],
    ),
    (
        Flaw::RunsOutOfSubscriptions,
        &["subscribing_again_and_again_works"],
    ),
    (
        Flaw::StuckAfterADroppedSubscribe,
        &["a_dropped_subscribe_is_harmless"],
    ),
    (
        Flaw::StealsTheEarlierSubscription,
        &["subscriptions_of_one_transport_are_independent"],
    ),
    (Flaw::LosesOnPublish, &["every_subscriber_gets_every_frame"]),
    (Flaw::PublishesTwice, &["a_publisher_hears_itself"]),
    (Flaw::AcceptsLater, &["everything_after_the_confirmation"]),
    (Flaw::MergesEqualFrames, &["equal_frames_are_not_merged"]),
    (Flaw::DropsEmptyFrames, &["odd_frames_arrive_intact"]),
    (Flaw::ReplacesInvalidText, &["odd_frames_arrive_intact"]),
    (
        Flaw::CutsTheLargestFrame,
        &["the_largest_frame_arrives_intact"],
    ),
    (
        Flaw::SwallowsTooLarge,
        &["too_large_is_rejected_and_harmless"],
    ),
    (
        Flaw::TooLargeIsUnreachable,
        &["too_large_is_rejected_and_harmless"],
    ),
    (
        Flaw::BrokenByTooLarge,
        &["too_large_is_rejected_and_harmless"],
    ),
    (
        Flaw::StuckAfterADroppedPublish,
        &["a_dropped_publish_is_harmless"],
    ),
    (
        Flaw::SwallowsPublishErrors,
        &["an_outage_is_reported_and_survived"],
    ),
    (
        Flaw::LosesInTheStream,
        &[
            "every_subscriber_gets_every_frame",
            "concurrent_publishers_are_seen_in_one_order",
        ],
    ),
    (Flaw::LosesInABurst, &["a_burst_loses_nothing_silently"]),
    (Flaw::LosesAfterAWait, &["a_cancelled_wait_loses_nothing"]),
    (
        Flaw::RepeatsInTheStream,
        &["every_subscriber_gets_every_frame"],
    ),
    (
        Flaw::SwapsNeighbours,
        &[
            "concurrent_publishers_are_seen_in_one_order",
            "own_echo_is_a_fence",
        ],
    ),
    (Flaw::HidesOwnFrames, &["a_publisher_hears_itself"]),
    (Flaw::HidesForeignFrames, &["foreign_frames_arrive"]),
    (Flaw::PanicsOnForeignFrames, &["foreign_frames_arrive"]),
    (
        Flaw::KeepsTheFirstWaker,
        &["a_subscription_can_change_tasks"],
    ),
    (
        Flaw::FencesEarly,
        &[
            "a_fence_comes_after_accepted_frames",
            "fences_amid_traffic_prove_what_was_accepted",
        ],
    ),
    (
        Flaw::FencesNever,
        &["a_fence_on_an_idle_channel_comes_back"],
    ),
    (Flaw::FencesTwice, &["fences_come_once_and_in_order"]),
    (Flaw::FencesBackwards, &["fences_come_once_and_in_order"]),
    (
        Flaw::FencesForEveryone,
        &["a_fence_belongs_to_its_subscription"],
    ),
    (
        Flaw::SwallowsTheEnd,
        &["a_broken_subscription_ends_and_can_be_replaced"],
    ),
    (
        Flaw::ReconnectsInSecret,
        &[
            "a_broken_subscription_ends_and_can_be_replaced",
            "a_restarted_broker_is_another_sequencer",
        ],
    ),
    (
        Flaw::ContinuesAfterLagging,
        &["a_slow_reader_loses_nothing_silently"],
    ),
    (Flaw::EndsForGood, &["an_outage_is_reported_and_survived"]),
    (
        Flaw::DroppingOneEndsAll,
        &["a_dropped_subscription_leaves_the_others"],
    ),
    (
        Flaw::ShowsTheSecret,
        &["a_misconfigured_transport_fails_without_showing_secrets"],
    ),
];
