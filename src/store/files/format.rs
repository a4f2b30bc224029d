//! How values are written into files.

use serde_json::Value;
use std::error::Error;

/// How [`Files`](super::Files) writes a value into a file. Any serde format will do.
///
/// ```
/// use isobar::store::{Format, Value};
/// use std::error::Error;
///
/// struct Yaml;
///
/// impl Format for Yaml {
///     fn extension(&self) -> &str {
///         "yaml"
///     }
///
///     fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
///         Ok(serde_norway::to_string(value)?.into_bytes())
///     }
///
///     fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>> {
///         Ok(serde_norway::from_slice(text)?)
///     }
/// }
///
/// let text = Yaml.write(&serde_json::json!({ "volume": 50 })).unwrap();
/// assert_eq!(text, b"volume: 50\n");
/// assert_eq!(Yaml.read(&text).unwrap()["volume"], 50);
/// ```
pub trait Format: Send + 'static {
    /// What the names of the files end in, without the dot: letters and digits of ASCII.
    fn extension(&self) -> &str;

    /// The file for a value.
    ///
    /// # Errors
    /// What the format cannot express (TOML has no null, for one). Nothing is written then.
    fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>>;

    /// The value in a file.
    ///
    /// # Errors
    /// What is wrong with the file, best with the line.
    fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>>;
}

/// JSON on several lines; what [`Files`](super::Files) writes unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Json;

impl Format for Json {
    fn extension(&self) -> &str {
        "json"
    }

    fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(format!("{value:#}\n").into_bytes())
    }

    fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(serde_json::from_slice(text)?)
    }
}
