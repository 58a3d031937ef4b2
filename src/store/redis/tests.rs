use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::timeout;

use super::server::{RedisServer, free_port};
use super::*;
use crate::store::{Entry, KeyValue};

/// Far more than anything here takes, and far less than for ever.
const LONG: Duration = Duration::from_secs(20);

fn open(server: &RedisServer) -> Arc<Redis> {
    Redis::open(&server.url()).unwrap()
}

fn number(value: i64) -> Entry {
    Entry::Json(json!(value))
}

async fn ping(redis: &Redis) -> Result<Value, StoreError> {
    let command = redis::cmd("PING");
    timeout(LONG, redis.read(&command, 0))
        .await
        .expect("an answer, or a fault")
}

async fn eventually_answers(redis: &Redis) {
    let tries = async {
        while ping(redis).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, tries).await.expect("Redis is found again");
}

#[test]
fn what_is_set_is_got_until_it_is_deleted() {
    let server = RedisServer::start();
    let redis = open(&server);
    assert_eq!(redis.get("m", "k").unwrap(), None);
    let object = Entry::Json(json!({"b": [1, 2.5, null], "a": "ü"}));
    let bytes = Entry::Bytes(Bytes::from_static(b"\0\xff{}"));
    let none = Entry::Bytes(Bytes::new());
    for value in [&object, &bytes, &none, &Entry::Json(json!(null))] {
        redis.set("m", "k", value, None).unwrap();
        assert_eq!(redis.get("m", "k").unwrap().as_ref(), Some(value));
    }
    assert_eq!(redis.get("other", "k").unwrap(), None);
    assert!(redis.delete("m", "k").unwrap());
    assert!(!redis.delete("m", "k").unwrap());
    assert_eq!(redis.get("m", "k").unwrap(), None);
}

#[test]
fn keys_pass_when_their_time_is_over_and_stay_when_set_without() {
    let server = RedisServer::start();
    let redis = open(&server);
    redis
        .set("m", "soon", &number(1), Some(Duration::from_nanos(1)))
        .unwrap();
    redis.set("m", "late", &number(1), Some(Duration::MAX)).unwrap();
    redis.set("m", "kept", &number(1), Some(LONG)).unwrap();
    redis.set("m", "kept", &number(2), None).unwrap();
    let end = std::time::Instant::now() + LONG;
    while redis.get("m", "soon").unwrap().is_some() {
        assert!(std::time::Instant::now() < end);
    }
    assert!(redis.get("m", "late").unwrap().is_some());
    assert_eq!(server.ask("PTTL hostler:kv:m:kept").unwrap(), ":-1");
}

#[test]
fn sums_are_made_in_one_step_and_only_of_integers() {
    let server = RedisServer::start();
    let redis = open(&server);
    assert_eq!(redis.increment("m", "n", 5).unwrap(), 5);
    assert_eq!(redis.increment("m", "n", -7).unwrap(), -2);
    assert_eq!(redis.get("m", "n").unwrap(), Some(number(-2)));
    redis.set("m", "n", &number(i64::MAX), Some(LONG)).unwrap();
    assert!(matches!(redis.increment("m", "n", 1), Err(StoreError::Refused(_))));
    assert_ne!(server.ask("PTTL hostler:kv:m:n").unwrap(), ":-1");
    for value in [
        Entry::Json(json!("x")),
        Entry::Json(json!(1.5)),
        Entry::Bytes(Bytes::from_static(b"1")),
    ] {
        redis.set("m", "n", &value, None).unwrap();
        assert!(
            matches!(redis.increment("m", "n", 1), Err(StoreError::Refused(_))),
            "{value:?}"
        );
    }
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let redis = Arc::clone(&redis);
            std::thread::spawn(move || {
                for _ in 0..50 {
                    redis.increment("m", "sum", 1).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(redis.get("m", "sum").unwrap(), Some(number(400)));
}

#[test]
fn a_key_is_swapped_only_where_it_holds_what_is_expected() {
    let server = RedisServer::start();
    let redis = open(&server);
    let swap = |expected: Option<&Entry>, value: Option<&Entry>| {
        redis.compare_and_set("m", "k", expected, value, None).unwrap()
    };
    let (one, two) = (number(1), number(2));
    assert!(!swap(Some(&one), Some(&two)));
    assert!(swap(None, Some(&one)));
    assert!(!swap(None, Some(&two)));
    assert!(!swap(Some(&two), Some(&one)));
    assert!(swap(Some(&one), Some(&two)));
    assert!(swap(Some(&two), None));
    assert_eq!(redis.get("m", "k").unwrap(), None);
    assert!(swap(None, None));
    // Values are compared, not texts.
    redis
        .set("m", "k", &Entry::Json(json!({"a": 1, "b": 2})), None)
        .unwrap();
    assert!(swap(Some(&Entry::Json(json!({"b": 2, "a": 1}))), Some(&one)));
    assert!(!swap(Some(&Entry::Bytes(Bytes::from_static(b"1"))), Some(&two)));
    assert!(
        redis
            .compare_and_set("m", "k", Some(&one), Some(&two), Some(LONG))
            .unwrap()
    );
    assert_ne!(server.ask("PTTL hostler:kv:m:k").unwrap(), ":-1");
}

#[test]
fn what_another_prefix_keeps_is_not_seen() {
    let server = RedisServer::start();
    let (plain, team) = (
        open(&server),
        Redis::open(&format!("{}/0?prefix=team", server.url())).unwrap(),
    );
    plain.set("m", "k", &number(1), None).unwrap();
    assert_eq!(team.get("m", "k").unwrap(), None);
    team.set("m", "k", &number(2), None).unwrap();
    assert_eq!(server.ask("EXISTS hostler:kv:m:k team:hostler:kv:m:k").unwrap(), ":2");
}

#[test]
fn keys_of_replicas_are_away_with_the_redis_and_back_with_it() {
    let mut server = RedisServer::start();
    let redis = open(&server);
    redis.set("m", "k", &number(1), None).unwrap();
    server.kill();
    for _ in 0..3 {
        assert!(matches!(redis.increment("m", "k", 1), Err(StoreError::Away(_))));
    }
    server.restart();
    assert_eq!(redis.increment("m", "k", 1).unwrap(), 1);
    server.pause();
    assert!(matches!(redis.get("m", "k"), Err(StoreError::Away(_))));
    server.resume();
    assert_eq!(redis.get("m", "k").unwrap(), Some(number(1)));
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_found_when_it_comes() {
    let redis = Redis::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    assert!(matches!(ping(&redis).await, Err(StoreError::Away(_))));
    let mut server = RedisServer::start();
    server.kill();
    let redis = open(&server);
    let told = ping(&redis).await.unwrap_err().to_string();
    assert_eq!(told, "the Redis of SERVER_STORE_URL refuses connections");
    server.restart();
    eventually_answers(&redis).await;
}

#[tokio::test]
async fn a_redis_that_was_started_anew_is_noticed_by_nobody_who_only_reads() {
    let mut server = RedisServer::start();
    let redis = open(&server);
    ping(&redis).await.unwrap();
    server.kill();
    server.restart();
    ping(&redis).await.unwrap();
}

#[tokio::test]
async fn a_silent_redis_is_away_and_found_again() {
    let server = RedisServer::start();
    let redis = open(&server);
    ping(&redis).await.unwrap();
    server.pause();
    for _ in 0..2 {
        let told = ping(&redis).await.unwrap_err().to_string();
        assert_eq!(told, "the Redis of SERVER_STORE_URL does not answer");
    }
    server.resume();
    eventually_answers(&redis).await;
}

#[tokio::test]
async fn scripts_are_sent_to_a_redis_that_forgot_them() {
    let server = RedisServer::start();
    let redis = open(&server);
    let script = Script::new("return {KEYS[1], ARGV[1], ARGV[2]}");
    let answer = redis.call(&script).arg(b"a\0b").number(7_u64).run().await.unwrap();
    let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
    assert_eq!(answer, Value::Array(vec![text(b"hostler:"), text(b"a\0b"), text(b"7")]));
    server.ask("SCRIPT FLUSH").unwrap();
    redis.call(&script).arg("").arg("").run().await.unwrap();
    let broken = Script::new("return redis.call('LPUSH', KEYS[1])");
    assert!(matches!(redis.call(&broken).run().await, Err(StoreError::Broken(_))));
}

#[tokio::test]
async fn a_listener_hears_messages_and_new_connections() {
    let mut server = RedisServer::start();
    let redis = open(&server);
    let mut ear = redis.listen("news");
    let mut other = redis.listen("news");
    timeout(LONG, ear.heard()).await.expect("it is sure to hear");
    timeout(LONG, other.heard()).await.expect("so is the other");
    assert!(timeout(Duration::from_millis(50), ear.heard()).await.is_err());
    assert_eq!(server.ask("PUBLISH hostler:news x").unwrap(), ":1");
    timeout(LONG, ear.heard()).await.expect("a message");
    timeout(LONG, other.heard()).await.expect("a message");
    server.kill();
    timeout(LONG, ear.heard()).await.expect("the loss of the connection");
    server.restart();
    timeout(LONG, ear.heard()).await.expect("the new connection");
    drop((ear, other));
    let silent = async {
        while server.ask("PUBLISH hostler:news x").unwrap() != ":0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, silent).await.expect("nobody listens any more");
}
