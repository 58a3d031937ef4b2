//! Jobs that are listed, cancelled and waited for, and the answers to questions nobody can answer.

use futures_util::future::join_all;
use serde_json::json;

use super::{Gate, serve};
use crate::support::eventually;
use crate::support::jobs::{becomes, submit};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_page_model_and_status() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    gate.open();
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(submit(client, "/gated", &json!({"n": n})).await);
    }
    let failing = submit(client, "/fake", &json!({"fail": true})).await;
    for id in &ids {
        becomes(client, id, "succeeded").await;
    }
    becomes(client, &failing, "failed").await;
    ids.push(failing.clone());
    ids.reverse();

    let listed = async |query: &str| {
        let page = client.get(&format!("/jobs{query}")).await.ok();
        let jobs = page["jobs"].as_array().unwrap().clone();
        let ids: Vec<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await, (ids.clone(), None));
    assert_eq!(listed("/?model=&status=").await, (ids.clone(), None));
    let (mut seen, mut next) = (Vec::new(), Some(String::new()));
    while let Some(before) = next {
        let (page, following) = listed(&format!("?limit=4&before={before}")).await;
        assert!(page.len() <= 4);
        seen.extend(page);
        next = following;
    }
    assert_eq!(seen, ids);
    assert_eq!(listed("?model=fake").await.0, std::slice::from_ref(&failing));
    assert_eq!(listed("?status=failed&model=fake").await.0, [failing]);
    assert_eq!(listed("?status=succeeded").await.0.len(), 5);
    assert_eq!(listed("?model=app&status=failed").await.0.len(), 0);
    assert_eq!(listed("?model=unknown").await.0.len(), 0);
    let page = client.get("/jobs?limit=1").await.ok();
    assert!(page["jobs"][0].get("input").is_none() && page["jobs"][0].get("output").is_none());

    for (query, place) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("status=done", "status"),
        ("before=yesterday", "before"),
        ("modle=fake", "modle"),
    ] {
        let wrong = client.get(&format!("/jobs?{query}")).await;
        assert_eq!(wrong.status, 422, "{query}");
        assert_eq!(wrong.json()["detail"][0]["loc"], json!(["query", place]), "{query}");
    }
    assert_eq!(
        client.get("/jobs/webhooks/dead").await.ok(),
        json!({"webhooks": [], "next": null})
    );
    assert_eq!(client.get("/jobs/webhooks/dead?status=x").await.status, 422);
    let resend = client.post("/jobs/webhooks/x.completed/resend", &json!({})).await;
    assert_eq!(resend.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_in_the_queue_and_while_it_runs() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let cancel = async |id: &str| client.post(&format!("/jobs/{id}/cancel"), &json!({})).await.ok();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(submit(client, "/gated", &json!({"n": n})).await);
    }
    eventually("the first runs", async || gate.began() == [0]).await;
    let (first, last) = (&ids[0], &ids[19]);
    for _ in 0..2 {
        let cancelled = cancel(last).await;
        assert_eq!(cancelled["status"], "cancelled");
        assert!(cancelled["started"].is_null() && cancelled["finished"].is_string());
    }
    let soon = cancel(first).await;
    assert!(soon["status"] == "cancelled" || soon["cancelling"] == true, "{soon}");
    // It is over though its run hears of nothing.
    let ended = becomes(client, first, "cancelled").await;
    assert!(ended.get("cancelling").is_none() && ended.get("output").is_none());
    let output = client.get(&format!("/jobs/{first}/output")).await;
    assert_eq!(output.status, 404);
    assert!(output.text().contains("cancelled"), "{}", output.text());
    gate.open();
    for id in &ids[1..19] {
        becomes(client, id, "succeeded").await;
    }
    // Two that are taken together may begin in either order.
    let mut began = gate.began();
    began.sort_unstable();
    assert_eq!(began, (0..19).collect::<Vec<_>>());
    // What has ended stays as it is.
    assert_eq!(cancel(&ids[1]).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_behind_requests_whose_clients_wait() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let ask = |n: u64| {
        let client = client.clone();
        tokio::spawn(async move { client.post("/gated", &json!({"n": n})).await.ok() })
    };
    let mut waiting = vec![ask(0)];
    eventually("the only replica is busy", async || gate.began() == [0]).await;
    let ids = [
        submit(client, "/gated", &json!({"n": 1})).await,
        submit(client, "/gated", &json!({"n": 2})).await,
    ];
    becomes(client, &ids[0], "running").await;
    waiting.push(ask(3));
    eventually("the second request stands in the queue", async || {
        server.service.admitted() == 2
    })
    .await;
    gate.open();
    for answer in join_all(waiting).await {
        assert!(answer.unwrap().is_number());
    }
    for id in &ids {
        becomes(client, id, "succeeded").await;
    }
    assert_eq!(gate.began()[..2], [0, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_not_done_there_is_told() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let unknown = "00000000-0000-7000-8000-000000000000";
    for path in ["", "/output", "/events", "/else"] {
        for id in [unknown, "x"] {
            let answer = client.get(&format!("/jobs/{id}{path}")).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.json()["request_id"], answer.header("x-request-id"), "{path}");
        }
    }
    let cancel = client.post(&format!("/jobs/{unknown}/cancel"), &json!({})).await;
    assert_eq!(cancel.status, 404);
    for path in ["/jobs", "/jobs/", "/jobs/x", "/jobs/x/output", "/jobs/webhooks/dead"] {
        let answer = client.post(path, &json!({})).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET"), "{path}");
    }
    for path in ["/jobs/x/cancel", "/jobs/webhooks/x/resend"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ended_is_forgotten_after_its_time() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    gate.open();
    let server = serve(folder.path(), &gate, &[]).await;
    let id = submit(&server.client, "/gated", &json!({"n": 1})).await;
    becomes(&server.client, &id, "succeeded").await;
    drop(server);
    // No server forgets what is not past its time.
    let server = serve(folder.path(), &gate, &[]).await;
    becomes(&server.client, &id, "succeeded").await;
    drop(server);

    let server = serve(folder.path(), &gate, &[("SERVER_JOB_TTL", "1ms")]).await;
    let client = &server.client;
    eventually("the job is forgotten", async || {
        client.get(&format!("/jobs/{id}")).await.status == 404
    })
    .await;
    for path in ["", "/output"] {
        let gone = client.get(&format!("/jobs/{id}{path}")).await;
        assert_eq!(gone.status, 404, "{path}");
        assert!(gone.text().contains("SERVER_JOB_TTL"), "{}", gone.text());
    }
    assert_eq!(client.get("/jobs").await.ok(), json!({"jobs": [], "next": null}));
}
