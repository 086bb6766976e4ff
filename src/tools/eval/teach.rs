//! `teach --export`: what people said of shots, as a vendor's file of examples to fine-tune a hosted model with.
//!
//! Of each clip of a list of labels (`{data_dir}/labels/rims.json`, or any truth of clips) the contact sheet is drawn
//! as a box would have sent it, with the answer that was right: a line of JSON each, in the shape of the vendor. Nothing
//! is asked and nothing leaves: what is done with the file is its reader's.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::decode::VideoFile;
use crate::look::shape::{Question, Shape};
use crate::look::{self, Call, Crop, Crops, PROMPT};
use crate::media::{MediaTime, RimBox};
use crate::router::Pace;
use crate::tools::beside::write_beside;
use crate::tools::eval::truth::{self, SESSION, Video};
use crate::tools::tell::remark;

/// What a box has seen by its final: RimNet's come some 0.4 s after the outcome is visible at the latest.
const SEEN_AFTER_S: f64 = 0.4;

/// Arguments of `teach`.
#[derive(Debug, Args)]
pub(crate) struct TeachArgs {
    /// Labels: a list of clips, as {data_dir}/labels/rims.json (can be repeated)
    #[arg(long, value_name = "FILE", required = true)]
    labels: Vec<PathBuf>,
    /// Whose file: openai, gemini or anthropic
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    export: Shape,
    /// Hosted bundle whose prompt stands in the examples [default: courtside's own prompt]
    #[arg(long, value_name = "NAME")]
    bundle: Option<String>,
    /// Folder of bundles (can be repeated)
    #[arg(long, value_name = "DIR")]
    models_dir: Vec<PathBuf>,
    /// The file of examples, JSON lines
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn shape(text: &str) -> Result<Shape, String> {
    let known = Shape::ALL.into_iter().find(|shape| shape.word() == text);
    known.ok_or_else(|| "write openai, gemini or anthropic".to_owned())
}

impl TeachArgs {
    /// Writes the examples.
    ///
    /// # Errors
    /// No label, a video that cannot be read, a file that cannot be written.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let prompt = match &self.bundle {
            Some(name) => look::find(name, &self.models_dir)?.prompt,
            None => PROMPT.to_owned(),
        };
        let mut lines = Vec::new();
        let (mut count, mut without) = (0_usize, 0_usize);
        for file in &self.labels {
            for video in truth::read(file)? {
                for (sheet, made) in sheets(&video)? {
                    let Some(sheet) = sheet else {
                        without += 1;
                        continue;
                    };
                    let question = Question {
                        model: "",
                        prompt: &prompt,
                        sheet: &sheet,
                        most_output_tokens: 0,
                        effort: None,
                    };
                    let answer = if made { Call::Made } else { Call::Missed };
                    serde_json::to_writer(&mut lines, &self.export.example(&question, answer))?;
                    lines.push(b'\n');
                    count += 1;
                }
            }
        }
        if count == 0 {
            anyhow::bail!("no label with footage: see {{data_dir}}/labels on the box");
        }
        write_beside(&self.out, |to| Ok(to.write_all(&lines)?))?;
        let (out, shape) = (self.out.display(), self.export.word());
        remark(format_args!(
            "{out}: {count} examples for {shape}; {without} labels without a picture"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The sheet of each attempt of a video that is not doubtful, and whether it went in.
fn sheets(video: &Video) -> anyhow::Result<Vec<(Option<Vec<u8>>, bool)>> {
    let rim = video.rims.first().copied().context("a label without a rim")?;
    let mut left: Vec<_> = video.attempts.iter().filter(|attempt| !attempt.doubtful).collect();
    left.sort_by(|one, other| one.t_truth.total_cmp(&other.t_truth));
    let mut waits = left.into_iter().peekable();
    let mut file = VideoFile::open(&video.file, truth::court()?, SESSION)?;
    let (mut pace, mut crops) = (Pace::of(Some(look::RATES)), Crops::default());
    let mut done = Vec::new();
    while let Some(frame) = file.next_frame()? {
        while let Some(attempt) =
            waits.next_if(|attempt| frame.pts.as_secs_f64() > attempt.t_truth + SEEN_AFTER_S)
        {
            done.push((sheet(&crops, attempt.t_rim), attempt.made));
        }
        if pace.passes(SESSION, frame.pts) {
            crops.take(SESSION, vec![crop(&frame, &rim)]);
        }
    }
    done.extend(waits.map(|attempt| (sheet(&crops, attempt.t_rim), attempt.made)));
    Ok(done)
}

fn crop(frame: &crate::media::Frame, rim: &RimBox) -> Option<Crop> {
    Crop::cut(frame.to_cpu().ok()?, (frame.width, frame.height), rim, frame.pts)
}

fn sheet(crops: &Crops, t_rim: f64) -> Option<Vec<u8>> {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a video")]
    let reached = MediaTime::from_nanos((t_rim * 1e9) as i64);
    look::draw(&crops.of_attempt(SESSION, 0, reached))
}
