// The review reader: type a text, and watch what the chapter's judges make of it, word by word.

const UNKNOWN = 1;  // the code of words outside the vocabulary; 0 is padding

// The words of a text as the chapter cuts them, with their codes and places.
function wordsOf(text, codes) {
  const plain = text.replace(/<br\s*\/?>/gi, (mark) => " ".repeat(mark.length));
  return [...plain.matchAll(/[\p{L}\p{N}]+(?:['\u2019][\p{L}\p{N}]+)*/gu)].map((found) => {
    const word = found[0].toLowerCase().replaceAll("\u2019", "'");
    const end = found.index + found[0].length;
    return { word, code: codes.get(word) ?? UNKNOWN, start: found.index, end };
  });
}

// What a counter makes of codes: its sum, the part of each word, and of each word or pair.
function counted(judge, codes) {
  const columns = new Map();
  const meet = (column, places) => {
    const known = columns.get(column) ?? columns.set(column, []).get(column);
    known.push(places);
  };
  codes.forEach((code, at) => {
    if (code <= UNKNOWN) return;
    meet(code, [at]);
    const next = codes[at + 1] ?? UNKNOWN;
    if (!judge.shift || next <= UNKNOWN) return;
    const slot = Math.imul(code * judge.words + next, 2654435761) >>> judge.shift;
    meet(judge.words + slot, [at, at + 1]);
  });
  let squares = 0;
  const amounts = new Map();
  for (const [column, found] of columns) {
    const amount = (1 + Math.log(found.length)) * (judge.rarity.get(column) ?? judge.others);
    amounts.set(column, amount);
    squares += amount * amount;
  }
  const parts = new Float64Array(codes.length);
  const groups = [];
  let sum = judge.bias;
  for (const [column, found] of columns) {
    const added = ((judge.weight.get(column) ?? 0) * amounts.get(column)) / Math.sqrt(squares);
    sum += added;
    groups.push({ places: found.flat(), words: found[0], added });
    for (const places of found)
      for (const at of places) parts[at] += added / found.length / places.length;
  }
  return { sum, parts, groups };
}

// The same for the text convnet: a filter adds its strongest answer, word by word of its window.
function convolved(judge, codes) {
  const [embedding, ...others] = judge.net;
  const verdict = others.pop();
  const row = [...new Array(judge.reads - codes.length).fill(0), ...codes];
  const vectors = LAYERS.Embedding(embedding, { shape: [row.length], values: row });
  const depth = embedding.width;
  const parts = new Float64Array(row.length);
  const windows = new Map();
  let sum = verdict.bias[0];
  let filter = 0;
  for (const layer of others) {
    const { shape: [steps, maps], values } = LAYERS.Conv1D(layer, vectors);
    for (let map = 0; map < maps; map++, filter++) {
      let start = 0;
      for (let step = 1; step < steps; step++)
        if (values[step * maps + map] > values[start * maps + map]) start = step;
      const strongest = values[start * maps + map];
      const weight = verdict.kernel[filter];
      sum += weight * strongest;
      if (strongest <= 0) continue;  // a silent filter adds nothing
      const name = `${start} ${layer.size[0]}`;
      const places = Array.from({ length: layer.size[0] }, (_, k) => start + k);
      const known = windows.get(name) ?? windows.set(name, { places, added: 0 }).get(name);
      known.added += weight * strongest;
      places.forEach((at, k) => {
        for (let channel = 0; channel < depth; channel++)
          parts[at] += weight * vectors.values[at * depth + channel]
            * layer.kernel[(k * depth + channel) * maps + map];
      });
    }
  }
  const padding = row.length - codes.length;
  const groups = [...windows.values()].map(({ places, added }) => {
    const written = places.filter((at) => at >= padding).map((at) => at - padding);
    return { places: written, words: written, added };
  });
  return { sum, parts: parts.slice(padding), groups: groups.filter(({ words }) => words.length) };
}

async function readyJudges(described, length) {
  const judges = {};
  for (const [name, judge] of Object.entries(described)) {
    if (judge.layers) {
      const { net } = await unpacked(judge.layers, judge.packed);
      judges[name] = { ...judge, net, read: convolved };
      continue;
    }
    const { slots, rarity, weight } = await unzipped(judge.table).json();
    const [parts, whole] = judge.units;
    const columns = Array.from({ length: judge.words }, (_, code) => code);
    let slot = 0;
    for (const gap of slots) columns.push(judge.words + (slot += gap));
    judges[name] = {
      ...judge, read: counted, reads: length, others: judge.others / parts,
      rarity: new Map(columns.map((column, at) => [column, rarity[at] / parts])),
      weight: new Map(columns.map((column, at) => [column, weight[at] / whole])),
    };
  }
  return judges;
}

function probability(sum) {
  return 1 / (1 + Math.exp(-sum));
}

async function reviewReader(root, data) {
  const names = await unzipped(data.vocabulary).json();
  const codes = new Map(names.map((name, code) => [name, code]));
  const judges = await readyJudges(data.judges, data.length);
  let waiting = false;
  let pause = null;

  const field = make("textarea", { rows: 4, spellcheck: "false", oninput: read });
  const said = make("p", { "aria-live": "polite", class: "said" });
  const panels = make("div", { class: "judges" });
  const button = (text, press) => make("button", { type: "button", onclick: press }, text);
  const write = (text) => { field.value = text; read(); };
  root.replaceChildren(
    make("label", { class: "review" }, make("span", { class: "head" }, "Write a film review, or choose one"), field),
    make("div", { class: "live-row" },
      ...Object.entries(data.examples).map(([label, text]) => button(label, () => write(text))),
      button("Clear", () => { write(""); field.focus(); })),
    said, panels,
    make("details", {}, make("summary", {}, "What the marks mean"),
      make("p", {}, "Blue with a solid line speaks for the film, orange with a dotted line against it. "
        + "The stronger the color, the more a word added to the sum that the sigmoid turns into a "
        + "probability; each judge has a scale of its own. Point at one of the buttons under a text, "
        + "or move the focus there, to see the words that it is about.")));

  const signed = (value) => (value > 0 ? "+" : "") + shown(value);

  function panel(name, judge, words) {
    const read = words.slice(-judge.reads);
    const { sum, parts, groups } = judge.read(judge, read.map(({ code }) => code));
    const percent = Math.round(100 * probability(sum));
    const spans = read.map(({ start, end }) => make("span", {}, field.value.slice(start, end)));
    const largest = parts.reduce((most, part) => Math.max(most, Math.abs(part)), 0.2);
    parts.forEach((part, at) => {
      const share = Math.abs(part) / largest;
      if (share < 0.1) return;
      spans[at].className = part > 0 ? "for" : "against";
      spans[at].style.setProperty("--share", `${Math.round(10 + 45 * share)}%`);
    });
    const text = [];
    let done = 0;
    if (words.length > read.length) {
      done = words[words.length - read.length - 1].end;
      text.push(make("em", {}, `(The first ${words.length - read.length} words are not read.) `));
    }
    read.forEach(({ start, end }, at) => {
      text.push(field.value.slice(done, start), spans[at]);
      done = end;
    });
    text.push(field.value.slice(done));

    const light = (places, on) => () =>
      places.forEach((at) => spans[at].classList.toggle("lit", on));
    const strongest = groups.filter(({ added }) => Math.abs(added) >= 0.01)
      .sort((one, other) => Math.abs(other.added) - Math.abs(one.added)).slice(0, 6);
    const chips = strongest.map(({ places, words: at, added }) => {
      const phrase = at.map((place) => read[place].word).join(" ");
      const [on, off] = [light(places, true), light(places, false)];
      return make("button", {
        type: "button", class: added > 0 ? "for" : "against", "data-added": added,
        onmouseenter: on, onfocus: on, onclick: on, onmouseleave: off, onblur: off,
      }, `${phrase} ${signed(added)}`);
    });
    const fill = make("span");
    fill.style.width = `${percent}%`;
    const element = make("section", { class: "judge", "aria-label": name, "data-sum": sum },
      make("p", { class: "head" }, `${name}: ${percent} % positive`,
        make("span", { class: "total" }, ` (sum ${signed(sum)})`)),
      make("div", { class: "scale", "aria-hidden": "true" }, fill),
      make("p", read.length > 100 ? { class: "marked", tabindex: 0 } : { class: "marked" }, ...text),
      make("div", { class: "live-row chips" }, chips.length ? "What added most:" : "", ...chips));
    return { element, sentence: `${name} ${percent} % positive` };
  }

  function show() {
    waiting = false;
    const words = wordsOf(field.value, codes);
    const unknown = [...new Set(words.filter(({ code }) => code === UNKNOWN).map(({ word }) => word))];
    const found = [];
    if (words.some(({ code }) => code !== UNKNOWN))
      for (const [name, judge] of Object.entries(judges)) found.push(panel(name, judge, words));
    panels.replaceChildren(...found.map(({ element }) => element));
    let sentence = `${found.map((one) => one.sentence).join(", ")}.`;
    if (!words.length) sentence = "The page is empty: write a sentence about a film.";
    else if (!found.length)
      sentence = `No word of this is among the ${names.length} that the judges know: use commoner English words.`;
    else if (unknown.length) {
      const some = unknown.slice(0, 8).join(", ") + (unknown.length > 8 ? ", and others" : "");
      sentence += ` Not in the vocabulary: ${some}.`;
    }
    // Screen readers hear the verdicts when the typing rests, and not at every letter.
    clearTimeout(pause);
    pause = setTimeout(() => { said.textContent = sentence; }, said.textContent ? 500 : 0);
  }

  function read() {
    if (!waiting) requestAnimationFrame(show);
    waiting = true;
  }
  write(Object.values(data.examples)[0]);
}
