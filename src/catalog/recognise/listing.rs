//! What a folder holds, for sentences about what it lacks.

use std::path::Path;

/// Where graphs of a model stand together.
pub const GRAPH_FOLDERS: [&str; 2] = ["", "onnx/"];
/// Ends of files with weights that no graph goes with.
const WEIGHTS: [&str; 5] = ["safetensors", "bin", "pt", "h5", "msgpack"];
/// So many files of a folder are named at most.
const SHOWN: usize = 10;

/// The first files of a folder, for a sentence.
pub fn holds(folder: &Path) -> String {
    let mut here = names(folder);
    let rest = here.len().saturating_sub(SHOWN);
    here.truncate(SHOWN);
    match (here.len(), rest) {
        (0, _) => "nothing".to_owned(),
        (_, 0) => here.join(", "),
        (_, rest) => format!("{} and {rest} more", here.join(", ")),
    }
}

/// What may help where there is no graph by a name that is looked for.
pub fn remedy(folder: &Path) -> String {
    let ends = |name: &String, with: &[&str]| {
        let end = Path::new(name).extension().and_then(|end| end.to_str());
        end.is_some_and(|end| with.contains(&end))
    };
    let below = |place: &'static str| {
        names(&folder.join(place))
            .into_iter()
            .map(move |name| format!("{place}{name}"))
    };
    let graphs: Vec<String> = GRAPH_FOLDERS
        .into_iter()
        .flat_map(below)
        .filter(|name| ends(name, &["onnx"]))
        .collect();
    match (
        graphs.as_slice(),
        names(folder).iter().find(|name| ends(name, &WEIGHTS)),
    ) {
        ([only], _) => format!("; if {only} is the graph, name it as file in model.toml"),
        ([], Some(weights)) => format!("; {weights} is no graph, and optimum-cli export onnx makes one of it"),
        _ => String::new(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let listed = |entries: std::fs::ReadDir| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| listed(entries).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names
}
