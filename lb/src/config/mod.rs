//! Configuration: from text to the compiled, immutable [`Snapshot`] that workers run on.

mod snapshot;

pub use snapshot::{
    AccessLogConfig, ClusterConfig, FilterChain, HttpConfig, ListenerConfig, ServerHeader,
    Snapshot, TcpConfig, Terminal,
};
