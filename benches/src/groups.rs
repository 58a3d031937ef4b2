//! What is measured together: one model behind servers of several settings, the echo server, and the bare loop.

use crate::models::{COMPUTE, Form, IMAGE, Model, TINY};

pub struct Group {
    pub title: &'static str,
    pub model: Model,
    pub servers: Vec<Variant>,
}

/// One way to serve the group's model.
#[derive(Clone, Copy)]
pub struct Variant {
    pub name: &'static str,
    /// `None` leaves it to the server.
    pub max_batch_size: Option<usize>,
    pub form: Form,
}

pub const BATCHING_OFF: &str = "batching off";
pub const BATCHING_ON: &str = "batching on";

const fn variant(name: &'static str, max_batch_size: Option<usize>, form: Form) -> Variant {
    Variant {
        name,
        max_batch_size,
        form,
    }
}

const fn of_form(form: Form) -> Variant {
    variant(form.name(), None, form)
}

pub fn groups() -> [Group; 3] {
    let batching = vec![
        variant(BATCHING_OFF, Some(1), Form::Json),
        variant(BATCHING_ON, None, Form::Json),
    ];
    [
        Group {
            title: "Tiny MLP, 64→128→10",
            model: TINY,
            servers: batching.clone(),
        },
        Group {
            title: "Compute-bound MLP, 768→1024→1024→1024→768",
            model: COMPUTE,
            servers: batching,
        },
        Group {
            title: "Image tensor, 1×3×224×224",
            model: IMAGE,
            servers: vec![of_form(Form::Json), of_form(Form::Raw)],
        },
    ]
}

impl Group {
    /// What the filter is compared with.
    pub fn case(&self, server: &Variant) -> String {
        format!("{} {}", self.model.name, server.name)
    }
}
