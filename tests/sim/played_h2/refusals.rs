//! Requests that the codec itself refuses.

use super::*;
use crate::log::{file, lines, log_to};

#[test]
fn what_is_refused_is_answered_with_a_date_and_logged_with_its_status() {
    let path = file();
    let format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%";
    let mut stage = Stage::new(&Script {
        manager: &log_to(&path, format),
        ..Script::default()
    });
    let asked = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", "/"),
    ];
    let odd = [&asked[..], &[("expect", "200-ok")]].concat();
    let many = [&asked[..], &[("x-a", "1"); 101]].concat();
    let mut client = Scripted::client(&mut stage);
    settle(&mut stage, &mut [&mut client]);
    for (pairs, end, status) in [
        (&odd, true, 417),
        (&odd, false, 417),
        (&many, true, 431),
        (&many, false, 431),
    ] {
        let stream = client.ask_for(pairs, end);
        settle(&mut stage, &mut [&mut client]);
        assert_eq!(client.status(stream), Some(status));
        let date = client.field(stream, "date");
        assert!(date.is_some_and(|date| date.ends_with(" GMT")), "{date:?}");
        assert_eq!(client.body(stream), (0, true));
    }
    assert_eq!(stage.accepted_len(), 0);
    assert_eq!(stage.stats.listeners[0].answers[3].get(), 4);
    // What is sent of it all the same is for nobody, and takes nothing from the window that all share.
    for _ in 0..4 {
        let stream = client.ask_for(&odd, false);
        assert_eq!(client.push(stream, 60_000), 60_000);
        settle(&mut stage, &mut [&mut client]);
        assert_eq!(client.status(stream), Some(417));
    }
    // The connection goes on.
    client.ask("GET", true);
    settle(&mut stage, &mut [&mut client]);
    assert_eq!(stage.accepted_len(), 1);
    assert!(client.farewells().is_empty());
    stage.end();
    let lines = lines(&path);
    let (odd, many) = (
        "417 DPE unknown-expectation",
        "431 DPE http2-too-many-fields",
    );
    assert_eq!(lines[..4], [odd, odd, many, many]);
    assert_eq!(lines[4..8], [odd; 4]);
}
