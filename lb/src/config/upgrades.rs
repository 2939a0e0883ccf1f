//! Upgrades that listeners and routes let through.

use super::compile::{Compiler, at};
use crate::route::Upgrades;
use xds::api::envoy::{
    config::route::v3::route_action::UpgradeConfig as RouteUpgrade,
    extensions::filters::network::http_connection_manager::v3::http_connection_manager::UpgradeConfig,
};

impl Compiler {
    /// Those of a listener.
    pub(super) fn listener_upgrades(&mut self, path: &str, from: &[UpgradeConfig]) -> Upgrades {
        let list = from.iter().map(|from| (&*from.upgrade_type, from.enabled));
        self.upgrades(path, list, Upgrades::default())
    }

    /// Those of a route: its listener's with its own set over them.
    pub(super) fn route_upgrades(
        &mut self,
        path: &str,
        from: &[RouteUpgrade],
        listener: &Upgrades,
    ) -> Upgrades {
        let list = from.iter().map(|from| (&*from.upgrade_type, from.enabled));
        self.upgrades(path, list, listener.clone())
    }

    fn upgrades<'a>(
        &mut self,
        path: &str,
        list: impl Iterator<Item = (&'a str, Option<bool>)>,
        mut upgrades: Upgrades,
    ) -> Upgrades {
        let mut seen = Upgrades::default();
        for (index, (name, enabled)) in list.enumerate() {
            let path = format!("{}.upgrade_type", at(path, index));
            if let Err(reason) = check_name(name) {
                self.wrong(&path, reason);
            } else if seen.allows(name.as_bytes()) {
                self.wrong(&path, format!("`{name}` is there twice"));
            }
            seen.set(name.as_bytes(), true);
            upgrades.set(name.as_bytes(), enabled.unwrap_or(true));
        }
        upgrades
    }
}

/// A name that can stand in an `upgrade` field and whose traffic may be passed on unseen.
fn check_name(name: &str) -> Result<(), String> {
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte);
    if name.is_empty() {
        return Err("is missing".into());
    }
    if !name.bytes().all(byte) {
        return Err(format!("`{name}` is not the name of a protocol"));
    }
    if name.eq_ignore_ascii_case("connect") {
        return Err("`CONNECT` is not supported".into());
    }
    // What is sent after such an upgrade are requests that no route and no filter would see; RFC 9113
    // §3.1 has removed it.
    if name.eq_ignore_ascii_case("h2c") {
        return Err("`h2c` is not supported: its requests would pass every route".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::{
        Terminal,
        sample::{MANAGER, Sample},
    };

    #[test]
    fn a_route_speaks_over_its_listener_type_by_type() {
        let sample = Sample {
            manager: "upgrade_configs: [{upgrade_type: WebSocket}, \
                {upgrade_type: later, enabled: false}, {upgrade_type: other/2}]",
            route: "upgrade_configs: [{upgrade_type: LATER}, {upgrade_type: other/2, enabled: false}, \
                {upgrade_type: own}]",
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let Terminal::Http(http) = &snapshot.listeners[0].chains.first_chain().terminal else {
            panic!("an HTTP listener")
        };
        let route = &http.routes.hosts()[0].routes[0];
        for (name, listener, here) in [
            ("websocket", true, true),
            // What a route lets through is asked for, even where the listener does not name it.
            ("later", true, true),
            ("other/2", true, false),
            ("own", true, true),
            ("nobody", false, false),
        ] {
            let name = name.as_bytes();
            assert_eq!(http.route_upgrades.allows(name), listener);
            assert_eq!(route.allows_upgrade(name), here);
        }
    }

    #[test]
    fn a_name_that_cannot_be_let_through_is_told() {
        let route_path = "route_config.virtual_hosts[0].routes[0].route";
        for (list, at, reason) in [
            ("[{enabled: true}]", 0, "is missing"),
            (
                "[{upgrade_type: \"web socket\"}]",
                0,
                "is not the name of a protocol",
            ),
            (
                "[{upgrade_type: \"a,b\"}]",
                0,
                "is not the name of a protocol",
            ),
            (
                "[{upgrade_type: a}, {upgrade_type: CONNECT}]",
                1,
                "`CONNECT` is not supported",
            ),
            (
                "[{upgrade_type: h2c}]",
                0,
                "its requests would pass every route",
            ),
            (
                "[{upgrade_type: a}, {upgrade_type: A, enabled: false}]",
                1,
                "is there twice",
            ),
        ] {
            let fields = format!("upgrade_configs: {list}");
            let sample = Sample {
                manager: &fields,
                route: &fields,
                ..Sample::default()
            };
            let problems = sample.problems();
            assert_eq!(problems.len(), 2, "{problems:?}");
            let ours = format!("{MANAGER}.upgrade_configs[{at}].upgrade_type: ");
            let its = format!("{MANAGER}.{route_path}.upgrade_configs[{at}].upgrade_type: ");
            for path in [ours, its] {
                let told = |told: &String| told.starts_with(&path) && told.ends_with(reason);
                assert!(problems.iter().any(told), "{path}: {problems:?}");
            }
        }
    }
}
