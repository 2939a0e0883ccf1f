use super::{downstream, folder, text, upstream};
use crate::{
    config::{DownstreamTls, Outcome, Secrets, Snapshot, UpstreamTls, sample::Sample},
    scratch::{Authority, Folder},
};
use std::{collections::BTreeSet, sync::Arc};
use tls::{ClientContext, ServerContext};
use xds::api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{Secret, TlsSessionTicketKeys, secret},
};

/// Lets the secrets of a folder be read again.
fn reload(folder: &Folder, secrets: &Secrets) -> Vec<Outcome> {
    secrets.reload(&BTreeSet::from([folder.at().to_owned()]))
}

/// A configuration with a context on each side.
struct Stage {
    folder: Folder,
    authority: Authority,
    snapshot: Snapshot,
    down: Arc<DownstreamTls>,
    up: Arc<UpstreamTls>,
}

impl Stage {
    /// Clients are served with certificate `a`; they and the endpoint are believed by `ca.pem`.
    fn new() -> Self {
        let (folder, authority) = folder();
        let chain = downstream(
            &folder,
            "common_tls_context: {tls_certificates: [cert(a)], \
             validation_context: {trusted_ca: file(ca.pem)}}",
        );
        let cluster = upstream(
            &folder,
            "sni: a.test, common_tls_context: {validation_context_sds_secret_config: {name: trust}}",
        );
        let secrets = "{name: trust, validation_context: {trusted_ca: file(ca.pem)}}";
        let secrets = text(&folder, secrets);
        let sample = Sample {
            chain: &chain,
            cluster: &cluster,
            endpoints: "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}",
            secrets: &secrets,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let down = snapshot.listeners[0].chains.first_chain().tls.clone();
        let up = snapshot.clusters[0].endpoints[0].tls.clone();
        Self {
            down: down.unwrap(),
            up: up.unwrap().tls,
            folder,
            authority,
            snapshot,
        }
    }

    fn contexts(&self) -> (Arc<ServerContext>, Arc<ClientContext>) {
        (self.down.context.get(), self.up.context(false))
    }

    /// Whether the contexts of each side are others than before.
    fn changed(&self, before: &(Arc<ServerContext>, Arc<ClientContext>)) -> (bool, bool) {
        let (down, up) = self.contexts();
        (!Arc::ptr_eq(&down, &before.0), !Arc::ptr_eq(&up, &before.1))
    }

    fn reload(&self) -> Vec<Outcome> {
        reload(&self.folder, &self.snapshot.secrets)
    }

    /// Times that a secret was and was not replaced.
    fn counts(&self, name: &str) -> (u64, u64) {
        let stats = self.snapshot.secrets.stats();
        let of = stats.iter().find(|stats| stats.secret.ends_with(name));
        of.map(|stats| (stats.updates, stats.update_failures))
            .unwrap()
    }
}

#[test]
fn a_pair_that_changes_in_two_steps_is_used_after_the_second() {
    let stage = Stage::new();
    let first = stage.contexts();
    assert_eq!(stage.reload(), []);
    let (chain, key) = stage.authority.issue(&["a.test"]);
    stage.folder.put("a.pem", chain);
    let error = stage.reload().remove(0).error.unwrap();
    assert!(error.starts_with("private_key: "), "{error}");
    assert_eq!(stage.changed(&first), (false, false));
    stage.folder.put("a.key", key);
    let outcomes = stage.reload();
    assert_eq!((outcomes.len(), &outcomes[0].error), (1, &None));
    assert_eq!(stage.changed(&first), (true, false));
    assert_eq!(stage.counts("a.pem"), (1, 1));
}

#[test]
fn whom_is_believed_changes_on_either_side() {
    let stage = Stage::new();
    let first = stage.contexts();
    // One file, two secrets.
    stage.folder.put("ca.pem", Authority::new("other").pem());
    let outcomes = stage.reload();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()));
    assert_eq!(stage.changed(&first), (true, true));
    let second = stage.contexts();
    stage.folder.put("ca.pem", "nothing");
    let outcomes = stage.reload();
    assert!(outcomes.iter().all(|outcome| outcome.error.is_some()));
    assert_eq!(stage.changed(&second), (false, false));
    assert_eq!(
        (stage.counts("trust"), stage.counts("ca.pem")),
        ((1, 1), (1, 1))
    );
}

#[test]
fn of_certificates_it_is_known_when_they_expire() {
    let stage = Stage::new();
    let stats = stage.snapshot.secrets.stats();
    for stats in stats {
        let is_certificate = stats.secret.ends_with("/a.pem");
        assert_eq!(stats.expires.is_some(), is_certificate, "{stats:?}");
    }
}

#[test]
fn a_named_secret_may_be_delivered() {
    let (folder, _) = folder();
    let chain = downstream(
        &folder,
        "common_tls_context: {tls_certificates: [cert(a)]}, session_ticket_keys_sds_secret_config: {name: keys}",
    );
    let secrets = text(
        &folder,
        "{name: keys, session_ticket_keys: {keys: [file(keys)]}}",
    );
    let sample = Sample {
        chain: &chain,
        secrets: &secrets,
        ..Sample::default()
    };
    let snapshot = sample.loaded().snapshot;
    let keys = |bytes: Vec<u8>| Secret {
        name: "keys".into(),
        r#type: Some(secret::Type::SessionTicketKeys(TlsSessionTicketKeys {
            keys: vec![DataSource {
                specifier: Some(Specifier::InlineBytes(bytes)),
                watched_directory: None,
            }],
        })),
    };
    let error = |secret: &Secret| snapshot.secrets.set(secret).unwrap().error;
    assert_eq!(error(&keys(vec![2; 80])), None);
    assert_eq!(error(&keys(vec![2; 80])), None);
    assert!(error(&keys(vec![2; 79])).is_some());
    let empty = Secret {
        name: "keys".into(),
        r#type: None,
    };
    assert!(error(&empty).is_some());
    let unknown = Secret {
        name: "none".into(),
        r#type: None,
    };
    assert_eq!(snapshot.secrets.set(&unknown), None);
    // Its file is no longer of any interest.
    folder.put("keys", [3; 80]);
    assert_eq!(reload(&folder, &snapshot.secrets), []);
}
