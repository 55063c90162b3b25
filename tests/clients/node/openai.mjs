// OpenAI's SDK for Node.js over one model: `node openai.mjs URL MODEL ASKED`. ASKED is JSON (what the clients of the
// matrix ask); prints one JSON object, what each feature gave. A feature that throws gives {"error": ...}.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, model, asked] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);

const said = JSON.parse(asked);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 20000 });
const user = (content) => [{ role: "user", content }];
const tools = said.tools.map(([name, description, parameters]) => ({
  type: "function",
  function: { name, description, parameters },
}));
const chat = (text, members = {}) => client.chat.completions.create({ model, messages: user(text), ...members });
const results = (message) => message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: said.sunny }));
const goOn = async (text, message) => {
  const history = [...user(text), { role: "assistant", content: null, tool_calls: message.tool_calls }, ...results(message)];
  const reply = await client.chat.completions.create({ model, messages: history, tools });
  return { calls: message.tool_calls.map((call) => [call.function.name, call.function.arguments]), text: reply.choices[0].message.content };
};

const features = {
  text: async () => {
    const reply = await chat(said.hello);
    return { text: reply.choices[0].message.content, finish: reply.choices[0].finish_reason };
  },
  stream: async () => {
    const texts = [];
    let finish = null;
    for await (const chunk of await chat(said.hello, { stream: true })) {
      texts.push(chunk.choices[0]?.delta?.content ?? "");
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    return { text: texts.join(""), pieces: texts.filter(Boolean).length, finish };
  },
  tools: async () => goOn(said.weather, (await chat(said.weather, { tools })).choices[0].message),
  "tools-stream": async () => {
    const stream = client.chat.completions.stream({ model, messages: user(said.weather), tools });
    return goOn(said.weather, (await stream.finalChatCompletion()).choices[0].message);
  },
  parallel: async () => goOn(said.both, (await chat(said.both, { tools })).choices[0].message),
  schema: async () => {
    const form = { type: "json_schema", json_schema: { name: "lamp", strict: true, schema: said.lamp_schema } };
    const reply = await chat(said.lamp, { response_format: form });
    return { lamp: JSON.parse(reply.choices[0].message.content) };
  },
  limit: async () => {
    const reply = await chat(said.long, { max_tokens: said.limit });
    return { finish: reply.choices[0].finish_reason, tokens: reply.usage.completion_tokens };
  },
  error: async () => {
    try {
      return await client.chat.completions.create({ model: `${model}-none`, messages: user(said.hello) });
    } catch (error) {
      return { kind: error.constructor.name, status: error.status, code: error.code };
    }
  },
  broken: async () => {
    try {
      for await (const _ of await client.chat.completions.create({ model: `${model}-cut`, messages: user(said.hello), stream: true }));
      return { kind: "none" };
    } catch (error) {
      return { kind: error.constructor.name, code: error.code };
    }
  },
};

const found = {};
for (const [name, run] of Object.entries(features)) {
  try {
    found[name] = await run();
  } catch (error) {
    found[name] = { error: `${error.constructor.name}: ${error.message}` };
  }
}
console.log(JSON.stringify(found));
