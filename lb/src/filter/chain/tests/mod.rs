//! The chain under scripted filters. A trace names each hook as `filter` `>` or `<` `h`ead, `d`ata,
//! `t`railers (`!` is a timer); `.` is the end, `=` what the run came to.

mod bench;

use crate::{
    filter::{Chain, Dir, Hooks, HttpChainConfig, PerFilter, PerFilterConfig},
    stream::Record,
};
use bench::{Act, Bench, Script, Scripted, Trace, entry};
use std::{any::Any, sync::Arc};

/// Filters, what comes, what happened, and what is ready of the request.
type Case = (
    &'static [(&'static str, Script)],
    &'static [&'static str],
    &'static str,
    &'static str,
);

#[track_caller]
fn check(cases: &[Case]) {
    for (filters, steps, trace, ready) in cases {
        let mut bench = Bench::new(filters);
        steps.iter().for_each(|step| bench.step(step));
        assert_eq!(bench.trace(), *trace, "{filters:?} {steps:?}");
        assert_eq!(bench.ready(Dir::Request), *ready, "{filters:?} {steps:?}");
    }
}

#[test]
fn a_message_passes_every_filter_in_order() {
    check(&[
        (&[("a", &[]), ("b", &[])], &[">."], "a>h. b>h. =go", "."),
        (
            &[("a", &[]), ("b", &[])],
            &[">xy."],
            "a>h b>h a>d:xy. b>d:xy. =go",
            "xy.",
        ),
        (
            &[("a", &[])],
            &[">x", ">y", ">."],
            "a>h a>d:x =go a>d:y =go a>d:. =go",
            "xy.",
        ),
    ]);
    let mut bench = Bench::new(&[("a", &[]), ("b", &[])]);
    ["<x", "<y."].into_iter().for_each(|step| bench.step(step));
    assert_eq!(bench.trace(), "b<h a<h b<d:x a<d:x =go b<d:y. a<d:y. =go");
    assert_eq!(bench.ready(Dir::Response), "xy.");
}

#[test]
fn a_held_head_waits_for_its_timer_and_data_queues_before_it() {
    check(&[
        (
            &[("a", &[]), ("b", &[(">h", Act::Delay(5))]), ("c", &[])],
            &[">x", ">y.", "+4", "+1"],
            "a>h b>h a>d:x =wait a>d:y. =wait =wait b! c>h b>d:xy. c>d:xy. =go",
            "xy.",
        ),
        // The head that ended the message is said to end it to every filter.
        (
            &[("a", &[(">h", Act::Delay(5))]), ("b", &[])],
            &[">.", "+5"],
            "a>h. =wait a! b>h. =go",
            ".",
        ),
        // A later end does not make the head one that ended the message.
        (
            &[("a", &[(">h", Act::Delay(5))]), ("b", &[])],
            &[">", ">.", "+5"],
            "a>h =wait =wait a! b>h a>d:. b>d:. =go",
            ".",
        ),
        // The timer hook may hold on.
        (
            &[("a", &[(">h", Act::Delay(5)), ("!", Act::Delay(2))])],
            &[">x.", "+5", "+1", "+1"],
            "a>h =wait a! =wait =wait a! a>d:x. =go",
            "x.",
        ),
    ]);
}

#[test]
fn held_data_does_not_hold_up_what_is_ahead_of_it() {
    check(&[
        (
            &[("a", &[(">d", Act::Delay(5))]), ("b", &[])],
            &[">x", ">y.", "+5"],
            "a>h b>h a>d:x =go =go a! b>d:x a>d:y. b>d:y. =go",
            "xy.",
        ),
        // One filter holds the head, one before it data: each lets go on its own.
        (
            &[
                ("a", &[(">d", Act::Continue), (">d", Act::Delay(9))]),
                ("b", &[(">h", Act::Delay(5))]),
            ],
            &[">w", ">x", ">y.", "+5", "+4"],
            "a>h b>h a>d:w =wait a>d:x =wait =wait b! b>d:w =go a! b>d:x a>d:y. b>d:y. =go",
            "wxy.",
        ),
    ]);
}

#[test]
fn a_data_hook_may_change_the_head_while_that_waits_at_its_filter() {
    for (script, path) in [
        (&[(">h", Act::Collect), (">d", Act::Path("/a"))][..], "/a"),
        (&[(">d", Act::Path("/a"))], ""),
        (&[(">d", Act::Collect), (">d", Act::Path("/a"))], ""),
    ] {
        let mut bench = Bench::new(&[("a", script), ("b", &[])]);
        [">x", ">y."].into_iter().for_each(|step| bench.step(step));
        assert_eq!(bench.heads[0].path(), path.as_bytes(), "{script:?}");
        assert_eq!(bench.ready(Dir::Request), "xy.");
    }
}

#[test]
fn a_collector_gets_the_whole_body_once_or_413() {
    check(&[
        (
            &[("a", &[(">h", Act::Collect)]), ("b", &[])],
            &[">x", ">y", ">z."],
            "a>h =wait =wait a>d:xyz. b>h b>d:xyz. =go",
            "xyz.",
        ),
        (
            &[("a", &[(">d", Act::Collect)]), ("b", &[])],
            &[">x", ">y."],
            "a>h b>h a>d:x =go a>d:xy. b>d:xy. =go",
            "xy.",
        ),
        // What it does with the whole decides about the head too.
        (
            &[
                ("a", &[(">h", Act::Collect), (">d", Act::Delay(3))]),
                ("b", &[]),
            ],
            &[">x.", "+3"],
            "a>h a>d:x. =wait a! b>h b>d:x. =go",
            "x.",
        ),
        (
            &[("a", &[(">h", Act::Collect)])],
            &[">."],
            "a>h. a>d:. =go",
            ".",
        ),
        (
            &[("a", &[(">h", Act::Collect)])],
            &[">12345678."],
            "a>h a>d:12345678. =go",
            "12345678.",
        ),
        // At the limit the source is not read any more: that is too much already.
        (
            &[("a", &[(">h", Act::Collect)])],
            &[">1234", ">5678"],
            "a>h =wait =413",
            "",
        ),
        (
            &[("a", &[(">h", Act::Collect)])],
            &[">123456789."],
            "a>h =413",
            "",
        ),
    ]);
    let mut bench = Bench::new(&[("a", &[("<h", Act::Collect)])]);
    bench.step("<123456789");
    assert_eq!(bench.trace(), "a<h =500");
}

#[test]
fn the_trailers_hook_comes_at_every_end_and_may_add_to_the_body() {
    check(&[
        (
            &[("A", &[]), ("b", &[])],
            &[">x."],
            "A>h b>h A>d:x. A>t b>d:x. =go",
            "x.",
        ),
        (
            &[("A", &[]), ("B", &[])],
            &[">x;"],
            "A>h B>h A>d:x. A>t+ B>d:x. B>t+ =go",
            "x;",
        ),
        (&[("A", &[])], &[">."], "A>h. A>t =go", "."),
        (
            &[
                ("A", &[(">d", Act::Continue), (">t", Act::Push("sum"))]),
                ("b", &[]),
            ],
            &[">x", ">y."],
            "A>h b>h A>d:x b>d:x =go A>d:y. A>t b>d:ysum. =go",
            "xysum.",
        ),
        (
            &[("A", &[(">d", Act::Continue), (">t", Act::Push("t: 1"))])],
            &[">x."],
            "A>h A>d:x. A>t =go",
            "x;",
        ),
        (
            &[
                ("A", &[(">d", Act::Continue), (">t", Act::Delay(5))]),
                ("b", &[]),
            ],
            &[">x.", "+5"],
            "A>h b>h A>d:x. A>t =go A! b>d:x. =go",
            "x.",
        ),
        // Held at the end by the data hook: the trailers hook has still to come.
        (
            &[("A", &[(">d", Act::Delay(5))])],
            &[">x;", "+5"],
            "A>h A>d:x. =go A! A>t+ =go",
            "x;",
        ),
    ]);
}

#[test]
fn an_answer_passes_the_filters_before_the_one_that_gives_it() {
    let filters: [(&str, Script); 3] = [("a", &[]), ("b", &[]), ("c", &[])];
    let scripts: [(Script, &[&str], &str); 5] = [
        (&[(">h", Act::Respond(403))], &[">x."], "a>h b>h =403"),
        (
            &[(">d", Act::Respond(403))],
            &[">x"],
            "a>h b>h c>h a>d:x b>d:x =403",
        ),
        (
            &[(">h", Act::Delay(1)), ("!", Act::Respond(403))],
            &[">x", "+1"],
            "a>h b>h a>d:x =wait b! =403",
        ),
        (
            &[(">h", Act::Arm(1)), ("!", Act::Respond(403))],
            &[">x", "+1"],
            "a>h b>h c>h a>d:x b>d:x c>d:x =go b! =403",
        ),
        (
            &[(">h", Act::Collect)],
            &[">123456789"],
            "a>h b>h a>d:123456789 =413",
        ),
    ];
    for (script, steps, trace) in scripts {
        let mut filters = filters;
        filters[1].1 = script;
        let mut bench = Bench::new(&filters);
        steps.iter().for_each(|step| bench.step(step));
        bench.run(Dir::Response);
        assert_eq!(
            bench.trace(),
            format!("{trace} a<h a<d:no. =go"),
            "{script:?}"
        );
        assert_eq!(bench.ready(Dir::Response), "no.");
        assert_eq!(bench.chain.held_bytes(Dir::Request), 0);
    }
    // The proxy's own passes all, an answer instead of an answer none.
    let mut bench = Bench::new(&filters);
    bench.answer(None);
    bench.run(Dir::Response);
    assert_eq!(bench.trace(), "c<h b<h a<h c<d:no. b<d:no. a<d:no. =go");
    let mut bench = Bench::new(&[("a", &[]), ("b", &[("<h", Act::Respond(502))])]);
    bench.step("<x");
    bench.run(Dir::Response);
    assert_eq!(bench.trace(), "b<h =502 =go");
}

#[test]
fn a_reset_ends_the_run_at_once() {
    check(&[
        (
            &[("a", &[(">h", Act::Reset)]), ("b", &[])],
            &[">x."],
            "a>h =reset",
            "",
        ),
        (
            &[("a", &[(">d", Act::Reset)])],
            &[">x."],
            "a>h a>d:x. =reset",
            "",
        ),
        (
            &[("a", &[(">h", Act::Delay(1)), ("!", Act::Reset)])],
            &[">", "+1"],
            "a>h =wait a! =reset",
            "",
        ),
    ]);
}

#[test]
fn a_rematch_loses_no_byte_that_was_held() {
    check(&[
        (
            &[
                ("a", &[]),
                ("b", &[(">h", Act::Delay(1)), ("!", Act::Rematch)]),
            ],
            &[">x", ">y.", "+1", "~", "+1"],
            "a>h b>h a>d:x =wait a>d:y. =wait b! =rematch a>h b>h a>d:xy. =wait b! =rematch",
            "",
        ),
        (
            &[("a", &[(">h", Act::Rematch)])],
            &[">x."],
            "a>h =rematch",
            "",
        ),
    ]);
    let mut bench = Bench::new(&[("a", &[]), ("b", &[(">h", Act::Pause)])]);
    bench.step(">x");
    bench.step(">y.");
    bench.chain.give_back(&mut bench.halves[0]);
    assert_eq!(bench.halves[0].incoming.to_vec(), b"xy");
    assert_eq!(bench.chain.held_bytes(Dir::Request), 0);
}

#[test]
fn timers_die_with_the_message_they_were_armed_for() {
    // The filter of an answer that is replaced by another is not called any more.
    let mut bench = Bench::new(&[
        ("a", &[("<h", Act::Respond(502))]),
        ("b", &[("<h", Act::Arm(1))]),
    ]);
    bench.step("<x");
    assert_eq!(bench.chain.next_timer(), None);
    bench.step("+1");
    assert_eq!(bench.trace(), "b<h a<h =502 =go");
    // Arming again replaces the timer.
    let mut bench = Bench::new(&[("a", &[(">h", Act::Arm(5)), (">d", Act::Arm(9))])]);
    bench.step(">x");
    ["+5", "+4"].into_iter().for_each(|step| bench.step(step));
    assert_eq!(bench.trace(), "a>h a>d:x =go =go a! =go");
}

#[test]
fn hooks_that_a_filter_does_not_have_are_skipped() {
    let trace = Trace::default();
    let mut first = entry("a", &[], &trace);
    let quiet = Scripted {
        name: "a",
        script: &[],
        trace: trace.clone(),
        hooks: Hooks::default(),
    };
    first.config = Arc::new(quiet);
    let mut bench = Bench::new(&[("b", &[])]);
    bench.config.entries.insert(0, first);
    bench.chain = Chain::new(&bench.config).unwrap();
    bench.step(">x.");
    assert_eq!(bench.trace(), "b>h b>d:x. =go");
    assert_eq!(trace.lock().unwrap().len(), 0);
    assert!(Chain::new(&HttpChainConfig::default()).is_none());
}

#[test]
fn a_chain_sees_data_if_one_of_its_filters_does() {
    let with = |hooks: Hooks| {
        let mut entry = entry("a", &[], &Trace::default());
        entry.config = Arc::new(Scripted {
            name: "a",
            script: &[],
            trace: Trace::default(),
            hooks,
        });
        let chain = Chain::new(&HttpChainConfig {
            entries: vec![entry],
        });
        let chain = chain.unwrap();
        [Dir::Request, Dir::Response].map(|dir| chain.sees_data(dir))
    };
    let head = Hooks {
        response_head: true,
        ..Hooks::default()
    };
    assert_eq!(with(head), [false, false]);
    let response_data = true;
    assert_eq!(
        with(Hooks {
            response_data,
            ..head
        }),
        [false, true]
    );
    let request_data = true;
    assert_eq!(
        with(Hooks {
            request_data,
            ..head
        }),
        [true, false]
    );
}

#[test]
fn every_filter_is_told_the_end_of_the_stream() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &[])]);
    let record = Record::new(bench.now);
    bench.chain.on_complete(&record);
    assert_eq!(bench.trace(), "a# b#");
}

#[test]
fn a_routes_layers_replace_merge_and_disable() {
    let trace = Trace::default();
    let of = |name, script| PerFilter::Config(entry(name, script, &trace).config);
    let mut base = HttpChainConfig {
        entries: ["a", "b", "c"]
            .map(|name| entry(name, &[(">h", Act::Pause)], &trace))
            .into(),
    };
    base.entries[2].disabled = true;
    type Layers<'a> = &'a [PerFilterConfig];
    let cases: [(Layers<'_>, &[(&str, usize)]); 5] = [
        (&[], &[("a", 1), ("b", 1)]),
        (&[vec![("a".into(), PerFilter::Disabled)]], &[("b", 1)]),
        // Another configuration switches a filter on, also over an outer layer that switched it off.
        (
            &[vec![("c".into(), of("other", &[]))]],
            &[("a", 1), ("b", 1), ("other", 0)],
        ),
        (
            &[
                vec![("a".into(), PerFilter::Disabled)],
                vec![("a".into(), of("inner", &[]))],
            ],
            &[("inner", 0), ("b", 1)],
        ),
        // One that merges keeps what is the outer's.
        (
            &[vec![("a".into(), of("both", &[]))]],
            &[("both", 1), ("b", 1)],
        ),
    ];
    for (layers, expected) in cases {
        let layers: Vec<_> = layers.iter().collect();
        let merged = base.merged(&layers);
        let found = merged.entries.iter().map(|entry| {
            let config = &*entry.config as &dyn Any;
            let config = config.downcast_ref::<Scripted>().unwrap();
            (config.name, config.script.len())
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{layers:?}");
    }
}
