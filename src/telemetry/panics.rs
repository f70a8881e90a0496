//! What is told of a panic: where, never what it says.
//!
//! The message of a panic can hold what people said: that of a slice shows the text that was cut. Rust's
//! own hook writes it to the standard error whatever is logged.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    io::Write,
    panic::{PanicHookInfo, set_hook},
    thread,
};

use tracing::{debug, dispatcher, error};

/// Counts panics and tells where they are, from now on, those among them that are caught; what they say
/// is told at the level `debug` alone. With `RUST_BACKTRACE` they tell how they came there, too.
///
/// Before anything is logged, as in commands that only print, it goes to the standard error.
pub fn watch_for_panics() {
    set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    metrics::counter!("anima_panics_total").increment(1);
    let current = thread::current();
    let name = current.name().unwrap_or("without a name");
    let location = panic.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    if dispatcher::has_been_set() {
        error!(location, thread.name = name, "A fault at {location}, in the thread {name}{trace}");
        debug!(location, "The fault says: {}", words(panic.payload()));
    } else {
        // Who cannot write there cannot be told.
        let _ = writeln!(std::io::stderr(), "A fault at {location}, in the thread {name}{trace}");
    }
}

/// The message of a panic.
fn words(payload: &dyn Any) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("nothing")
}

#[cfg(test)]
mod tests {
    use std::{env, panic::catch_unwind, process::Command};

    use super::*;
    use crate::{
        settings::TelemetrySettings,
        telemetry::{install, install_metrics},
    };

    /// What each of these says first; the level that is logged is the rest of it.
    const LEVEL: &str = "level of the panics: ";

    /// Panics as parts of the service do, over what somebody said; a process of its own runs it.
    fn fail(level: &str) {
        watch_for_panics();
        let metrics = install_metrics().unwrap();
        let said = "我的密码是 hunter2".to_owned();
        let cut = said.clone();
        assert!(catch_unwind(move || cut[..1].len()).is_err(), "it is silent before the log");
        let settings = format!("log = {level:?}\nformat = \"text\"");
        install(&toml::from_str::<TelemetrySettings>(&settings).unwrap()).unwrap();
        let cut = said.clone();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let task = runtime.spawn(async move { cut[..2].len() });
        runtime.block_on(task).unwrap_err();
        let thread = thread::Builder::new().name("of-its-own".to_owned());
        let cut = said.clone();
        thread.spawn(move || cut[..4].len()).unwrap().join().unwrap_err();
        actix_web::rt::System::new()
            .block_on(async move { actix_web::rt::spawn(async move { said[..5].len() }).await })
            .unwrap_err();
        let _ = writeln!(std::io::stdout(), "{}", metrics.render());
    }

    #[test]
    #[ignore = "is what the other test runs in a process of its own"]
    fn in_a_process_of_its_own() {
        let level = env::args().find_map(|argument| Some(argument.strip_prefix(LEVEL)?.to_owned()));
        let Some(level) = level else { return };
        fail(&level);
    }

    /// What such a process writes, to the standard error and to the output.
    fn written(level: &str) -> (String, String) {
        let name = "telemetry::panics::tests::in_a_process_of_its_own";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", name, &format!("{LEVEL}{level}")])
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stderr), text(output.stdout))
    }

    #[test]
    fn panics_of_every_kind_are_told_and_counted_without_what_they_say() {
        let (told, printed) = written("info");
        assert_eq!(told.matches("A fault at src/telemetry/panics.rs:").count(), 4, "{told}");
        assert!(told.contains("in the thread of-its-own"), "{told}");
        assert!(printed.contains("anima_panics_total 4"), "{printed}");
        for said in ["hunter2", "密码", "char boundary"] {
            assert!(!told.contains(said) && !printed.contains(said), "{told}{printed}");
        }
        let (told, _) = written("debug");
        assert_eq!(told.matches("The fault says: ").count(), 3, "{told}");
        assert!(told.contains("hunter2"), "{told}");
    }
}
