// The upload box: sends a file in pieces (tus 1.0), shows progress, goes on by itself after the connection dropped,
// and tells Python the upload's token when everything has arrived. No dependencies.

const PIECE = 8 * 2 ** 20;
const SMALLEST_PIECE = 2 ** 18;
const LONGEST_PAUSE = 15;
const GIVE_UP_AFTER = 15 * 60;

// A transfer outlives its box: a user may walk through other pages meanwhile, and every box shows it.
const running = (globalThis.__cellucidUpload ??= { transfer: null });

const short = (number) => number.toFixed(1).replace(/\.0$/, "");

const inUnits = (bytes) => {
  for (const unit of ["bytes", "kB", "MB"]) {
    if (bytes < 1000) return unit === "bytes" ? `${bytes} bytes` : `${short(bytes)} ${unit}`;
    bytes /= 1000;
  }
  return `${short(bytes)} GB`;
};

const inTime = (seconds) => {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
};

const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

class Refused extends Error {
  constructor(what, fix) {
    super(`${what} ${fix}`);
    Object.assign(this, { what, fix });
  }
}

class Transfer {
  // Of several files one is sent after the other, and their tokens are handed over together.
  constructor(file, address, rest = [], earlier = []) {
    Object.assign(this, { file, address, rest, earlier });
    this.offset = 0;
    this.state = "sending"; // sending, waiting, arrived, opening, failed, cancelled
    this.words = "Starting …";
    this.token = null;
    this.piece = PIECE;
    this.samples = [];
    this.draw = () => {};
    this.remembered = `cellucid-upload ${address} ${file.name} ${file.size} ${file.lastModified}`;
  }

  async run() {
    let lost = null;
    let pause = 1;
    while (this.state === "sending" || this.state === "waiting") {
      try {
        await this.find();
        while (this.offset < this.file.size && this.state === "sending") {
          await this.sendPiece();
          lost = null;
          pause = 1;
        }
        if (this.state !== "sending") return;
        this.forget();
        if (this.rest.length) return this.goOn();
        this.change("arrived", "Opening …");
      } catch (error) {
        if (this.state === "cancelled") return;
        lost ??= Date.now();
        if (error instanceof Refused || Date.now() - lost > GIVE_UP_AFTER * 1000) {
          this.giveBack();
          this.refused = error instanceof Refused ? error : new Refused("The server cannot be reached.", "Try again.");
          this.change("failed", this.refused.message);
          return;
        }
        this.change("waiting", `The connection dropped at ${inUnits(this.offset)}; the upload will go on by itself.`);
        await wait(pause);
        pause = Math.min(LONGEST_PAUSE, pause * 2);
      }
    }
  }

  goOn() {
    const [file, ...rest] = this.rest;
    const next = new Transfer(file, this.address, rest, [...this.earlier, this.token]);
    next.draw = this.draw;
    running.transfer = next;
    next.draw();
    next.run();
  }

  get tokens() {
    return [...this.earlier, this.token].join(" ");
  }

  get title() {
    const all = this.earlier.length + 1 + this.rest.length;
    return all > 1 ? `${this.file.name} (${this.earlier.length + 1} of ${all})` : this.file.name;
  }

  // Ask how far an earlier attempt came, or announce the file.
  async find() {
    let location = this.location ?? recall(this.remembered);
    if (location) {
      const answer = await this.send("HEAD", location);
      if (answer.status === 200) {
        this.offset = Number(answer.getResponseHeader("Upload-Offset"));
      } else if (answer.status === 404) {
        location = null;
      } else {
        throw new Error("unreachable");
      }
    }
    if (!location) {
      const name = btoa(String.fromCharCode(...new TextEncoder().encode(this.file.name)));
      const answer = await this.send("POST", this.address, {
        "Upload-Length": String(this.file.size),
        "Upload-Metadata": `filename ${name}`,
      });
      if (answer.status !== 201) throw problem(answer);
      location = answer.getResponseHeader("Location");
      this.offset = 0;
      remember(this.remembered, location);
    }
    this.location = location;
    this.token = location.split("/").pop();
    this.samples = [[Date.now(), this.offset]];
    this.change("sending", this.progress(this.offset));
  }

  async sendPiece() {
    const from = this.offset;
    // A piece of the file itself: the browser reads it from disk while it sends, beside the page's own thread.
    const body = this.file.slice(from, from + this.piece);
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(from) };
    // Browsers give checksums only to pages that came by HTTPS or from this machine.
    if (globalThis.crypto?.subtle) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await body.arrayBuffer()));
      headers["Upload-Checksum"] = `sha256 ${btoa(String.fromCharCode(...digest))}`;
    }
    if (this.state !== "sending") return;
    const answer = await this.send("PATCH", this.location, headers, body, (sent) =>
      this.change("sending", this.progress(from + sent), from + sent),
    );
    if (answer.status === 204 || answer.status === 409) {
      this.offset = Number(answer.getResponseHeader("Upload-Offset"));
    } else if (answer.status === 413 && !told(answer) && this.piece > SMALLEST_PIECE) {
      this.piece /= 2; // a proxy takes smaller bodies only
    } else {
      throw problem(answer);
    }
  }

  send(method, address, headers = {}, body = null, sent = null) {
    return new Promise((done, failed) => {
      const request = (this.request = new XMLHttpRequest());
      request.open(method, address);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.timeout = method === "PATCH" ? 0 : 30000;
      // A connection that hangs says nothing: no progress for a minute counts as dropped.
      let watchdog = null;
      const alive = () => {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => request.abort(), 60000);
      };
      alive();
      if (sent) {
        request.upload.onprogress = (event) => {
          alive();
          sent(event.loaded);
        };
      }
      const end = (result) => () => {
        clearTimeout(watchdog);
        result();
      };
      request.onload = end(() => done(request));
      for (const event of ["onerror", "onabort", "ontimeout"]) {
        request[event] = end(() => failed(new Error("unreachable")));
      }
      request.send(body);
    });
  }

  progress(offset) {
    const now = Date.now();
    this.samples.push([now, offset]);
    this.samples = this.samples.filter(([time], at) => now - time < 10000 || at === this.samples.length - 1);
    const [time, from] = this.samples[0];
    const words = `${inUnits(offset)} of ${inUnits(this.file.size)}`;
    if (now - time < 700 || offset <= from) return words;
    const rate = ((offset - from) / (now - time)) * 1000;
    return `${words} · ${inUnits(Math.round(rate))}/s · ${inTime((this.file.size - offset) / rate)} left`;
  }

  change(state, words, shown = this.offset) {
    Object.assign(this, { state, words, shown });
    this.draw();
  }

  forget() {
    try {
      localStorage.removeItem(this.remembered);
    } catch {}
  }

  cancel() {
    this.state = "cancelled";
    this.request?.abort();
    this.forget();
    if (this.location) this.send("DELETE", this.location).catch(() => {});
    this.giveBack();
  }

  // The files that were sent before this one are of no use without it.
  giveBack() {
    const address = this.address.replace(/\/$/, "");
    for (const token of this.earlier) this.send("DELETE", `${address}/${token}`).catch(() => {});
  }
}

// What the server says in a sentence cannot be helped by trying again; anything else may be a proxy's bad moment.
function problem(answer) {
  const said = told(answer);
  if (said && ![423, 460, 503, 507].includes(answer.status)) return new Refused(said.what, said.fix);
  return new Error("unreachable");
}

function told(answer) {
  try {
    const said = JSON.parse(answer.responseText);
    return typeof said.what === "string" ? said : null;
  } catch {
    return null;
  }
}

function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, location) {
  try {
    localStorage.setItem(name, location);
  } catch {} // private windows: the upload goes on as long as the page is open
}

export default function ({ data, parentElement, setTriggerValue }) {
  const part = (selector) => parentElement.querySelector(selector);
  const zone = part(".zone");
  const input = part("input");
  const status = part("[role=status]");
  let said = "";
  let patience = null;

  const draw = () => {
    const { transfer } = running;
    if (transfer?.state === "failed") return refuse(transfer.refused);
    const busy = transfer && ["sending", "waiting"].includes(transfer.state);
    part(".name").textContent = transfer ? transfer.title : data.title;
    part(".quiet").textContent = transfer ? transfer.words : data.hint;
    const bar = part("progress");
    bar.hidden = !busy;
    bar.value = transfer ? (transfer.shown ?? 0) / Math.max(1, transfer.file.size) : 0;
    part(".browse").hidden = Boolean(transfer);
    part(".cancel").hidden = !busy;
    part(".open").hidden = !(transfer?.state === "arrived" && transfer.impatient);
    // For screen readers: changes of state and every quarter, not every piece.
    const quarter = transfer ? Math.floor(bar.value * 4) * 25 : 0;
    const now = transfer?.state === "sending" ? `${quarter} % uploaded` : (transfer?.words ?? "");
    if (now !== said) status.textContent = said = now;
    if (transfer?.state === "arrived" && !transfer.announced) hand(transfer);
  };

  // What cannot be uploaded is said on the page, where all other errors are.
  const refuse = ({ what, fix }) => {
    running.transfer = null;
    draw();
    setTriggerValue("refused", { what, fix });
  };

  const hand = (transfer) => {
    transfer.announced = true;
    transfer.impatient = false;
    setTriggerValue("uploaded", transfer.tokens);
    // Should the page's own connection be down just now, the user can hand it over again.
    clearTimeout(patience);
    patience = setTimeout(() => {
      if (transfer.state !== "arrived") return;
      Object.assign(transfer, { impatient: true, words: "The upload has arrived." });
      draw();
    }, 8000);
  };

  const start = (files) => {
    if (running.transfer || !files.length) return;
    const [file, ...rest] = files;
    const transfer = new Transfer(file, data.address, rest);
    transfer.draw = draw;
    running.transfer = transfer;
    draw();
    transfer.run();
  };

  const current = running.transfer;
  if (current) {
    current.draw = draw;
    if (data.done && current.tokens === data.done) running.transfer = null;
    else if (data.seen && current.tokens === data.seen) Object.assign(current, { state: "opening", words: "Opening …" });
  }

  input.onchange = () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    start(files);
  };
  part(".browse").onclick = () => input.click();
  part(".open").onclick = () => hand(running.transfer);
  part(".cancel").onclick = () => {
    running.transfer?.cancel();
    running.transfer = null;
    draw();
    part(".browse").focus();
  };
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    if (entries.some((entry) => entry?.isDirectory)) {
      return refuse({ what: "This is a folder.", fix: "Zip it, then drop the zip." });
    }
    start([...event.dataTransfer.files]);
  };
  draw();

  return () => {
    clearTimeout(patience);
    if (running.transfer?.draw === draw) running.transfer.draw = () => {};
  };
}
