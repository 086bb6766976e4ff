//! A rim on the command line: `--rim X,Y,W,H`.

use crate::media::RimBox;

/// Four numbers of `--rim`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RimArg(pub(super) RimBox);

impl std::str::FromStr for RimArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<f32> = text
            .split(',')
            .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is no number")))
            .collect::<Result<_, _>>()?;
        match numbers[..] {
            [x, y, w, h] if w > 0.0 && h > 0.0 => Ok(Self(RimBox { x, y, w, h })),
            [_, _, _, _] => Err("width and height must be above 0".to_owned()),
            _ => Err("write four numbers: x,y,width,height, for example 612,188,44,22".to_owned()),
        }
    }
}
