//! The scripts, one for each change of a job or a delivery.

use crate::store::redis::Script;

macro_rules! scripts {
    ($($name:ident)*) => {
        pub(super) struct Scripts {
            $(pub $name: Script,)*
        }

        impl Scripts {
            pub fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("scripts/prelude.lua"),
                        include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

scripts! {
    insert claim keep put_back finish cancel unfinished forget tidy
    get list events publish
    tell due hold next_due settle deliveries dead_letters resend
}
