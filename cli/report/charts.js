/* charts.js - the kinds of charts, each drawn by D3 (version 3) into a figure of its own.
 *
 * A chart function takes a selection of an <svg> and its data, and knows nothing of jobs.
 * figure() makes the frame and marks it as drawn, which is what the test looks for.
 */
"use strict";

const WIDTH = 900;

const clip = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;
const short = d3.format(".3g");
const plain = x => String(+x.toPrecision(6));
const percent = x => (100 * x).toFixed(2) + " %";
const share = x => plain(100 * x) + " %"; /* on axes */

/* A figure with a caption, in which draw(svg) draws; width as asked for. */
function figure(section, name, caption, width, height, draw) {
    const frame = section.append("figure").attr("data-chart", name);
    frame.append("figcaption").text(caption);
    const svg = frame.append("svg").attr("width", width).attr("height", height)
        .attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img")
        .attr("aria-label", caption);
    draw(svg);
    frame.attr("data-drawn", "yes");
}

function axis(svg, scale, orient, x, y, ticks, format) {
    const made = d3.svg.axis().scale(scale).orient(orient).ticks(ticks || 5)
        .outerTickSize(0);
    if (format)
        made.tickFormat(format);
    return svg.append("g").attr("class", "axis").attr("transform", `translate(${x},${y})`)
        .call(made);
}

/* rows of {name, value, low, high, colour, note}: bars, with the range where there is one. */
function bars(svg, rows, options) {
    const left = 210, right = rows.some(r => r.note) ? 190 : 90, step = 22, top = 4;
    const most = d3.max(rows, r => Math.max(r.value, r.high || 0)) || 1;
    const least = options.from || 0; /* elsewhere than at 0 lengths would mislead: dots */
    const x = d3.scale.linear().domain([least, options.to || most])
        .range([left, WIDTH - right]).nice();
    const base = x(x.domain()[0]);
    const row = svg.selectAll("g.row").data(rows).enter().append("g")
        .attr("class", "row").attr("transform", (r, i) => `translate(0,${top + i * step})`);
    row.append("text").attr("x", left - 8).attr("y", 14).attr("text-anchor", "end")
        .text(r => clip(r.name, 30)).append("title").text(r => r.name);
    if (least > 0)
        row.append("circle").attr("r", 5).attr("cx", r => x(r.value)).attr("cy", 10.5)
            .attr("class", r => r.colour || "blue");
    else
        row.append("rect").attr("x", base).attr("y", 3).attr("height", step - 7)
            .attr("width", r => Math.max(0, x(r.value) - base))
            .attr("class", r => r.colour || "blue");
    row.filter(r => r.high !== undefined).append("line").attr("class", "range")
        .attr("x1", r => x(Math.max(r.low, x.domain()[0]))).attr("x2", r => x(r.high))
        .attr("y1", 10.5).attr("y2", 10.5);
    row.append("text").attr("class", "soft").attr("y", 14)
        .attr("x", r => x(Math.max(r.value, r.high || 0)) + 9)
        .text(r => options.format(r.value) + (r.note ? " · " + r.note : ""));
    axis(svg, x, "bottom", 0, top + rows.length * step + 2, 6, options.axis || plain);
}
const barsHeight = rows => rows.length * 22 + 34;

/* Two bars a row, one inside the other: `value` of `whole`. */
function shares(svg, rows) {
    const left = 210, right = 120, step = 22, top = 4;
    const x = d3.scale.linear().domain([0, d3.max(rows, r => r.whole) || 1])
        .range([left, WIDTH - right]).nice();
    const row = svg.selectAll("g.row").data(rows).enter().append("g")
        .attr("class", "row").attr("transform", (r, i) => `translate(0,${top + i * step})`);
    row.append("text").attr("x", left - 8).attr("y", 14).attr("text-anchor", "end")
        .text(r => clip(r.name, 30)).append("title").text(r => r.name);
    for (const [key, colour] of [["whole", "grey"], ["value", "blue"]])
        row.append("rect").attr("x", left).attr("y", 3).attr("height", step - 7)
            .attr("width", r => x(r[key]) - left).attr("class", colour)
            .attr("opacity", key === "whole" ? .45 : 1);
    row.append("text").attr("class", "soft").attr("y", 14).attr("x", r => x(r.whole) + 6)
        .text(r => `${r.value} of ${r.whole}${r.note ? " · " + r.note : ""}`);
    axis(svg, x, "bottom", 0, top + rows.length * step + 2, 6, d3.format("d"));
}

/* matrix [rows][columns] as cells; path, if there is one, as [column, row] pairs. */
function heat(svg, h) {
    const cell = heatCell(h), left = 150, top = 10;
    const rows = h.values.length, columns = h.values[0].length;
    const flat = d3.merge(h.values).filter(v => v !== null);
    const domain = h.domain || d3.extent(flat);
    const style = getComputedStyle(document.documentElement);
    const colour = d3.scale.linear().domain(domain[0] < domain[1] ? domain : [0, 1])
        .range([style.getPropertyValue("--low").trim(), style.getPropertyValue("--high").trim()])
        .interpolate(d3.interpolateLab).clamp(true);
    const each = Math.ceil(Math.max(1, 13 / cell)); /* labels that do not run into another */
    svg.selectAll("text.row").data(h.rows).enter().append("text").attr("class", "soft")
        .attr("x", left - 6).attr("y", (d, i) => top + (i + .5) * cell + 4)
        .attr("text-anchor", "end").text((d, i) => i % each ? "" : clip(d, 22));
    svg.selectAll("text.column").data(h.columns).enter().append("text").attr("class", "soft")
        .attr("transform", (d, i) =>
            `translate(${left + (i + .5) * cell + 4},${top + rows * cell + 8}) rotate(90)`)
        .text((d, i) => i % each ? "" : clip(d, 18));
    h.values.forEach((line, i) => line.forEach((value, k) => {
        if (value === null || (h.sparse && value === 0))
            return;
        svg.append("rect").attr("class", "cell").attr("x", left + k * cell)
            .attr("y", top + i * cell).attr("width", cell).attr("height", cell)
            .style("fill", colour(value)).append("title")
            .text(`${h.rows[i]} × ${h.columns[k]}: ${short(value)}`);
    }));
    svg.append("rect").attr("x", left).attr("y", top).attr("width", columns * cell)
        .attr("height", rows * cell).style({fill: "none", stroke: "var(--line)"});
    if (h.path)
        svg.append("path").attr("class", "path").attr("d", d3.svg.line()
            .x(p => left + (p[0] + .5) * cell).y(p => top + (p[1] + .5) * cell)(h.path));
    if (h.path)
        svg.selectAll("circle").data(h.path).enter().append("circle").attr("class", "orange")
            .attr("r", Math.min(5, cell / 4)).attr("cx", p => left + (p[0] + .5) * cell)
            .attr("cy", p => top + (p[1] + .5) * cell);
    legend(svg, colour, domain, left, top + rows * cell + heatLabels(h));
}
/* h.size: of the longer side, 640 unless said */
const heatCell = h => Math.max(2, Math.min(34, (h.size || 640) /
                                               Math.max(h.values.length, h.values[0].length)));
const heatLabels = h => 24 + 7 * Math.min(18, d3.max(h.columns, c => c.length));
const heatHeight = h => h.values.length * heatCell(h) + heatLabels(h) + 50;
const heatWidth = h => Math.max(420, h.values[0].length * heatCell(h) + 200);

function legend(svg, colour, domain, x, y) {
    const steps = d3.range(0, 1.001, .02);
    svg.selectAll("rect.step").data(steps).enter().append("rect").attr("y", y)
        .attr("x", (d, i) => x + i * 3).attr("width", 3.2).attr("height", 10)
        .style("fill", d => colour(domain[0] + d * (domain[1] - domain[0])));
    svg.append("text").attr("class", "soft").attr("x", x).attr("y", y + 24)
        .text(short(domain[0]));
    svg.append("text").attr("class", "soft").attr("x", x + 153).attr("y", y + 24)
        .attr("text-anchor", "end").text(short(domain[1]));
}

/* series of {name, colour, points: [[x, y], ...]} over one x axis. */
function lines(svg, series, options) {
    const left = 64, right = 150, top = 12, height = 260;
    const all = d3.merge(series.map(s => s.points));
    const x = d3.scale.linear().domain(d3.extent(all, p => p[0])).range([left, WIDTH - right]);
    const y = d3.scale.linear().domain(d3.extent(all, p => p[1])).range([height, top]).nice();
    axis(svg, x, "bottom", 0, height + 4, options.ticks || 8, options.x);
    axis(svg, y, "left", left - 4, 0, 6, options.y === percent ? share : plain);
    svg.append("text").attr("class", "soft").attr("x", (left + WIDTH - right) / 2)
        .attr("y", height + 38).attr("text-anchor", "middle").text(options.title);
    const line = d3.svg.line().x(p => x(p[0])).y(p => y(p[1]));
    const ends = series.map(s => y(s.points[s.points.length - 1][1]));
    series.forEach((s, i) => {
        svg.append("path").attr("class", "curve " + s.colour).attr("d", line(s.points));
        if (s.colour !== "grey")
            svg.selectAll(".dot" + i).data(s.points).enter().append("circle")
                .attr("class", s.colour).attr("r", s.points.length > 40 ? 1.5 : 3)
                .attr("cx", p => x(p[0])).attr("cy", p => y(p[1])).append("title")
                .text(p => `${s.name}: ${options.y(p[1])} at ${p[0]}`);
        const near = ends.slice(0, i).some(e => Math.abs(e - ends[i]) < 14);
        svg.append("text").attr("class", s.colour).attr("x", WIDTH - right + 8)
            .attr("y", ends[i] + (near ? 18 : 4)).text(s.name);
    });
}

/* points of {x, y, name, colour}. */
function scatter(svg, points, options) {
    const left = 64, right = 40, top = 12, height = 260;
    const pad = d => d[0] === d[1] ? [d[0] - 1, d[1] + 1] : d;
    const x = d3.scale.linear().domain(pad(d3.extent(points, p => p.x)))
        .range([left, WIDTH - right]).nice();
    const y = d3.scale.linear().domain(pad(d3.extent(points, p => p.y)))
        .range([height, top]).nice();
    axis(svg, x, "bottom", 0, height + 4, 8, options.x);
    axis(svg, y, "left", left - 4, 0, 6, options.y === percent ? share : plain);
    svg.append("text").attr("class", "soft").attr("x", (left + WIDTH - right) / 2)
        .attr("y", height + 38).attr("text-anchor", "middle").text(options.title);
    svg.selectAll("circle").data(points).enter().append("circle")
        .attr("class", p => p.colour).attr("r", 5).attr("cx", p => x(p.x))
        .attr("cy", p => y(p.y)).append("title").text(p => p.name);
}

/* members of {name, blocks: [{first, last, chosen, label}]}: a row of blocks each, and the
 * chain that runs through the chosen ones, in order. */
function zoo(svg, members, chain) {
    const left = 210, step = 56, high = 34, top = 8;
    const x = d3.scale.linear()
        .domain([0, d3.max(members, m => d3.max(m.blocks, b => b.last)) + 1])
        .range([left, WIDTH - 20]);
    const middle = new Map();
    members.forEach((member, i) => {
        const y = top + i * step;
        svg.append("text").attr("x", left - 8).attr("y", y + 21).attr("text-anchor", "end")
            .text(clip(member.name, 28));
        member.blocks.forEach(block => {
            const wide = x(block.last + 1) - x(block.first) - 3;
            const chosen = block.chosen ? " chosen" : "";
            svg.append("rect").attr("class", "block" + chosen).attr("x", x(block.first))
                .attr("y", y).attr("width", wide).attr("height", high).attr("rx", 5)
                .append("title").text(`${member.name}, units ${block.first} to ${block.last}`);
            svg.append("text").attr("class", "block-name" + chosen)
                .attr("x", x(block.first) + wide / 2).attr("y", y + 21)
                .attr("text-anchor", "middle").text(wide > 44 ? block.label : "");
            middle.set(`${i}:${block.first}`, [x(block.first) + wide / 2, y]);
        });
    });
    const stops = chain.map(b => middle.get(`${b.member}:${b.first}`)).filter(Boolean);
    stops.slice(1).forEach((to, k) => {
        const from = stops[k], down = to[1] > from[1];
        const y0 = from[1] + (down ? high : 0), y1 = to[1] + (down ? 0 : high);
        if (from[1] !== to[1])
            svg.append("path").attr("class", "path")
                .attr("d", `M${from[0]},${y0} C${from[0]},${(y0 + y1) / 2} ` +
                           `${to[0]},${(y0 + y1) / 2} ${to[0]},${y1}`);
    });
}
