// Reads the document and lists every operation, by tag.

import { element, prose } from "./elements.js";
import { operationView } from "./operation.js";
import { Schemas } from "./schema.js";

const VERBS = ["get", "post", "put", "patch", "delete", "options", "head", "trace"];

function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) => [
    ...VERBS.filter((verb) => item[verb]).map((verb) => ({ verb: verb.toUpperCase(), path, said: item[verb] })),
    ...Object.entries(item["x-additionalOperations"] ?? {}).map(([verb, said]) => ({ verb, path, said })),
  ]);
}

function group(tag, operations, schemas) {
  const views = operations.map((operation) => operationView(operation, schemas));
  const section = element("section", { className: "group" },
    element("h2", { id: `tag-${tag.name}` }, tag.name), prose(tag.description), ...views);
  const links = operations.map(({ verb, path, said }) =>
    element("li", {}, element("a", { href: `#${said.operationId}` }, `${verb} ${path}`)));
  const list = element("details", { className: "links" },
    element("summary", {}, `${tag.name} (${operations.length})`), element("ul", {}, ...links));
  return { section, list, entries: operations.map((operation, index) => ({
    text: `${operation.verb} ${operation.path} ${operation.said.operationId} ${operation.said.description}`.toLowerCase(),
    view: views[index], link: links[index], section, list,
  })) };
}

function filterBy(text, entries) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Set(entries.map((entry) => entry.section));
  for (const entry of entries) {
    const hidden = !words.every((word) => entry.text.includes(word));
    entry.view.hidden = entry.link.hidden = hidden;
  }
  for (const section of groups) {
    const own = entries.filter((entry) => entry.section === section);
    section.hidden = own[0].list.hidden = own.every((entry) => entry.view.hidden);
    own[0].list.open = words.length > 0;
  }
}

// A link to an operation opens it.
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.tagName === "DETAILS") {
    named.open = true;
    named.scrollIntoView();
  }
}

async function begin() {
  const main = document.getElementById("operations");
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`openapi.json: ${response.status}`);
  const read = await response.json();
  const schemas = new Schemas(read);
  const operations = operationsOf(read);
  const groups = read.tags
    .map((tag) => [tag, operations.filter(({ said }) => said.tags.includes(tag.name))])
    .filter(([, among]) => among.length)
    .map(([tag, among]) => group(tag, among, schemas));
  const entries = groups.flatMap((one) => one.entries);
  document.title = `${read.info.title} ${read.info.version}`;
  document.getElementById("title").textContent = document.title;
  main.replaceChildren(prose(read.info.description), ...groups.map((one) => one.section));
  document.getElementById("contents").replaceChildren(...groups.map((one) => one.list));
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => filterBy(filter.value, entries));
  window.addEventListener("hashchange", openNamed);
  main.removeAttribute("aria-busy");
  openNamed();
}

begin().catch((error) => {
  document.getElementById("operations").replaceChildren(`The document could not be read: ${error.message}`);
});
