/* Read a prepared export as a viewer does: with nothing but what a browser has. The zip's directory is parsed here, the
   members are inflated by DecompressionStream, numbers come from typed arrays, and the formula is that of the format. */
async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the download answered ${response.status}`);
  const buffer = await response.arrayBuffer();
  const view = new DataView(buffer);
  const text = (start, length) => new TextDecoder().decode(new Uint8Array(buffer, start, length));

  // The end of the directory stands in the last bytes, before a comment of at most 65,535.
  let end = buffer.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("no directory: not a zip");
  const entries = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    if (view.getUint32(at, true) !== 0x02014b50) throw new Error("a damaged directory");
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = text(at + 46, nameLength);
    if (view.getUint16(at + 10, true) !== 0) throw new Error(`${name} is not stored`);
    entries.set(name, { size: view.getUint32(at + 24, true), header: view.getUint32(at + 42, true) });
    at += 46 + nameLength + extra + comment;
  }
  const root = [...entries.keys()][0].split("/")[0] + "/";
  const member = (name) => {
    const entry = entries.get(root + name);
    if (!entry) throw new Error(`${name} is missing`);
    const start = entry.header + 30 + view.getUint16(entry.header + 26, true) + view.getUint16(entry.header + 28, true);
    return new Uint8Array(buffer, start, entry.size);
  };
  const json = (name) => JSON.parse(new TextDecoder().decode(member(name)));
  const inflate = async (name) => {
    const stream = new Blob([member(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).arrayBuffer();
  };
  const safe = (key) => key.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^[._]+|[._]+$/g, "") || "field";
  const types = { u8: Uint8Array, u16: Uint16Array, f32: Float32Array };
  const numbers = async (schema, [key, low, high]) => {
    const codes = new types[schema.ext](await inflate(schema.pathPattern.replace("{key}", safe(key))));
    if (!schema.quantized) return [...codes];
    const top = schema.quantizationBits === 8 ? 254 : 65534;
    return Array.from(codes, (code) => (code > top ? null : low + (code * (high - low)) / top));
  };

  const identity = json("dataset_identity.json");
  const obs = json("obs_manifest.json");
  const genes = json("var_manifest.json");
  const graph = json("connectivity_manifest.json");
  const result = { identity, files: [...entries.keys()], points: {}, obs: {}, genes: {}, edges: [] };
  for (const [dimension, file] of Object.entries(identity.embeddings.files))
    result.points[dimension] = [...new Float32Array(await inflate(file))];
  for (const field of obs._continuousFields) result.obs[field[0]] = await numbers(obs._obsSchemas.continuous, field);
  for (const [key, labels, dtype, missing] of obs._categoricalFields) {
    const ext = dtype === "uint8" ? "u8" : "u16";
    const file = obs._obsSchemas.categorical.codesPathPattern.replace("{key}", safe(key)).replace("{ext}", ext);
    const codes = new types[ext](await inflate(file));
    result.obs[key] = Array.from(codes, (code) => (code === missing ? null : labels[code]));
  }
  for (const field of genes.fields) result.genes[field[0]] = await numbers(genes._varSchema, field);
  const index = graph.index_dtype === "uint16" ? Uint16Array : Uint32Array;
  const [from, to] = [new index(await inflate(graph.sourcesPath)), new index(await inflate(graph.destinationsPath))];
  result.edges = Array.from(from, (source, i) => [source, to[i]]);
  return JSON.stringify(result); // half a million numbers travel faster as one text
}
