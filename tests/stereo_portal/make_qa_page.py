"""Write a page with a theta2 plot, as the science environment makes it: ``make_qa_page.py FILE``."""

import sys
from pathlib import Path

import numpy as np

from stereo_tasks.qa.plots import plot_theta2
from stereo_tasks.qa.theta2 import Excess, Theta2
from stereo_tasks.zoom.embed import scripts
from stereo_tasks.zoom.policy import page_policy

edges = np.arange(0, 0.121, 0.005)
on, off = np.full(24, 10), np.full(24, 30)
on[:2] = 60, 30
picture = plot_theta2(Theta2(edges, on, off, Excess(100, 60, 1 / 3), {}, 3, (0.14, 0.2), {}))
style = (Path(sys.modules[plot_theta2.__module__].__file__).parent / "templates" / "report.css").read_text()
Path(sys.argv[1]).write_text(
    f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>night</title>
<meta http-equiv="Content-Security-Policy" content="{page_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><style>{style}</style></head>
<body><h1>the page</h1><figure id="theta2"><img src="{picture.uri}" alt="theta squared">{picture.data}</figure>
{scripts()}</body></html>"""
)
