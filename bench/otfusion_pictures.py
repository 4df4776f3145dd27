"""The pictures of docs/results/otfusion.md as SVG text."""

WIDTH, HEIGHT, LEFT, TOP = 470, 300, 60, 50
PLOT_W, PLOT_H = 330, 190


def frame(width, height, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *body,
        "</svg>"]) + "\n"


def weight_panel(x0, title, weights, curves, styles, ensemble):
    """Accuracy against t: curves by the keys of styles (label, colour, dashes)."""
    x = lambda t: x0 + PLOT_W * t
    y = lambda a: TOP + PLOT_H * (1 - a)
    out = [f'<text x="{x0}" y="24" font-size="15" fill="#222">{title}</text>']
    for level in (0, 0.25, 0.5, 0.75, 1):
        out.append(f'<path d="M{x0} {y(level):.1f}h{PLOT_W}" stroke="#ddd"/>'
                   f'<text x="{x0 - 8}" y="{y(level) + 4:.1f}" text-anchor="end" '
                   f'fill="#444">{100 * level:.0f} %</text>')
    for t in (0, 0.5, 1):
        out.append(f'<text x="{x(t)}" y="{TOP + PLOT_H + 18}" text-anchor="middle" '
                   f'fill="#444">{t:g}</text>')
    out.append(f'<text x="{x(0.5)}" y="{TOP + PLOT_H + 36}" text-anchor="middle" '
               'fill="#444">t, the weight of parent B</text>'
               f'<path d="M{x0} {y(ensemble):.1f}h{PLOT_W}" stroke="#888" '
               'stroke-dasharray="1 4"/>')
    at = x0
    for key, (label, colour, dash) in styles.items():
        points = " ".join(f"{x(t):.1f},{y(a):.1f}" for t, a in zip(weights, curves[key]))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                   f'stroke-width="2" stroke-dasharray="{dash}"/>')
        out.append(f'<path d="M{at} 40h18" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/><text x="{at + 23}" y="44" '
                   f'fill="#222">{label}</text>')
        at += 34 + 6 * len(label)
    return out


def weight_picture(panels, weights, styles):
    """Panels (title, curves, ensemble), two a row where there are more than two."""
    columns = min(len(panels), 2)
    rows = (len(panels) + columns - 1) // columns
    body = []
    for k, (title, curves, ensemble) in enumerate(panels):
        down = HEIGHT * (k // columns)
        body += [f'<g transform="translate(0 {down})">' if down else "<g>",
                 *weight_panel(WIDTH * (k % columns) + LEFT, title, weights, curves,
                               styles, ensemble), "</g>"]
    return frame(WIDTH * columns, HEIGHT * rows, body)


def width_picture(widths, curves, parents, ensemble):
    """Accuracy against width; curves are (label, accuracies, colour)."""
    plot_w, plot_h = 400, 220
    low = int(20 * min(min(points) for _, points, _ in curves)) / 20
    high = max(ensemble, *parents) + 0.01
    x = lambda w: LEFT + plot_w * (w - 1)
    y = lambda a: TOP + plot_h * (high - a) / (high - low)
    out = [f'<text x="{LEFT}" y="24" font-size="15" fill="#222">ResNet20: accuracy '
           'against width</text>']
    level = low
    while level < high:
        out.append(f'<path d="M{LEFT} {y(level):.1f}h{plot_w}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end" '
                   f'fill="#444">{100 * level:.0f} %</text>')
        level += 0.05
    for w in widths:
        out.append(f'<text x="{x(w)}" y="{TOP + plot_h + 18}" text-anchor="middle" '
                   f'fill="#444">{w:g}</text>')
    out.append(f'<text x="{x(1.5)}" y="{TOP + plot_h + 38}" text-anchor="middle" '
               'fill="#444">width, in the multiply-accumulates of one parent</text>')
    for a, label in ((ensemble, "ensemble"), (max(parents), "better parent")):
        at = y(a) + (4 if label == "ensemble" else 12)
        out.append(f'<path d="M{LEFT} {y(a):.1f}h{plot_w}" stroke="#888" '
                   f'stroke-dasharray="1 4"/><text x="{LEFT + plot_w + 8}" y="{at:.1f}" '
                   f'fill="#666">{label}</text>')
    for n, (label, points, colour) in enumerate(curves):
        line = " ".join(f"{x(w):.1f},{y(a):.1f}" for w, a in zip(widths, points))
        at = LEFT + 120 * n
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" '
                   f'stroke-width="2"/><path d="M{at} 40h18" stroke="{colour}" '
                   f'stroke-width="2"/><text x="{at + 23}" y="44" '
                   f'fill="#222">{label}</text>')
    return frame(LEFT + plot_w + 130, TOP + plot_h + 50, out)
