use super::*;

#[test]
fn hosts() {
    for (text, address) in [
        ("0.0.0.0", "0.0.0.0"),
        ("localhost", "127.0.0.1"),
        ("LOCALHOST", "127.0.0.1"),
        ("::", "::"),
        ("[::1]", "::1"),
    ] {
        assert_eq!(host(text).unwrap().to_string(), address);
    }
    for text in [
        "",
        "example.org",
        "0.0.0.0:8100",
        "1.2.3",
        "[::1",
        "http://0.0.0.0",
        "*",
    ] {
        assert!(
            host(text).unwrap_err().starts_with(", expected an IP address"),
            "{text}"
        );
    }
}

#[test]
fn ports() {
    assert_eq!(port("0"), Ok(0));
    assert_eq!(port("8100"), Ok(8100));
    assert_eq!(port("65535"), Ok(65535));
    for text in ["", "80a", "65536", "-1", "+1", "1.0", "8 0", "99999999999999999999"] {
        assert_eq!(
            port(text).unwrap_err(),
            ", expected a port number from 0 to 65535",
            "{text}"
        );
    }
}

#[test]
fn a_port_set_by_kubernetes_is_explained() {
    assert!(
        port("tcp://10.0.0.1:8100")
            .unwrap_err()
            .contains("enableServiceLinks: false")
    );
}

#[test]
fn counts() {
    assert_eq!(count("1"), Ok(1));
    assert_eq!(count("007"), Ok(7));
    for text in ["0", "-1", "1.5", "", "many", "+1", "99999999999999999999999"] {
        assert_eq!(count(text).unwrap_err(), ", expected a whole number from 1", "{text}");
    }
}

#[test]
fn thread_counts() {
    assert_eq!(threads("cores", 12), Ok(12));
    assert_eq!(threads("Cores", 0), Ok(1));
    assert_eq!(threads("cores", 9999), Ok(1024));
    assert_eq!(threads("half", 12), Ok(6));
    assert_eq!(threads("Half", 1), Ok(1));
    assert_eq!(threads("1", 12), Ok(1));
    for text in ["0", "1025", "all", ""] {
        assert_eq!(
            threads(text, 12).unwrap_err(),
            ", expected a whole number from 1 to 1024, cores or half"
        );
    }
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("1048576", 1_048_576),
        ("64 MiB", 67_108_864),
        ("64MiB", 67_108_864),
        ("64mib", 67_108_864),
        ("10 MB", 10_000_000),
        ("1 B", 1),
        ("2 kB", 2000),
        ("2KB", 2000),
        ("2 KiB", 2048),
        ("1.5 GiB", 1_610_612_736),
        ("1 GB", 1_000_000_000),
        ("0.5 KiB", 512),
    ] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "0",
        "0 MiB",
        "-1",
        "MiB",
        "64 M",
        "64 Mi",
        "1e6",
        "1 2",
        "64 MiB x",
        ".",
        "1.2.3",
        "99999999 GiB",
    ] {
        assert!(size(text).unwrap_err().starts_with(", expected a size"), "{text}");
    }
}

#[test]
fn durations() {
    for (text, millis) in [
        ("30", 30_000),
        ("30 s", 30_000),
        ("30s", 30_000),
        ("1.5", 1500),
        ("500ms", 500),
        ("0.1", 100),
        ("2m", 120_000),
        ("2 min", 120_000),
        ("1h", 3_600_000),
        ("0", 0),
        (".5", 500),
        ("8760 h", 31_536_000_000),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in [
        "",
        "none",
        "-1",
        "1e3",
        "inf",
        "NaN",
        "s",
        "30 x",
        "1:30",
        "8761 h",
        "9".repeat(400).as_str(),
    ] {
        assert!(
            duration(text).unwrap_err().starts_with(", expected a time such as"),
            "{text}"
        );
    }
}

#[test]
fn durations_above_zero_and_none() {
    assert_eq!(optional_duration("none"), Ok(None));
    assert_eq!(optional_duration("None"), Ok(None));
    assert_eq!(optional_duration("2"), Ok(Some(Duration::from_secs(2))));
    assert_eq!(
        optional_duration("0").unwrap_err(),
        ", expected a time above zero, or none"
    );
    assert!(optional_duration("x").unwrap_err().ends_with("365 days, or none"));
    assert_eq!(positive_duration("2"), Ok(Duration::from_secs(2)));
    assert_eq!(positive_duration("0 s").unwrap_err(), ", expected a time above zero");
    assert!(positive_duration("none").is_err());
}

#[test]
fn cors() {
    let list = |origins: &[&str]| Ok(CorsOrigins::List(origins.iter().map(|o| (*o).to_owned()).collect()));
    assert_eq!(cors_origins("*"), Ok(CorsOrigins::Any));
    assert_eq!(cors_origins(""), Ok(CorsOrigins::None));
    assert_eq!(cors_origins("https://a.org"), list(&["https://a.org"]));
    assert_eq!(
        cors_origins("http://localhost:3000, https://a.org,"),
        list(&["http://localhost:3000", "https://a.org"])
    );
    assert_eq!(cors_origins("http://[::1]:80"), list(&["http://[::1]:80"]));
    for text in [
        "a.org",
        "https://a.org/",
        "https://a.org/x",
        "https://A.org",
        "*, https://a.org",
        "https://*.a.org",
        "https://",
        "://a.org",
        ",",
        "https://a.org https://b.org",
    ] {
        assert!(cors_origins(text).is_err(), "{text}");
    }
}

#[test]
fn a_wrong_origin_is_named_without_its_password() {
    let rest = cors_origins("https://a.org,https://u:hunter2@b.org").unwrap_err();
    assert!(rest.starts_with(r#": "https://***@b.org" is no origin"#), "{rest}");
}

#[test]
fn choices() {
    let choices = [("text", 1), ("json", 2)];
    assert_eq!(choice("json", &choices), Ok(2));
    assert_eq!(choice("JSON", &choices), Ok(2));
    assert_eq!(choice("xml", &choices).unwrap_err(), ", expected text or json");
    assert_eq!(choice("", &choices).unwrap_err(), ", expected text or json");
}
