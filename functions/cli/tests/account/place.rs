//! The subject of a command, and the place of the ledger.

use crate::{ARN, LocalAccount, opened, ran};

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn other_arns_are_refused_with_the_allowed_forms() {
    let account = LocalAccount::fresh();
    for (arn, why) in [
        ("run-7", "it does not begin with arn:"),
        (
            "arn:aws:states:eu-west-1:111122223333:stateMachine:etl-orders",
            "it names a state machine; list its executions with\n  aws stepfunctions list-executions \
             --state-machine-arn arn:aws:states:eu-west-1:111122223333:stateMachine:etl-orders",
        ),
        (
            "arn:aws:states:eu-west-1:111122223333:execution:etl-orders",
            "it does not name a state machine and an execution",
        ),
        (
            "arn:aws:codepipeline:eu-west-1:111122223333:web",
            "it names a pipeline, and neither a stage nor an execution id; list its executions with\n  \
             aws codepipeline list-pipeline-executions --pipeline-name web",
        ),
        (
            "arn:aws:codepipeline:eu-west-1:111122223333:web/Build",
            "it names a stage of a pipeline, and no execution id",
        ),
        (
            "arn:aws:codepipeline:eu-west-1:111122223333:web/Build/",
            "one of its parts is empty",
        ),
        (
            "arn:aws:codepipeline:eu-west-1:111122223333:web/Build/56dd4e8f/x",
            "it has more than three parts after the account",
        ),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:etl",
            "its service is lambda",
        ),
    ] {
        for command in [&["history", arn][..], &["cancel", arn, "--reason", "x"]] {
            let said = account.redrive(command).refused();
            let begins = format!("redrive: {arn} is neither an execution nor a stage: {why}");
            assert!(said.starts_with(&begins), "{said}");
            assert!(
                said.ends_with(
                    "\nAllowed are arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME\n\
                     and         arn:aws:codepipeline:REGION:ACCOUNT:PIPELINE/STAGE/EXECUTION-ID\n"
                ),
                "{said}"
            );
        }
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn table_comes_from_option_environment_or_default() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    account.redrive(&["history", ARN]).well();
    let mut named = account.command(&["history", ARN, "--table", &account.table]);
    named.env("REDRIVE_LEDGER", "elsewhere");
    ran(named).well();
    let mut unnamed = account.command(&["history", ARN]);
    unnamed.env_remove("REDRIVE_LEDGER");
    let said = ran(unnamed).refused();
    assert!(
        said.contains("there is no table redrive, or no index")
            && said.contains("(table redrive, region eu-west-1)\nAnother table: --table NAME"),
        "{said}"
    );
    let mut of_a_local_account = account.command(&["history", ARN]);
    of_a_local_account.env("REDRIVE_LEDGER", "memory");
    let said = ran(of_a_local_account).refused();
    assert!(
        said.contains(
            "REDRIVE_LEDGER is memory, which is no table: name the ledger's table with --table"
        ),
        "{said}"
    );
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn region_comes_from_option_environment_or_arn() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    let region = |command: &mut std::process::Command| {
        command.env("AWS_REGION", "us-east-1");
    };
    // DynamoDB Local keeps a region's tables apart.
    let mut elsewhere = account.command(&["history", ARN]);
    region(&mut elsewhere);
    let said = ran(elsewhere).refused();
    assert!(said.contains("region us-east-1"), "{said}");
    let mut named = account.command(&["history", ARN, "--region", "eu-west-1"]);
    region(&mut named);
    ran(named).well();
    let mut none = account.command(&["history", ARN]);
    none.env_remove("AWS_REGION");
    ran(none).well();
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn one_endpoint_for_all_services_is_honoured() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    let mut command = account.command(&["history", ARN]);
    command
        .env_remove("AWS_ENDPOINT_URL_DYNAMODB")
        .env("AWS_ENDPOINT_URL", &account.url);
    ran(command).well();
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_profile_brings_credentials_and_region() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    let file =
        std::env::temp_dir().join(format!("redrive-{}-{}", std::process::id(), account.table));
    std::fs::write(
        &file,
        "[profile night]\nregion = eu-west-1\naws_access_key_id = test\naws_secret_access_key = test\n",
    )
    .unwrap();
    let mut command = account.command(&["history", ARN, "--profile", "night"]);
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("AWS_CONFIG_FILE", &file);
    let answer = ran(command);
    std::fs::remove_file(&file).unwrap();
    answer.well();
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn missing_credentials_are_reported_with_the_ways_to_give_them() {
    let account = LocalAccount::fresh();
    let mut command = account.command(&["history", ARN]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let said = ran(command).refused();
    assert!(
        said.starts_with("redrive: no credentials were found: ")
            && said.contains("--profile NAME or AWS_PROFILE"),
        "{said}"
    );
}
