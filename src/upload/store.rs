//! The object store that files go to: S3, Google Cloud Storage, Azure Blob Storage, or a folder.
//!
//! Credentials come from each cloud's standard environment, else from the machine's own identity (STS, IMDS). The only
//! file that builds clients of clouds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    RetryConfig, UploadPart,
};
use url::Url;

use super::links::Links;
use crate::config::{self, SecretUrl};
use crate::contract::OCTET_STREAM;
use crate::payload::FileOutput;
use crate::webhook::prepare_tls;

/// Larger files go up in parts of this size. S3 takes no smaller ones than 5 MiB.
const PART: usize = 8 * 1024 * 1024;
/// Parts under way at once, for each file.
const AT_ONCE: usize = 4;

/// Where files of answers are uploaded to.
pub struct Uploads {
    store: Arc<dyn ObjectStore>,
    links: Links,
    /// What every key begins with.
    prefix: Path,
    /// A folder keeps no media types.
    typed: bool,
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Clients of clouds may print their credentials.
        f.debug_struct("Uploads")
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Uploads {
    /// The store at an address of the setting `SERVER_UPLOAD_URL`. Makes no connection; makes the folder of a `file:`
    /// address.
    ///
    /// # Errors
    /// A sentence about an address, credentials or a folder that cannot be used.
    pub fn open(url: &SecretUrl) -> Result<Self, String> {
        Self::open_with(url, &config::environment())
    }

    /// As [`Uploads::open`], with other variables than those of this process.
    ///
    /// # Errors
    /// As [`Uploads::open`].
    pub fn open_with(url: &SecretUrl, environment: &BTreeMap<String, String>) -> Result<Self, String> {
        if let Some(folder) = url.file_path() {
            return Self::folder(&folder);
        }
        // Before any client of a cloud is built.
        prepare_tls();
        let address = Url::parse(url.expose()).map_err(|e| format!("{url} cannot be read: {e}"))?;
        let (store, links) = match url.scheme() {
            "s3" => amazon(&address, environment),
            "gs" => google(&address, environment),
            "az" => azure(&address, environment),
            other => Err(format!("{other}: is no store for uploads")),
        }
        .map_err(|e| format!("{url} cannot be used: {e}"))?;
        Ok(Self {
            store,
            links,
            prefix: Path::from_url_path(address.path()).map_err(|e| format!("{url} cannot be used: {e}"))?,
            typed: true,
        })
    }

    fn folder(folder: &std::path::Path) -> Result<Self, String> {
        let told =
            |what: &str, why: &dyn fmt::Display| format!("the folder {} cannot be {what}: {why}", folder.display());
        std::fs::create_dir_all(folder).map_err(|e| told("made", &e.kind()))?;
        let root = std::fs::canonicalize(folder).map_err(|e| told("read", &e.kind()))?;
        let store = LocalFileSystem::new_with_prefix(&root).map_err(|e| told("used", &e))?;
        let base = Url::from_directory_path(&root).map_err(|()| told("used", &"it has no address"))?;
        Ok(Self {
            // A job that succeeded keeps its files when the power goes.
            store: Arc::new(store.with_fsync(true)),
            links: Links::new(base.as_str(), None)?,
            prefix: Path::default(),
            typed: false,
        })
    }

    pub(super) const fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Stores a file, whole or not at all. Faults that may pass are tried again for half a minute.
    pub(super) async fn put(&self, key: &Path, file: &FileOutput) -> object_store::Result<()> {
        let attributes = self.attributes(file);
        if file.bytes.len() <= PART {
            let options = PutOptions {
                attributes,
                ..PutOptions::default()
            };
            let payload = PutPayload::from(file.bytes.clone());
            return self.store.put_opts(key, payload, options).await.map(drop);
        }
        let options = PutMultipartOptions {
            attributes,
            ..PutMultipartOptions::default()
        };
        let mut upload = self.store.put_multipart_opts(key, options).await?;
        let sent = send_parts(upload.as_mut(), &file.bytes).await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!("the parts of {key} could not be removed: {error}");
        }
        sent
    }

    fn attributes(&self, file: &FileOutput) -> Attributes {
        if !self.typed {
            return Attributes::default();
        }
        // What is no header would not be one of the service's requests either.
        let said = http::HeaderValue::from_str(&file.content_type).map(|_| file.content_type.clone());
        let media = said.unwrap_or_else(|_| OCTET_STREAM.to_owned());
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, media.into());
        attributes
    }

    /// Where a file can be fetched, for as long as the service signs for: seven days at most.
    pub(super) async fn link(&self, key: &Path) -> String {
        self.links.of(key).await
    }

    /// Removes files that nobody is told of.
    pub(super) async fn remove(&self, keys: &[Path]) {
        for key in keys {
            match self.store.delete(key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!("{key} could not be removed: {error}"),
            }
        }
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, bytes: &Bytes) -> object_store::Result<()> {
    // Nothing is sent before it is waited for, and no byte is copied.
    let parts = (0..bytes.len()).step_by(PART).map(|start| {
        let end = bytes.len().min(start + PART);
        upload.put_part(PutPayload::from(bytes.slice(start..end)))
    });
    let parts: Vec<UploadPart> = parts.collect();
    let sent = stream::iter(parts).buffered(AT_ONCE);
    sent.try_for_each(|()| ready(Ok(()))).await?;
    upload.complete().await.map(drop)
}

/// Retries of one request to a cloud: ten, or as many as begin within half a minute.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 10,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    }
}

type Opened = (Arc<dyn ObjectStore>, Links);

/// Variables with a beginning that are not blank: templates leave blanks where they have nothing to say.
fn beginning<'a>(
    environment: &'a BTreeMap<String, String>,
    with: &'static str,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let set = environment.iter().filter(|(_, value)| !value.trim().is_empty());
    set.filter(move |(name, _)| name.starts_with(with))
}

fn amazon(address: &Url, environment: &BTreeMap<String, String>) -> Result<Opened, String> {
    let mut builder = AmazonS3Builder::new().with_url(address.as_str()).with_retry(retries());
    for (name, value) in beginning(environment, "AWS_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let said = |key| builder.get_config_value(&key);
    let endpoint = said(AmazonS3ConfigKey::S3Endpoint).or_else(|| said(AmazonS3ConfigKey::Endpoint));
    let endpoint = endpoint.unwrap_or_else(|| {
        let region = said(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        format!("https://s3.{region}.amazonaws.com")
    });
    let base = below(&endpoint, address.host_str());
    let store = Arc::new(builder.build().map_err(|e| e.to_string())?);
    let links = Links::new(&base, Some(Arc::clone(&store) as Arc<dyn Signer>))?;
    Ok((store as Arc<dyn ObjectStore>, links))
}

fn google(address: &Url, environment: &BTreeMap<String, String>) -> Result<Opened, String> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_url(address.as_str())
        .with_retry(retries());
    for (name, value) in beginning(environment, "GOOGLE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let endpoint = endpoint.unwrap_or_else(|| "https://storage.googleapis.com".to_owned());
    let base = below(&endpoint, address.host_str());
    let store = Arc::new(builder.build().map_err(|e| e.to_string())?);
    let links = Links::new(&base, Some(Arc::clone(&store) as Arc<dyn Signer>))?;
    Ok((store as Arc<dyn ObjectStore>, links))
}

fn azure(address: &Url, environment: &BTreeMap<String, String>) -> Result<Opened, String> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_url(address.as_str())
        .with_retry(retries());
    for (name, value) in beginning(environment, "AZURE_") {
        if let Some(key) = azure_key(name) {
            builder = builder.with_config(key, value);
        }
    }
    // Of App Service and Functions.
    for (_, endpoint) in beginning(environment, "IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let host = address.host_str();
    let base = if address.username().is_empty() {
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint).unwrap_or_else(|| {
            let account = builder.get_config_value(&AzureConfigKey::AccountName);
            format!("https://{}.blob.core.windows.net", account.unwrap_or_default())
        });
        below(&endpoint, host)
    } else {
        // az://CONTAINER@ACCOUNT.blob.core.windows.net
        below(
            &format!("https://{}", host.unwrap_or_default()),
            Some(address.username()),
        )
    };
    let store = Arc::new(builder.build().map_err(|e| e.to_string())?);
    let links = Links::new(&base, Some(Arc::clone(&store) as Arc<dyn Signer>))?;
    Ok((store as Arc<dyn ObjectStore>, links))
}

/// The names that the settings of `object_store` have, and the two of Azure's own tools.
fn azure_key(name: &str) -> Option<AzureConfigKey> {
    match name {
        "AZURE_STORAGE_ACCOUNT" => Some(AzureConfigKey::AccountName),
        "AZURE_STORAGE_KEY" => Some(AzureConfigKey::AccessKey),
        _ => name.to_ascii_lowercase().parse().ok(),
    }
}

fn below(endpoint: &str, bucket: Option<&str>) -> String {
    format!("{}/{}", endpoint.trim_end_matches('/'), bucket.unwrap_or_default())
}

/// Why a store could not do what was asked, without addresses, folders and secrets: clients read it.
pub(super) fn in_short(error: &object_store::Error) -> String {
    match error {
        object_store::Error::NotFound { .. } => "the bucket, container or folder is not there".to_owned(),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "the credentials are refused".to_owned()
        }
        other => cause(other).unwrap_or_else(|| "the store failed".to_owned()),
    }
}

/// What the innermost error that is understood says.
fn cause(error: &object_store::Error) -> Option<String> {
    use object_store::client::{HttpError, HttpErrorKind};
    const STATUS: &str = "non-2xx status code: ";
    let mut found = None;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if let Some(http) = error.downcast_ref::<HttpError>() {
            found = Some(match http.kind() {
                HttpErrorKind::Connect => "no connection can be made".to_owned(),
                HttpErrorKind::Timeout => "no answer came in time".to_owned(),
                _ => "the connection broke off".to_owned(),
            });
            // What is below is about sockets.
            break;
        } else if let Some(io) = error.downcast_ref::<std::io::Error>() {
            found = Some(io.kind().to_string());
        } else if let Some((_, status)) = text.split_once(STATUS) {
            found = status.get(..3).map(|status| format!("the store answered {status}"));
        }
        next = error.source();
    }
    found
}
