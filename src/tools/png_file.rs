//! The PNG that a tool draws for a person: whether it can be written is known before the work begins.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::media::{Colours, Frame};
use crate::tools::beside::write_beside;

/// A place where a PNG can be written.
#[derive(Debug)]
pub(super) struct PngFile {
    path: PathBuf,
    /// The option that names it.
    option: &'static str,
}

impl PngFile {
    /// Takes `path`, as `option` names it, if a file can be written there. What lies there stays as it is until
    /// [`PngFile::write`].
    ///
    /// # Errors
    /// Its folder is not there or not ours, or it is no file.
    pub(super) fn at(path: &Path, option: &'static str) -> anyhow::Result<Self> {
        let was_there = path.symlink_metadata().is_ok();
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.with_context(|| cannot(path, option))?;
        if !was_there {
            // An empty one that stays behind would be written over.
            drop(std::fs::remove_file(path));
        }
        Ok(Self { path: path.to_owned(), option })
    }

    /// Writes RGB pixels of that width and height.
    ///
    /// # Errors
    /// The file cannot be written any more, or the disk is full.
    pub(super) fn write(&self, (width, height): (u32, u32), rgb: &[u8]) -> anyhow::Result<()> {
        let cannot = || cannot(&self.path, self.option);
        write_beside(&self.path, |out| {
            let mut encoder = png::Encoder::new(out, width, height);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header().with_context(cannot)?;
            writer.write_image_data(rgb).with_context(cannot)?;
            writer.finish().with_context(cannot)
        })
        .with_context(cannot)
    }
}

/// The whole picture as RGB.
pub(super) fn rgb(frame: &Frame) -> Option<Vec<u8>> {
    let colours = Colours::of(frame.to_cpu().ok()?)?;
    let (width, height) = (usize::try_from(frame.width).ok()?, usize::try_from(frame.height).ok()?);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            pixels.extend(colours.at(x, y)?);
        }
    }
    Some(pixels)
}

fn cannot(path: &Path, option: &str) -> String {
    let path = path.display();
    format!("write the sheet to {path} (give {option} a file in a folder that is there and yours)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once_and_one_that_can_is_left_as_it_was() {
        let dir = tempfile::tempdir().expect("a folder");
        for bad in [dir.path().join("no/such/sheet.png"), dir.path().to_owned()] {
            let said =
                format!("{:#}", PngFile::at(&bad, "--sheet").expect_err("no place for a file"));
            assert!(
                said.contains(&bad.display().to_string()) && said.contains("--sheet"),
                "{said}"
            );
        }
        let sheet = dir.path().join("sheet.png");
        let place = PngFile::at(&sheet, "--sheet").expect("a place");
        assert!(!sheet.exists(), "nothing was drawn yet");
        place.write((1, 1), &[1, 2, 3]).expect("written");
        let before = std::fs::read(&sheet).expect("there");
        PngFile::at(&sheet, "--sheet").expect("may be drawn again");
        assert_eq!(std::fs::read(&sheet).expect("there"), before);
    }
}
