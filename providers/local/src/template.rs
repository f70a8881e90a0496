//! The chat template of a model, rendered as Hugging Face's tokenizers do.

use std::{collections::BTreeMap, io};

use minijinja::{
    Environment, Error, ErrorKind, Value,
    value::{Kwargs, ViaDeserialize},
};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// One message as a template sees it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TemplateMessage {
    pub(crate) role: &'static str,
    pub(crate) content: String,
}

/// A chat template that compiles.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    tokens: BTreeMap<&'static str, String>,
}

const NAME: &str = "chat_template";

impl ChatTemplate {
    /// Compiles `source`; the tokens are what the template may call `bos_token` and `eos_token`.
    pub(crate) fn compile(
        source: &str,
        bos_token: Option<&str>,
        eos_token: Option<&str>,
    ) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        // Marks of the training code around the answer; they render to nothing.
        let source = source.replace("{% generation %}", "").replace("{% endgeneration %}", "");
        environment.add_template_owned(NAME, source)?;
        let tokens = [("bos_token", bos_token), ("eos_token", eos_token)];
        let tokens =
            tokens.into_iter().filter_map(|(key, token)| Some((key, token?.to_owned()))).collect();
        Ok(Self { environment, tokens })
    }

    /// Renders a conversation up to where the answer begins.
    pub(crate) fn render(&self, messages: &[TemplateMessage]) -> Result<String, Error> {
        let mut context: BTreeMap<&str, Value> =
            self.tokens.iter().map(|(key, token)| (*key, Value::from(token))).collect();
        context.insert("messages", Value::from_serialize(messages));
        context.insert("add_generation_prompt", Value::from(true));
        context.insert("enable_thinking", Value::from(false));
        context.insert("tools", Value::from(()));
        context.insert("documents", Value::from(()));
        self.environment.get_template(NAME)?.render(context)
    }
}

fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter of minijinja owns its arguments")]
fn tojson(value: ViaDeserialize<serde_json::Value>, options: Kwargs) -> Result<String, Error> {
    let failed =
        |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut bytes = Vec::new();
    match options.get::<Option<usize>>("indent")? {
        Some(indent) => {
            let indent = " ".repeat(indent);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value
                .0
                .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
                .map_err(failed)?;
        }
        None => value
            .0
            .serialize(&mut Serializer::with_formatter(&mut bytes, PythonFormatter))
            .map_err(failed)?,
    }
    String::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// One line, with a space after each comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, Error> {
        let message = |role, content: &str| TemplateMessage { role, content: content.to_owned() };
        ChatTemplate::compile(source, Some("<s>"), None)?
            .render(&[message("system", "简短"), message("user", " 你好 ")])
    }

    #[test]
    fn python_methods_and_slices_work() {
        let source =
            "{% for m in messages[::-1] %}{{ m['content'].strip() + m.role.upper() }};{% endfor %}";
        assert_eq!(render(source).unwrap(), "你好USER;简短SYSTEM;");
        assert_eq!(render("{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}").unwrap(), "b");
    }

    #[test]
    fn blocks_leave_no_blank_lines() {
        assert_eq!(render("{% if true %}\n  {% set x = 1 %}\nx\n{% endif %}\n").unwrap(), "x\n");
    }

    #[test]
    fn json_is_written_as_python_does() {
        assert_eq!(render("{{ {'a': [1, '<你>']} | tojson }}").unwrap(), r#"{"a": [1, "<你>"]}"#);
        assert_eq!(render("{{ [1] | tojson(indent=2) }}").unwrap(), "[\n  1\n]");
    }

    #[test]
    fn absent_tokens_render_to_nothing_and_exceptions_fail() {
        let source = "{{ bos_token }}{{ eos_token }}{% if tools is not none %}tools{% endif %}";
        assert_eq!(render(source).unwrap(), "<s>");
        let error = render("{{ raise_exception('no system role') }}").unwrap_err();
        assert!(error.to_string().contains("no system role"));
        assert_eq!(render("{{ strftime_now('%Y') | length }}").unwrap(), "4");
    }
}
