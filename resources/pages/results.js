"use strict";
// What a results page does: plots, catalogue and the panel of a star, all of the same rows.
// Names of stars and files are data, and reach the page as text alone.
const page = (() => {
  const element = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(element(id).textContent);
  const data = read("data");

  const ROWS = 25; // of a page of the catalogue
  const MOST_POINTS = 20000; // in view, from which on a plot shows cells
  const CELLS = [110, 80]; // across and up
  const NEAR = 12; // pixels within which a click means a star

  // Parts: each is in this page or in a script beside it, which calls `receive`.

  const parts = {};
  const waiting = {};

  function receive(name, value) {
    waiting[name](value);
  }

  function load(name) {
    parts[name] ??= new Promise((resolve, reject) => {
      const inside = element(`part-${name}`);
      if (inside) {
        resolve(JSON.parse(inside.textContent));
        return;
      }
      waiting[name] = resolve;
      const script = document.createElement("script");
      script.src = `${data.beside}/${encodeURIComponent(name)}.js`;
      script.onerror = () => reject(new Error(`The file ${data.beside}/${name}.js is not beside this page.`));
      document.head.append(script);
    });
    return parts[name];
  }

  // Columns: numbers (NaN where missing), categories (codes and their names) and texts.

  const columns = {};
  const ARRAYS = { Int8: Int8Array, Int16: Int16Array, Int32: Int32Array, Float64: Float64Array };

  function unpack(part) {
    if (part.kind === "text") return part;
    const letters = atob(part.values);
    const bytes = new Uint8Array(letters.length);
    // A plain loop, for there may be millions.
    for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
    const packed = new ARRAYS[part.type](bytes.buffer);
    if (part.kind === "category") return { ...part, values: packed };
    const missing = { Int16: -(2 ** 15), Int32: -(2 ** 31) }[part.type];
    const values = new Float64Array(packed.length);
    for (let place = 0; place < packed.length; place++) {
      values[place] = packed[place] === missing ? NaN : packed[place] / part.scale;
    }
    return { ...part, values };
  }

  async function need(names) {
    const absent = names.filter((name) => name in data.columns && !(name in columns));
    const found = await Promise.all(absent.map(load));
    absent.forEach((name, place) => (columns[name] = unpack(found[place])));
  }

  function value(name, row) {
    const column = columns[name];
    if (!column) return undefined;
    return column.kind === "category" ? column.names[column.values[row]] : column.values[row];
  }

  function text(name, row) {
    const found = value(name, row);
    if (typeof found !== "number") return found ?? "";
    return Number.isNaN(found) ? "" : write(found, data.columns[name].decimals);
  }

  const write = (number, decimals) => number.toFixed(decimals).replace("-", "−");
  const count = (number) => number.toLocaleString("en");

  // What is chosen, and the order of the catalogue.

  const state = { sample: "", type: "", status: "", search: "", box: null, sort: null, down: false, first: 0, star: null, view: "all" };
  let base = []; // rows of the sample
  let chosen = []; // those of them that are chosen, in the order of the catalogue

  const COORDINATES = {
    sky: [(row) => columns.sky_x.values[row], (row) => columns.sky_y.values[row]],
    bailey: [(row) => Math.log10(columns.period.values[row]), (row) => columns.amplitude.values[row]],
    distribution: [(row) => trusted(row), () => 0],
  };

  // [Fe/H] of a star of status ok, else NaN.
  function trusted(row) {
    return value("status", row) === "ok" ? columns.feh.values[row] : NaN;
  }

  function within(box, row) {
    const [x, y] = COORDINATES[box.plot].map((coordinate) => coordinate(row));
    if (!(x >= box.x0 && x <= box.x1)) return false;
    return box.plot === "distribution" || (y >= box.y0 && y <= box.y1);
  }

  const isChoosing = () => Boolean(state.type || state.status || state.search || state.box);

  function choose() {
    const all = Array.from({ length: data.stars }, (_, row) => row);
    const search = state.search.trim().toLowerCase();
    const named = (row) => text("star_id", row).toLowerCase().includes(search);
    const ofSample = (row) => value("sample", row) === state.sample;
    // A name that only other samples have is looked for in all.
    if (search && state.sample && !all.some((row) => ofSample(row) && named(row)) && all.some(named)) {
      state.sample = element("sample").value = "";
    }
    base = state.sample ? all.filter(ofSample) : all;
    chosen = base.filter(
      (row) =>
        (!state.type || value("pulsation_type", row) === state.type) &&
        (!state.status || value("status", row) === state.status) &&
        (!state.box || within(state.box, row)) &&
        (!search || named(row)),
    );
    state.first = 0;
    sort();
    show();
  }

  function sort() {
    if (!state.sort) return;
    const column = columns[state.sort];
    const sign = state.down ? -1 : 1;
    let keys = column.values;
    if (column.kind === "category") {
      const rank = new Map([...column.names].sort().map((name, place) => [name, place]));
      keys = Array.from(column.values, (code) => rank.get(column.names[code]));
    }
    // Missing values come last either way.
    chosen.sort((one, other) => {
      const [a, b] = [keys[one], keys[other]];
      if (a === b) return one - other;
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || one - other;
      return a < b ? -sign : sign;
    });
  }

  function show() {
    const where = { sky: "sky map", bailey: "diagram", distribution: "histogram" }[state.box?.plot];
    element("chosen").textContent =
      `${count(chosen.length)} of ${count(data.stars)} stars` + (where ? `, chosen in the ${where}` : "");
    element("clear").disabled = !isChoosing() && !state.sample;
    showCatalogue();
    Object.keys(plots).forEach(draw);
  }

  // Plots: Bokeh's models, whose data are set here.

  const plots = {};
  const model = (name) => {
    for (const known of Bokeh.documents) {
      const found = known.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  };
  const set = (name, values) => (model(name).data = values);

  function inView(plot, rows) {
    const [x, y] = COORDINATES[plot];
    const { x_range, y_range } = plots[plot];
    const [left, right] = [x_range.start, x_range.end].sort((a, b) => a - b);
    const [low, high] = [y_range.start, y_range.end].sort((a, b) => a - b);
    return rows.filter((row) => {
      const [across, up] = [x(row), y(row)];
      return across >= left && across <= right && up >= low && up <= high;
    });
  }

  function makePoints(plot, rows) {
    const [x, y] = COORDINATES[plot];
    const size = Math.min(8, Math.max(3, 60 / Math.cbrt(rows.length || 1)));
    const types = rows.map((row) => value("pulsation_type", row));
    return {
      x: rows.map(x),
      y: rows.map(y),
      feh: rows.map(trusted),
      marker: types.map((type) => ({ RRab: "circle", RRc: "triangle" })[type] ?? "square"),
      size: rows.map(() => size),
      name: rows.map((row) => columns.star_id?.values[row] ?? ""),
      type: types,
    };
  }

  function makeCells(plot, rows) {
    const [x, y] = COORDINATES[plot];
    const { x_range, y_range } = plots[plot];
    const [across, up] = CELLS;
    const [width, height] = [(x_range.end - x_range.start) / across, (y_range.end - y_range.start) / up];
    const stars = new Int32Array(across * up);
    const known = new Int32Array(across * up);
    const sums = new Float64Array(across * up);
    for (const row of rows) {
      const column = Math.min(across - 1, Math.floor((x(row) - x_range.start) / width));
      const line = Math.min(up - 1, Math.floor((y(row) - y_range.start) / height));
      const cell = line * across + column;
      stars[cell] += 1;
      const feh = trusted(row);
      if (!Number.isNaN(feh)) {
        known[cell] += 1;
        sums[cell] += feh;
      }
    }
    const filled = [...stars.keys()].filter((cell) => stars[cell]);
    const most = Math.log1p(filled.reduce((largest, cell) => Math.max(largest, stars[cell]), 1));
    const left = filled.map((cell) => x_range.start + (cell % across) * width);
    const bottom = filled.map((cell) => y_range.start + Math.floor(cell / across) * height);
    return {
      left,
      bottom,
      right: left.map((edge) => edge + width),
      top: bottom.map((edge) => edge + height),
      feh: filled.map((cell) => (known[cell] ? sums[cell] / known[cell] : NaN)),
      alpha: filled.map((cell) => 0.2 + (0.8 * Math.log1p(stars[cell])) / most),
    };
  }

  function draw(plot) {
    if (plot === "distribution") {
      drawDistribution();
      return;
    }
    const layers = { "context-": isChoosing() ? inView(plot, base) : [], "": inView(plot, chosen) };
    for (const [layer, rows] of Object.entries(layers)) {
      const many = rows.length > MOST_POINTS;
      set(`${plot}-${layer}points`, makePoints(plot, many ? [] : rows));
      set(`${plot}-${layer}cells`, makeCells(plot, many ? rows : []));
    }
    const open = state.star === null ? [] : [state.star];
    const [x, y] = COORDINATES[plot];
    set(`${plot}-star`, { x: open.map(x), y: open.map(y) });
  }

  function drawDistribution() {
    const [edges] = plots.distribution.tags;
    const width = edges[1] - edges[0];
    const bars = (rows) => {
      const top = new Array(edges.length - 1).fill(0);
      for (const row of rows) {
        const bin = Math.floor((trusted(row) - edges[0]) / width + 1e-9);
        if (bin >= 0 && bin < top.length) top[bin] += 1;
      }
      const filled = top.map((_, bin) => bin).filter((bin) => top[bin]);
      return {
        left: filled.map((bin) => edges[bin]),
        right: filled.map((bin) => edges[bin + 1]),
        top: filled.map((bin) => top[bin]),
      };
    };
    set("distribution-context", bars(isChoosing() ? base : []));
    set("distribution-bars", bars(chosen));
    model("distribution-star").location = state.star === null ? NaN : trusted(state.star);
  }

  function findNear(plot, event) {
    const { x_range, y_range, inner_width, inner_height } = plots[plot];
    const [x, y] = COORDINATES[plot];
    const across = inner_width / (x_range.end - x_range.start);
    const up = inner_height / (y_range.end - y_range.start);
    let [nearest, least] = [null, NEAR];
    for (const row of inView(plot, chosen)) {
      const distance = Math.hypot((x(row) - event.x) * across, (y(row) - event.y) * up);
      if (distance < least) [nearest, least] = [row, distance];
    }
    return nearest;
  }

  // The map has one scale along both axes, whatever the shape of its place.
  function aim() {
    const { x_range, y_range, inner_width, inner_height, tags, renderers } = plots.sky;
    const [{ views, shrink }] = tags;
    const [left, right, low, high] = views[state.view];
    const perPixel = Math.max((Math.abs(right - left) * shrink) / inner_width, (high - low) / inner_height);
    const turn = (range, from, to, half) => {
      const [start, end] = [(from + to) / 2 - half, (from + to) / 2 + half];
      range.setv({ start, end, reset_start: start, reset_end: end });
    };
    turn(x_range, left, right, (Math.sign(right - left) * perPixel * inner_width) / shrink / 2);
    turn(y_range, low, high, (perPixel * inner_height) / 2);
    for (const renderer of renderers) {
      if (renderer.name?.startsWith("bulge-")) renderer.visible = state.view === "bulge";
      if (renderer.name === "sky-labels") renderer.visible = state.view === "all";
    }
    const button = element("view");
    if ("bulge" in views) plots.sky.outline_line_color = state.view === "bulge" ? "#8a94a0" : null;
    button.hidden = !("bulge" in views);
    button.textContent = state.view === "all" ? "Turn to the bulge" : "Show the whole sky";
  }

  function startMap() {
    const redraw = () => {
      aim();
      if (base.length) draw("sky");
    };
    const { inner_width, inner_height } = plots.sky.properties;
    for (const size of [inner_width, inner_height]) plots.sky.connect(size.change, redraw);
    element("view").onclick = () => {
      state.view = state.view === "all" ? "bulge" : "all";
      redraw();
    };
    aim();
  }

  async function startPlots() {
    const items = read("plots");
    Bokeh.set_log_level("error");
    for (const plot of ["sky", "bailey", "distribution"]) {
      if (!element(plot)) continue;
      await Bokeh.embed.embed_item(items[plot]);
      plots[plot] = model(plot);
      let redraw;
      plots[plot].on_event("rangesupdate", () => {
        clearTimeout(redraw);
        redraw = setTimeout(() => draw(plot), 120);
      });
      plots[plot].on_event("selectiongeometry", ({ geometry, final }) => {
        if (!final || geometry.type !== "rect") return;
        const [x0, x1] = [geometry.x0, geometry.x1].sort((a, b) => a - b);
        const [y0, y1] = [geometry.y0, geometry.y1].sort((a, b) => a - b);
        state.box = { plot, x0, x1, y0, y1 };
        choose();
      });
      plots[plot].on_event("reset", () => {
        if (!state.box) return;
        state.box = null;
        choose();
      });
      if (plot === "distribution") continue;
      plots[plot].on_event("tap", (event) => {
        const row = findNear(plot, event);
        if (row !== null) open(row);
      });
    }
    if (plots.sky) startMap();
    element("binned").hidden = data.stars <= MOST_POINTS;
  }

  // The catalogue.

  const LISTED = ["star_id", "sample", "pulsation_type", "period", "amplitude", "mean_mag", "feh", "feh_err", "ra", "dec", "status"];
  const HEADS = {
    star_id: "Star",
    sample: "Sample",
    pulsation_type: "Type",
    period: "Period",
    amplitude: "Amplitude",
    mean_mag: "Mean mag",
    feh: "[Fe/H]",
    feh_err: "Error",
    ra: "RA",
    dec: "Dec",
    status: "Status",
  };
  const UNITS = { feh: "dex", feh_err: "dex" };
  const listed = LISTED.filter((name) => name in data.columns && (name !== "sample" || Object.keys(data.samples).length > 1));
  const isNumber = (name) => "decimals" in data.columns[name];

  function make(tag, content = "", settings = {}) {
    const made = Object.assign(document.createElement(tag), settings);
    made.append(content);
    return made;
  }

  function startCatalogue() {
    for (const name of listed) {
      const button = make("button", HEADS[name], { type: "button", title: data.columns[name].description });
      button.onclick = () => {
        state.down = state.sort === name && !state.down;
        state.sort = name;
        state.first = 0;
        sort();
        showCatalogue();
      };
      const head = make("th", button, { scope: "col", className: isNumber(name) ? "number" : "" });
      head.dataset.name = name;
      head.append(make("small", UNITS[name] ?? data.columns[name].unit ?? ""));
      document.querySelector("#catalogue thead tr").append(head);
    }
  }

  function showCatalogue() {
    if (!listed.every((name) => name in columns)) return;
    for (const head of document.querySelectorAll("#catalogue thead th")) {
      if (head.dataset.name === state.sort) head.ariaSort = state.down ? "descending" : "ascending";
      else head.removeAttribute("aria-sort");
    }
    const rows = chosen.slice(state.first, state.first + ROWS);
    const lines = rows.map((row) => {
      const line = make("tr", "", { className: row === state.star ? "open" : "", onclick: () => open(row) });
      line.dataset.row = row;
      for (const name of listed) {
        const shown = text(name, row);
        const cell = name === "star_id" ? make("button", shown, { type: "button", className: "link", title: shown }) : shown;
        line.append(make("td", cell, { className: isNumber(name) ? "number" : "" }));
      }
      return line;
    });
    if (!rows.length) lines.push(make("tr", make("td", "No star is chosen.", { colSpan: listed.length })));
    document.querySelector("#catalogue tbody").replaceChildren(...lines);
    element("range").textContent = rows.length
      ? `${count(state.first + 1)} to ${count(state.first + rows.length)} of ${count(chosen.length)}`
      : "0 of 0";
    element("previous").disabled = state.first === 0;
    element("next").disabled = state.first + ROWS >= chosen.length;
  }

  // The panel of a star.

  let opener = null;

  async function open(row) {
    if (state.star === null) opener = document.activeElement;
    state.star = row;
    element("star").hidden = false;
    document.body.classList.add("reading");
    element("star-name").textContent = text("star_id", row);
    element("star-name").focus({ preventScroll: true });
    history.replaceState(null, "", `#star=${encodeURIComponent(`${text("sample", row)}/${text("star_id", row)}`)}`);
    Object.keys(plots).forEach(draw);
    showCatalogue();
    const place = chosen.indexOf(row);
    element("star-before").disabled = place <= 0;
    element("star-after").disabled = place < 0 || place + 1 >= chosen.length;
    await need(Object.keys(data.columns));
    if (state.star !== row) return;
    const band = text("band", row);
    element("star-summary").textContent = [text("pulsation_type", row), band && `${band} band`, text("sample", row)].filter(Boolean).join(", ");
    await showLightCurve(row, band);
  }

  function close() {
    if (state.star === null) return;
    const row = state.star;
    state.star = null;
    element("star").hidden = true;
    document.body.classList.remove("reading");
    history.replaceState(null, "", location.pathname + location.search);
    Object.keys(plots).forEach(draw);
    showCatalogue();
    // The catalogue has new buttons by now: back to the one of this star, if it is in view.
    const button = document.querySelector(`#catalogue tr[data-row="${row}"] button`);
    (button ?? (opener?.isConnected ? opener : element("search"))).focus({ preventScroll: true });
  }

  function step(by) {
    const place = chosen.indexOf(state.star) + by;
    if (place < 0 || place >= chosen.length) return;
    state.first = Math.floor(place / ROWS) * ROWS;
    open(chosen[place]);
  }

  async function showLightCurve(row, band) {
    const part = value("light_curves", row);
    const has = Number.isFinite(part);
    element("light-curve").hidden = !has;
    const curve = has ? (await load(`light_curves_${part}`))[row] : null;
    if (state.star !== row) return;
    element("star-facts").replaceChildren(...describe(row, curve));
    if (!has) {
      const fitted = Number.isFinite(value("mean_mag", row));
      element("star-note").textContent = fitted
        ? `This page has the light curves of some of its many stars; that of this one is in folded/${text("sample", row)}.`
        : "The light curve of this star was not fitted.";
      return;
    }
    if (!plots["light-curve"] && !model("light-curve")) await Bokeh.embed.embed_item(read("plots")["light-curve"]);
    const plot = model("light-curve");
    plot.left[0].axis_label = `${band} (mag)`;
    const errors = curve.errors.some(Boolean);
    const layers = { points: [], rejected: [] };
    const rejected = new Set(curve.rejected);
    curve.phases.forEach((phase, place) => {
      const point = { y: curve.mean + curve.mags[place] / 1000, error: curve.errors[place] / 1000 };
      for (const cycle of [0, 1]) layers[rejected.has(place) ? "rejected" : "points"].push({ x: phase / 1e4 + cycle, ...point });
    });
    for (const [name, points] of Object.entries(layers)) {
      set(`light-curve-${name}`, {
        x: points.map(({ x }) => x),
        y: points.map(({ y }) => y),
        low: points.map(({ y, error }) => y - error),
        high: points.map(({ y, error }) => y + error),
      });
    }
    const size = curve.curve.length;
    const steps = Array.from({ length: 3 * size + 1 }, (_, place) => place).filter((place) => {
      const phase = place / size - curve.maximum;
      return phase >= -0.5 / size && phase <= 2 + 0.5 / size;
    });
    const fit = steps.map((place) => curve.mean + curve.curve[place % size] / 1000);
    const spread = steps.map((place) => (curve.curve_err[place % size] ?? 0) / 1000);
    set("light-curve-fit", {
      x: steps.map((place) => place / size - curve.maximum),
      y: fit,
      low: fit.map((mag, place) => mag - spread[place]),
      high: fit.map((mag, place) => mag + spread[place]),
    });
    const drawn = curve.phases.length;
    element("star-note").textContent =
      `${drawn < curve.n_points ? `${drawn} of ` : ""}${curve.n_points} epochs${errors ? " with their errors" : ""}; ` +
      "line and band: the fit and its standard error" +
      (layers.rejected.length ? "; crosses: points that the fit has rejected." : ".");
  }

  // What the panel says, as elements; `told` are the columns that are said already.

  function describe(row, curve) {
    const told = new Set(["star_id", "sample", "band", "light_curves", "longitude", "latitude", "sky_x", "sky_y", "reason", "in_training"]);
    const list = (entries) => {
      const shown = make("dl");
      for (const [term, content] of entries) if (content) shown.append(make("dt", term), make("dd", content));
      return shown.childElementCount ? [shown] : [];
    };
    const say = (name, unit = data.columns[name]?.unit) => {
      told.add(name);
      const shown = name in columns ? text(name, row) : "";
      return shown && unit ? `${shown} ${unit}` : shown;
    };
    const between = (level) => {
      const [low, high] = [say(`feh_low_${level}`), say(`feh_high_${level}`)];
      return low && `${low} to ${high} dex`;
    };
    const error = say("feh_err", "");
    const feh = say("feh", "");
    const groups = {
      "[Fe/H]": list([
        ["Value", feh && `${feh}${error ? ` ± ${error}` : ""} dex`],
        ["68 % interval", between(68)],
        ["95 % interval", between(95)],
        ["Error, light curve", say("feh_err_light_curve", "dex")],
        ["Error, model", say("feh_err_model", "dex")],
        ["Error, relation", say("feh_err_relation", "dex")],
        ["Spread of the ensemble", say("feh_std", "dex")],
        ["Model", say("model")],
        ["Relation", say("relation")],
      ]),
      Flags: flags(row, told),
      "Light curve": list([
        ["Type", say("pulsation_type")],
        ["Period", say("period")],
        ["Mean magnitude", say("mean_mag")],
        ["Amplitude", say("amplitude")],
        ["Epochs", say("n_epochs")],
        ["Phase coverage", say("phase_coverage")],
        ["S/N", say("snr")],
      ]),
      "Fourier parameters (sine series)": curve ? [fourier(curve)] : [],
      Position: position(row, list, say),
      "Further columns": list(Object.keys(data.columns).filter((name) => !told.has(name)).map((name) => [name, say(name)])),
    };
    return Object.entries(groups).flatMap(([title, content]) => (content.length ? [make("h3", title), ...content] : []));
  }

  function flags(row, told) {
    const [status, reason] = [text("status", row), text("reason", row)];
    ["status", "out_of_domain"].forEach((name) => told.add(name));
    const said = [status === "ok" ? "ok: the star has passed every stage." : `${status}: ${data.statuses[status]}`];
    if (reason && reason !== data.statuses[status]) said.push(reason);
    if (text("out_of_domain", row)) said.push(`Outside the training set in: ${text("out_of_domain", row)}.`);
    if (value("in_training", row) === "True") said.push("The model was trained on this star; its value is that of the members that have not seen it.");
    const shown = make("ul");
    shown.append(...said.map((sentence) => make("li", sentence)));
    return [shown];
  }

  function fourier(curve) {
    const head = make("tr");
    head.append(...["k", "A_k (mag)", "φ_k1 (rad)"].map((name) => make("th", name, { scope: "col", className: "number" })));
    const cell = (found, error) => (found === null ? "" : write(found, 4) + (error === null ? "" : ` ± ${write(error, 4)}`));
    const lines = curve.fourier.map(([k, amplitude, amplitudeError, phase, phaseError]) => {
      const line = make("tr");
      const phases = (k === 1 ? "φ_1 = " : "") + cell(phase, phaseError);
      line.append(...[String(k), cell(amplitude, amplitudeError), phases].map((shown) => make("td", shown, { className: "number" })));
      return line;
    });
    const table = make("table");
    const [top, body] = [make("thead", head), make("tbody")];
    body.append(...lines);
    table.append(top, body);
    return table;
  }

  function position(row, list, say) {
    const [ra, dec] = [value("ra", row), value("dec", row)];
    const shown = list([
      ["RA, Dec (ICRS)", [say("ra"), say("dec")].filter(Boolean).join(", ")],
      ["l, b", Number.isFinite(ra) ? `${text("longitude", row)}, ${text("latitude", row)} deg` : ""],
      ["Matched star", say("reference_id")],
    ]);
    const addresses = { ...(Number.isFinite(ra) ? data.links.position : {}), ...data.links.survey[data.samples[text("sample", row)]?.lister] };
    const fields = { ra: ra?.toFixed(6), dec: dec?.toFixed(6), star_id: text("star_id", row) };
    const links = make("p", "", { className: "links" });
    for (const [name, address] of Object.entries(addresses)) {
      const href = address.replace(/{(\w+)}/g, (_, field) => encodeURIComponent(fields[field]));
      links.append(make("a", name, { href, target: "_blank", rel: "noopener noreferrer" }));
    }
    if (!links.childElementCount) return shown;
    const remark = data.simulated ? [make("p", "The star is simulated; these pages show the real sky.", { className: "note" })] : [];
    return [...shown, links, ...remark];
  }

  // Choosing.

  function fill(id, name, all) {
    const used = new Set(columns[name].values);
    const names = columns[name].names.filter((_, code) => used.has(code));
    const label = (option) => (id === "sample" ? `${option} (${data.samples[option]?.band ?? ""})` : option || "unknown");
    element(id).append(new Option(all, ""), ...names.map((option) => new Option(label(option), option)));
    element(id).onchange = ({ target }) => {
      state[id] = target.value;
      choose();
    };
  }

  function startChoice() {
    fill("sample", "sample", "all samples");
    fill("type", "pulsation_type", "all types");
    fill("status", "status", "all");
    let typing;
    element("search").oninput = ({ target }) => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        state.search = target.value;
        choose();
      }, 120);
    };
    element("choice").onsubmit = (event) => event.preventDefault();
    element("clear").onclick = () => {
      Object.assign(state, { sample: "", type: "", status: "", search: "", box: null });
      element("choice").reset();
      choose();
    };
    const turn = (by) => () => {
      state.first += by * ROWS;
      showCatalogue();
    };
    element("previous").onclick = turn(-1);
    element("next").onclick = turn(1);
    element("star-close").onclick = close;
    element("star-before").onclick = () => step(-1);
    element("star-after").onclick = () => step(1);
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") close();
    });
  }

  // The star that the address of the page names, if it does.
  function openNamed() {
    const named = /^#star=(.*)$/.exec(location.hash);
    if (!named) return;
    const wanted = decodeURIComponent(named[1]);
    const row = base.find((candidate) => `${text("sample", candidate)}/${text("star_id", candidate)}` === wanted);
    if (row !== undefined) open(row);
  }

  async function start() {
    try {
      if (!data.stars) return;
      await need(["sample", "pulsation_type", "status", "sky_x", "sky_y", "period", "amplitude", "feh", "light_curves"]);
      startChoice();
      startCatalogue();
      await startPlots();
      // Amplitudes of several bands in one diagram say little: begin with one sample.
      state.sample = Object.keys(data.samples).find((name) => data.samples[name].predicted) ?? "";
      element("sample").value = state.sample;
      choose();
      document.body.dataset.shown = "true";
      await need(listed);
      choose();
      openNamed();
    } catch (error) {
      element("chosen").textContent = `This page is not complete: ${error.message}`;
      throw error;
    } finally {
      document.body.dataset.ready = "true";
    }
  }

  document.addEventListener("DOMContentLoaded", start);
  return { receive };
})();
