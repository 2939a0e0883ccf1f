//! Handshakes: whatever is said in place of a peer, and whatever is done on the way to what a peer says. Every draw
//! follows from one seed, so that an input always leads to the same bytes.

mod contexts;
mod edit;
mod end;

use super::choices::Choices;
use contexts::{Contexts, Plan};
use end::End;

/// Flights in one direction until both ends have said all: two hellos, a handshake, data, and alerts.
const ROUNDS_MAX: usize = 8;

/// The first byte chooses the side and the kind of session, the others say what happens. No input panics; a session
/// holds no more than its limits say, goes on with whatever pieces its input has, tells one alert, and nothing else,
/// once it has failed. Whoever comes to the end of a handshake has agreed on what two ends agree on that nobody
/// disturbs, and gets no data but what its peer has sent.
pub fn fuzz_handshake(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mode = choices.byte();
    let plan = Plan::of(mode);
    match mode % 4 {
        0 => replace_peer(&plan, true, choices),
        1 => replace_peer(&plan, false, choices),
        _ => disturb(&plan, choices),
    }
}

/// Any bytes in place of a peer's. It does not matter in which pieces they come.
fn replace_peer(plan: &Plan, is_server: bool, mut choices: Choices<'_>) {
    let step = usize::from(choices.byte()) + 1;
    let bytes = choices.rest();
    let told = |step| {
        let contexts = Contexts::new(plan);
        let mut end = match is_server {
            true => End::server(&contexts),
            false => End::client(&contexts),
        };
        end.take(bytes, step);
        end.check(plan);
        end.told()
    };
    assert_eq!(told(step), told(usize::MAX), "in pieces of {step} bytes");
}

/// Two sessions, and somebody between them.
fn disturb(plan: &Plan, mut choices: Choices<'_>) {
    let contexts = Contexts::new(plan);
    if plan.is_resumed {
        let (_, is_sound) = exchange(plan.first(), &contexts, &mut Choices::new(&[]));
        assert!(is_sound, "nobody has disturbed what the tickets come from");
    }
    let ([mut client, mut server], is_sound) = exchange(*plan, &contexts, &mut choices);
    if is_sound {
        for end in [&client, &server] {
            assert_eq!(end.fault(), None, "nobody has disturbed it");
        }
        client.end(&mut server);
        server.end(&mut client);
    }
}

/// Client and server after all that they have to say to each other, and whether each got what the other has said.
fn exchange(plan: Plan, contexts: &Contexts, choices: &mut Choices<'_>) -> ([End; 2], bool) {
    let mut ends = [End::client(contexts), End::server(contexts)];
    let (mut is_sound, mut rounds) = (true, 0);
    loop {
        let [to_server, to_client] = ends.each_mut().map(End::say);
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds <= ROUNDS_MAX, "they do not come to an end");
        let flights = [(to_server, 1), (to_client, 0)];
        for (flight, to) in flights.into_iter().filter(|(flight, _)| !flight.is_empty()) {
            let mut arrived = flight.clone();
            let step = edit::edit(choices, &mut arrived);
            is_sound &= arrived == flight;
            ends[to].take(&arrived, step);
        }
    }
    let [client, server] = &ends;
    client.check(&plan);
    server.check(&plan);
    client.check_data(server);
    server.check_data(client);
    if let (Some(client), Some(server)) = (client.suite(), server.suite()) {
        assert_eq!(client, server, "not the same suite");
    }
    (ends, is_sound)
}
