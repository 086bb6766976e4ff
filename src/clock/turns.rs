//! Whose turn it is where there are fewer cores than threads that want one.
//!
//! A call hangs on the threads that read what a camera sends, decode, look, keep the game and write; so does
//! whoever looks at the page meanwhile. Where the system lets us they come before all others of the machine that
//! are as usual (`LimitNICE` of the unit; root),
//! else they are as good as any. What no call depends on stands back behind all of them, which nobody needs a
//! permission for. Both are of the calling thread alone and of those that it makes (Linux).

/// How far a thread that stands back does so.
const BACK: i32 = 10;
/// How far one that comes first does: about three times the share of one as usual.
const FIRST: i32 = -5;

/// Has the calling thread come before those that no call depends on, where the system lets us.
pub fn come_first() {
    let _refused_is_as_usual = rustix::process::nice(FIRST);
}

/// Has the calling thread stand back behind all others of the process.
pub fn stand_back() {
    let _refused_is_as_usual = rustix::process::nice(BACK);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::nice(0).expect("told")
    }

    #[test]
    fn a_thread_moves_itself_alone_and_what_it_makes() {
        let usual = nice();
        let child = std::thread::spawn(move || {
            stand_back();
            (nice(), std::thread::spawn(nice).join().expect("ends"))
        });
        let back = (usual + BACK).min(19);
        assert_eq!(child.join().expect("ends"), (back, back));
        assert_eq!(nice(), usual, "others are as they were");
        let first = std::thread::spawn(|| {
            come_first();
            nice()
        });
        let first = first.join().expect("ends");
        // Refused without a permission, which is no error.
        assert!(first == usual + FIRST || first == usual, "{first}");
    }
}
