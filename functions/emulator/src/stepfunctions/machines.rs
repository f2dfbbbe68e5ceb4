//! Operations on state machines, their versions and aliases.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::definition;
use super::machine::{Alias, Machine, Revision, Type};
use super::wire::{
    Arn, Object, Page, Request, arn as build, constraint, deleting, error, invalid, no_resource,
    text, valid_name, wrong_kind,
};
use super::{Answer, StepFunctions};
use crate::dates::epoch_seconds;

fn read_definition(text: &str) -> Answer<Arc<definition::Scope>> {
    definition::read(text).map_err(|why| {
        error(
            "InvalidDefinition",
            format!("Invalid State Machine Definition: '{why}'"),
        )
    })
}

impl StepFunctions {
    /// Creates a machine. The same call twice returns the same machine; definitions are compared as texts (observed).
    pub(super) fn create_state_machine(&mut self, now: u64, request: Request<'_>) -> Answer {
        let name = valid_name(request.required("name", usize::MAX)?)?;
        let definition = request.required("definition", 1_048_576)?;
        let role = request.required("roleArn", 256)?;
        let kind = match request.one_of("type", &["STANDARD", "EXPRESS"])? {
            Some("EXPRESS") => Type::Express,
            _ => Type::Standard,
        };
        let publish = request.flag("publish", false)?;
        let description = request.text("versionDescription", 0, 256)?;
        let scope = read_definition(definition)?;
        let arn: Arc<str> = build(&self.place, format_args!("stateMachine:{name}")).into();
        if let Some(known) = self.machines.get(&arn) {
            if known.deleting {
                return Err(deleting(&arn));
            }
            let revision = &known.revision;
            if known.kind != kind || *revision.text != *definition || *revision.role != *role {
                let message = format!("State Machine Already Exists: '{arn}'");
                return Err(error("StateMachineAlreadyExists", message));
            }
        }
        let text: Arc<str> = definition.into();
        let machine = self
            .machines
            .entry(Arc::clone(&arn))
            .or_insert_with(|| Machine {
                arn: Arc::clone(&arn),
                name: name.into(),
                kind,
                created: now,
                deleting: false,
                revision: Arc::new(Revision {
                    text,
                    scope,
                    role: role.into(),
                    id: None,
                    since: now,
                }),
                versions: BTreeMap::new(),
                aliases: BTreeMap::new(),
                published: 0,
            });
        let version = publish.then(|| machine.publish(now, description));
        Ok(Object::default()
            .with("stateMachineArn", &*arn)
            .with("creationDate", epoch_seconds(machine.created))
            .maybe("stateMachineVersionArn", version.as_deref())
            .done())
    }

    /// Returns a machine for a change, by its unqualified ARN.
    fn changeable(&mut self, arn: &str) -> Answer<&mut Machine> {
        let Arn::Machine {
            unqualified,
            qualifier: None,
            label: None,
        } = Arn::read(arn)?
        else {
            return Err(wrong_kind(Arn::read(arn)?));
        };
        let machine = self
            .machines
            .get_mut(unqualified)
            .ok_or_else(|| super::wire::no_machine(arn))?;
        if machine.deleting {
            return Err(deleting(arn));
        }
        Ok(machine)
    }

    /// Updates a machine. Every update is a new revision; executions keep the revision of their start (documented).
    pub(super) fn update_state_machine(&mut self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("stateMachineArn", 256)?;
        let definition = request.text("definition", 1, 1_048_576)?;
        let role = request.text("roleArn", 1, 256)?;
        let publish = request.flag("publish", false)?;
        let description = request.text("versionDescription", 0, 256)?;
        self.changeable(arn)?;
        let settings = [
            "loggingConfiguration",
            "tracingConfiguration",
            "encryptionConfiguration",
        ];
        if definition.is_none()
            && role.is_none()
            && settings.iter().all(|name| request.raw(name).is_none())
        {
            let message = "Either the definition, the role ARN, the LoggingConfiguration, \
                           the TracingConfiguration, or the EncryptionConfiguration \
                           must be specified";
            return Err(error("MissingRequiredParameter", message));
        }
        let parsed = definition
            .map(|text| Ok((text, read_definition(text)?)))
            .transpose()?;
        let id: Arc<str> = self.ids.uuid().into();
        let machine = self.changeable(arn)?;
        let old = &machine.revision;
        let (text, scope) = match parsed {
            Some((text, scope)) => (text.into(), scope),
            None => (Arc::clone(&old.text), Arc::clone(&old.scope)),
        };
        let role = role.map_or_else(|| Arc::clone(&old.role), Arc::from);
        machine.revision = Arc::new(Revision {
            text,
            scope,
            role,
            id: Some(Arc::clone(&id)),
            since: now,
        });
        let version = publish.then(|| machine.publish(now, description));
        Ok(Object::default()
            .with("updateDate", epoch_seconds(now))
            .with("revisionId", &*id)
            .maybe("stateMachineVersionArn", version.as_deref())
            .done())
    }

    pub(super) fn publish_version(&mut self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("stateMachineArn", 256)?;
        let expected = request.text("revisionId", 0, usize::MAX)?;
        let description = request.text("description", 0, 256)?;
        let machine = self.changeable(arn)?;
        // The first revision has no id; the documented word for it is INITIAL.
        let current = machine.revision.id.as_deref().unwrap_or("INITIAL");
        if expected.is_some_and(|expected| expected != current) {
            let message = format!("The revisionId does not match the current revision of '{arn}'");
            return Err(error("ConflictException", message));
        }
        let version = machine.publish(now, description);
        let created = machine
            .versions
            .values()
            .find(|known| known.arn == version)
            .map_or(now, |known| known.created);
        Ok(Object::default()
            .with("creationDate", epoch_seconds(created))
            .with("stateMachineVersionArn", &*version)
            .done())
    }

    pub(super) fn create_alias(&mut self, now: u64, request: Request<'_>) -> Answer {
        let name = valid_name(request.required("name", usize::MAX)?)?;
        let description = request.text("description", 0, 256)?.map(String::from);
        let bad = |why: &str| invalid(why, Some("INVALID_ROUTING_CONFIGURATION"));
        let routes = request
            .raw("routingConfiguration")
            .and_then(Value::as_array);
        let routes = routes
            .filter(|routes| matches!(routes.len(), 1 | 2))
            .ok_or_else(|| {
                constraint(
                    "Value at 'routingConfiguration' failed to satisfy constraint: \
                 Member must have 1 or 2 items",
                )
            })?;
        let mut read = Vec::new();
        let mut owner = None;
        for route in routes {
            let version = Request(route).required("stateMachineVersionArn", 256)?;
            let weight = route
                .get("weight")
                .and_then(Value::as_u64)
                .filter(|weight| *weight <= 100);
            let weight = weight.ok_or_else(|| bad("weight must be between 0 and 100"))?;
            let Arn::Machine {
                unqualified,
                qualifier: Some(_),
                label: None,
            } = Arn::read(version)?
            else {
                return Err(wrong_kind(Arn::read(version)?));
            };
            if *owner.get_or_insert(unqualified) != unqualified {
                return Err(bad("the versions of an alias belong to one state machine"));
            }
            read.push((Arc::from(version), weight));
        }
        if read.iter().map(|(_, weight)| weight).sum::<u64>() != 100 {
            return Err(bad("the weights must add up to 100"));
        }
        let owner = owner.unwrap_or_default();
        let machine = self.changeable(owner)?;
        let known = |arn: &Arc<str>| machine.versions.values().any(|version| version.arn == *arn);
        if let Some((lost, _)) = read.iter().find(|(arn, _)| !known(arn)) {
            return Err(no_resource(lost));
        }
        let arn: Arc<str> = format!("{owner}:{name}").into();
        if let Some(alias) = machine.aliases.get(name) {
            if alias.routes != read || alias.description != description {
                return Err(error(
                    "ConflictException",
                    format!("Alias already exists: '{arn}'"),
                ));
            }
        } else {
            let alias = Alias {
                routes: read,
                arn: Arc::clone(&arn),
                created: now,
                description,
            };
            machine.aliases.insert(name.into(), alias);
        }
        let created = machine.aliases.get(name).map_or(now, |alias| alias.created);
        Ok(Object::default()
            .with("stateMachineAliasArn", &*arn)
            .with("creationDate", epoch_seconds(created))
            .done())
    }

    /// Deletes a machine, which stays DELETING for good in the emulator. Deleting a missing machine has the same
    /// answer (observed).
    pub(super) fn delete_state_machine(&mut self, request: Request<'_>) -> Answer {
        let arn = request.required("stateMachineArn", 256)?;
        match Arn::read(arn)? {
            Arn::Machine {
                unqualified,
                qualifier: None,
                label: None,
            } => {
                if let Some(machine) = self.machines.get_mut(unqualified) {
                    machine.deleting = true;
                }
                Ok(Object::default().done())
            }
            other => Err(wrong_kind(other)),
        }
    }

    pub(super) fn describe_state_machine(&self, request: Request<'_>) -> Answer {
        let arn = request.required("stateMachineArn", 256)?;
        let (machine, pointed) = self.pointed(arn)?;
        let revision = &pointed.revision;
        let version = pointed.version.as_ref();
        let version = version.and_then(|arn| {
            machine
                .versions
                .values()
                .find(|version| version.arn == *arn)
        });
        let shown = pointed
            .alias
            .as_ref()
            .or(pointed.version.as_ref())
            .unwrap_or(&machine.arn);
        Ok(Object::default()
            .with("stateMachineArn", text(shown))
            .with("name", text(&machine.name))
            .with(
                "status",
                if machine.deleting {
                    "DELETING"
                } else {
                    "ACTIVE"
                },
            )
            .with("definition", text(&revision.text))
            .with("roleArn", text(&revision.role))
            .with("type", machine.kind.as_str())
            .with(
                "creationDate",
                epoch_seconds(version.map_or(machine.created, |version| version.created)),
            )
            .with(
                "loggingConfiguration",
                json!({ "level": "OFF", "includeExecutionData": false }),
            )
            .with("tracingConfiguration", json!({ "enabled": false }))
            .with(
                "encryptionConfiguration",
                json!({ "type": "AWS_OWNED_KEY" }),
            )
            .maybe("revisionId", revision.id.as_deref())
            .maybe(
                "description",
                version.and_then(|version| version.description.as_deref()),
            )
            .done())
    }

    /// Lists the machines in the order of their ARNs. Machines that are being deleted are not listed (observed).
    pub(super) fn list_state_machines(&self, now: u64, request: Request<'_>) -> Answer {
        let size = request.page_size()?;
        let skip = request.page_start(now)?.map_or(0, |page| page.key.0);
        let skip_count = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut rest = self
            .machines
            .values()
            .filter(|machine| !machine.deleting)
            .skip(skip_count);
        let items: Vec<Value> = rest
            .by_ref()
            .take(size)
            .map(|machine| {
                Object::default()
                    .with("stateMachineArn", text(&machine.arn))
                    .with("name", text(&machine.name))
                    .with("type", machine.kind.as_str())
                    .with("creationDate", epoch_seconds(machine.created))
                    .done()
            })
            .collect();
        let shown = skip + items.len() as u64;
        let more = rest.next().map(|_| Page::new((shown, 0), now).to_string());
        Ok(Object::default()
            .with("stateMachines", items)
            .maybe("nextToken", more)
            .done())
    }
}
