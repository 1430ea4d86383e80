// Lets server-everything use its client, the TypeScript one: prints what its tools made of the answers.
//
// Usage: everything_client.cjs URL PREFIX

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const types = require("@modelcontextprotocol/sdk/types.js");

const PATIENCE = 40_000;

async function main(url, prefix) {
  // All that it looks at: the gateway shows what a server offers to a client that can do everything.
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
  const client = new Client({ name: "test", version: "1.0.0" }, { capabilities });
  client.setRequestHandler(types.CreateMessageRequestSchema, (request) => {
    const text = `answer to ${request.params.messages[0].content.text}`;
    return { role: "assistant", model: "test", content: { type: "text", text } };
  });
  client.setRequestHandler(types.ElicitRequestSchema, () => ({
    action: "accept",
    content: { name: "Test", check: true },
  }));
  client.setRequestHandler(types.ListRootsRequestSchema, () => ({
    roots: [{ uri: "file:///test", name: "test" }],
  }));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));

  const call = async (name, args = {}, options = undefined) =>
    (await client.callTool({ name: `${prefix}${name}`, arguments: args }, undefined, options)).content;
  /** Runs a tool as a task; what became of it, without ids and times. */
  const runTask = async (name, args) => {
    const events = client.experimental.tasks.callToolStream(
      { name: `${prefix}${name}`, arguments: args },
      undefined,
      { task: { ttl: 60_000 } },
    );
    const statuses = new Set();
    for await (const event of events) {
      if (event.type === "result") return { statuses: [...statuses], content: event.result.content };
      if (event.type === "error") throw event.error;
      statuses.add(event.task.status);
    }
  };
  /** Starts a task and cancels it. */
  const cancelTask = async (name, args) => {
    const params = { name: `${prefix}${name}`, arguments: args, task: { ttl: 60_000 } };
    const { task } = await client.request({ method: "tools/call", params }, types.CreateTaskResultSchema);
    const listed = await client.experimental.tasks.listTasks();
    const isListed = listed.tasks.some(({ taskId }) => taskId === task.taskId);
    const cancelled = await client.experimental.tasks.cancelTask(task.taskId);
    const after = await client.experimental.tasks.getTask(task.taskId);
    return { began: task.status, isListed, cancelled: cancelled.status, after: after.status };
  };
  const progress = [];
  const { tools } = await client.listTools();
  const seen = {
    tools: tools.map((tool) => tool.name.slice(prefix.length)).sort(),
    operation: await call("trigger-long-running-operation", { duration: 1, steps: 4 }, {
      onprogress: ({ progress: done, total }) => void progress.push([done, total]),
    }),
    progress,
    sampled: await call("trigger-sampling-request", { prompt: "a question", maxTokens: 10 }),
    elicited: await call("trigger-elicitation-request"),
    roots: await call("get-roots-list"),
    task: await runTask("simulate-research-query", { topic: "gateways", ambiguous: true }),
    cancelledTask: await cancelTask("simulate-research-query", { topic: "gateways" }),
  };
  await client.close();
  console.log(JSON.stringify(seen));
}

const tooLong = setTimeout(() => {
  console.error("waited in vain");
  process.exit(1);
}, PATIENCE);
main(...process.argv.slice(2)).then(() => clearTimeout(tooLong));
