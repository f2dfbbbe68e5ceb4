//! A state machine: its revisions, versions and aliases.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition::Scope;

/// The definition and role of a machine for a period of time.
#[derive(Debug)]
pub(super) struct Revision {
    /// The definition as it was given; answers return it unchanged.
    pub(super) text: Arc<str>,
    pub(super) scope: Arc<Scope>,
    pub(super) role: Arc<str>,
    /// The revision's id, which is missing until the first update (observed).
    pub(super) id: Option<Arc<str>>,
    pub(super) since: u64,
}

/// A published version.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) arn: Arc<str>,
    pub(super) revision: Arc<Revision>,
    pub(super) created: u64,
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Standard,
    Express,
}

impl Type {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Express => "EXPRESS",
        }
    }
}

/// An alias: one or two version ARNs and their weights.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    pub(super) routes: Vec<(Arc<str>, u64)>,
    pub(super) arn: Arc<str>,
    pub(super) created: u64,
    pub(super) description: Option<String>,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) arn: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) kind: Type,
    pub(super) created: u64,
    pub(super) deleting: bool,
    pub(super) revision: Arc<Revision>,
    pub(super) versions: BTreeMap<u64, Version>,
    pub(super) aliases: BTreeMap<String, Alias>,
    pub(super) published: u64,
}

/// The revision that an ARN of a machine points at.
#[derive(Debug, Clone)]
pub(super) struct Pointed {
    pub(super) revision: Arc<Revision>,
    pub(super) version: Option<Arc<str>>,
    pub(super) alias: Option<Arc<str>>,
}

impl Machine {
    /// Resolves a version's number or an alias's name. Without a qualifier, the newest revision is the result.
    pub(super) fn point(&self, qualifier: Option<&str>) -> Option<Pointed> {
        let Some(qualifier) = qualifier else {
            let revision = Arc::clone(&self.revision);
            return Some(Pointed {
                revision,
                version: None,
                alias: None,
            });
        };
        if let Some(version) = qualifier
            .parse()
            .ok()
            .and_then(|number: u64| self.versions.get(&number))
        {
            let revision = Arc::clone(&version.revision);
            return Some(Pointed {
                revision,
                version: Some(Arc::clone(&version.arn)),
                alias: None,
            });
        }
        let alias = self.aliases.get(qualifier)?;
        // The alias always uses its heaviest route.
        // AWS: real routing is random by weight.
        let (route, _) = alias.routes.iter().max_by_key(|(_, weight)| *weight)?;
        let version = self
            .versions
            .values()
            .find(|version| version.arn == *route)?;
        Some(Pointed {
            revision: Arc::clone(&version.revision),
            version: Some(Arc::clone(route)),
            alias: Some(Arc::clone(&alias.arn)),
        })
    }

    /// Publishes the newest revision. Publishing a revision twice returns the same version (documented).
    pub(super) fn publish(&mut self, now: u64, description: Option<&str>) -> Arc<str> {
        let same = |version: &&Version| Arc::ptr_eq(&version.revision, &self.revision);
        if let Some(version) = self.versions.values().next_back().filter(same) {
            return Arc::clone(&version.arn);
        }
        self.published += 1;
        let arn: Arc<str> = format!("{}:{}", self.arn, self.published).into();
        let version = Version {
            arn: Arc::clone(&arn),
            revision: Arc::clone(&self.revision),
            created: now,
            description: description.map(Into::into),
        };
        self.versions.insert(self.published, version);
        arn
    }
}
