//! One pass over a game's shots: all layers as they must stand. A function of what is kept, and of nothing
//! that was told: `tell` compares it with that.

use crate::event::game::{GameScore, GameTold, Leaderboard, Momentum};
use crate::game::sheet::graphic::{self, Wanted};
use crate::game::sheet::highlight::{self, Moment};
use crate::game::sheet::layers;
use crate::game::sheet::placed::{Before, Placed};
use crate::game::sheet::state::Kept;
use crate::game::sheet::tally::{Races, Tally};
use crate::game::sheet::timed::Timed;

/// All layers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Derived {
    pub(super) told: GameTold,
    pub(super) score: GameScore,
    pub(super) momentum: Momentum,
    pub(super) leaderboard: Leaderboard,
    /// What each shot that went in is worth watching; by the place of the shot.
    pub(super) moments: Vec<Option<Moment>>,
    pub(super) graphics: Vec<Wanted>,
    pub(super) tally: Tally,
}

impl Derived {
    /// All layers of a game.
    pub(super) fn of(kept: &Kept, races: Option<&Races>, timed: Option<&Timed>) -> Self {
        let rules = &kept.setup.rules;
        let mut tally = kept.before.clone();
        let mut moments = Vec::with_capacity(kept.shots.len());
        let mut graphics = Vec::new();
        for (index, shot) in kept.shots.iter().enumerate() {
            let Some(play) = kept.play(shot) else {
                moments.push(None);
                continue;
            };
            let period = tally.period(rules, play.period);
            let leverage =
                play.made.then(|| highlight::leverage(&tally, &play, (rules, races), period));
            let rarity = play.made.then(|| highlight::rarity_of_value(&tally, &play, rules));
            let named = play.player.as_ref();
            let players = named.and_then(|player| tally.player(play.side, player));
            let before = Before {
                points: tally.points(),
                lead_changes: tally.lead_changes,
                game_point: tally.game_point(rules, period),
                attempts: tally.attempts(),
                player_points: players.map_or(0, |player| player.points),
            };
            tally.count(&play, rules);
            let placed = Placed { index, play: &play, before, after: &tally, period };
            graphic::of_shot(kept, &placed, &mut graphics);
            moments
                .push(leverage.zip(rarity).map(|known| highlight::moment(&placed, known, rules)));
        }
        graphics.extend(graphic::of_the_end(kept, &tally));
        Self {
            told: layers::told(kept, &tally),
            score: layers::score(kept, &tally),
            momentum: layers::momentum(kept, &tally, (races, timed)),
            leaderboard: layers::leaderboard(kept, &tally),
            moments,
            graphics,
            tally,
        }
    }
}
