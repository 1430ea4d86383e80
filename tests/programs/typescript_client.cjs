// Drives a TypeScript MCP client: prints what it lists, calls, gets and reads, and what it is told
// and asked meanwhile, as JSON.
//
// Usage: typescript_client.cjs VERSION URL PREFIX [alone], where VERSION is `v1` or `v2`. A server that
// is alone in its process learns of an update only from the session that caused it, so none is waited for.

const PATIENCE = 30_000;

/** The same few functions, whichever version they come from. */
const SDKS = {
  v1: () => {
    const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
    const types = require("@modelcontextprotocol/sdk/types.js");
    const schemas = {
      "sampling/createMessage": types.CreateMessageRequestSchema,
      "elicitation/create": types.ElicitRequestSchema,
      "roots/list": types.ListRootsRequestSchema,
      "notifications/message": types.LoggingMessageNotificationSchema,
      "notifications/resources/updated": types.ResourceUpdatedNotificationSchema,
    };
    return {
      Client,
      transports: { current: StreamableHTTPClientTransport, old: SSEClientTransport },
      answer: (client, method, handler) => client.setRequestHandler(schemas[method], handler),
      hear: (client, method, handler) => client.setNotificationHandler(schemas[method], handler),
      call: (client, params, options) => client.callTool(params, undefined, options),
    };
  },
  v2: () => {
    const { Client, StreamableHTTPClientTransport, SSEClientTransport } = require("@modelcontextprotocol/client");
    return {
      Client,
      transports: { current: StreamableHTTPClientTransport, old: SSEClientTransport },
      answer: (client, method, handler) => client.setRequestHandler(method, handler),
      hear: (client, method, handler) => client.setNotificationHandler(method, handler),
      call: (client, params, options) => client.callTool(params, options),
    };
  },
};

async function main(version, url, prefix, alone) {
  const sdk = SDKS[version]();
  const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } };
  const client = new sdk.Client({ name: `test-${version}`, version: "1.0.0" }, { capabilities });
  const logs = [];
  let tellOfUpdate;
  const updated = new Promise((resolve) => (tellOfUpdate = resolve));
  sdk.answer(client, "sampling/createMessage", (request) => {
    const prompt = request.params.messages[0].content.text;
    return { role: "assistant", model: "test", content: { type: "text", text: `answer to ${prompt}` } };
  });
  sdk.answer(client, "elicitation/create", (request) => {
    return { action: "accept", content: { username: request.params.message, email: "a@example.com" } };
  });
  sdk.answer(client, "roots/list", () => ({ roots: [{ uri: "file:///test", name: "test" }] }));
  sdk.hear(client, "notifications/message", (message) => void logs.push(message.params.data));
  sdk.hear(client, "notifications/resources/updated", (message) => tellOfUpdate(message.params.uri));
  const Transport = url.endsWith("/sse") ? sdk.transports.old : sdk.transports.current;
  await client.connect(new Transport(new URL(url)));

  const text = (result) => result.content[0].text;
  const call = (name, args = {}, options = undefined) =>
    sdk.call(client, { name: `${prefix}${name}`, arguments: args }, options);
  const { tools } = await client.listTools();
  const { prompts } = await client.listPrompts();
  const { resources } = await client.listResources();
  const uriOf = (name) => resources.find((resource) => resource.name === name).uri;
  const prompt = await client.getPrompt({
    name: `${prefix}test_prompt_with_arguments`,
    arguments: { arg1: "one", arg2: "two" },
  });
  const read = await client.readResource({ uri: uriOf("static text") });
  const called = text(await call("test_simple_text"));

  const progress = [];
  await call("test_tool_with_progress", {}, {
    onprogress: ({ progress: done, total }) => void progress.push([done, total]),
  });
  await client.setLoggingLevel("info");
  await call("test_tool_with_logging");
  const sampled = text(await call("test_sampling", { prompt: "a question" }));
  const elicited = text(await call("test_elicitation", { message: "who" }));
  const roots = text(await call("test_list_roots"));
  const watched = uriOf("watched resource");
  await client.subscribeResource({ uri: watched });
  await call("test_update_watched_resource");
  const seen = {
    tools: tools.map((tool) => tool.name),
    called,
    prompts: prompts.map((prompt) => prompt.name),
    prompt: prompt.messages[0].content.text,
    resources: resources.map((resource) => resource.uri),
    read: [read.contents[0].uri, read.contents[0].text],
    progress,
    logs,
    sampled,
    elicited,
    roots,
    updated: [watched, alone ? watched : await updated],
  };
  await client.close();
  console.log(JSON.stringify(seen));
}

const tooLong = setTimeout(() => {
  console.error("waited in vain");
  process.exit(1);
}, PATIENCE);
main(...process.argv.slice(2)).then(() => clearTimeout(tooLong));
