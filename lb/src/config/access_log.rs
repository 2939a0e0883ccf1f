//! Access logs: where they go and what a line says.

use super::{
    AccessLogConfig, LogTarget,
    compile::{Compiler, at},
};
use crate::access_log::LogFormat;
use prost_types::Any;
use std::sync::Arc;
use xds::api::envoy::{
    config::{
        accesslog::v3::{AccessLog, access_log},
        core::v3::{SubstitutionFormatString, substitution_format_string::Format},
    },
    extensions::access_loggers::{
        file::v3::{FileAccessLog, file_access_log},
        stream::v3::{StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log},
    },
};

impl Compiler {
    pub(super) fn access_logs(
        &mut self,
        path: &str,
        list: &[AccessLog],
    ) -> Vec<Arc<AccessLogConfig>> {
        let mut logs = Vec::new();
        for (index, from) in list.iter().enumerate() {
            let path = format!("{}.typed_config", at(path, index));
            let Some(access_log::ConfigType::TypedConfig(any)) = &from.config_type else {
                self.wrong(&path, "is missing");
                continue;
            };
            logs.extend(self.access_log(&path, any).map(Arc::new));
        }
        logs
    }

    fn access_log(&mut self, path: &str, any: &Any) -> Option<AccessLogConfig> {
        let (target, format) = match xds::type_name(&any.type_url) {
            "envoy.extensions.access_loggers.file.v3.FileAccessLog" => {
                let from = self.decode::<FileAccessLog>(path, any)?;
                if from.path.is_empty() {
                    self.wrong(&format!("{path}.path"), "is missing");
                }
                let file_access_log::AccessLogFormat::LogFormat(format) =
                    from.access_log_format.unwrap_or_else(|| {
                        file_access_log::AccessLogFormat::LogFormat(Default::default())
                    });
                (LogTarget::File(from.path.into()), format)
            }
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => {
                let from = self.decode::<StdoutAccessLog>(path, any)?;
                let format = from.access_log_format.map(|format| {
                    let stdout_access_log::AccessLogFormat::LogFormat(format) = format;
                    format
                });
                (LogTarget::Stdout, format.unwrap_or_default())
            }
            "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" => {
                let from = self.decode::<StderrAccessLog>(path, any)?;
                let format = from.access_log_format.map(|format| {
                    let stderr_access_log::AccessLogFormat::LogFormat(format) = format;
                    format
                });
                (LogTarget::Stderr, format.unwrap_or_default())
            }
            other => {
                self.wrong(path, format!("`{other}` is not an access log"));
                return None;
            }
        };
        let format = self.log_format(&format!("{path}.log_format"), &format)?;
        Some(AccessLogConfig { target, format })
    }

    fn log_format(&mut self, path: &str, from: &SubstitutionFormatString) -> Option<LogFormat> {
        let omit = from.omit_empty_values;
        let (field, format) = match &from.format {
            Some(Format::TextFormat(text)) => ("text_format", LogFormat::text(text, omit)),
            Some(Format::JsonFormat(fields)) => ("json_format", LogFormat::json(fields, omit)),
            Some(Format::TextFormatSource(source)) => {
                let text = self.data(&format!("{path}.text_format_source"), Some(source));
                (
                    "text_format_source",
                    LogFormat::text(&String::from_utf8_lossy(&text), omit),
                )
            }
            None => ("", Ok(LogFormat::standard())),
        };
        format
            .map_err(|reason| self.wrong(&format!("{path}.{field}"), reason))
            .ok()
    }
}
