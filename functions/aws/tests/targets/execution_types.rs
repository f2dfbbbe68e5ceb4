//! Whether an execution of a pipeline is a rollback, as the SDK reads it.

use std::io::{Read, Write};
use std::net::TcpListener;

use redrive_core::pipeline::PipelineExecution;
use redrive_core::reads::Pipelines;
use serde_json::json;

use crate::Scene;

const WEB: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";

#[tokio::test]
async fn the_type_is_read_where_the_state_shows_it_and_where_only_the_execution_does() {
    let scene = Scene::new();
    let aws = &scene.services.codepipeline;
    let shown = async || aws.state(WEB, "Build").await.unwrap().unwrap().rollback;
    let standard = scene
        .stage(json!([{ "succeed": {} }, { "fail": {} }]))
        .await;
    assert_eq!(shown().await, Some(false));
    let body = json!({ "pipelineName": "web", "stageName": "Build", "targetPipelineExecutionId": standard });
    let started = scene.operate("RollbackStage", &body);
    let rollback = started["pipelineExecutionId"].as_str().unwrap();
    assert_eq!(shown().await, Some(true));
    let hide = json!({ "codepipeline": { "state_shows_execution_type": false } });
    scene.own("POST /_redrive/options", &hide);
    assert_eq!(shown().await, None);

    for (execution, expected) in [
        (rollback, Some(("InProgress", true))),
        (standard.as_str(), Some(("Succeeded", false))),
        ("00000000-0000-4000-8000-000000000000", None),
    ] {
        let shown = aws.execution(WEB, execution).await.unwrap();
        let shown = shown
            .as_ref()
            .map(|it| (it.status.as_deref().unwrap(), it.rollback));
        assert_eq!(shown, expected, "{execution}");
    }
    assert_eq!(scene.calls("GetPipelineExecution"), 3);
}

/// As of an execution of before there were rollbacks.
#[tokio::test]
async fn an_execution_without_a_type_is_no_rollback() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        while !asked.ends_with('}') {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).unwrap();
            assert!(read > 0, "{asked}");
            asked.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        let body = r#"{"pipelineExecution":{"pipelineName":"web","status":"Failed"}}"#;
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        asked
    });
    let scene = Scene::at(address);
    let shown = scene.services.codepipeline.execution(WEB, "e1").await;
    let failed = PipelineExecution {
        status: Some("Failed".into()),
        rollback: false,
    };
    assert_eq!(shown, Ok(Some(failed)));
    let asked = asked.join().unwrap();
    assert!(asked.contains("CodePipeline_20150709.GetPipelineExecution"));
    assert!(asked.ends_with(r#"{"pipelineName":"web","pipelineExecutionId":"e1"}"#));
}
