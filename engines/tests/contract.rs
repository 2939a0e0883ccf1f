//! The engine contract: one suite, run against every engine.
//!
//! The numbered lines of `engine.rs` are held by the modules of `contract`; each test is written once
//! and instantiated for each engine below.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything here is a test"
)]

mod contract {
    pub(crate) mod blocks;
    pub(crate) mod calls;
    pub(crate) mod chain;
    pub(crate) mod close;
    pub(crate) mod connect;
    pub(crate) mod descriptor;
    pub(crate) mod detach;
    pub(crate) mod fairness;
    pub(crate) mod finish;
    pub(crate) mod kernel;
    pub(crate) mod lab;
    pub(crate) mod log;
    pub(crate) mod marks;
    pub(crate) mod model;
    pub(crate) mod pass;
    pub(crate) mod pass_end;
    pub(crate) mod pattern;
    pub(crate) mod pause;
    pub(crate) mod peer;
    pub(crate) mod pipes;
    pub(crate) mod process;
    pub(crate) mod random;
    pub(crate) mod random_calls;
    pub(crate) mod relay;
    pub(crate) mod relay_end;
    pub(crate) mod rest;
    pub(crate) mod send;
    pub(crate) mod time;
    pub(crate) mod udp;
    pub(crate) mod world;

    /// Runs a test unless its engines cannot run here.
    pub(crate) fn run<W: world::World>(test: fn()) {
        match W::refusal() {
            None => test(),
            Some(reason) => println!("not run: {reason}"),
        }
    }
}

/// Instantiates tests for a world.
macro_rules! tests {
    ($world:ty; $($module:ident: $($test:ident),+;)+) => {
        $($(
            #[test]
            fn $test() {
                crate::contract::run::<$world>(crate::contract::$module::$test::<$world>);
            }
        )+)+
    };
}

/// The same, each in a process of its own.
macro_rules! tests_alone {
    ($world:ty; $($module:ident: $($test:ident),+;)+) => {
        $($(
            #[test]
            fn $test() {
                let name = concat!(module_path!(), "::", stringify!($test));
                crate::contract::process::alone(name, || {
                    crate::contract::run::<$world>(crate::contract::$module::$test::<$world>);
                });
            }
        )+)+
    };
}

/// The suite as far as it goes for a world whose streams come in pieces of any size.
macro_rules! piecewise {
    ($world:ty) => {
        tests! { $world;
            blocks:
                a_fresh_connection_is_served_while_others_pin_all_they_may,
                a_socket_pins_no_more_than_its_quota,
                leases_queued_elsewhere_count_until_they_left,
                running_out_of_blocks_delays_and_recovers;
            calls:
                a_stale_sock_is_ignored,
                after_close_only_closed_follows,
                calls_before_connected_are_kept,
                closing_before_connected_tells_closed_only,
                listen_bind_and_local_answer_at_once,
                pausing_before_connected_is_kept;
            close:
                aborting_resets_the_peer_behind_what_it_has_received,
                aborting_what_has_finished_or_is_relayed_tells_closed_once,
                aborting_what_has_no_reset_is_closing,
                closing_a_listener_refuses_and_keeps_what_was_accepted,
                closing_ends_the_peer_s_receiving,
                closing_in_the_midst_of_everything_tells_closed_once,
                closing_with_unread_bytes_resets_the_peer;
            connect:
                a_missing_path_closes_with_its_cause,
                a_refused_connection_closes_with_its_cause,
                a_thousand_connections_live_at_once,
                an_impossible_address_closes_with_its_cause,
                both_sides_know_their_addresses;
            detach:
                a_listener_moves_with_its_queue,
                a_stream_moves_on_while_it_receives,
                bytes_given_along_come_first,
                bytes_given_along_survive_another_detach,
                closing_overrides_detaching,
                detaching_before_connected_waits_for_it,
                finish_comes_before_leaving,
                queued_sends_leave_before_the_socket,
                the_end_is_told_after_adoption,
                unread_bytes_go_along;
            fairness:
                a_flood_does_not_starve_a_quiet_socket,
                many_busy_sockets_share_bounded_turns,
                promotion_to_large_blocks_does_not_show;
            finish:
                both_directions_finished_is_not_the_end,
                finish_comes_after_every_queued_send,
                finished_leaves_our_direction_open,
                finishing_twice_is_finishing_once;
            pass:
                a_slow_reader_slows_what_passes,
                a_target_that_connects_gets_what_passes,
                both_directions_pass_at_once_and_again,
                bytes_under_way_pass_first,
                calls_on_what_passes_do_nothing_or_wait,
                exactly_the_asked_bytes_pass_and_the_rest_is_received,
                few_blocks_serve_many_that_pass,
                progress_is_told_while_it_passes;
            pipes:
                a_reader_that_stops_keeps_nobody_busy,
                what_gets_no_pipe_is_copied;
            pass_end:
                a_dying_target_stops_what_passes,
                a_reset_source_leaves_its_target_as_it_is,
                a_source_that_leaves_takes_along_what_did_not,
                a_stale_target_gets_nothing,
                an_end_behind_what_passed_is_told_when_resumed,
                an_end_that_comes_first_is_told_and_goes_no_further,
                closing_both_while_it_passes_tells_closed_once,
                closing_the_source_lets_go_of_its_target,
                closing_the_target_stops_what_passes;
            pause:
                a_new_socket_is_paused,
                a_paused_listener_accepts_nothing,
                a_paused_socket_does_not_tell_the_end,
                a_paused_socket_tells_at_most_its_quota,
                pausing_and_resuming_loses_nothing;
            random:
                random_calls_follow_the_model;
            relay:
                a_slow_endpoint_slows_the_client,
                a_target_may_still_be_connecting,
                both_directions_become_bulk_in_one_turn,
                bulk_passes_whole_both_ways_at_once,
                bytes_under_way_go_first_in_both_directions,
                few_blocks_serve_many_relays,
                progress_is_told_before_the_end,
                relays_that_stand_still_keep_no_fresh_connection_from_being_served;
            relay_end:
                a_dying_target_ends_alone,
                a_relay_to_a_stale_target_tells_nothing,
                a_reset_source_is_no_end_of_the_target,
                an_end_that_came_before_is_passed_on,
                closing_a_source_lets_go_of_its_target,
                closing_both_amid_bulk_tells_closed_once;
            rest:
                a_relay_may_begin_at_rest,
                a_socket_at_rest_leaves_and_goes_on_elsewhere,
                bytes_that_come_after_a_rest_arrive,
                closing_at_rest_tells_closed_once,
                ends_that_come_after_a_rest_are_told,
                pausing_at_rest_stops_and_resuming_goes_on;
            send:
                both_directions_send_at_once,
                sends_leave_in_order;
            time:
                a_past_deadline_only_looks,
                a_wait_without_events_ends_at_its_deadline,
                rings_of_another_thread_end_one_wait,
                time_stands_between_two_waits;
            udp:
                a_datagram_nobody_takes_harms_nothing,
                a_paused_socket_keeps_its_datagrams,
                a_udp_socket_moves_between_engines,
                datagrams_come_with_both_addresses,
                many_datagrams_come_in_bounded_turns;
        }
    };
}

/// The whole suite for a world whose streams fill the blocks that they come in.
macro_rules! contract {
    ($world:ty) => {
        piecewise!($world);
        tests! { $world;
            close:
                leases_outlive_their_engine,
                leases_outlive_their_socket,
                leases_queued_on_another_socket_still_leave,
                queued_buffers_are_back_after_closed;
            send:
                large_sends_of_every_kind_arrive_whole;
        }
    };
}

/// What comes in addition for the engines on the kernel.
macro_rules! kernel {
    ($world:ty) => {
        tests! { $world;
            kernel:
                a_full_unix_queue_closes_with_the_cause,
                a_ring_ends_a_wait_without_deadline,
                an_impossible_datagram_is_dropped_and_counted;
            marks:
                bulk_goes_on_behind_urgent_data,
                bytes_behind_passed_descriptors_arrive,
                bytes_behind_urgent_data_arrive;
            descriptor:
                a_listener_shared_by_two_engines_outlives_either,
                descriptors_of_any_kind_are_adopted,
                listeners_share_a_port_where_asked,
                sockets_send_without_delay,
                the_sends_of_a_turn_leave_in_one_segment;
            peer:
                a_dropped_engine_ends_its_connections,
                a_reset_after_a_rest_closes_with_its_cause,
                a_reset_closes_with_its_cause,
                a_reset_source_of_a_relay_closes_with_its_cause,
                an_abrupt_peer_among_the_accepted_harms_nobody,
                what_a_peer_got_was_told_before_the_end;
        }
        tests_alone! { $world;
            kernel:
                a_dropped_engine_leaves_no_descriptor,
                a_dropped_engine_leaves_no_descriptor_of_many_sockets,
                closed_sockets_leave_no_descriptor,
                connecting_without_descriptors_closes_with_the_cause,
                random_calls_leave_no_descriptor,
                running_out_of_descriptors_backs_off_and_recovers;
        }
    };
}

mod epoll {
    use crate::contract::world::{Epoll, Kernel};
    contract!(Kernel<Epoll>);
    kernel!(Kernel<Epoll>);
}

mod tasks {
    use crate::contract::world::{Kernel, Tasks};
    contract!(Kernel<Tasks>);
    kernel!(Kernel<Tasks>);
}

mod uring {
    use crate::contract::world::{Kernel, Uring};
    contract!(Kernel<Uring>);
    kernel!(Kernel<Uring>);
    tests_alone! { Kernel<Uring>; kernel: a_small_memory_limit_suffices; }
}

mod sim {
    use crate::contract::world::{Calm, Simulated};
    contract!(Simulated<Calm>);
}

mod rough_sim {
    use crate::contract::world::{Rough, Simulated};
    piecewise!(Simulated<Rough>);
}

mod slow_sim {
    use crate::contract::world::{Simulated, Slow};
    tests! { Simulated<Slow>;
        random: random_calls_follow_the_model;
        relay:
            bulk_passes_whole_both_ways_at_once,
            few_blocks_serve_many_relays;
        send: both_directions_send_at_once, sends_leave_in_order;
    }
}
