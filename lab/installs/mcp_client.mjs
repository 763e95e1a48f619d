// An MCP client that nobody here wrote, driven through what its SDK offers. Usage: node client.mjs URL TOKEN SCENARIO
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";

const [url, token, scenario] = process.argv.slice(2);
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const client = new Client({ name: "independent", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const echo = { name: "echo", arguments: { text: "hi" } };

const scenarios = {
  async plain() {
    const { tools } = await client.listTools();
    return { server: client.getServerVersion(), tools: tools.map((tool) => tool.name), call: await client.callTool(echo) };
  },
  async progress() {
    const heard = [];
    const call = await client.callTool(echo, undefined, { onprogress: (one) => heard.push(one), timeout: 60000 });
    return { heard, call };
  },
  async task() {
    const seen = [];
    for await (const message of client.experimental.tasks.callToolStream(echo, CallToolResultSchema, { task: { ttl: 60000 } }))
      seen.push(message);
    const taskId = seen[0].task.taskId;
    const again = await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema);
    const { tasks } = await client.experimental.tasks.listTasks();
    return { seen, again, task: await client.experimental.tasks.getTask(taskId), tasks };
  },
  async cancel() {
    const stream = client.experimental.tasks.callToolStream(echo, CallToolResultSchema, { task: {} });
    const { value } = await stream.next();
    await client.experimental.tasks.cancelTask(value.task.taskId);
    return { task: await client.experimental.tasks.getTask(value.task.taskId) };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
await client.close();
