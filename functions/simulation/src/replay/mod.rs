//! Replaying: event files are played through the core against the emulator, with virtual time.
//!
//! Each execution and stage of which the files tell is put into the emulator as they tell it. A file is
//! delivered at its own time, or, where it tells how a *retried* run went, when such a run ends in the
//! emulator: the retries are those of the policy that is tried, and the files say what they led to. Where no
//! file tells, a retried run succeeds ([`Then`]). A retry that the files know of and the policy does not make
//! is made by a person, at the time the files say.

mod executions;
mod file;
mod pipelines;
mod player;
mod rows;
mod settings;
mod story;

use redrive_core::error::Error;

use self::file::File;
pub use self::file::Source;
use self::player::Player;
pub use self::rows::{From, Replayed, Row};
pub use self::settings::Settings;
use self::story::Story;
pub use self::story::{Definitions, Then};

/// Replays event files.
///
/// # Errors
/// The emulator met an error, which is a bug.
pub fn replay(sources: Vec<Source>, settings: &Settings) -> Result<Replayed, Error> {
    let files: Vec<File> = sources.into_iter().map(File::new).collect();
    let stories = stories(&files, &settings.definitions, settings.then);
    let start = files
        .iter()
        .filter_map(|file| file.at)
        .chain(stories.iter().map(Story::begins))
        .min();
    let mut player = Player::new(files, stories, settings, start.unwrap_or_default());
    player.play()?;
    Ok(player.finish())
}

/// The stories that the files tell, each with what it takes to tell it again.
fn stories(files: &[File], definitions: &Definitions, then: Then) -> Vec<Story> {
    let mut stories = executions::executions(files, definitions, then);
    stories.extend(pipelines::pipelines(files, then));
    stories
}
