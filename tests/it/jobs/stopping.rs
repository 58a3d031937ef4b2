//! A server that is told to stop while a job runs, and has less time for it than the job takes.

use rustix::process::Signal;
use serde_json::json;

use crate::support::jobs::{becomes, submit};
use crate::support::python::copies;
use crate::support::{Binary, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_the_drain_succeeds_after_the_next_start() {
    let (folder, models) = (tempfile::tempdir().unwrap(), copies(&[("trouble_sleep", "")]));
    let variables = [
        ("SERVER_STORE_URL", format!("file:{}/jobs", folder.path().display())),
        ("SERVER_DRAIN_TIMEOUT", "0.2".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    let list = r#"[{"model":"trouble_sleep"}]"#;
    let mut first = Binary::folders_with(models.path(), list, &variables).await;
    // Longer than a stop may take, and short enough for the second run.
    let order = json!({"row": 7, "seconds": 4});
    let id = submit(&first.client, "/trouble_sleep", &order).await;
    becomes(&first.client, &id, "running").await;
    first.signal(Signal::TERM);
    eventually("the server ends", async || first.child.try_wait().unwrap().is_some()).await;
    let second = Binary::folders_with(models.path(), list, &variables).await;
    let job = becomes(&second.client, &id, "succeeded").await;
    assert_eq!(
        (&job["output"]["row"], &job["attempts"]),
        (&json!(7), &json!(2)),
        "{job}"
    );
}
