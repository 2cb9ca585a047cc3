// Draws the description of the API. Everything that comes from it is put in as text, never as markup.
"use strict";

const place = (id) => document.getElementById(id);

/** An element with a class, attributes and what is in it: texts and other elements. */
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside.filter((one) => one !== null && one !== undefined));
  return element;
}

/** A text in which what stands between backticks is code. */
function prose(text, codeLink = null) {
  return (text ?? "").split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = make("code", {}, part);
    return codeLink ? make("a", { href: codeLink(part) }, code) : code;
  });
}

const problemLink = (code) => `/problems/${encodeURIComponent(code)}`;
const schemaName = (reference) => reference.slice(reference.lastIndexOf("/") + 1);

/** What a schema allows, in a few words; other schemas are linked. */
function kind(schema) {
  if (!schema) return ["anything"];
  if (schema.$ref) {
    const name = schemaName(schema.$ref);
    return [make("a", { href: `#schema-${name}` }, name)];
  }
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.flatMap((one, index) => (index ? [" or ", ...kind(one)] : kind(one)));
  if (schema.enum) {
    return schema.enum.flatMap((word, index) => [index ? ", " : "", make("code", {}, String(word))]);
  }
  const types = [schema.type ?? "anything"].flat();
  const words = [];
  types.forEach((type, index) => {
    if (index) words.push(" or ");
    if (type === "array") words.push("list of ", ...kind(schema.items));
    else if (type === "object" && typeof schema.additionalProperties === "object") {
      words.push("object of ", ...kind(schema.additionalProperties));
    } else words.push(type === "null" ? "null" : (type === "string" ? "text" : type));
  });
  if (schema.format) words.push(` (${schema.format})`);
  return words.concat(bounds(schema));
}

/** The bounds of a schema. */
function bounds(schema) {
  const words = [];
  const range = (low, high, unit) => {
    if (low !== undefined && high !== undefined) words.push(`, ${low} to ${high}${unit}`);
    else if (low !== undefined) words.push(`, from ${low}${unit}`);
    else if (high !== undefined) words.push(`, up to ${high}${unit}`);
  };
  range(schema.minimum, schema.maximum, "");
  if (schema.exclusiveMaximum !== undefined) words.push(`, below ${schema.exclusiveMaximum}`);
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " entries");
  if (schema.pattern) words.push(", ", make("code", {}, schema.pattern));
  return words;
}

function table(heads, rows) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat()))));
  // What is wider than the page is scrolled, also with the keyboard.
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

const needed = (is) => (is ? make("span", { class: "needed" }, " needed") : "");

/** What a field means: said beside it, or beside the schema that it names. */
const meaningOf = (said) => prose(said.description ?? said.oneOf?.find((one) => one.description)?.description);

/** The fields of an object, or what a schema allows when it is none. */
function fields(schema) {
  const parts = [];
  if (schema.description) parts.push(make("p", {}, ...prose(schema.description)));
  const properties = Object.entries(schema.properties ?? {});
  if (!properties.length) return [...parts, make("p", {}, ...kind(schema))];
  const required = new Set(schema.required ?? []);
  return [...parts, table(["field", "what it holds", "meaning"], properties.map(([name, said]) => [
    [make("code", {}, name), needed(required.has(name))], kind(said), meaningOf(said),
  ]))];
}

function parametersOf(operation) {
  const rows = (operation.parameters ?? []).map((one) => [
    [make("code", {}, one.name), needed(one.required)], one.in, kind(one.schema), prose(one.description),
  ]);
  return rows.length ? [make("h3", {}, "Parameters"), table(["name", "in", "what it holds", "meaning"], rows)] : [];
}

function bodyOf(operation, description) {
  return Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) => {
    const named = schema.$ref ? description.components.schemas[schemaName(schema.$ref)] : schema;
    const title = make("h3", {}, "Body ", make("code", {}, type), needed(operation.requestBody.required));
    return [title, make("p", {}, ...kind(schema)), ...fields(named)];
  });
}

function answersOf(operation, description) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const shared = answer.$ref ? description.components.responses[schemaName(answer.$ref)] : answer;
    const contents = Object.entries(shared.content ?? {}).flatMap(([type, { schema }]) => [
      ...kind(schema), " ", make("span", { class: "faint" }, type),
    ]);
    const headers = Object.keys(shared.headers ?? {}).flatMap((name) => [" ", make("code", {}, name)]);
    const meaning = prose(shared.description, answer.$ref ? problemLink : null);
    return [make("code", {}, status), meaning, contents, headers];
  });
  return [make("h3", {}, "Answers and problems"), table(["status", "meaning", "body", "headers"], rows)];
}

function nextOf(operation) {
  const names = new Set(Object.values(operation.responses).flatMap((answer) => Object.keys(answer.links ?? {})));
  if (!names.size) return [];
  const links = [...names].flatMap((name) => [make("a", { href: `#${name}` }, name), " "]);
  return [make("h3", {}, "What can follow"), make("p", {}, ...links)];
}

/** One operation, folded. It is drawn in full, so that a search in the page finds it. */
function drawOperation(method, path, operation, description) {
  const summary = make("summary", {},
    make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", {}, path),
    make("span", { class: "meaning" }, ...prose(operation.summary)));
  return make("details", { id: operation.operationId, class: "operation" }, summary, make("div", {},
    operation.description && operation.description !== operation.summary
      ? make("p", {}, ...prose(operation.description)) : null,
    make("p", { class: "faint" }, "operationId ", make("code", {}, operation.operationId)),
    ...parametersOf(operation), ...bodyOf(operation, description),
    ...answersOf(operation, description), ...nextOf(operation)));
}

function draw(description) {
  place("version").textContent = description.info.version;
  place("about").replaceChildren(...prose(description.info.description));
  for (const { name, description: meaning } of description.tags) {
    const section = make("section", { id: `tag-${name}`, "aria-labelledby": `title-${name}` },
      make("h2", { id: `title-${name}` }, name), make("p", {}, ...prose(meaning)));
    for (const [path, methods] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags?.[0] === name) section.append(drawOperation(method, path, operation, description));
      }
    }
    place("operations").append(section);
    place("tags").append(make("li", {}, make("a", { href: `#tag-${name}` }, name)));
  }
  for (const [name, schema] of Object.entries(description.components.schemas)) {
    place("schemas").append(make("details", { id: `schema-${name}` },
      make("summary", {}, make("code", {}, name)), make("div", {}, ...fields(schema))));
  }
  const problems = Object.entries(description.components.responses).map(([name, { description: meaning }]) => [
    make("code", {}, name.replace(/\D/g, "")), prose(meaning, problemLink),
  ]);
  place("problems").append(table(["status", "problems"], problems));
  for (const name of ["problems", "schemas"]) {
    place("tags").append(make("li", {}, make("a", { href: `#${name}` }, name)));
  }
  place("contents").hidden = false;
  place("problems").hidden = false;
  place("schemas").hidden = false;
}

/** Shows the operations in which every word stands. */
function filter() {
  const words = place("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const operation of document.querySelectorAll(".operation")) {
    const text = operation.textContent.toLowerCase();
    operation.hidden = !words.every((word) => text.includes(word));
    shown += operation.hidden ? 0 : 1;
  }
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = !section.querySelector(".operation:not([hidden])");
  }
  place("state").textContent = words.length ? `${shown} operations` : "";
}

/** Opens what the address names. */
function openNamed() {
  const named = place(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
  .then((description) => {
    draw(description);
    place("filter").addEventListener("input", filter);
    addEventListener("hashchange", openNamed);
    openNamed();
  })
  .catch((error) => {
    place("state").textContent = `The description could not be shown (${error.message}). Read /openapi.json itself.`;
  });
