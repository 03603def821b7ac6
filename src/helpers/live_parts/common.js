// What all live figures share: making elements, reading data, the theme, and colors of numbers.

function make(tag, attributes = {}, ...children) {
  const drawn = ["svg", "g", "rect", "text"].includes(tag);
  const element = drawn
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// The bytes that base64 text stands for.
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// The same for bytes that were compressed; a Response gives them as text or as numbers.
function unzipped(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream);
}

function isDark(element) {
  const [red, green, blue] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return red + green + blue > 384;
}

// Follow the theme: JupyterLab and the book change it by an attribute of the page.
function followTheme(root) {
  const follow = () => root.classList.toggle("dark", isDark(root));
  follow();
  const options = { attributes: true };
  const observer = new MutationObserver(follow);
  observer.observe(document.documentElement, options);
  observer.observe(document.body, options);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);
}

// From blue through white to red, for a value between -1 and 1.
function diverging(value) {
  const v = Math.max(-1, Math.min(1, value));
  const [red, green, blue] = v < 0 ? [33, 102, 172] : [178, 24, 43];
  const part = Math.abs(v);
  return [red, green, blue].map((end) => Math.round(255 + (end - 255) * part));
}

// Black or white, whichever can be read on a color.
function readable([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#111" : "#fff";
}

function shown(value) {
  return String(Math.round(value * 100) / 100).replace("-", "\u2212");
}
