//! The engine contract: one suite, run against every engine.
//!
//! The numbered lines of `engine.rs` are held by the modules of `contract`; each test is written once
//! and instantiated for each engine below.

mod contract {
    pub(crate) mod calls;
    pub(crate) mod lab;
    pub(crate) mod log;
    pub(crate) mod pattern;
    pub(crate) mod pause;
    pub(crate) mod send;
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

/// The whole suite for a world.
macro_rules! contract {
    ($world:ty) => {
        tests! { $world;
            calls:
                a_stale_sock_is_ignored,
                after_close_only_closed_follows,
                calls_before_connected_are_kept,
                closing_before_connected_tells_closed_only,
                listen_bind_and_local_answer_at_once,
                pausing_before_connected_is_kept;
            pause:
                a_new_socket_is_paused,
                a_paused_listener_accepts_nothing,
                a_paused_socket_does_not_tell_the_end,
                a_paused_socket_tells_at_most_its_quota,
                pausing_and_resuming_loses_nothing;
            send:
                both_directions_send_at_once,
                large_sends_of_every_kind_arrive_whole,
                sends_leave_in_order;
        }
    };
}

mod tasks {
    use crate::contract::world::{Kernel, Tasks};
    contract!(Kernel<Tasks>);
}

mod uring {
    use crate::contract::world::{Kernel, Uring};
    contract!(Kernel<Uring>);
}
