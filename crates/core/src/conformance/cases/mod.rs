//! Every case. A case that is missing from the table is dead code, which does not compile without warning.

use futures_util::future::BoxFuture;

use super::lab::{Lab, Outcome};

mod delivery;
mod failures;
mod fences;
mod frames;
mod lifecycle;
mod load;
mod order;

/// One case of the suite.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Outcome>,
}

macro_rules! cases {
    ($($module:ident :: { $($case:ident),* $(,)? })*) => {
        &[$($(Case {
            name: stringify!($case),
            run: |lab| Box::pin($module::$case(lab)),
        }),*),*]
    };
}

pub(super) const ALL: &[Case] = cases! {
    delivery::{
        capabilities_are_constant_and_sane,
        a_publisher_hears_itself,
        every_subscriber_gets_every_frame,
        nothing_from_before_the_confirmation,
        everything_after_the_confirmation,
        subscribing_amid_traffic_leaves_no_hole,
        equal_frames_are_not_merged,
        channels_are_isolated,
    }
    order::{
        concurrent_publishers_are_seen_in_one_order,
        own_echo_is_a_fence,
        one_channel_has_one_sequencer,
    }
    frames::{
        odd_frames_arrive_intact,
        the_largest_frame_arrives_intact,
        too_large_is_rejected_and_harmless,
        foreign_frames_arrive,
    }
    fences::{
        a_fence_on_an_idle_channel_comes_back,
        a_fence_comes_after_accepted_frames,
        fences_come_once_and_in_order,
        a_fence_belongs_to_its_subscription,
        fences_amid_traffic_prove_what_was_accepted,
    }
    lifecycle::{
        subscriptions_of_one_transport_are_independent,
        a_dropped_subscription_leaves_the_others,
        a_dropped_subscribe_is_harmless,
        what_was_dropped_is_gone_at_the_broker,
        a_dropped_publish_is_harmless,
        a_cancelled_wait_loses_nothing,
        a_subscription_can_change_tasks,
        subscribing_again_and_again_works,
    }
    load::{
        a_burst_loses_nothing_silently,
        a_slow_reader_loses_nothing_silently,
    }
    failures::{
        a_broken_subscription_ends_and_can_be_replaced,
        a_restarted_broker_is_another_sequencer,
        an_outage_is_reported_and_survived,
        a_misconfigured_transport_fails_without_showing_secrets,
    }
};
