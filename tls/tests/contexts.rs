//! Sessions of contexts as configurations make them: what is resumed is believed anew, what was presented is told.

mod support;

use rcgen::date_time_ymd;
use std::time::Duration;
use support::{ISSUED, Identity, NOW, Pair, client_settings, feed, seal, server_settings, trust};
use tls::{
    Client, ClientAuth, ClientContext, Provider, ServerContext, ServerSettings, Tickets, Version,
};

fn settings(client_auth: ClientAuth, highest: Version) -> ServerSettings {
    let mut settings = server_settings(client_auth);
    settings.tickets = Some(Tickets::random(&Provider::system()));
    settings.versions.1 = highest;
    settings
}

#[test]
fn certificates_of_both_sides_are_told_where_they_were_asked_for() {
    let provider = Provider::system();
    let client = ClientContext::new(&provider, client_settings(Client::Verified(trust()))).unwrap();
    for highest in [Version::Tls12, Version::Tls13] {
        for (auth, is_asked) in [
            (ClientAuth::None, false),
            (ClientAuth::Required(trust()), true),
        ] {
            let server = ServerContext::new(&provider, settings(auth, highest)).unwrap();
            let mut pair = Pair::establish(&client, &server, 100);
            let of_client = pair.client.facts().unwrap();
            let of_server = pair.server.facts().unwrap();
            let client = is_asked.then(|| &*ISSUED.client.chain[0]);
            let local = of_client.local.as_ref().map(|local| local.der());
            assert_eq!(local, client);
            let peer = of_server.peer.as_ref().map(|chain| chain[0].der());
            assert_eq!(peer, client);
            let local = of_server.local.as_ref().map(|local| local.der());
            assert_eq!(local, Some(&*ISSUED.server.chain[0]));
            let sealed = seal(&mut pair.server, NOW, &[b"data"]);
            assert_eq!(feed(&mut pair.client, &sealed, 9).data, b"data");
        }
    }
}

#[test]
fn a_client_whose_certificate_has_expired_since_is_refused_when_it_resumes() {
    const DAY: Duration = Duration::from_secs(86_400);
    let provider = Provider::system();
    for highest in [Version::Tls12, Version::Tls13] {
        let mut ours = client_settings(Client::Verified(trust()));
        let expiring = Identity::new(&ISSUED.root, "client.example", |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + NOW + DAY;
        });
        ours.identity = Some(expiring.read());
        let client = ClientContext::new(&provider, ours).unwrap();
        let mut theirs = settings(ClientAuth::Required(trust()), highest);
        theirs.session_time = 5 * DAY;
        let server = ServerContext::new(&provider, theirs).unwrap();
        for (now, is_resumed) in [(NOW, false), (NOW + DAY / 2, true)] {
            let (pair, faults) = Pair::shake_at(now, &client, &server, usize::MAX);
            assert_eq!(faults, [None, None]);
            assert_eq!(pair.server.facts().unwrap().is_resumed, is_resumed);
        }
        let (pair, faults) = Pair::shake_at(NOW + 2 * DAY, &client, &server, usize::MAX);
        let details = faults.map(|fault| fault.map(|fault| fault.detail));
        assert_eq!(details, [Some("tls_certificate_expired"); 2], "{highest:?}");
        assert!(!pair.server.is_established());
    }
}
