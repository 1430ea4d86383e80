//! One content item of a tool's answer, as text or as a saved file.

use std::io::{self, Write as _};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Embedded;
use crate::commands::attachment;
use crate::environment::Environment;
use crate::printer::Printer;

/// The fields of all kinds of content that we know.
#[derive(Debug, Deserialize)]
struct Content {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: String,
    /// Base64.
    #[serde(default)]
    data: String,
    #[serde(default, rename = "mimeType")]
    mime_type: String,
    #[serde(default)]
    resource: Embedded,
    #[serde(default)]
    uri: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

/// Prints one item. `false` if it should have been saved as a file and could not be.
pub(super) fn print_content(raw: &RawValue, environment: &Environment, printer: &mut Printer) -> io::Result<bool> {
    let directory = &environment.working_directory;
    let Ok(content) = serde_json::from_str::<Content>(raw.get()) else {
        // Of a known type perhaps, but not of its shape: shown as it is.
        return print_unknown("malformed", raw, printer).map(|()| true);
    };
    writeln!(printer, "** Content [{}] **", content.kind)?;
    match content.kind.as_str() {
        "text" => writeln!(printer, "{}", content.text)?,
        "image" => {
            let extension = attachment::image_extension(&content.mime_type);
            return print_saved("Image", attachment::save(&content.data, "image", extension, directory), printer);
        }
        "audio" => {
            let extension = attachment::audio_extension(&content.mime_type);
            return print_saved("Audio", attachment::save(&content.data, "audio", extension, directory), printer);
        }
        "resource" => {
            let resource = &content.resource;
            writeln!(printer, "Resource URI: {}", resource.uri)?;
            print_filled("MIME Type", &resource.mime_type, printer)?;
            if let Some(text) = &resource.text {
                writeln!(printer, "Text Content:\n{text}")?;
            }
            if let Some(blob) = &resource.blob {
                let extension = attachment::uri_extension(&resource.uri);
                return print_saved("Resource", attachment::save(blob, "resource", &extension, directory), printer);
            }
        }
        "resource_link" => {
            writeln!(printer, "Resource Link URI: {}", content.uri)?;
            print_filled("Resource Link Name", &content.name, printer)?;
            print_filled("Resource Link Description", &content.description, printer)?;
            print_filled("Resource Link MIME Type", &content.mime_type, printer)?;
        }
        unknown => print_unknown(unknown, raw, printer)?,
    }
    Ok(true)
}

fn print_saved(what: &str, saved: anyhow::Result<String>, printer: &mut Printer) -> io::Result<bool> {
    match &saved {
        Ok(file) => writeln!(printer, "[{what} saved as {file}]")?,
        Err(error) => printer.note(format_args!("{what} could not be saved: {error:#}"))?,
    }
    Ok(saved.is_ok())
}

fn print_filled(label: &str, value: &str, printer: &mut Printer) -> io::Result<()> {
    if value.is_empty() { Ok(()) } else { writeln!(printer, "{label}: {value}") }
}

fn print_unknown(kind: &str, raw: &RawValue, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "[Unknown content type: {kind}]\n{}", raw.get())
}
