//! A pipeline's declaration: its stages, their actions and conditions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::ApiError;

/// The way in which executions of one pipeline share its stages (documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecutionMode {
    /// A newer execution supersedes a waiting one. This is the default.
    #[default]
    Superseded,
    /// Executions wait for a stage in the order of their arrival.
    Queued,
    /// Executions are independent of each other.
    Parallel,
}

impl ExecutionMode {
    /// Returns the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "SUPERSEDED",
            Self::Queued => "QUEUED",
            Self::Parallel => "PARALLEL",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Superseded, Self::Queued, Self::Parallel]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// `retryMode` (model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageRetryMode {
    /// Failed actions run again, and the others continue.
    FailedActions,
    /// The stage runs again from its first action.
    AllActions,
}

impl StageRetryMode {
    /// Returns the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedActions => "FAILED_ACTIONS",
            Self::AllActions => "ALL_ACTIONS",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::FailedActions, Self::AllActions]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// The `result` of a stage's `onFailure` (documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// One automatic retry. No delay can be configured.
    Retry(StageRetryMode),
    /// A rollback to the last execution that succeeded in the stage.
    Rollback,
}

/// The conditions of a stage that a script can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    BeforeEntry,
    OnSuccess,
}

/// The `result` of a condition that is not met (model enum `Result`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionResult {
    Fail,
    Skip,
    Rollback,
}

/// `actionTypeId`; its `version` is the string `"1"` in every real event (observed).
#[derive(Debug, Clone)]
pub(super) struct ActionDeclaration {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) owner: String,
    pub(super) provider: String,
    pub(super) version: String,
    pub(super) run_order: u64,
    pub(super) region: Option<String>,
    pub(super) configuration: Value,
    pub(super) input_artifacts: Vec<String>,
    pub(super) output_artifacts: Vec<String>,
}

impl ActionDeclaration {
    pub(super) fn type_id(&self) -> Value {
        json!({
            "category": self.category,
            "owner": self.owner,
            "provider": self.provider,
            "version": self.version,
        })
    }

    pub(super) fn is_approval(&self) -> bool {
        self.category == "Approval"
    }
}

#[derive(Debug, Clone)]
pub(super) struct StageDeclaration {
    pub(super) name: String,
    pub(super) actions: Vec<ActionDeclaration>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) before_entry: Option<ConditionResult>,
    pub(super) on_success: Option<ConditionResult>,
}

/// One version of a pipeline's structure.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    /// The declaration as it was given, with defaults filled in.
    pub(super) raw: Value,
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) mode: ExecutionMode,
    pub(super) bucket: String,
    /// The variables: name and default value.
    pub(super) variables: Vec<(String, Option<String>)>,
    pub(super) stages: Vec<StageDeclaration>,
}

const CATEGORIES: [&str; 7] = [
    "Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute",
];
const OWNERS: [&str; 3] = ["AWS", "ThirdParty", "Custom"];

/// Returns whether a text is a name of a pipeline, stage or action: 1 to 100 of `[A-Za-z0-9.@\-_]` (model).
pub(super) fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b".@-_".contains(&it))
}

fn structure(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidStructureException", message)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

impl Declaration {
    /// Reads and checks the `pipeline` member of `CreatePipeline` and `UpdatePipeline`.
    pub(super) fn read(pipeline: &Value, version: u32) -> Result<Self, ApiError> {
        let declaration = Self::read_loosely(pipeline, version)?;
        let stages = &declaration.stages;
        if !(2..=50).contains(&stages.len()) {
            return Err(structure("A pipeline has between 2 and 50 stages."));
        }
        for (index, stage) in stages.iter().enumerate() {
            for action in &stage.actions {
                if (action.category == "Source") != (index == 0) {
                    return Err(structure(format!(
                        "Action {} of stage {}: the first stage holds source actions only, and no \
                         other stage holds one.",
                        action.name, stage.name
                    )));
                }
            }
        }
        Ok(declaration)
    }

    /// Reads the member without the rules on the number of stages and the place of source actions.
    pub(super) fn read_loosely(pipeline: &Value, version: u32) -> Result<Self, ApiError> {
        let mut raw = pipeline.clone();
        if let Some(map) = raw.as_object_mut() {
            map.insert("version".into(), version.into());
            map.entry("executionMode")
                .or_insert_with(|| "SUPERSEDED".into());
            map.entry("pipelineType").or_insert_with(|| "V1".into());
        }
        let name = text(&raw, "name").filter(|it| is_name(it));
        let name =
            name.ok_or_else(|| invalid("pipeline.name", "a name of 1 to 100 [A-Za-z0-9.@\\-_]"))?;
        if text(&raw, "roleArn").is_none() {
            return Err(invalid("pipeline.roleArn", "not null"));
        }
        let mode = text(&raw, "executionMode")
            .and_then(ExecutionMode::parse)
            .ok_or_else(|| {
                invalid(
                    "pipeline.executionMode",
                    "one of [QUEUED, SUPERSEDED, PARALLEL]",
                )
            })?;
        let bucket = raw
            .pointer("/artifactStore/location")
            .and_then(Value::as_str);
        let variables = list(&raw, "variables").iter().filter_map(|it| {
            Some((
                text(it, "name")?.to_owned(),
                text(it, "defaultValue").map(str::to_owned),
            ))
        });
        let mut stages = Vec::new();
        let mut names = BTreeSet::new();
        for stage in list(&raw, "stages") {
            let stage = StageDeclaration::read(stage)?;
            if !names.insert(stage.name.clone()) {
                return Err(structure(format!(
                    "Stage name {} occurs twice.",
                    stage.name
                )));
            }
            stages.push(stage);
        }
        Ok(Self {
            name: name.to_owned(),
            version,
            mode,
            bucket: bucket.unwrap_or("codepipeline-artifacts").to_owned(),
            variables: variables.collect(),
            stages,
            raw,
        })
    }

    pub(super) fn stage(&self, name: &str) -> Option<(usize, &StageDeclaration)> {
        self.stages
            .iter()
            .enumerate()
            .find(|(_, it)| it.name == name)
    }

    pub(super) fn action(&self, stage: usize, action: usize) -> Option<&ActionDeclaration> {
        self.stages.get(stage)?.actions.get(action)
    }

    /// Returns whether the stages are equal, whatever else differs.
    pub(super) fn same_structure(&self, other: &Self) -> bool {
        self.raw.get("stages") == other.raw.get("stages")
    }
}

impl StageDeclaration {
    fn read(stage: &Value) -> Result<Self, ApiError> {
        let wrong = |what: String| ApiError::new("InvalidStageDeclarationException", what);
        let name = text(stage, "name").filter(|it| is_name(it));
        let name = name.ok_or_else(|| wrong("A stage without a valid name.".into()))?;
        let mut actions = Vec::new();
        let mut names = BTreeSet::new();
        for action in list(stage, "actions") {
            let action = ActionDeclaration::read(action)?;
            if !names.insert(action.name.clone()) {
                return Err(wrong(format!(
                    "Stage {name}: action {} occurs twice.",
                    action.name
                )));
            }
            actions.push(action);
        }
        if actions.is_empty() || actions.len() > 50 {
            return Err(wrong(format!(
                "Stage {name}: a stage has between 1 and 50 actions."
            )));
        }
        let on_failure = stage.get("onFailure").map(|it| match text(it, "result") {
            Some("ROLLBACK") => Ok(Some(OnFailure::Rollback)),
            Some("RETRY") => {
                let mode = it
                    .pointer("/retryConfiguration/retryMode")
                    .and_then(Value::as_str);
                match mode.map_or(Some(StageRetryMode::FailedActions), StageRetryMode::parse) {
                    Some(mode) => Ok(Some(OnFailure::Retry(mode))),
                    None => Err(wrong(format!("Stage {name}: unknown retryMode."))),
                }
            }
            Some("FAIL") | None => Ok(None),
            Some(other) => Err(wrong(format!("Stage {name}: onFailure.result {other}."))),
        });
        Ok(Self {
            name: name.to_owned(),
            actions,
            on_failure: on_failure.transpose()?.flatten(),
            before_entry: condition(stage, "beforeEntry", ConditionResult::Fail),
            on_success: condition(stage, "onSuccess", ConditionResult::Fail),
        })
    }
}

fn condition(stage: &Value, key: &str, default: ConditionResult) -> Option<ConditionResult> {
    let first = list(stage.get(key)?, "conditions").first()?;
    Some(match text(first, "result") {
        Some("SKIP") => ConditionResult::Skip,
        Some("ROLLBACK") => ConditionResult::Rollback,
        _ => default,
    })
}

impl ActionDeclaration {
    fn read(action: &Value) -> Result<Self, ApiError> {
        let wrong = |what: String| ApiError::new("InvalidActionDeclarationException", what);
        let name = text(action, "name").filter(|it| is_name(it));
        let name = name.ok_or_else(|| wrong("An action without a valid name.".into()))?;
        let kind = action.get("actionTypeId").unwrap_or(&Value::Null);
        let part = |key: &str| {
            text(kind, key)
                .map(str::to_owned)
                .ok_or_else(|| wrong(format!("Action {name}: actionTypeId lacks {key}.")))
        };
        let (category, owner) = (part("category")?, part("owner")?);
        if !CATEGORIES.contains(&category.as_str()) || !OWNERS.contains(&owner.as_str()) {
            return Err(wrong(format!("Action {name}: unknown category or owner.")));
        }
        let artifacts = |key: &str| {
            list(action, key)
                .iter()
                .filter_map(|it| text(it, "name"))
                .map(str::to_owned)
                .collect()
        };
        Ok(Self {
            name: name.to_owned(),
            category,
            owner,
            provider: part("provider")?,
            version: part("version")?,
            run_order: action.get("runOrder").and_then(Value::as_u64).unwrap_or(1),
            region: text(action, "region").map(str::to_owned),
            configuration: action
                .get("configuration")
                .cloned()
                .unwrap_or_else(|| json!({})),
            input_artifacts: artifacts("inputArtifacts"),
            output_artifacts: artifacts("outputArtifacts"),
        })
    }
}

/// Returns a `ValidationException` in the words of AWS's request validation.
pub(super) fn invalid(member: &str, constraint: &str) -> ApiError {
    ApiError::new(
        "ValidationException",
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
             Member must satisfy: {constraint}"
        ),
    )
}
