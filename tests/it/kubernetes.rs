//! packaging/kubernetes: what `kubectl` makes of it, and the node that it describes.

use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;

use crate::network::get_json;
use crate::process::{Process, TIMEOUT, path_text, temp_folder, write_file};
use crate::support::{eventually, run, run_successfully, skip};

/// All objects of the base; `None` after the reason was printed.
fn objects() -> Option<(String, Vec<Value>)> {
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/kubernetes");
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        skip("the base for Kubernetes", "kubectl is not installed");
        return None;
    }
    let text = run_successfully(Command::new("kubectl").args(["kustomize", base]));
    let documents = serde_yaml::Deserializer::from_str(&text);
    let objects = documents.map(|one| Value::deserialize(one).unwrap()).collect();
    Some((text, objects))
}

fn object<'v>(objects: &'v [Value], kind: &str) -> &'v Value {
    objects.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn each_object_fits_the_schema_of_kubernetes() {
    let Some((text, objects)) = objects() else { return };
    assert_eq!(objects.len(), 3);
    if !run(Command::new("python3").args(["-c", "import kubernetes_validate"])).status.success() {
        return skip(
            "the schema of Kubernetes",
            "the Python package kubernetes-validate is missing",
        );
    }
    let folder = temp_folder();
    let file = write_file(&folder, "all.yaml", &text);
    let validate = "import kubernetes_validate, sys, yaml\n\
                    for one in yaml.safe_load_all(open(sys.argv[1])):\n    \
                    kubernetes_validate.validate(one, '1.29', strict=True)\n";
    run_successfully(Command::new("python3").args(["-c", validate]).arg(file));
}

/// The file of the ConfigMap, with the secrets and the volume of the StatefulSet elsewhere.
#[test]
fn the_node_of_the_base_answers_its_probes() {
    let Some((_, objects)) = objects() else { return };
    let config = object(&objects, "ConfigMap")["data"]["node.yaml"].as_str().unwrap();
    let pod = &object(&objects, "StatefulSet")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let folder = temp_folder();
    for secret in ["api-token", "cli"] {
        write_file(&folder, secret, "a-secret-of-this-test");
    }
    let file = write_file(&folder, "node.yaml", config);
    let here = format!("{}/", folder.path().display());
    let environment = [
        ("SECRETS", &*here),
        ("BOOKS", &here),
        ("BTP_SERVER_PORT", "0"),
        ("HEALTH_CHECK_PORT", "0"),
    ];
    let node = Process::start(&["run", "--config", path_text(&file)], environment);
    let port = node.wait_for_log("health server listening", "port").as_u64().unwrap();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        eventually(probe, TIMEOUT, || match get_json(port.try_into().unwrap(), path)? {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    // Where the file looks for secrets and books by itself, the pod has volumes.
    let mounts = container["volumeMounts"].as_array().unwrap();
    let paths: Vec<&str> =
        mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
    assert!(config.contains(&format!("${{SECRETS:-{}/}}", paths[1])), "{paths:?}");
    assert!(config.contains(&format!("${{BOOKS:-{}/}}", paths[2])), "{paths:?}");
    assert_eq!(container["env"][0]["value"], format!("{}/node.yaml", paths[0]));
}
