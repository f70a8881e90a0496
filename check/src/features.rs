//! The numbers that the model weighs: what a sentence, a question and the evidence have in common.

/// Declares the features once: the fields, their names, and their order.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// All features of one sentence.
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct Features { $($(#[$doc])* pub(crate) $name: f64),+ }

        /// The names of the features, in the order of [`Features::values`].
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// How many features there are.
        pub(crate) const COUNT: usize = NAMES.len();

        impl Features {
            /// The features, in the order of [`NAMES`].
            pub(crate) fn values(&self) -> [f64; COUNT] { [$(self.$name),+] }
        }
    };
}

features! {
    /// Share of content units that the evidence lacks.
    missing,
    /// The same by weight.
    missing_weight,
    /// How many, as a logarithm.
    novel,
    /// The longest row of them, as a logarithm.
    novel_row,
    /// Share that not even a near form of is in the evidence.
    missing_loose,
    /// Share of missing units that are not in the question either.
    invented,
    /// Share of pairs of tokens that the evidence lacks.
    missing_pairs,
    /// Share of triples.
    missing_triples,
    /// Share of the tokens outside of the longest run that the evidence has.
    outside_run,
    /// All of it stands in the evidence word for word.
    verbatim,
    /// Share that is not in the best sentence of the evidence.
    best_missing,
    /// Share that is not in the best two adjacent sentences.
    pair_missing,
    /// Share of tokens that are not in the best sentence in this order.
    out_of_order,
    /// How loosely the units go together, on average.
    loose_mean,
    /// How loosely the loosest unit sits.
    loose_most,
    /// Tokens, as a logarithm.
    length,
    /// Three tokens or fewer.
    short,
    /// Numbers that the evidence lacks.
    numbers_missing,
    /// The surest of them that the evidence gives another value for.
    number_rival,
    /// Numbers of the evidence that belong elsewhere.
    number_misplaced,
    /// Dates that the evidence lacks.
    dates_missing,
    /// Numbers of another unit.
    unit_conflict,
    /// Names that the evidence lacks.
    names_missing,
    /// The surest opposite.
    antonym,
    /// The surest negation.
    negation,
    /// It speaks of the speaker.
    first_person,
    /// Share of the units that the question has.
    echo,
    /// A question was asked.
    asked,
    /// How much of the question the best sentence lacks, against the sentence that has most of it.
    off_question,
    /// How far the question's words stand from the answer's, in the evidence.
    far_from_question,
    /// The same, from the nearest place of the evidence that has the question's words.
    far_relative,
    /// A number was asked for and none is given.
    number_unanswered,
    /// A date was asked for and none is given.
    date_unanswered,
    /// A person was asked for and a number or a sentence is given.
    person_unanswered,
    /// A place was asked for and none is given.
    place_unanswered,
    /// A date or a number is given and none was asked for.
    number_unasked,
    /// A reason or an account was asked for, and the answer is short.
    account_short,
    /// A name, a number or a date was asked for, and the answer is long.
    name_long,
    /// Whether the noun that was asked for is in the answer.
    noun_fit,
    /// A plain question was asked.
    direct,
    /// A plain question was asked, and the answer is not word for word in the evidence.
    direct_not_verbatim,
    /// A plain question was asked: the length of the answer, as a logarithm.
    direct_length,
    /// Missing weight, squared.
    missing_squared,
    /// Out of order, squared.
    out_of_order_squared,
    /// Missing weight in a long sentence.
    missing_by_length,
    /// More than one sentence of the evidence is needed.
    spread,
    /// Share of rows of four letters that the evidence lacks: spelling and endings differ in few.
    missing_shingles,
    /// Share of the best sentence of the evidence that is not in the sentence.
    unused,
    /// It begins with yes or no and goes on.
    yes_and,
    /// Content units, as a logarithm.
    content,
    /// It has none.
    hollow,
    /// It states nothing.
    idle,
    /// It speaks of the speaker, and the evidence lacks this share of it.
    first_person_missing,
    /// It says yes or no to a question that was asked.
    answers_yes_or_no,
    /// Words that praise or weigh and are not in the evidence, as a logarithm.
    valuing,
    /// It speaks to the listener.
    second_person,
    /// It says that something should be, or might.
    modal,
    /// It says that the speaker believes or is not sure.
    hedged,
    /// It asks.
    asks,
    /// It says what the speaker feels, and nothing else.
    idle_opinion,
    /// It greets or agrees, and nothing else.
    idle_agreement,
    /// It has no mark at its end.
    unended,
    /// It has none, and the evidence goes on where it breaks off.
    cut_off,
    /// Share of all tokens, those without a fact among them, that the evidence lacks.
    missing_tokens,
    /// Missing weight in the first third.
    missing_head,
    /// Missing weight in the last third.
    missing_tail,
    /// Share of the tokens before the longest run that the evidence has, too.
    before_run,
    /// Share behind it.
    behind_run,
}

/// The names of the features that say that something is at odds.
pub(crate) const CONFLICTS: &[&str] = &[
    "numbers_missing",
    "number_rival",
    "number_misplaced",
    "dates_missing",
    "unit_conflict",
    "names_missing",
    "antonym",
    "negation",
];

/// Their values, in the order of [`CONFLICTS`].
pub(crate) fn conflict_values(features: &Features) -> Vec<f64> {
    vec![
        features.numbers_missing,
        features.number_rival,
        features.number_misplaced,
        features.dates_missing,
        features.unit_conflict,
        features.names_missing,
        features.antonym,
        features.negation,
    ]
}

/// A part of a whole; of nothing it is 0.
pub(crate) fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { 0.0 }
}
