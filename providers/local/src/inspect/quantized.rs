//! Folders whose weights are quantized already: what the engine can run of them, and where.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{LoadError, LocalSettings, settings::Device};

/// What mistralrs 0.8.1 reads beside GPTQ and AWQ.
const OTHERS: &[&str] = &["fp8", "bitsandbytes", "afq", "mxfp4"];
/// What to use in place of weights that do not load.
const WAY_OUT: &str =
    "take the model's unquantized folder with isq = \"Q4K\", or a GGUF file of it";

/// Checks what `config` says of the weights' form.
pub(super) fn check(
    path: &Path,
    config: &Map<String, Value>,
    settings: &LocalSettings,
) -> Result<(), LoadError> {
    let Some(form) = config.get("quantization_config").and_then(Value::as_object) else {
        return old_form(path);
    };
    let refuse = |what: String, way_out| {
        Err(LoadError::UnsupportedArchitecture {
            path: path.to_owned(),
            architecture: what,
            way_out,
        })
    };
    // Without a method the engine expects its own form of Apple's MLX.
    let method = form.get("quant_method").and_then(Value::as_str).unwrap_or("afq");
    let name = match method {
        "gptq" => "GPTQ",
        "awq" => "AWQ",
        method if OTHERS.contains(&method) => return Ok(()),
        method => return refuse(format!("weights quantized by {method}"), WAY_OUT),
    };
    if settings.device != Device::Cuda {
        let device = settings.device.name();
        return refuse(format!("{name} weights on device {device}, only on cuda"), WAY_OUT);
    }
    let number = |key: &str| form.get(key).and_then(Value::as_i64);
    // The kernels that it has been given are for 4 bits.
    if number("bits") != Some(4) {
        return refuse(format!("{name} weights of other than 4 bits"), WAY_OUT);
    }
    if number("group_size").is_none_or(|size| size < 1) {
        return refuse(format!("{name} weights without a group_size"), WAY_OUT);
    }
    if settings.isq.is_some() {
        let legal = format!("left out for {name} weights, which are quantized already");
        return Err(LoadError::Setting { key: "isq".to_owned(), legal });
    }
    Ok(())
}

/// Early GPTQ folders say so in a file of its own, which the engine does not read: it would look for
/// tensors that are not there.
fn old_form(path: &Path) -> Result<(), LoadError> {
    for (file, name) in [("quantize_config.json", "GPTQ"), ("quant_config.json", "AWQ")] {
        let path = path.with_file_name(file);
        if path.is_file() {
            let architecture =
                format!("{name} weights whose config.json has no quantization_config");
            return Err(LoadError::UnsupportedArchitecture {
                path,
                architecture,
                way_out: WAY_OUT,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(form: &Value, change: impl FnOnce(&mut LocalSettings)) -> Result<(), String> {
        let config = json!({"quantization_config": form});
        let mut settings = LocalSettings::new("model");
        change(&mut settings);
        let config = config.as_object().unwrap();
        check(Path::new("model/config.json"), config, &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn gptq_and_awq_need_cuda_and_four_bits() {
        let on_cuda = |settings: &mut LocalSettings| settings.device = Device::Cuda;
        let form = |method: &str, bits: i64, group: i64| json!({"quant_method": method, "bits": bits, "group_size": group});
        let refused = |what: &str| {
            Err(format!("model/config.json: the local engine cannot run {what}: {WAY_OUT}"))
        };
        for (method, name) in [("gptq", "GPTQ"), ("awq", "AWQ")] {
            assert_eq!(line(&form(method, 4, 128), on_cuda), Ok(()));
            assert_eq!(
                line(&form(method, 4, 128), |_| {}),
                refused(&format!("{name} weights on device cpu, only on cuda"))
            );
            assert_eq!(
                line(&form(method, 8, 128), on_cuda),
                refused(&format!("{name} weights of other than 4 bits"))
            );
            assert_eq!(
                line(&form(method, 4, -1), on_cuda),
                refused(&format!("{name} weights without a group_size"))
            );
            let quantized = line(&form(method, 4, 128), |settings| {
                settings.device = Device::Cuda;
                settings.isq = Some(crate::Quantization::Q4K);
            });
            assert_eq!(
                quantized,
                Err(format!(
                    "isq must be left out for {name} weights, which are quantized already"
                ))
            );
        }
    }

    #[test]
    fn other_methods_are_the_engines_or_nobodys() {
        for method in ["fp8", "bitsandbytes"] {
            assert_eq!(line(&json!({"quant_method": method}), |_| {}), Ok(()));
        }
        let refusal = line(&json!({"quant_method": "compressed-tensors"}), |_| {}).unwrap_err();
        assert!(
            refusal.contains("cannot run weights quantized by compressed-tensors"),
            "{refusal}"
        );
        assert_eq!(line(&Value::Null, |_| {}), Ok(()));
    }
}
