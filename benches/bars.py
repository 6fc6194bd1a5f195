#!/usr/bin/env python3
"""Draws what a benchmark has printed: a group of bars for each paragraph, as SVG.

    benches/bars.py TITLE < TEXT > FILE.svg

The first line of a paragraph is its heading. A line with a name, a number and a unit is a bar; all others are left out.
"""
from __future__ import annotations

import re
import sys
from html import escape

WIDTH, NAMES, VALUES, MARGIN, ROW = 820, 330, 100, 16, 22
BAR = re.compile(r'^\s*(\S.*?)\s{2,}([\d.,]+) (ms|s|MiB)\b')

Groups = list[tuple[str, list[tuple[str, float, str]]]]


def groups(text: str) -> Groups:
    """Each paragraph's heading, and its bars: name, number and the number with its unit."""
    found = []
    for paragraph in re.split(r'\n\s*\n', text):
        heading, *lines = paragraph.strip('\n').split('\n')
        bars = [(match[1], float(match[2].replace(',', '')), f'{match[2]} {match[3]}') for match in map(BAR.match, lines) if match]
        if bars:
            found.append((heading, bars))
    return found


def svg(title: str, drawn: Groups) -> str:
    """The picture. The bars of a group have one scale."""
    height = MARGIN + sum(ROW * (len(bars) + 2) for _, bars in drawn)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f'<title>{escape(title)}</title>',
        '<style>svg { background: #fff } text { font: 13px sans-serif; fill: #1f2328 } .heading { font-weight: bold }',
        '.name { text-anchor: end } .value { fill: #57606a } rect { fill: #d0d7de } .ours { fill: #0969da }</style>',
    ]
    top = MARGIN
    for heading, bars in drawn:
        most = max(number for _, number, _ in bars) or 1
        lines.append(f'<text class="heading" x="{MARGIN}" y="{top + 14}">{escape(heading)}</text>')
        top += ROW
        for name, number, value in bars:
            length = max(1, round((WIDTH - NAMES - VALUES - 3 * MARGIN) * number / most))
            ours = ' class="ours"' if is_ours(name) else ''
            lines.append(f'<text class="name" x="{MARGIN + NAMES}" y="{top + 14}">{escape(name)}</text>')
            lines.append(f'<rect{ours} x="{2 * MARGIN + NAMES}" y="{top + 2}" width="{length}" height="{ROW - 6}" rx="2"/>')
            lines.append(f'<text class="value" x="{2 * MARGIN + NAMES + length + 6}" y="{top + 14}">{escape(value)}</text>')
            top += ROW
        top += ROW
    return '\n'.join(lines) + '\n</svg>\n'


def is_ours(name: str) -> bool:
    """Whether the bar is of this project, by the names that the benchmarks give."""
    return any(part.startswith(('check', 'status', 'diagnose', 'settings', 'conntrack.sysctl')) for part in name.split(': '))


if __name__ == '__main__':
    sys.stdout.write(svg(sys.argv[1], groups(sys.stdin.read())))
