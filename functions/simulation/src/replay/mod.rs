//! A replay: event files are played through the core against the emulator, in virtual time.
//!
//! The emulator gets each execution and stage that the files describe. A file is delivered at its own time. A file
//! about the end of a *retried* run is delivered when such a run ends in the emulator: the tried policy makes the
//! retries, and the files give their outcomes. Without a file, [`Then`] decides the end of a retried run; by default
//! the run succeeds. If the files record a retry that the policy does not make, a person makes it at the recorded
//! time.

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

/// Returns the stories of all subjects that the files describe and that need emulation.
fn stories(files: &[File], definitions: &Definitions, then: Then) -> Vec<Story> {
    let mut stories = executions::executions(files, definitions, then);
    stories.extend(pipelines::pipelines(files, then));
    stories
}
