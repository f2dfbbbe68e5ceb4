// The loop of a Lambda function in Node, and no more: Lambda's own has to be compiled, and is not lighter.
import http from "node:http";
import { handler } from "./function.mjs";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const ask = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body ? { "content-length": Buffer.byteLength(body) } : {};
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/invocation/${path}`, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve([answer.headers["lambda-runtime-aws-request-id"], Buffer.concat(parts)]));
    });
    request.on("error", reject);
    request.end(body);
  });

for (;;) {
  const [id, body] = await ask("GET", "next");
  try {
    await ask("POST", `${id}/response`, JSON.stringify(await handler(JSON.parse(body))));
  } catch (error) {
    await ask("POST", `${id}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
  }
}
