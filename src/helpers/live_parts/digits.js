// The digit reader: draw a digit, and watch what the chapter's networks make of it.

const SIDE = 28;

async function digitReader(root, data) {
  const networks = await unpacked(data.networks, data.packed);
  const images = bytes(data.digits);
  const digit = (number) => images.slice(number * SIDE * SIDE, (number + 1) * SIDE * SIDE);
  let page = digit(7);
  let last = null;
  let waiting = false;

  const pad = make("canvas", {
    class: "pad", width: SIDE, height: SIDE, tabindex: 0, role: "img",
    "aria-label": "The page to draw on. The arrow keys move what is drawn.",
  });
  const move = (down, right) => {
    const moved = new Uint8Array(SIDE * SIDE);
    page.forEach((ink, at) => {
      const [row, column] = [Math.floor(at / SIDE) + down, (at % SIDE) + right];
      if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) moved[row * SIDE + column] = ink;
    });
    page = moved;
    read();
  };
  const button = (text, label, press) =>
    make("button", { type: "button", "aria-label": label, onclick: press }, text);
  const presets = Array.from({ length: 10 }, (_, number) =>
    button(String(number), `Show the digit ${number}`, () => { page = digit(number); read(); }));
  const arrows = { ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowRight: [0, 1] };
  const said = make("p", { "aria-live": "polite" });
  const bars = Object.fromEntries(Object.keys(networks).map((name, at) => [name, barsOf(at)]));
  const strips = make("div");

  root.replaceChildren(
    make("div", { class: "live-panels" },
      make("div", { class: "live-panel" },
        make("p", { class: "head" }, "Draw a digit, or choose one"), pad,
        make("div", { class: "live-row" }, ...presets),
        make("div", { class: "live-row" },
          button("←", "Move left", () => move(0, -1)), button("↑", "Move up", () => move(-1, 0)),
          button("↓", "Move down", () => move(1, 0)), button("→", "Move right", () => move(0, 1)),
          button("Center", "Center the ink", center),
          button("Clear", "Clear the page", () => { page = new Uint8Array(SIDE * SIDE); read(); }))),
      make("div", { class: "live-panels" }, ...Object.keys(networks).map((name) =>
        make("div", { class: "live-panel" }, make("p", { class: "head" }, name), bars[name].element)))),
    said, strips);

  function barsOf(at) {
    const rows = Array.from({ length: 10 }, (_, number) => {
      const fill = make("span");
      return { name: make("span", {}, String(number)), fill, value: make("span", { class: "value" }),
        bar: make("span", { class: "bar", "aria-hidden": "true" }, fill) };
    });
    const element = make("div", { class: at ? "bars second" : "bars" },
      ...rows.flatMap(({ name, bar, value }) => [name, bar, value]));
    return { element, rows };
  }

  function center() {
    const total = page.reduce((a, b) => a + b, 0);
    if (!total) return;
    let [down, right] = [0, 0];
    page.forEach((ink, at) => { down += ink * Math.floor(at / SIDE); right += ink * (at % SIDE); });
    move(Math.round(SIDE / 2 - down / total), Math.round(SIDE / 2 - right / total));
  }

  // Ink of a round pen, about as broad as the strokes of the training digits.
  function ink([y, x]) {
    for (let row = Math.floor(y) - 2; row <= y + 2; row++)
      for (let column = Math.floor(x) - 2; column <= x + 2; column++) {
        if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
        const distance = Math.hypot(row + 0.5 - y, column + 0.5 - x);
        const value = Math.round(255 * Math.max(0, Math.min(1, 1.9 - distance)));
        page[row * SIDE + column] = Math.max(page[row * SIDE + column], value);
      }
  }

  function draw(event) {
    const box = pad.getBoundingClientRect();
    const here = [((event.clientY - box.top) / box.height) * SIDE, ((event.clientX - box.left) / box.width) * SIDE];
    const from = last ?? here;
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(here[0] - from[0], here[1] - from[1])));
    for (let step = 0; step <= steps; step++)
      ink([0, 1].map((axis) => from[axis] + ((here[axis] - from[axis]) * step) / steps));
    last = here;
    read();
  }
  pad.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pad.focus();
    pad.setPointerCapture(event.pointerId);
    last = null;
    draw(event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (pad.hasPointerCapture(event.pointerId)) draw(event);
  });
  pad.addEventListener("keydown", (event) => {
    if (!arrows[event.key]) return;
    event.preventDefault();
    move(...arrows[event.key]);
  });

  function paint(canvas, width, height, color) {
    [canvas.width, canvas.height] = [width, height];
    const picture = canvas.getContext("2d").createImageData(width, height);
    for (let at = 0; at < width * height; at++)
      picture.data.set([...color(at % width, Math.floor(at / width)), 255], 4 * at);
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  // All maps of a layer in rows, each as bright as its strongest answer allows.
  function tiles(head, label, { shape: [height, width, depth], values }, columns, signed) {
    const [tall, broad] = [height + 1, width + 1];
    const extremes = Array.from({ length: depth }, (_, map) => {
      let most = 1e-9;
      for (let at = map; at < values.length; at += depth) most = Math.max(most, Math.abs(values[at]));
      return most;
    });
    const most = Math.max(...extremes);
    const canvas = make("canvas", { class: "strip", role: "img", "aria-label": label });
    paint(canvas, columns * broad - 1, Math.ceil(depth / columns) * tall - 1, (x, y) => {
      const [row, column] = [y % tall, x % broad];
      const map = Math.floor(y / tall) * columns + Math.floor(x / broad);
      if (row === height || column === width || map >= depth) return [90, 90, 90];
      const value = values[(row * width + column) * depth + map];
      return signed ? diverging(value / most) : [0, 1, 2].map(() => (255 * value) / most);
    });
    strips.append(make("p", { class: "head" }, head), canvas);
  }

  function show() {
    waiting = false;
    paint(pad, SIDE, SIDE, (x, y) => [0, 1, 2].map(() => page[y * SIDE + x]));
    const sentences = [];
    let outputs = null;
    for (const [name, network] of Object.entries(networks)) {
      const found = run(network, [SIDE, SIDE, 1], page);
      outputs ??= found;
      const answer = found[found.length - 1].values;
      const best = answer.indexOf(Math.max(...answer));
      bars[name].rows.forEach(({ name: label, fill, value }, number) => {
        fill.style.width = `${100 * answer[number]}%`;
        value.textContent = `${Math.round(100 * answer[number])} %`;
        label.className = value.className = number === best ? "value first-choice" : "value";
      });
      sentences.push(`the ${name} reads ${best} (${Math.round(100 * answer[best])} %)`);
    }
    const blank = !page.some((ink) => ink);
    said.textContent = blank
      ? "The page is empty: draw a digit. (A network must answer something even now.)"
      : `${sentences.join("; ")}.`.replace(/^t/, "T");
    strips.replaceChildren();
    const network = Object.values(networks)[0];
    const first = network.find((layer) => layer.kind === "Conv2D");
    tiles("Kernels of the first layer: red speaks for ink, blue against it", "The kernels of the first layer",
      { shape: [...first.size, first.bias.length], values: first.kernel }, first.bias.length / 2, true);
    strips.lastElementChild.style.maxWidth = "32rem";
    let conv = 0;
    network.forEach((layer, at) => {
      const shape = outputs[at].shape;
      if (layer.kind !== "Conv2D" && layer.kind !== "MaxPooling2D") return;
      if (layer.kind === "Conv2D") conv += 1;
      const what = layer.kind === "Conv2D" ? `Convolution ${conv}` : "Max pooling";
      const columns = root.clientWidth < 500 ? 16 : 32;
      const text = `${what}: ${shape[2]} maps of ${shape[0]} x ${shape[1]}`;
      tiles(text, text, outputs[at], Math.min(shape[2], columns), false);
    });
  }

  function read() {
    if (!waiting) requestAnimationFrame(show);
    waiting = true;
  }
  show();
}
