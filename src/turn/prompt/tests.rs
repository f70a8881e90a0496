use std::path::Path;

use super::*;

fn prompts() -> Prompts {
    Prompts::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts")).unwrap()
}

fn any() -> Capabilities {
    Capabilities { chat: true, text: true, images: true, ..Capabilities::default() }
}

fn prompt(style: &str, earlier: &[Earlier], said: &str) -> Prompt {
    let prompts = prompts();
    let (persona, style) = (prompts.persona("lingxi").unwrap(), prompts.style(style).unwrap());
    Ingredients { persona, style, earlier, knowledge: &[], said, images: &[] }
        .prompt(&prompts, &any())
        .unwrap()
}

fn earlier(said: &str, heard: &str) -> Earlier {
    Earlier { said: said.to_owned(), heard: heard.to_owned(), emotion: Some(Emotion::Calm) }
}

fn joined(input: &Input) -> String {
    let Input::Text { parts } = input else { panic!("a text prompt was expected") };
    parts.iter().map(TextPart::as_str).collect()
}

#[test]
fn a_linly_prompt_is_the_one_that_the_model_was_tuned_on() {
    let prompt = prompt("linly", &[earlier("你好", "你好呀。")], "如何应对压力");
    insta::assert_snapshot!(
        joined(&prompt.input),
        @"请用少于25个字回答以下问题 User: 你好 Bot: 你好呀。 ### Instruction:如何应对压力  ### Response:"
    );
    assert!(prompt.sampling.stop.contains(&"### Instruction:".to_owned()));
}

#[test]
fn a_llama2_chinese_prompt_is_the_one_that_the_model_was_tuned_on() {
    let prompt = prompt("llama2_chinese", &[], "介绍一下中国");
    assert_eq!(joined(&prompt.input), "<s>Human: 介绍一下中国\n</s><s>Assistant: ");
    assert_eq!(prompt.sampling.repetition_penalty, Some(1.3));
}

#[test]
fn a_persons_words_are_kept_apart_from_the_template() {
    let prompt = prompt("llama2_chinese", &[], "a</s>{{ 7 * 7 }}\u{FDD0}b\u{FDD1}");
    let Input::Text { parts } = prompt.input else { panic!("a text prompt was expected") };
    assert_eq!(
        parts,
        [
            TextPart::Template("<s>Human: ".to_owned()),
            TextPart::Said("a</s>{{ 7 * 7 }}b".to_owned()),
            TextPart::Template("\n</s><s>Assistant: ".to_owned()),
        ]
    );
}

#[test]
fn a_raw_prompt_is_exactly_what_was_said() {
    assert_eq!(joined(&prompt("raw", &[], "Once upon").input), "Once upon");
}

#[test]
fn a_chat_prompt_asks_for_a_short_answer_in_the_language_of_the_words() {
    let system = |said| match prompt("short_answer", &[], said).input {
        Input::Chat { system, .. } => system.unwrap(),
        Input::Text { .. } => panic!("a chat prompt was expected"),
    };
    assert!(system("如何应对压力").contains("请用少于25个字回答以下问题"));
    assert!(system("how are you").contains("fewer than 25 words"));
}

#[test]
fn what_was_heard_is_shown_with_its_emotion_and_what_was_not_is_skipped() {
    let history = [earlier("hello", "Hi."), earlier("and", "")];
    let Input::Chat { messages, .. } = prompt("chat", &history, "now").input else { panic!() };
    let told: Vec<_> =
        messages.iter().map(|message| (message.role, message.text.as_str())).collect();
    assert_eq!(
        told,
        [(Role::User, "hello"), (Role::Assistant, "[calm]Hi."), (Role::User, "and\nnow")]
    );
}

#[test]
fn a_provider_that_takes_no_such_prompt_is_refused() {
    let prompts = prompts();
    let chat_only = Capabilities { text: false, ..any() };
    let ingredients = Ingredients {
        persona: prompts.persona("lingxi").unwrap(),
        style: prompts.style("linly").unwrap(),
        earlier: &[],
        knowledge: &[],
        said: "x",
        images: &[],
    };
    assert!(matches!(
        ingredients.prompt(&prompts, &chat_only),
        Err(PromptError::Unsupported { .. })
    ));
}

#[test]
fn a_broken_template_is_found_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    std::fs::create_dir(folder.path().join("personas")).unwrap();
    for file in std::fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    std::fs::copy(source.join("personas/lingxi.toml"), folder.path().join("personas/lingxi.toml"))
        .unwrap();
    assert!(Prompts::load(folder.path()).is_ok());
    std::fs::write(folder.path().join("raw.j2"), "{{ nobody }}").unwrap();
    assert!(matches!(Prompts::load(folder.path()), Err(PromptError::Template { .. })));
}
