// Layers of a trained network. Maps are stored as Keras stores them: height, width, channels.

const ACTIVATIONS = {
  linear: (values) => values,
  relu: (values) => values.map((value) => Math.max(0, value)),
  sigmoid: (values) => values.map((value) => 1 / (1 + Math.exp(-value))),
  softmax: (values) => {
    const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = values.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  },
};

const LAYERS = {
  Rescaling(layer, { shape, values }) {
    return { shape, values: values.map((value) => value * layer.scale + layer.offset) };
  },

  Conv2D(layer, { shape: [height, width, depth], values }) {
    const { size, strides, kernel, bias, padding } = layer;
    const maps = bias.length;
    const [above, left] = [0, 1].map((axis) => before([height, width][axis], size[axis], strides[axis], padding));
    const [rows, columns] = [0, 1].map((axis) => positions([height, width][axis], size[axis], strides[axis], padding));
    const output = new Float32Array(rows * columns * maps);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const start = (row * columns + column) * maps;
        output.set(bias, start);
        for (let i = 0; i < size[0]; i++) {
          const y = row * strides[0] + i - above;
          if (y < 0 || y >= height) continue;
          for (let j = 0; j < size[1]; j++) {
            const x = column * strides[1] + j - left;
            if (x < 0 || x >= width) continue;
            for (let channel = 0; channel < depth; channel++) {
              const value = values[(y * width + x) * depth + channel];
              if (value === 0) continue;
              const from = ((i * size[1] + j) * depth + channel) * maps;
              for (let map = 0; map < maps; map++) output[start + map] += value * kernel[from + map];
            }
          }
        }
      }
    }
    return { shape: [rows, columns, maps], values: ACTIVATIONS[layer.activation](output) };
  },

  MaxPooling2D(layer, input) {
    return pooled(layer, input, (window) => Math.max(...window));
  },

  AveragePooling2D(layer, input) {
    return pooled(layer, input, (window) => window.reduce((a, b) => a + b, 0) / window.length);
  },

  GlobalMaxPooling1D(layer, input) {
    return perMap(input, (column) => Math.max(...column));
  },

  GlobalAveragePooling2D(layer, input) {
    return perMap(input, (column) => column.reduce((a, b) => a + b, 0) / column.length);
  },

  Flatten(layer, { values }) {
    return { shape: [values.length], values };
  },

  Dense(layer, { values }) {
    const output = Float32Array.from(layer.bias);
    for (let from = 0; from < values.length; from++) {
      if (values[from] === 0) continue;
      for (let to = 0; to < output.length; to++)
        output[to] += values[from] * layer.kernel[from * output.length + to];
    }
    return { shape: [output.length], values: ACTIVATIONS[layer.activation](output) };
  },

  // Trained statistics make a batch norm one factor and one summand per channel.
  BatchNormalization(layer, { shape, values }) {
    const { factor, summand } = layer;
    const depth = factor.length;
    return { shape, values: values.map((value, at) => value * factor[at % depth] + summand[at % depth]) };
  },

  Embedding(layer, { shape: [length], values }) {
    const output = new Float32Array(length * layer.width);
    values.forEach((word, at) =>
      output.set(layer.table.subarray(word * layer.width, (word + 1) * layer.width), at * layer.width));
    return { shape: [length, layer.width], values: output };
  },

  Conv1D(layer, { shape: [length, depth], values }) {
    const flat = { ...layer, size: [1, layer.size[0]], strides: [1, layer.strides[0]] };
    const answer = LAYERS.Conv2D(flat, { shape: [1, length, depth], values });
    return { shape: answer.shape.slice(1), values: answer.values };
  },
};

function positions(length, window, stride, padding) {
  return padding === "same" ? Math.ceil(length / stride) : Math.floor((length - window) / stride) + 1;
}

// Zeros before the first pixel; Keras puts an odd one at the end.
function before(length, window, stride, padding) {
  if (padding === "valid") return 0;
  return Math.floor(Math.max((Math.ceil(length / stride) - 1) * stride + window - length, 0) / 2);
}

function pooled({ size, strides }, { shape: [height, width, depth], values }, keep) {
  const rows = positions(height, size[0], strides[0], "valid");
  const columns = positions(width, size[1], strides[1], "valid");
  const output = new Float32Array(rows * columns * depth);
  const window = new Float32Array(size[0] * size[1]);
  for (let at = 0; at < output.length; at++) {
    const channel = at % depth;
    const column = Math.floor(at / depth) % columns;
    const row = Math.floor(at / depth / columns);
    for (let i = 0; i < size[0]; i++)
      for (let j = 0; j < size[1]; j++)
        window[i * size[1] + j] =
          values[((row * strides[0] + i) * width + column * strides[1] + j) * depth + channel];
    output[at] = keep(window);
  }
  return { shape: [rows, columns, depth], values: output };
}

function perMap({ shape, values }, keep) {
  const depth = shape[shape.length - 1];
  const output = Float32Array.from({ length: depth }, (_, channel) =>
    keep(values.filter((_, at) => at % depth === channel)));
  return { shape: [depth], values: output };
}

// The output of every layer of a network, the last one is its answer.
function run(network, shape, values) {
  const outputs = [];
  let current = { shape, values: Float32Array.from(values) };
  for (const layer of network) {
    current = LAYERS[layer.kind](layer, current);
    outputs.push(current);
  }
  return outputs;
}

// Weights come as bytes, with one factor per column: int8 times factor.
async function unpacked(networks, packed) {
  const whole = new Int8Array(await unzipped(packed).arrayBuffer());
  let at = 0;
  for (const layer of Object.values(networks).flat()) {
    for (const [name, { length, factors }] of Object.entries(layer.packed ?? {})) {
      const part = whole.subarray(at, at + length);
      layer[name] = Float32Array.from(part, (value, index) => value * factors[index % factors.length]);
      at += length;
    }
  }
  return networks;
}
