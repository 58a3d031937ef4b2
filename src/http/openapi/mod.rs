//! The OpenAPI document of exactly the models that are served, built with utoipa from their contracts.

mod fixed;
mod jobs;
mod kserve_v1;
mod native;
mod parts;

use std::collections::HashSet;

use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder};

use crate::service::{BACKGROUND, ModelCard};
use parts::{ERROR, about, component, error_schema, renamed, schema};

/// The document.
pub fn document<'a>(models: impl IntoIterator<Item = &'a ModelCard>) -> OpenApi {
    let models: Vec<&ModelCard> = models.into_iter().collect();
    let endpoints = models.iter().flat_map(|model| &model.endpoints);
    let mounted: HashSet<&str> = endpoints.flat_map(|e| &e.paths).map(String::as_str).collect();
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new().schema(ERROR, schema(&error_schema()));
    for (name, value) in jobs::components() {
        components = components.schema(name, schema(&value));
    }
    let mut tags = Vec::new();
    let mut v1 = Vec::new();
    for &model in &models {
        tags.push((model.name.to_string(), about(model)));
        for endpoint in &model.endpoints {
            for part in [&endpoint.contract.input, &endpoint.contract.output] {
                for (name, value) in &part.components {
                    components = components.schema(component(model, name), schema(&renamed(model, value)));
                }
            }
            for path in &endpoint.paths {
                paths = paths.path(path, native::item(model, endpoint, path));
                let background = format!("{}{BACKGROUND}", path.trim_end_matches('/'));
                // What an author mounted there is his, and told as such.
                if endpoint.takes_jobs() && !mounted.contains(background.as_str()) {
                    let item = native::background(model, endpoint, &background);
                    paths = paths.path(background, item);
                }
            }
        }
        v1.extend(kserve_v1::items(model));
    }
    let others = [v1, kserve_v1::lists(), jobs::items(), fixed::items()];
    for (path, item) in others.into_iter().flatten() {
        paths = paths.path(path, item);
    }
    tags.push((kserve_v1::TAG.to_owned(), kserve_v1::ABOUT.to_owned()));
    tags.push((jobs::TAG.to_owned(), jobs::ABOUT.to_owned()));
    tags.push((fixed::TAG.to_owned(), fixed::ABOUT.to_owned()));
    let tags = tags
        .into_iter()
        .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    let info = InfoBuilder::new()
        .title("Hostler")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The models this server is configured to serve."));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}
