use super::*;
use crate::webhook::testing::{Answer, Listener};

fn client(allow: &str) -> Client {
    Client::new(AllowList::parse(allow).unwrap()).unwrap()
}

async fn post(client: &Client, url: &str) -> Result<Reply, PostFault> {
    client
        .post(url, &[("webhook-id", "1".to_owned())], Bytes::from_static(b"{}"))
        .await
}

fn refused(result: Result<Reply, PostFault>) -> String {
    match result {
        Err(PostFault::Refused(told)) => told,
        other => panic!("{other:?}"),
    }
}

fn failed(result: Result<Reply, PostFault>) -> String {
    match result {
        Err(PostFault::Failed(told)) => told,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_post_arrives_with_headers_and_body() {
    let listener = Listener::start(Answer::status(204)).await;
    let reply = post(&client("127.0.0.1"), &listener.url("/hook")).await.unwrap();
    assert_eq!((reply.status, reply.retry_after), (204, None));
    let seen = listener.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("POST /hook HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("\r\nwebhook-id: 1\r\n"), "{}", seen[0]);
    assert!(seen[0].ends_with("\r\n\r\n{}"), "{}", seen[0]);
}

#[tokio::test]
async fn nothing_private_is_connected_to() {
    let listener = Listener::start(Answer::status(200)).await;
    let told = refused(post(&client(""), &listener.url("/")).await);
    assert!(told.starts_with("leads to 127.0.0.1, a loopback address"), "{told}");
    let by_name = listener.url("/").replace("127.0.0.1", "localhost");
    let told = refused(post(&client(""), &by_name).await);
    assert!(told.starts_with("leads to localhost, the machine itself"), "{told}");
    assert!(listener.seen().is_empty());
}

#[tokio::test]
async fn what_a_name_leads_to_is_looked_at_when_it_is_resolved() {
    let listener = Listener::start(Answer::status(200)).await;
    let by_name = listener.url("/").replace("127.0.0.1", "localhost");
    let client = client("");
    // Past the first check, as any name is whose addresses nobody knows yet.
    let request = client.request(Method::POST, Url::parse(&by_name).unwrap());
    let error = request.send().await.unwrap_err();
    match client.fault(&error) {
        PostFault::Refused(told) => assert!(told.starts_with("leads to localhost, a loopback address"), "{told}"),
        PostFault::Failed(told) => panic!("{told}"),
    }
    assert!(listener.seen().is_empty());
}

#[tokio::test]
async fn a_listed_name_is_connected_to() {
    let listener = Listener::start(Answer::status(200)).await;
    let by_name = listener.url("/").replace("127.0.0.1", "localhost");
    for allow in ["localhost", "127.0.0.0/8,::1"] {
        assert_eq!(post(&client(allow), &by_name).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn redirects_are_looked_at_and_keep_the_body() {
    let end = Listener::start(Answer::status(200)).await;
    let allow = client("127.0.0.1");
    let via = Listener::start(Answer::redirect(307, &end.url("/end"))).await;
    assert_eq!(post(&allow, &via.url("/")).await.unwrap().status, 200);
    assert!(end.seen()[0].starts_with("POST /end ") && end.seen()[0].ends_with("{}"));

    for (status, to, told) in [
        (
            307,
            "http://169.254.169.254/",
            "redirects to an address that leads to 169.254.169.254, a metadata address",
        ),
        (
            308,
            "http://[::ffff:10.0.0.1]/",
            "redirects to an address that leads to ::ffff:10.0.0.1, a private address",
        ),
        (
            307,
            "http://127.0.0.2/",
            "redirects to an address that leads to 127.0.0.2, a loopback address",
        ),
        (
            307,
            "http://u:p@127.0.0.1/",
            "redirects to an address that holds a user",
        ),
        (
            302,
            end.url("/end").as_str(),
            "redirects with 302, which drops the body",
        ),
        (
            303,
            end.url("/end").as_str(),
            "redirects with 303, which drops the body",
        ),
    ] {
        let via = Listener::start(Answer::redirect(status, to)).await;
        let found = refused(post(&allow, &via.url("/")).await);
        assert!(found.starts_with(told), "{to}: {found}");
    }
    assert_eq!(end.seen().len(), 1);
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let circle = Listener::start(Answer::redirect(307, "/again")).await;
    let told = refused(post(&client("127.0.0.1"), &circle.url("/")).await);
    assert_eq!(told, "redirects more than 3 times");
    assert_eq!(circle.seen().len(), 4);
}

#[tokio::test]
async fn silence_ends_with_the_time_and_a_closed_port_at_once() {
    let silent = Listener::start(Answer::Silence).await;
    let times = TimeOuts {
        total: Duration::from_millis(200),
        ..TimeOuts::default()
    };
    let hasty = Client::with_times(AllowList::parse("127.0.0.1").unwrap(), times).unwrap();
    let told = failed(post(&hasty, &silent.url("/")).await);
    assert_eq!(told, "no answer within 200ms");
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let told = failed(post(&client("127.0.0.1"), &format!("http://{free}/?token=hunter2")).await);
    assert!(
        told.starts_with("no connection: ") && !told.contains("hunter2"),
        "{told}"
    );
    let broken = Listener::start(Answer::Close).await;
    let told = failed(post(&client("127.0.0.1"), &broken.url("/")).await);
    assert!(told.starts_with("the connection broke: "), "{told}");
}

#[tokio::test]
async fn an_endless_answer_is_left() {
    let endless = Listener::start(Answer::Endless).await;
    assert_eq!(post(&client("127.0.0.1"), &endless.url("/")).await.unwrap().status, 200);
}
