//! What of an actor's cells is written: what is not as for who stands for it, or as for the command
//! beside it. Read back, the rest is filled in. Pure.

use std::collections::BTreeMap;

use crate::matrix::command::Command;

/// A mark for each class of rows, by command.
pub(crate) type Words = BTreeMap<Command, String>;

/// The commands that have a column.
pub(crate) const COLUMNS: [Command; 7] = [
    Command::Read,
    Command::Insert,
    Command::Update,
    Command::Delete,
    Command::Give,
    Command::Take,
    Command::Truncate,
];

/// The commands that have a line of their own below an actor's, with what the line is called.
pub(crate) const LINES: [(&str, &[Command]); 2] = [
    ("returning", &[Command::InsertReturning]),
    (
        "no where",
        &[Command::BlindUpdate, Command::BlindDelete, Command::BlindGive, Command::BlindTake],
    ),
];

/// The command in whose column it stands.
pub(crate) fn column_of(command: Command) -> Command {
    match command {
        Command::InsertReturning => Command::Insert,
        command => command.qualified().unwrap_or(command),
    }
}

/// The words that are written of an actor's.
pub(crate) fn fold(words: &Words, reference: Option<&Words>) -> Words {
    let mut written = Words::new();
    for (command, word) in in_order(words) {
        if expected(command, &written, reference) != Some(word) {
            written.insert(command, word.clone());
        }
    }
    written
}

/// All words of an actor of whom some are written.
pub(crate) fn unfold(written: &Words, reference: Option<&Words>) -> Words {
    let mut words = Words::new();
    for command in Command::ALL {
        let word = written.get(&command).or_else(|| expected(command, written, reference));
        words.extend(word.map(|word| (command, word.clone())));
    }
    words
}

/// Columns first: what stands in them is what the lines below are compared with.
fn in_order(words: &Words) -> impl Iterator<Item = (Command, &String)> {
    let below = LINES.iter().flat_map(|(_, commands)| *commands);
    COLUMNS.iter().chain(below).filter_map(|command| Some((*command, words.get(command)?)))
}

/// The word that need not be written.
fn expected<'a>(
    command: Command,
    written: &'a Words,
    reference: Option<&'a Words>,
) -> Option<&'a String> {
    let column = column_of(command);
    let beside = (column != command).then(|| written.get(&column)).flatten();
    beside.or_else(|| reference?.get(&command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[(Command, &str)]) -> Words {
        words.iter().map(|(command, word)| (*command, (*word).to_owned())).collect()
    }

    #[test]
    fn what_is_folded_is_unfolded() {
        use Command::*;
        let alice = [
            (Read, "O."),
            (Insert, "O!"),
            (InsertReturning, "O!"),
            (Update, "O."),
            (BlindUpdate, "OX"),
        ];
        let alice = words(&alice);
        let of_alice = words(&[(Read, "O."), (Insert, "O!"), (Update, "O."), (BlindUpdate, "OX")]);
        assert_eq!(fold(&alice, None), of_alice);
        for (other, written) in [
            (&[(Read, "OX")][..], &[(Read, "OX")][..]),
            (&[(Insert, "OO"), (InsertReturning, "OO")], &[(Insert, "OO")]),
            (&[(Insert, "OO")], &[(Insert, "OO"), (InsertReturning, "O!")]),
            (&[(InsertReturning, "..")], &[(InsertReturning, "..")]),
            (&[(Update, "OX")], &[(Update, "OX")]),
            (&[(BlindUpdate, "O.")], &[(BlindUpdate, "O.")]),
            (&[], &[]),
        ] {
            let mut whole = alice.clone();
            whole.extend(words(other));
            assert_eq!(fold(&whole, Some(&alice)), words(written), "{other:?}");
            assert_eq!(unfold(&words(written), Some(&alice)), whole, "{other:?}");
        }
        assert_eq!(unfold(&of_alice, None), alice);
    }
}
