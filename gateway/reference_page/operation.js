// One operation: what it takes, what it answers, and a form to try it.

import { element, folded, pretty, prose } from "./elements.js";
import { tryIt } from "./try_it.js";

// A media type without a schema is bytes.
const BYTES = { contentMediaType: "application/octet-stream" };

export function operationView(operation, schemas) {
  const { verb, path, said } = operation;
  const summary = [
    element("span", { className: `verb ${verb.toLowerCase()}` }, verb),
    element("code", { className: "path" }, path),
    element("span", { className: "summary" }, said.summary ?? ""),
  ];
  return folded(summary, () => body(operation, schemas), {
    className: "operation", id: said.operationId,
  });
}

function body(operation, schemas) {
  const { said } = operation;
  const parameters = (said.parameters ?? []).map((one) => schemas.resolved(one));
  return element("div", { className: "body" },
    said.deprecated ? element("p", { className: "required" }, "Deprecated.") : null,
    prose(said.description),
    parameters.length ? parametersView(parameters, schemas) : null,
    said.requestBody ? requestView(said.requestBody, schemas) : null,
    answersView(said.responses, schemas),
    said["x-websocket"] ? framesView(said["x-websocket"], schemas) : null,
    said.responses["200"] ? tryIt(operation, parameters, schemas) : null,
  );
}

function parametersView(parameters, schemas) {
  const rows = parameters.map((one) =>
    schemas.field(`${one.name} (${one.in})`, one.schema, one.required, one.description ?? ""));
  return section("Parameters", element("div", { className: "fields" }, ...rows));
}

function requestView(requestBody, schemas) {
  const media = Object.entries(requestBody.content).map(([type, { schema }]) =>
    mediaView(type, schema ?? BYTES, schemas));
  return section("Body", prose(requestBody.description), ...media);
}

function mediaView(type, schema, schemas) {
  const inner = schemas.innerOf(schema);
  const head = element("p", {}, element("code", {}, type), " ", schema.$ref ? schemas.typeOf(schema) : "");
  return element("div", { className: "media" }, head,
    inner ? schemas.fields(inner) : element("p", { className: "type" }, schemas.typeOf(schema)));
}

// Frames go both ways, which no form here can try.
function framesView({ subprotocols, sent, received }, schemas) {
  return section("Frames", element("p", {}, `Subprotocols: ${subprotocols.join(", ")}`),
    mediaView("sent", sent, schemas), mediaView("received", received, schemas));
}

function answersView(responses, schemas) {
  const answers = Object.entries(responses).map(([status, reference]) => {
    const answer = schemas.resolved(reference);
    const text = (answer.description ?? "").split("\n")[0];
    return folded([element("code", {}, status), " ", text], () => answerView(answer, schemas), {
      className: "answer",
    });
  });
  return section("Answers", ...answers);
}

function answerView(answer, schemas) {
  const headers = Object.entries(answer.headers ?? {}).map(([name, reference]) => {
    const header = schemas.resolved(reference);
    return schemas.field(`${name} (header)`, header.schema ?? {}, false, header.description);
  });
  const media = Object.entries(answer.content ?? {}).map(([type, content]) =>
    element("div", {}, mediaView(type, content.schema ?? BYTES, schemas),
      content.example === undefined
        ? null
        : element("pre", {}, pretty(JSON.stringify(content.example)))));
  return element("div", {}, ...headers, ...media);
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}
