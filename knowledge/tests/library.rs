//! Folders indexed and searched, as a service does it.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it has to be")]

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anima_knowledge::{
    Folder, Found, Library, LibraryError, Progress, Summary, UpdateError, Wanted, is_current,
    update,
};
use tempfile::TempDir;

/// A folder of documents and its index.
struct House {
    home: TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self { home: tempfile::tempdir().unwrap() };
        house.write("opening.md", "# Opening hours\n\nThe museum opens at 9 and closes at 17:30. It is closed on Mondays.\n\n# Tickets\n\nAn adult pays 30 yuan, children enter free of charge.");
        house.write("history.md", "# The house\n\nThe house was built in 1890 by the merchant Lin Anping, who traded tea with Russia.\n\n## The fire\n\nA fire destroyed the roof in 1931.");
        house.write("zh/history.md", "# 历史\n\n茶馆由商人林安平于1890年建成，他与俄国做茶叶生意。\n\n## 火灾\n\n1931年的一场大火烧毁了屋顶。");
        house.write("zh/tea.txt", "龙井茶产自杭州，属于绿茶。\n\n普洱茶产自云南，可以存放多年。");
        house.write("faq.csv", "question,answer\n\"What time do you open?|When does the museum open\",\"We open at nine, every day but Monday.\"\nWhere are the toilets?,Behind the ticket desk.\nCan I take photos?,\"Yes, without flash.\"\n");
        house.write("zh/faq.csv", "问题,回答\n几点开门？|博物馆什么时候开门,我们九点开门，周一休息。\n厕所在哪里？|洗手间在哪,售票处后面。\n门票多少钱？,成人三十元。\n");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("museum").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn index(&self) -> PathBuf {
        self.home.path().join("index")
    }

    fn folders(&self) -> Vec<Folder> {
        Folder::named([self.path("")])
    }

    fn update(&self) -> Summary {
        update(&self.index(), &self.folders(), &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn library(&self) -> Library {
        Library::open(&self.index()).unwrap()
    }
}

fn search(library: &Library, said: &str) -> Found {
    library.search(said, &Wanted::default()).unwrap()
}

/// The source of the best passage.
fn best(library: &Library, said: &str) -> String {
    search(library, said).passages.first().map(|it| it.source.clone()).unwrap_or_default()
}

fn answer(library: &Library, said: &str) -> Option<String> {
    search(library, said).direct_answer.map(|it| it.answer)
}

#[test]
fn passages_are_found_in_both_languages_by_other_forms_of_their_words() {
    let house = House::new();
    house.update();
    let library = house.library();
    for (said, source) in [
        ("Who built this house?", "museum/history.md#The house"),
        ("tell me about the fire that destroyed roofs", "museum/history.md#The fire"),
        ("How much do children pay?", "museum/opening.md#Tickets"),
        ("谁建了这座茶馆？", "museum/zh/history.md#历史"),
        ("屋顶是什么时候烧毁的", "museum/zh/history.md#火灾"),
        ("普洱茶产自哪里？", "museum/zh/tea.txt"),
    ] {
        assert_eq!(best(&library, said), source, "{said}");
    }
    let found = search(&library, "Who built this house?");
    assert!(found.passages[0].text.contains("Lin Anping"), "{found:?}");
    assert!(found.passages.len() <= 3 && found.direct_answer.is_none());
}

#[test]
fn what_the_documents_do_not_speak_of_finds_nothing() {
    let house = House::new();
    house.update();
    let library = house.library();
    for said in
        ["", "？！", "hello", "你好", "quantum chromodynamics lectures", "火星上有没有外星人"]
    {
        let found = search(&library, said);
        assert_eq!(found, Found::default(), "{said}");
    }
    let wanted = Wanted { passages: 0, ..Wanted::default() };
    assert!(library.search("the house", &wanted).unwrap().passages.is_empty());
}

#[test]
fn a_listed_question_answers_directly_however_it_is_put_and_others_do_not() {
    let house = House::new();
    house.update();
    let library = house.library();
    for (said, direct) in [
        ("What time do you open?", Some("We open at nine, every day but Monday.")),
        ("Hi, when do you open please", Some("We open at nine, every day but Monday.")),
        ("where is the toilet", Some("Behind the ticket desk.")),
        ("请问你们几点开门呀？", Some("我们九点开门，周一休息。")),
        ("洗手间在哪儿", Some("售票处后面。")),
        ("门票要多少钱呢", Some("成人三十元。")),
        ("What time do you close?", None),
        ("几点关门？", None),
        ("Can I touch photos of the tea", None),
        ("Where do you open?", None),
        ("门票在哪里买", None),
        ("谁建了这座茶馆", None),
    ] {
        assert_eq!(answer(&library, said).as_deref(), direct, "{said}");
    }
    let found = search(&library, "几点开门").direct_answer.unwrap();
    assert_eq!(found.source, "museum/zh/faq.csv#几点开门？");
    let off = Wanted { direct_answer: None, ..Wanted::default() };
    let found = library.search("几点开门", &off).unwrap();
    assert!(found.direct_answer.is_none());
    // What is listed is also found as a passage, with its answer.
    assert!(found.passages.iter().any(|it| it.text.contains("九点开门")), "{found:?}");
}

#[test]
fn an_update_reads_what_has_changed_and_open_libraries_see_it() {
    let house = House::new();
    assert!(!is_current(&house.index(), &house.folders()));
    let summary = house.update();
    assert_eq!((summary.read, summary.pairs, summary.failed), (6, 6, 0), "{summary:?}");
    assert!(is_current(&house.index(), &house.folders()));
    let library = house.library();
    assert_eq!(house.update(), Summary { read: 0, unchanged: 6, ..summary });

    house.write("zh/tea.txt", "铁观音产自安溪，属于乌龙茶。");
    fs::remove_file(house.path("history.md")).unwrap();
    house.write("new.html", "<h1>Garden</h1><p>Forty bonsai trees grow in the garden.</p>");
    assert!(!is_current(&house.index(), &house.folders()));
    let summary = house.update();
    assert_eq!((summary.read, summary.removed, summary.unchanged), (2, 1, 4), "{summary:?}");
    library.refresh().unwrap();
    assert_eq!(best(&library, "how many bonsai trees"), "museum/new.html#Garden");
    assert_eq!(best(&library, "铁观音产自哪里"), "museum/zh/tea.txt");
    assert_ne!(best(&library, "who built the house"), "museum/history.md#The house");
    assert_eq!(search(&library, "普洱").passages, []);
}

#[test]
fn files_that_cannot_be_read_are_told_and_the_others_are_there() {
    let house = House::new();
    house.write("broken.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xFF\xFE\0");
    house.write("empty.md", "");
    house.write(
        "half.jsonl",
        "{\"title\": \"Cups\", \"text\": \"The porcelain cups are from Jingdezhen.\"}\nnonsense\n",
    );
    house.write("photo.jpg", b"\xFF\xD8\xFF");
    let mut notes = Vec::new();
    let summary = update(&house.index(), &house.folders(), &mut |progress| {
        if let Progress::Note { document, why } = progress {
            notes.push(format!("{document}: {why}"));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((summary.read, summary.failed, summary.other), (7, 2, 1), "{summary:?}");
    notes.sort();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("museum/broken.txt: it is no text"), "{notes:?}");
    assert!(notes[1].starts_with("museum/empty.md: there is no text"), "{notes:?}");
    assert!(notes[2].starts_with("museum/half.jsonl: line 2 is no JSON"), "{notes:?}");
    assert_eq!(best(&house.library(), "porcelain from Jingdezhen"), "museum/half.jsonl#Cups");
    // Those that are broken are told again, and not taken for good ones.
    assert_eq!((house.update().failed, house.update().unchanged), (2, 7));
}

#[test]
fn other_encodings_are_read() {
    let house = House::new();
    let (gb, _, _) = encoding_rs::GB18030.encode("碧螺春产自苏州的洞庭山。");
    house.write("gb.txt", &gb);
    let wide: Vec<u8> = "大红袍产自武夷山。".encode_utf16().flat_map(u16::to_le_bytes).collect();
    house.write("wide.txt", [&[0xFF, 0xFE], wide.as_slice()].concat());
    house.update();
    let library = house.library();
    assert_eq!(best(&library, "碧螺春产自哪里"), "museum/gb.txt");
    assert_eq!(best(&library, "大红袍在哪里产"), "museum/wide.txt");
}

#[test]
fn a_stopped_update_keeps_what_it_did_and_the_next_one_goes_on() {
    let house = House::new();
    let mut read = 0;
    let summary = update(&house.index(), &house.folders(), &mut |progress| {
        read += usize::from(matches!(progress, Progress::Read { .. }));
        if read == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert!(summary.stopped && summary.read == 2, "{summary:?}");
    assert!(!is_current(&house.index(), &house.folders()));
    assert!(answer(&house.library(), "what time do you open").is_some());
    let rest = house.update();
    assert_eq!((rest.read, rest.unchanged, rest.stopped), (4, 2, false), "{rest:?}");
}

#[test]
fn a_broken_index_is_made_anew_and_files_of_others_are_left_alone() {
    let house = House::new();
    house.update();
    fs::write(house.index().join("mine.md"), "keep me").unwrap();
    fs::write(house.index().join("meta.json"), "{").unwrap();
    assert!(matches!(Library::open(&house.index()), Err(LibraryError::Missing(_))));
    assert_eq!(house.update().read, 6);
    assert!(!best(&house.library(), "Who built this house?").is_empty());
    assert!(house.index().join("mine.md").exists());
    let lists = fs::read_dir(house.index()).unwrap().flatten();
    let lists = lists.filter(|it| it.file_name().to_string_lossy().ends_with("documents.json"));
    assert_eq!(lists.count(), 1);
}

#[test]
fn two_updates_at_a_time_and_folders_that_are_not_there_are_refused() {
    let house = House::new();
    let mut second = None;
    update(&house.index(), &house.folders(), &mut |_| {
        let outcome = update(&house.index(), &house.folders(), &mut |_| ControlFlow::Continue(()));
        second.get_or_insert(outcome);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(matches!(second, Some(Err(UpdateError::Busy(_)))));
    let nowhere = Folder::named([Path::new("/no/such/folder")]);
    let refused = update(&house.index(), &nowhere, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(UpdateError::NoFolder(name)) if name == "/no/such/folder"));
}

#[test]
fn other_folders_take_the_place_of_those_before() {
    let house = House::new();
    house.update();
    let other = house.home.path().join("other/museum");
    fs::create_dir_all(&other).unwrap();
    // The same name, and the same size and time as another one had.
    let text = fs::read_to_string(house.path("zh/tea.txt")).unwrap();
    fs::create_dir_all(other.join("zh")).unwrap();
    fs::write(other.join("zh/tea.txt"), text.replace("龙井", "毛峰")).unwrap();
    let time = fs::metadata(house.path("zh/tea.txt")).unwrap().modified().unwrap();
    fs::File::options()
        .write(true)
        .open(other.join("zh/tea.txt"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    let folders = Folder::named([&other]);
    let summary = update(&house.index(), &folders, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((summary.read, summary.removed), (1, 5), "{summary:?}");
    let library = house.library();
    assert_eq!(best(&library, "毛峰"), "museum/zh/tea.txt");
    assert!(search(&library, "龙井").passages.is_empty());
}
