//! What the tensors of a decoder's graph stand for, read from their names.

/// What an input or output stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Ids,
    Mask,
    Positions,
    /// What the encoder gave, and which of its positions count.
    States,
    StatesMask,
    /// The switch of a graph that holds two.
    UseCache,
    /// Keys or values of the row's own positions, by layer: keys even, values odd.
    Past(usize),
    /// Keys or values of the encoder's positions.
    Source(usize),
}

impl Port {
    pub fn of_input(name: &str) -> Option<Self> {
        Some(match name {
            "input_ids" => Self::Ids,
            "attention_mask" => Self::Mask,
            "position_ids" => Self::Positions,
            "encoder_hidden_states" => Self::States,
            "encoder_attention_mask" => Self::StatesMask,
            "use_cache_branch" => Self::UseCache,
            other => Self::of_entry(other.strip_prefix("past_key_values.")?)?,
        })
    }

    pub fn of_output(name: &str) -> Option<Self> {
        Self::of_entry(name.strip_prefix("present.")?)
    }

    /// `3.key`, `3.decoder.key` or `3.encoder.value`.
    fn of_entry(entry: &str) -> Option<Self> {
        let (layer, part) = entry.split_once('.')?;
        let (side, kind) = part.rsplit_once('.').unwrap_or(("decoder", part));
        let index = 2 * layer.parse::<usize>().ok()?;
        let index = match kind {
            "key" => index,
            "value" => index + 1,
            _ => return None,
        };
        match side {
            "decoder" => Some(Self::Past(index)),
            "encoder" => Some(Self::Source(index)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_tensor_stands_for() {
        assert_eq!(Port::of_input("past_key_values.3.value"), Some(Port::Past(7)));
        assert_eq!(Port::of_input("past_key_values.0.decoder.key"), Some(Port::Past(0)));
        assert_eq!(Port::of_input("past_key_values.1.encoder.value"), Some(Port::Source(3)));
        assert_eq!(Port::of_output("present.2.key"), Some(Port::Past(4)));
        for unknown in [
            "past_key_values.0.keys",
            "past_key_values.x.key",
            "token_type_ids",
            "present",
        ] {
            assert_eq!(Port::of_input(unknown), None, "{unknown}");
        }
    }
}
