//! Passages found by what they mean, with an embedder that knows some synonyms.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it has to be")]

use std::{
    collections::HashSet,
    error::Error,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anima_knowledge::{
    Anew, Embedder, Folder, Found, Library, Space, VectorError, VectorProgress, VectorSummary,
    Vectors, Wanted, update, update_vectors,
};
use tempfile::TempDir;

/// Words that mean the same, a number of the vector each.
const MEANINGS: [&[&str]; 6] = [
    &["bonsai", "trees", "plants", "greenery", "绿植", "盆景"],
    &["garden", "yard", "园子", "花园"],
    &["fire", "blaze", "burned"],
    &["roof", "top"],
    &["ticket", "entry", "fee", "yuan", "cost"],
    &["tea", "茶", "brew"],
];

/// An embedder that counts what it is asked for.
struct Synonyms {
    /// Further numbers of each vector.
    padding: usize,
    /// What is added to each number: another model.
    shift: f32,
    batch: usize,
    asked: Vec<String>,
    /// From this text on it makes none.
    fails_after: usize,
    refuses: &'static str,
}

impl Default for Synonyms {
    fn default() -> Self {
        let asked = Vec::new();
        Self { padding: 2, shift: 0.0, batch: 2, asked, fails_after: usize::MAX, refuses: "…" }
    }
}

impl Synonyms {
    fn vector(&self, text: &str) -> Vec<f32> {
        let text = text.to_lowercase();
        let of = |words: &[&str]| words.iter().filter(|word| text.contains(**word)).count();
        let mut vector: Vec<f32> =
            MEANINGS.iter().map(|words| u8::try_from(of(words)).unwrap().into()).collect();
        vector.extend(vec![0.1; self.padding]);
        vector[0] += self.shift;
        vector
    }
}

impl Embedder for Synonyms {
    fn batch(&self) -> usize {
        self.batch
    }

    fn embed(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, Box<dyn Error + Send + Sync>> {
        assert!(texts.len() <= self.batch);
        if self.asked.len() >= self.fails_after {
            return Err("it is down".into());
        }
        self.asked.extend(texts.iter().cloned());
        let vector = |text: &String| (!text.contains(self.refuses)).then(|| self.vector(text));
        Ok(texts.iter().map(vector).collect())
    }
}

struct House {
    home: TempDir,
}

const ROOM: usize = 1 << 20;

impl House {
    fn new() -> Self {
        let house = Self { home: tempfile::tempdir().unwrap() };
        house.write("garden.md", "# Outside\n\nForty bonsai stand in the garden.");
        house.write("fire.md", "# History\n\nIn 1931 a fire destroyed the roof.");
        house.write("price.md", "# Prices\n\nA ticket is 30 yuan.");
        house.write("faq.csv", "question,answer\nWhere is the tea room?,On the first floor.\n");
        house.update();
        house
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join("museum").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn index(&self) -> PathBuf {
        self.home.path().join("index")
    }

    fn file(&self) -> PathBuf {
        self.index().join("vectors")
    }

    fn update(&self) {
        let folders = Folder::named([self.home.path().join("museum")]);
        update(&self.index(), &folders, &mut |_| ControlFlow::Continue(())).unwrap();
    }

    fn embed(&self, embedder: &mut Synonyms) -> VectorSummary {
        let mut go_on = |_| ControlFlow::Continue(());
        update_vectors(&self.index(), &space("m"), embedder, ROOM, &mut go_on).unwrap()
    }

    fn vectors(&self) -> Vectors {
        Vectors::open(&self.index(), &space("m")).unwrap().unwrap()
    }

    /// What is found with vectors.
    fn search(&self, said: &str) -> Found {
        let library = Library::open(&self.index()).unwrap();
        let found = library.search(said, &Wanted::default()).unwrap();
        let near = self.vectors().nearest(&Synonyms::default().vector(said), 9, 0.5).unwrap();
        library.fuse(found, &near, 3).unwrap()
    }
}

fn space(model: &str) -> Space {
    let (embedder, prefix) = ("synonyms".to_owned(), String::new());
    Space { embedder, model: model.to_owned(), prefix }
}

fn sources(found: &Found) -> Vec<&str> {
    found.passages.iter().map(|passage| passage.source.as_str()).collect()
}

#[test]
fn a_paraphrase_without_a_shared_word_is_found_by_its_vector_alone() {
    let house = House::new();
    house.embed(&mut Synonyms::default());
    let library = Library::open(&house.index()).unwrap();
    for (said, source) in [
        ("How many plants are in the yard?", "museum/garden.md#Outside"),
        ("When was the big blaze?", "museum/fire.md#History"),
        ("What does entry cost?", "museum/price.md#Prices"),
        ("园子里有多少绿植", "museum/garden.md#Outside"),
    ] {
        let by_words = library.search(said, &Wanted::default()).unwrap();
        assert!(by_words.passages.is_empty(), "{said}: {by_words:?}");
        let found = house.search(said);
        assert_eq!(sources(&found), [source], "{said}");
        let passage = &found.passages[0];
        assert!(passage.similarity.unwrap() > 0.5 && passage.coverage == 0.0, "{passage:?}");
    }
    // What nothing is near to finds nothing.
    assert!(house.search("hello").passages.is_empty());
}

#[test]
fn what_both_searches_find_comes_first_and_once() {
    let house = House::new();
    house.write("roof.md", "# Roof\n\nThe roof is of clay.");
    house.update();
    house.embed(&mut Synonyms::default());
    let library = Library::open(&house.index()).unwrap();
    let by_words = library.search("the clay of the roof", &Wanted::default()).unwrap();
    assert_eq!(sources(&by_words), ["museum/roof.md#Roof", "museum/fire.md#History"]);
    let question = Synonyms::default().vector("blaze");
    let near = house.vectors().nearest(&question, 9, 0.5).unwrap();
    let found = library.fuse(by_words.clone(), &near, 3).unwrap();
    assert_eq!(sources(&found), ["museum/fire.md#History", "museum/roof.md#Roof"]);
    let similar: Vec<_> = found.passages.iter().map(|it| it.similarity.is_some()).collect();
    assert_eq!(similar, [true, false]);
    assert_eq!(sources(&library.fuse(by_words, &near, 1).unwrap()), ["museum/fire.md#History"]);
    // A listed question is found as a passage by its vector, and answers directly by its words alone.
    let found = house.search("Can I have a brew?");
    assert_eq!(sources(&found), ["museum/faq.csv#Where is the tea room?"]);
    assert!(found.direct_answer.is_none());
    assert!(house.search("where's the tea room").direct_answer.is_some());
}

#[test]
fn only_passages_that_are_new_or_different_are_embedded() {
    let house = House::new();
    let mut embedder = Synonyms::default();
    let summary = house.embed(&mut embedder);
    assert_eq!((summary.embedded, summary.kept, summary.dimension), (4, 0, 8), "{summary:?}");
    assert_eq!(embedder.asked.len(), 4);
    // Nothing has changed: one passage says whether the model has.
    let again = house.embed(&mut embedder);
    assert_eq!((again.embedded, again.kept, again.anew), (0, 4, None), "{again:?}");
    assert_eq!(embedder.asked.len(), 5);
    house.write("price.md", "# Prices\n\nA ticket is 40 yuan.");
    house.write("moved.md", "# Outside\n\nForty bonsai stand in the garden.");
    fs::remove_file(house.home.path().join("museum/garden.md")).unwrap();
    house.update();
    embedder.asked.clear();
    let summary = house.embed(&mut embedder);
    assert_eq!((summary.embedded, summary.kept, summary.removed), (1, 3, 1), "{summary:?}");
    assert!(embedder.asked.contains(&"Prices: A ticket is 40 yuan.".to_owned()));
    assert_eq!(embedder.asked.len(), 2);
    // A passage that moved is found where it is now.
    assert_eq!(sources(&house.search("plants in the yard")), ["museum/moved.md#Outside"]);
}

#[test]
fn another_model_length_or_name_makes_all_vectors_anew_and_says_so() {
    let house = House::new();
    house.embed(&mut Synonyms::default());
    let told = |embedder: &mut Synonyms, model: &str| {
        let mut why = None;
        let mut watch = |progress| {
            if let VectorProgress::Anew(reason) = progress {
                why = Some(reason);
            }
            ControlFlow::Continue(())
        };
        let summary =
            update_vectors(&house.index(), &space(model), embedder, ROOM, &mut watch).unwrap();
        assert_eq!(summary.anew, why);
        (why, summary.embedded)
    };
    let mut longer = Synonyms { padding: 5, ..Synonyms::default() };
    assert_eq!(told(&mut longer, "m"), (Some(Anew::OtherLength), 4));
    assert_eq!(told(&mut longer, "m"), (None, 0));
    let mut shifted = Synonyms { padding: 5, shift: 9.0, ..Synonyms::default() };
    assert_eq!(told(&mut shifted, "m"), (Some(Anew::OtherModel), 4));
    assert_eq!(told(&mut shifted, "n"), (Some(Anew::OtherSpace), 4));
    // What is there is of another space, or of another length than the question.
    assert!(Vectors::open(&house.index(), &space("m")).unwrap().is_none());
    let vectors = Vectors::open(&house.index(), &space("n")).unwrap().unwrap();
    let wrong = vectors.nearest(&[1.0; 8], 3, 0.0);
    assert!(matches!(wrong, Err(VectorError::Length { question: 8, passages: 11 })), "{wrong:?}");
}

#[test]
fn a_damaged_file_is_noticed_and_what_is_lost_is_made_again() {
    let house = House::new();
    house.embed(&mut Synonyms::default());
    let whole = fs::read(house.file()).unwrap();
    // A row in the middle, the last one torn, and the header.
    let mut flipped = whole.clone();
    let place = whole.len() - 40;
    flipped[place] ^= 1;
    for (bytes, lost, anew) in [
        (flipped, 1, None),
        (whole[..whole.len() - 7].to_vec(), 1, None),
        (whole[..9].to_vec(), 0, Some(Anew::Damaged)),
    ] {
        fs::write(house.file(), bytes).unwrap();
        let mut embedder = Synonyms::default();
        let summary = house.embed(&mut embedder);
        assert_eq!((summary.damaged, summary.anew), (lost, anew), "{summary:?}");
        assert_eq!(summary.vectors(), 4);
        assert_eq!(summary.embedded, if anew.is_some() { 4 } else { 1 });
        let mut now = fs::read(house.file()).unwrap();
        let mut before = whole.clone();
        now.sort_unstable();
        before.sort_unstable();
        assert_eq!(now, before);
        assert_eq!(house.vectors().count(), 4);
    }
}

#[test]
fn what_was_made_before_a_failure_or_a_stop_is_kept() {
    let house = House::new();
    let mut failing = Synonyms { fails_after: 2, ..Synonyms::default() };
    let mut go_on = |_| ControlFlow::Continue(());
    let failed = update_vectors(&house.index(), &space("m"), &mut failing, ROOM, &mut go_on);
    assert!(matches!(failed, Err(VectorError::Embedder(_))), "{failed:?}");
    assert_eq!(house.vectors().count(), 2);
    let mut stop = |progress| match progress {
        VectorProgress::Embedded { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let mut one = Synonyms { batch: 1, ..Synonyms::default() };
    let stopped = update_vectors(&house.index(), &space("m"), &mut one, ROOM, &mut stop).unwrap();
    assert_eq!((stopped.embedded, stopped.kept, stopped.stopped), (1, 2, true));
    // A failure after it was stopped is none.
    let mut down = Synonyms { fails_after: 0, ..Synonyms::default() };
    let mut stop = |progress| match progress {
        VectorProgress::Failed => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let stopped = update_vectors(&house.index(), &space("m"), &mut down, ROOM, &mut stop).unwrap();
    assert!(stopped.stopped);
    let rest = house.embed(&mut Synonyms::default());
    assert_eq!((rest.embedded, rest.kept), (1, 3));
    // When nothing is missing, it does not matter that it is down.
    assert_eq!(house.embed(&mut down).kept, 4);
}

#[test]
fn texts_that_are_not_taken_and_those_without_room_are_counted() {
    let house = House::new();
    let mut choosy = Synonyms { refuses: "fire", ..Synonyms::default() };
    let summary = house.embed(&mut choosy);
    assert_eq!((summary.embedded, summary.refused), (3, 1), "{summary:?}");
    fs::remove_file(house.file()).unwrap();
    let mut embedder = Synonyms { batch: 1, ..Synonyms::default() };
    let mut go_on = |_| ControlFlow::Continue(());
    let summary =
        update_vectors(&house.index(), &space("m"), &mut embedder, 80, &mut go_on).unwrap();
    assert_eq!((summary.embedded, summary.left_out), (2, 2), "{summary:?}");
}

#[test]
fn two_updates_at_a_time_and_an_index_that_is_not_there_are_refused() {
    let house = House::new();
    let mut second = None;
    let mut watch = |_| {
        let mut go_on = |_| ControlFlow::Continue(());
        let mut embedder = Synonyms::default();
        let outcome = update_vectors(&house.index(), &space("m"), &mut embedder, ROOM, &mut go_on);
        second.get_or_insert(outcome);
        ControlFlow::Continue(())
    };
    let mut embedder = Synonyms::default();
    update_vectors(&house.index(), &space("m"), &mut embedder, ROOM, &mut watch).unwrap();
    assert!(matches!(second, Some(Err(VectorError::Busy(_)))), "{second:?}");
    let nowhere = Path::new("/no/such/index");
    let mut go_on = |_| ControlFlow::Continue(());
    let missing = update_vectors(nowhere, &space("m"), &mut embedder, ROOM, &mut go_on);
    assert!(matches!(missing, Err(VectorError::Missing(_))), "{missing:?}");
}

/// An embedder whose vectors are made of the letters of a text, and those of its whole index.
struct Letters;

impl Letters {
    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.05_f32; 300];
        for (place, letter) in text.bytes().enumerate() {
            vector[(usize::from(letter) * 131 + place * 17) % 300] += 1.0;
        }
        vector
    }
}

impl Embedder for Letters {
    fn batch(&self) -> usize {
        512
    }

    fn embed(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, Box<dyn Error + Send + Sync>> {
        Ok(texts.iter().map(|text| Some(Self::vector(text))).collect())
    }
}

#[test]
fn among_many_the_nearest_are_those_that_comparing_all_gives() {
    let house = House::new();
    let said = |n: u32| format!("{n}: {:x} {n}", n * 7919 % 28_001);
    let line = |n| {
        let (title, text) =
            said(n).split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        format!("{{\"title\": \"{title}\", \"text\": \"{text}\"}}")
    };
    let lines: Vec<String> = (0..28_000).map(line).collect();
    house.write("many.jsonl", &lines.join("\n"));
    house.update();
    let mut go_on = |_| ControlFlow::Continue(());
    let room = 1 << 30;
    let summary =
        update_vectors(&house.index(), &space("m"), &mut Letters, room, &mut go_on).unwrap();
    // So many take more than is compared one by one.
    assert!(summary.embedded == 28_004 && summary.dimension == 300, "{summary:?}");
    let (library, vectors) = (Library::open(&house.index()).unwrap(), house.vectors());
    let all: Vec<Vec<f32>> = (0..28_000).map(|n| Letters::vector(&said(n))).collect();
    for n in [5, 4711, 27_999] {
        let question = Letters::vector(&said(n));
        let near = vectors.nearest(&question, 5, 0.0).unwrap();
        let mut exact: Vec<f32> = all.iter().map(|it| exactly(it, &question)).collect();
        exact.sort_by(|one, other| other.total_cmp(one));
        for (found, exact) in near.iter().zip(&exact[..5]) {
            assert!((found.similarity - exact).abs() < 0.005, "{near:?} for {:?}", &exact);
        }
        let found = library.fuse(Found::default(), &near, 5).unwrap();
        assert_eq!(found.passages[0].text, said(n));
        let texts: HashSet<_> = found.passages.iter().map(|it| it.text.clone()).collect();
        assert_eq!(texts.len(), 5);
    }
}

fn exactly(one: &[f32], other: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}
