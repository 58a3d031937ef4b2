//! What keeps a server from being built, all of it together.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};

use super::Builder;
use crate::config::check_endpoint;

/// Why a server cannot be built; all faults, one a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BuildError(pub Vec<String>);

impl<C: 'static> Builder<C> {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.path_faults();
        faults.extend(self.name_faults());
        if self.inits.len() > 1 {
            faults.push(format!(
                "init was given {} times; an app has one context",
                self.inits.len()
            ));
        }
        let needs_init = !self.handlers.is_empty() && self.inits.is_empty() && TypeId::of::<C>() != TypeId::of::<()>();
        if needs_init {
            faults.push("handlers take a context, but no init makes one; call init".into());
        }
        if self.replicas == 0 || self.mounts.iter().any(|m| m.replicas == 0) {
            faults.push("replicas is 0, expected at least 1".into());
        }
        if self.devices.is_empty() {
            faults.push("devices is empty; leave it out for the CPU".into());
        }
        faults
    }

    fn path_faults(&self) -> Vec<String> {
        let (mut faults, mut seen) = (Vec::new(), HashSet::new());
        let handlers = self.handlers.iter().map(|(path, ..)| path);
        for path in handlers.chain(self.mounts.iter().map(|mount| &mount.path)) {
            if !seen.insert(path) {
                faults.push(format!("{path} is mounted twice; give each handler a path of its own"));
            }
            if let Some(wrong) = (path != "/").then(|| check_endpoint(path).err()).flatten() {
                faults.push(format!("{path:?} cannot be mounted{wrong}"));
            }
        }
        if seen.is_empty() {
            faults.push("nothing is mounted; add a handler or a pipeline".into());
        }
        faults
    }

    /// Models of one name would share routes, metrics and a cache folder.
    fn name_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut paths: HashMap<String, Option<&String>> = HashMap::new();
        if !self.handlers.is_empty() {
            paths.insert(self.name.clone(), None);
        }
        for mount in &self.mounts {
            let (name, path) = (mount.name(), &mount.path);
            match paths.insert(name.clone(), Some(path)) {
                Some(Some(other)) if other != path => faults.push(format!(
                    "{path} and {other} would both be called {name}; mount one of them elsewhere"
                )),
                Some(None) => faults.push(format!(
                    "{path} would be called {name}, as the handlers' app is; give the app another name"
                )),
                Some(Some(_)) | None => {}
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::error::Error;
    use crate::pipeline::{Batch, Pipeline};
    use crate::server::{Mount, Server};

    #[allow(clippy::unnecessary_wraps, reason = "the signature of a handler")]
    fn echo((): &mut (), text: String) -> Result<String, Error> {
        Ok(text)
    }

    #[test]
    fn the_same_path_twice_and_a_second_init_are_told_together() {
        let built = Server::builder()
            .init(|_| Ok(()))
            .init(|_| Ok(()))
            .handler("/echo", echo)
            .handler("/echo", echo)
            .build();
        let faults = built.err().unwrap().0;
        assert_eq!(
            faults,
            [
                "/echo is mounted twice; give each handler a path of its own",
                "init was given 2 times; an app has one context"
            ]
        );
    }

    #[test]
    fn a_context_needs_an_init_and_a_server_something_to_serve() {
        let told = |built: Result<Server, BuildError>| built.err().unwrap().to_string();
        assert!(told(Server::builder::<()>().build()).contains("nothing is mounted"));
        let counts = Server::builder().handler("/n", |n: &mut u64, (): ()| Ok(*n)).build();
        assert!(told(counts).contains("no init makes one"));
        let reserved = Server::builder().handler("/v1/x", echo).build();
        assert!(told(reserved).contains("/v1/x"));
        assert!(Server::builder().handler("/", echo).build().is_ok());
        let store = |url| Server::builder().store_url(url).handler("/", echo).build();
        assert!(store("redis://localhost").is_ok());
        let fault = told(store("http://user:secret@host"));
        assert!(fault.contains("store_url") && !fault.contains("secret"), "{fault}");
    }

    #[test]
    fn models_of_one_name_are_told() {
        struct Idle;
        impl Pipeline for Idle {
            fn run(&mut self, _: &mut Batch) -> Result<(), Error> {
                Ok(())
            }
        }
        let mount = |path: &str| Mount::new(path, Contract::typed::<u8, u8>(), |_| Ok(Idle));
        let built = Server::builder()
            .handler("/echo", echo)
            .pipeline(mount("/app"))
            .pipeline(mount("/a/b"))
            .pipeline(mount("/a.b"))
            .pipeline(mount("/root"))
            .build();
        assert_eq!(
            built.err().unwrap().0,
            [
                "/app would be called app, as the handlers' app is; give the app another name",
                "/a.b and /a/b would both be called a.b; mount one of them elsewhere"
            ]
        );
    }
}
