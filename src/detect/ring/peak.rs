//! A ring in the model's own pixels.

/// A ring in pixels of the model's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    /// 0..1.
    pub(crate) score: f32,
    /// Its centre.
    pub(crate) x: f32,
    /// Its centre.
    pub(crate) y: f32,
    /// Its width.
    pub(crate) w: f32,
    /// Its height.
    pub(crate) h: f32,
}
