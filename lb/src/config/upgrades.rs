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
