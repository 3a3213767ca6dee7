"""W6's curves as a picture."""

from __future__ import annotations

import math

from tests.benchmarks.scaling import Curve


def svg(found: dict[str, Curve]) -> str:
    """Draw the curves on logarithmic axes."""
    width, height, left, top = 640, 360, 60, 20
    xs = [math.log10(x) for points in found.values() for x, _ in points]
    ys = [math.log10(y) for points in found.values() for _, y in points]
    low, high = math.floor(min(ys)), math.ceil(max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + (math.log10(x) - min(xs)) / (max(xs) - min(xs)) * (width - left - 140)
        return across, top + (high - math.log10(y)) / (high - low) * (height - top - 50)

    colours = ("#1b6ca8", "#6a4c93", "#e09f3e", "#c8553d", "#588157", "#7f5539")
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',  # readable on dark pages too
    ]
    for power in range(low, high + 1):
        _, y = at(10 ** min(xs), 10.0**power)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 140}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} ns</text>')
    for power in range(math.ceil(min(xs)), math.floor(max(xs)) + 1):
        x, _ = at(10.0**power, 10.0**low)
        out.append(f'<text x="{x:.1f}" y="{height - 24}" text-anchor="middle">{10**power:,}</text>')
    for colour, (name, points) in zip(colours, found.items(), strict=False):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(*points[-1])
        out.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{(width - 140) / 2}" y="{height - 6}" text-anchor="middle">size</text></svg>')
    return "\n".join(out) + "\n"
