//! Route tables: virtual hosts, conditions, actions, and the filters' configurations per route.

use super::compile::{Compiler, at};
use crate::{
    filter::{HttpChainConfig, PerFilter, PerFilterConfig},
    route::{
        Action, ClientCertMatch, Forward, HeaderMatch, PathMatch, Percent, RetryPolicy, Route,
        RouteMatch, RouteTable, StringKind, StringMatch, Upgrades, VirtualHost,
    },
};
use prost_types::Any;
use std::{collections::BTreeMap, sync::Arc};
use xds::api::envoy::{
    config::route::v3::{
        self as api, HeaderMatcher, RouteConfiguration, header_matcher, route, route_action,
        route_match,
    },
    r#type::{
        matcher::v3::{StringMatcher, string_matcher},
        v3::{FractionalPercent, fractional_percent},
    },
};

/// What a listener says to all its routes.
#[derive(Clone, Copy)]
pub(super) struct Listener<'a> {
    pub(super) filters: &'a HttpChainConfig,
    pub(super) upgrades: &'a Upgrades,
}

/// `tls_context`.
fn client_cert(from: Option<&route_match::TlsContextMatchOptions>) -> ClientCertMatch {
    ClientCertMatch {
        presented: from.and_then(|from| from.presented),
        validated: from.and_then(|from| from.validated),
    }
}

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

impl Compiler {
    pub(super) fn routes(
        &mut self,
        path: &str,
        from: &RouteConfiguration,
        listener: Listener<'_>,
    ) -> Option<Arc<RouteTable>> {
        let hosts = from.virtual_hosts.iter().enumerate().map(|(index, host)| {
            let path = at(&format!("{path}.virtual_hosts"), index);
            if host.domains.is_empty() {
                self.wrong(&format!("{path}.domains"), "there has to be one");
            }
            (
                self.virtual_host(&path, host, listener),
                host.domains.clone(),
            )
        });
        let hosts = hosts.collect();
        let table = RouteTable::new(from.name.clone(), hosts);
        let wrong = |clash: crate::route::DomainClash| format!("`{}` is there twice", clash.0);
        let path = format!("{path}.virtual_hosts");
        table
            .map(Arc::new)
            .map_err(|clash| self.wrong(&path, wrong(clash)))
            .ok()
    }

    fn virtual_host(
        &mut self,
        path: &str,
        from: &api::VirtualHost,
        listener: Listener<'_>,
    ) -> VirtualHost {
        if from.name.is_empty() {
            self.wrong(&format!("{path}.name"), "a name is missing");
        }
        let outer = self.per_filter(path, &from.typed_per_filter_config, listener.filters);
        let routes = from.routes.iter().enumerate().filter_map(|(index, route)| {
            self.route(
                &at(&format!("{path}.routes"), index),
                route,
                listener,
                &outer,
            )
        });
        let routes = routes.map(Arc::new).collect();
        VirtualHost {
            name: from.name.clone(),
            routes,
        }
    }

    fn route(
        &mut self,
        path: &str,
        from: &api::Route,
        listener: Listener<'_>,
        outer: &PerFilterConfig,
    ) -> Option<Route> {
        let filters = listener.filters;
        let per_filter = self.per_filter(path, &from.typed_per_filter_config, filters);
        let condition = self.route_match(&format!("{path}.match"), from.r#match.as_ref())?;
        let action = match &from.action {
            Some(route::Action::Route(action)) => {
                let path = format!("{path}.route");
                Action::Forward(self.forward(&path, action, listener.upgrades)?)
            }
            Some(route::Action::DirectResponse(direct)) => {
                let path = format!("{path}.direct_response");
                let status = self.status(&format!("{path}.status"), direct.status);
                let body = self.data(&format!("{path}.body"), direct.body.as_ref());
                Action::Direct {
                    status,
                    body: body.into(),
                }
            }
            None => {
                self.wrong(path, "`route` or `direct_response` is missing");
                return None;
            }
        };
        let filters = filters.merged(&[outer, &per_filter]);
        Some(Route {
            name: from.name.clone(),
            condition,
            action,
            filters,
        })
    }

    fn status(&mut self, path: &str, status: u32) -> u16 {
        let status = self.number(path, Some(status), 200, 200..=599);
        u16::try_from(status).unwrap_or(500)
    }

    fn per_filter(
        &mut self,
        path: &str,
        from: &BTreeMap<String, Any>,
        filters: &HttpChainConfig,
    ) -> PerFilterConfig {
        let mut layer = PerFilterConfig::new();
        for (name, any) in from {
            let path = format!("{path}.typed_per_filter_config[\"{name}\"]");
            if !filters.entries.iter().any(|entry| entry.name == *name) {
                self.wrong(
                    &path,
                    format!("the listener has no HTTP filter named `{name}`"),
                );
                continue;
            }
            let config = if xds::type_name(&any.type_url) == FILTER_CONFIG {
                let Some(wrapper) = self.decode::<api::FilterConfig>(&path, any) else {
                    continue;
                };
                match (wrapper.disabled, &wrapper.config) {
                    (true, _) => Some(PerFilter::Disabled),
                    (false, Some(inner)) => self
                        .http_filter(&format!("{path}.config"), inner)
                        .map(PerFilter::Config),
                    (false, None) => {
                        self.wrong(&path, "says nothing");
                        None
                    }
                }
            } else {
                self.http_filter(&path, any).map(PerFilter::Config)
            };
            layer.extend(config.map(|config| (name.clone(), config)));
        }
        layer
    }

    fn route_match(&mut self, path: &str, from: Option<&api::RouteMatch>) -> Option<RouteMatch> {
        let specifier = from.and_then(|from| from.path_specifier.as_ref());
        let (Some(from), Some(specifier)) = (from, specifier) else {
            self.wrong(
                path,
                "`prefix`, `path` or `path_separated_prefix` is missing",
            );
            return None;
        };
        let matched = match specifier {
            route_match::PathSpecifier::Path(path) => PathMatch::Exact(path.clone().into()),
            route_match::PathSpecifier::PathSeparatedPrefix(prefix) => {
                if prefix.ends_with('/') || prefix.contains(['?', '#']) {
                    let path = format!("{path}.path_separated_prefix");
                    self.wrong(&path, "it cannot end with `/` nor contain `?` or `#`");
                }
                PathMatch::SeparatedPrefix(prefix.clone().into())
            }
            route_match::PathSpecifier::Prefix(prefix) => PathMatch::Prefix(prefix.clone().into()),
        };
        Some(RouteMatch {
            path: matched,
            case_sensitive: from.case_sensitive.unwrap_or(true),
            headers: self.header_matches(&format!("{path}.headers"), &from.headers),
            fraction: from
                .runtime_fraction
                .as_ref()
                .map(|f| percent(f.default_value.as_ref())),
            client_cert: client_cert(from.tls_context.as_ref()),
        })
    }

    /// Conditions on header fields.
    pub(super) fn header_matches(
        &mut self,
        path: &str,
        list: &[HeaderMatcher],
    ) -> Vec<HeaderMatch> {
        let mut all = Vec::new();
        for (index, from) in list.iter().enumerate() {
            match header_match(from) {
                Ok(header) => all.push(header),
                Err(reason) => self.wrong(&at(path, index), reason),
            }
        }
        all
    }

    fn forward(
        &mut self,
        path: &str,
        from: &api::RouteAction,
        upgrades: &Upgrades,
    ) -> Option<Forward> {
        let name = match &from.cluster_specifier {
            Some(route_action::ClusterSpecifier::Cluster(name)) => name.as_str(),
            None => "",
        };
        let host_rewrite = match &from.host_rewrite_specifier {
            Some(route_action::HostRewriteSpecifier::HostRewriteLiteral(name)) => name.as_str(),
            None => "",
        };
        self.check_text(&format!("{path}.prefix_rewrite"), &from.prefix_rewrite);
        self.check_text(&format!("{path}.host_rewrite_literal"), host_rewrite);
        let upgrades_path = format!("{path}.upgrade_configs");
        Some(Forward {
            cluster: self.cluster_index(&format!("{path}.cluster"), name)?,
            retry: self.retry_policy(&format!("{path}.retry_policy"), from.retry_policy.as_ref()),
            prefix_rewrite: from.prefix_rewrite.clone().into(),
            host_rewrite: host_rewrite.into(),
            upgrades: self.route_upgrades(&upgrades_path, &from.upgrade_configs, upgrades),
            ..self.time_limits(path, from)
        })
    }

    fn check_text(&mut self, path: &str, text: &str) {
        if text.bytes().any(|byte| !(b'!'..=b'~').contains(&byte)) {
            self.wrong(path, "only printable ASCII without blanks is allowed");
        }
    }

    fn retry_policy(&mut self, path: &str, from: Option<&api::RetryPolicy>) -> RetryPolicy {
        let Some(from) = from else {
            return RetryPolicy::default();
        };
        let mut policy = RetryPolicy {
            retries: from.num_retries.unwrap_or(1),
            per_try_timeout: self.timeout(
                &format!("{path}.per_try_timeout"),
                from.per_try_timeout.as_ref(),
                None,
            ),
            ..RetryPolicy::default()
        };
        for word in from
            .retry_on
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match word {
                "connect-failure" => policy.on_connect_failure = true,
                "reset" => policy.on_reset = true,
                "reset-before-request" => policy.on_unsent = true,
                "5xx" => policy.on_5xx = true,
                "gateway-error" => policy.on_gateway_error = true,
                other => {
                    let reason = format!("`{other}` is unknown or not supported");
                    self.wrong(&format!("{path}.retry_on"), reason);
                }
            }
        }
        policy
    }
}

/// A condition on a header field; the error says what is wrong with it.
pub(crate) fn header_match(from: &HeaderMatcher) -> Result<HeaderMatch, String> {
    use header_matcher::HeaderMatchSpecifier as Specifier;
    if from.name.is_empty() {
        return Err("a name is missing".into());
    }
    let text = |kind, text: &String| {
        Some(StringMatch {
            kind,
            text: text.clone().into(),
            ignore_case: false,
        })
    };
    let (value, absent) = match &from.header_match_specifier {
        Some(Specifier::ContainsMatch(part)) => (text(StringKind::Contains, part), false),
        Some(Specifier::ExactMatch(whole)) => (text(StringKind::Exact, whole), false),
        Some(Specifier::PrefixMatch(part)) => (text(StringKind::Prefix, part), false),
        Some(Specifier::SuffixMatch(part)) => (text(StringKind::Suffix, part), false),
        Some(Specifier::StringMatch(matcher)) => (Some(string_match(matcher)?), false),
        Some(Specifier::PresentMatch(present)) => (None, !present),
        None => (None, false),
    };
    let name = from.name.to_ascii_lowercase().into();
    Ok(HeaderMatch {
        name,
        value,
        invert: from.invert_match,
        absent,
    })
}

pub(super) fn string_match(from: &StringMatcher) -> Result<StringMatch, String> {
    use string_matcher::MatchPattern as Pattern;
    let (kind, text) = match &from.match_pattern {
        Some(Pattern::Contains(text)) => (StringKind::Contains, text),
        Some(Pattern::Exact(text)) => (StringKind::Exact, text),
        Some(Pattern::Prefix(text)) => (StringKind::Prefix, text),
        Some(Pattern::Suffix(text)) => (StringKind::Suffix, text),
        None => return Err("`exact`, `prefix`, `suffix` or `contains` is missing".into()),
    };
    let text = if from.ignore_case {
        text.to_ascii_lowercase()
    } else {
        text.clone()
    };
    Ok(StringMatch {
        kind,
        text: text.into(),
        ignore_case: from.ignore_case,
    })
}

/// A share; nothing if it is absent.
pub(crate) fn percent(from: Option<&FractionalPercent>) -> Percent {
    let Some(from) = from else {
        return Percent {
            numerator: 0,
            denominator: 100,
        };
    };
    let denominator = match from.denominator() {
        fractional_percent::DenominatorType::Hundred => 100,
        fractional_percent::DenominatorType::TenThousand => 10_000,
        fractional_percent::DenominatorType::Million => 1_000_000,
    };
    Percent {
        numerator: from.numerator,
        denominator,
    }
}
