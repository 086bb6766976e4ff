//! What a network takes and gives, whatever its task: all that an engine needs to know of it.

use serde::Deserialize;

/// Inputs, states and outputs of a network, by the names that its file has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// What is made of a picture, in order.
    pub inputs: Vec<PictureInput>,
    /// Name of the input `f32[1,1]`: seconds since the last frame that it saw.
    pub dt: Option<String>,
    /// Tensors that go from one picture to the next; zeros at first.
    pub states: Vec<StateTensor>,
    /// What it says, in order; states come after these.
    pub outputs: Vec<OutputTensor>,
}

/// How an input is made of a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum PictureInput {
    /// The square around a rim.
    Around(CropInput),
    /// The whole picture, fitted in.
    Whole(FrameInput),
}

impl PictureInput {
    /// Name of the input.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Around(crop) => &crop.name,
            Self::Whole(frame) => &frame.name,
        }
    }

    /// Its shape: one picture, channels, rows, columns.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        match self {
            Self::Around(crop) => [1, crop.channels.len(), crop.size, crop.size],
            Self::Whole(frame) => [1, 3, frame.height, frame.width],
        }
    }
}

/// A square crop around a rim: `f32[1, channels, size, size]`, values 0..1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropInput {
    /// Name of the input.
    pub name: String,
    /// Side, pixels of the crop.
    pub size: usize,
    /// Planes, in order.
    pub channels: Vec<Channel>,
    /// Side, in widths of the ring.
    pub rings: f32,
    /// From the crop's top to the ring's top edge, in widths of the ring.
    pub above: f32,
}

/// A plane of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Luma.
    Y,
    /// Blue difference.
    Cb,
    /// Red difference.
    Cr,
}

/// A whole picture, fitted in: `f32[1, 3, height, width]`, Y, Cb, Cr, 0..1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameInput {
    /// Name of the input.
    pub name: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// A tensor that the model hands to itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateTensor {
    /// Name of the input.
    pub input: String,
    /// Name of the output that becomes the next input.
    pub output: String,
    /// Its shape, all known.
    pub shape: Vec<usize>,
}

/// A tensor that the network gives, f32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTensor {
    /// Name of the output.
    pub name: String,
    /// Its shape, all known.
    pub shape: Vec<usize>,
}
