//! Tests of [`Ended`]. The samples have the shapes that AWS documents and contain no real data.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use redrive_policy::{ActualValue, ValueKind};

use super::*;

fn end(ended: &Ended) -> String {
    end_in(ended, "")
}

/// Formats an end in one line, without absent values.
fn end_in(ended: &Ended, text: &str) -> String {
    fn word<T: ToString>(name: &str, field: Field<T>) -> Option<String> {
        match field {
            Field::Known(value) => Some(format!("{name} {}", value.to_string())),
            Field::Absent => None,
            Field::Unknown => Some(format!("{name} unknown")),
            Field::Redacted => Some(format!("{name} redacted")),
        }
    }
    let person = match ended.by_person {
        Field::Known(false) => Field::Absent,
        field => field,
    };
    // The first word of a key is short enough for a table.
    let short = |key: ConditionKey| match key {
        ConditionKey::SignalReason => "reason",
        key => key.as_str().split('_').next().unwrap(),
    };
    let values = ended.values(text);
    ConditionKey::of_texts()
        .map(|key| word(short(key), values.get(key)))
        .chain([word("person", person)])
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

fn of(error: &str, cause: &str) -> String {
    let ended = Ended::execution(
        ExecutionStatus::Failed,
        Field::Known(error),
        Field::Known(cause),
    );
    end_in(&ended, cause)
}

/// Checks rows of error, cause and expected end.
fn check(table: &[(&str, &str, &str)]) {
    for (error, cause, expected) in table {
        assert_eq!(of(error, cause), *expected, "{error}: {cause}");
    }
}

fn of_action(provider: &str, summary: &str) -> String {
    end(&Ended::action(&FailedAction {
        provider: Field::Known(provider.into()),
        error_code: Field::Known("JobFailed".into()),
        category: Field::Known("Build".into()),
        summary: Field::Known(summary.into()),
        ..FailedAction::default()
    }))
}

const TASK: &str = "States.TaskFailed";

/// Returns the text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn ecs_task_has_exit_status_and_stop_reason() {
    check(&[
        (
            TASK,
            r#"{"Containers":[{"ExitCode":0,"Name":"sidecar"},{"ExitCode":3,"Name":"main"},{"ExitCode":4}],"StopCode":"EssentialContainerExited","StoppedReason":"Essential container in task exited"}"#,
            "exit 3, container main",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":0},{"ExitCode":0}],"StopCode":"EssentialContainerExited"}"#,
            "exit 0",
        ),
        // ECS stops the other containers when an essential one ends. 137 and 143 count if no other is left.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":143,"Name":"proxy"},{"ExitCode":137,"Name":"logs"},{"ExitCode":1,"Name":"main"}],"StopCode":"EssentialContainerExited"}"#,
            "exit 1, container main",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":0,"Name":"proxy"},{"ExitCode":137,"Name":"main"}],"StopCode":"EssentialContainerExited"}"#,
            "exit 137, container main",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":143,"Name":"proxy"},{"ExitCode":1,"Name":"main"}],"StopCode":"SpotInterruption"}"#,
            "exit 143, reason agent_stop, container proxy",
        ),
        // The ECS API's own capitalisation, with numbers as floats and as text.
        (
            TASK,
            r#"{"containers":[{"exitCode":"17.0"}],"stopCode":"EssentialContainerExited"}"#,
            "exit 17",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":137,"Reason":"OutOfMemoryError: Container killed due to memory usage"}],"StopCode":"EssentialContainerExited"}"#,
            "exit 137, signal SIGKILL",
        ),
        // An exit code of 137 alone names no signal. Windows has codes that are no exit status.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":137}],"StopCode":"EssentialContainerExited"}"#,
            "exit 137",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":256}],"StopCode":"EssentialContainerExited"}"#,
            "",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":-1}],"StopCode":"EssentialContainerExited"}"#,
            "",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":3221225477}],"StopCode":"EssentialContainerExited"}"#,
            "",
        ),
        (
            TASK,
            r#"{"Containers":[{"Name":"main"}],"StopCode":"SpotInterruption","StoppedReason":"Your Spot Task was interrupted."}"#,
            "exit -1, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":143}],"StopCode":"TerminationNotice","StoppedReason":"Your Spot Task was interrupted."}"#,
            "exit 143, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Containers":[{"Name":"main"}],"StoppedReason":"Host EC2 (instance i-0123456789abcdef0) terminated."}"#,
            "exit -1, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Containers":[{"Name":"main"}],"StoppedReason":"Host EC2"#,
            "exit -1, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Containers":[{}],"StopCode":"ServiceSchedulerInitiated","StoppedReason":"Scaling activity initiated by (deployment ecs-svc/1)"}"#,
            "reason agent_stop",
        ),
        (
            TASK,
            r#"{"Containers":[{"Reason":"CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"}],"StopCode":"TaskFailedToStart"}"#,
            "reason process_run_error",
        ),
        (
            TASK,
            r#"{"Containers":[{}],"StopCode":"TaskFailedToStart","StoppedReason":"Task failed to start"}"#,
            "reason process_run_error",
        ),
        (
            TASK,
            r#"{"Containers":[{}],"StopCode":"TaskFailedToStart","StoppedReason":"Timeout waiting for network interface provisioning to complete."}"#,
            "reason stack_error",
        ),
        (
            "ECS.AmazonECSException",
            "Capacity is unavailable at this time. Please try again later or in a different availability zone (Service: AmazonECS; Status Code: 400; Error Code: ClientException; Request ID: r; Proxy: null)",
            "reason stack_error, http 400",
        ),
        (
            "AmazonECS.Unknown",
            r#"{"Failures":[{"Arn":"arn:x","Reason":"RESOURCE:MEMORY"}],"Tasks":[]}"#,
            "reason stack_error",
        ),
        (
            "AmazonECS.Unknown",
            r#"{"Failures":[{"Arn":"arn:x","Reason":"AGENT"}],"Tasks":[]}"#,
            "reason stack_error",
        ),
        (
            "AmazonECS.Unknown",
            r#"{"Failures":[{"Arn":"arn:x","Reason":"MISSING"}],"Tasks":[]}"#,
            "",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":143}],"StopCode":"UserInitiated","StoppedReason":"Task stopped by user"}"#,
            "exit 143, person true",
        ),
        // Environment and command of a task are the author's words.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":1}],"Overrides":{"ContainerOverrides":[{"Command":["Status Code: 503","OutOfMemoryError: Container killed"],"StopCode":"UserInitiated"}]},"StopCode":"EssentialContainerExited"}"#,
            "exit 1",
        ),
        // The cause is cut, after the reason and in the middle of it.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":2,"Reason":"OutOfMemoryError: Container killed due to"#,
            "exit 2, signal SIGKILL",
        ),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":9}],"Overrides":{"ContainerOverrides":[{"Environment":[{"Name":"A"#,
            "exit 9",
        ),
        // The JSON is part of a sentence, or the cause is a sentence.
        (
            TASK,
            r#"The task failed: {"Containers":[{"ExitCode":5}],"StopCode":"EssentialContainerExited"} (see the log)"#,
            "exit 5",
        ),
        (
            TASK,
            "TaskFailedToStart: CannotPullContainerError: ref not found",
            "reason process_run_error",
        ),
        (
            TASK,
            "OutOfMemoryError: Container killed due to memory usage",
            "signal SIGKILL",
        ),
        (
            TASK,
            "Your Spot Task was interrupted.",
            "exit -1, reason agent_stop",
        ),
        (TASK, "java.lang.OutOfMemoryError: Java heap space", ""),
    ]);
}

#[test]
fn batch_job_has_the_end_of_its_last_attempt() {
    check(&[
        (
            TASK,
            r#"{"Attempts":[{"Container":{"ExitCode":9,"Reason":"OutOfMemoryError: Container killed due to memory usage"},"StatusReason":"Essential container in task exited"},{"Container":{"ExitCode":2},"StatusReason":"Essential container in task exited"}],"Container":{"ExitCode":2},"Status":"FAILED","StatusReason":"Essential container in task exited"}"#,
            "exit 2",
        ),
        (
            TASK,
            r#"{"Attempts":[{"Container":{"ExitCode":9}},{"Container":{"ExitCode":3}}],"Status":"FAILED"}"#,
            "exit 3",
        ),
        // The last attempt has no exit code, so the job has none.
        (
            TASK,
            r#"{"Attempts":[{"Container":{"ExitCode":9}},{"Container":{"Reason":"CannotInspectContainerError: timed out"}}],"Status":"FAILED"}"#,
            "",
        ),
        (
            TASK,
            r#"{"Attempts":[{"Container":{},"StatusReason":"Host EC2 (instance i-0123456789abcdef0) terminated."}],"Container":{},"StatusReason":"Host EC2 (instance i-0123456789abcdef0) terminated."}"#,
            "exit -1, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Container":{"ExitCode":0},"StatusReason":"Host EC2 (instance i-0123456789abcdef0) stopped."}"#,
            "exit -1, reason agent_stop",
        ),
        (
            TASK,
            r#"{"Attempts":[{"Container":{"ExitCode":137,"Reason":"OutOfMemoryError: Container killed due to memory usage"}}],"Container":{"ExitCode":137,"Reason":"OutOfMemoryError: Container killed due to memory usage"},"StatusReason":"Essential container in task exited"}"#,
            "exit 137, signal SIGKILL",
        ),
        (
            TASK,
            r#"{"Container":{"Reason":"CannotPullContainerError: not found"},"StatusReason":"Task failed to start"}"#,
            "reason process_run_error",
        ),
        (
            TASK,
            r#"{"Attempts":[],"Container":{},"StatusReason":"Job attempt duration exceeded timeout","IsTerminated":true}"#,
            "reason cancel",
        ),
        (
            TASK,
            r#"{"Attempts":[],"Container":{},"StatusReason":"CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}"#,
            "reason stack_error",
        ),
        (
            TASK,
            r#"{"Container":{},"IsCancelled":true,"StatusReason":"Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"}"#,
            "reason stack_error",
        ),
        (
            TASK,
            r#"{"Container":{"ExitCode":137},"IsTerminated":true,"StatusReason":"wrong input, sorry"}"#,
            "exit 137, person true",
        ),
        (
            TASK,
            r#"{"Container":{},"IsCancelled":true,"StatusReason":"not tonight"}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"Container":{},"IsCancelled":false,"IsTerminated":false,"StatusReason":"x"}"#,
            "",
        ),
        (
            TASK,
            r#"{"Container":{},"IsCancelled":true,"StatusReason":"Dependent Job failed"}"#,
            "",
        ),
        // An attempt has several containers, or ran on EKS.
        (
            TASK,
            r#"{"Attempts":[{"TaskProperties":[{"Containers":[{"ExitCode":0},{"ExitCode":4}]}]}]}"#,
            "exit 4",
        ),
        (
            TASK,
            r#"{"EksAttempts":[{"Containers":[{"ExitCode":137,"Reason":"OOMKilled"}],"StatusReason":"x"}]}"#,
            "exit 137, signal SIGKILL",
        ),
        // The cause is cut after the attempts, or is a sentence.
        (
            TASK,
            r#"{"Attempts":[{"Container":{"ExitCode":6},"StatusReason":"Essential container in task exited"}],"Container":{"Environment":[{"Na"#,
            "exit 6",
        ),
        (
            TASK,
            "Host EC2 (instance i-0123456789abcdef0) terminated.",
            "exit -1, reason agent_stop",
        ),
        (
            "Batch.AWSBatchException",
            "JobQueue q not found (Service: AWSBatch; Status Code: 400; Error Code: ClientException; Request ID: r; Proxy: null)",
            "http 400",
        ),
    ]);
}

#[test]
fn lambda_function_has_the_reasons_of_lambda() {
    check(&[
        (
            "Runtime.ExitError",
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: killed"}"#,
            "signal SIGKILL",
        ),
        (
            "Runtime.ExitError",
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 129"}"#,
            "exit 129",
        ),
        (
            "Runtime.ExitError",
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: segmentation fault (core dumped)"}"#,
            "signal SIGSEGV",
        ),
        (
            "Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: exit status 2",
            "exit 2",
        ),
        (
            "Runtime.ExitError",
            r#"{"errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 3"#,
            "exit 3",
        ),
        (
            "Lambda.Unknown",
            r#"The cause could not be determined because Lambda did not return an error type. Returned payload: {"errorMessage":"2026-11-20T02:11:49.337Z 1 Task timed out after 902.11 seconds"}"#,
            "reason cancel",
        ),
        (
            "Lambda.Unknown",
            r#"The cause could not be determined because Lambda did not return an error type. Returned payload: {"errorMessage":"2026-11-20T02:11:49.337Z 1 Task timed out after 902"#,
            "reason cancel",
        ),
        (
            "Lambda.Unknown",
            "Task timed out after 3.00 seconds",
            "reason cancel",
        ),
        (
            "Sandbox.Timedout",
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 3.00 seconds"}"#,
            "reason cancel",
        ),
        // The author's own words are not Lambda's.
        (
            "TooSlow",
            r#"{"errorType":"TooSlow","errorMessage":"Task timed out after 5 seconds; Runtime exited with error: exit status 4; OutOfMemoryError: Container killed"}"#,
            "",
        ),
        (
            "ValueError",
            r#"{"errorMessage":"exit status 7","errorType":"ValueError","stackTrace":["Status Code: 503"]}"#,
            "",
        ),
        // The function's message quotes a service's answer.
        (
            "AmazonS3Exception",
            r#"{"errorMessage":"Please reduce your request rate. (Service: Amazon S3; Status Code: 503; Error Code: SlowDown; Request ID: r)","errorType":"AmazonS3Exception"}"#,
            "http 503",
        ),
        (
            "Lambda.TooManyRequestsException",
            "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; Request ID: r; Proxy: null)",
            "http 429",
        ),
        (
            "Lambda.ServiceException",
            "It is broken (Service: Lambda, Status Code: 500, Request ID: r) (SDK Attempt Count: 1)",
            "http 500",
        ),
        (
            TASK,
            "An attempt was made to invoke the Lambda function. Step Functions cannot determine whether Lambda successfully received the call and executed the function.",
            "",
        ),
    ]);
}

#[test]
fn http_status_is_read_in_every_wording() {
    check(&[
        (
            "DynamoDB.AmazonDynamoDBException",
            "Rate (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ThrottlingException; Request ID: r; Proxy: null)",
            "http 400",
        ),
        (
            "S3.S3Exception",
            "Please reduce your request rate. (Service: S3, Status Code: 503, Request ID: r, Extended Request ID: e)",
            "http 503",
        ),
        (
            "Sqs.SqsException",
            "x (Service: Sqs, Status Code: 500, Request ID: r) (SDK Attempt Count: 1)",
            "http 500",
        ),
        ("DynamoDB.X", "Status Code: 429; Error Code: X", "http 429"),
        (
            "Ssm.SsmException",
            "denied\n\tstatus code: 400, request id: r",
            "http 400",
        ),
        // The message may quote another status, and its own follows. Cut in the middle of its own, it has none.
        (
            "S3.S3Exception",
            "it end (Service: A, Status Code: 404, Request ID: r) (Service: S3, Status Code: 502, Request ID: r)",
            "http 502",
        ),
        (
            "S3.S3Exception",
            "slow (Service: S3, Status Code: 503",
            "http 503",
        ),
        ("S3.S3Exception", "slow (Service: S3, Status Code: 50", ""),
        (
            "S3.S3Exception",
            "slow (Service: S3, Status Code: 5031, Request ID: r)",
            "",
        ),
        (
            "S3.S3Exception",
            "slow (Service: S3, Status Code: 999, Request ID: r)",
            "",
        ),
        ("Mine", "the job ended with status code: 503", ""),
        (
            "SQS.SdkClientException",
            "Unable to execute HTTP request: queue: Name or service not known",
            "",
        ),
        (
            "States.Http.StatusCode.503",
            "Service Unavailable",
            "http 503",
        ),
        ("States.Http.StatusCode.418", "", "http 418"),
        ("States.Http.Socket", "timed out", ""),
        (
            "ApiGateway.403",
            r#"{"message":"Missing Authentication Token"}"#,
            "http 403",
        ),
        ("ApiGateway.5031", "", ""),
        (
            "EKS.401",
            r#"{"ResponseBody":{"code":401},"StatusCode":401,"StatusText":"Unauthorized"}"#,
            "http 401",
        ),
        (
            "EKS.Unknown",
            r#"{"ResponseBody":{"code":1},"StatusCode":429.0,"Stat"#,
            "http 429",
        ),
        // The number only looks like an HTTP status.
        ("Mine", r#"{"statusCode":503,"body":"x"}"#, ""),
        (
            TASK,
            "The role is not authorized (Service: AWSSecurityTokenService; Status Code: 403; Error Code: AccessDenied; Request ID: r)",
            "http 403",
        ),
        (
            "EventBridge.FailedEntry",
            r#"{"Entries":[{"ErrorCode":"MalformedDetail"}],"FailedEntryCount":1}"#,
            "",
        ),
    ]);
}

#[test]
fn build_has_its_first_failed_phase() {
    check(&[
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"","StatusCode":""}],"PhaseStatus":"SUCCEEDED","PhaseType":"INSTALL"},{"Contexts":[{"Message":"Error while executing command: make. Reason: exit status 2","StatusCode":"COMMAND_EXECUTION_ERROR"}],"PhaseStatus":"FAILED","PhaseType":"BUILD"},{"Contexts":[{"Message":"Error while executing command: push. Reason: exit status 5","StatusCode":"COMMAND_EXECUTION_ERROR"}],"PhaseStatus":"FAILED","PhaseType":"POST_BUILD"},{"Contexts":[{"Message":"","StatusCode":""}],"PhaseStatus":"SUCCEEDED","PhaseType":"FINALIZING"},{"PhaseType":"COMPLETED"}]}}"#,
            "exit 2",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"STOPPED","Phases":[{"PhaseStatus":"STOPPED","PhaseType":"BUILD"}]}}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"TIMED_OUT"}}"#,
            "reason cancel",
        ),
        (
            TASK,
            r#"{"BuildBatch":{"BuildBatchStatus":"STOPPED"}}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"Unable to pull customer's container image. CannotPullContainerError: no","StatusCode":"BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"}],"PhaseStatus":"FAILED","PhaseType":"PROVISIONING"}]}}"#,
            "reason process_run_error",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAULT","Phases":[{"Contexts":[{"Message":"Internal Service Error","StatusCode":"INTERNAL_SERVICE_ERROR"}],"PhaseStatus":"FAULT","PhaseType":"PROVISIONING"}]}}"#,
            "reason stack_error",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"Error while executing command: make. Reason: exit status 2","StatusCode":"COMMAND_EX"#,
            "exit 2",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"Error while executing command: make. Reason: exit\u0020status 2","#,
            "exit 2",
        ),
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"AccessDenied\n\tstatus code: 400, request id: r","StatusCode":"CLIENT_ERROR"}],"PhaseStatus":"FAILED","PhaseType":"DOWNLOAD_SOURCE"}]}}"#,
            "http 400",
        ),
        // A phase that succeeded is not read, whatever its text.
        (
            TASK,
            r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"Error while executing command: lint. Reason: exit status 3","StatusCode":""}],"PhaseStatus":"SUCCEEDED","PhaseType":"PRE_BUILD"},{"Contexts":[{"Message":"Error while executing command: make. Reason: exit status 2","StatusCode":""}],"PhaseStatus":"FAILED","PhaseType":"BUILD"}]}}"#,
            "exit 2",
        ),
        (
            TASK,
            "Error while executing command: make. Reason: exit status 2",
            "exit 2",
        ),
    ]);
}

#[test]
fn runs_of_glue_emr_and_others_show_a_persons_stop() {
    check(&[
        (
            TASK,
            r#"{"Attempt":0,"JobRunState":"TIMEOUT","JobName":"j"}"#,
            "reason cancel",
        ),
        (
            TASK,
            r#"{"Attempt":0,"JobRunState":"STOPPED"}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"JobRun":{"ErrorMessage":"An error occurred. slow (Service: Amazon S3; Status Code: 503; Error Code: SlowDown; Request ID: r)","JobRunState":"FAILED"}}"#,
            "http 503",
        ),
        (
            TASK,
            r#"{"ErrorMessage":"Task timed out after 3 seconds","JobRunState":"FAILED","Log"#,
            "",
        ),
        (TASK, r#"{"JobRunState":"STOPPED","LastMod"#, "person true"),
        (
            TASK,
            r#"the run: {"JobRunState":"TIMEOUT"}"#,
            "reason cancel",
        ),
        (
            "Glue.ConcurrentRunsExceededException",
            "Concurrent runs exceeded for j (Service: AWSGlue; Status Code: 400; Error Code: ConcurrentRunsExceededException; Request ID: r; Proxy: null)",
            "http 400",
        ),
        (
            TASK,
            r#"{"Step":{"Id":"s-1","Status":{"State":"CANCELLED","StateChangeReason":{}}}}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"Step":{"Id":"s-1","Status":{"FailureDetails":{"Reason":"Unknown Error."},"State":"FAILED"}}}"#,
            "",
        ),
        (
            TASK,
            r#"{"Step":{"Id":"s-1","Status":{"State":"CANCELLED","Stat"#,
            "person true",
        ),
        (
            TASK,
            r#"{"JobRun":{"ApplicationId":"a","State":"CANCELLED"}}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"Id":"1","State":"CANCELLED","VirtualClusterId":"v"}"#,
            "person true",
        ),
        (TASK, r#"{"State":"CANCELLED"}"#, ""),
        (
            TASK,
            r#"{"QueryExecution":{"Status":{"State":"CANCELLED"}}}"#,
            "person true",
        ),
        (
            TASK,
            r#"{"FailureReason":"CapacityError: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.","TrainingJobStatus":"Failed"}"#,
            "reason stack_error",
        ),
    ]);
}

#[test]
fn action_summary_is_read_in_either_wording() {
    for (provider, summary, expected) in [
        ("CodeBuild", "Build terminated with state: FAILED", ""),
        (
            "CodeBuild",
            "Build terminated with state: STOPPED",
            "person true",
        ),
        (
            "CodeBuild",
            "Build terminated with state: STOPPED. Phase: BUILD, Code: , Message: ",
            "person true",
        ),
        (
            "CodeBuild",
            "Build terminated with state: TIMED_OUT",
            "reason cancel",
        ),
        (
            "CodeBuild",
            "Build terminated with state: TIMED_OUT. Phase: BUILD, Code: BUILD_TIMED_OUT, Message: Build has timed out.",
            "reason cancel",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: echo 'exit status 9'.\nmake CannotPullContainerError. Reason: exit status 137",
            "exit 137",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: echo exit status 9. Reason: context canceled",
            "",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAILED. Phase: PROVISIONING, Code: BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE, Message: Unable to pull customer's container image. CannotPullContainerError: toomanyrequests",
            "reason process_run_error",
        ),
        (
            "CodeBuild",
            "Unable to pull customer's container image. ErrorCode: 404, Reason: no",
            "reason process_run_error",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAULT. Phase: PROVISIONING, Code: INTERNAL_SERVICE_ERROR, Message: x",
            "reason stack_error",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAILED. Phase: PROVISIONING, Code: CLIENT_ERROR, Message: Build container found dead before completing the build.",
            "",
        ),
        (
            "CodeBuild",
            "QUEUED: INSUFFICIENT_SUBNET",
            "reason stack_error",
        ),
        (
            "CodeBuild",
            "Build terminated with state: FAILED. Phase: DOWNLOAD_SOURCE, Code: Decrypted Variables Error, Message: AccessDenied\n\tstatus code: 400, request id: r",
            "http 400",
        ),
        (
            "CodeBuild",
            "Error calling startBuild: Cannot have more than 1 builds in queue for the account (Service: AWSCodeBuild; Status Code: 400; Error Code: AccountLimitExceededException; Request ID: r; Proxy: null)",
            "http 400",
        ),
        ("codebuild", "exit status 3", "exit 3"),
        (
            "Commands",
            "Action failed with status: FAILED. COMMAND_EXECUTION_ERROR: Error while executing command: make unit. Reason: exit status 1",
            "exit 1",
        ),
        (
            "Commands",
            "Action failed with status: STOPPED.",
            "person true",
        ),
        (
            "Commands",
            "Action failed with status: TIMED_OUT.",
            "reason cancel",
        ),
        ("CodeDeploy", "Deployment d-ABCDEF123 failed", ""),
        (
            "CloudFormation",
            "Failed to execute change set. Current stack status: UPDATE_ROLLBACK_COMPLETE. Reason: Rate exceeded (Service: Ec2, Status Code: 503, Request ID: r)",
            "http 503",
        ),
        (
            "S3",
            "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: r)",
            "http 403",
        ),
        // The summary of another provider's action is not a build's.
        ("Lambda", "Build terminated with state: STOPPED", ""),
        ("Lambda", "my own words, exit status 4", ""),
    ] {
        assert_eq!(
            of_action(provider, summary),
            expected,
            "{provider}: {summary}"
        );
    }
    let rejected = FailedAction {
        category: Field::Known("Approval".into()),
        summary: Field::Known("Build terminated with state: STOPPED (Status Code: 503)".into()),
        ..FailedAction::default()
    };
    assert_eq!(end(&Ended::action(&rejected)), "");
    let coded = FailedAction {
        error_code: Field::Known("BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE".into()),
        summary: Field::Absent,
        ..FailedAction::default()
    };
    assert_eq!(end(&Ended::action(&coded)), "reason process_run_error");
}

/// Returns a child's description with this status, error and cause.
fn child(status: &str, error: &str, cause: &str) -> String {
    format!(
        r#"{{"Cause":{},"Error":{},"ExecutionArn":"arn:aws:states:eu-west-1:111122223333:execution:c:n","Input":"{{\"StopCode\":\"UserInitiated\"}}","Status":"{status}"}}"#,
        quoted(cause),
        quoted(error)
    )
}

#[test]
fn child_has_the_end_in_its_cause_or_a_person() {
    let build = r#"{"Build":{"BuildStatus":"STOPPED"}}"#;
    assert_eq!(of(TASK, &child("FAILED", TASK, build)), "person true");
    assert_eq!(
        of(TASK, &child("ABORTED", "Mine", "Status Code: 503;")),
        "person true"
    );
    assert_eq!(of(TASK, &child("TIMED_OUT", "", "")), "reason cancel");
    assert_eq!(
        of(TASK, &child("FAILED", "States.Timeout", "")),
        "reason cancel"
    );
    assert_eq!(of(TASK, &child("FAILED", "ApiGateway.502", "")), "http 502");
    assert_eq!(of(TASK, &child("FAILED", "Mine", "x")), "");
    let mut nested = child("ABORTED", "", "");
    for depth in 1..30 {
        let ends = of(TASK, &nested);
        assert_eq!(
            ends,
            if depth <= 11 { "person true" } else { "" },
            "{depth}"
        );
        if nested.len() > 16_000 {
            break;
        }
        nested = child("FAILED", TASK, &nested);
    }
    // A child's cause fills the parent's, which is cut inside it. The rest is read.
    let task = r#"{"Containers":[{"ExitCode":8}],"StopCode":"EssentialContainerExited","Tags":["xxxxxxxxxxxxxxxxxx"]}"#;
    let whole = child("FAILED", TASK, task);
    let cut = whole.get(..whole.find("xxx").unwrap()).unwrap();
    assert_eq!(of(TASK, cut), "exit 8");
    // The description is escaped once more, alone and in a sentence.
    assert_eq!(of(TASK, &quoted(&whole)), "exit 8");
    assert_eq!(
        of(TASK, &format!("it failed: {}", quoted(&whole))),
        "exit 8"
    );
}

#[test]
fn what_the_interpreter_quotes_of_an_input_is_no_ending() {
    for error in [
        "States.Runtime",
        "States.QueryEvaluationError",
        "States.DataLimitExceeded",
    ] {
        let cause = r#"could not be found in the input '{"Error":"Lambda.Unknown","Cause":"Task timed out after 60.16 seconds (Service: S3, Status Code: 503, Request ID: r)"}'"#;
        assert_eq!(of(error, cause), "");
    }
}

#[test]
fn unread_cause_is_unknown_and_redacted_cause_is_redacted() {
    let ended = |error, cause| end(&Ended::execution(ExecutionStatus::Failed, error, cause));
    let (unknown, redacted) = (Field::Unknown, Field::Redacted);
    let all = |word: &str| {
        ["exit", "signal", "reason", "container", "http", "person"]
            .map(|name| format!("{name} {word}"))
            .join(", ")
    };
    assert_eq!(ended(unknown, unknown), all("unknown"));
    assert_eq!(ended(redacted, redacted), all("redacted"));
    assert_eq!(ended(redacted, unknown), all("unknown"));
    assert_eq!(
        ended(unknown, redacted),
        "exit unknown, signal redacted, reason unknown, container redacted, http unknown, person redacted"
    );
    assert_eq!(ended(Field::Known(TASK), redacted), all("redacted"));
    // The error's name decides alone.
    for (error, expected) in [
        ("States.Timeout", "reason cancel"),
        ("States.HeartbeatTimeout", "exit -1"),
        ("States.Http.StatusCode.503", "http 503"),
        ("ApiGateway.403", "http 403"),
        ("States.Runtime", ""),
    ] {
        for cause in [unknown, redacted, Field::Absent] {
            assert_eq!(
                ended(Field::Known(error), cause),
                expected,
                "{error} {cause:?}"
            );
        }
    }
    // A refused call started no job that a person could stop.
    for error in [
        "Lambda.ServiceException",
        "DynamoDB.ThrottlingException",
        "S3.SlowDown",
    ] {
        assert_eq!(
            ended(Field::Known(error), redacted),
            "exit redacted, signal redacted, reason redacted, container redacted, http redacted",
            "{error}"
        );
    }
    for error in ["Batch.X", "Glue.X", "Mine"] {
        assert_eq!(
            ended(Field::Known(error), redacted),
            all("redacted"),
            "{error}"
        );
    }
    // Values from the cause are known. Values that the unknown error could add are unknown.
    assert_eq!(
        ended(
            unknown,
            Field::Known(r#"{"Containers":[{"ExitCode":1}],"StopCode":"UserInitiated"}"#)
        ),
        "exit 1, reason unknown, http unknown, person true"
    );
    assert_eq!(ended(Field::Absent, Field::Absent), "");
    // A machine's own time-out depends on neither.
    for field in [unknown, redacted, Field::Absent] {
        assert_eq!(
            end(&Ended::execution(ExecutionStatus::TimedOut, field, field)),
            "reason cancel"
        );
    }
    let action = |provider: &str, summary: Field<String>| {
        end(&Ended::action(&FailedAction {
            provider: Field::Known(provider.into()),
            summary,
            ..FailedAction::default()
        }))
    };
    assert_eq!(action("CodeBuild", Field::Unknown), all("unknown"));
    assert_eq!(action("CodeBuild", Field::Absent), "");
    assert_eq!(
        action("S3", Field::Unknown),
        "exit unknown, signal unknown, reason unknown, container unknown, http unknown"
    );
}

#[test]
fn no_more_than_32_kib_is_read() {
    let far = |at: usize| format!("{} Status Code: 503; x", "x".repeat(at));
    assert_eq!(of("S3.X", &far(32 * 1024 - 30)), "http 503");
    assert_eq!(of("S3.X", &far(32 * 1024)), "");
    // The cut may fall inside a multi-byte character.
    let wide = format!("Status Code: 503; {}", "é".repeat(20 * 1024));
    assert_eq!(of("S3.X", &wide), "http 503");
    assert_eq!(of("S3.X", wide.get(1..).unwrap()), "");
}

#[test]
fn truncated_cause_is_read_up_to_its_end() {
    let task = r#"{"Containers":[{"ExitCode":1,"Reason":"é\u00e9\"\\ end"}],"StopCode":"UserInitiated","StoppedReason":"ü"}"#;
    let whole = child("FAILED", TASK, task);
    let mut ends = Vec::new();
    for (at, _) in whole.char_indices() {
        let end = of(TASK, whole.get(..at).unwrap());
        if ends.last() != Some(&end) {
            ends.push(end);
        }
    }
    assert_eq!(ends, ["", "exit 1", "exit 1, person true"]);
}

#[test]
fn failed_container_is_named_where_the_platform_names_it() {
    let task = r#"{"Containers":[{"Name":"proxy","ExitCode":0},{"ExitCode":2,"Name":"app"}]}"#;
    let parents = child("FAILED", TASK, &child("FAILED", TASK, task));
    check(&[
        (TASK, task, "exit 2, container app"),
        (TASK, &parents, "exit 2, container app"),
        (
            TASK,
            r#"{"Attempts":[{"TaskProperties":[{"Containers":[{"ExitCode":1,"Name":"old"}]}]},{"TaskProperties":[{"Containers":[{"Name":"log","ExitCode":0},{"Name":"app","ExitCode":9}]}]}]}"#,
            "exit 9, container app",
        ),
        (
            TASK,
            r#"{"EksAttempts":[{"Containers":[{"ExitCode":4,"Name":"app"}]}]}"#,
            "exit 4, container app",
        ),
        // A job with one container has no name for it.
        (
            TASK,
            r#"{"Container":{"ExitCode":1},"JobName":"load"}"#,
            "exit 1",
        ),
        // No container failed: all ended well, none started, or the host was lost.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":0,"Name":"app"}]}"#,
            "exit 0",
        ),
        (
            TASK,
            r#"{"Containers":[{"Name":"app","Reason":"CannotPullContainerError: x"}]}"#,
            "reason process_run_error",
        ),
        (
            TASK,
            r#"{"Attempts":[{"TaskProperties":[{"Containers":[{"ExitCode":1,"Name":"app"}]}],"StatusReason":"Host EC2 (instance i-1) terminated."}]}"#,
            "exit -1, reason agent_stop",
        ),
        // Windows has codes that are no exit status. A name that was cut is none, nor is an empty one.
        (
            TASK,
            r#"{"Containers":[{"ExitCode":256,"Name":"app"}]}"#,
            "container app",
        ),
        (TASK, r#"{"Containers":[{"ExitCode":1,"Name":"ap"#, "exit 1"),
        (
            TASK,
            r#"{"Containers":[{"ExitCode":1,"Name":""}]}"#,
            "exit 1",
        ),
    ]);
}

/// A deterministic generator of pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        // Marsaglia's xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % most.max(1)
    }
}

/// Asserts the properties of every cause.
fn holds(cause: &str) {
    for error in [TASK, "Lambda.Unknown", "Mine"] {
        let read = || {
            Ended::execution(
                ExecutionStatus::Failed,
                Field::Known(error),
                Field::Known(cause),
            )
        };
        let ended = read();
        assert_eq!(ended, read());
        for key in ConditionKey::of_texts() {
            let value = ended.values(cause).get(key);
            match (key.row().values, value) {
                (ValueKind::Number { min, max, .. }, Field::Known(ActualValue::Number(number))) => {
                    assert!((min..=max).contains(&number), "{key:?} {number}: {cause}");
                }
                (ValueKind::Number { .. }, Field::Known(_)) => panic!("{key:?} {value:?}"),
                _ => {}
            }
        }
        assert!(matches!(ended.by_person, Field::Known(_)), "{cause}");
    }
    for provider in ["CodeBuild", "S3"] {
        let action = FailedAction {
            provider: Field::Known(provider.into()),
            summary: Field::Known(cause.into()),
            ..FailedAction::default()
        };
        let ended = Ended::action(&action);
        assert!(matches!(ended.by_person, Field::Known(_)), "{cause}");
    }
}

#[test]
fn arbitrary_cause_is_read_without_panic() {
    let seeds = [
        r#"{"Containers":[{"ExitCode":137,"Reason":"OutOfMemoryError: Container killed"}],"StopCode":"SpotInterruption"}"#.to_string(),
        r#"{"Attempts":[{"Container":{"ExitCode":1.0},"StatusReason":"Host EC2 (instance i-1) terminated."}],"IsTerminated":true}"#.to_string(),
        r#"{"Build":{"BuildStatus":"FAILED","Phases":[{"Contexts":[{"Message":"Error while executing command: é. Reason: exit status 2"}]}]}}"#.to_string(),
        "Build terminated with state: FAILED. Phase: BUILD, Code: X, Message: Error while executing command: é. Reason: exit status 2".to_string(),
        "é (Service: S3, Status Code: 503, Request ID: r) {\"errorMessage\":\"Task timed out after 3\"}".to_string(),
        "Runtime exited with error: signal: killed".to_string(),
        child("FAILED", TASK, &child("ABORTED", "\u{1f600}", r"\u00e9")),
    ];
    let scraps = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\\"",
        ":",
        ",",
        "é",
        "\u{1f600}",
        "\\u12",
        "\\ud83d",
        "Status Code: ",
        "exit status ",
        "{\\\"",
        "-1",
        "1e9",
        "\"ExitCode\":",
        "\"Cause\":\"",
        "\0",
        "ABORTED",
        "999999999999999999999",
    ];
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let mut cause: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=draw.below(6) {
            let at = draw.below(cause.len() + 1);
            match draw.below(4) {
                0 => cause.truncate(at),
                1 if at < cause.len() => drop(cause.remove(at)),
                2 => {
                    let from = draw.below(cause.len() + 1).min(at);
                    let piece: Vec<char> = cause[from..at].to_vec();
                    cause.splice(at..at, piece);
                }
                _ => {
                    cause.splice(at..at, scraps[draw.below(scraps.len())].chars());
                }
            }
        }
        holds(&cause.into_iter().collect::<String>());
    }
}

#[test]
fn hostile_cause_is_read_without_panic() {
    let mut nested = String::new();
    for depth in 0..100 {
        // Escapes double at each level. Step Functions cuts them beyond 32 KiB.
        nested = format!("{{\"Cause\":{}", quoted(&nested));
        nested = nested
            .get(..nested.floor_char_boundary(40_000))
            .unwrap()
            .into();
        if depth == 10 || depth == 99 {
            holds(&nested);
        }
    }
    for piece in [
        "{",
        "}",
        "[",
        "[[{",
        "\\",
        "\"",
        "{\"",
        "{\"a\":",
        "{\\\"",
        "\\\"{",
        "Status Code: ",
        "status code: 500",
        "exit status ",
        "Error while executing command:",
        "{\"Cause\":\"",
        "{\\\"Cause\\\":\\\"",
        "\\u",
        "\\ud83d",
        "Task timed out after ",
        "Runtime exited with error: ",
        "Host EC2 ",
        "{\"Phases\":[{\"Contexts\":[",
        "{\"Containers\":[{\"ExitCode\":1},",
        "é",
        "{\"Attempts\":[{},",
        "\n",
    ] {
        holds(&piece.repeat(32 * 1024 / piece.len()));
        holds(&piece.repeat(64 * 1024 / piece.len() + 7));
    }
}
