//! The demo keeps its promises, unattended.

use crate::harness::Spawned;

#[test]
fn every_claim_of_the_demo_holds() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    let keep = kept.to_str().unwrap();
    let output = Spawned::run(directory.path(), &["demo", "--script", "--keep", keep]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().filter(|event| event["held"] == true).count(), 5, "{said}");
    assert_eq!(events.last().unwrap()["ok"], true);
    // The configuration it ran is a good one.
    let checked = Spawned::run(&kept, &["check"]);
    assert_eq!(checked.status.code(), Some(0));
}
