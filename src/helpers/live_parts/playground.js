// The convolution playground: a window slides over an image, and the feature map fills.

const SIZE = 8;
const CELL = 30;
const IMAGES = {
  "slanted stroke": (row, column) => [2, 1][Math.abs(row + column - 7)] || 0,
  "vertical stroke": (row, column) => (column === 3 || column === 4 ? 2 : 0),
  corner: (row, column) => ((row === 2 && column >= 2) || (column === 2 && row >= 2) ? 2 : 0),
  ring: (row, column) => (Math.round(Math.hypot(row - 3.5, column - 3.5)) === 3 ? 2 : 0),
  checkerboard: (row, column) => 2 * ((row + column) % 2),
  "a plain area": () => 1,
  "an empty page": () => 0,
};
const KERNELS = {
  "vertical edges": (row, column, half) => column - half,
  "horizontal edges": (row, column, half) => row - half,
  "a slanted line": (row, column, half) => (row + column === 2 * half ? 2 * half : -1),
  blur: () => 1,
  "a bright spot": (row, column, half) =>
    row === half && column === half ? (2 * half + 1) ** 2 - 1 : -1,
  "the image itself": (row, column, half) => (row === half && column === half ? 1 : 0),
  "all zeros": () => 0,
};

// The feature map of one kernel on one image, with zeros around it; the kernel is not flipped.
function convolved(image, kernel, border, stride) {
  const window = kernel.length;
  const last = image.length + border[0] + border[1] - window;
  const count = last < 0 ? 0 : Math.floor(last / stride) + 1;
  const at = (row, column) => image[row]?.[column] ?? 0;
  return Array.from({ length: count }, (_, down) =>
    Array.from({ length: count }, (_, right) => {
      let sum = 0;
      for (let i = 0; i < window; i++)
        for (let j = 0; j < window; j++)
          sum += kernel[i][j] * at(down * stride + i - border[0], right * stride + j - border[0]);
      return sum;
    }),
  );
}

// Zeros before and after the image, as Keras pads: an odd one goes to the end.
function borders(size, window, stride, padding) {
  if (padding === "valid") return [0, 0];
  const needed = Math.max((Math.ceil(size / stride) - 1) * stride + window - size, 0);
  return [Math.floor(needed / 2), Math.ceil(needed / 2)];
}

function playground(root) {
  const grid = (size, fill) =>
    Array.from({ length: size }, (_, r) => Array.from({ length: size }, (_, c) => fill(r, c)));
  const state = {
    image: grid(SIZE, IMAGES["slanted stroke"]),
    kernel: grid(3, (r, c) => KERNELS["vertical edges"](r, c, 1)),
    padding: "valid",
    stride: 1,
    position: 15, // in the middle of the stroke, where there is something to see
    timer: null,
  };
  const select = (label, names, change) => {
    const field = make("select", { onchange: (event) => change(event.target.value) });
    field.append(...names.map((name) => make("option", { value: name }, name)));
    return [make("label", {}, `${label} `, field), field];
  };

  const [imageLabel, imageField] = select("Image", [...Object.keys(IMAGES), "your own"], (name) => {
    if (IMAGES[name]) state.image = grid(SIZE, IMAGES[name]);
    restart();
  });
  const choices = [...Object.keys(KERNELS), "your own"];
  const [kernelLabel, kernelField] = select("Kernel", choices, setKernel);
  const [sizeLabel, sizeField] = select("Size", ["3 x 3", "5 x 5"], () => {
    const name = KERNELS[kernelField.value] ? kernelField.value : "vertical edges";
    kernelField.value = name;
    setKernel(name);
  });
  const [paddingLabel] = select("Padding", ["valid", "same"], (value) => {
    state.padding = value;
    restart();
  });
  const [strideLabel] = select("Stride", ["1", "2", "3"], (value) => {
    state.stride = Number(value);
    restart();
  });

  const imagePanel = make("div", { class: "paint" });
  const kernelPanel = make("div", { class: "kernel", role: "group", "aria-label": "Weights of the kernel" });
  const productPanel = make("div");
  const mapPanel = make("div");
  const imageHead = make("p", { class: "head" });
  const mapHead = make("p", { class: "head" });
  const sum = make("p", { class: "sum", "aria-live": "polite" });
  const play = make("button", { type: "button", onclick: toggle }, "▶ Play");
  const slider = make("input", {
    type: "range", min: 0, value: 0, "aria-label": "Position of the window",
    oninput: (event) => { pause(); move(Number(event.target.value)); },
  });

  root.replaceChildren(
    make("div", { class: "live-row" }, imageLabel, kernelLabel, sizeLabel, paddingLabel, strideLabel),
    make("div", { class: "live-panels" },
      make("div", { class: "live-panel" }, imageHead, imagePanel),
      make("div", { class: "live-panel" }, make("p", { class: "head" }, "Kernel"), kernelPanel),
      make("div", { class: "live-panel" }, make("p", { class: "head" }, "Products"), productPanel),
      make("div", { class: "live-panel" }, mapHead, mapPanel)),
    sum,
    make("div", { class: "live-row" },
      play,
      make("button", { type: "button", "aria-label": "One step back", onclick: () => step(-1) }, "◀"),
      make("button", { type: "button", "aria-label": "One step forward", onclick: () => step(1) }, "▶|"),
      slider),
  );

  function setKernel(name) {
    const size = Number(sizeField.value[0]);
    if (KERNELS[name]) {
      const half = (size - 1) / 2;
      state.kernel = grid(size, (r, c) => KERNELS[name](r, c, half));
    }
    drawKernel();
    restart();
  }

  function drawKernel() {
    const size = state.kernel.length;
    kernelPanel.style.gridTemplateColumns = `repeat(${size}, auto)`;
    kernelPanel.replaceChildren(
      ...state.kernel.flatMap((weights, row) =>
        weights.map((weight, column) =>
          make("input", {
            type: "number", step: "any", value: weight,
            "aria-label": `Weight in row ${row + 1}, column ${column + 1}`,
            oninput: (event) => {
              const typed = Number(event.target.value);
              state.kernel[row][column] = Number.isFinite(typed) ? typed : 0;
              kernelField.value = "your own";
              update();
            },
          }))),
    );
  }

  // A grid of numbers in colors; `style` gives each cell's number, color and whether it is dim.
  function drawGrid(rows, columns, style, label) {
    const drawing = make("svg", {
      width: columns * CELL + 2, height: rows * CELL + 2, role: "img", "aria-label": label,
      viewBox: `-1 -1 ${columns * CELL + 2} ${rows * CELL + 2}`,
    });
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const { value, color, dim } = style(row, column);
        const cell = make("rect", {
          x: column * CELL, y: row * CELL, width: CELL, height: CELL, stroke: "#888",
          fill: color ? `rgb(${color})` : "none", "stroke-dasharray": dim ? "2 3" : "none",
        });
        drawing.append(cell);
        if (value === null) continue;
        const text = make("text", { x: (column + 0.5) * CELL, y: (row + 0.5) * CELL }, shown(value));
        if (color) text.style.fill = readable(color);
        if (shown(value).length > 4) text.style.fontSize = "9px";
        drawing.append(text);
      }
    }
    return drawing;
  }

  function frame(drawing, row, column, size) {
    drawing.append(make("rect", {
      x: column * CELL, y: row * CELL, width: size * CELL, height: size * CELL,
      fill: "none", stroke: "var(--mark)", "stroke-width": 4,
    }));
  }

  const gray = (value) => [0, 1, 2].map(() => Math.round(255 * Math.min(1, value / 2)));

  function update() {
    const window = state.kernel.length;
    const border = borders(SIZE, window, state.stride, state.padding);
    const map = convolved(state.image, state.kernel, border, state.stride);
    const count = map.length;
    const total = count * count;
    state.total = total;
    state.position = Math.min(state.position, total - 1);
    slider.max = total - 1;
    slider.value = state.position;
    const [down, right] = [Math.floor(state.position / count), state.position % count];
    const [top, left] = [down * state.stride, right * state.stride];
    const whole = SIZE + border[0] + border[1];
    const pixel = (row, column) => state.image[row - border[0]]?.[column - border[0]];

    imageHead.textContent = `Image, ${SIZE} x ${SIZE}` + (whole > SIZE ? ", zeros around it" : "");
    const image = drawGrid(whole, whole, (row, column) => {
      const value = pixel(row, column);
      return { value: value ?? 0, color: value === undefined ? null : gray(value), dim: value === undefined };
    }, `The image, with the window in row ${top + 1}, column ${left + 1}. Click a pixel to change it.`);
    frame(image, top, left, window);
    [state.whole, state.border] = [whole, border[0]];
    imagePanel.replaceChildren(image);

    const product = (row, column) =>
      state.kernel[row][column] * (pixel(top + row, left + column) ?? 0);
    const largest = Math.max(1e-9, ...state.kernel.flatMap((_, row) =>
      state.kernel.map((_, column) => Math.abs(product(row, column)))));
    productPanel.replaceChildren(drawGrid(window, window, (row, column) => ({
      value: product(row, column), color: diverging((0.8 * product(row, column)) / largest),
    }), "The products of pixels and weights"));

    const extreme = Math.max(1e-9, ...map.flat().map(Math.abs));
    mapHead.textContent = `Feature map, ${count} x ${count}`;
    const filled = drawGrid(count, count, (row, column) => {
      const there = row * count + column <= state.position;
      const value = map[row][column];
      return there ? { value, color: diverging((0.8 * value) / extreme) } : { value: null, color: null };
    }, `The feature map, filled up to cell ${state.position + 1} of ${total}`);
    frame(filled, down, right, 1);
    filled.addEventListener("click", (event) => {
      const [row, column] = place(event, filled, count);
      pause();
      move(row * count + column);
    });
    mapPanel.replaceChildren(filled);

    const products = state.kernel.flatMap((_, row) => state.kernel.map((_, column) => product(row, column)));
    const terms = products.filter((value) => value !== 0).map((value) => (value < 0 ? `(${shown(value)})` : shown(value)));
    const result = shown(map[down][right]);
    const added = {
      0: "all products are 0, and so is their sum",
      1: `all products but one are 0, so the sum is ${result}`,
    }[terms.length] ?? `${terms.join(" + ")} = ${result}`;
    sum.textContent = `Window ${state.position + 1} of ${total}: ${added}`;
  }

  function place(event, drawing, count) {
    const box = drawing.getBoundingClientRect();
    const index = (part, length) => Math.max(0, Math.min(count - 1, Math.floor((part / length) * count)));
    return [index(event.clientY - box.top, box.height), index(event.clientX - box.left, box.width)];
  }

  // A click makes a pixel brighter, then black again; dragging paints on with the same value.
  function paint(event, first) {
    const drawing = imagePanel.firstElementChild;
    const [row, column] = place(event, drawing, state.whole).map((index) => index - state.border);
    if (state.image[row]?.[column] === undefined) return;
    if (first) state.brush = (state.image[row][column] + 1) % 3;
    if (state.image[row][column] === state.brush) return;
    state.image[row][column] = state.brush;
    imageField.value = "your own";
    update();
  }
  imagePanel.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    imagePanel.setPointerCapture(event.pointerId);
    paint(event, true);
  });
  imagePanel.addEventListener("pointermove", (event) => {
    if (imagePanel.hasPointerCapture(event.pointerId)) paint(event, false);
  });

  function move(position) {
    state.position = Math.max(0, Math.min(state.total - 1, position));
    update();
  }

  function step(by) {
    pause();
    move((state.position + by + state.total) % state.total);
  }

  function pause() {
    clearInterval(state.timer);
    state.timer = null;
    play.textContent = "▶ Play";
    sum.setAttribute("aria-live", "polite");
  }

  function toggle() {
    if (state.timer) return pause();
    if (state.position === state.total - 1) move(0);
    play.textContent = "❚❚ Pause";
    sum.setAttribute("aria-live", "off");
    state.timer = setInterval(() => {
      if (!root.isConnected || state.position >= state.total - 1) pause();
      else move(state.position + 1);
    }, 500);
  }

  function restart() {
    pause();
    move(0);
  }

  drawKernel();
  update();
}
