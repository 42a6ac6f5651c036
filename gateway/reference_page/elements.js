// Elements of the page. Text is always set as text, so nothing in the document can become markup.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Paragraphs and lists of a description; `code` between backticks.
export function prose(text = "") {
  const parts = element("div", { className: "prose" });
  for (const block of text.split(/\n{2,}/).filter((block) => block.trim())) {
    const lines = block.split("\n");
    if (lines.every((line) => /^\s*[-*] /.test(line))) {
      const items = lines.map((line) => element("li", {}, ...inline(line.replace(/^\s*[-*] /, ""))));
      parts.append(element("ul", {}, ...items));
    } else {
      parts.append(element("p", {}, ...inline(block)));
    }
  }
  return parts;
}

function inline(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

// A part that is folded, and made only when it is opened.
export function folded(summary, make, properties = {}) {
  const details = element("details", properties, element("summary", {}, ...[summary].flat()));
  details.addEventListener("toggle", () => {
    if (details.open && !details.dataset.made) {
      details.dataset.made = "yes";
      details.append(make());
    }
  });
  return details;
}

export function pretty(text) {
  try {
    return written(JSON.parse(text));
  } catch {
    return text;
  }
}

// A value as JSON; lists of plain values stay on one line.
export function written(value) {
  const text = JSON.stringify(value, null, 2);
  return text.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (list, items) =>
    items.includes('"') && items.length > 80 ? list : `[${items.replace(/,\n\s+/g, ", ")}]`);
}
