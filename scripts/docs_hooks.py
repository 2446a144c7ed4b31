"""For mkdocs: the menu is what docs/guide/README.md lists, under its headings, and the design's pages. What a page says of a file outside docs/ keeps its words
and loses its link, if the file is there; else it is an error."""

import pathlib
import re

from mkdocs.exceptions import PluginError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def on_config(config):
    subjects = {}
    for line in (ROOT / "docs" / "guide" / "README.md").read_text().splitlines():
        if line.startswith("## "):
            subject = subjects.setdefault(line[3:], [])
        elif row := re.match(r"\| \[([^\]]*)\]\(([\w-]+\.md)\) \|", line):
            subject.append({row[1].replace("`", ""): f"guide/{row[2]}"})
    design = [f"design/{page.name}" for page in sorted((ROOT / "docs" / "design").glob("*.md"))]
    config.nav = [{"Welcome": "index.md"}, {"All pages": "guide/README.md"}, *({name: pages} for name, pages in subjects.items() if pages), "guarantees.md", {"Design": design}]
    return config


def on_page_markdown(markdown, page, config, files):
    here = (ROOT / "docs" / page.file.src_uri).parent

    def plain(match):
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        place = (here / target.split("#")[0]).resolve()
        if place.is_relative_to(ROOT / "docs") and (place.is_file() and "man/" not in target):
            return match[0]
        if not place.exists():
            raise PluginError(f"{page.file.src_uri} names {target}, which isn't there")
        return words

    return re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", plain, markdown)
