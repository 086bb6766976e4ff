//! A network's inputs and outputs as the manifest says, and its file taken apart before anything is built.

use std::io::Cursor;

use tract_onnx::onnx;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{Framework as _, TractError, TractResult};

use crate::detect::bundle::files::ModelFile;
use crate::detect::bundle::tensors::Tensors;
use crate::detect::engine::contract::EngineError;
use crate::detect::engine::graph::sums::{Limits, sum};
use crate::media::Foreign;

/// The network's inputs and outputs, as the manifest says: pictures, `dt`, states; what it says, states.
pub(crate) struct Signature {
    pub(crate) inputs: Vec<(String, Vec<usize>)>,
    pub(crate) outputs: Vec<(String, Vec<usize>)>,
}

impl Signature {
    pub(crate) fn of(tensors: &Tensors) -> Self {
        let mut inputs: Vec<(String, Vec<usize>)> = tensors
            .inputs
            .iter()
            .map(|input| (input.name().to_owned(), input.shape().to_vec()))
            .collect();
        inputs.extend(tensors.dt.iter().map(|name| (name.clone(), vec![1, 1])));
        let mut outputs: Vec<(String, Vec<usize>)> = tensors
            .outputs
            .iter()
            .map(|output| (output.name.clone(), output.shape.clone()))
            .collect();
        for state in &tensors.states {
            inputs.push((state.input.clone(), state.shape.clone()));
            outputs.push((state.output.clone(), state.shape.clone()));
        }
        Self { inputs, outputs }
    }

    /// Takes `file` apart, and sums what it wants: before anything of it is built, since whoever builds
    /// a graph computes what hangs on constants alone.
    ///
    /// # Errors
    /// [`EngineError`]: it is no such file, or wants more than `limits`.
    pub(crate) fn proto_within(
        &self,
        engine: &'static str,
        file: &ModelFile,
        limits: Limits,
    ) -> Result<ModelProto, EngineError> {
        let proto = taken_apart(file.bytes.as_ref()).map_err(|error| EngineError::Parse {
            engine,
            file: file.path.clone(),
            problem: one_line(&error),
        })?;
        if let Some(graph) = &proto.graph {
            sum(graph, &self.inputs, limits).map_err(|sum| EngineError::TooMuch {
                file: file.path.clone(),
                sum: Foreign::told(sum).to_string(),
            })?;
        }
        Ok(proto)
    }
}

/// Takes a file apart.
pub(crate) fn taken_apart(bytes: &[u8]) -> TractResult<ModelProto> {
    onnx().proto_model_for_read(&mut Cursor::new(bytes))
}

/// tract's chain of causes as one line.
pub(crate) fn one_line(error: &TractError) -> String {
    Foreign::told(format!("{error:#}").replace('\n', " ")).to_string()
}
