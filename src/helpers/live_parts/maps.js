// Where does it look? Point at a class of a picture, and see its maps under several methods.

async function whereItLooks(root, data) {
  const [maps, colors] = [bytes(data.maps), bytes(data.colors)];
  const { cells, methods, pictures } = data;
  const classes = pictures[0].classes.length;
  const images = pictures.map(({ file }, number) =>
    make("img", { src: `data:image/jpeg;base64,${file}`, alt: `Picture ${number + 1}` }));
  await Promise.all(images.map((image) => image.decode()));
  const grays = images.map(inGray);
  const buttons = pictures.map((picture, number) => picture.classes.map((name, kind) => {
    const choose = () => show(number, kind);
    return make("button", { type: "button", "aria-label": `Picture ${number + 1}: ${name}`,
      onpointerenter: choose, onfocus: choose, onclick: choose }, name);
  }));
  const canvases = methods.map(() => make("canvas", { role: "img" }));
  const said = make("p", { "aria-live": "polite" });

  root.replaceChildren(
    make("p", { class: "head" }, "Point at a class, or choose it: what speaks for it?"),
    make("div", { class: "live-panels" }, ...images.map((image, number) =>
      make("div", { class: "look-photo" }, image, ...buttons[number]))),
    said,
    make("div", { class: "live-panels" }, ...methods.map((name, at) =>
      make("div", { class: "live-panel look-map" },
        make("p", { class: "head" }, name), canvases[at]))),
    make("div", { class: "live-row" }, "nothing", scale(), "the most",
      make("span", {}, "that this method finds in the picture for any of its classes")));

  function inGray(image) {
    const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data: values, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    const gray = Array.from({ length: width * height }, (_, at) =>
      (values[4 * at] + values[4 * at + 1] + values[4 * at + 2]) / 3);
    return { gray, width, height };
  }

  function scale() {
    const canvas = make("canvas", { class: "scale", width: 256, height: 1, "aria-hidden": "true" });
    const line = canvas.getContext("2d").createImageData(256, 1);
    for (let share = 0; share < 256; share++)
      line.data.set([...colors.slice(3 * share, 3 * share + 3), 255], 4 * share);
    canvas.getContext("2d").putImageData(line, 0, 0);
    return canvas;
  }

  // The map of a method for a class of a picture; the methods come one after the other.
  function mapOf(method, number, kind) {
    const begin = ((method * pictures.length + number) * classes + kind) * cells * cells;
    return maps.slice(begin, begin + cells * cells);
  }

  function paint(canvas, map, { gray, width, height }) {
    [canvas.width, canvas.height] = [width, height];
    const picture = canvas.getContext("2d").createImageData(width, height);
    gray.forEach((light, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      const share = map[Math.floor((row * cells) / height) * cells + Math.floor((column * cells) / width)];
      const opacity = 0.25 + (0.5 * share) / 255;
      for (let color = 0; color < 3; color++)
        picture.data[4 * at + color] =
          Math.floor((1 - opacity) * light + opacity * colors[3 * share + color] + 0.5);
      picture.data[4 * at + 3] = 255;
    });
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  // Where a map has its peak, and how far it reaches up the scale, for those who can't see it.
  function place(map) {
    const most = Math.max(...map);
    if (!most) return "nothing";
    const at = map.indexOf(most);
    const third = (position, names) => names[Math.floor((3 * position) / cells)];
    const down = third(Math.floor(at / cells), ["top", "", "bottom"]);
    const across = third(at % cells, ["left", "", "right"]);
    const share = Math.round((100 * most) / 255);
    return `peak at the ${[down, across].filter(Boolean).join(" ") || "center"}, ${share} % of the scale`;
  }

  function show(number, kind) {
    buttons.flat().forEach((button) => button.setAttribute("aria-pressed", "false"));
    buttons[number][kind].setAttribute("aria-pressed", "true");
    const name = pictures[number].classes[kind];
    const places = methods.map((method, at) => {
      const map = mapOf(at, number, kind);
      paint(canvases[at], map, grays[number]);
      canvases[at].setAttribute("aria-label", `${method} for ${name}: ${place(map)}`);
      return `${method}: ${place(map)}`;
    });
    said.textContent = `Picture ${number + 1}, ${name}. ${places.join("; ")}.`;
  }
  show(0, 0);
}
