//! What is to be said of a box's claim: how far it is, what became of the claim file, what is in the way (pure).

use crate::event::state::ClaimState;
use crate::event::words::{ClaimStage, LinkTrouble};

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The box is nobody, so nothing that it calls leaves it.
    pub is_fault: bool,
    /// A word for programs.
    pub code: String,
    /// What is.
    pub text: String,
    /// What to do.
    pub todo: String,
}

/// One thing at most: nothing of a box that is somebody and has seen no claim file.
/// `link` is what is wrong with its link.
pub(super) fn said(claim: &ClaimState, link: Option<LinkTrouble>) -> Option<Said> {
    let serial = claim.serial.as_deref().unwrap_or("without a serial number");
    let file = claim.file.as_ref().map(|file| format!("; claim file: {file}")).unwrap_or_default();
    let who = match &claim.name {
        Some(name) => format!("this box is `{name}` ({serial})"),
        None => format!("this box ({serial}) is nobody yet: its events wait on disk"),
    };
    let told = |code: &str, text: String, todo: &str| Said {
        is_fault: claim.name.is_none(),
        code: code.to_owned(),
        text,
        todo: todo.to_owned(),
    };
    let is_refused = matches!(link, Some(LinkTrouble::Refused | LinkTrouble::OwnCertificate));
    if is_refused && claim.name.is_some() {
        let text =
            format!("{who}, and its broker does not take it for that; its events wait on disk");
        let todo = "calls go on. If its identity was revoked by mistake, give it its rights back at the \
                    broker; else claim it anew, with a new claim file";
        return Some(Said { is_fault: true, ..told("identity_refused", text, todo) });
    }
    Some(match (&claim.trouble, claim.stage) {
        (Some(trouble), stage) => {
            let text = format!("{who}; {stage}, {}: {}{file}", trouble.code, trouble.text);
            told(&trouble.code.to_lowercase(), text, &trouble.todo)
        }
        (None, ClaimStage::Factory) => {
            let todo = "put a stick with a claim file (courtside-claim.toml, by `courtside provision`) into \
                        it; or write `broker` under [uplink]";
            told("unclaimed", format!("{who}{file}"), todo)
        }
        (None, ClaimStage::Committed) => {
            claim.file.as_ref()?;
            told("claim_file", format!("{who}{file}"), "")
        }
        (None, stage) => {
            let at = claim.asks.as_deref().unwrap_or("its broker");
            let key = claim.fingerprint.as_ref();
            let key = key.map_or_else(String::new, |it| format!(", fingerprint {it}"));
            let text = format!("{who}; it is being claimed at {at} ({stage}{key}){file}");
            told("claiming", text, "wait: it goes on by itself")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::state::ClaimTrouble;
    use crate::media::Foreign;

    #[test]
    fn a_claim_says_how_far_it_is_and_what_to_do() {
        let box_7 = || ClaimState { serial: Some("CS-7".to_owned()), ..ClaimState::default() };
        let trouble = ClaimTrouble {
            code: "E_CLAIM_AUTH".to_owned(),
            text: Foreign::told("NotAuthorized"),
            todo: "write the claim file anew".to_owned(),
        };
        let named = Some("rim-7".to_owned());
        let stick = Some(Foreign::told("/media/a/courtside-claim.toml was read"));
        for (claim, expected) in [
            (
                ClaimState { stage: ClaimStage::Factory, ..box_7() },
                Some((true, "unclaimed", "CS-7")),
            ),
            (
                ClaimState { stage: ClaimStage::Requested, ..box_7() },
                Some((true, "claiming", "requested")),
            ),
            (
                ClaimState { trouble: Some(trouble.clone()), stage: ClaimStage::Keyed, ..box_7() },
                Some((true, "e_claim_auth", "NotAuthorized")),
            ),
            (
                ClaimState {
                    trouble: Some(trouble),
                    name: named.clone(),
                    stage: ClaimStage::Committed,
                    ..box_7()
                },
                Some((false, "e_claim_auth", "rim-7")),
            ),
            (
                ClaimState {
                    name: named.clone(),
                    file: stick,
                    stage: ClaimStage::Committed,
                    ..box_7()
                },
                Some((false, "claim_file", "/media/a/")),
            ),
            (ClaimState { name: named.clone(), stage: ClaimStage::Committed, ..box_7() }, None),
        ] {
            let found = said(&claim, Some(LinkTrouble::Unreachable));
            let told = found.as_ref().map(|it| (it.is_fault, it.code.as_str()));
            assert_eq!(told, expected.map(|(is_fault, code, _)| (is_fault, code)));
            if let (Some(found), Some((_, _, part))) = (&found, expected) {
                assert!(found.text.contains(part), "{}", found.text);
            }
        }
        let revoked = ClaimState { name: named, stage: ClaimStage::Committed, ..box_7() };
        let found = said(&revoked, Some(LinkTrouble::OwnCertificate)).expect("told");
        assert!(found.is_fault && found.code == "identity_refused" && found.text.contains("rim-7"));
        assert!(found.todo.starts_with("calls go on"));
        // Of a box that is nobody, it is the claim file that is refused.
        let nobody = ClaimState { stage: ClaimStage::Keyed, ..box_7() };
        let found = said(&nobody, Some(LinkTrouble::Refused)).expect("told");
        assert_eq!(found.code, "claiming");
    }
}
