"use strict";

// Everything shown is set as text, never as markup: answers hold what citizens wrote.
const byId = (id) => document.getElementById(id);
const make = (name, text) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  return element;
};

// Descriptions mark code as Markdown does.
const plain = (text) => text.replaceAll("`", "");

let description;

const resolve = (part) =>
  part && part.$ref ? part.$ref.slice(2).split("/").reduce((value, key) => value[key], description) : part;

function operations() {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
}

function chosen() {
  return operations()[Number(byId("operation").value)];
}

function field(place, name, schema, text, required) {
  const row = make("p");
  const label = make("label", name + (required ? " *" : ""));
  const id = `field-${place}-${name}`;
  label.htmlFor = id;
  if (text) label.append(" ", make("small", plain(text)));
  let input;
  if (schema && schema.enum) {
    input = make("select");
    if (!required) input.append(make("option"));
    for (const value of schema.enum) input.append(make("option", value));
  } else {
    input = make(name === "description" ? "textarea" : "input");
  }
  input.id = id;
  input.dataset.place = place;
  input.dataset.name = name;
  input.required = Boolean(required);
  input.addEventListener("input", preview);
  row.append(label, input);
  byId("fields").append(row);
}

function showOperation() {
  const { operation } = chosen();
  byId("about").textContent = plain(operation.description || "");
  byId("fields").replaceChildren();
  for (const parameter of (operation.parameters || []).map(resolve)) {
    if (parameter.name === "callback") continue;
    field(parameter.in, parameter.name, resolve(parameter.schema), parameter.description, parameter.required);
  }
  const body = operation.requestBody && Object.values(operation.requestBody.content)[0];
  if (body) {
    const schema = resolve(body.schema);
    for (const [name, property] of Object.entries(schema.properties)) {
      if (property.format === "binary" || property.type === "array" || property.type === "object") continue;
      field("body", name, property, property.description, (schema.required || []).includes(name));
    }
    const row = make("p");
    const label = make("label", "Further fields ");
    label.htmlFor = "further";
    label.append(make("small", "one a line, as in attribute[depth]=12"));
    const area = make("textarea");
    area.id = "further";
    area.addEventListener("input", preview);
    row.append(label, area);
    byId("fields").append(row);
  }
  preview();
}

function request() {
  const { path, method, operation } = chosen();
  let target = path;
  const query = new URLSearchParams();
  const body = new URLSearchParams();
  const headers = {};
  for (const input of byId("fields").querySelectorAll("[data-name]")) {
    const { place, name } = input.dataset;
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(input.value));
    if (!input.value) continue;
    if (place === "query") query.append(name, input.value);
    if (place === "header") headers[name] = input.value;
    if (place === "body") body.append(name, input.value);
  }
  const further = byId("further");
  for (const line of further ? further.value.split("\n") : []) {
    const equals = line.indexOf("=");
    if (equals > 0) body.append(line.slice(0, equals), line.slice(equals + 1));
  }
  const text = query.toString();
  return {
    url: byId("endpoint").value + target + (text ? `?${text}` : ""),
    method, headers, body: operation.requestBody ? body : undefined,
  };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function preview() {
  const { url, method, headers, body } = request();
  const words = ["curl", "-i"];
  if (method !== "GET" && !body) words.push("-X", method);
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  for (const [name, value] of body || []) words.push("--data-urlencode", quoted(`${name}=${value}`));
  words.push(quoted(new URL(url, location.href).href));
  byId("command").textContent = words.join(" ");
}

async function send(event) {
  event.preventDefault();
  const { url, method, headers, body } = request();
  byId("status").textContent = "…";
  try {
    const answer = await fetch(url, { method, headers, body, credentials: "omit", cache: "no-store" });
    const text = await answer.text();
    byId("status").textContent = `${answer.status} ${answer.statusText}`;
    byId("headers").textContent = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const isJSON = (answer.headers.get("Content-Type") || "").startsWith("application/json");
    byId("answer").textContent = isJSON && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch (error) {
    byId("status").textContent = `No answer: ${error.message}`;
  }
}

async function start() {
  const [document, discovery] = await Promise.all(
    ["/openapi.json", "/discovery.json"].map((path) => fetch(path).then((answer) => answer.json())));
  description = document;
  const bases = discovery.endpoints.map((endpoint) => ({ url: endpoint.url, type: endpoint.type }));
  // Tests first; a page may call its own host only, so the host of the published address is left out.
  bases.sort((left, right) => right.type.localeCompare(left.type));
  for (const { url, type } of bases) {
    const option = make("option", `${type}: ${url}`);
    option.value = new URL(url).pathname;
    byId("endpoint").append(option);
  }
  operations().forEach(({ path, method, operation }, index) => {
    const option = make("option", `${method} ${path}: ${operation.summary}`);
    option.value = String(index);
    byId("operation").append(option);
  });
  byId("operation").addEventListener("change", showOperation);
  byId("endpoint").addEventListener("change", preview);
  byId("call").addEventListener("submit", send);
  showOperation();
}

start();
