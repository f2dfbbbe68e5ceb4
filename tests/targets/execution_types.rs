//! Whether an execution of a pipeline is a rollback, as the SDK reads it.

use std::io::{Read, Write};
use std::net::TcpListener;

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

    assert_eq!(aws.is_rollback(WEB, rollback).await, Ok(Some(true)));
    assert_eq!(aws.is_rollback(WEB, &standard).await, Ok(Some(false)));
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(aws.is_rollback(WEB, nobody).await, Ok(None));
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
    let shown = scene.services.codepipeline.is_rollback(WEB, "e1").await;
    assert_eq!(shown, Ok(Some(false)));
    let asked = asked.join().unwrap();
    assert!(asked.contains("CodePipeline_20150709.GetPipelineExecution"));
    assert!(asked.ends_with(r#"{"pipelineName":"web","pipelineExecutionId":"e1"}"#));
}
