//! The prompts folder: `styles.toml`, `*.j2` and `personas/*.toml`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anima_provider::{Capabilities, Sampling};
use minijinja::{Environment, UndefinedBehavior, path_loader};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Earlier, Emotion, Ingredients, Language, Passage, PromptError, Style};
use crate::{
    settings::unknown_name,
    turn::{
        check::Rule,
        filter::{Action, Words},
    },
};

/// Every style and persona.
#[derive(Debug)]
pub struct Prompts {
    templates: Environment<'static>,
    styles: BTreeMap<String, Style>,
    personas: BTreeMap<String, Persona>,
}

/// Who the digital human is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Its name: that of the file.
    #[serde(skip)]
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The language of its prompts.
    pub language: PersonaLanguage,
    /// The style, unless the request names another.
    pub style: String,
    /// The provider, unless the request or the session names another.
    #[serde(default)]
    pub provider: Option<String>,
    /// Whether the model is told to mark emotions.
    #[serde(default)]
    pub emotions: bool,
    /// Earlier exchanges that the model is shown, at most.
    #[serde(default = "default_turns")]
    pub turns: u32,
    /// The answer has fewer units than this, whatever the style says.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How the answer is drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// The folders that it knows; relative ones start from the prompts folder.
    #[serde(default)]
    pub knowledge: Vec<PathBuf>,
    /// Whether a listed question is answered directly, without a model.
    #[serde(default = "yes")]
    pub direct_answers: bool,
    /// Words that it does not say.
    #[serde(default)]
    pub filter: Option<FilterSettings>,
    /// The same, read.
    #[serde(skip)]
    words: Option<Words>,
    /// How far the check of what it says may go.
    #[serde(default)]
    pub check: Rule,
    /// Who it is, as the model is told.
    pub system: SystemText,
}

fn yes() -> bool {
    true
}

/// Which words a persona does not say, and what is done about them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    /// Files of the prompts folder, with one word on each line.
    pub words: Vec<PathBuf>,
    /// What is done about one in an answer.
    #[serde(default)]
    pub action: Action,
    /// What is done about one in what a person says.
    #[serde(default)]
    pub input: InputAction,
}

/// What is done about a word in what a person says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputAction {
    /// Nothing.
    #[default]
    Pass,
    /// The turn is refused.
    Refuse,
}

fn default_turns() -> u32 {
    5
}

/// Who the digital human is, in each language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemText {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// The language of a persona's prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonaLanguage {
    /// Chinese.
    Zh,
    /// English.
    En,
    /// That of the person's words.
    Auto,
}

impl PersonaLanguage {
    /// The language for these words.
    pub fn resolve(self, said: &str) -> Language {
        match self {
            Self::Zh => Language::Zh,
            Self::En => Language::En,
            Self::Auto => Language::of(said),
        }
    }
}

impl Persona {
    /// Words that it does not say.
    pub fn words(&self) -> Option<&Words> {
        self.words.as_ref()
    }

    /// Whether it does not take these words of a person.
    pub fn refuses(&self, said: &str) -> bool {
        let refuses =
            self.filter.as_ref().is_some_and(|filter| filter.input == InputAction::Refuse);
        refuses && self.words.as_ref().is_some_and(|words| words.are_in(said))
    }

    /// Reads the lists of words that it names.
    fn read_words(&mut self, folder: &Path) -> Result<(), PromptError> {
        let Some(filter) = &self.filter else { return Ok(()) };
        let mut texts = Vec::new();
        for file in &filter.words {
            let path = folder.join(file);
            let text =
                fs::read_to_string(&path).map_err(|error| file_error(&path, error.to_string()))?;
            // Each for itself first, so that an error names its file.
            Words::new([text.as_str()], filter.action)
                .map_err(|error| file_error(&path, error.to_string()))?;
            texts.push(text);
        }
        let words = Words::new(texts.iter().map(String::as_str), filter.action);
        self.words = Some(words.map_err(|error| file_error(folder, error.to_string()))?);
        Ok(())
    }

    /// Who the digital human is.
    pub fn system(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.system.zh,
            Language::En => &self.system.en,
        }
    }
}

impl Prompts {
    /// Reads the folder and renders every style for every persona once, so that a broken template
    /// is found at start and not while somebody waits for an answer.
    ///
    /// # Errors
    /// What is wrong, with the file.
    pub fn load(folder: &Path) -> Result<Self, PromptError> {
        let mut templates = Environment::new();
        templates.set_loader(path_loader(folder));
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let mut styles: BTreeMap<String, Style> = read(&folder.join("styles.toml"))?;
        for (name, style) in &mut styles {
            style.name.clone_from(name);
            if let Err((key, range)) = style.sampling.validate() {
                return Err(file_error(
                    &folder.join("styles.toml"),
                    format!("{name}.sampling.{key} must be {range}"),
                ));
            }
        }
        let prompts = Self { templates, styles, personas: read_personas(folder)? };
        prompts.rehearse()?;
        Ok(prompts)
    }

    /// The templates.
    pub(super) fn templates(&self) -> &Environment<'static> {
        &self.templates
    }

    /// The persona of this name.
    ///
    /// # Errors
    /// When there is none; the message names the nearest.
    pub fn persona(&self, name: &str) -> Result<&Persona, PromptError> {
        self.personas.get(name).ok_or_else(|| {
            PromptError::Unknown(unknown_name(
                "persona",
                name,
                self.personas.keys().map(String::as_str),
            ))
        })
    }

    /// The style of this name.
    ///
    /// # Errors
    /// When there is none; the message names the nearest.
    pub fn style(&self, name: &str) -> Result<&Style, PromptError> {
        self.styles.get(name).ok_or_else(|| {
            PromptError::Unknown(unknown_name(
                "style",
                name,
                self.styles.keys().map(String::as_str),
            ))
        })
    }

    /// Every persona, by name.
    pub fn personas(&self) -> impl Iterator<Item = &Persona> {
        self.personas.values()
    }

    fn rehearse(&self) -> Result<(), PromptError> {
        let capabilities =
            Capabilities { chat: true, text: true, images: true, ..Capabilities::default() };
        let earlier =
            [Earlier { said: "a".to_owned(), heard: "b".to_owned(), emotion: Some(Emotion::Joy) }];
        let knowledge = [Passage { source: "c".to_owned(), text: "d".to_owned() }];
        for persona in self.personas.values() {
            self.style(&persona.style)?;
            for style in self.styles.values() {
                for said in ["你好", "hello"] {
                    let ingredients = Ingredients {
                        persona,
                        style,
                        earlier: &earlier,
                        knowledge: &knowledge,
                        said,
                        images: &[],
                    };
                    ingredients.prompt(self, &capabilities)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the personas of a prompts folder, with the lists of words that they name.
fn read_personas(prompts: &Path) -> Result<BTreeMap<String, Persona>, PromptError> {
    let folder = &prompts.join("personas");
    let entries = fs::read_dir(folder).map_err(|error| file_error(folder, error.to_string()))?;
    let mut personas = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| file_error(folder, error.to_string()))?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let mut persona: Persona = read(&path)?;
        name.clone_into(&mut persona.name);
        if let Err((key, range)) = persona.sampling.validate() {
            return Err(file_error(&path, format!("sampling.{key} must be {range}")));
        }
        persona.read_words(prompts)?;
        for path in &mut persona.knowledge {
            *path = prompts.join(&*path);
        }
        personas.insert(persona.name.clone(), persona);
    }
    Ok(personas)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, PromptError> {
    let text = fs::read_to_string(path).map_err(|error| file_error(path, error.to_string()))?;
    toml::from_str(&text).map_err(|error| file_error(path, error.to_string()))
}

fn file_error(path: &Path, message: String) -> PromptError {
    PromptError::File { file: path.display().to_string(), message }
}
