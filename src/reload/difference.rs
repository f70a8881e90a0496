//! Which changed keys take effect only when the service starts again.

use serde_json::Value;

use crate::settings::Settings;

/// The tables whose keys are read once: ports are bound and stores are open by then.
const READ_ONCE: [&str; 5] = ["server", "history", "session", "avatars", "telemetry"];

/// The changed keys among those that are read once, such as `server.port`.
pub(super) fn needs_restart(before: &Settings, after: &Settings) -> Vec<String> {
    let written = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (before, after) = (written(before), written(after));
    let mut keys = Vec::new();
    for table in READ_ONCE {
        compare(table, &before[table], &after[table], &mut keys);
    }
    // Of who may call, only how the surface looks at them.
    for key in ["metrics", "address_header"] {
        let name = format!("access.{key}");
        compare(&name, &before["access"][key], &after["access"][key], &mut keys);
    }
    keys
}

fn compare(key: &str, before: &Value, after: &Value, keys: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in after {
                compare(
                    &format!("{key}.{name}"),
                    before.get(name).unwrap_or(&Value::Null),
                    value,
                    keys,
                );
            }
        }
        _ if before != after => keys.push(key.to_owned()),
        _ => {}
    }
}
