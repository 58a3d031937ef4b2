//! The OpenAPI document of exactly the models that are served, built with utoipa from their contracts.

mod fixed;
mod kserve_v1;
mod native;
mod parts;

use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder};

use crate::service::ModelCard;
use parts::{ERROR, about, component, error_schema, renamed, schema};

/// The document.
pub fn document<'a>(models: impl IntoIterator<Item = &'a ModelCard>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new().schema(ERROR, schema(&error_schema()));
    let mut tags = Vec::new();
    let mut v1 = Vec::new();
    for model in models {
        tags.push((model.name.to_string(), about(model)));
        for endpoint in &model.endpoints {
            for part in [&endpoint.contract.input, &endpoint.contract.output] {
                for (name, value) in &part.components {
                    components = components.schema(component(model, name), schema(&renamed(model, value)));
                }
            }
            for path in &endpoint.paths {
                paths = paths.path(path, native::item(model, endpoint, path));
            }
        }
        v1.extend(kserve_v1::items(model));
    }
    for (path, item) in v1.into_iter().chain(kserve_v1::lists()).chain(fixed::items()) {
        paths = paths.path(path, item);
    }
    tags.push((kserve_v1::TAG.to_owned(), kserve_v1::ABOUT.to_owned()));
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
