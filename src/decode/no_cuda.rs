//! Builds without the feature `cuda`: pictures come over system memory, whatever decodes them.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::device::{DeviceMemory, Gpu};
use crate::mailbox::DropReason;
use crate::media::Pixels;

/// Nothing is shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared;

/// There are none.
#[derive(Debug)]
pub(crate) enum Surfaces {}

impl Shared {
    /// None.
    #[expect(clippy::unused_self, reason = "the face of `decode/cuda`")]
    pub(crate) const fn surfaces(&self, _gpu: &Gpu) -> Option<Arc<Surfaces>> {
        None
    }

    /// None.
    #[expect(clippy::unused_self, reason = "the face of `decode/cuda`")]
    pub(crate) const fn memory(&self) -> Option<DeviceMemory> {
        None
    }
}

impl Surfaces {
    pub(crate) const fn takes(&self, _factory: &str) -> bool {
        match *self {}
    }

    pub(crate) const fn told(&self) -> String {
        match *self {}
    }

    pub(crate) const fn count(&self) -> (usize, u64) {
        match *self {}
    }

    pub(crate) const fn caps(&self) -> gst::Caps {
        match *self {}
    }

    pub(crate) const fn hand_over(&self, _pipeline: &gst::Pipeline) {
        match *self {}
    }

    pub(crate) const fn picture(
        &self,
        _buffer: gst::Buffer,
        _info: &gst_video::VideoInfo,
    ) -> Result<Pixels, DropReason> {
        match *self {}
    }
}
