//! What engines of native libraries share: which file they run, and their networks' tensors held against the
//! manifest.

use crate::detect::bundle::Bundle;
use crate::detect::bundle::files::ModelFile;
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::engine::arithmetic::{FileRun, Runs, choose};
use crate::detect::engine::contract::EngineError;
use crate::detect::engine::signature::Signature;
use crate::media::Foreign;

/// A tensor that a library found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorFound {
    pub(crate) name: String,
    /// A size that is not fixed is negative.
    pub(crate) shape: Vec<i64>,
    /// Its type, in the library's word for people; `None`: 32-bit floats.
    pub(crate) other_type: Option<String>,
}

impl TensorFound {
    fn is(&self, shape: &[usize]) -> bool {
        let fits = |(found, wanted): (&i64, &usize)| {
            *found < 0 || usize::try_from(*found).is_ok_and(|found| found == *wanted)
        };
        self.other_type.is_none()
            && self.shape.len() == shape.len()
            && self.shape.iter().zip(shape).all(fits)
    }

    fn told(&self) -> String {
        format!("{} {:?}", self.other_type.as_deref().unwrap_or("f32"), self.shape)
    }
}

/// The file of `bundle` that the engine `engine` runs, and the bundle with it.
///
/// # Errors
/// [`EngineError::Unsupported`]: it runs none.
pub(crate) fn file_for(
    engine: &'static str,
    runs: Runs<'_>,
    bundle: &Bundle,
) -> Result<(FileRun, Bundle), EngineError> {
    // Of somebody else's bundle no file was tried but the one that it was found with.
    let ours = bundle.is_word_for_word(IN_THE_BINARY);
    let entries = bundle.entries().iter().filter(|entry| ours || entry.path == bundle.file.path);
    let entries: Vec<_> = entries.cloned().collect();
    let mut read =
        |entry: &_| bundle.with_file(entry).map_err(|error| Foreign::error(&error).to_string());
    choose(runs, &bundle.file.precision, &entries, &mut read).map_err(|problem| {
        EngineError::Unsupported { engine, file: bundle.file.path.clone(), problem }
    })
}

/// Holds what a library found in `file` against the manifest.
///
/// # Errors
/// [`EngineError`]: a tensor that the manifest names is not there, is another, or is not named.
pub(crate) fn agree(
    file: &ModelFile,
    manifest: &Signature,
    inputs: &[TensorFound],
    outputs: &[TensorFound],
) -> Result<(), EngineError> {
    let sides = [("input", &manifest.inputs, inputs), ("output", &manifest.outputs, outputs)];
    for (what, wanted, has) in sides {
        for (name, shape) in wanted {
            let Some(found) = has.iter().find(|found| found.name == *name) else {
                let has: Vec<&str> = has.iter().map(|found| found.name.as_str()).collect();
                let (file, name, has) = (file.path.clone(), name.clone(), has.join(", "));
                return Err(EngineError::Name { file, what, name, has });
            };
            if !found.is(shape) {
                let (file, name) = (file.path.clone(), name.clone());
                let (wanted, found) = (format!("f32 {shape:?}"), found.told());
                return Err(EngineError::Shape { file, name, wanted, found });
            }
        }
    }
    let known = |found: &&TensorFound| manifest.inputs.iter().any(|(name, _)| *name == found.name);
    if let Some(strange) = inputs.iter().find(|found| !known(found)) {
        let has: Vec<&str> = manifest.inputs.iter().map(|(name, _)| name.as_str()).collect();
        return Err(EngineError::Name {
            file: "model.toml".to_owned(),
            what: "entry for the network's input",
            name: strange.name.clone(),
            has: has.join(", "),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn what_differs_from_the_manifest_is_named() {
        let file = ModelFile {
            path: "x.onnx".to_owned(),
            precision: "fp32".to_owned(),
            bytes: Cow::Borrowed(&[]),
        };
        let manifest = Signature {
            inputs: vec![("frame".to_owned(), vec![1, 1, 8, 8])],
            outputs: vec![("logits".to_owned(), vec![1, 4])],
        };
        let tensor = |name: &str, shape: &[i64]| TensorFound {
            name: name.to_owned(),
            shape: shape.to_vec(),
            other_type: None,
        };
        let (frame, logits) = (tensor("frame", &[-1, 1, 8, 8]), tensor("logits", &[1, 4]));
        let half = TensorFound { other_type: Some("f16".to_owned()), ..frame.clone() };
        let check = |inputs: &[TensorFound], outputs: &[TensorFound]| {
            agree(&file, &manifest, inputs, outputs).map_err(|error| error.to_string())
        };
        let (inputs, outputs) = (vec![frame.clone()], vec![logits.clone()]);
        assert_eq!(check(&inputs, &outputs), Ok(()));
        for (inputs, outputs, said) in [
            (vec![], vec![logits.clone()], "x.onnx has no input `frame`"),
            (vec![frame.clone()], vec![], "x.onnx has no output `logits`"),
            (vec![half], vec![logits.clone()], "frame has shape f16 [-1, 1, 8, 8]"),
            (vec![tensor("frame", &[1, 3, 8, 8])], vec![logits.clone()], "shape f32 [1, 3, 8, 8]"),
            (vec![tensor("frame", &[1, 8, 8])], vec![logits.clone()], "model.toml says f32"),
            (vec![frame.clone()], vec![tensor("logits", &[4])], "logits has shape f32 [4]"),
            (vec![frame, tensor("more", &[1])], vec![logits], "model.toml has no entry for the"),
        ] {
            let error = check(&inputs, &outputs).expect_err("differs");
            assert!(error.contains(said), "{error}: {said}");
        }
    }
}
