"""Prints functions/policy-tools/src/lint/names.txt: the names of errors that AWS services have.

A line is a service: what stands before the dot in the names of its errors, a colon, and what stands behind the dot.

    python tests/errors/generate.py > functions/policy-tools/src/lint/names.txt

The names are those of botocore's service models (Apache-2.0; names only), in each form in which an execution may
carry them: as the model has them, which is how the optimised integrations and functions name them, and as the AWS
SDK for Java 2 calls its classes, which is how the aws-sdk integrations do.
"""

import re
import sys

import botocore
import botocore.session

# What the optimised integrations call a service, by what the models call it: as the Step Functions guide and captured
# executions write it.
OPTIMISED = {
    "API Gateway": ["ApiGateway"],
    "Batch": ["Batch"],
    "DataBrew": ["DataBrew", "GlueDataBrew"],
    "ECS": ["ECS", "AmazonECS"],
    "EMR": ["EMR", "ElasticMapReduce"],
    "EMR containers": ["EMRContainers"],
    "EventBridge": ["EventBridge", "Events"],
    "SFN": ["StepFunctions"],
}
# Names that no model has: what a function's environment ends it with, and what SDKs and every service may answer.
UNMODELLED = {
    "Extension Function Runtime Sandbox": """
        Crash ExitError HandlerNotFound ImportModuleError InvalidEntrypoint InvalidTaskType InvalidWorkingDir
        MalformedHandlerName NodeJsExit OutOfMemory OutOfMemoryError ResponseSizeTooLarge Timedout TimedOut
        UnhandledPromiseRejection Unknown UserCodeSyntaxError
    """,
    "*": """
        AWSLambdaException AbortedException AccessDenied AccessDeniedException ApiCallAttemptTimeoutException
        ApiCallTimeoutException ClientError ClientExecutionTimeoutException ExpiredToken ExpiredTokenException
        FailedEntry IncompleteSignature IncompleteSignatureException InternalError InternalFailure InvalidAction
        InvalidClientTokenId MissingAuthenticationToken MissingAuthenticationTokenException NotAuthorized OptInRequired
        OutOfMemoryError RequestExpired RequestTimeTooSkewed SdkClientException ServerException ServiceUnavailable
        ServiceUnavailableException SlowDown Throttling ThrottlingException UnauthorizedOperation Unknown
        UnrecognizedClientException ValidationError ValidationException
    """,
}


def words(name):
    """As the code generator of the SDK for Java 2 splits names."""
    name = re.sub(r"[^A-Za-z0-9]+", " ", name)
    name = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", name)
    name = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name)
    name = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", name)
    return name.split()


def pascal(name):
    return "".join(word.capitalize() for word in words(name))


def service_names(metadata):
    """What may stand before the dot."""
    service = metadata["serviceId"]
    for name in {service, re.sub(r"^(Amazon|AWS)\s*|\s*Service$", "", service)}:
        yield re.sub(r"[^A-Za-z0-9]", "", name)
        yield pascal(name)


def error_names(shape_name, shape):
    """What may stand behind it."""
    code = shape.get("error", {}).get("code", shape_name)
    for name in {shape_name, code}:
        # Query protocols have codes with dots: only what stands behind the last one is asked for.
        name = name.rsplit(".", 1)[-1]
        if not re.fullmatch(r"\w+", name):
            continue
        yield name
        yield pascal(name.removesuffix("Fault").removesuffix("Exception")) + "Exception"


def line(services, errors):
    return f"{' '.join(sorted(services))}: {' '.join(sorted(errors))}".rstrip()


def text():
    loader = botocore.session.get_session().get_component("data_loader")
    lines = [line(services.split(), set(errors.split())) for services, errors in UNMODELLED.items()]
    for service in loader.list_available_services("service-2"):
        model = loader.load_service_model(service, "service-2")
        services = {*service_names(model["metadata"]), *OPTIMISED.get(model["metadata"]["serviceId"], [])}
        errors = set()
        for shape_name, shape in model["shapes"].items():
            if shape.get("exception"):
                errors.update(error_names(shape_name, shape))
        lines.append(line(services, errors))
    models = f"the service models of botocore {botocore.__version__} (Apache-2.0)"
    head = f"# Printed by tests/errors/generate.py from {models}."
    return "\n".join([head, *sorted(lines)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
