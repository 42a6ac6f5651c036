// A filled-in form as a request, for the browser and for curl.

const NOT_ENCODED = /^[A-Za-z0-9_./:=@,+-]+$/;

export function textualBody(type) {
  return /^(text\/|application\/(json|x-ndjson)|[^;]*\+json)/.test(type);
}

// given: parameters with the text that was typed in; body: {type, content} or nothing.
export function requestOf(verb, path, given, body) {
  const filled = given.filter((one) => one.value !== "");
  let target = path;
  for (const one of given.filter((one) => one.in === "path")) {
    target = target.replace(`{${one.name}}`, encodeURIComponent(one.value));
  }
  const query = new URLSearchParams();
  for (const one of filled.filter((one) => one.in === "query")) {
    for (const value of valuesOf(one)) query.append(one.name, value);
  }
  const headers = {};
  for (const one of filled.filter((one) => one.in === "header")) headers[one.name] = one.value;
  const options = { method: verb, headers };
  if (body) {
    options.body = body.content ?? "";
    // The browser makes up the boundary of a form itself.
    if (!(body.content instanceof FormData)) headers["Content-Type"] = body.type;
  }
  const text = query.toString();
  // As relative as the page is, for a gateway below a path of a proxy.
  const url = new URL("." + target + (text ? `?${text}` : ""), document.baseURI);
  return { url, options };
}

function valuesOf(one) {
  return one.schema?.type === "array" ? one.value.split(",").map((item) => item.trim()) : [one.value];
}

export function curlOf({ url, options }) {
  const words = ["curl", "-s"];
  if (options.method !== "GET") words.push("-X", options.method);
  words.push(quoted(url.href));
  for (const [name, value] of Object.entries(options.headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (options.body instanceof FormData) {
    for (const [name, value] of options.body) {
      words.push("-F", quoted(value instanceof File ? `${name}=@${value.name}` : `${name}=${value}`));
    }
  } else if (options.body instanceof File) {
    words.push("--data-binary", quoted(`@${options.body.name}`));
  } else if (options.body) {
    words.push("--data-binary", quoted(options.body));
  }
  return words.join(" ");
}

function quoted(text) {
  return NOT_ENCODED.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
