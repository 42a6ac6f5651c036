// Schemas, to read and as sample values.

import { element, folded, prose } from "./elements.js";

const LIMITS = {
  minimum: "at least", maximum: "at most", exclusiveMinimum: "above", exclusiveMaximum: "below",
  minLength: "characters, at least", maxLength: "characters, at most", pattern: "matches",
  minItems: "items, at least", maxItems: "items, at most", maxProperties: "entries, at most",
  const: "is", contentEncoding: "encoded as", contentMediaType: "of type",
};

// A message may hold itself.
const MAX_SAMPLE_DEPTH = 6;

export class Schemas {
  constructor(document) {
    this.document = document;
  }

  // What a $ref stands for; keywords beside it are kept.
  resolved(schema) {
    if (!schema || !schema.$ref) return schema ?? {};
    const { $ref, ...beside } = schema;
    const found = $ref.slice(2).split("/").reduce((node, key) => node[unescaped(key)], this.document);
    return { ...this.resolved(found), ...beside };
  }

  // The name of a type: "string", "array of mlmesh.v1.Row".
  typeOf(schema) {
    if (schema.$ref) return schema.$ref.split("/").at(-1).replace(/\.Input$/, "");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return "one of " + schema.enum.map((value) => JSON.stringify(value)).join(", ");
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) return [...new Set(choices.map((choice) => this.typeOf(choice)))].join(" or ");
    if (schema.type === "array") return "array of " + (schema.items ? this.typeOf(schema.items) : "anything");
    if (schema.type === "object" && typeof schema.additionalProperties === "object") {
      return "object of " + this.typeOf(schema.additionalProperties);
    }
    if (schema.contentMediaType) return "bytes";
    return [schema.type ?? "anything", schema.format ? `(${schema.format})` : ""].join(" ").trim();
  }

  limitsOf(schema) {
    return Object.entries(LIMITS)
      .filter(([key]) => schema[key] !== undefined && key !== "const")
      // What base64 looks like is known.
      .filter(([key]) => key !== "pattern" || !schema.contentEncoding)
      .map(([key, text]) => `${text} ${schema[key]}`)
      .join("; ");
  }

  // One field or parameter, with its parts folded below it.
  field(name, schema, required, description) {
    const whole = this.resolved(schema);
    const limits = this.limitsOf(whole);
    const row = element("div", { className: "field" },
      element("code", { className: "name" }, name),
      element("span", { className: "type" }, this.typeOf(schema)),
      required ? element("span", { className: "required" }, "required") : null,
      whole.deprecated ? element("span", { className: "required" }, "deprecated") : null,
      limits ? element("span", { className: "limits" }, limits) : null,
      prose(description ?? schema.description ?? whole.description),
    );
    const inner = this.innerOf(schema);
    if (inner) row.append(folded("fields", () => this.fields(inner), { className: "inner" }));
    return row;
  }

  fields(schema) {
    const whole = this.resolved(schema);
    const required = new Set(whole.required ?? []);
    const rows = Object.entries(whole.properties ?? {}).map(([name, part]) =>
      this.field(name, part, required.has(name)));
    return element("div", { className: "fields" }, ...rows);
  }

  // The object whose fields are worth showing: itself, an item, or a value of a map.
  innerOf(schema) {
    const whole = this.resolved(schema);
    if (whole.properties) return whole;
    if (whole.items) return this.innerOf(whole.items);
    if (typeof whole.additionalProperties === "object") return this.innerOf(whole.additionalProperties);
    return null;
  }

  // A value of the shape, to begin with: what is required, or all that is shallow.
  sample(schema, depth = 0) {
    if (depth > MAX_SAMPLE_DEPTH) return null;
    const whole = this.resolved(schema);
    if (whole.const !== undefined) return whole.const;
    if (whole.enum) return whole.enum.at(-1);
    const choices = whole.anyOf ?? whole.oneOf;
    if (choices && !whole.properties) return this.sample(choices[0], depth);
    if (whole.type === "array") return whole.items && whole.minItems ? [this.sample(whole.items, depth + 1)] : [];
    if (whole.type === "object") return this.sampleObject(whole, depth);
    return { boolean: false, integer: whole.minimum > 0 ? whole.minimum : 0, number: 0, null: null }[whole.type] ?? "";
  }

  sampleObject(whole, depth) {
    const required = new Set(whole.required ?? []);
    const wanted = Object.entries(whole.properties ?? {}).filter(([name]) => required.has(name) || depth === 0);
    return Object.fromEntries(wanted.map(([name, part]) => [name, this.sample(part, depth + 1)]));
  }
}

function unescaped(key) {
  return decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~");
}
