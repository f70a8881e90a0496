//! Secrets: where they are fetched from, and how a configuration is shown without them.

use std::{fs, path::Path};

use anima_remote::SecretSource;
use secrecy::SecretString;
use toml::Value;

/// Fetches a secret. What is said where it cannot be holds nothing of it, not even where somebody
/// wrote the secret in the place of the variable's name.
pub(crate) fn reveal(source: SecretSource<'_>, home: &Path) -> Result<SecretString, String> {
    let text = match source {
        SecretSource::Variable(name) if is_variable(name) => variable(name)?,
        SecretSource::Variable(_) => {
            return Err("this is the name of a variable, such as OPENAI_API_KEY".to_owned());
        }
        SecretSource::File(path) => fs::read_to_string(home.join(path))
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
    };
    match text.trim() {
        "" => Err("there is nothing in it".to_owned()),
        text => Ok(text.to_owned().into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the settings are what reads the environment")]
fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the variable {name} is not set"))
}

/// Whether a text is a name that variables have by custom, and no key that stands in its place.
fn is_variable(name: &str) -> bool {
    let named = |character: char| character.is_ascii_uppercase() || character == '_';
    name.starts_with(named)
        && name.chars().all(|character| named(character) || character.is_ascii_digit())
}

/// Puts stars in the place of secrets: of every text whose key speaks of one, of all values of
/// headers, and of what stands in addresses beside the address. Keys that name a variable
/// (`api_key_env`) or a file hold no secret.
pub fn hide(value: &mut Value) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                match value {
                    Value::String(text) if key.ends_with("_env") && is_variable(text) => {}
                    Value::String(text) if speaks_of_secrets(key) => "***".clone_into(text),
                    Value::Table(headers) if key == "headers" => hide_headers(headers),
                    // A mistake, and what is hidden of it no loss.
                    value if key == "headers" || key.ends_with("_env") => {
                        *value = Value::String("***".to_owned());
                    }
                    value => hide(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::String(text) => hide_in_address(text),
        _ => {}
    }
}

fn speaks_of_secrets(key: &str) -> bool {
    let words = ["key", "apikey", "authorization", "secret", "password", "token"];
    let key = key.to_lowercase();
    key != "token_limit"
        && !key.ends_with("_file")
        && words.iter().any(|word| key.split(['_', '-']).any(|part| part == *word))
}

fn hide_headers(headers: &mut toml::Table) {
    for (_, value) in headers.iter_mut() {
        match value {
            // `{ env = "VARIABLE" }` and `{ file = "PATH" }` say where a value is.
            Value::Table(source) => {
                for (key, value) in source.iter_mut() {
                    let place = match (key.as_str(), value.as_str()) {
                        ("env", Some(name)) => is_variable(name),
                        (key, _) => key == "file",
                    };
                    if !place {
                        *value = Value::String("***".to_owned());
                    }
                }
            }
            value => *value = Value::String("***".to_owned()),
        }
    }
}

/// Hides a name and password before the host, and everything after a question mark.
fn hide_in_address(text: &mut String) {
    let Some(start) = text.find("://").map(|start| start + 3) else { return };
    // A password may hold a `/` or a `?`, so whatever stands before the last `@` is hidden first.
    if let Some(at) = text[start..].rfind('@') {
        text.replace_range(start..start + at, "***");
    }
    if let Some(query) = text.find('?') {
        text.truncate(query);
        text.push_str("?***");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_their_places_are() {
        let mut shown = toml::toml! {
            [providers.chatgpt]
            api_key = "sk-1"
            api_key_env = "OPENAI_API_KEY"
            api_key_file = "/run/secrets/openai"
            base_url = "https://me:sk-2@example.org/v1?key=sk-3"
            proxy = "http://user:sk-4/sk-4?sk-4@127.0.0.1:8080"
            apikey = "sk-11"
            first_token_ms = 5
            headers = { x-one = "sk-5", x-two = { env = "TEAM" }, x-three = ["sk-6"], x-four = { value = "sk-7" } }
            extra = { user = { token = "sk-8" }, Authorization = "sk-12", x-api-key = "sk-13" }
            [providers.mistaken]
            api_key_env = "sk-9"
            headers = { x-one = { env = "sk-10" } }
        };
        let mut value = Value::Table(std::mem::take(&mut shown));
        hide(&mut value);
        let shown = value.to_string();
        assert!(!shown.contains("sk-"), "{shown}");
        for place in ["OPENAI_API_KEY", "/run/secrets/openai", "TEAM", "***@example.org/v1?***"] {
            assert!(shown.contains(place), "{place} is not in {shown}");
        }
    }

    #[test]
    fn a_secret_is_in_a_variable_or_a_file_and_never_in_the_message() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), " sk-1\n").unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        let file = |name: &'static str| reveal(SecretSource::File(Path::new(name)), folder.path());
        let key = file("key").unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&key), "sk-1");
        assert!(file("empty").is_err());
        assert!(file("absent").unwrap_err().contains("absent"));
        let variable = |name| reveal(SecretSource::Variable(name), folder.path());
        assert!(variable("CARGO_MANIFEST_DIR").is_ok());
        assert!(variable("NO_SUCH_VARIABLE").unwrap_err().contains("NO_SUCH_VARIABLE"));
        assert!(!variable("sk-12345").unwrap_err().contains("sk-1"));
    }
}
