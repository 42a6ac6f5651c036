// A form that sends a real request, and shows what came back.

import { element, pretty, written } from "./elements.js";
import { curlOf, requestOf, textualBody } from "./request.js";

const MAX_SHOWN = 200000;

export function tryIt({ verb, path, said }, parameters, schemas) {
  const inputs = parameters.map((one) => [one, parameterInput(one, schemas)]);
  const body = said.requestBody ? bodyForm(said.requestBody, schemas) : null;
  const answer = element("output", { className: "result", ariaLive: "polite" });
  const form = element("form", { className: "try" },
    element("h3", {}, "Try it"),
    ...inputs.map(([one, input]) => element("label", {}, `${one.name} (${one.in})`, input)),
    body?.view,
    element("button", { type: "submit" }, "Send"),
    answer,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = inputs.map(([one, input]) => ({ ...one, value: input.value }));
    const asked = requestOf(verb, path, given, body?.value());
    await send(asked, form.querySelector("button"), answer);
  });
  return form;
}

function parameterInput(one, schemas) {
  const choices = schemas.resolved(one.schema).enum;
  const example = one.example ?? "";
  const value = typeof example === "string" ? example : JSON.stringify(example);
  const required = Boolean(one.required);
  if (!choices) return element("input", { name: one.name, value, required });
  const options = ["", ...choices].map((choice) => element("option", {}, choice));
  const select = element("select", { name: one.name, required }, ...options);
  select.value = value;
  return select;
}

// The body's media type, an example to begin with, and the text or the files.
function bodyForm(requestBody, schemas) {
  const types = Object.keys(requestBody.content);
  const type = element("select", { ariaLabel: "Media type" }, ...types.map((one) => element("option", {}, one)));
  const place = element("div");
  let part;
  const show = () => {
    part = bodyPart(type.value, requestBody.content[type.value], schemas);
    place.replaceChildren(part.view);
  };
  type.addEventListener("change", show);
  show();
  const view = element("div", {}, element("label", {}, "Media type", type), place);
  return { view, value: () => ({ type: type.value, content: part.content() }) };
}

function bodyPart(type, media, schemas) {
  if (type === "multipart/form-data") return formPart(media, schemas);
  if (textualBody(type)) return textPart(type, media, schemas);
  const file = element("input", { type: "file" });
  return { view: element("label", {}, "File", file), content: () => file.files[0] };
}

function textPart(type, media, schemas) {
  const named = Object.values(media.examples ?? {}).map((one) => one.value);
  const examples = named.length ? named : [schemas.sample(media.schema)];
  const texts = examples.map((one) => writtenAs(type, one));
  const text = element("textarea", { rows: 10, spellcheck: false, value: texts[0], ariaLabel: "Body" });
  const select = element("select", { ariaLabel: "Example" },
    ...texts.map((_, index) => element("option", { value: index }, `Example ${index + 1}`)));
  select.addEventListener("change", () => { text.value = texts[select.value]; });
  const view = element("div", {}, texts.length > 1 ? select : null, text);
  return { view, content: () => text.value };
}

function writtenAs(type, value) {
  if (!type.includes("ndjson")) return written(value);
  return [value].flat().map((line) => JSON.stringify(line)).join("\n") + "\n";
}

function formPart(media, schemas) {
  const properties = Object.entries(schemas.resolved(media.schema).properties ?? {});
  const inputs = properties.map(([name, part]) => {
    const whole = schemas.resolved(part);
    const inner = schemas.resolved(whole.items ?? whole);
    const isFile = Boolean(inner.contentMediaType);
    const multiple = whole.type === "array";
    return [name, element("input", isFile ? { type: "file", multiple } : { name }), isFile, multiple];
  });
  const view = element("div", {}, ...inputs.map(([name, input]) => element("label", {}, name, input)));
  const content = () => {
    const form = new FormData();
    for (const [name, input, isFile, multiple] of inputs) {
      const values = isFile ? [...input.files] : multiple ? input.value.split(",") : [input.value];
      for (const value of values) if (value !== "") form.append(name, value);
    }
    return form;
  };
  return { view, content };
}

async function send(asked, button, answer) {
  button.disabled = true;
  const began = performance.now();
  answer.replaceChildren("Sent ...");
  try {
    const response = await fetch(asked.url, asked.options);
    await show(response, began, asked, answer);
  } catch (error) {
    answer.replaceChildren(element("p", { className: "failed" }, `There was no answer: ${error.message}`));
  } finally {
    button.disabled = false;
  }
}

async function show(response, began, asked, answer) {
  const type = response.headers.get("content-type") ?? "";
  const content = await response.blob();
  const milliseconds = (performance.now() - began).toFixed(0);
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  answer.replaceChildren(
    element("p", { className: response.ok ? "ok" : "failed" },
      element("strong", { className: "status" }, String(response.status)),
      ` in ${milliseconds} ms, ${content.size} bytes`),
    await shown(type, content),
    element("details", {}, element("summary", {}, "Headers"), element("pre", {}, headers)),
    element("details", {}, element("summary", {}, "As curl"), element("pre", {}, curlOf(asked))),
  );
}

async function shown(type, content) {
  if (type.startsWith("image/")) {
    return element("img", { src: URL.createObjectURL(content), alt: "The answer" });
  }
  if (!textualBody(type)) {
    const link = element("a", { href: URL.createObjectURL(content), download: "answer" }, "Save");
    return element("p", {}, "Binary. ", link);
  }
  const text = await content.slice(0, MAX_SHOWN).text();
  const more = content.size > MAX_SHOWN ? `\n... ${content.size - MAX_SHOWN} bytes more` : "";
  return element("pre", { className: "answered" }, (more ? text : pretty(text)) + more);
}
