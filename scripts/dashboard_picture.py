"""Draws docs/guide/dashboard.svg: runs rh dashboard --demo on a terminal (tmux) and writes its screen down as it is.

    ./dev build && scripts/venv.sh >/dev/null && python3 scripts/dashboard_picture.py
"""

import html
import pathlib
import re
import sys
import tempfile
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, CELL, LINE, FONT = 100, 30, 8, 17, 13.3
RH = ROOT / "build" / "tools" / "rh" / "rh"
LOOKS = 45  # until it is drawn: the series have a past by then


def colour(index):
    """Of the 256 that xterm has."""
    if index < 232:
        steps = [0, 95, 135, 175, 215, 255]
        index -= 16
        return "#%02x%02x%02x" % (steps[index // 36], steps[index // 6 % 6], steps[index % 6])
    return "#%02x%02x%02x" % ((8 + (index - 232) * 10,) * 3)


def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def runs(row):
    """(text, front, ground, bold) of a row that tmux captured with its escapes."""
    front = ground = None
    bold = False
    for part in re.split(r"(\x1b\[[\d;]*m)", row):
        if not part.startswith("\x1b"):
            if part:
                yield part, front, ground, bold
            continue
        codes = [int(code or 0) for code in part[2:-1].split(";")]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                value = colour(codes[1])
                del codes[:2]
                front, ground = (value, ground) if code == 38 else (front, value)
            elif code == 0:
                front = ground = None
                bold = False
            elif code == 39:
                front = None
            elif code == 49:
                ground = None
            elif code == 1:
                bold = True


def svg(screen):
    width, height = WIDTH * CELL + 20, HEIGHT * LINE + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="monospace" font-size="{FONT}" fill="#d0d0d0">',
           f'<rect width="{width}" height="{height}" rx="8" fill="#16181d"/>']
    for y, row in enumerate(screen.rstrip("\n").split("\n")):
        x = 0
        for text, front, ground, bold in runs(row):
            wide = columns(text)
            if ground:
                out.append(f'<rect x="{10 + x * CELL}" y="{10 + y * LINE}" width="{wide * CELL}" height="{LINE}" fill="{ground}"/>')
            if text.strip():
                lead = columns(text) - columns(text.lstrip())
                word = text.strip()
                style = (f' fill="{front}"' if front else "") + (' font-weight="bold"' if bold else "")
                # Blanks are kept by the text element's own attribute, not by one of those around it: else they go, and what is left is stretched
                out.append(f'<text xml:space="preserve" x="{10 + (x + lead) * CELL}" y="{23 + y * LINE}" textLength="{columns(word) * CELL}" lengthAdjust="spacingAndGlyphs"{style}>'
                           f"{html.escape(word)}</text>")
            x += wide
    return "\n".join([*out, "</svg>"]) + "\n"


def main():
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    from tmux_terminal import Terminal
    with tempfile.TemporaryDirectory() as folder:
        one = Terminal(pathlib.Path(folder), f"{RH} dashboard --demo --refresh 500", width=WIDTH, height=HEIGHT, TERM="screen-256color", TMPDIR="/tmp")
        try:
            clocks = set()

            def has_a_past(screen):
                clocks.add(screen.split("\n")[0])
                return len(clocks) * 2 > LOOKS

            one.wait(has_a_past, 120)
            screen = one.tmux("capture-pane", "-p", "-e", "-N")
            one.keys("q")
            one.ended()
        finally:
            one.close()
    path = ROOT / "docs" / "guide" / "dashboard.svg"
    path.write_text(svg(screen))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
