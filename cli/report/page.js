/* page.js - which charts a result has: by what is in the JSON of the job, whatever job it
 * was. Anything that goes wrong is written into the page and marked on its body.
 */
"use strict";

const report = JSON.parse(document.getElementById("report").textContent);
const result = report.result, page = d3.select("main");

window.addEventListener("error", event => {
    document.body.setAttribute("data-failed", event.message);
});

function section(title, text) {
    const made = page.append("section");
    made.append("h2").text(title);
    if (text)
        made.append("p").text(text);
    return made;
}

/* --- the table ------------------------------------------------------------------- */

const NAMES = {
    ensemble: "prediction ensemble", average: "plain average", deleted: "deleted",
    uncalibrated: "before correction", stitched: "stitched", pruned: "pruned",
    slim: "slim", fused: "fused", result: "result", model: "before",
};
const base = path => path.replace(/.*\//, "");

function scores() {
    const rows = [];
    const add = (name, score, last) => {
        if (score)
            rows.push(Object.assign({name, last}, score));
    };
    if (result.model && result.model.params)
        add("before", result.model);
    for (const score of result.models || [])
        add(score.name || base(score.file || "model"), score);
    for (const key of ["ensemble", "average", "deleted", "uncalibrated", "stitched"])
        add(NAMES[key], result[key]);
    for (const key of ["pruned", "slim", "fused", "result"])
        add(NAMES[key], result[key], true);
    return rows;
}

/* Wilson's interval of a share, 95 %. */
function interval(p, n) {
    const z = 1.96, d = 1 + z * z / n, c = (p + z * z / (2 * n)) / d;
    const half = z / d * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return [c - half, c + half];
}

const COLUMNS = [
    ["accuracy", s => s.accuracy, percent], ["loss", s => s.loss, x => x.toFixed(4)],
    ["calibration error", s => s.calibration_error, percent],
    ["parameters", s => s.params, d3.format(",")], ["MACs", s => s.macs, d3.format(".3s")],
    ["latency ms", s => s.latency && 1000 * s.latency, x => x.toFixed(3)],
    ["seconds to make", s => s.seconds, x => x.toFixed(2)],
];

function showScores() {
    const rows = scores();
    if (!rows.length)
        return;
    const part = section(rows.length > 1 && rows.some(r => r.last) ? "Before and after"
        : "Accuracy");
    const columns = COLUMNS.filter(c => rows.some(r => typeof c[1](r) === "number"));
    const table = part.append("table");
    table.append("thead").append("tr").selectAll("th")
        .data(["model"].concat(columns.map(c => c[0]))).enter().append("th").text(t => t);
    const line = table.append("tbody").selectAll("tr").data(rows).enter().append("tr")
        .attr("class", r => r.last ? "result" : null);
    line.append("td").text(r => r.name);
    for (const [, get, format] of columns)
        line.append("td").text(r => typeof get(r) === "number" ? format(get(r)) : "–");
    const judged = rows.filter(r => typeof r.accuracy === "number").map(r => {
        const [low, high] = interval(r.accuracy, r.images);
        return {name: r.name, value: r.accuracy, low, high,
                colour: r.last ? "orange" : "blue"};
    });
    if (judged.length)
        figure(part, "accuracy", "Accuracy, with the 95 % interval that so many images leave",
               WIDTH, barsHeight(judged), svg => bars(svg, judged, {
                   from: Math.max(0, d3.min(judged, r => r.low) - .05), format: percent,
                   axis: share}));
}

/* --- fusion ----------------------------------------------------------------------- */

function showGroups() {
    const groups = result.groups || [];
    if (groups.length && groups[0].cost !== undefined) {
        const part = section("Transport of the neuron groups",
            "Each group of neurons that must be indexed together was carried onto that of the " +
            "reference.");
        const several = d3.max(groups, g => g.model) > 1;
        const rows = key => groups.map(g => ({
            name: g.name + (several ? `, model ${g.model}` : ""), value: g[key],
            note: key === "cost" ? `${g.neurons} onto ${g.target}` : ""}));
        const all = [["cost", "Mean cost of the plan", short],
                     ["moved", "Share of the mass that changed its place", percent],
                     ["marginal_error", "Marginal error of the plan", short]];
        for (const [key, caption, format] of all)
            if (key !== "marginal_error" || groups.some(g => g[key] > 1e-12))
                figure(part, "groups-" + key, caption, WIDTH, barsHeight(groups),
                       svg => bars(svg, rows(key), {format, axis: format === percent ? share : plain}));
        showMaps(part, groups);
    } else if (groups.length && groups[0].left !== undefined) {
        showKept(groups);
    }
}

/* Transport maps, drawn on at most 64 x 64 cells. */
function showMaps(part, groups) {
    for (const group of groups.filter(g => g.map && g.map.length)) {
        const most = 64, rows = Math.min(most, group.target);
        const columns = Math.min(most, group.neurons);
        const values = d3.range(rows).map(() => d3.range(columns).map(() => 0));
        for (const [from, to, mass] of group.map)
            values[Math.floor(to * rows / group.target)]
                [Math.floor(from * columns / group.neurons)] += mass;
        const label = (count, cells) => d3.range(cells).map(
            i => String(Math.floor(i * count / cells)));
        const h = {values, rows: label(group.target, rows),
                   columns: label(group.neurons, columns), sparse: true, size: 340,
                   domain: [0, d3.max(d3.merge(values))]};
        figure(part, "map", `Transport map of ${group.name}, model ${group.model} (across) ` +
               "onto the reference (down): mass", heatWidth(h), heatHeight(h),
               svg => heat(svg, h));
    }
}

function showAlignments() {
    for (const a of result.alignments || []) {
        const part = section("Layers aligned",
            `Model ${a.model} was aligned with the deeper model ${a.onto}; making them equally ` +
            `deep moved an output by at most ${short(a.error)} of the largest.`);
        const h = {values: a.cost, rows: a.deep.map(u => u.name),
                   columns: a.units.map(u => u.name), path: a.slots.map((s, i) => [i, s])};
        figure(part, "alignment", "Cost of each pair of layers, and the path that was chosen",
               heatWidth(h), heatHeight(h), svg => heat(svg, h));
    }
}

function showCandidates() {
    const list = result.candidates || [];
    if (!list.length || list[0].agreement === undefined)
        return;
    const part = section("What was tried",
        "Ways of fusing, judged without labels by how often they agree with the parents' " +
        "ensemble on images kept aside. The one that was taken is orange.");
    const rows = list.map(c => ({name: c.name, value: c.agreement,
                                 colour: c.chosen ? "orange" : "blue",
                                 note: `divergence ${short(c.divergence)}`}));
    figure(part, "candidates", "Agreement with the ensemble", WIDTH, barsHeight(rows),
           svg => bars(svg, rows, {format: percent, axis: share,
                                   from: Math.max(0, d3.min(rows, r => r.value) - .05)}));
}

function showBarrier() {
    const barrier = result.checks && result.checks.barrier;
    if (!barrier)
        return;
    const part = section("The line between the parents",
        "Mixtures of the aligned parents, recalibrated at each step, against the straight " +
        "line between their ends.");
    const points = barrier.points, last = points[points.length - 1];
    for (const [key, format] of [["accuracy", percent], ["loss", x => x.toFixed(3)]]) {
        const straight = [points[0], last].map(p => [p.t, p[key]]);
        figure(part, "barrier-" + key, key[0].toUpperCase() + key.slice(1) + " along the line",
               WIDTH, 310, svg => lines(svg, [
                   {name: "mixture", colour: "blue", points: points.map(p => [p.t, p[key]])},
                   {name: "straight", colour: "grey", points: straight}],
                   {title: "share of the second parent", y: format, x: plain}));
    }
}

/* --- pruning ---------------------------------------------------------------------- */

function showKept(groups) {
    const part = section("Neurons that stayed",
        result.error === undefined || result.error === null ? "" :
        `On the images the outputs moved by ${short(result.error)} of their variance.`);
    const rows = groups.map(g => ({name: g.name, value: g.left, whole: g.neurons,
                                   note: g.method}));
    figure(part, "groups-left", "Neurons left in each group", WIDTH, barsHeight(rows),
           svg => shares(svg, rows));
    const judged = groups.filter(g => typeof g.error === "number").map(g => ({
        name: g.name, value: g.error,
        note: `${g.readers_refitted} of ${g.readers} readers refitted`}));
    if (judged.length)
        figure(part, "groups-error", "Share of their answers that the layers which read a " +
               "group miss, on images held out", WIDTH, barsHeight(judged),
               svg => bars(svg, judged, {format: short}));
    const kept = groups.filter(g => g.kept && g.kept.length);
    if (kept.length)
        figure(part, "kept", "Which neurons stayed, from the first to the last", WIDTH,
               kept.length * 22 + 12, svg => kept.forEach((group, i) => {
                   const x = d3.scale.linear().domain([0, group.neurons]).range([210, 780]);
                   svg.append("text").attr("x", 202).attr("y", i * 22 + 16)
                       .attr("text-anchor", "end").text(clip(group.name, 30));
                   svg.append("rect").attr("x", 210).attr("width", 570).attr("height", 14)
                       .attr("y", i * 22 + 5).attr("class", "grey").attr("opacity", .25);
                   for (const k of group.kept)
                       svg.append("rect").attr("class", "blue").attr("x", x(k))
                           .attr("y", i * 22 + 5).attr("height", 14)
                           .attr("width", Math.max(.6, x(1) - x(0) - .3));
               }));
}

/* --- assembling ------------------------------------------------------------------- */

function showZoo() {
    const chain = result.chain;
    if (!chain)
        return;
    const part = section("The zoo and the chain",
        "Each member is cut into blocks; the chain runs through those that were taken.");
    const names = [], members = [];
    const member = (index, name) => {
        if (names[index] === undefined) {
            names[index] = name;
            members[index] = {name, blocks: []};
        }
        return members[index];
    };
    const chosen = new Set(chain.map(b => `${b.index}:${b.first}`));
    for (const b of (result.partition && result.partition.blocks) || [])
        member(b.index - 1, b.member).blocks.push(
            {first: b.first, last: b.last, label: `set ${b.set}`,
             chosen: chosen.has(`${b.index}:${b.first}`)});
    for (const b of chain)
        if (!member(b.index - 1, b.member).blocks.some(o => o.first === b.first))
            member(b.index - 1, b.member).blocks.push(
                {first: b.first, last: b.last, label: "", chosen: true});
    const rows = members.filter(Boolean);
    const at = b => rows.findIndex(m => m === members[b.index - 1]);
    figure(part, "zoo", "Members, their blocks and the chain", WIDTH, rows.length * 56 + 10,
           svg => zoo(svg, rows, chain.map(b => ({member: at(b), first: b.first}))));
    const stitches = chain.filter(b => typeof b.residual === "number").map(
        (b, i) => ({name: `behind block ${i + 1} (${b.member})`, value: b.residual,
                    note: b.stitch_params ? `${b.stitch_params} parameters` : "none needed"}));
    if (stitches.length)
        figure(part, "stitches", "What each stitch leaves over of the variance", WIDTH,
               barsHeight(stitches), svg => bars(svg, stitches, {format: short}));
    const tried = (result.candidates || []).filter(c => typeof c.stitched === "number");
    if (tried.length > 1)
        figure(part, "chains", "Chains that were stitched: accuracy on images kept apart",
               WIDTH, 310, svg => scatter(svg, tried.map((c, i) => ({
                   x: c.params, y: c.stitched, name: c.path,
                   colour: i === d3.range(tried.length).reduce(
                       (a, b) => tried[b].stitched > tried[a].stitched ? b : a)
                       ? "orange" : "blue"})),
                   {title: "parameters", x: d3.format(".3s"), y: percent}));
}

/* --- comparing and training -------------------------------------------------------- */

function showAgreement() {
    if (typeof result.largest_difference !== "number" || !result.a)
        return;
    section("Outputs", `On ${result.images} images the same class is answered for ` +
            `${percent(result.agreement)}; outputs of up to ${short(result.largest_output)} ` +
            `differ by at most ${short(result.largest_difference)}.`);
}

function showSimilarity() {
    if ((result.layers || []).length) {
        const rows = result.layers.map(l => ({name: l.a === l.b ? l.a : `${l.a} – ${l.b}`,
                                              value: l.cka}));
        figure(section("Layers that correspond"), "layers",
               "Linear CKA, unbiased: 1 is the same up to rotation and scale", WIDTH,
               barsHeight(rows), svg => bars(svg, rows, {format: short, to: 1}));
    }
    if (result.cuts && result.cuts.similarity) {
        const h = {values: result.cuts.similarity, rows: result.cuts.a,
                   columns: result.cuts.b, domain: [0, 1]};
        h.path = h.values.map((line, i) => [line.indexOf(d3.max(line)), i]);
        figure(section("Cuts"), "cuts", "Similarity of each cut of the first network (down) " +
               "with each of the second (across), and the best of each row", heatWidth(h),
               heatHeight(h), svg => heat(svg, h));
    }
}

function showTraining() {
    const curve = result.train && result.train.curve;
    if (!curve || !curve.length)
        return;
    const part = section("Training");
    for (const [key, caption, format] of [["loss", "Loss", x => x.toFixed(3)],
                                          ["accuracy", "Accuracy", percent]]) {
        const series = [["training images", "", "blue"],
                        ["images kept apart", "holdout_", "orange"]].map(([name, prefix, colour]) =>
            ({name, colour, points: curve.filter(e => typeof e[prefix + key] === "number")
                .map(e => [e.epoch, e[prefix + key]])})).filter(s => s.points.length);
        if (series.length)
            figure(part, "training-" + key, caption + " of each epoch", WIDTH, 310,
                   svg => lines(svg, series, {title: "epoch", y: format, x: d3.format("d"),
                                              ticks: Math.min(10, curve.length)}));
    }
}

/* --- how it was made ---------------------------------------------------------------- */

function showMade() {
    const part = section("How it was made");
    const told = report.made, options = Object.entries(told.options || {});
    const lines = [`tenon ${told.version} ${told.command} ${(told.operands || []).join(" ")}`];
    for (const key of ["data", "eval_data"])
        if (result[key])
            lines.push(`${key.replace("_", " ")}: ${result[key]}`);
    for (const [name, value] of options.filter(o => o[0] !== "data" && o[0] !== "eval-data"))
        lines.push(`${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    part.append("pre").text(lines.join("\n"));
    d3.select("h1").text(`tenon ${told.command}`);
    document.title = `tenon ${told.command} ${(told.operands || []).join(" ")}`;
    d3.select("header p").text((told.operands || []).join(", "));
}

for (const show of [showScores, showCandidates, showGroups, showAlignments, showBarrier, showZoo,
                    showAgreement, showSimilarity, showTraining, showMade])
    show();
document.body.setAttribute("data-done", "yes");
