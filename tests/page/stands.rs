//! What a row of the stage says after its facts have come in every order: nothing of a word that was taken back,
//! nothing of a shot that is of no game.

use serde_json::json;

use super::operate::{ROWS, opened, played, shows};
use super::played::Cabled;

const FIRST: &str = ".call:nth-child(1)";
/// The pending call offers both teams, and names none.
const PENDS: &str = "document.querySelectorAll('.call:nth-child(1) .quick .team').length === 2 && \
    !document.querySelector('#board .pending').hidden && \
    !/Comets|Harbor/.test(document.querySelector('.call:nth-child(1) .where').textContent)";

#[test]
fn a_team_that_was_taken_back_is_on_no_page_any_more_and_on_none_that_is_loaded_anew() {
    let played = played();
    let served = Cabled::serve(&played);
    let Some(mut browser) = opened(&served) else { return };
    browser.until(PENDS);
    browser.tap(&format!("{FIRST} .quick .team"), 1);
    shows(&mut browser, "3–3");
    browser.until("document.querySelector('#board .pending').hidden");
    browser.tap("#undo", 0);
    shows(&mut browser, "3–1");
    browser.until(PENDS);
    // The view is laid under what is shown, and says so too.
    served.cut();
    browser.until("!document.querySelector('#lost').hidden");
    served.mend();
    browser.until("document.querySelector('#lost').hidden");
    browser.until(PENDS);
    browser.call("Page.reload", &json!({}));
    shows(&mut browser, "3–1");
    browser.until(PENDS);
}

#[test]
fn a_call_that_no_game_counts_is_shown_until_that_is_known_and_never_after_the_game() {
    let played = played();
    let served = Cabled::serve(&played);
    // Before anybody looked: its first word and its last.
    played.of_no_game(1, "made", true);
    played.of_no_game(1, "made", false);
    let Some(mut browser) = opened(&served) else { return };
    played.of_no_game(2, "made", true);
    browser.until(&format!("{ROWS} === 6"));
    played.of_no_game(2, "made", false);
    browser.until(&format!("{ROWS} === 5"));
    // One that was seen and went says that it went.
    played.of_no_game(3, "missed", true);
    browser.until(&format!("{ROWS} === 6"));
    played.of_no_game(3, "withdrawn", false);
    browser.until("document.querySelector('.call .what').textContent.startsWith('No shot')");
    assert_eq!(
        browser.value("document.querySelectorAll('.call:nth-child(1) .quick button').length"),
        json!(0)
    );
    let now = played.ago(0);
    played.becomes(now, json!({"state": "over", "ended": "operator"}));
    browser.until("document.body.textContent.includes('Over, by the operator')");
    played.of_no_game(4, "made", true);
    // What comes after it shows that it was heard.
    played.graphic(9, "Full time", "proposed", 30, now);
    browser.until("document.querySelectorAll('#graphics .card').length === 1");
    assert_eq!(browser.value(ROWS), json!(6));
}
